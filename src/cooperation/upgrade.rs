//! The upgrade (R51): a store takes the cooperation model that this program was built with, if what it holds fits.
//!
//! Every tuple is held against the model, and against the rules whose breach stops commands with `inconsistent`. All of that
//! counts as read, so that no write of a tuple goes between the check and the commit.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::command::{Cooperations, Done, Request};
use super::names::{Actor, JobRole, OrganizationRole, object};
use super::pinned::cooperation_model;
use super::refusal::{Code, Outcome, Refusal};
use super::work::{Work, inconsistent};
use crate::engine::EngineError;
use crate::model::limits::UPGRADE_PROBLEMS_MAX;
use crate::model::{ModelId, Object, StoreId, Subject, SubjectRef, TupleKey};
use crate::store::{Database, Snapshot, StoreError, TupleFilter};

/// What came of an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgraded {
    /// The model that the store works under now.
    pub model: ModelId,
    /// Whether it had another one before.
    pub upgraded: bool,
    /// How many tuples were held against it; none where the store had it before.
    pub tuples: u64,
}

impl<D: Database> Cooperations<D> {
    /// Has a store work under the model of this program, whatever it has now, for the system and for platform staff.
    ///
    /// Errors: [`Code::DataDoesNotFit`], which lists what does not, up to [`UPGRADE_PROBLEMS_MAX`]; then nothing is changed.
    pub fn upgrade(&self, store: StoreId, request: &Request) -> Outcome<Done<Upgraded>> {
        let (before, committed) = self.run(store, request, |_| Ok(()), |work| self.decide_upgrade(work))?;
        let value = match committed.model {
            Some(model) => Upgraded { model, ..before },
            None => before,
        };
        Ok(Done { value, revision: committed.revision })
    }

    fn decide_upgrade(&self, work: &mut Work<'_, D>) -> Outcome<Upgraded> {
        require_staff(work)?;
        let model = work.reading().model_id();
        if self.is_pinned(work.reading()) {
            return Ok(Upgraded { model, upgraded: false, tuples: 0 });
        }
        let newest = cooperation_model().ok_or_else(|| inconsistent("the model of this program is none"))?;
        let mut problems = Problems::default();
        let tuples = work
            .reading()
            .misfits(&newest, &mut |key, reason| problems.add(format!("`{}`: {reason}", key.to_owned())))?;
        if problems.0.is_empty() {
            look_at_rules(work.reading().snapshot().untracked(), &mut problems)?;
        }
        if problems.0.is_empty() {
            work.write_model(newest);
            return Ok(Upgraded { model, upgraded: true, tuples });
        }
        let more = if problems.0.len() < UPGRADE_PROBLEMS_MAX { "" } else { ", and perhaps more" };
        let message = format!(
            "the data does not fit the newest cooperation model, in {} places{more}; nothing was changed",
            problems.0.len()
        );
        Err(Refusal::new(Code::DataDoesNotFit, message).by("R51").listing(problems.0).into())
    }
}

/// Refuses everybody but the system and platform staff. A model that has no staff lets nobody but the system in.
fn require_staff<D: Database>(work: &Work<'_, D>) -> Outcome<()> {
    let Actor::User(id) = work.actor() else { return Ok(()) };
    let is_staff = match work.holds(id, "staff", &object("platform", "main")) {
        Err(super::CommandError::Engine(
            EngineError::TypeNotFound { .. }
            | EngineError::RelationNotFound { .. }
            | EngineError::InvalidSubject { .. },
        )) => false,
        other => other?,
    };
    if is_staff {
        return Ok(());
    }
    Err(Refusal::new(Code::Forbidden, "only platform staff may do this").by("R51").into())
}

/// What is wrong, up to a limit.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, problem: String) -> ControlFlow<()> {
        self.0.push(problem);
        self.goes_on()
    }

    fn goes_on(&self) -> ControlFlow<()> {
        if self.0.len() < UPGRADE_PROBLEMS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// Holds everything against the rules. Tuples come object by object, so that no more than those of one are in memory.
fn look_at_rules<S: Snapshot>(snapshot: &S, problems: &mut Problems) -> Result<(), StoreError> {
    let mut of_object: Vec<TupleKey> = Vec::new();
    let mut failed = None;
    snapshot.read(&TupleFilter::default(), None, &mut |key, _| {
        let key = key.to_owned();
        if of_object.last().is_some_and(|last| last.object != key.object) {
            let looked_at = look_at_object(snapshot, &of_object, problems);
            of_object.clear();
            if let Err(error) = looked_at {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        of_object.push(key);
        problems.goes_on()
    })?;
    match failed {
        Some(error) => Err(error),
        None => look_at_object(snapshot, &of_object, problems),
    }
}

/// Holds the tuples on one object against the rules.
fn look_at_object<S: Snapshot>(
    snapshot: &S,
    tuples: &[TupleKey],
    problems: &mut Problems,
) -> Result<(), StoreError> {
    let Some(TupleKey { object, .. }) = tuples.first() else { return Ok(()) };
    let mut found = Vec::new();
    match &*object.type_name {
        "organization" => look_at_members(snapshot, object, tuples, &mut found)?,
        "cooperation" => look_at_cooperation(object, tuples, &mut found),
        "park" | "portfolio" => look_at_resource(object, tuples, &mut found),
        _ => {}
    }
    for problem in found {
        if problems.add(problem).is_break() {
            break;
        }
    }
    Ok(())
}

/// R1: one membership each.
fn look_at_members<S: Snapshot>(
    snapshot: &S,
    organization: &Object,
    tuples: &[TupleKey],
    found: &mut Vec<String>,
) -> Result<(), StoreError> {
    for key in
        tuples.iter().filter(|key| is_one_of(&key.relation, OrganizationRole::ALL, |role| role.name().into()))
    {
        let subject: SubjectRef<'_> = key.subject.as_ref();
        let filter = TupleFilter {
            object_type: Some("organization"),
            subject: Some(subject),
            ..TupleFilter::default()
        };
        let (mut memberships, mut first) = (0, None);
        snapshot.read(&filter, None, &mut |other, _| {
            memberships += 1;
            first.get_or_insert_with(|| other.to_owned());
            if memberships < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        // Told once, with the first of them.
        if memberships > 1 && first.as_ref() == Some(key) {
            found.push(format!(
                "`{}` has more than one membership, one of them in `{organization}` (R1)",
                key.subject
            ));
        }
    }
    Ok(())
}

/// R15, R17: two different sides, and one agreement of the other side.
fn look_at_cooperation(cooperation: &Object, tuples: &[TupleKey], found: &mut Vec<String>) {
    let named = |relations: &[&str]| -> Vec<&Subject> {
        tuples.iter().filter(|key| relations.contains(&&*key.relation)).map(|key| &key.subject).collect()
    };
    let sides = (named(&["initiator"]), named(&["linked"]), named(&["partner", "pending"]));
    let is_whole = matches!((&*sides.0, &*sides.1, &*sides.2), ([initiator], [linked], [agreeing])
        if linked == agreeing && initiator != linked);
    if !is_whole {
        found.push(format!("`{cooperation}` does not have the tuples of a cooperation (R15)"));
    }
}

/// R9, R12, R31, R36: what there is one of at the most.
fn look_at_resource(resource: &Object, tuples: &[TupleKey], found: &mut Vec<String>) {
    let mut once = |what: &str, rule: &str, relation: &dyn Fn(JobRole) -> String| {
        let mut counts: HashMap<&Subject, usize> = HashMap::new();
        for key in tuples.iter().filter(|key| is_one_of(&key.relation, JobRole::ALL, relation)) {
            let count = counts.entry(&key.subject).or_default();
            *count += 1;
            if *count == 2 {
                found.push(format!("`{resource}` has more than one {what} `{}` ({rule})", key.subject));
            }
        }
    };
    once("grant to", "R12", &JobRole::grant);
    once("share in", "R31", &JobRole::share);
    once("delegation to", "R36", &JobRole::delegate);
    for relation in ["owner", "portfolio"] {
        if tuples.iter().filter(|key| *key.relation == *relation).count() > 1 {
            found.push(format!("`{resource}` has more than one {relation} (R9)"));
        }
    }
}

fn is_one_of<R: Copy>(relation: &str, roles: &[R], named: impl Fn(R) -> String) -> bool {
    roles.iter().any(|role| named(*role) == *relation)
}

#[cfg(test)]
#[path = "upgrade_tests.rs"]
mod tests;
