//! Who has what, both ways: all resources of a user, and everybody on a resource, with the role, where it comes from, and when
//! it ends.
//!
//! All of it is what the engine's lists and checks say; nothing here decides anything. Beside it stands who may see it.

use std::collections::{BTreeMap, HashMap};

use super::access_record::{self, AccessEntries, AccessFilter, AccessPlace};
use super::documents::ResourceDocument;
use super::names::{self, Actor, EntityId, JobRole, Resource, ResourceKind};
use super::refusal::{Code, Outcome, Refusal};
use super::sharing::{Sharing, Source};
use super::work::{Work, inconsistent};
use crate::engine::{EngineError, Grounding, Moment};
use crate::eval::explain::End;
use crate::model::{Instant, Object, Subject, SubjectRef, TupleKey};
use crate::store::{Database, Snapshot};

/// A role that a user holds on a resource now, one of the highest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Who.
    pub user: Box<str>,
    /// On what.
    pub resource: Object,
    /// Which role.
    pub role: JobRole,
    /// Where it comes from.
    pub source: Source,
    /// When it ends if nobody changes anything; `None`: never.
    pub ends_at: Option<Instant>,
}

/// Part of a list, and whether there is more behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The entries, in the order of resource, user and role.
    pub items: Vec<Access>,
    /// Whether there are more.
    pub more: bool,
}

/// The place of an entry in its list: its resource, or its user, and its role.
pub type Place = (Object, JobRole);

/// What a user has on resources of the kinds, of `role` where it is given, behind the place `after`, at most `limit`.
pub fn of_user<S: Snapshot>(
    moment: &Moment<S>,
    user: &str,
    kinds: &[ResourceKind],
    role: Option<JobRole>,
    page: (Option<&Place>, usize),
) -> Result<Part, EngineError> {
    let mut held: BTreeMap<Object, Vec<JobRole>> = BTreeMap::new();
    let user = names::user(user);
    for kind in kinds {
        for role in JobRole::ALL {
            let ids = moment.objects(SubjectRef::Object(user.as_ref()), role.name(), kind.name())?;
            for id in ids {
                held.entry(names::object(kind.name(), &id)).or_default().push(*role);
            }
        }
    }
    part(held, role, page, |resource| (resource.clone(), user.clone()), moment)
}

/// What everybody has on a resource; as [`of_user`].
pub fn of_resource<S: Snapshot>(
    moment: &Moment<S>,
    resource: &Object,
    page: (Option<&Place>, usize),
) -> Result<Part, EngineError> {
    let mut held: BTreeMap<Object, Vec<JobRole>> = BTreeMap::new();
    for role in JobRole::ALL {
        for subject in moment.users(resource.as_ref(), role.name(), "user")? {
            // The model has no wildcards and no usersets.
            if let Subject::Object(user) = subject {
                held.entry(user).or_default().push(*role);
            }
        }
    }
    part(held, None, page, |user| (resource.clone(), user.clone()), moment)
}

/// Refuses who may not see what a user has: everybody but the system and the user.
pub fn see_of_user<D: Database>(work: &Work<'_, D>, user: &EntityId) -> Outcome<()> {
    if matches!(work.actor(), Actor::User(actor) if actor != user) {
        return Err(Refusal::not_found(names::user(user)).into());
    }
    work.known_user(user)?;
    Ok(())
}

/// Refuses who may not see who has access to a resource: everybody but the system and the owner's admins.
pub fn see_of_resource<D: Database>(work: &mut Work<'_, D>, resource: &Resource) -> Outcome<()> {
    work.see_resource(resource)?;
    match work.actor() {
        Actor::System => Ok(()),
        Actor::User(_) => work.require("can_audit", &resource.object(), "R29"),
    }
}

/// The checks that concerned a cooperation, behind `after`: those of resources whose owner's admin the acting user is (R48).
pub fn record<D: Database>(
    work: &mut Work<'_, D>,
    filter: &AccessFilter,
    after: Option<AccessPlace>,
    limit: usize,
) -> Outcome<AccessEntries> {
    let actor = work.acting_user()?;
    let membership = work.membership(actor)?;
    let own = membership.map(|membership| membership.organization);
    if !matches!(&own, Some(own) if work.can("can_audit", &names::organization(own))?) {
        let message = "only admins read the record of access";
        return Err(Refusal::new(Code::Forbidden, message).by("R48").into());
    }
    let mut audits: HashMap<Box<str>, bool> = HashMap::new();
    let snapshot = work.reading().snapshot().untracked();
    access_record::read(snapshot, filter, after, limit, |entry| {
        if let Some(audits) = audits.get(&entry.resource) {
            return Ok(*audits);
        }
        let resource = Object::parse(&entry.resource).map_err(|error| inconsistent(error.to_string()))?;
        let may = work.can("can_audit", &resource)? || {
            let document: Option<ResourceDocument> = work.get(&[&resource.type_name, &resource.id])?;
            document.is_some_and(|document| document.last_owner.is_some() && document.last_owner == own)
        };
        audits.insert(entry.resource.clone(), may);
        Ok(may)
    })
}

/// The highest of the roles held by or on each, those of the page with their source and end.
fn part<S: Snapshot>(
    held: BTreeMap<Object, Vec<JobRole>>,
    role: Option<JobRole>,
    (after, limit): (Option<&Place>, usize),
    of: impl Fn(&Object) -> (Object, Object),
    moment: &Moment<S>,
) -> Result<Part, EngineError> {
    let mut sharing = Sharing::default();
    let mut items = Vec::new();
    for (object, roles) in held {
        for highest in highest(&roles) {
            let place = (object.clone(), highest);
            if role.is_some_and(|role| role != highest) || after.is_some_and(|after| place <= *after) {
                continue;
            }
            if items.len() >= limit {
                return Ok(Part { items, more: true });
            }
            moment.go_on()?;
            let (resource, user) = of(&object);
            items.push(access(moment, &mut sharing, resource, user, highest)?);
        }
    }
    Ok(Part { items, more: false })
}

/// Of roles that are held, those that no other of them includes (R10).
fn highest(held: &[JobRole]) -> Vec<JobRole> {
    let holds = |role: JobRole| held.contains(&role);
    if holds(JobRole::Operator) {
        return vec![JobRole::Operator];
    }
    let managers: Vec<_> =
        [JobRole::TechnicalManager, JobRole::AssetManager].into_iter().filter(|role| holds(*role)).collect();
    if managers.is_empty() { held.to_vec() } else { managers }
}

fn access<S: Snapshot>(
    moment: &Moment<S>,
    sharing: &mut Sharing,
    resource: Object,
    user: Object,
    role: JobRole,
) -> Result<Access, EngineError> {
    let asked =
        TupleKey { object: resource, relation: role.name().into(), subject: Subject::Object(user.clone()) };
    let source = sharing.source(moment, &asked, &[], &mut Grounding::default())?;
    let ends_at = match moment.ends_at(asked.as_ref())? {
        End::At(instant) | End::NotBefore(instant) => Some(instant),
        End::Never | End::NoAccess => None,
    };
    Ok(Access { user: user.id, resource: asked.object, role, source, ends_at })
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
