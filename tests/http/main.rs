//! The HTTP API as clients see it: whole answers, every error, limits, and the process itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where an answer is not what it should be"
)]

mod assertions;
mod attacks;
mod attacks_on_sockets;
mod authzen;
mod bad_input;
mod batch_check;
mod caller_limits;
mod changes;
mod check;
mod config;
mod cooperation;
mod cooperation_races;
mod cooperations;
mod described;
mod disclosure;
mod effective_access;
mod expand;
mod explain;
mod fixture;
mod invitations;
mod key_scopes;
mod keys;
mod lists;
#[cfg(target_os = "linux")]
mod memory;
mod middleware;
mod models;
mod oidc;
mod openapi;
mod organizations;
mod origins;
mod partners;
mod process;
mod program;
mod races;
mod raw_writes;
mod read;
mod revisions;
mod shares;
mod slow_disk;
mod sockets;
mod stores;
mod users;
mod watch;
mod wire_rules;
mod write;
