//! What a caller may do, and in which stores.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::StoreId;

/// What a caller may do. None of them contains another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// See what is stored: tuples, changes, models, explanations.
    Read,
    /// Ask for decisions and lists of them.
    Check,
    /// Write tuples, and give commands.
    Write,
    /// Write models and assertions.
    Model,
    /// Make and delete stores and keys, and write raw tuples and models where there are cooperations.
    Admin,
    /// Say who acts: a user, or the system itself.
    ActAs,
}

impl Permission {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] = [Self::Read, Self::Check, Self::Write, Self::Model, Self::Admin, Self::ActAs];

    /// Its name, which [`FromStr`] reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Check => "check",
            Self::Write => "write",
            Self::Model => "model",
            Self::Admin => "admin",
            Self::ActAs => "act-as",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Check => 2,
            Self::Write => 4,
            Self::Model => 8,
            Self::Admin => 16,
            Self::ActAs => 32,
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Permission {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|permission| permission.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(|permission| format!("`{permission}`")).join(", ");
            format!("`{text}` is no permission; expected one of {names}")
        })
    }
}

/// A set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Permission>", into = "Vec<Permission>")]
pub struct Permissions(u8);

impl Permissions {
    /// Whether it is among them.
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.has(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |bits, permission| bits | permission.bit()))
    }
}

impl From<Vec<Permission>> for Permissions {
    fn from(permissions: Vec<Permission>) -> Self {
        permissions.into_iter().collect()
    }
}

impl From<Permissions> for Vec<Permission> {
    fn from(permissions: Permissions) -> Self {
        permissions.iter().collect()
    }
}

/// The stores that a scope is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stores {
    /// Every store, those included that do not exist yet, and what belongs to none.
    All,
    /// These, in their order, each once.
    Listed(Box<[StoreId]>),
}

impl Stores {
    /// Exactly these.
    pub fn listed(stores: impl IntoIterator<Item = StoreId>) -> Self {
        let mut stores: Vec<StoreId> = stores.into_iter().collect();
        stores.sort_unstable();
        stores.dedup();
        Self::Listed(stores.into())
    }

    /// Whether a store is among them.
    pub fn has(&self, store: StoreId) -> bool {
        match self {
            Self::All => true,
            Self::Listed(stores) => stores.contains(&store),
        }
    }
}

/// What a caller may do, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// What.
    pub permissions: Permissions,
    /// Where.
    pub stores: Stores,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_reads_back_and_nothing_else_is_one() {
        for permission in Permission::ALL {
            assert_eq!(permission.name().parse(), Ok(permission));
        }
        for text in ["", "Read", "read ", "act_as", "all", "*"] {
            assert!(text.parse::<Permission>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_set_has_what_was_put_into_it_and_nothing_else() {
        for permission in Permission::ALL {
            let one: Permissions = [permission, permission].into_iter().collect();
            let others = Permission::ALL.into_iter().filter(|other| *other != permission);
            assert!(one.has(permission) && others.into_iter().all(|other| !one.has(other)));
            assert_eq!(one.iter().collect::<Vec<_>>(), [permission]);
        }
        assert!(Permissions::default().is_empty());
    }

    #[test]
    fn listed_stores_are_those_and_no_others() {
        let [first, second, third] = [1, 2, 3].map(StoreId::from_bits);
        let stores = Stores::listed([second, first, second]);
        assert_eq!(stores, Stores::Listed([first, second].into()));
        assert!(stores.has(first) && stores.has(second) && !stores.has(third));
        assert!(!Stores::listed([]).has(first), "no store is not every store");
        assert!(Stores::All.has(third));
    }
}
