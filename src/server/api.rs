//! The API as one service: the router, and beside it the short way for the one request that nearly all are.
//!
//! A check that is asked where checks are asked goes through the same functions as every request, in the same order, but not
//! through the router and its layers, which cost it about as much as everything else together. What this
//! does not know at once is the router's.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tower::{Service, ServiceExt as _};
use tracing::debug_span;

use super::app::App;
use super::authentication::RouteNeeds;
use super::extract::{Input, StorePath};
use super::middleware::{self, Place};
use super::routes::check;
use crate::model::StoreId;
use crate::store::Database;

/// Everything that the server answers; a clone is another handle to the same.
#[derive(Clone)]
pub struct Api {
    router: Router,
    /// `None` where the router has layers that this does not have.
    checks: Option<Arc<dyn AnswersChecks>>,
}

impl Api {
    /// The router alone.
    pub(super) fn new(router: Router) -> Self {
        Self { router, checks: None }
    }

    /// Beside it the short way to checks, which takes its permits from the same as the router.
    pub(super) fn with_checks<D: Database>(
        self,
        app: App<D>,
        needs: Arc<RouteNeeds>,
        permits: Arc<Semaphore>,
    ) -> Self {
        Self { checks: Some(Arc::new(Checks { app, needs, permits })), ..self }
    }
}

impl Service<Request> for Api {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match (&self.checks, checked_store(&request)) {
            (Some(checks), Some(store)) => Arc::clone(checks).answer(store, request),
            _ => Box::pin(self.router.clone().oneshot(request)),
        }
    }
}

/// The store that a check is asked of, where it is certain that the request is one.
fn checked_store(request: &Request) -> Option<StoreId> {
    if *request.method() != Method::POST {
        return None;
    }
    let store = request.uri().path().strip_prefix("/stores/")?.strip_suffix("/check")?;
    // An identifier has no `/` and nothing that is escaped.
    store.parse().ok()
}

/// [`Checks`], whatever the database.
trait AnswersChecks: Send + Sync {
    fn answer(
        self: Arc<Self>,
        store: StoreId,
        request: Request,
    ) -> BoxFuture<'static, Result<Response, Infallible>>;
}

struct Checks<D: Database> {
    app: App<D>,
    needs: Arc<RouteNeeds>,
    permits: Arc<Semaphore>,
}

impl<D: Database> AnswersChecks for Checks<D> {
    fn answer(
        self: Arc<Self>,
        store: StoreId,
        request: Request,
    ) -> BoxFuture<'static, Result<Response, Infallible>> {
        Box::pin(async move {
            let Self { app, needs, permits } = &*self;
            let check = async |head: Parts, body: Bytes| {
                let watch = app.observation.as_ref().map(|observation| observation.watch(&head.headers));
                let input = Input::new(&head.headers, body, watch);
                check::check(State(app.clone()), StorePath(store), input).await.into_response()
            };
            let limited = |request| middleware::limited(app, permits, Some(store), request, check);
            // Only who looks closely wants to have each check's own lines.
            let span = |id: &str| debug_span!("request", request_id = id);
            let place = Place { route: Some(check::PATH), store: Some(store) };
            Ok(middleware::observed((app, needs), place, request, span, limited).await)
        })
    }
}
