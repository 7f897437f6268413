//! The rules that names follow (openfga-api, section 2; lengths in bytes).

use thiserror::Error;

use super::limits::{
    CONDITION_NAME_BYTES_MAX, CONDITION_NAME_CHARACTERS_MIN, RELATION_BYTES_MAX, TYPE_BYTES_MAX,
};

/// Why a text cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("is empty")]
    Empty,
    /// Fewer characters than allowed.
    #[error("is too short; at least {min} characters are expected")]
    TooShort {
        /// The fewest allowed.
        min: usize,
    },
    /// More bytes than allowed.
    #[error("is {bytes} bytes long; at most {max} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        max: usize,
    },
    /// A character that has a meaning elsewhere, white space, or a control character.
    #[error("contains {character:?}, which is not allowed here")]
    Character {
        /// The first such character.
        character: char,
    },
}

/// Checks the name of a relation: 1 to 50 bytes without `:`, `#`, `@`, white space or control characters.
pub fn check_relation(name: &str) -> Result<(), NameError> {
    check(name, RELATION_BYTES_MAX, b":#@")
}

/// Checks the name of a type: 1 to 254 bytes without `:`, `#`, `@`, white space or control characters.
pub fn check_type(name: &str) -> Result<(), NameError> {
    check(name, TYPE_BYTES_MAX, b":#@")
}

/// Checks the name of a condition on a tuple: 2 characters to 256 bytes without white space or control characters. A
/// model may name a condition by one character; as in OpenFGA, no tuple can then have it.
pub fn check_condition_name(name: &str) -> Result<(), NameError> {
    check(name, CONDITION_NAME_BYTES_MAX, b"")?;
    match name.chars().nth(CONDITION_NAME_CHARACTERS_MIN - 1) {
        Some(_) => Ok(()),
        None => Err(NameError::TooShort { min: CONDITION_NAME_CHARACTERS_MIN }),
    }
}

/// Checks a text for its length, white space, control characters, and those that are reserved, which are ASCII.
pub(super) fn check(text: &str, max: usize, reserved: &[u8]) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > max {
        return Err(NameError::TooLong { bytes: text.len(), max });
    }
    // Of nearly all texts each byte is a character that is allowed.
    if text.bytes().all(|byte| byte.is_ascii_graphic() && !reserved.contains(&byte)) {
        return Ok(());
    }
    let is_reserved = |c: char| u8::try_from(c).is_ok_and(|byte| reserved.contains(&byte));
    match text.chars().find(|c| c.is_control() || c.is_whitespace() || is_reserved(*c)) {
        Some(character) => Err(NameError::Character { character }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_bounded_and_free_of_separators() {
        assert_eq!(check_relation("can_view"), Ok(()));
        assert_eq!(check_relation("größe"), Ok(()));
        assert_eq!(check_relation(""), Err(NameError::Empty));
        assert_eq!(check_relation(&"r".repeat(50)), Ok(()));
        assert_eq!(check_relation(&"r".repeat(51)), Err(NameError::TooLong { bytes: 51, max: 50 }));
        for bad in [':', '#', '@', ' ', '\n', '\0', '\u{7f}', '\u{85}', '\u{a0}'] {
            assert_eq!(check_relation(&format!("a{bad}b")), Err(NameError::Character { character: bad }));
        }
    }

    #[test]
    fn conditions_of_tuples_have_names_of_two_characters_or_more() {
        for good in ["ab", "éé", "in:office#1@home", &"c".repeat(256)] {
            assert_eq!(check_condition_name(good), Ok(()), "{good}");
        }
        assert_eq!(check_condition_name(""), Err(NameError::Empty));
        for short in ["a", "é"] {
            assert_eq!(check_condition_name(short), Err(NameError::TooShort { min: 2 }), "{short}");
        }
        assert_eq!(check_condition_name(&"c".repeat(257)), Err(NameError::TooLong { bytes: 257, max: 256 }));
        assert_eq!(check_condition_name("a b"), Err(NameError::Character { character: ' ' }));
    }
}
