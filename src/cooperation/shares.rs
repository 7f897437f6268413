//! Shares: what the owner of a resource lets the other side of a cooperation have on it (R30 to R35).

use super::cooperations::{self, Cooperation, Side};
use super::delegations;
use super::names::{EntityId, JobRole, Resource, ResourceKind, object, organization};
use super::refusal::{Code, Outcome, Refusal};
use super::work::{Work, inconsistent, key};
use crate::model::{Instant, Lifetime, Subject, TupleKey};
use crate::store::Database;

/// A share as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// What is shared.
    pub resource: Resource,
    /// Which role.
    pub role: JobRole,
    /// Until when.
    pub lifetime: Lifetime,
}

impl Share {
    /// The tuple of a share.
    pub(super) fn key(&self, cooperation: &EntityId) -> TupleKey {
        share_key(&self.resource, self.role, cooperation)
    }
}

fn share_key(resource: &Resource, role: JobRole, cooperation: &EntityId) -> TupleKey {
    key(resource.object(), &role.share(), object("cooperation", cooperation))
}

/// Shares a resource, or changes the role or the expiration of its share; what is absent stays (R31).
pub fn put<D: Database>(
    work: &mut Work<'_, D>,
    cooperation: &EntityId,
    resource: &Resource,
    role: Option<JobRole>,
    expires_at: Option<Option<Instant>>,
) -> Outcome<Share> {
    let cooperation = cooperations::see(work, cooperation)?;
    require_existing(work, resource)?;
    require_owner(work, &cooperation, resource)?;
    let before = of_resource(work, &cooperation.id, resource)?;
    let role = role.or(before.as_ref().map(|share| share.role));
    let role = role.ok_or_else(|| Refusal::field("role", "it is missing"))?;
    if role == JobRole::Operator {
        let message =
            "the role `operator` cannot be shared; expected `viewer`, `technical_manager` or `asset_manager`";
        return Err(Refusal::new(Code::RoleNotShareable, message).by("R31").into());
    }
    let mut lifetime = before.as_ref().map(|share| share.lifetime).unwrap_or_default();
    lifetime.expires_at = expires_at.unwrap_or(lifetime.expires_at);
    if let Some(before) = before.filter(|before| before.role != role) {
        work.delete(before.key(&cooperation.id));
    }
    let share = Share { resource: resource.clone(), role, lifetime };
    work.write(share.key(&cooperation.id), lifetime);
    Ok(share)
}

/// Takes a share back, and everything that was delegated in it (R37, R39).
pub fn remove<D: Database>(
    work: &mut Work<'_, D>,
    cooperation: &EntityId,
    resource: &Resource,
) -> Outcome<()> {
    let cooperation = cooperations::see(work, cooperation)?;
    require_existing(work, resource)?;
    if !cooperations::sees_inside(work, &cooperation)? {
        require_owner(work, &cooperation, resource)?;
    }
    let share = existing(work, &cooperation, resource)?;
    require_owner(work, &cooperation, resource)?;
    end(work, &cooperation, &share)
}

/// Deletes a share and the delegations in it, whoever may do that.
pub(super) fn end<D: Database>(
    work: &mut Work<'_, D>,
    cooperation: &Cooperation,
    share: &Share,
) -> Outcome<()> {
    for delegation in delegations::of_resource(work, cooperation, &share.resource)? {
        work.delete(delegation.key());
    }
    work.delete(share.key(&cooperation.id));
    Ok(())
}

/// Refuses what does not exist. Whoever else owns it is not concerned.
pub(super) fn require_existing<D: Database>(work: &Work<'_, D>, resource: &Resource) -> Outcome<()> {
    if work.tuples_on(&resource.object(), Some("owner"))?.is_empty() {
        return Err(Refusal::not_found(resource).into());
    }
    Ok(())
}

/// The share of a resource in a cooperation, which there has to be.
pub(super) fn existing<D: Database>(
    work: &Work<'_, D>,
    cooperation: &Cooperation,
    resource: &Resource,
) -> Outcome<Share> {
    let found = of_resource(work, &cooperation.id, resource)?;
    let missing = || Refusal::not_found(format!("the share of {resource} in {}", cooperation.object()));
    Ok(found.ok_or_else(missing)?)
}

/// The share of a resource in a cooperation: there is one at the most (R31).
fn of_resource<D: Database>(
    work: &Work<'_, D>,
    cooperation: &EntityId,
    resource: &Resource,
) -> Outcome<Option<Share>> {
    let mut found = None;
    for role in JobRole::ALL.iter().copied().filter(|role| *role != JobRole::Operator) {
        if let Some(record) = work.tuple(&share_key(resource, role, cooperation))? {
            let share = Share { resource: resource.clone(), role, lifetime: record.lifetime };
            if found.replace(share).is_some() {
                let what = format!("{resource} is shared more than once in cooperation:{cooperation}");
                return Err(inconsistent(what).by("R31").into());
            }
        }
    }
    Ok(found)
}

/// The shares of a cooperation, in the order of their resources.
pub(super) fn of_cooperation<D: Database>(
    work: &Work<'_, D>,
    cooperation: &Cooperation,
) -> Outcome<Vec<Share>> {
    let mut shares = Vec::new();
    for (key, record) in work.tuples_of(&cooperation.object(), None, None)? {
        let kind = ResourceKind::ALL.iter().copied().find(|kind| *kind.name() == *key.object.type_name);
        let role = JobRole::ALL.iter().copied().find(|role| *role.share() == *key.relation);
        let (Some(kind), Some(role)) = (kind, role) else {
            return Err(inconsistent(format!("`{key}` is no share")).into());
        };
        let resource = Resource { kind, id: EntityId::stored(&key.object.id) };
        shares.push(Share { resource, role, lifetime: record.lifetime });
    }
    shares.sort_by(|a, b| a.resource.cmp(&b.resource));
    Ok(shares)
}

/// Refuses everybody but the admins of the owner, who initiated the cooperation (R30): the model says who may manage the
/// cooperation, and who may share the resource.
fn require_owner<D: Database>(
    work: &Work<'_, D>,
    cooperation: &Cooperation,
    resource: &Resource,
) -> Outcome<()> {
    let may_share = work.can("can_share", &resource.object())?;
    if may_share && work.can("can_manage", &cooperation.object())? {
        return Ok(());
    }
    let is_owned_by = |organization_id: &EntityId| -> Outcome<bool> {
        let owner = key(resource.object(), "owner", organization(organization_id));
        Ok(work.tuple(&owner)?.is_some())
    };
    let is_partner = cooperations::side(work, cooperation)? == Side::Partner;
    let refusal = if is_partner && is_owned_by(&cooperation.partner)? {
        Refusal::new(Code::InitiatorOnly, "only the organization that invited shares in a cooperation")
    } else if is_partner || !is_owned_by(&cooperation.initiator)? {
        let message = format!("your organization does not own {resource}; only its owner shares it");
        Refusal::new(Code::NotOwner, message)
    } else {
        Refusal::new(Code::Forbidden, "only an admin of the organization may do this")
    };
    Err(refusal.by("R30").into())
}

/// Whom a tuple names as its subject.
pub(super) fn subject_id(key: &TupleKey) -> Outcome<EntityId> {
    match &key.subject {
        Subject::Object(subject) => Ok(EntityId::stored(&subject.id)),
        Subject::Wildcard(_) | Subject::Userset(..) => {
            Err(inconsistent(format!("`{key}` does not name one {}", key.subject.as_ref().type_name()))
                .into())
        }
    }
}
