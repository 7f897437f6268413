//! One decision: the kept one where that is provably the same, else an evaluation.
//!
//! What is given with a query, a context or tuples, is in no kept decision: such queries neither take one nor leave one.

use super::models::CompiledModel;
use super::request::{CheckAnswer, CheckRequest, ContextualTuple};
use super::{Engine, EngineError, validate};
use crate::cache::{CacheStatistics, Scope, View};
use crate::cel::Context;
use crate::eval::{Evaluation, KeptDecision, ReadCounts, Room};
use crate::model::{Instant, StoreId, TupleRef};
use crate::store::{Database, Snapshot};

/// What checks at one revision and one instant share.
pub(super) struct Moment<'q, S> {
    snapshot: &'q S,
    model: &'q CompiledModel,
    pub(super) at: Instant,
    kept: Option<View<'q>>,
}

/// What came of a check, and what was read for it in any case.
pub(super) type Decided = (Result<CheckAnswer, EngineError>, ReadCounts);

impl<D: Database> Engine<D> {
    /// Now, on a snapshot. The instant is taken after the snapshot, so that a decision is never made for an instant before
    /// the commit that it sees.
    pub(super) fn moment<'q>(
        &'q self,
        store: StoreId,
        snapshot: &'q D::Snapshot,
        model: &'q CompiledModel,
    ) -> Moment<'q, D::Snapshot> {
        let at = self.now();
        let scope = Scope { store, epoch: snapshot.epoch(), model: model.id };
        let kept = self.decisions.as_ref().map(|decisions| decisions.view(scope, snapshot.sequence(), at));
        Moment { snapshot, model, at, kept }
    }

    /// Decides a check for which these tuples and this context count too.
    pub(super) fn decide(
        &self,
        moment: &Moment<'_, D::Snapshot>,
        check: &CheckRequest,
        contextual_tuples: &[ContextualTuple],
        context: &Context,
    ) -> Decided {
        let CheckRequest { object, relation, subject } = check;
        let evaluate = |kept: Option<&View<'_>>| -> Decided {
            let plan = &moment.model.plan;
            let valid = validate::query(plan, object, relation, Some(subject));
            let contextual = match valid.and_then(|()| validate::given(plan, contextual_tuples, context)) {
                Ok(contextual) => contextual,
                Err(error) => return (Err(error), ReadCounts::default()),
            };
            let evaluation =
                Evaluation::new(plan, moment.snapshot, contextual, context, moment.at, self.limits);
            let mut evaluation = match kept {
                Some(kept) => evaluation.with_memo(kept),
                None => evaluation,
            };
            let decision = evaluation.check(object.as_ref(), relation, subject.as_ref());
            (decision.map(CheckAnswer::from).map_err(EngineError::from), evaluation.read_counts())
        };
        let plain = contextual_tuples.is_empty() && context.is_empty();
        let Some(kept) = moment.kept.as_ref().filter(|_| plain) else { return evaluate(None) };
        // Whoever asks what was decided before asks what is valid.
        let question = TupleRef { object: object.as_ref(), relation, subject: subject.as_ref() };
        let room = Room { height_max: self.limits.depth_max, reads_max: self.limits.reads_max };
        let found = |KeptDecision { decision, reads, .. }| {
            (Ok(decision.into()), ReadCounts { kept: reads, ..ReadCounts::default() })
        };
        kept.decide(question, room, found, || match evaluate(Some(kept)) {
            // Inner decisions may have cost more than the walk that they replaced. Errors are those of the walk alone.
            (Err(EngineError::TooComplex { .. } | EngineError::Condition(_)), mut counts) => {
                let (outcome, more) = evaluate(None);
                counts.add(more);
                (outcome, counts)
            }
            decided => decided,
        })
    }

    /// What the cache of decisions has done so far; `None` where there is none.
    pub fn cache_statistics(&self) -> Option<CacheStatistics> {
        self.decisions.as_ref().map(|decisions| decisions.statistics())
    }
}
