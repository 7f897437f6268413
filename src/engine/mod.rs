//! The library's face: what each operation of the API does, free of any wire format.
//!
//! The engine wires the store, the language and the evaluator together. It must never know of HTTP, and it holds
//! no state that a restart would lose: everything is in the database, and what it keeps besides is derived.

mod actions;
mod assertions;
mod changes;
mod checks;
mod decide;
mod error;
mod lists;
mod models;
mod moment;
mod reading;
mod request;
mod validate;
mod witness;

pub use crate::cache::{Grounding, Remark};
pub use actions::HeldRelations;
use checks::observing;
pub use checks::{CheckObserver, DecidedCheck, Told};
use decide::{Asked, Basis};
pub use error::EngineError;
pub use lists::{ListObjectsRequest, ListUsersRequest, Listed, Partial, UserFilter};
pub use moment::Moment;
pub use reading::Reading;
pub use request::{
    Answer, Changes, ChangesRequest, CheckAnswer, CheckRequest, ContextualTuple, Counted, ExpandRequest,
    ExplainRequest, Page, QueryContext, ReadRequest, StorePage, StoredTuple, TuplePage, WatchRequest,
    Watched, WriteRequest,
};
pub use witness::{Witness, Witnessed};

use std::borrow::Borrow;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use tracing::trace_span;

use crate::cache::DecisionCache;
use crate::cel::Context;
use crate::eval::explain::Explanation;
use crate::eval::{self, Evaluation, Node, ReadCounts};
use crate::model::limits::{DECISION_CACHE_BYTES_DEFAULT, EvaluationLimits, ListLimits};
use crate::model::{AuthorizationModel, Instant, ModelId, Revision, StoreId, TRACE_TARGET, TupleKey};
use crate::schema;
use crate::store::{
    Backup, Batch, CommitError, CommitObserver, Committed, Database, Snapshot, StoreInfo, TupleFilter,
};
use models::{CompiledModel, ModelCache};

/// Tuples looked at for one page of a read at the most, since most of them may have expired; the page then ends early
/// with the place to go on from.
const TUPLES_PER_READ_PAGE_MAX: usize = 10_000;

/// An authorization engine on a database.
///
/// **Guarantees.** Every query is answered for one revision and one instant: the newest revision when it began, and the
/// database's clock then. A write that was acknowledged is seen by every query that begins afterwards.
pub struct Engine<D: Database> {
    database: D,
    models: ModelCache,
    limits: EvaluationLimits,
    lists: ListLimits,
    /// Observes the database.
    decisions: Option<Arc<DecisionCache>>,
    /// Who is told of checks.
    checks: ArcSwapOption<Arc<dyn CheckObserver<D::Snapshot>>>,
}

/// What a query is answered on.
type Resolved<D> = (<D as Database>::Snapshot, Arc<CompiledModel>);

/// Called once with the outcome of a write, on the database's writer thread: it must not block.
pub type WriteCompletion = Box<dyn FnOnce(Result<Committed, EngineError>) + Send>;

impl<D: Database> Engine<D> {
    /// An engine on `database`, which keeps decisions in [`DECISION_CACHE_BYTES_DEFAULT`] bytes.
    pub fn new(database: D, limits: EvaluationLimits) -> Self {
        let (models, lists) = (ModelCache::default(), ListLimits::default());
        let checks = ArcSwapOption::empty();
        let engine = Self { database, models, limits, lists, decisions: None, checks };
        engine.with_decision_cache(DECISION_CACHE_BYTES_DEFAULT)
    }

    /// The engine with at most so many bytes for decisions that it keeps, none so far; 0 for none ever.
    pub fn with_decision_cache(self, bytes_max: usize) -> Self {
        let decisions = (bytes_max > 0).then(|| Arc::new(DecisionCache::new(bytes_max)));
        if let Some(decisions) = &decisions {
            let observer: Arc<dyn CommitObserver> = Arc::clone(decisions) as _;
            self.database.observe(Arc::downgrade(&observer));
        }
        Self { decisions, ..self }
    }

    /// The engine with other limits for lists.
    pub fn with_list_limits(self, lists: ListLimits) -> Self {
        Self { lists, ..self }
    }

    /// The database.
    pub fn database(&self) -> &D {
        &self.database
    }

    /// Takes the database out again, for closing it.
    pub fn into_database(self) -> D {
        self.database
    }

    /// Whether it keeps decisions.
    pub fn keeps_decisions(&self) -> bool {
        self.decisions.is_some()
    }

    /// The present instant, as decisions see it.
    pub fn now(&self) -> Instant {
        self.database.clock().now()
    }

    /// Has `observer` told of every commit from now on, for as long as somebody holds it.
    pub fn observe(&self, observer: Weak<dyn CommitObserver>) {
        self.database.observe(observer);
    }

    /// The newest revision of a store. Waits for nothing and reads nothing.
    pub fn revision(&self, store: StoreId) -> Result<Revision, EngineError> {
        let snapshot = self.database.snapshot(store)?.ok_or(EngineError::StoreNotFound { store })?;
        Ok(snapshot.revision())
    }

    /// Whether everything can be done: reads always can, writes but for a while after a commit has failed.
    pub fn ready(&self) -> Result<(), EngineError> {
        Ok(self.database.accepts_writes()?)
    }

    /// Makes a backup in a directory of backups; see [`Database::back_up`].
    pub fn back_up(&self, directory: &Path, keep: Option<usize>) -> Result<Backup, EngineError> {
        Ok(self.database.back_up(directory, keep)?)
    }

    /// Creates an empty store.
    pub fn create_store(&self, name: &str) -> Result<StoreInfo, EngineError> {
        Ok(self.database.create_store(name)?)
    }

    /// Deletes a store with everything in it. Returns whether there was one.
    pub fn delete_store(&self, store: StoreId) -> Result<bool, EngineError> {
        Ok(self.database.delete_store(store)?)
    }

    /// A store.
    pub fn store(&self, store: StoreId) -> Result<StoreInfo, EngineError> {
        self.database.store(store)?.ok_or(EngineError::StoreNotFound { store })
    }

    /// A page of stores by identifier, those of this name where one is given.
    pub fn stores(
        &self,
        name: Option<&str>,
        after: Option<StoreId>,
        limit: usize,
    ) -> Result<StorePage, EngineError> {
        let mut items = self.database.stores(name, after, limit.saturating_add(1))?;
        let next = cut(&mut items, limit, |store| store.id);
        Ok(Page { items, next })
    }

    /// [`stores`](Self::stores) of these identifiers, which are in their order.
    pub fn stores_among(
        &self,
        stores: &[StoreId],
        name: Option<&str>,
        after: Option<StoreId>,
        limit: usize,
    ) -> Result<StorePage, EngineError> {
        let behind = stores.iter().filter(|id| after.is_none_or(|after| **id > after));
        let found = behind.map(|id| self.database.store(*id)).collect::<Result<Vec<_>, _>>()?;
        let named = |store: &StoreInfo| name.is_none_or(|name| name == &*store.name);
        let mut items: Vec<_> =
            found.into_iter().flatten().filter(named).take(limit.saturating_add(1)).collect();
        let next = cut(&mut items, limit, |store| store.id);
        Ok(Page { items, next })
    }

    /// Whether a model follows the rules of the language.
    pub fn validate_model(&self, model: &AuthorizationModel) -> Result<(), EngineError> {
        let violations = schema::validate(model);
        if violations.is_empty() { Ok(()) } else { Err(EngineError::InvalidModel { violations }) }
    }

    /// Adds a model to a store, where it becomes the newest.
    pub fn write_model(&self, store: StoreId, model: AuthorizationModel) -> Result<Committed, EngineError> {
        self.validate_model(&model)?;
        self.commit(store, Batch { model: Some(model), ..Batch::default() })
    }

    /// A model.
    pub fn model(&self, store: StoreId, id: ModelId) -> Result<Arc<AuthorizationModel>, EngineError> {
        let snapshot = self.database.snapshot(store)?.ok_or(EngineError::ModelNotFound { model: id })?;
        Ok(Arc::clone(&self.models.get(store, &snapshot, id)?.source))
    }

    /// A page of models, newest first; empty where there is no such store. `take` is given one after the other and says
    /// whether the page takes more: no two are in memory at once. Answers behind which one the next page starts, if there
    /// is one.
    pub fn models(
        &self,
        store: StoreId,
        before: Option<ModelId>,
        limit: usize,
        take: &mut dyn FnMut(ModelId, AuthorizationModel) -> ControlFlow<()>,
    ) -> Result<Option<ModelId>, EngineError> {
        let Some(snapshot) = self.database.snapshot(store)? else { return Ok(None) };
        let (mut last, mut taken, mut is_full) = (before, 0, false);
        while let Some((id, model)) = snapshot.models(last, 1)?.pop() {
            if is_full {
                return Ok(last);
            }
            taken += 1;
            is_full = take(id, model).is_break() || taken == limit;
            last = Some(id);
        }
        Ok(None)
    }

    /// Writes and deletes tuples in one commit and calls `done` when they are durable and visible, or refused.
    /// Answers the model that they were checked against.
    pub fn submit_write(
        &self,
        store: StoreId,
        request: WriteRequest,
        done: WriteCompletion,
    ) -> Result<ModelId, EngineError> {
        let (_, model) = self.resolve(store, request.model)?;
        validate::write(&model.plan, &request)?;
        let WriteRequest {
            model: _,
            actor,
            preconditions,
            deletes,
            writes,
            journals,
            newest_model: under_model,
            reads,
        } = request;
        let batch =
            Batch { actor, preconditions, deletes, writes, journals, under_model, reads, ..Batch::default() };
        let done =
            Box::new(move |outcome: Result<Committed, CommitError>| done(outcome.map_err(EngineError::from)));
        self.database.submit(store, batch, done);
        Ok(model.id)
    }

    /// Writes and deletes tuples in one commit and waits for it.
    pub fn write(&self, store: StoreId, request: WriteRequest) -> Result<Committed, EngineError> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.submit_write(store, request, Box::new(move |outcome| drop(sender.send(outcome))))?;
        receiver.recv().unwrap_or(Err(crate::store::StoreError::Closed.into()))
    }

    /// A page of stored tuples, with the revision that they are of; empty where there is no such store. The model plays no
    /// part. Pages of one revision are together all that the store had at it.
    pub fn read(
        &self,
        store: StoreId,
        request: &ReadRequest,
    ) -> Result<(TuplePage, Option<Revision>), EngineError> {
        let Some(snapshot) = self.database.snapshot(store)? else {
            return Ok((Page { items: Vec::new(), next: None }, None));
        };
        let now = self.now();
        let filter = TupleFilter {
            object_type: request.object_type.as_deref(),
            object_id: request.object_id.as_deref(),
            relation: request.relation.as_deref(),
            subject: request.subject.as_ref().map(crate::model::Subject::as_ref),
        };
        let wanted = request.limit.saturating_add(1);
        let mut items = Vec::with_capacity(wanted.min(128));
        let mut seen = 0_usize;
        let mut reached = None;
        let after = request.after.as_ref().map(TupleKey::as_ref);
        snapshot.read(&filter, after, &mut |key, record| {
            seen += 1;
            if seen >= TUPLES_PER_READ_PAGE_MAX {
                reached = Some(key.to_owned());
            }
            if request.include_inactive || record.lifetime.is_live(now) {
                items.push(request::stored(key, record));
            }
            let more = items.len() < wanted && reached.is_none();
            if more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let next = cut(&mut items, request.limit, |tuple| tuple.key.clone()).or(reached);
        Ok((Page { items, next }, Some(snapshot.revision())))
    }

    /// Whether a subject holds a relation on an object.
    pub fn check(
        &self,
        store: StoreId,
        context: &QueryContext,
        request: &CheckRequest,
    ) -> Result<Answer<CheckAnswer>, EngineError> {
        self.check_counted(store, context, request).map(|(answer, _)| answer)
    }

    /// [`check`](Self::check), with what it read.
    pub fn check_counted(
        &self,
        store: StoreId,
        context: &QueryContext,
        request: &CheckRequest,
    ) -> Result<Counted<CheckAnswer>, EngineError> {
        self.check_witnessed(store, context, request, None)
    }

    /// [`check_counted`](Self::check_counted) with somebody who looks on.
    pub fn check_witnessed(
        &self,
        store: StoreId,
        context: &QueryContext,
        request: &CheckRequest,
        witness: Option<&dyn Witness<D::Snapshot>>,
    ) -> Result<Counted<CheckAnswer>, EngineError> {
        let (snapshot, model) = self.query(store, context)?;
        let observer = self.check_observer();
        let observer = observing::<D>(&observer);
        let basis = self.basis(store, &snapshot, &model, context).told_to(observer);
        let asked = context.asked(request);
        if let Some(witness) = witness {
            witness.begins();
        }
        let decided = self.decide(&basis, asked);
        self.tell(witness, &basis, asked, &decided);
        Ok((basis.answer(decided.outcome?), decided.counts))
    }

    /// [`check_counted`](Self::check_counted), if that waits for nobody, has no model to compile, and takes no more than
    /// `reads_max` reads; else `None`, and nothing is lost by asking again without that bound.
    pub fn check_at_once(
        &self,
        store: StoreId,
        context: &QueryContext,
        request: &CheckRequest,
        reads_max: u64,
        witness: Option<&dyn Witness<D::Snapshot>>,
    ) -> Result<Option<Counted<CheckAnswer>>, EngineError> {
        let asked = context.asked(request);
        let observer = self.check_observer();
        let observer = observing::<D>(&observer);
        if observer.is_some_and(|observer| !observer.has_room() && observer.wants(request)) {
            return Ok(None);
        }
        let Some((snapshot, model)) = self.resolve_at_once(store, context.model)? else { return Ok(None) };
        reached(&snapshot, context)?;
        let basis = self.basis(store, &snapshot, &model, context).told_to(observer);
        if let Some(witness) = witness {
            witness.begins();
        }
        let Some(decided) = self.decide_at_once(&basis, asked, reads_max) else { return Ok(None) };
        self.tell(witness, &basis, asked, &decided);
        Ok(Some((basis.answer(decided.outcome?), decided.counts)))
    }

    /// Several checks, all at one revision and one instant, with what they read together. The outer error is the whole
    /// call's, an inner one its check's.
    pub fn batch_check(
        &self,
        store: StoreId,
        context: &QueryContext,
        checks: &[BatchCheckItem],
    ) -> Result<Counted<BatchOutcomes>, EngineError> {
        self.batch_check_until(store, context, checks, None, None)
    }

    /// [`batch_check`](Self::batch_check), in their order up to the first check with this decision, which is the last one of
    /// the outcomes. A check that fails is no allowance. A witness looks on. Each check is taken when it is to be decided, and
    /// let go before the next one is.
    pub fn batch_check_until(
        &self,
        store: StoreId,
        context: &QueryContext,
        checks: impl IntoIterator<Item: Borrow<BatchCheckItem>>,
        until: Option<bool>,
        witness: Option<&dyn Witness<D::Snapshot>>,
    ) -> Result<Counted<BatchOutcomes>, EngineError> {
        let (snapshot, model) = self.query(store, context)?;
        let observer = self.check_observer();
        let observer = observing::<D>(&observer);
        let basis = self.basis(store, &snapshot, &model, context).told_to(observer);
        let mut counts = ReadCounts::default();
        let mut value = BatchOutcomes::new();
        for check in checks {
            let outcome = self.one_of_several(&basis, check.borrow().asked(), &mut counts, witness);
            let allowed = outcome.as_ref().is_ok_and(|answer| answer.allowed);
            value.push(outcome);
            if until == Some(allowed) {
                break;
            }
        }
        Ok((basis.answer(value), counts))
    }

    /// One of several checks at one revision and one instant; `counts` is what they have read together so far.
    fn one_of_several(
        &self,
        basis: &Basis<'_, D::Snapshot>,
        asked: Asked<'_>,
        counts: &mut ReadCounts,
        witness: Option<&dyn Witness<D::Snapshot>>,
    ) -> Result<CheckAnswer, EngineError> {
        // One budget for all of them: they are one request. What is kept takes nothing of it.
        let reads = self.limits.reads_max;
        if counts.made() > reads {
            return Err(EngineError::TooComplex { limit: eval::LimitReached::Reads { reads } });
        }
        if let Some(witness) = witness {
            witness.begins();
        }
        let decided = self.decide(basis, asked);
        self.tell(witness, basis, asked, &decided);
        counts.add(decided.counts);
        decided.outcome
    }

    /// How a relation of an object is made up, one level deep.
    pub fn expand(
        &self,
        store: StoreId,
        context: &QueryContext,
        request: &ExpandRequest,
    ) -> Result<Answer<Node>, EngineError> {
        let (snapshot, model) = self.query(store, context)?;
        validate::query(&model.plan, &request.object, &request.relation, None)?;
        let mut evaluation = self.evaluation(&snapshot, &model, context)?;
        let tree = evaluation.expand(request.object.as_ref(), &request.relation, request.include_inactive)?;
        Ok(Answer { value: tree, model: model.id, revision: snapshot.revision(), at: evaluation.at() })
    }

    /// Why a check decides as it does, when that ends, and what would turn a denial; with what it read. The decision is that
    /// of [`check`](Self::check), and it fails where that would.
    pub fn explain(
        &self,
        store: StoreId,
        context: &QueryContext,
        request: &ExplainRequest,
    ) -> Result<Counted<Explanation>, EngineError> {
        let (snapshot, model) = self.query(store, context)?;
        let at = request.at.unwrap_or_else(|| self.now());
        let moment = self.moment_of(store, &snapshot, &model, at).as_long_as(context.wanted.clone());
        let (value, counts) = moment.explain(&request.check, &context.contextual_tuples, &context.context)?;
        Ok((Answer { value, model: model.id, revision: snapshot.revision(), at }, counts))
    }

    /// A snapshot and a model for a query: the revision first, then the newest model at it.
    fn query(&self, store: StoreId, context: &QueryContext) -> Result<Resolved<D>, EngineError> {
        let (snapshot, model) = self.resolve(store, context.model)?;
        reached(&snapshot, context)?;
        Ok((snapshot, model))
    }

    fn resolve(&self, store: StoreId, model: Option<ModelId>) -> Result<Resolved<D>, EngineError> {
        let _traced = trace_span!(target: TRACE_TARGET, "resolve").entered();
        let (snapshot, id) = self.newest(store, model)?;
        let model = self.models.get(store, &snapshot, id)?;
        Ok((snapshot, model))
    }

    /// [`resolve`](Self::resolve), if the model is compiled; else `None`, also where there is no such model.
    fn resolve_at_once(
        &self,
        store: StoreId,
        model: Option<ModelId>,
    ) -> Result<Option<Resolved<D>>, EngineError> {
        let _traced = trace_span!(target: TRACE_TARGET, "resolve").entered();
        let (snapshot, id) = self.newest(store, model)?;
        Ok(self.models.compiled(store, id).map(|model| (snapshot, model)))
    }

    /// The newest revision, and the model that is asked for or else the newest. Whether there is one that is asked for is
    /// not said by it.
    fn newest(&self, store: StoreId, model: Option<ModelId>) -> Result<(D::Snapshot, ModelId), EngineError> {
        let missing = || match model {
            Some(model) => EngineError::ModelNotFound { model },
            None => EngineError::NoModel { store },
        };
        let snapshot = self.database.snapshot(store)?.ok_or_else(missing)?;
        let id = model.or_else(|| snapshot.newest_model()).ok_or_else(missing)?;
        Ok((snapshot, id))
    }

    /// An evaluation without the cache, now: the instant is taken after the snapshot.
    fn evaluation<'a>(
        &self,
        snapshot: &'a D::Snapshot,
        model: &'a CompiledModel,
        context: &'a QueryContext,
    ) -> Result<Evaluation<'a, D::Snapshot>, EngineError> {
        let contextual = validate::given(&model.plan, &context.contextual_tuples, &context.context)?;
        let evaluation =
            Evaluation::new(&model.plan, snapshot, contextual, &context.context, self.now(), self.limits);
        Ok(evaluation.as_long_as(&context.wanted))
    }
}

/// Fails where the revision that a query asks for is not there yet.
fn reached(snapshot: &impl Snapshot, context: &QueryContext) -> Result<(), EngineError> {
    let newest = snapshot.revision();
    match context.at_least_revision {
        Some(asked) if asked > newest => Err(EngineError::RevisionNotReached { asked, newest }),
        _ => Ok(()),
    }
}

/// What came of each check of a batch, in their order.
pub type BatchOutcomes = Vec<Result<CheckAnswer, EngineError>>;

/// One check of a batch, with the tuples that count for it only.
#[derive(Debug, Clone)]
pub struct BatchCheckItem {
    /// The check.
    pub check: CheckRequest,
    /// Tuples that count for this check only.
    pub contextual_tuples: Vec<ContextualTuple>,
    /// Values for the parameters of conditions.
    pub context: Context,
}

impl BatchCheckItem {
    fn asked(&self) -> Asked<'_> {
        let Self { check, contextual_tuples, context } = self;
        Asked { check, contextual_tuples, context, given: None }
    }
}

impl From<eval::EvalError> for EngineError {
    fn from(error: eval::EvalError) -> Self {
        match error {
            eval::EvalError::Limit(limit) => Self::TooComplex { limit },
            eval::EvalError::Condition(failure) => Self::Condition(failure),
            eval::EvalError::Store(error) => Self::Store(error),
            eval::EvalError::Unwanted => Self::Stopped,
        }
    }
}

/// Cuts `items` to `limit` and says behind which one the next page starts, if there is one.
fn cut<T, N>(items: &mut Vec<T>, limit: usize, key: impl Fn(&T) -> N) -> Option<N> {
    let more = items.len() > limit;
    items.truncate(limit);
    if more { items.last().map(key) } else { None }
}
