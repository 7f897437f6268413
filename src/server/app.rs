//! What every route shares, and the one place where work leaves the runtime's threads.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::{self, JoinHandle};

use super::config::ServerConfig;
use super::error::ApiError;
use super::metrics::Metrics;
use super::watches::Watches;
use crate::engine::{Engine, EngineError, QueryContext, WriteRequest};
use crate::model::{ModelId, StoreId};
use crate::store::{Committed, Database};

/// The state of the server.
pub(super) struct App<D: Database> {
    pub(super) engine: Arc<Engine<D>>,
    pub(super) config: Arc<ServerConfig>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) watches: Arc<Watches>,
}

// Derived, it would ask that the database be cloned.
impl<D: Database> Clone for App<D> {
    fn clone(&self) -> Self {
        Self {
            engine: Arc::clone(&self.engine),
            config: Arc::clone(&self.config),
            metrics: Arc::clone(&self.metrics),
            watches: Arc::clone(&self.watches),
        }
    }
}

impl<D: Database> App<D> {
    /// Runs `query`, which is synchronous and may be long, where it cannot keep the runtime from serving others.
    ///
    /// If the request goes away meanwhile, a query that has not begun never does, and one that has runs to its
    /// end, which the evaluation's limits bound; it changes nothing.
    pub(super) async fn run_query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Engine<D>) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let engine = Arc::clone(&self.engine);
        let span = tracing::Span::current();
        let mut running = AbortOnDrop(task::spawn_blocking(move || span.in_scope(|| query(&engine))));
        match (&mut running.0).await {
            Ok(outcome) => Ok(outcome?),
            Err(error) => match error.try_into_panic() {
                // It goes on in the request's own task, where it becomes the answer.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(ApiError::internal(error.to_string())),
            },
        }
    }

    /// [`run_query`](Self::run_query) for what is answered at a revision: one that the query asks for and that is not
    /// there yet is waited for, a while, on no thread.
    pub(super) async fn run_evaluation<T: Send + 'static>(
        &self,
        store: StoreId,
        context: QueryContext,
        query: impl FnOnce(&Engine<D>, &QueryContext) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, ApiError> {
        if let Some(revision) = context.at_least_revision {
            // What is left of the request's time is for the query.
            let longest = self.config.revision_wait.min(self.config.request_timeout / 3 * 2);
            self.watches.revisions.reach(&self.engine, store, revision, longest).await;
        }
        self.run_query(move |engine| query(engine, &context)).await
    }

    /// Writes and waits until it is durable. If the request goes away meanwhile, the write is committed or not, as
    /// a whole.
    pub(super) async fn write(
        &self,
        store: StoreId,
        request: WriteRequest,
    ) -> Result<(ModelId, Committed), ApiError> {
        let (sender, receiver) = oneshot::channel();
        let done = Box::new(move |outcome| drop(sender.send(outcome)));
        let model = self.run_query(move |engine| engine.submit_write(store, request, done)).await?;
        match receiver.await {
            Ok(outcome) => Ok((model, outcome?)),
            Err(_) => Err(ApiError::internal("the writer went away without an answer")),
        }
    }
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
