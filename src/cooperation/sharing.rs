//! Which shares can have to do with what a user has on a resource: those of the resource, and of the portfolio that it lies
//! in, in cooperations whose other side has the user as a member.
//!
//! Whatever state any of them is in. Nothing here says whether they give anything: that is for the model.

use std::ops::ControlFlow;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::names::{self, OrganizationRole};
use crate::engine::{ContextualTuple, EngineError, Grounding, Moment};
use crate::eval::Dependency;
use crate::model::{Lifetime, Object, ObjectRef, Subject, SubjectClass, SubjectRef, TupleKey, TupleRef};
use crate::store::{ObjectCursor, Snapshot, StoreError, SubjectCursor, TupleFilter};

/// The relations that a share is written in.
const SHARES: [&str; 3] = ["technical_manager_share", "asset_manager_share", "viewer_share"];
/// The relations that a delegation is written in.
const DELEGATIONS: [&str; 3] = ["technical_manager_delegate", "asset_manager_delegate", "viewer_delegate"];
/// Cooperations of an organization up to which each is asked for by its name; with more, the shares of the resource are
/// looked through.
const NARROW: usize = 16;
/// Things kept in mind before all are forgotten.
const KEPT_MAX: usize = 100_000;

/// A membership as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) organization: Box<str>,
    pub(super) role: Box<str>,
    pub(super) lifetime: Lifetime,
}

/// A share as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    /// The tuple: what is shared, by which relation, in which cooperation.
    pub(super) key: TupleKey,
    pub(super) cooperation: Box<str>,
    /// The other side of the cooperation.
    pub(super) organization: Box<str>,
    pub(super) lifetime: Lifetime,
}

/// Shares that are looked at again and again.
type Shares = Arc<[Arc<Share>]>;
/// Identifiers that are looked at again and again.
type Ids = Arc<[Box<str>]>;

/// Where something that a user has on a resource comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// From the user's own organization.
    Own,
    /// From a share, in this cooperation.
    Cooperation(Box<str>),
}

/// Something that was found out, and what that rests on.
#[derive(Clone)]
struct Known<T> {
    value: T,
    grounding: Grounding,
}

impl<T: Clone> Known<T> {
    /// What was found out, which whoever asks for it rests on too.
    fn told_to(&self, grounding: &mut Grounding) -> T {
        grounding.add(&self.grounding);
        self.value.clone()
    }
}

/// What was found out at one revision of one store, so that it is read once.
#[derive(Default)]
pub(super) struct Sharing {
    /// For what is found out here.
    grounding: Grounding,
    memberships: HashMap<Box<str>, Known<Arc<[Membership]>>>,
    linked: HashMap<Box<str>, Known<Ids>>,
    portfolios: HashMap<Box<str>, Known<Arc<[Object]>>>,
    /// By organization and resource.
    shares: HashMap<Box<str>, HashMap<Object, Known<Shares>>>,
    kept: usize,
}

impl Sharing {
    /// Nothing was found out yet; what is, says what it rests on, as `grounding` notes it.
    pub(super) fn new(grounding: Grounding) -> Self {
        Self { grounding, ..Self::default() }
    }

    /// What a finding rests on, of which nothing was read yet.
    pub(super) fn grounding(&self) -> Grounding {
        self.grounding.anew()
    }

    /// The memberships of a user, live or not.
    pub(super) fn memberships<S: Snapshot>(
        &mut self,
        snapshot: &S,
        user: &str,
        grounding: &mut Grounding,
    ) -> Result<Arc<[Membership]>, StoreError> {
        if let Some(known) = self.memberships.get(user) {
            return Ok(known.told_to(grounding));
        }
        let mut own = self.grounding();
        let mut found = Vec::new();
        let subject = SubjectRef::Object(ObjectRef { type_name: "user", id: user });
        for role in OrganizationRole::ALL {
            let relation = role.name();
            own.rest_on(Dependency::Objects { subject, object_type: "organization", relation });
        }
        let filter = TupleFilter {
            object_type: Some("organization"),
            subject: Some(subject),
            ..TupleFilter::default()
        };
        snapshot.read(&filter, None, &mut |key, record| {
            // What the model has no name for is no membership, nor is it among what this rests on.
            if OrganizationRole::ALL.iter().any(|role| role.name() == key.relation) {
                let (organization, role) = (key.object.id.into(), key.relation.into());
                found.push(Membership { organization, role, lifetime: record.lifetime });
            }
            ControlFlow::Continue(())
        })?;
        let known = Known { value: Arc::from(found), grounding: own };
        self.kept += 1;
        let value = known.told_to(grounding);
        self.memberships.insert(user.into(), known);
        Ok(value)
    }

    /// The shares that can have to do with what a user has on a resource.
    pub(super) fn toward<S: Snapshot>(
        &mut self,
        snapshot: &S,
        resource: &Object,
        user: &str,
        grounding: &mut Grounding,
    ) -> Result<Vec<Arc<Share>>, StoreError> {
        if self.kept > KEPT_MAX {
            *self = Self::new(self.grounding());
        }
        let mut found = Vec::new();
        for membership in self.memberships(snapshot, user, grounding)?.iter() {
            let organization = &membership.organization;
            if self.linked(snapshot, organization, grounding)?.is_empty() {
                continue;
            }
            found.extend(self.shares(snapshot, resource, organization, grounding)?.iter().cloned());
            for portfolio in self.portfolios(snapshot, resource, grounding)?.iter() {
                found.extend(self.shares(snapshot, portfolio, organization, grounding)?.iter().cloned());
            }
        }
        Ok(found)
    }

    /// The cooperations whose other side an organization is.
    fn linked<S: Snapshot>(
        &mut self,
        snapshot: &S,
        id: &str,
        grounding: &mut Grounding,
    ) -> Result<Ids, StoreError> {
        if let Some(known) = self.linked.get(id) {
            return Ok(known.told_to(grounding));
        }
        let mut own = self.grounding();
        let mut found: Vec<Box<str>> = Vec::new();
        let organization = SubjectRef::Object(ObjectRef { type_name: "organization", id });
        let (object_type, relation) = ("cooperation", "linked");
        own.rest_on(Dependency::Objects { subject: organization, object_type, relation });
        let mut cursor = snapshot.object_cursor();
        cursor.seek(organization, object_type, relation)?;
        while let Some((cooperation, _)) = cursor.next()? {
            found.push(cooperation.into());
        }
        self.kept += 1 + found.len();
        let known = Known { value: Arc::from(found), grounding: own };
        let value = known.told_to(grounding);
        self.linked.insert(id.into(), known);
        Ok(value)
    }

    /// The portfolio that a park lies in.
    fn portfolios<S: Snapshot>(
        &mut self,
        snapshot: &S,
        resource: &Object,
        grounding: &mut Grounding,
    ) -> Result<Arc<[Object]>, StoreError> {
        if *resource.type_name != *"park" {
            return Ok(Arc::default());
        }
        if let Some(known) = self.portfolios.get(&resource.id) {
            return Ok(known.told_to(grounding));
        }
        let mut own = self.grounding();
        let mut found = Vec::new();
        let (object, relation, class) = (resource.as_ref(), "portfolio", SubjectClass::Object);
        own.rest_on(Dependency::Subjects { object, relation, class });
        let mut cursor = snapshot.subject_cursor();
        cursor.seek(object, relation, class)?;
        while let Some((subject, _)) = cursor.next()? {
            if let SubjectRef::Object(portfolio) = subject {
                found.push(portfolio.to_owned());
            }
        }
        self.kept += 1;
        let known = Known { value: Arc::from(found), grounding: own };
        let value = known.told_to(grounding);
        self.portfolios.insert(resource.id.clone(), known);
        Ok(value)
    }

    /// The shares of a resource, and of nothing above it, with an organization.
    fn shares<S: Snapshot>(
        &mut self,
        snapshot: &S,
        resource: &Object,
        organization: &str,
        grounding: &mut Grounding,
    ) -> Result<Shares, StoreError> {
        if let Some(known) = self.shares.get(organization).and_then(|shares| shares.get(resource)) {
            return Ok(known.told_to(grounding));
        }
        let mut own = self.grounding();
        let linked = self.linked(snapshot, organization, &mut own)?;
        let mut found = Vec::new();
        let mut take = |relation: &str, cooperation: &str, lifetime| {
            let subject = Subject::Object(names::object("cooperation", cooperation));
            let key = TupleKey { object: resource.clone(), relation: relation.into(), subject };
            let (cooperation, organization) = (cooperation.into(), organization.into());
            found.push(Arc::new(Share { key, cooperation, organization, lifetime }));
        };
        let object = resource.as_ref();
        if linked.len() <= NARROW {
            for cooperation in linked.iter() {
                let subject = SubjectRef::Object(ObjectRef { type_name: "cooperation", id: cooperation });
                for relation in SHARES {
                    let share = TupleRef { object, relation, subject };
                    own.rest_on(Dependency::Point(share));
                    if let Some(record) = snapshot.tuple(share)? {
                        take(relation, cooperation, record.lifetime);
                    }
                }
            }
        } else {
            let linked: HashSet<&str> = linked.iter().map(|cooperation| &**cooperation).collect();
            let mut cursor = snapshot.subject_cursor();
            for relation in SHARES {
                let class = SubjectClass::Object;
                own.rest_on(Dependency::Subjects { object, relation, class });
                cursor.seek(object, relation, class)?;
                while let Some((subject, record)) = cursor.next()? {
                    if let SubjectRef::Object(cooperation) = subject
                        && linked.contains(cooperation.id)
                    {
                        take(relation, cooperation.id, record.lifetime);
                    }
                }
            }
        }
        self.kept += 1 + found.len();
        let known = Known { value: Arc::from(found), grounding: own };
        let value = known.told_to(grounding);
        self.shares.entry(organization.into()).or_default().insert(resource.clone(), known);
        Ok(value)
    }

    /// Where a relation that a user holds on a resource comes from: it comes from shares where it would not be held without
    /// them. `given` are tuples that count with the stored ones. `grounding` is told what that rests on.
    pub(super) fn source<S: Snapshot>(
        &mut self,
        moment: &Moment<S>,
        asked: &TupleKey,
        given: &[ContextualTuple],
        grounding: &mut Grounding,
    ) -> Result<Source, EngineError> {
        let Subject::Object(user) = &asked.subject else { return Ok(Source::Own) };
        let shares = self.toward(moment.snapshot(), &asked.object, &user.id, grounding)?;
        let mut holds_without = |without: &dyn Fn(&Share) -> bool| {
            let without = shares.iter().filter(|share| without(share)).map(|share| &share.key);
            let decision = moment.check_without(asked.as_ref(), given, without, grounding);
            decision.map(|decision| decision.allowed)
        };
        let Some(first) = shares.first() else { return Ok(Source::Own) };
        if holds_without(&|_| true)? {
            return Ok(Source::Own);
        }
        if shares.iter().all(|share| share.cooperation == first.cooperation) {
            return Ok(Source::Cooperation(first.cooperation.clone()));
        }
        for share in &shares {
            if holds_without(&|other| other.cooperation != share.cooperation)? {
                return Ok(Source::Cooperation(share.cooperation.clone()));
            }
        }
        Ok(Source::Cooperation(first.cooperation.clone()))
    }
}

/// The delegations to a user on a resource itself, live or not. `grounding` is told what that rests on.
pub(super) fn delegations<S: Snapshot>(
    snapshot: &S,
    resource: &Object,
    user: &str,
    grounding: &mut Grounding,
) -> Result<Vec<(&'static str, Lifetime)>, StoreError> {
    let subject = SubjectRef::Object(ObjectRef { type_name: "user", id: user });
    let mut found = Vec::new();
    for relation in DELEGATIONS {
        let delegation = TupleRef { object: resource.as_ref(), relation, subject };
        grounding.rest_on(Dependency::Point(delegation));
        if let Some(record) = snapshot.tuple(delegation)? {
            found.push((relation, record.lifetime));
        }
    }
    Ok(found)
}
