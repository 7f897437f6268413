//! Parks and portfolios: making, renaming, moving and deleting them (R9, R50).

use super::documents::ResourceDocument;
use super::names::{Actor, EntityId, JobRole, Resource, ResourceKind, organization};
use super::refusal::{Code, Outcome, Refusal};
use super::work::{Work, inconsistent, key};
use crate::model::{Lifetime, Object, Subject};
use crate::store::Database;

/// A resource, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownResource {
    /// Which one.
    pub resource: Resource,
    /// As it is shown.
    pub name: Box<str>,
    /// Whose it is.
    pub owner: EntityId,
    /// The portfolio that it lies in.
    pub portfolio: Option<EntityId>,
}

/// What the caller says of a resource that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewResource {
    /// What it is.
    pub kind: ResourceKind,
    /// Its identifier; `None`: a new one.
    pub id: Option<EntityId>,
    /// As it is shown.
    pub name: Box<str>,
    /// The portfolio that a park is to lie in.
    pub portfolio: Option<EntityId>,
}

/// What is to change of a park; what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParkChange {
    /// As it is shown.
    pub name: Option<Box<str>>,
    /// The portfolio that it lies in; `Some(None)`: none.
    pub portfolio: Option<Option<EntityId>>,
}

impl<D: Database> Work<'_, D> {
    /// A resource that there is, which is for the record of its owner.
    pub fn known_resource(&mut self, resource: &Resource) -> Outcome<ShownResource> {
        let missing = || Refusal::not_found(resource);
        let owner = self.one_of(resource, "owner")?.ok_or_else(missing)?;
        self.concerns(&owner);
        let portfolio = match resource.kind {
            ResourceKind::Park => self.one_of(resource, "portfolio")?,
            ResourceKind::Portfolio => None,
        };
        let document: Option<ResourceDocument> = self.get(&[resource.kind.name(), &resource.id])?;
        let name = document.map_or_else(|| (*resource.id).into(), |document| document.name);
        Ok(ShownResource { resource: resource.clone(), name, owner, portfolio })
    }

    /// A resource that the acting user may see: by a role on it, or as one of the owner's people.
    pub fn see_resource(&mut self, resource: &Resource) -> Outcome<ShownResource> {
        let found = self.known_resource(resource)?;
        let sees = matches!(self.actor(), Actor::System)
            || self.can("viewer", &resource.object())?
            || self.can("can_view", &organization(&found.owner))?;
        if sees { Ok(found) } else { Err(Refusal::not_found(resource).into()) }
    }

    /// The one object that a relation of a resource names, if there is one (R9).
    fn one_of(&self, resource: &Resource, relation: &str) -> Outcome<Option<EntityId>> {
        let found = self.tuples_on(&resource.object(), Some(relation))?;
        match found.as_slice() {
            [] => Ok(None),
            [(key, _)] => match &key.subject {
                Subject::Object(named) => Ok(Some(EntityId::stored(&named.id))),
                _ => Err(inconsistent(format!("`{key}` does not name one object")).by("R9").into()),
            },
            [..] => Err(inconsistent(format!("{resource} has more than one {relation}")).by("R9").into()),
        }
    }
}

/// Makes a resource.
pub fn create<D: Database>(
    work: &mut Work<'_, D>,
    owner: &EntityId,
    new: &NewResource,
) -> Outcome<ShownResource> {
    let document = work.see_organization(owner)?;
    if document.placeholder {
        return Err(Refusal::not_found(organization(owner)).by("R21").into());
    }
    let portfolio = new.portfolio.as_ref().map(|id| portfolio_of(work, owner, id)).transpose()?;
    if matches!(work.actor(), Actor::User(_)) {
        let right = match new.kind {
            ResourceKind::Park => "can_create_park",
            ResourceKind::Portfolio => "can_create_portfolio",
        };
        work.require(right, &organization(owner), "R50")?;
        if let Some(portfolio) = &portfolio {
            require_change_of_parks(work, portfolio)?;
        }
    }
    establish(work, owner, new)
}

/// Writes a resource, whoever may do that.
pub(super) fn establish<D: Database>(
    work: &mut Work<'_, D>,
    owner: &EntityId,
    new: &NewResource,
) -> Outcome<ShownResource> {
    let id = new.id.clone().unwrap_or_else(|| EntityId::fresh(work.at()));
    let resource = Resource { kind: new.kind, id };
    let on = resource.object();
    let parts = [resource.kind.name(), &*resource.id];
    let used = work.get::<ResourceDocument>(&parts)?.is_some() || !work.tuples_on(&on, None)?.is_empty();
    if used {
        let message = format!("the id of `{resource}` is used, or was; an id is never used again");
        return Err(Refusal::new(Code::AlreadyExists, message).by("R9").into());
    }
    work.put(&parts, &ResourceDocument::named(new.name.clone()))?;
    work.write(key(on.clone(), "owner", organization(owner)), Lifetime::default());
    if let Some(portfolio) = &new.portfolio {
        work.write(key(on, "portfolio", portfolio_object(portfolio)), Lifetime::default());
    }
    let (name, portfolio) = (new.name.clone(), new.portfolio.clone());
    Ok(ShownResource { resource, name, owner: owner.clone(), portfolio })
}

/// Renames a park, or moves it into another portfolio or out of one.
pub fn change_park<D: Database>(
    work: &mut Work<'_, D>,
    id: &EntityId,
    change: &ParkChange,
) -> Outcome<ShownResource> {
    work.acting_user()?;
    let resource = Resource { kind: ResourceKind::Park, id: id.clone() };
    let mut park = work.see_resource(&resource)?;
    let moves = change.portfolio.clone().filter(|portfolio| *portfolio != park.portfolio);
    let entered = moves.iter().flatten().map(|id| portfolio_of(work, &park.owner, id)).next().transpose()?;
    let left = if moves.is_some() { park.portfolio.as_deref().map(portfolio_object) } else { None };
    let on = resource.object();
    if change.name.is_some() || change.portfolio.is_none() {
        work.require("can_rename", &on, "R50")?;
    }
    if change.portfolio.is_some() {
        work.require("can_move", &on, "R50")?;
    }
    for portfolio in left.iter().chain(&entered) {
        require_change_of_parks(work, portfolio)?;
    }
    if let Some(left) = left {
        work.delete(key(on.clone(), "portfolio", left));
    }
    if let Some(entered) = entered {
        work.write(key(on, "portfolio", entered), Lifetime::default());
    }
    park.portfolio = change.portfolio.clone().unwrap_or(park.portfolio);
    if let Some(name) = &change.name {
        park.name = name.clone();
        work.put(&[resource.kind.name(), id], &ResourceDocument::named(name.clone()))?;
    }
    Ok(park)
}

/// Deletes a resource with every tuple that names it; the parks of a portfolio stay, without portfolio (R9).
pub fn delete<D: Database>(work: &mut Work<'_, D>, resource: &Resource) -> Outcome<()> {
    work.acting_user()?;
    work.see_resource(resource)?;
    work.require("can_delete", &resource.object(), "R50")?;
    remove(work, resource)
}

/// Deletes a resource, whoever may do that.
pub(super) fn remove<D: Database>(work: &mut Work<'_, D>, resource: &Resource) -> Outcome<()> {
    let on = resource.object();
    for (tuple, _) in work.tuples_on(&on, None)? {
        work.delete(tuple);
    }
    for (tuple, _) in work.tuples_of(&on, None, None)? {
        work.delete(tuple);
    }
    let parts = [resource.kind.name(), &*resource.id];
    let document: Option<ResourceDocument> = work.get(&parts)?;
    let name = document.map_or_else(|| (*resource.id).into(), |document| document.name);
    let owner = work.one_of(resource, "owner")?;
    let gone = ResourceDocument { name, gone_at: Some(work.at()), last_owner: owner };
    work.put(&parts, &gone)
}

/// Refuses who may not change what lies in a portfolio: while it is shared, everybody but admins. The model sees shares that
/// are live; one that has expired may be renewed, and would then show the park.
fn require_change_of_parks<D: Database>(work: &Work<'_, D>, portfolio: &Object) -> Outcome<()> {
    work.require("can_change_parks", portfolio, "R50")?;
    let shared = JobRole::ALL.iter().filter(|role| **role != JobRole::Operator).map(|role| role.share());
    for relation in shared {
        if !work.tuples_on(portfolio, Some(&relation))?.is_empty() {
            return work.require("can_share", portfolio, "R50");
        }
    }
    Ok(())
}

fn portfolio_object(id: &str) -> Object {
    super::names::object(ResourceKind::Portfolio.name(), id)
}

/// A portfolio that a park of this owner may lie in.
fn portfolio_of<D: Database>(work: &mut Work<'_, D>, owner: &EntityId, id: &EntityId) -> Outcome<Object> {
    let resource = Resource { kind: ResourceKind::Portfolio, id: id.clone() };
    let found = work.see_resource(&resource)?;
    if found.owner == *owner {
        return Ok(resource.object());
    }
    let message =
        format!("`{resource}` belongs to another organization; a park lies in a portfolio of its owner");
    Err(Refusal::new(Code::NotOwner, message).by("R9").into())
}
