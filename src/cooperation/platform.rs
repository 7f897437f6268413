//! Platform staff: who may invite to the platform (R41).

use super::names::{EntityId, object, user};
use super::refusal::{Outcome, Refusal};
use super::work::{Work, key};
use crate::model::{Lifetime, TupleKey};
use crate::store::Database;

/// Makes a user one of the staff, for the system.
pub fn put_staff<D: Database>(work: &mut Work<'_, D>, user_id: &EntityId) -> Outcome<()> {
    work.known_user(user_id)?;
    work.only_system()?;
    work.write(staff(user_id), Lifetime::default());
    Ok(())
}

/// Makes one of the staff an ordinary user again, for the system.
pub fn remove_staff<D: Database>(work: &mut Work<'_, D>, user_id: &EntityId) -> Outcome<()> {
    let found = work.tuple(&staff(user_id))?;
    found.ok_or_else(|| Refusal::not_found(format!("{} among the staff", user(user_id))))?;
    work.only_system()?;
    work.delete(staff(user_id));
    Ok(())
}

fn staff(user_id: &EntityId) -> TupleKey {
    key(object("platform", "main"), "staff", user(user_id))
}
