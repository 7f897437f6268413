//! The operations, one file each: a request read, the engine asked, its answer written. Beside it stands its description,
//! with which it is registered here.

pub(super) mod assertions;
pub(super) mod authzen;
pub(super) mod backups;
pub(super) mod batch_check;
pub(super) mod changes;
pub(super) mod check;
pub(super) mod cooperation;
pub(super) mod expand;
pub(super) mod explain;
pub(super) mod health;
pub(super) mod keys;
pub(super) mod list_objects;
pub(super) mod list_users;
pub(super) mod models;
pub(super) mod read;
pub(super) mod stores;
pub(super) mod streamed_list_objects;
pub(super) mod watch;
pub(super) mod write;

use crate::server::openapi::Routes;
use crate::store::Database;

/// The operations on the stores as a whole.
pub(super) fn of_stores<D: Database>() -> Routes<D> {
    Routes::new().on(stores::list_operation(), stores::list).on(stores::create_operation(), stores::create)
}

/// The operations of a store that the path names.
pub(super) fn of_a_store<D: Database>() -> Routes<D> {
    Routes::new()
        .on(stores::get_operation(), stores::get)
        .on(stores::delete_operation(), stores::delete)
        .on(stores::update_operation(), stores::update)
        .on(models::list_operation(), models::list)
        .on(models::write_operation(), models::write)
        .on(models::get_operation(), models::get)
        .on(write::operation(), write::write)
        .on(read::operation(), read::read)
        .on(changes::operation(), changes::changes)
        .on(watch::operation(), watch::watch)
        .on(check::operation(), check::check)
        .on(batch_check::operation(), batch_check::batch_check)
        .on(expand::operation(), expand::expand)
        .on(explain::operation(), explain::explain)
        .on(list_objects::operation(), list_objects::list_objects)
        .on(streamed_list_objects::operation(), streamed_list_objects::streamed_list_objects)
        .on(list_users::operation(), list_users::list_users)
        .on(assertions::read_operation(), assertions::read)
        .on(assertions::write_operation(), assertions::write)
        .merge(cooperation::routes())
        .merge(authzen::of_a_store())
}
