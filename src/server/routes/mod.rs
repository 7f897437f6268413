//! The operations, one file each: a request read, the engine asked, its answer written.

pub(super) mod assertions;
pub(super) mod authzen;
pub(super) mod batch_check;
pub(super) mod changes;
pub(super) mod check;
pub(super) mod expand;
pub(super) mod explain;
pub(super) mod health;
pub(super) mod list_objects;
pub(super) mod list_users;
pub(super) mod models;
pub(super) mod read;
pub(super) mod stores;
pub(super) mod streamed_list_objects;
pub(super) mod watch;
pub(super) mod write;
