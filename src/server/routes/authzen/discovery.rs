//! The document that says where the operations are.

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::{AskedStore, EVALUATION, EVALUATIONS, SEARCH_ACTION, SEARCH_RESOURCE, SEARCH_SUBJECT};
use crate::server::app::App;
use crate::server::base_url::BaseUrl;
use crate::server::error::{ApiError, Code};
use crate::server::openapi::schema::{shape, text};
use crate::server::openapi::{Operation, Tag, Verb};
use crate::server::reply::Reply;
use crate::store::Database;

#[derive(Serialize)]
struct Configuration {
    policy_decision_point: String,
    access_evaluation_endpoint: String,
    access_evaluations_endpoint: String,
    search_subject_endpoint: String,
    search_resource_endpoint: String,
    search_action_endpoint: String,
}

pub(super) fn operation(path: String, id: &str) -> Operation {
    let fields = [
        "policy_decision_point",
        "access_evaluation_endpoint",
        "access_evaluations_endpoint",
        "search_subject_endpoint",
        "search_resource_endpoint",
        "search_action_endpoint",
    ];
    let body = fields.into_iter().fold(shape(), |body, field| body.must(field, text().with("format", "uri")));
    Operation::new(Verb::Get, path, Tag::AuthZen, id, "Say where AuthZEN's operations are.")
        .answers(StatusCode::OK, "Their addresses.", body.closed().named("GetConfigurationResponse"))
        .shows(CACHE_CONTROL, false)
        .fails([Code::StoreNotFound])
}

/// `GET /.well-known/authzen-configuration`
///
/// Where no base URL is configured, the addresses are below the host that the client itself has sent the request to, and
/// the answer must not be kept for others.
pub(super) async fn show<D: Database>(
    State(app): State<App<D>>,
    store: AskedStore,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let configured = app.config.authzen_base_url.as_ref();
    let base = match configured {
        Some(base) => base.clone(),
        None => BaseUrl::of_request(&uri, &headers)
            .ok_or_else(|| ApiError::invalid("Host", "expected the name or address of this server"))?,
    };
    let point = if store.in_path { format!("{base}/stores/{}", store.id) } else { base.to_string() };
    let body = Configuration {
        access_evaluation_endpoint: format!("{point}{EVALUATION}"),
        access_evaluations_endpoint: format!("{point}{EVALUATIONS}"),
        search_subject_endpoint: format!("{point}{SEARCH_SUBJECT}"),
        search_resource_endpoint: format!("{point}{SEARCH_RESOURCE}"),
        search_action_endpoint: format!("{point}{SEARCH_ACTION}"),
        policy_decision_point: point,
    };
    let reply = Reply::ok(body);
    Ok(if configured.is_some() {
        reply.into_response()
    } else {
        ([(CACHE_CONTROL, "no-store")], reply).into_response()
    })
}
