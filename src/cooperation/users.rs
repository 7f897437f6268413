//! Users: who they are. What they may do is said by their memberships and grants.

use super::documents::{EmailDocument, UserDocument};
use super::names::{Actor, Email, EntityId, OrganizationRole, user};
use super::refusal::{Code, Outcome, Refusal};
use super::work::Work;
use crate::store::Database;

/// A user, with the membership that there is, paused and expired ones too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub id: EntityId,
    /// Unique among users.
    pub email: Email,
    /// As it is shown.
    pub name: Option<Box<str>>,
    /// The organization, and the role in it.
    pub membership: Option<(EntityId, OrganizationRole)>,
}

/// Makes a user known, or changes the email and, where one is given, the name.
pub fn put<D: Database>(
    work: &mut Work<'_, D>,
    id: &EntityId,
    email: &Email,
    name: Option<Option<Box<str>>>,
) -> Outcome<User> {
    work.only_system()?;
    let before: Option<UserDocument> = work.get(&[id])?;
    let holder: Option<EmailDocument> = work.get(&[email])?;
    if holder.is_some_and(|holder| holder.user != *id) {
        return Err(
            Refusal::new(Code::AlreadyExists, format!("the email `{email}` is another user's")).into()
        );
    }
    if let Some(before) = before.as_ref().filter(|before| before.email != *email) {
        work.remove::<EmailDocument>(&[&before.email]);
    }
    let name = name.unwrap_or_else(|| before.and_then(|before| before.name));
    let document = UserDocument { email: email.clone(), name };
    work.put(&[email], &EmailDocument { user: id.clone() })?;
    work.put(&[id], &document)?;
    shown(work, id, document)
}

/// A user, for the system and for the user.
pub fn get<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<User> {
    let sees = match work.actor() {
        Actor::System => true,
        Actor::User(actor) => actor == id,
    };
    if !sees {
        return Err(Refusal::not_found(user(id)).into());
    }
    let document = work.known_user(id)?;
    shown(work, id, document)
}

fn shown<D: Database>(work: &Work<'_, D>, id: &EntityId, document: UserDocument) -> Outcome<User> {
    let UserDocument { email, name } = document;
    let membership = work.membership(id)?.map(|found| (found.organization, found.role));
    Ok(User { id: id.clone(), email, name, membership })
}
