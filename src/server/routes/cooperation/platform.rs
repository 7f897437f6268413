//! Platform staff.

use axum::extract::State;

use super::{Call, command, nothing, nothing_to_say, operation};
use crate::cooperation::Work;
use crate::cooperation::platform;
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::openapi::{Operation, Routes, Verb};
use crate::server::reply::Reply;
use crate::store::Database;

const PATH: &str = "/platform/staff/{user}";

pub(super) fn routes<D: Database>() -> Routes<D> {
    Routes::new().on(put_operation(), put).on(delete_operation(), delete)
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
