//! One decision: the kept one where that is provably the same, else an evaluation.
//!
//! What is given with a query, a context or tuples, is in no kept decision: such queries neither take one nor leave one.

use std::sync::Arc;

use tracing::field::Empty;
use tracing::trace_span;

use super::checks::{CheckObserver, Told};
use super::models::CompiledModel;
use super::request::{Answer, CheckAnswer, CheckRequest, ContextualTuple, QueryContext};
use super::{Engine, EngineError, validate};
use crate::cache::{CacheStatistics, Scope, View};
use crate::cel::Context;
use crate::eval::{ContextualTuples, Evaluation, KeptDecision, ReadCounts, Room, Wanted};
use crate::model::limits::EvaluationLimits;
use crate::model::{Instant, StoreId, TRACE_TARGET, TupleRef};
use crate::store::{Database, Snapshot};

/// What checks at one revision and one instant share.
pub(super) struct Basis<'q, S> {
    pub(super) store: StoreId,
    pub(super) snapshot: &'q S,
    pub(super) model: &'q Arc<CompiledModel>,
    pub(super) at: Instant,
    kept: Option<View<'q>>,
    /// Who is told of what is decided.
    pub(super) observer: Option<&'q dyn CheckObserver<S>>,
    wanted: &'q Wanted,
}

impl<'q, S: Snapshot> Basis<'q, S> {
    /// The same, with somebody who is told of what is decided.
    pub(super) fn told_to(self, observer: Option<&'q dyn CheckObserver<S>>) -> Self {
        Self { observer, ..self }
    }

    /// An answer that was made on it.
    pub(super) fn answer<T>(&self, value: T) -> Answer<T> {
        Answer { value, model: self.model.id, revision: self.snapshot.revision(), at: self.at }
    }
}

/// A check, with the tuples and the context that count for it alone.
#[derive(Clone, Copy)]
pub(super) struct Asked<'q> {
    pub(super) check: &'q CheckRequest,
    pub(super) contextual_tuples: &'q [ContextualTuple],
    pub(super) context: &'q Context,
    /// The same tuples, where they and the context were found to be usable already.
    pub(super) given: Option<&'q ContextualTuples>,
}

impl<'q> Asked<'q> {
    /// Who is asked about. Whoever asks what was decided before asks what is valid.
    fn question(self) -> TupleRef<'q> {
        let CheckRequest { object, relation, subject } = self.check;
        TupleRef { object: object.as_ref(), relation, subject: subject.as_ref() }
    }

    /// The kept decisions of a basis, where they may be used.
    fn kept<'m, S>(self, basis: &'m Basis<'_, S>) -> Option<&'m View<'m>> {
        let plain = self.contextual_tuples.is_empty() && self.context.is_empty();
        basis.kept.as_ref().filter(|_| plain)
    }
}

/// What came of a check, what was read for it in any case, and whether the observer was told already.
pub(super) struct Decided {
    pub(super) outcome: Result<CheckAnswer, EngineError>,
    pub(super) counts: ReadCounts,
    pub(super) told: Told,
}

impl Decided {
    fn evaluated(outcome: Result<CheckAnswer, EngineError>, counts: ReadCounts) -> Self {
        Self { outcome, counts, told: Told::Nothing }
    }
}

impl<D: Database> Engine<D> {
    /// Now, on a snapshot. The instant is taken after the snapshot, so that a decision is never made for an instant before
    /// the commit that it sees.
    pub(super) fn basis<'q>(
        &'q self,
        store: StoreId,
        snapshot: &'q D::Snapshot,
        model: &'q Arc<CompiledModel>,
        context: &'q QueryContext,
    ) -> Basis<'q, D::Snapshot> {
        let at = self.now();
        let scope = Scope { store, epoch: snapshot.epoch(), model: model.id };
        let kept = self.decisions.as_ref().map(|decisions| decisions.view(scope, snapshot.sequence(), at));
        Basis { store, snapshot, model, at, kept, observer: None, wanted: &context.wanted }
    }

    /// What a kept decision is to who asks. An observer who has remarked on it is told of it in short.
    fn found(
        basis: &Basis<'_, D::Snapshot>,
        KeptDecision { decision, reads, .. }: KeptDecision,
        remark: Option<u64>,
    ) -> Decided {
        let told = match (basis.observer, remark) {
            (Some(observer), Some(code)) => observer.remarked(code, basis.at, basis.snapshot.revision()),
            _ => Told::Nothing,
        };
        let counts = ReadCounts { kept: reads, ..ReadCounts::default() };
        Decided { outcome: Ok(decision.into()), counts, told }
    }

    /// Decides a check.
    pub(super) fn decide(&self, basis: &Basis<'_, D::Snapshot>, asked: Asked<'_>) -> Decided {
        let evaluate = |kept| {
            let (outcome, counts) = self.evaluate(basis, asked, kept, self.limits);
            Decided::evaluated(outcome, counts)
        };
        let Some(kept) = asked.kept(basis) else { return evaluate(None) };
        let found = |decision, remark| Self::found(basis, decision, remark);
        kept.decide(asked.question(), self.room(), found, || match evaluate(Some(kept)) {
            // Inner decisions may have cost more than the walk that they replaced. Errors are those of the walk alone.
            Decided {
                outcome: Err(EngineError::TooComplex { .. } | EngineError::Condition(_)),
                mut counts,
                ..
            } => {
                let again = evaluate(None);
                counts.add(again.counts);
                Decided { counts, ..again }
            }
            decided => decided,
        })
    }

    /// [`decide`](Self::decide), if that waits for nobody and takes no more than `reads_max` reads; else `None`.
    pub(super) fn decide_at_once(
        &self,
        basis: &Basis<'_, D::Snapshot>,
        asked: Asked<'_>,
        reads_max: u64,
    ) -> Option<Decided> {
        let limits = EvaluationLimits { reads_max: reads_max.min(self.limits.reads_max), ..self.limits };
        let evaluate = |kept| match self.evaluate(basis, asked, kept, limits) {
            (Err(EngineError::TooComplex { .. }), _) => None,
            // With inner decisions it is not yet the answer: see `decide`.
            (Err(EngineError::Condition(_)), _) if kept.is_some() => None,
            (outcome, counts) => Some(Decided::evaluated(outcome, counts)),
        };
        match asked.kept(basis) {
            None => evaluate(None),
            Some(kept) => {
                let found = |decision, remark| Some(Self::found(basis, decision, remark));
                kept.decide_at_once(asked.question(), self.room(), found, || evaluate(Some(kept)))?
            }
        }
    }

    fn evaluate(
        &self,
        basis: &Basis<'_, D::Snapshot>,
        asked: Asked<'_>,
        kept: Option<&View<'_>>,
        limits: EvaluationLimits,
    ) -> (Result<CheckAnswer, EngineError>, ReadCounts) {
        let Asked { check: CheckRequest { object, relation, subject }, contextual_tuples, context, given } =
            asked;
        let plan = &basis.model.plan;
        let valid = validate::query(plan, object, relation, Some(subject));
        let usable = || match given {
            Some(given) => Ok(given.clone()),
            None => validate::given(plan, contextual_tuples, context),
        };
        let contextual = match valid.and_then(|()| usable()) {
            Ok(contextual) => contextual,
            Err(error) => return (Err(error), ReadCounts::default()),
        };
        let evaluation = Evaluation::new(plan, basis.snapshot, contextual, context, basis.at, limits);
        let evaluation = evaluation.as_long_as(basis.wanted);
        let mut evaluation = match kept {
            Some(kept) => evaluation.with_memo(kept),
            None => evaluation,
        };
        let traced = trace_span!(
            target: TRACE_TARGET, "evaluate", tenure.relation = &**relation, tenure.reads = Empty, tenure.allowed = Empty
        );
        let decision = traced.in_scope(|| evaluation.check(object.as_ref(), relation, subject.as_ref()));
        traced.record("tenure.reads", i64::try_from(evaluation.read_counts().made()).unwrap_or(i64::MAX));
        if let Ok(decision) = &decision {
            traced.record("tenure.allowed", decision.allowed);
        }
        (decision.map(CheckAnswer::from).map_err(EngineError::from), evaluation.read_counts())
    }

    /// What a whole decision may have taken.
    fn room(&self) -> Room {
        Room { height_max: self.limits.depth_max, reads_max: self.limits.reads_max }
    }

    /// What the cache of decisions has done so far; `None` where there is none.
    pub fn cache_statistics(&self) -> Option<CacheStatistics> {
        self.decisions.as_ref().map(|decisions| decisions.statistics())
    }
}
