//! Identifiers that the server makes, and the revision of a store.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::{ULID_LEN, Ulid};

/// A ULID: 128 bits, sortable by the millisecond of its creation, printed as 26 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Id(u128);

impl Id {
    /// The identifier with these bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The identifier made at `unix_ms` (milliseconds since the epoch) from 80 random bits.
    pub fn from_parts(unix_ms: u64, random: u128) -> Self {
        Self(Ulid::from_parts(unix_ms, random).0)
    }

    /// The bits; their big-endian bytes sort as the identifiers do.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// What `read` makes of the identifier as it is printed, without an allocation.
    pub fn read_text<T>(self, read: impl FnOnce(&str) -> T) -> T {
        read(Ulid(self.0).array_to_str(&mut [0; ULID_LEN]))
    }

    /// The next identifier in order, or `None` after the last one.
    pub fn successor(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Ulid(self.0), f)
    }
}

impl FromStr for Id {
    type Err = ();

    /// Takes exactly what [`Display`](fmt::Display) prints: 26 upper-case characters of Crockford's base 32.
    fn from_str(text: &str) -> Result<Self, ()> {
        let id = Ulid::from_string(text).map_err(|_| ())?;
        // The parser takes lower case too; an identifier has one spelling only.
        let mut buffer = [0; ULID_LEN];
        if id.array_to_str(&mut buffer) == text { Ok(Self(id.0)) } else { Err(()) }
    }
}

/// A store: OpenFGA's word for a tenant.
pub type StoreId = Id;
/// An authorization model in a store.
pub type ModelId = Id;

/// How many commits a store has seen. Grows by one with each; a query answers at exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Revision(pub u64);

impl Revision {
    /// Before the first commit.
    pub const ZERO: Self = Self(0);

    /// The revision of the next commit.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = Id::from_parts(1_700_000_000_000, 42);
        let text = id.to_string();
        assert_eq!(text.len(), 26);
        assert_eq!(text.parse::<Id>(), Ok(id));
        assert!(text.to_lowercase().parse::<Id>().is_err());
        assert!("ZZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<Id>().is_err(), "overflows 128 bits");
        assert!("".parse::<Id>().is_err());
    }
}
