//! One revision and one instant of a store with a model, for what has to be asked several times of the same.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::models::CompiledModel;
use super::{ContextualTuple, Engine, EngineError, Grounding};
use crate::cel::Context;
use crate::eval::explain::{self, End};
use crate::eval::{ContextualTuples, Decision, Evaluation, ListEnd, Plan, Recipient, SubjectFilter, Wanted};
use crate::model::limits::{EvaluationLimits, ListLimits};
use crate::model::{
    AuthorizationModel, Instant, Lifetime, ModelId, ObjectRef, Revision, StoreId, Subject, SubjectRef,
    TupleKey, TupleRecord, TupleRef,
};
use crate::store::{Database, Snapshot};

/// One revision and one instant of a store with a model. Everything that is asked of it is answered for these.
///
/// It keeps on the disk what was overwritten since: it is meant for one request, not to be kept.
pub struct Moment<S: Snapshot> {
    store: StoreId,
    snapshot: S,
    model: Arc<CompiledModel>,
    at: Instant,
    limits: EvaluationLimits,
    lists: ListLimits,
    wanted: Wanted,
}

impl<D: Database> Engine<D> {
    /// The newest revision of a store with its newest model, and the instant after.
    pub fn moment(&self, store: StoreId) -> Result<Moment<D::Snapshot>, EngineError> {
        let snapshot = self.database.snapshot(store)?.ok_or(EngineError::StoreNotFound { store })?;
        let id = snapshot.newest_model().ok_or(EngineError::NoModel { store })?;
        let model = self.models.get(store, &snapshot, id)?;
        let at = self.now();
        Ok(self.moment_of(store, &snapshot, &model, at))
    }

    /// What a query was answered at.
    pub(super) fn moment_of(
        &self,
        store: StoreId,
        snapshot: &D::Snapshot,
        model: &Arc<CompiledModel>,
        at: Instant,
    ) -> Moment<D::Snapshot> {
        Moment::new(store, snapshot.clone(), Arc::clone(model), at, (self.limits, self.lists))
    }
}

impl<S: Snapshot> Moment<S> {
    pub(super) fn new(
        store: StoreId,
        snapshot: S,
        model: Arc<CompiledModel>,
        at: Instant,
        (limits, lists): (EvaluationLimits, ListLimits),
    ) -> Self {
        Self { store, snapshot, model, at, limits, lists, wanted: Wanted::default() }
    }

    /// The same, of which nothing is answered any more soon after nobody waits for it: [`EngineError::Stopped`].
    pub fn as_long_as(self, wanted: Wanted) -> Self {
        Self { wanted, ..self }
    }

    /// Fails where nobody waits any more.
    pub fn go_on(&self) -> Result<(), EngineError> {
        if self.wanted.is() { Ok(()) } else { Err(EngineError::Stopped) }
    }

    /// The store.
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// What is stored.
    pub fn snapshot(&self) -> &S {
        &self.snapshot
    }

    /// The revision.
    pub fn revision(&self) -> Revision {
        self.snapshot.revision()
    }

    /// The instant.
    pub fn at(&self) -> Instant {
        self.at
    }

    /// The identifier of the model.
    pub fn model_id(&self) -> ModelId {
        self.model.id
    }

    /// The model.
    pub fn model(&self) -> &AuthorizationModel {
        &self.model.source
    }

    /// Whether a subject holds a relation on an object, with the tuples `given`, and were the tuples `without` not there. A
    /// type or relation that the model does not have is held by nobody. `grounding` is told what the decision rests on.
    pub fn check_without<'t>(
        &self,
        asked: TupleRef<'_>,
        given: &[ContextualTuple],
        without: impl IntoIterator<Item = &'t TupleKey>,
        grounding: &mut Grounding,
    ) -> Result<Decision, EngineError> {
        // What is paused counts as absent.
        let lifetime = Lifetime { paused: true, ..Lifetime::default() };
        let absent = TupleRecord { lifetime, condition: None, written_at: Instant::MIN };
        let given = given.iter().map(|given| (given.key.clone(), given.record.clone()));
        let hidden = without.into_iter().map(|key| (key.clone(), absent.clone()));
        let context = Context::default();
        let memo = grounding.memo();
        let mut evaluation = self.evaluation(ContextualTuples::new(given.chain(hidden)), &context);
        if let Some(memo) = &memo {
            evaluation = evaluation.with_reads_noted(memo);
        }
        let decision = evaluation.check(asked.object, asked.relation, asked.subject)?;
        grounding.add_reads(evaluation.reads_noted());
        grounding.hold_until(decision.stable_until);
        Ok(decision)
    }

    /// Whether a subject holds a relation on an object.
    pub fn check(&self, asked: TupleRef<'_>) -> Result<Decision, EngineError> {
        self.check_without(asked, &[], [], &mut Grounding::default())
    }

    /// When an access ends if nothing is written.
    pub fn ends_at(&self, asked: TupleRef<'_>) -> Result<End, EngineError> {
        let (end, _) = explain::ends_at(&self.model.plan, &self.snapshot, self.at, self.bounds(), asked)?;
        Ok(end)
    }

    /// All objects of a type, by their identifiers, on which a subject holds a relation; an error where a limit keeps one
    /// out.
    pub fn objects(
        &self,
        subject: SubjectRef<'_>,
        relation: &str,
        object_type: &str,
    ) -> Result<Vec<Box<str>>, EngineError> {
        let context = Context::default();
        let mut evaluation = self.evaluation(ContextualTuples::default(), &context);
        let mut all = All { found: Vec::new(), wanted: &self.wanted };
        let end = evaluation.list_objects(self.lists, subject, relation, object_type, &mut all)?;
        whole(end, all.found)
    }

    /// All users, as `user_type` names them, who hold a relation on an object; the same holds.
    pub fn users(
        &self,
        object: ObjectRef<'_>,
        relation: &str,
        user_type: &str,
    ) -> Result<Vec<Subject>, EngineError> {
        let context = Context::default();
        let mut evaluation = self.evaluation(ContextualTuples::default(), &context);
        let mut all = All { found: Vec::new(), wanted: &self.wanted };
        let filter = SubjectFilter::Type(user_type);
        let end = evaluation.list_users(self.lists, object, relation, filter, &mut all)?;
        whole(end, all.found)
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.model.plan
    }

    /// What bounds an explanation.
    pub(super) fn bounds(&self) -> (EvaluationLimits, &Wanted) {
        (self.limits, &self.wanted)
    }

    fn evaluation<'a>(&'a self, contextual: ContextualTuples, context: &'a Context) -> Evaluation<'a, S> {
        Evaluation::new(&self.model.plan, &self.snapshot, contextual, context, self.at, self.limits)
            .as_long_as(&self.wanted)
    }
}

fn whole<T>(end: ListEnd, found: Vec<T>) -> Result<Vec<T>, EngineError> {
    match end {
        ListEnd::Whole => Ok(found),
        ListEnd::Ended => Err(EngineError::Stopped),
        ListEnd::Limited(limit) => Err(EngineError::TooComplex { limit }),
    }
}

/// Takes everything.
struct All<'w, T> {
    found: Vec<T>,
    wanted: &'w Wanted,
}

impl<T> All<'_, T> {
    fn goes_on(&self) -> ControlFlow<()> {
        if self.wanted.is() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

impl Recipient<Subject> for All<'_, Subject> {
    fn take(&mut self, result: &Subject) -> ControlFlow<()> {
        self.found.push(result.clone());
        ControlFlow::Continue(())
    }

    fn go_on(&mut self) -> ControlFlow<()> {
        self.goes_on()
    }
}

impl Recipient<str> for All<'_, Box<str>> {
    fn take(&mut self, result: &str) -> ControlFlow<()> {
        self.found.push(result.into());
        ControlFlow::Continue(())
    }

    fn go_on(&mut self) -> ControlFlow<()> {
        self.goes_on()
    }
}
