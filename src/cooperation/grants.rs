//! Grants: a job role on a single resource, to a member of the own organization (R12, R13).

use super::members;
use super::names::{EntityId, JobRole, OrganizationRole, Resource, user};
use super::refusal::{Code, Outcome, Refusal};
use super::work::{Work, inconsistent, key};
use crate::model::{Instant, Lifetime, TupleKey};
use crate::store::Database;

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// On what.
    pub resource: Resource,
    /// To whom.
    pub user: EntityId,
    /// Which role.
    pub role: JobRole,
    /// Until when.
    pub expires_at: Option<Instant>,
}

/// Grants a role, or changes the grant that there is; what is absent stays.
pub fn put<D: Database>(
    work: &mut Work<'_, D>,
    resource: &Resource,
    user_id: &EntityId,
    role: Option<JobRole>,
    expires_at: Option<Option<Instant>>,
) -> Outcome<Grant> {
    work.acting_user()?;
    let owner = work.see_resource(resource)?.owner;
    work.known_user(user_id)?;
    let before = of_user(work, resource, user_id)?;
    let given = role;
    let role = role.or(before.as_ref().map(|(role, _)| *role));
    let role = role.ok_or_else(|| Refusal::field("role", "it is missing"))?;
    work.require("can_grant", &resource.object(), "R12")?;
    let member = members::member(work, &owner, user_id)?.ok_or_else(|| {
        let message = format!("`{}` is no member of the owner of `{resource}`", user(user_id));
        Refusal::new(Code::NotAMember, message).by("R12")
    })?;
    // What stands from before a change of role counts as `viewer`; its end may be changed (R13).
    if given.is_some() && member.role == OrganizationRole::External && role != JobRole::Viewer {
        let message = "an external member has no more than `viewer`";
        return Err(Refusal::new(Code::RoleNotGrantable, message).by("R13").into());
    }
    let mut lifetime = before.map(|(_, lifetime)| lifetime).unwrap_or_default();
    lifetime.expires_at = expires_at.unwrap_or(lifetime.expires_at);
    if let Some((before, _)) = before.filter(|(before, _)| *before != role) {
        work.delete(grant_key(resource, before, user_id));
    }
    work.write(grant_key(resource, role, user_id), lifetime);
    let (resource, user) = (resource.clone(), user_id.clone());
    Ok(Grant { resource, user, role, expires_at: lifetime.expires_at })
}

/// Takes a grant back.
pub fn remove<D: Database>(work: &mut Work<'_, D>, resource: &Resource, user_id: &EntityId) -> Outcome<()> {
    work.acting_user()?;
    work.see_resource(resource)?;
    let found = of_user(work, resource, user_id)?;
    let missing = || Refusal::not_found(format!("the grant of {} on {resource}", user(user_id)));
    let (role, _) = found.ok_or_else(missing)?;
    work.require("can_grant", &resource.object(), "R12")?;
    work.delete(grant_key(resource, role, user_id));
    Ok(())
}

fn grant_key(resource: &Resource, role: JobRole, user_id: &EntityId) -> TupleKey {
    key(resource.object(), &role.grant(), user(user_id))
}

/// The grant of a user on a resource: there is one at the most.
fn of_user<D: Database>(
    work: &Work<'_, D>,
    resource: &Resource,
    user_id: &EntityId,
) -> Outcome<Option<(JobRole, Lifetime)>> {
    let mut found = None;
    for role in JobRole::ALL {
        if let Some(record) = work.tuple(&grant_key(resource, *role, user_id))?
            && found.replace((*role, record.lifetime)).is_some()
        {
            let what = format!("{} has more than one grant on {resource}", user(user_id));
            return Err(inconsistent(what).by("R12").into());
        }
    }
    Ok(found)
}
