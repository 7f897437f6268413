//! Which shares can have to do with what a user has on a resource: those of the resource, and of the portfolio that it lies
//! in, in cooperations whose other side has the user as a member.
//!
//! Whatever state any of them is in. Nothing here says whether they give anything: that is for the model.

use std::ops::ControlFlow;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::names;
use crate::engine::{ContextualTuple, EngineError, Moment};
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

/// Where something that a user has on a resource comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// From the user's own organization.
    Own,
    /// From a share, in this cooperation.
    Cooperation(Box<str>),
}

/// What was found out at one revision of one store, so that it is read once.
#[derive(Default)]
pub(super) struct Sharing {
    memberships: HashMap<Box<str>, Arc<[Membership]>>,
    linked: HashMap<Box<str>, Arc<[Box<str>]>>,
    portfolios: HashMap<Box<str>, Arc<[Object]>>,
    /// By organization and resource.
    shares: HashMap<Box<str>, HashMap<Object, Shares>>,
    kept: usize,
}

impl Sharing {
    /// The memberships of a user, live or not.
    pub(super) fn memberships<S: Snapshot>(
        &mut self,
        snapshot: &S,
        user: &str,
    ) -> Result<Arc<[Membership]>, StoreError> {
        if let Some(known) = self.memberships.get(user) {
            return Ok(Arc::clone(known));
        }
        let mut found = Vec::new();
        let subject = SubjectRef::Object(ObjectRef { type_name: "user", id: user });
        let filter = TupleFilter {
            object_type: Some("organization"),
            subject: Some(subject),
            ..TupleFilter::default()
        };
        snapshot.read(&filter, None, &mut |key, record| {
            let (organization, role) = (key.object.id.into(), key.relation.into());
            found.push(Membership { organization, role, lifetime: record.lifetime });
            ControlFlow::Continue(())
        })?;
        let found: Arc<[Membership]> = found.into();
        self.kept += 1;
        self.memberships.insert(user.into(), Arc::clone(&found));
        Ok(found)
    }

    /// The shares that can have to do with what a user has on a resource.
    pub(super) fn toward<S: Snapshot>(
        &mut self,
        snapshot: &S,
        resource: &Object,
        user: &str,
    ) -> Result<Vec<Arc<Share>>, StoreError> {
        if self.kept > KEPT_MAX {
            *self = Self::default();
        }
        let mut found = Vec::new();
        for membership in self.memberships(snapshot, user)?.iter() {
            let organization = &membership.organization;
            if self.linked(snapshot, organization)?.is_empty() {
                continue;
            }
            found.extend(self.shares(snapshot, resource, organization)?.iter().cloned());
            for portfolio in self.portfolios(snapshot, resource)?.iter() {
                found.extend(self.shares(snapshot, portfolio, organization)?.iter().cloned());
            }
        }
        Ok(found)
    }

    /// The cooperations whose other side an organization is.
    fn linked<S: Snapshot>(&mut self, snapshot: &S, id: &str) -> Result<Arc<[Box<str>]>, StoreError> {
        if let Some(known) = self.linked.get(id) {
            return Ok(Arc::clone(known));
        }
        let mut found: Vec<Box<str>> = Vec::new();
        let organization = SubjectRef::Object(ObjectRef { type_name: "organization", id });
        let mut cursor = snapshot.object_cursor();
        cursor.seek(organization, "cooperation", "linked")?;
        while let Some((cooperation, _)) = cursor.next()? {
            found.push(cooperation.into());
        }
        let found: Arc<[Box<str>]> = found.into();
        self.kept += 1 + found.len();
        self.linked.insert(id.into(), Arc::clone(&found));
        Ok(found)
    }

    /// The portfolio that a park lies in.
    fn portfolios<S: Snapshot>(
        &mut self,
        snapshot: &S,
        resource: &Object,
    ) -> Result<Arc<[Object]>, StoreError> {
        if *resource.type_name != *"park" {
            return Ok(Arc::default());
        }
        if let Some(known) = self.portfolios.get(&resource.id) {
            return Ok(Arc::clone(known));
        }
        let mut found = Vec::new();
        let mut cursor = snapshot.subject_cursor();
        cursor.seek(resource.as_ref(), "portfolio", SubjectClass::Object)?;
        while let Some((subject, _)) = cursor.next()? {
            if let SubjectRef::Object(portfolio) = subject {
                found.push(portfolio.to_owned());
            }
        }
        let found: Arc<[Object]> = found.into();
        self.kept += 1;
        self.portfolios.insert(resource.id.clone(), Arc::clone(&found));
        Ok(found)
    }

    /// The shares of a resource, and of nothing above it, with an organization.
    fn shares<S: Snapshot>(
        &mut self,
        snapshot: &S,
        resource: &Object,
        organization: &str,
    ) -> Result<Shares, StoreError> {
        if let Some(known) = self.shares.get(organization).and_then(|shares| shares.get(resource)) {
            return Ok(Arc::clone(known));
        }
        let linked = self.linked(snapshot, organization)?;
        let mut found = Vec::new();
        let mut take = |relation: &str, cooperation: &str, lifetime| {
            let subject = Subject::Object(names::object("cooperation", cooperation));
            let key = TupleKey { object: resource.clone(), relation: relation.into(), subject };
            let (cooperation, organization) = (cooperation.into(), organization.into());
            found.push(Arc::new(Share { key, cooperation, organization, lifetime }));
        };
        if linked.len() <= NARROW {
            for cooperation in linked.iter() {
                let subject = ObjectRef { type_name: "cooperation", id: cooperation };
                for relation in SHARES {
                    let (object, subject) = (resource.as_ref(), SubjectRef::Object(subject));
                    if let Some(record) = snapshot.tuple(TupleRef { object, relation, subject })? {
                        take(relation, cooperation, record.lifetime);
                    }
                }
            }
        } else {
            let linked: HashSet<&str> = linked.iter().map(|cooperation| &**cooperation).collect();
            let mut cursor = snapshot.subject_cursor();
            for relation in SHARES {
                cursor.seek(resource.as_ref(), relation, SubjectClass::Object)?;
                while let Some((subject, record)) = cursor.next()? {
                    if let SubjectRef::Object(cooperation) = subject
                        && linked.contains(cooperation.id)
                    {
                        take(relation, cooperation.id, record.lifetime);
                    }
                }
            }
        }
        let found: Shares = found.into();
        self.kept += 1 + found.len();
        self.shares.entry(organization.into()).or_default().insert(resource.clone(), Arc::clone(&found));
        Ok(found)
    }

    /// Where a relation that a user holds on a resource comes from: it comes from shares where it would not be held without
    /// them. `given` are tuples that count with the stored ones.
    pub(super) fn source<S: Snapshot>(
        &mut self,
        moment: &Moment<S>,
        asked: &TupleKey,
        given: &[ContextualTuple],
    ) -> Result<Source, EngineError> {
        let Subject::Object(user) = &asked.subject else { return Ok(Source::Own) };
        let shares = self.toward(moment.snapshot(), &asked.object, &user.id)?;
        let holds_without = |without: &dyn Fn(&Share) -> bool| {
            let without = shares.iter().filter(|share| without(share)).map(|share| &share.key);
            moment.check_without(asked.as_ref(), given, without).map(|decision| decision.allowed)
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

/// The delegations to a user on a resource itself, live or not.
pub(super) fn delegations<S: Snapshot>(
    snapshot: &S,
    resource: &Object,
    user: &str,
) -> Result<Vec<(&'static str, Lifetime)>, StoreError> {
    let subject = SubjectRef::Object(ObjectRef { type_name: "user", id: user });
    let mut found = Vec::new();
    for relation in DELEGATIONS {
        if let Some(record) = snapshot.tuple(TupleRef { object: resource.as_ref(), relation, subject })? {
            found.push((relation, record.lifetime));
        }
    }
    Ok(found)
}
