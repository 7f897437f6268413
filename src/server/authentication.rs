//! Who makes a request, and whether it may: before anything of it is done.
//!
//! What a token is worth is for `callers`, what an operation needs is in `permissions`; here the one meets the other. Every
//! refusal of a caller that is not known is the same, whatever is wrong with its token, and every refusal of another store,
//! whether that exists or not.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};

use super::app::App;
use super::error::{ApiError, Code};
use super::hosts;
use super::listen::Connection;
use super::metrics::Refused;
use super::middleware::Place;
use super::permissions::Needs;
use super::routes::cooperation::ACTOR;
use crate::callers::{Caller, Exceeded, Permission, Scope, Stores, UnderWay, Unknown};
use crate::model::StoreId;
use crate::store::Database;

/// Who makes the request, for a handler.
pub(super) struct Known(pub(super) Caller);

/// A request that may be made.
pub(super) struct Admitted {
    pub(super) caller: Caller,
    /// What it takes up of the caller's limits, until it is dropped.
    pub(super) under_way: Option<UnderWay>,
}

impl Admitted {
    const OF_ANYONE: Self = Self { caller: Caller::Anyone, under_way: None };
}

/// What every route needs, by its path and verb.
pub(super) struct RouteNeeds(HashMap<String, Vec<(&'static str, Needs)>>);

impl RouteNeeds {
    pub(super) fn new<'a>(routes: impl Iterator<Item = (&'static str, &'a str, Needs)>) -> Self {
        let mut by_path: HashMap<String, Vec<_>> = HashMap::new();
        for (verb, path, needs) in routes {
            by_path.entry(path.to_owned()).or_default().push((verb, needs));
        }
        Self(by_path)
    }

    /// What a request needs that the router leads to this path. `None`: nothing is there for its method, as it will be told.
    fn of(&self, path: &str, method: &Method) -> Option<Needs> {
        // Whatever can be got can be asked for its head alone.
        let verb = if *method == Method::HEAD { Method::GET.as_str() } else { method.as_str() };
        // A path that is not known here is one that nobody may.
        let Some(of_path) = self.0.get(path) else { return Some(Needs::Unlisted) };
        of_path.iter().find(|(own, _)| *own == verb).map(|(_, needs)| *needs)
    }
}

/// Who makes this request, if it may be made. A request that no route takes is let through to be told so.
pub(super) async fn admit<D: Database>(
    app: &App<D>,
    needs: &RouteNeeds,
    place: &Place<'_>,
    parts: &mut Parts,
) -> Result<Admitted, ApiError> {
    let path = place.route;
    let needed = path.and_then(|path| needs.of(path, &parts.method));
    let Some(needed) = needed.filter(|needed| *needed != Needs::Nothing) else {
        return Ok(Admitted::OF_ANYONE);
    };
    if !app.callers.are_authenticated() {
        hosts::refuse_others(&app.config.host_names, parts)?;
        return Ok(Admitted::OF_ANYONE);
    }
    let names_store = path.is_some_and(|path| path.contains("{store_id}"));
    let address = parts.extensions.get::<Connection>().and_then(Connection::address);
    let token = bearer(&parts.headers)?;
    let now = app.engine.now();
    let mut known = app.callers.authenticate(token, address, now);
    if matches!(known, Err(Unknown::Unfetched)) {
        let callers = Arc::clone(&app.callers);
        app.spawn(move |_| callers.renew()).outcome().await?;
        known = app.callers.authenticate(token, address, app.engine.now());
    }
    let caller = known.map_err(|known| {
        if matches!(known, Unknown::TooMany { .. }) {
            app.metrics.refused(Refused::Attempts);
        }
        unknown(known)
    })?;
    // What is then forbidden has been asked all the same.
    let under_way = caller.begin(app.config.caller_limits, now).map_err(|limit| exceeded(app, limit))?;
    if let Some(scope) = caller.scope() {
        has_permissions(needed, scope, parts.headers.contains_key(ACTOR))?;
        let store = match place.store {
            None if names_store => store_of_path(parts).await,
            None => app.config.authzen_store,
            named => named,
        };
        has_store(needed, scope, store)?;
    }
    Ok(Admitted { caller, under_way })
}

fn exceeded<D: Database>(app: &App<D>, limit: Exceeded) -> ApiError {
    match limit {
        Exceeded::Rate { per_second, wait_s } => {
            app.metrics.refused(Refused::Rate);
            let message =
                format!("you may make {per_second} requests a second; try again in {wait_s} seconds");
            ApiError::new(Code::TooManyRequests, message).retry_after(wait_s)
        }
        Exceeded::Concurrency { most } => {
            app.metrics.refused(Refused::Concurrency);
            let message = format!("you may have {most} requests under way at once; try again later");
            ApiError::new(Code::TooManyRequests, message)
        }
    }
}

/// The store that the path names, read as the handlers read it.
async fn store_of_path(parts: &mut Parts) -> Option<StoreId> {
    let params = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    let (_, text) = params.iter().find(|(name, _)| *name == "store_id")?;
    text.parse().ok()
}

/// The token of the header `Authorization`, where there is one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        // Either could be meant; who sits in front of the server may have looked at the other.
        return Err(unknown(Unknown::Invalid));
    }
    let value = value.to_str().unwrap_or_default();
    let Some((scheme, token)) = value.split_once(' ') else { return Ok(None) };
    Ok(scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' ')))
}

/// Whether a scope has the permissions that are needed; who says who acts needs one more.
fn has_permissions(needed: Needs, scope: &Scope, names_actor: bool) -> Result<(), ApiError> {
    if needed == Needs::Unlisted {
        return Err(forbidden("no key is enough for this".to_owned()));
    }
    let to_act = names_actor.then_some(&Permission::ActAs);
    for permission in needed.permissions().iter().chain(to_act) {
        if !scope.permissions.has(*permission) {
            return Err(forbidden(format!("this takes a key with the permission `{permission}`")));
        }
    }
    Ok(())
}

/// Whether a scope has the store that is asked. `None`: the request names none, or nothing that could be one.
fn has_store(needed: Needs, scope: &Scope, asked: Option<StoreId>) -> Result<(), ApiError> {
    if scope.stores == Stores::All {
        return Ok(());
    }
    match needed {
        Needs::Nothing | Needs::AnyKey | Needs::Anywhere(_) => Ok(()),
        Needs::InStore(_) | Needs::Command if asked.is_some_and(|store| scope.stores.has(store)) => Ok(()),
        Needs::InStore(_) | Needs::Command => Err(forbidden("the key is for other stores".to_owned())),
        Needs::Everywhere(_) | Needs::Unlisted => {
            Err(forbidden("this takes a key for all stores".to_owned()))
        }
    }
}

fn forbidden(message: String) -> ApiError {
    ApiError::new(Code::Forbidden, message)
}

fn unknown(unknown: Unknown) -> ApiError {
    match unknown {
        Unknown::Missing => ApiError::new(Code::BearerTokenMissing, "missing bearer token"),
        Unknown::Invalid | Unknown::Unfetched => ApiError::new(
            Code::Unauthenticated,
            "the bearer token is not valid: it is unknown, has expired or was revoked",
        ),
        Unknown::TooMany { wait_s } => {
            let message = format!("too many tokens were not valid; try again in {wait_s} seconds");
            ApiError::new(Code::TooManyRequests, message).retry_after(wait_s)
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Known {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.map(Self).ok_or_else(|| ApiError::internal("nobody has looked at who calls"))
    }
}
