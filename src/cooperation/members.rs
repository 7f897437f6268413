//! Memberships: who belongs to an organization, and as what (R1 to R8).

use super::names::{EntityId, OrganizationRole, organization, user};
use super::organizations;
use super::refusal::{Code, Outcome, Refusal};
use super::work::{Membership, Work};
use crate::model::{Instant, Lifetime};
use crate::store::Database;

/// What is to change of a membership; what is absent stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MembershipChange {
    /// The role.
    pub role: Option<OrganizationRole>,
    /// Whether it is paused.
    pub paused: Option<bool>,
    /// When it ends; `Some(None)`: never.
    pub expires_at: Option<Option<Instant>>,
}

/// The members of an organization, for the system and for the members.
pub fn list<D: Database>(work: &mut Work<'_, D>, organization_id: &EntityId) -> Outcome<Vec<Membership>> {
    work.see_organization(organization_id)?;
    work.members(organization_id)
}

/// Makes a user a member, or gives a member another role, for the system (R1, R2). Says whether the membership is new.
pub fn put<D: Database>(
    work: &mut Work<'_, D>,
    organization_id: &EntityId,
    user_id: &EntityId,
    role: OrganizationRole,
) -> Outcome<(Membership, bool)> {
    let document = work.see_organization(organization_id)?;
    work.known_user(user_id)?;
    work.only_system()?;
    if document.placeholder {
        return Err(Refusal::not_found(organization(organization_id)).by("R21").into());
    }
    match member(work, organization_id, user_id)? {
        Some(before) => {
            let after = Membership { role, ..before.clone() };
            replace(work, &before, &after)?;
            Ok((after, false))
        }
        None => {
            work.refuse_member(user_id, "R1")?;
            Ok((join(work, organization_id, user_id, role), true))
        }
    }
}

/// Writes the membership of somebody who has none, whoever may do that.
pub(super) fn join<D: Database>(
    work: &mut Work<'_, D>,
    organization_id: &EntityId,
    user_id: &EntityId,
    role: OrganizationRole,
) -> Membership {
    work.concerns(organization_id);
    work.write(Membership::key(organization_id, role, user_id), Lifetime::default());
    let (organization, user) = (organization_id.clone(), user_id.clone());
    Membership { organization, user, role, lifetime: Lifetime::default() }
}

/// Changes a membership (R3, R4).
pub fn change<D: Database>(
    work: &mut Work<'_, D>,
    organization_id: &EntityId,
    user_id: &EntityId,
    change: &MembershipChange,
) -> Outcome<Membership> {
    work.acting_user()?;
    work.see_organization(organization_id)?;
    let before = existing(work, organization_id, user_id)?;
    let on = organization(organization_id);
    if change.paused.is_some() || change.expires_at.is_some() {
        work.require("can_manage_members", &on, "R3")?;
    }
    let role = change.role.unwrap_or(before.role);
    let assigns_any = work.can("can_assign_any_role", &on)?;
    if !(assigns_any || (is_lower(before.role) && is_lower(role))) {
        let message =
            "only an admin may assign the roles `admin` and `moderator`, or change who has one of them";
        return Err(Refusal::new(Code::Forbidden, message).by("R4").into());
    }
    work.require("can_assign_lower_roles", &on, "R4")?;
    let lifetime = Lifetime {
        paused: change.paused.unwrap_or(before.lifetime.paused),
        expires_at: change.expires_at.unwrap_or(before.lifetime.expires_at),
    };
    let after = Membership { role, lifetime, ..before.clone() };
    replace(work, &before, &after)?;
    Ok(after)
}

/// Ends a membership: a member leaves, or an admin removes one (R3, R8). The only member may leave with `confirm`, the
/// identifier of the organization, which dissolves it (R7).
pub fn remove<D: Database>(
    work: &mut Work<'_, D>,
    organization_id: &EntityId,
    user_id: &EntityId,
    confirm: Option<&str>,
) -> Outcome<()> {
    let actor = work.acting_user()?;
    let leaves = actor == user_id && member(work, organization_id, user_id)?.is_some();
    if leaves {
        work.concerns(organization_id);
    } else {
        work.see_organization(organization_id)?;
    }
    let before = existing(work, organization_id, user_id)?;
    if !leaves {
        work.require("can_manage_members", &organization(organization_id), "R3")?;
    }
    if is_firm_admin(&before) && !has_other_firm_admin(work, &before)? {
        let is_alone = work.members(organization_id)?.len() == 1;
        let confirmed = confirm.is_some_and(|confirm| *confirm == **organization_id);
        if !(leaves && is_alone && confirmed) {
            let message = if leaves && is_alone {
                "the only member may leave by confirming with the organization's id, which dissolves it"
            } else {
                LAST_ADMIN
            };
            return Err(Refusal::new(Code::LastAdmin, message).by("R7").into());
        }
        organizations::dissolve(work, organization_id)?;
    }
    work.delete(Membership::key(organization_id, before.role, user_id));
    // Grants, and what was delegated to the user.
    for kind in ["park", "portfolio"] {
        for (received, _) in work.tuples_of(&user(user_id), Some(kind), None)? {
            work.delete(received);
        }
    }
    Ok(())
}

const LAST_ADMIN: &str = "an organization keeps at least one admin who is active and does not expire";

/// The membership of a user in this organization, if it is in this one.
pub(super) fn member<D: Database>(
    work: &Work<'_, D>,
    organization_id: &EntityId,
    user_id: &EntityId,
) -> Outcome<Option<Membership>> {
    Ok(work.membership(user_id)?.filter(|found| found.organization == *organization_id))
}

fn existing<D: Database>(
    work: &Work<'_, D>,
    organization_id: &EntityId,
    user_id: &EntityId,
) -> Outcome<Membership> {
    let found = member(work, organization_id, user_id)?;
    let missing = || Refusal::not_found(format!("{} in {}", user(user_id), organization(organization_id)));
    Ok(found.ok_or_else(missing)?)
}

/// Writes `after` in the place of `before`, in one write where the role stays (R2).
fn replace<D: Database>(work: &mut Work<'_, D>, before: &Membership, after: &Membership) -> Outcome<()> {
    if is_firm_admin(before) && !is_firm_admin(after) && !has_other_firm_admin(work, before)? {
        return Err(Refusal::new(Code::LastAdmin, LAST_ADMIN).by("R7").into());
    }
    let Membership { organization, user, .. } = after;
    if before.role != after.role {
        work.delete(Membership::key(organization, before.role, user));
    }
    work.write(Membership::key(organization, after.role, user), after.lifetime);
    Ok(())
}

/// An admin who is active and does not expire (R7).
fn is_firm_admin(member: &Membership) -> bool {
    member.role == OrganizationRole::Admin && member.lifetime.is_unlimited()
}

fn has_other_firm_admin<D: Database>(work: &Work<'_, D>, but: &Membership) -> Outcome<bool> {
    let members = work.members(&but.organization)?;
    Ok(members.iter().any(|member| member.user != but.user && is_firm_admin(member)))
}

/// A role that a moderator may assign (R4).
fn is_lower(role: OrganizationRole) -> bool {
    !matches!(role, OrganizationRole::Admin | OrganizationRole::Moderator)
}
