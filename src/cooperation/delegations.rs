//! Delegations: what the other side of a cooperation hands on to its own members (R36, R37).

use std::collections::BTreeSet;

use super::cooperations::{self, Cooperation};
use super::names::{EntityId, JobRole, OrganizationRole, Resource, user};
use super::refusal::{Code, Outcome, Refusal};
use super::shares;
use super::work::{Work, inconsistent, key};
use crate::model::{Instant, Lifetime, TupleKey};
use crate::store::Database;

/// A delegation as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// On what.
    pub resource: Resource,
    /// To whom.
    pub user: EntityId,
    /// Which role.
    pub role: JobRole,
    /// Until when.
    pub lifetime: Lifetime,
}

impl Delegation {
    /// The tuple of a delegation.
    pub(super) fn key(&self) -> TupleKey {
        delegation_key(&self.resource, self.role, &self.user)
    }
}

fn delegation_key(resource: &Resource, role: JobRole, to: &EntityId) -> TupleKey {
    key(resource.object(), &role.delegate(), user(to))
}

/// The roles that can be delegated.
fn roles() -> impl Iterator<Item = JobRole> {
    JobRole::ALL.iter().copied().filter(|role| *role != JobRole::Operator)
}

/// Delegates a role, or changes a delegation; what is absent stays.
pub fn put<D: Database>(
    work: &mut Work<'_, D>,
    (cooperation, resource): (&EntityId, &Resource),
    to: &EntityId,
    role: Option<JobRole>,
    expires_at: Option<Option<Instant>>,
) -> Outcome<Delegation> {
    let cooperation = cooperations::see(work, cooperation)?;
    shares::require_existing(work, resource)?;
    work.known_user(to)?;
    if !cooperations::sees_inside(work, &cooperation)? {
        require_partner(work, &cooperation)?;
    }
    let share = shares::existing(work, &cooperation, resource)?;
    let member = work.membership(to)?.filter(|member| member.organization == cooperation.partner);
    let before = if member.is_some() { of_user(work, resource, to)? } else { None };
    let given = role;
    let role = role.or(before.as_ref().map(|delegation| delegation.role));
    let role = role.ok_or_else(|| Refusal::field("role", "it is missing"))?;
    if !work.can("can_delegate", &cooperation.object())? {
        require_partner(work, &cooperation)?;
        let message = "the cooperation is not active; nothing new can be delegated in it";
        let rule = if cooperation.accepted { "R26" } else { "R17" };
        return Err(Refusal::new(Code::NotActive, message).by(rule).into());
    }
    let Some(member) = member else {
        let message = format!("`{}` is no member of your organization", user(to));
        return Err(Refusal::new(Code::NotAMember, message).by("R36").into());
    };
    // What stands from before the share was lowered stays, where only its end changes (R31, R37).
    if given.is_some() && role != JobRole::Viewer && role != share.role {
        let message =
            format!("of a share of `{}`, only `viewer` or that can be delegated", share.role.name());
        return Err(Refusal::new(Code::RoleNotGrantable, message).by("R36").into());
    }
    if given.is_some() && role != JobRole::Viewer && member.role == OrganizationRole::External {
        let message = "an external member can have no more than `viewer`";
        return Err(Refusal::new(Code::RoleNotGrantable, message).by("R13").into());
    }
    let mut lifetime = before.as_ref().map(|delegation| delegation.lifetime).unwrap_or_default();
    lifetime.expires_at = expires_at.unwrap_or(lifetime.expires_at);
    if let Some(before) = before.filter(|before| before.role != role) {
        work.delete(before.key());
    }
    let delegation = Delegation { resource: resource.clone(), user: to.clone(), role, lifetime };
    work.write(delegation.key(), lifetime);
    Ok(delegation)
}

/// Takes a delegation back, in whatever state the cooperation is (R26).
pub fn remove<D: Database>(
    work: &mut Work<'_, D>,
    (cooperation, resource): (&EntityId, &Resource),
    from: &EntityId,
) -> Outcome<()> {
    let cooperation = cooperations::see(work, cooperation)?;
    shares::require_existing(work, resource)?;
    if !cooperations::sees_inside(work, &cooperation)? {
        require_partner(work, &cooperation)?;
    }
    shares::existing(work, &cooperation, resource)?;
    let member = work.membership(from)?.filter(|member| member.organization == cooperation.partner);
    let found = if member.is_some() { of_user(work, resource, from)? } else { None };
    let missing = || Refusal::not_found(format!("the delegation of {resource} to {}", user(from)));
    let found = found.ok_or_else(missing)?;
    require_partner(work, &cooperation)?;
    work.delete(found.key());
    Ok(())
}

/// Refuses everybody but the partner's admins.
fn require_partner<D: Database>(work: &Work<'_, D>, cooperation: &Cooperation) -> Outcome<()> {
    if work.can("can_undelegate", &cooperation.object())? {
        return Ok(());
    }
    let message = "only an admin of the partner delegates what it received";
    Err(Refusal::new(Code::Forbidden, message).by("R36").into())
}

/// The delegation of a resource to a user: there is one at the most.
fn of_user<D: Database>(
    work: &Work<'_, D>,
    resource: &Resource,
    to: &EntityId,
) -> Outcome<Option<Delegation>> {
    let mut found = None;
    for role in roles() {
        if let Some(record) = work.tuple(&delegation_key(resource, role, to))? {
            let (resource, user) = (resource.clone(), to.clone());
            let delegation = Delegation { resource, user, role, lifetime: record.lifetime };
            if found.replace(delegation).is_some() {
                let what = format!("user:{to} has more than one delegation of one resource");
                return Err(inconsistent(what).by("R36").into());
            }
        }
    }
    Ok(found)
}

/// The delegations of a resource in a cooperation: those to members of the partner. A resource has one owner, who has one
/// cooperation with each partner.
pub(super) fn of_resource<D: Database>(
    work: &Work<'_, D>,
    cooperation: &Cooperation,
    resource: &Resource,
) -> Outcome<Vec<Delegation>> {
    let members = work.members(&cooperation.partner)?;
    let members: BTreeSet<EntityId> = members.into_iter().map(|member| member.user).collect();
    let mut found = Vec::new();
    for role in roles() {
        for (key, record) in work.tuples_on(&resource.object(), Some(&role.delegate()))? {
            let to = shares::subject_id(&key)?;
            if members.contains(&to) {
                let resource = resource.clone();
                found.push(Delegation { resource, user: to, role, lifetime: record.lifetime });
            }
        }
    }
    found.sort_by(|a, b| a.user.cmp(&b.user));
    Ok(found)
}
