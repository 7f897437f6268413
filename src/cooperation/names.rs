//! The words of the cooperation rules: identifiers, emails, roles, and who acts.

use std::fmt;
use std::ops::Deref;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::refusal::Refusal;
use crate::model::limits::{EMAIL_BYTES_MAX, ENTITY_ID_BYTES_MAX, LABEL_BYTES_MAX, LANGUAGE_BYTES_MAX};
use crate::model::{Id, Instant, Object, Subject};

/// The identifier of a user, an organization, a resource, a cooperation or an invitation:
/// `[A-Za-z0-9_.@+-]{1,128}`, without its type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntityId(Box<str>);

impl EntityId {
    /// Reads one; `field` names it in the refusal.
    pub fn parse(field: &str, text: &str) -> Result<Self, Refusal> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.@+-".contains(&b);
        // In a path, many clients and proxies make another path of these two.
        if text == "." || text == ".." {
            return Err(Refusal::field(field, "expected an id other than `.` and `..`"));
        }
        if (1..=ENTITY_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.into()));
        }
        let expected =
            format!("expected 1 to {ENTITY_ID_BYTES_MAX} letters, digits and characters of `_.@+-`");
        Err(Refusal::field(field, expected))
    }

    /// A new one, which nobody can guess.
    pub fn fresh(at: Instant) -> Self {
        // Only the random half is wanted; the time comes from the database's own clock.
        let random = Ulid::from_datetime(SystemTime::UNIX_EPOCH).random();
        Self(Id::from_parts(at.unix_millis(), random).to_string().into())
    }

    /// One that a stored tuple names, which no command may have written otherwise.
    pub(super) fn stored(id: &str) -> Self {
        Self(id.into())
    }
}

impl Deref for EntityId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object of the model.
pub fn object(type_name: &str, id: &str) -> Object {
    Object { type_name: type_name.into(), id: id.into() }
}

/// `user:id`
pub fn user(id: &str) -> Object {
    object("user", id)
}

/// `organization:id`
pub fn organization(id: &str) -> Object {
    object("organization", id)
}

/// An object as the subject of a tuple.
pub fn subject(object: Object) -> Subject {
    Subject::Object(object)
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The calling service itself.
    System,
    /// A user.
    User(EntityId),
}

impl Actor {
    /// Reads `user:id`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let expected = || Refusal::field("Tenure-Actor", "expected one user, `user:id`");
        let id = text.strip_prefix("user:").ok_or_else(expected)?;
        EntityId::parse("Tenure-Actor", id).map(Self::User).map_err(|_| expected())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::User(id) => write!(f, "user:{id}"),
        }
    }
}

/// An email address: trimmed and in lower case, as emails are compared (R40).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(Box<str>);

impl Email {
    /// Reads one: something, `@`, something, without white space or control characters.
    pub fn parse(field: &str, text: &str) -> Result<Self, Refusal> {
        let email = text.trim().to_lowercase();
        // The Kelvin sign would be an ordinary `k`: an address of somebody else's.
        let folds = |c: char| !c.is_ascii() && c.to_lowercase().any(|lower| lower.is_ascii());
        let sane = email.len() <= EMAIL_BYTES_MAX
            && !text.chars().any(folds)
            && !email.chars().any(|c| c.is_control() || c.is_whitespace())
            && email
                .rsplit_once('@')
                .is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty() && !name.contains('@'));
        if sane { Ok(Self(email.into())) } else { Err(Refusal::field(field, "expected an email address")) }
    }
}

impl Deref for Email {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is shown: the name of a person, an organization or a resource.
pub fn label(field: &str, text: &str) -> Result<Box<str>, Refusal> {
    let text = text.trim();
    let sane = (1..=LABEL_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    if sane {
        return Ok(text.into());
    }
    let expected = format!("expected 1 to {LABEL_BYTES_MAX} bytes of text without control characters");
    Err(Refusal::field(field, expected))
}

/// A language, as in `en` or `de-CH`.
pub fn language(field: &str, text: &str) -> Result<Box<str>, Refusal> {
    let sane = (2..=LANGUAGE_BYTES_MAX).contains(&text.len())
        && text
            .split('-')
            .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if sane { Ok(text.into()) } else { Err(Refusal::field(field, "expected a language tag, such as `en`")) }
}

macro_rules! roles {
    ($(#[$doc:meta])* $name:ident { $($role:ident $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $role,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$role),+];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$role => $text),+ }
            }

            /// Reads one; `field` names it in the refusal.
            pub fn parse(field: &str, text: &str) -> Result<Self, Refusal> {
                Self::ALL.iter().copied().find(|role| role.name() == text).ok_or_else(|| {
                    let names: Vec<String> = Self::ALL.iter().map(|role| format!("`{}`", role.name())).collect();
                    Refusal::field(field, format!("expected one of {}", names.join(", ")))
                })
            }
        }
    };
}

roles! {
    /// A role in an organization (R2). Its name is the relation of the membership.
    OrganizationRole {
        Admin "admin",
        Moderator "moderator",
        TechnicalAssetManager "technical_asset_manager",
        CommercialAssetManager "commercial_asset_manager",
        Member "member",
        External "external",
    }
}

roles! {
    /// A job role on a resource (R10), the highest first.
    JobRole {
        Operator "operator",
        TechnicalManager "technical_manager",
        AssetManager "asset_manager",
        Viewer "viewer",
    }
}

impl JobRole {
    /// The relation of a grant of this role.
    pub fn grant(self) -> String {
        format!("{}_grant", self.name())
    }

    /// The relation of a share of this role; an operator's cannot be shared (R31).
    pub fn share(self) -> String {
        format!("{}_share", self.name())
    }

    /// The relation of a delegation of this role.
    pub fn delegate(self) -> String {
        format!("{}_delegate", self.name())
    }
}

roles! {
    /// What a resource is.
    ResourceKind {
        Park "park",
        Portfolio "portfolio",
    }
}

/// A park or a portfolio.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Resource {
    /// Which of them.
    pub kind: ResourceKind,
    /// Its identifier, unique among its kind.
    pub id: EntityId,
}

impl Resource {
    /// As an object of the model.
    pub fn object(&self) -> Object {
        object(self.kind.name(), &self.id)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_plain() {
        for text in ["a", "A.b_c@d+e-f", &"x".repeat(128)] {
            assert_eq!(&*EntityId::parse("id", text).unwrap(), text);
        }
        for text in ["", "a b", "a/b", "a:b", "a#b", "*", "ß", "a\0", "a\n", "a%2F", &"x".repeat(129)] {
            assert!(EntityId::parse("id", text).is_err(), "{text:?}");
        }
        let at = Instant::from_unix_micros(1_700_000_000_000_000).unwrap();
        let fresh = EntityId::fresh(at);
        assert_eq!(EntityId::parse("id", &fresh).unwrap(), fresh);
        assert_ne!(EntityId::fresh(at), fresh);
    }

    #[test]
    fn an_email_that_lower_case_makes_anothers_is_refused() {
        assert_eq!(&*Email::parse("email", "ÄNNE@example.org").unwrap(), "änne@example.org");
        for text in ["\u{212a}ate@example.org", "kate@\u{212a}.org", "\u{130}da@example.org"] {
            assert!(Email::parse("email", text).is_err(), "{text:?}");
        }
        // Those that merely look alike stay apart.
        let parse = |text: &str| Email::parse("email", text).unwrap();
        for text in [
            "k\u{430}te@example.org",
            "kate\u{200b}@example.org",
            "\u{ff4b}ate@example.org",
            "ka\u{300}te@example.org",
        ] {
            assert_ne!(parse(text), parse("kate@example.org"), "{text:?}");
        }
    }

    #[test]
    fn an_actor_is_one_plain_user() {
        assert_eq!(Actor::parse("user:a@b.c").unwrap().to_string(), "user:a@b.c");
        for text in ["", "alice", "user:", "user:*", "organization:a", "user:a#b", "user:a,user:b", " user:a"]
        {
            assert!(Actor::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn emails_are_compared_trimmed_and_in_lower_case() {
        assert_eq!(&*Email::parse("email", "  Alice@Example.ORG ").unwrap(), "alice@example.org");
        let long = format!("{}@b", "a".repeat(400));
        for text in ["", "a", "@b", "a@", "a b@c", "a@b\nc", "a@b@c", "a\0@b", &long] {
            assert!(Email::parse("email", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn labels_and_languages_are_short_and_clean() {
        assert_eq!(&*label("name", " Größe & Co ").unwrap(), "Größe & Co");
        for text in ["", "  ", "a\tb", "a\u{85}b", &"x".repeat(300)] {
            assert!(label("name", text).is_err(), "{text:?}");
        }
        assert!(language("language", "de-CH").is_ok());
        for text in ["", "e", "en_US", "en-", "ß", &"x-".repeat(40)] {
            assert!(language("language", text).is_err(), "{text:?}");
        }
    }
}
