//! What every route shares, and the one place where work leaves the runtime's threads.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant as Stopwatch;

use tokio::sync::{Semaphore, oneshot};
use tokio::task::{self, JoinHandle};
use tracing::{Instrument as _, trace_span};

use super::config::ServerConfig;
use super::error::{ApiError, Code};
use super::metrics::{Metrics, Refused};
use super::observation::{Observation, Watch};
use super::turns::{Busy, Turns};
use super::watches::Watches;
use crate::callers::{Caller, Callers, Permission};
use crate::cooperation::{AccessRecorder, Cooperations};
use crate::engine::{
    CheckAnswer, CheckRequest, Counted, Engine, EngineError, QueryContext, Witness, WriteRequest,
};
use crate::eval::Wanted;
use crate::model::limits::COMMAND_TRIES_MAX;
use crate::model::{ModelId, StoreId, TRACE_TARGET};
use crate::store::{CommitError, Committed, Database, Snapshot};

/// How much of a request's time a list may take; the rest is for its answer.
const LIST_TIME_SHARE: f64 = 0.9;

/// What a check may read on a thread of the runtime, in reads: about 100 µs while the data is in memory. Most take fewer
/// than 20.
const READS_AT_ONCE_MAX: u64 = 64;

/// The state of the server, shared by all requests.
pub(super) struct App<D: Database>(Arc<State<D>>);

/// What the state is.
pub(super) struct State<D: Database> {
    pub(super) engine: Arc<Engine<D>>,
    pub(super) cooperations: Arc<Cooperations<D>>,
    /// Records checks for as long as the server has it.
    #[expect(dead_code, reason = "to be there is all that it is for")]
    pub(super) access: Option<Arc<AccessRecorder<D>>>,
    pub(super) config: Arc<ServerConfig>,
    pub(super) metrics: Arc<Metrics>,
    /// What is watched for in single checks, if anything is.
    pub(super) observation: Option<Arc<Observation>>,
    /// Streams that may be opened.
    pub(super) streams: Arc<Semaphore>,
    pub(super) watches: Arc<Watches>,
    pub(super) turns: Arc<Turns>,
    /// For what holds a thread until the disk has taken something.
    pub(super) commits: Arc<Semaphore>,
    pub(super) callers: Arc<Callers>,
}

// Derived, it would ask that the database be cloned.
impl<D: Database> Clone for App<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: Database> Deref for App<D> {
    type Target = State<D>;

    fn deref(&self) -> &State<D> {
        &self.0
    }
}

impl<D: Database> From<State<D>> for App<D> {
    fn from(state: State<D>) -> Self {
        Self(Arc::new(state))
    }
}

impl<D: Database> App<D> {
    /// Runs `query`, which is synchronous and may be long, when it is its turn, where it cannot keep the runtime from serving
    /// others.
    ///
    /// If the request goes away meanwhile, a query that has not begun never does, and one that has runs to its
    /// end: it must read no more than a page of anything. What evaluates goes by
    /// [`run_evaluation`](Self::run_evaluation).
    pub(super) async fn run_query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Engine<D>) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, ApiError> {
        Ok(self.in_turn(query).await??)
    }

    /// Begins `work` when it is its turn, which it keeps to its end, and waits for that.
    pub(super) async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine<D>) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = self.turns.next().await.map_err(|Busy| self.busy())?;
        let in_turn = move |engine: &Engine<D>| {
            // Also where the request has gone away meanwhile: it is the processor that the turn stands for.
            let _turn = turn;
            work(engine)
        };
        self.spawn(in_turn).outcome().await
    }

    /// What is answered where more is asked than can be done.
    pub(super) fn busy(&self) -> ApiError {
        self.metrics.refused(Refused::Busy);
        ApiError::new(Code::TooManyRequests, "more is asked than can be answered; try again later")
    }

    /// Runs a list, which goes on until it is told not to: shortly before the request would be cut off, so that what was
    /// found is answered, and when the request goes away.
    pub(super) async fn run_list<T: Send + 'static>(
        &self,
        store: StoreId,
        context: QueryContext,
        list: impl FnOnce(&Engine<D>, &QueryContext, &dyn Fn() -> bool) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<Result<T, EngineError>, ApiError> {
        let end = Stopwatch::now() + self.config.request_timeout.mul_f64(LIST_TIME_SHARE);
        self.reach(store, &context).await;
        self.waited_for(context, move |engine, context| {
            list(engine, context, &|| context.wanted.is() && Stopwatch::now() < end)
        })
        .await
    }

    /// Runs a query that ends when the request goes away, or is cut off because it takes too long.
    async fn waited_for<T: Send + 'static>(
        &self,
        mut context: QueryContext,
        query: impl FnOnce(&Engine<D>, &QueryContext) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        // It goes away with the request.
        let waiting = Arc::new(());
        let waits = Arc::downgrade(&waiting);
        context.wanted = Wanted::as_long_as(move || waits.strong_count() > 0);
        let outcome = self.in_turn(move |engine| query(engine, &context)).await;
        drop(waiting);
        outcome
    }

    /// Runs `work`, which may hold a thread until the writer has done its part, once it has a place. If the request goes away meanwhile, it goes on,
    /// and keeps its place: a disk that hangs must not take the threads that queries need.
    pub(super) async fn commit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine<D>) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = Arc::clone(&self.commits).acquire_owned();
        let Ok(Ok(place)) = tokio::time::timeout(self.config.request_timeout / 3, place).await else {
            return Err(self.busy());
        };
        let in_its_place = move |engine: &Engine<D>| {
            let _place = place;
            work(engine)
        };
        self.spawn(in_its_place).outcome().await
    }

    /// Begins `work` at once where it cannot keep the runtime from serving others.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine<D>) -> T + Send + 'static,
    ) -> Running<T> {
        let engine = Arc::clone(&self.engine);
        let span = tracing::Span::current();
        Running(task::spawn_blocking(move || span.in_scope(|| work(&engine))))
    }

    /// Runs what is answered at a revision: one that the query asks for and that is not there yet is waited for. It ends soon
    /// after the request goes away, or was answered that it takes too long.
    pub(super) async fn run_evaluation<T: Send + 'static>(
        &self,
        store: StoreId,
        context: QueryContext,
        query: impl FnOnce(&Engine<D>, &QueryContext) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.reach(store, &context).await;
        Ok(self.waited_for(context, query).await??)
    }

    /// Decides a check: at once where that costs little, as most do, since it costs more to hand it to another thread; else
    /// where it cannot keep the runtime from serving others.
    pub(super) async fn check(
        &self,
        store: StoreId,
        context: QueryContext,
        request: CheckRequest,
        watch: Option<Watch>,
    ) -> Result<Counted<CheckAnswer>, ApiError> {
        self.reach(store, &context).await;
        let at_once =
            self.engine.check_at_once(store, &context, &request, READS_AT_ONCE_MAX, witness(watch.as_ref()));
        match at_once? {
            Some(answer) => Ok(answer),
            None => {
                let check = move |engine: &Engine<D>, context: &QueryContext| {
                    engine.check_witnessed(store, context, &request, witness(watch.as_ref()))
                };
                Ok(self.waited_for(context, check).await??)
            }
        }
    }

    /// Waits for the revision that a query asks for, a while, on no thread.
    pub(super) async fn reach(&self, store: StoreId, context: &QueryContext) {
        if let Some(revision) = context.at_least_revision {
            // What is left of the request's time is for the query.
            let longest = self.config.revision_wait.min(self.config.request_timeout / 3 * 2);
            self.watches.revisions.reach(&self.engine, store, revision, longest).await;
        }
    }

    /// Writes and waits until it is durable. If the request goes away meanwhile, the write is committed or not, as
    /// a whole.
    pub(super) async fn write(
        &self,
        store: StoreId,
        caller: &Caller,
        request: WriteRequest,
    ) -> Result<(ModelId, Committed), ApiError> {
        // From the hand-over, with the checks that come before it, until it is durable and visible.
        let traced = trace_span!(target: TRACE_TARGET, "commit");
        let by_admin = caller.has(Permission::Admin);
        let commit = async {
            let mut tries = 0;
            loop {
                let (sender, receiver) = oneshot::channel();
                let done = Box::new(move |outcome| drop(sender.send(outcome)));
                let (cooperations, request) = (Arc::clone(&self.cooperations), request.clone());
                let submit = move |engine: &Engine<D>| -> Result<(ModelId, bool), ApiError> {
                    let request = cooperations.recorded(store, request, by_admin)?;
                    let is_tried_anew = request.newest_model.is_some();
                    Ok((engine.submit_write(store, request, done)?, is_tried_anew))
                };
                let (model, is_tried_anew) = self.commit(submit).await??;
                tries += 1;
                match receiver.await {
                    // The first cooperation may have come in between, or another model.
                    Ok(Err(EngineError::Commit(CommitError::Conflict)))
                        if is_tried_anew && tries < COMMAND_TRIES_MAX => {}
                    Ok(outcome) => return Ok((model, outcome?)),
                    Err(_) => return Err(ApiError::internal("the writer went away without an answer")),
                }
            }
        };
        commit.instrument(traced).await
    }
}

/// Who looks on, as the engine knows them.
pub(super) fn witness<S: Snapshot + Clone + 'static>(watch: Option<&Watch>) -> Option<&dyn Witness<S>> {
    watch.map(|watch| watch as &dyn Witness<S>)
}

/// Work that was begun. If this goes away before the work has begun, the work never does; once begun, it goes on.
pub(super) struct Running<T>(JoinHandle<T>);

impl<T> Running<T> {
    /// What came of it. A panic goes on in the task that asks, where it becomes the answer.
    pub(super) async fn outcome(mut self) -> Result<T, ApiError> {
        (&mut self.0).await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => ApiError::internal(error.to_string()),
        })
    }

    /// Why it ended without the answer that it was to give before its end.
    pub(super) async fn failure(self) -> ApiError {
        match self.outcome().await {
            Ok(_) => ApiError::internal("it ended without an answer"),
            Err(error) => error,
        }
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
