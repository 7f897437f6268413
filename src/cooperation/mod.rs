//! Organizations, their members, their plants, and the sharing of plants between organizations, as commands on the engine.
//!
//! A command is decided by the engine's own check on the tuples, on one revision and one instant, and is committed with
//! everything that it read: what it changes, its record and its notifications are one commit, and commands that race each
//! other end as if one had come after the other (R49). Nothing here may decide who has access: that is for the model,
//! `schema/cooperation.fga`. What stands here is what a model cannot see: that something exists once only, and with which
//! error a command is refused. It knows nothing of HTTP.
//!
//! - `command`: how a command is run, tried again and recorded; `work`: what it has in its hands.
//! - `names`: the words; `documents`: what is shown and never decides; `refusal`: the errors; `pinned`: the model.
//! - `access`: who has what, both ways; `access_record`: the checks that concerned a cooperation; `sharing`: what both look up.
//! - `users`, `platform`, `organizations`, `members`, `resources`, `grants`, `invitations`, `cooperations`, `shares`,
//!   `delegations`: the commands, one file or folder for each subject; `audit`: what is read of the
//!   journals; `raw`: what is written past the commands; `upgrade`: a newer model, and whether data follows the rules.

pub mod access;
mod access_record;
pub mod audit;
mod command;
pub mod cooperations;
pub mod delegations;
pub mod documents;
pub mod grants;
pub mod invitations;
pub mod members;
mod names;
pub mod organizations;
mod pinned;
pub mod platform;
mod raw;
mod refusal;
pub mod resources;
pub mod shares;
mod sharing;
#[cfg(test)]
mod test_world;
mod upgrade;
pub mod users;
mod work;

pub use access_record::{
    AccessEntries, AccessEntry, AccessFilter, AccessPlace, AccessRecordOptions, AccessRecorder,
    read as read_access_record,
};
pub use command::{CommandRecord, Cooperations, Done, JOURNAL_OF_COMMANDS, Request};
pub use names::{
    Actor, Email, EntityId, JobRole, OrganizationRole, Resource, ResourceKind, label, language, object,
    organization, subject, user,
};
pub use pinned::COOPERATION_MODEL;
pub use refusal::{Class, Code, CommandError, Outcome, Refusal};
pub use sharing::Source;
pub use upgrade::Upgraded;
pub use work::{JOURNAL_OF_NOTIFICATIONS, Membership, Notification, Work};
