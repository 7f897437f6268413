//! Who looks on while a request's checks are decided: what measures and logs them.
//!
//! A witness belongs to one request, unlike the observer of all checks (`checks`), and is told of failures too. Without one,
//! nothing is measured.

use std::sync::Arc;

use super::decide::{Asked, Basis, Decided};
use super::models::CompiledModel;
use super::moment::Moment;
use super::request::{CheckAnswer, CheckRequest, ContextualTuple};
use super::{Engine, EngineError, validate};
use crate::cel::Context;
use crate::eval::ReadCounts;
use crate::eval::explain::{self, Explanation};
use crate::model::limits::{EvaluationLimits, ListLimits};
use crate::model::{Instant, ModelId, Revision, StoreId, TupleRef};
use crate::store::{Database, Snapshot};

/// Looks on while checks are decided, on the thread that decides them: what it costs, the request costs.
pub trait Witness<S: Snapshot> {
    /// A check is about to be decided. Without a [`decided`](Self::decided) after it, it will be decided elsewhere.
    fn begins(&self);

    /// It was decided, or failed.
    fn decided(&self, check: Witnessed<'_, S>);
}

/// A check that was decided, or failed, with what it was decided on.
pub struct Witnessed<'a, S: Snapshot> {
    /// The question.
    pub check: &'a CheckRequest,
    /// The tuples that were given with it.
    pub contextual_tuples: &'a [ContextualTuple],
    /// The values that were given with it.
    pub context: &'a Context,
    /// What came of it.
    pub outcome: &'a Result<CheckAnswer, EngineError>,
    /// What was read for it.
    pub counts: ReadCounts,
    /// The store.
    pub store: StoreId,
    /// The instant.
    pub at: Instant,
    snapshot: &'a S,
    model: &'a Arc<CompiledModel>,
    limits: (EvaluationLimits, ListLimits),
}

impl<S: Snapshot> Witnessed<'_, S> {
    /// The model.
    pub fn model(&self) -> ModelId {
        self.model.id
    }

    /// The revision.
    pub fn revision(&self) -> Revision {
        self.snapshot.revision()
    }

    /// What it was decided on, to ask more of it: it keeps what it has on the disk for as long as it is held.
    pub fn moment(&self) -> Moment<S>
    where
        S: Clone,
    {
        Moment::new(self.store, self.snapshot.clone(), Arc::clone(self.model), self.at, self.limits)
    }
}

impl<D: Database> Engine<D> {
    /// Shows a witness what was decided.
    pub(super) fn show(
        &self,
        witness: Option<&dyn Witness<D::Snapshot>>,
        basis: &Basis<'_, D::Snapshot>,
        Asked { check, contextual_tuples, context, .. }: Asked<'_>,
        Decided { outcome, counts, .. }: &Decided,
    ) {
        let Some(witness) = witness else { return };
        let Basis { store, snapshot, model, at, .. } = *basis;
        let (counts, limits) = (*counts, (self.limits, self.lists));
        witness.decided(Witnessed {
            check,
            contextual_tuples,
            context,
            outcome,
            counts,
            store,
            at,
            snapshot,
            model,
            limits,
        });
    }
}

impl<S: Snapshot> Moment<S> {
    /// Why a check decides as it does, when that ends, and what would turn a denial, with the tuples and the values that
    /// count for it alone; with what was read. It fails where the check would.
    pub fn explain(
        &self,
        check: &CheckRequest,
        contextual_tuples: &[ContextualTuple],
        context: &Context,
    ) -> Result<(Explanation, ReadCounts), EngineError> {
        let CheckRequest { object, relation, subject } = check;
        let (plan, snapshot) = (self.plan(), self.snapshot());
        validate::query(plan, object, relation, Some(subject))?;
        let contextual = validate::given(plan, contextual_tuples, context)?;
        let asked = TupleRef { object: object.as_ref(), relation, subject: subject.as_ref() };
        Ok(explain::explain(plan, snapshot, &contextual, context, self.at(), self.bounds(), asked)?)
    }
}
