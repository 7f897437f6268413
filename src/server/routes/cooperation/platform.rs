//! Platform staff.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::{
    Answered, Call, answered, answers, command, command_by, nothing, nothing_to_say, operation, refusals,
    with_revision,
};
use crate::cooperation::platform;
use crate::cooperation::{Code, Cooperations, Request, Upgraded, Work};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::openapi::schema::{boolean, integer, shape};
use crate::server::openapi::{Operation, Routes, Verb, shapes};
use crate::server::reply::Reply;
use crate::store::Database;

const PATH: &str = "/platform/staff/{user}";

pub(super) fn routes<D: Database>() -> Routes<D> {
    Routes::new().on(put_operation(), put).on(delete_operation(), delete).on(upgrade_operation(), upgrade)
}

fn put_operation() -> Operation {
    nothing_to_say(operation(Verb::Put, PATH, "PutStaff", "Make a user one of the platform's staff."))
}

/// `PUT /stores/{store_id}/platform/staff/{user}`
async fn put<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<()>, ApiError> {
    let read = |call: &Call| {
        call.says_nothing()?;
        call.id("user")
    };
    let done = command(&app, call, "staff.put", read, |work, user| platform::put_staff(work, user)).await?;
    Ok(nothing(&done))
}

fn delete_operation() -> Operation {
    let summary = "Make one of the platform's staff an ordinary user again.";
    nothing_to_say(operation(Verb::Delete, PATH, "DeleteStaff", summary))
}

/// `DELETE /stores/{store_id}/platform/staff/{user}`
async fn delete<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<()>, ApiError> {
    let read = |call: &Call| {
        call.says_nothing()?;
        call.id("user")
    };
    let run = |work: &mut Work<'_, D>, user: &_| platform::remove_staff(work, user);
    let done = command(&app, call, "staff.delete", read, run).await?;
    Ok(nothing(&done))
}

#[derive(Serialize)]
struct ShownUpgrade {
    upgraded: bool,
    authorization_model_id: String,
    tuples: u64,
}

fn upgrade_operation() -> Operation {
    let body = shape()
        .must("upgraded", boolean().says("Whether the store had another model before."))
        .must("authorization_model_id", shapes::id().says("The model that it works under now."))
        .must("tuples", integer(0).says("How many tuples were held against it."));
    let summary = "Have the store work under the cooperation model of this server, if its data fits.";
    let operation = operation(Verb::Post, "/platform/upgrade", "UpgradeStore", summary)
        .fails(refusals([Code::DataDoesNotFit]));
    answers(operation, StatusCode::OK, "The store works under it.", with_revision(body))
}

/// `POST /stores/{store_id}/platform/upgrade`
async fn upgrade<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<ShownUpgrade>>, ApiError> {
    let run = |cooperations: &Cooperations<D>, store, request: &Request, (): &()| {
        cooperations.upgrade(store, request)
    };
    let done = command_by(&app, call, "platform.upgrade", Call::says_nothing, run).await?;
    let Upgraded { model, upgraded, tuples } = done.value;
    let shown = ShownUpgrade { upgraded, authorization_model_id: model.to_string(), tuples };
    Ok(answered(done.revision, shown))
}
