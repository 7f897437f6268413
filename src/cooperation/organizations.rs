//! Organizations: how one comes to be, what is shown of it, and how it ceases to be.

use super::cooperations;
use super::documents::{InvitationAnswer, OrganizationDocument};
use super::names::{EntityId, OrganizationRole, ResourceKind, object, organization};
use super::refusal::{Code, Outcome, Refusal};
use super::work::{Membership, Work};
use super::{Actor, Resource, resources};
use crate::model::Lifetime;
use crate::store::Database;

/// An organization, as its members see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Which one.
    pub id: EntityId,
    /// As it is shown; of a placeholder, the email that it stands for.
    pub name: Box<str>,
    /// Whether it stands for a partner that has not joined yet (R20).
    pub placeholder: bool,
    /// How many memberships there are.
    pub members: usize,
    /// How many cooperations it is a side of.
    pub cooperations: usize,
}

/// What the caller says of an organization that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrganization {
    /// Its identifier; `None`: a new one.
    pub id: Option<EntityId>,
    /// As it is shown.
    pub name: Box<str>,
}

/// Makes an organization with its first admin, for the system and for platform staff.
pub fn create<D: Database>(
    work: &mut Work<'_, D>,
    new: &NewOrganization,
    admin: &EntityId,
) -> Outcome<Organization> {
    work.known_user(admin)?;
    if matches!(work.actor(), Actor::User(_)) {
        work.require("can_create_organization", &object("platform", "main"), "R41")?;
    }
    let id = establish(work, new, admin)?;
    Ok(Organization { id, name: new.name.clone(), placeholder: false, members: 1, cooperations: 0 })
}

/// Writes an organization with its first admin, whoever may do that.
pub(super) fn establish<D: Database>(
    work: &mut Work<'_, D>,
    new: &NewOrganization,
    admin: &EntityId,
) -> Outcome<EntityId> {
    let id = new.id.clone().unwrap_or_else(|| EntityId::fresh(work.at()));
    let taken = work.get::<OrganizationDocument>(&[&id])?.is_some() || !work.members(&id)?.is_empty();
    if taken {
        return Err(Refusal::new(Code::AlreadyExists, format!("`{}` exists", organization(&id))).into());
    }
    work.refuse_member(admin, "R1")?;
    work.concerns(&id);
    let document = OrganizationDocument { name: new.name.clone(), placeholder: false, gone_at: None };
    work.put(&[&id], &document)?;
    work.write(Membership::key(&id, OrganizationRole::Admin, admin), Lifetime::default());
    Ok(id)
}

/// An organization, for the system and for its members.
pub fn get<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<Organization> {
    let document = work.see_organization(id)?;
    shown(work, id, document)
}

/// Gives an organization another name.
pub fn rename<D: Database>(work: &mut Work<'_, D>, id: &EntityId, name: &str) -> Outcome<Organization> {
    work.acting_user()?;
    let document = work.see_organization(id)?;
    work.require("can_rename", &organization(id), "R3")?;
    let document = OrganizationDocument { name: name.into(), ..document };
    work.put(&[id], &document)?;
    shown(work, id, document)
}

fn shown<D: Database>(
    work: &Work<'_, D>,
    id: &EntityId,
    document: OrganizationDocument,
) -> Outcome<Organization> {
    let on = organization(id);
    let members = work.members(id)?.len();
    let sides = ["initiator", "linked"].map(|side| work.tuples_of(&on, Some("cooperation"), Some(side)));
    let mut cooperations = 0;
    for side in sides {
        cooperations += side?.len();
    }
    let OrganizationDocument { name, placeholder, .. } = document;
    Ok(Organization { id: id.clone(), name, placeholder, members, cooperations })
}

/// Ends an organization: its cooperations, its resources and its memberships (R7).
pub(super) fn dissolve<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<()> {
    let on = organization(id);
    end_cooperations(work, id)?;
    for kind in ResourceKind::ALL {
        for (owned, _) in work.tuples_of(&on, Some(kind.name()), Some("owner"))? {
            let resource = Resource { kind: *kind, id: EntityId::stored(&owned.object.id) };
            resources::remove(work, &resource)?;
        }
    }
    for (membership, _) in work.tuples_on(&on, None)? {
        work.delete(membership);
    }
    if let Some(document) = work.get::<OrganizationDocument>(&[id])? {
        work.put(&[id], &OrganizationDocument { gone_at: Some(work.at()), ..document })?;
    }
    Ok(())
}

/// Takes every cooperation of an organization away, on whichever side (R28).
fn end_cooperations<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<()> {
    for side in ["initiator", "linked"] {
        for (found, _) in work.tuples_of(&organization(id), Some("cooperation"), Some(side))? {
            let cooperation = cooperations::existing(work, &EntityId::stored(&found.object.id))?;
            cooperations::change::end(work, &cooperation, InvitationAnswer::Revoked)?;
        }
    }
    Ok(())
}
