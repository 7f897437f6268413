//! Tuples that are not there and would count if they were: what a denial may lack.
//!
//! Any tuple could be invented. Only these are considered, since something speaks for each of them:
//! - the tuple with the subject itself, on the object that is asked about or on one a single tuple away from it;
//! - a tuple between an object and a subject that a live tuple of another relation already *ties* together, however far
//!   away: the subject is there, at another level;
//! - a tuple on the object that is asked about or one tuple away that names an object on which the subject holds what is
//!   asked there, where these are few.
//!
//! A wildcard is never considered, nor a tuple that needs a condition.

use std::ops::ControlFlow;

use super::super::list::{Kept, ListEnd, Recipient};
use super::super::plan::{Rel, fits};
use super::super::{EvalError, list_objects};
use super::graph::{Explorer, Found, Missing};
use crate::model::{
    Object, RestrictionKind, Subject, SubjectClass, SubjectRef, TupleKey, TupleRef, TypeRestriction,
};
use crate::store::Snapshot;

/// Distance of the objects that a tuple may be added to with nothing but the question to speak for it, in tuples.
const UNTIED_DISTANCE_MAX: u32 = 1;
/// The distance of what only a tuple leads to that is not there: it is farther than everything that is.
const FAR: u32 = u32::MAX;
/// Tuples looked at for ties of one relation of an object at the most.
const TIES_MAX: usize = 8;
/// Objects on which the subject holds what is asked there at the most; where there are more, none speaks for itself.
const HELD_MAX: usize = 3;
/// Reads from the subject's side to find them at the most.
const HELD_READS_MAX: u64 = 1000;
/// Memory for what is met there, in bytes.
const HELD_BYTES_MAX: usize = 256 * 1024;

impl<S: Snapshot> Explorer<'_, '_, S> {
    /// Notes what is missing among a relation's own tuples.
    pub(super) fn miss_own(
        &mut self,
        found: &mut Found,
        object: &Object,
        rel: Rel,
        distance: u32,
    ) -> Result<(), EvalError> {
        let subject = self.question.subject.to_owned();
        if self.may_be_added(found, object, rel, &subject)? {
            let ceiling = self.tie(object, rel)?;
            if ceiling.is_some() || distance <= UNTIED_DISTANCE_MAX {
                let key = key(object, &found.relation, subject);
                found.missing.push(Missing { key, ceiling, leads_to: None });
            }
        }
        self.miss_tied(found, object, rel, None)
    }

    /// Notes what is missing among the tuples of a tupleset, of whose objects `computed` is asked.
    pub(super) fn miss_named(
        &mut self,
        found: &mut Found,
        object: &Object,
        over: Rel,
        computed: &str,
        distance: u32,
    ) -> Result<(), EvalError> {
        self.miss_tied(found, object, over, Some(computed))?;
        if distance > UNTIED_DISTANCE_MAX {
            return Ok(());
        }
        let mut targets = Vec::new();
        for restriction in self.restrictions(over) {
            if let Some(target) = self.question.plan.find(&restriction.type_name, computed) {
                targets.push(target);
            }
        }
        for (next, target) in self.held(targets)? {
            let subject = Subject::Object(next.clone());
            if !self.may_be_added(found, object, over, &subject)? {
                continue;
            }
            if let Some(id) = self.node(next, target, FAR)? {
                let key = key(object, &found.relation, subject);
                found.missing.push(Missing { key, ceiling: None, leads_to: Some(id) });
            }
        }
        Ok(())
    }

    /// Notes the tuples that lead on and whose subjects are tied to the object by another relation.
    fn miss_tied(
        &mut self,
        found: &mut Found,
        object: &Object,
        over: Rel,
        computed: Option<&str>,
    ) -> Result<(), EvalError> {
        let class = if computed.is_some() { SubjectClass::Object } else { SubjectClass::Userset };
        for other in self.others(over) {
            if !self.may_hold_alike(over, other, computed) {
                continue;
            }
            let relation = self.question.plan.relation_name(other);
            let (tuples, _) = self.facts.found_of(object.as_ref(), relation, class, TIES_MAX)?;
            for tuple in tuples {
                let Some((next, target)) = self.target(&tuple.subject, computed) else { continue };
                let tie = TupleRef { object: object.as_ref(), relation, subject: tuple.subject.as_ref() };
                let live = self.state(other, tie, &tuple.record).counts();
                if !live || !self.may_be_added(found, object, over, &tuple.subject)? {
                    continue;
                }
                if let Some(id) = self.node(next, target, FAR)? {
                    let ceiling = Some(key(object, relation, tuple.subject.clone()));
                    let key = key(object, &found.relation, tuple.subject);
                    found.missing.push(Missing { key, ceiling, leads_to: Some(id) });
                }
            }
        }
        Ok(())
    }

    /// A live tuple between an object and the subject itself in another relation than `rel`.
    fn tie(&mut self, object: &Object, rel: Rel) -> Result<Option<TupleKey>, EvalError> {
        let subject = self.question.subject;
        for other in self.others(rel) {
            if !self.restrictions(other).iter().any(|restriction| fits(restriction, subject)) {
                continue;
            }
            let relation = self.question.plan.relation_name(other);
            let tie = TupleRef { object: object.as_ref(), relation, subject };
            let Some(tuple) = self.facts.found(tie)? else { continue };
            if self.state(other, tie, &tuple.record).counts() {
                return Ok(Some(key(object, relation, tuple.subject)));
            }
        }
        Ok(None)
    }

    /// The other relations of the same type that have tuples, in the order of the model.
    fn others(&self, rel: Rel) -> Vec<Rel> {
        let of = self.question.plan.type_of(rel);
        let relations = self.question.plan.relations();
        let is_other = |other: &Rel| *other != rel && self.question.plan.type_of(*other) == of;
        relations.filter(is_other).filter(|other| !self.restrictions(*other).is_empty()).collect()
    }

    /// Whether two relations admit subjects of one form that lead on.
    fn may_hold_alike(&self, over: Rel, other: Rel, computed: Option<&str>) -> bool {
        self.restrictions(over).iter().filter(|own| own.condition.is_none()).any(|own| {
            let alike = |restriction: &TypeRestriction| {
                restriction.type_name == own.type_name && restriction.kind == own.kind
            };
            let leads = match &own.kind {
                RestrictionKind::Object => computed,
                RestrictionKind::Userset(relation) if computed.is_none() => Some(&**relation),
                _ => None,
            };
            leads.is_some_and(|relation| self.leads_to(&own.type_name, relation).is_some())
                && self.restrictions(other).iter().any(alike)
        })
    }

    /// Whether a tuple of this relation and subject may be written and is not there.
    fn may_be_added(
        &mut self,
        found: &Found,
        object: &Object,
        rel: Rel,
        subject: &Subject,
    ) -> Result<bool, EvalError> {
        let plan = self.question.plan;
        let (relation, subject_ref) = (plan.relation_name(rel), subject.as_ref());
        let key = TupleRef { object: object.as_ref(), relation, subject: subject_ref };
        let implicit = subject_ref == SubjectRef::Userset(key.object, relation);
        let known = found.entries.iter().map(|entry| &entry.key.subject);
        let mut known = known.chain(found.missing.iter().map(|missing| &missing.key.subject));
        if implicit || known.any(|known| known == subject) || plan.admits(key, None).is_err() {
            return Ok(false);
        }
        Ok(!found.unread || self.facts.found(key)?.is_none())
    }

    /// The objects on which the subject holds one of `targets`, none where they are more than a few.
    fn held(&mut self, targets: Vec<Rel>) -> Result<Vec<(Object, Rel)>, EvalError> {
        if let Some((_, held)) = self.held.iter().find(|(known, _)| *known == targets) {
            return Ok(held.clone());
        }
        let (question, plan) = (self.question, self.question.plan);
        let mut held = Vec::new();
        for target in targets.iter().copied() {
            let mut few = FewIds(Vec::new());
            let end = self.facts.within(HELD_READS_MAX, |facts| {
                list_objects::list_objects(question, facts, target, Kept::new(HELD_BYTES_MAX), &mut few)
            })?;
            let type_name = plan.type_name(plan.type_of(target));
            let object = |id| (Object { type_name: type_name.into(), id }, target);
            held.extend(few.0.into_iter().map(object));
            if end != ListEnd::Whole || held.len() > HELD_MAX {
                held.clear();
                break;
            }
        }
        self.held.push((targets, held.clone()));
        Ok(held)
    }
}

/// Takes identifiers as long as they are few.
struct FewIds(Vec<Box<str>>);

impl Recipient<str> for FewIds {
    fn take(&mut self, id: &str) -> ControlFlow<()> {
        self.0.push(id.into());
        if self.0.len() > HELD_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn key(object: &Object, relation: &str, subject: Subject) -> TupleKey {
    TupleKey { object: object.clone(), relation: relation.into(), subject }
}
