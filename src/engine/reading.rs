//! Decide first, write then, as if nobody else wrote in between: what a command reads and asks is remembered and handed in
//! with its writes, which are refused if any of it would be answered otherwise by then.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::error::EngineError;
use super::models::CompiledModel;
use super::moment::Moment;
use super::request::WriteRequest;
use super::{Engine, validate};
use crate::cel::Context;
use crate::eval::{ContextualTuples, Evaluation, Plan};
use crate::model::limits::{EvaluationLimits, ListLimits};
use crate::model::{
    AuthorizationModel, Instant, ModelId, ObjectRef, Revision, StoreId, SubjectRef, TupleRef,
};
use crate::store::{Batch, CommitError, Committed, Database, ReadSet, Snapshot, Tracked, TupleFilter};

/// One revision and one instant of a store, with its newest model, to decide a command on.
pub struct Reading<D: Database> {
    store: StoreId,
    snapshot: Tracked<D::Snapshot>,
    model: Arc<CompiledModel>,
    at: Instant,
    limits: EvaluationLimits,
    lists: ListLimits,
}

impl<D: Database> Reading<D> {
    /// The store.
    pub fn store(&self) -> StoreId {
        self.store
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

    /// What is stored. Whatever is read of it is remembered.
    pub fn snapshot(&self) -> &Tracked<D::Snapshot> {
        &self.snapshot
    }

    /// What was read of it so far.
    pub fn into_reads(self) -> ReadSet {
        self.snapshot.into_reads()
    }

    /// The same revision, instant and model, for what no decision rests on.
    pub fn moment(&self) -> Moment<D::Snapshot> {
        let (snapshot, model) = (self.snapshot.untracked().clone(), Arc::clone(&self.model));
        Moment::new(self.store, snapshot, model, self.at, (self.limits, self.lists))
    }

    /// Tells `misfit` each tuple that could not be written under `model`, live or not, and why, until it breaks. Answers how
    /// many tuples were looked at. All of them count as read: no write of a tuple goes between this and a commit.
    pub fn misfits(
        &self,
        model: &AuthorizationModel,
        misfit: &mut dyn FnMut(TupleRef<'_>, String) -> ControlFlow<()>,
    ) -> Result<u64, EngineError> {
        let plan = Plan::compile(model);
        let mut tuples = 0;
        self.snapshot.read(&TupleFilter::default(), None, &mut |key, record| {
            tuples += 1;
            match validate::stored(&plan, key, &record) {
                Ok(()) => ControlFlow::Continue(()),
                Err(reason) => misfit(key, reason),
            }
        })?;
        Ok(tuples)
    }

    /// Whether a subject holds a relation on an object: the check that everybody else asks.
    pub fn check(
        &self,
        object: ObjectRef<'_>,
        relation: &str,
        subject: SubjectRef<'_>,
    ) -> Result<bool, EngineError> {
        validate::query(&self.model.plan, &object.to_owned(), relation, Some(&subject.to_owned()))?;
        let context = Context::default();
        let none = ContextualTuples::new(std::iter::empty());
        let mut evaluation =
            Evaluation::new(&self.model.plan, &self.snapshot, none, &context, self.at, self.limits);
        let decision = evaluation.check(object, relation, subject)?;
        self.snapshot.hold_until(decision.stable_until);
        Ok(decision.allowed)
    }
}

impl<D: Database> Engine<D> {
    /// The newest revision of a store with its newest model, and the instant after.
    pub fn begin(&self, store: StoreId) -> Result<Reading<D>, EngineError> {
        let snapshot = self.database.snapshot(store)?.ok_or(EngineError::StoreNotFound { store })?;
        let id = snapshot.newest_model().ok_or(EngineError::NoModel { store })?;
        let model = self.models.get(store, &snapshot, id)?;
        let snapshot = Tracked::new(snapshot);
        Ok(Reading { store, snapshot, model, at: self.now(), limits: self.limits, lists: self.lists })
    }

    /// Commits what was decided on a reading, and waits for it. Tuples to be written must fit the model.
    ///
    /// Errors: [`CommitError::Conflict`] if what was read or asked would be answered otherwise by then, or may be.
    pub fn conclude(&self, reading: Reading<D>, batch: Batch) -> Result<Committed, EngineError> {
        let Batch { deletes, writes, .. } = &batch;
        let request =
            WriteRequest { deletes: deletes.clone(), writes: writes.clone(), ..WriteRequest::default() };
        validate::write(&reading.model.plan, &request)?;
        let store = reading.store;
        let batch = Batch { reads: Some(reading.snapshot.into_reads()), ..batch };
        self.commit(store, batch)
    }

    /// Commits a batch as it is, and waits for it.
    pub fn commit(&self, store: StoreId, batch: Batch) -> Result<Committed, EngineError> {
        self.database.commit(store, batch).map_err(|error| match error {
            CommitError::StoreNotFound => EngineError::StoreNotFound { store },
            other => other.into(),
        })
    }
}
