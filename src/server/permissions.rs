//! Which permission each operation takes: the one table, by the operations' names.
//!
//! An operation is registered with its row. One that has none is refused to everybody, and a test finds it.

use Needs::{Anywhere, Everywhere, InStore, Nothing};
use Permission::{Admin, Check, Model, Read, Write};

use crate::callers::Permission;

/// What a caller needs for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: whoever asks is answered.
    Nothing,
    /// To be known, whatever else.
    AnyKey,
    /// A permission in the store that is asked.
    InStore(Permission),
    /// To write in the store that is asked, and to say who acts.
    Command,
    /// A permission in some store; the answer shows only those stores.
    Anywhere(Permission),
    /// A permission in all stores.
    Everywhere(Permission),
    /// It has no row: nobody may.
    Unlisted,
}

/// What each operation needs.
const TABLE: [(Needs, &[&str]); 12] = [
    // They tell nothing of what is stored.
    (
        Nothing,
        &[
            "Healthz",
            "Readyz",
            "OpenApi",
            "GetConfiguration",
            "GetConfigurationOfAddress",
            "GetConfigurationOfConfiguredStore",
        ],
    ),
    // Counts and durations by route, of all stores together. Those by store are shown to keys for all stores only.
    (Needs::AnyKey, &["Metrics"]),
    (Anywhere(Read), &["ListStores"]),
    (Everywhere(Admin), &["CreateStore", "CreateKey", "ListKeys", "RevokeKey", "CreateBackup"]),
    (InStore(Admin), &["DeleteStore", "UpdateStore", "PutStaff", "DeleteStaff", "UpgradeStore"]),
    // What is stored. An explanation shows the tuples that decided, a tree the subjects.
    (
        InStore(Read),
        &[
            "GetStore",
            "Read",
            "ReadChanges",
            "Watch",
            "ReadAuthorizationModel",
            "ReadAuthorizationModels",
            "ReadAssertions",
            "Expand",
            "Explain",
        ],
    ),
    (InStore(Check), &["Check", "BatchCheck", "ListObjects", "StreamedListObjects", "ListUsers"]),
    (
        InStore(Check),
        &[
            "Evaluation",
            "Evaluations",
            "SubjectSearch",
            "ResourceSearch",
            "ActionSearch",
            "EvaluationOfConfiguredStore",
            "EvaluationsOfConfiguredStore",
            "SubjectSearchOfConfiguredStore",
            "ResourceSearchOfConfiguredStore",
            "ActionSearchOfConfiguredStore",
        ],
    ),
    // To a store that holds cooperations, `admin` as well (R51).
    (InStore(Write), &["Write"]),
    // The same holds of models.
    (InStore(Model), &["WriteAuthorizationModel", "WriteAssertions"]),
    (
        InStore(Read),
        &[
            "GetUser",
            "ListUserResources",
            "GetOrganization",
            "ListMembers",
            "ListCooperations",
            "GetCooperation",
            "ListDelegations",
            "GetInvitation",
            "ListParkAccess",
            "ListPortfolioAccess",
            "ListNotifications",
            "ListCommands",
            "ListAccess",
        ],
    ),
    (
        Needs::Command,
        &[
            "PutUser",
            "CreateOrganization",
            "RenameOrganization",
            "PutMember",
            "ChangeMember",
            "RemoveMember",
            "CreatePark",
            "ChangePark",
            "DeletePark",
            "CreatePortfolio",
            "DeletePortfolio",
            "PutParkGrant",
            "DeleteParkGrant",
            "PutPortfolioGrant",
            "DeletePortfolioGrant",
            "SendInvitation",
            "AcceptInvitation",
            "DeclineInvitation",
            "ResendInvitation",
            "RevokeInvitation",
            "Cooperate",
            "ChangeCooperation",
            "RemoveCooperation",
            "AcceptCooperation",
            "DeclineCooperation",
            "ResendCooperation",
            "SharePark",
            "UnsharePark",
            "SharePortfolio",
            "UnsharePortfolio",
            "DelegatePark",
            "UndelegatePark",
            "DelegatePortfolio",
            "UndelegatePortfolio",
        ],
    ),
];

/// What the operation of this name needs.
pub(super) fn of(operation: &str) -> Needs {
    let row = TABLE.iter().find(|(_, operations)| operations.contains(&operation));
    row.map_or(Needs::Unlisted, |(needs, _)| *needs)
}

impl Needs {
    /// What the description of an operation says of it.
    pub(super) fn says(self) -> String {
        match self {
            Nothing => "Answered without a key.".to_owned(),
            Self::AnyKey => "Takes any key.".to_owned(),
            InStore(permission) => format!("Takes a key with `{permission}` for the store."),
            Self::Command => "Takes a key with `write` and `act-as` for the store.".to_owned(),
            Anywhere(permission) => {
                format!("Takes a key with `{permission}`, and shows the stores that it is for.")
            }
            Everywhere(permission) => format!("Takes a key with `{permission}` for all stores."),
            Self::Unlisted => "Refused to everybody.".to_owned(),
        }
    }

    /// The permissions that are needed.
    pub(super) fn permissions(self) -> &'static [Permission] {
        let one = |permission: Permission| match permission {
            Read => [Read].as_slice(),
            Check => &[Check],
            Write => &[Write],
            Model => &[Model],
            Admin => &[Admin],
            Permission::ActAs => &[Permission::ActAs],
        };
        match self {
            Nothing | Self::AnyKey | Self::Unlisted => &[],
            InStore(permission) | Anywhere(permission) | Everywhere(permission) => one(permission),
            Self::Command => &[Write, Permission::ActAs],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as `docs/security.md` has it.
    fn printed() -> String {
        let row = |(needs, operations): &(Needs, &[&str])| {
            let names: Vec<_> = operations.iter().map(|name| format!("`{name}`")).collect();
            format!("| {} | {} |\n", needs.says().trim_end_matches('.'), names.join(", "))
        };
        TABLE.iter().map(row).collect()
    }

    #[test]
    fn the_page_on_security_has_the_table() {
        let page = include_str!("../../docs/security.md");
        assert!(page.contains(&printed()), "docs/security.md should have\n{}", printed());
    }

    #[test]
    fn an_operation_has_one_row() {
        let mut names: Vec<_> = TABLE.iter().flat_map(|(_, operations)| *operations).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert_eq!(of("NoSuchOperation"), Needs::Unlisted);
    }
}
