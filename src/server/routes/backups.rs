//! Backups: making one while the server runs, in the directory that the configuration names.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use crate::server::app::App;
use crate::server::error::{ApiError, Code};
use crate::server::openapi::schema::{integer, shape};
use crate::server::openapi::shapes;
use crate::server::openapi::{Operation, Tag, Verb};
use crate::server::reply::Reply;
use crate::server::wire;
use crate::store::{Backup, Database};

#[derive(Serialize)]
pub(in crate::server) struct Made {
    id: u32,
    created_at: String,
    bytes: u64,
    files: u32,
}

impl From<Backup> for Made {
    fn from(Backup { id, made_at, bytes, files }: Backup) -> Self {
        Self { id, created_at: wire::instant(made_at), bytes, files }
    }
}

pub(in crate::server) fn create_operation() -> Operation {
    let body = shape()
        .must("id", integer(1).says("Its number in the directory; a later one is larger."))
        .must("created_at", shapes::instant())
        .must("bytes", integer(0).says("Its size; what it shares with other backups is counted in each."))
        .must("files", integer(0));
    let summary = "Make a backup of all stores in the directory that the server's configuration names.";
    Operation::new(Verb::Post, "/backups", Tag::Server, "CreateBackup", summary)
        .note("It is answered when the backup is durable, which takes as long as copying what is new since the last one.")
        .answers(StatusCode::CREATED, "The backup.", body.closed().named("Backup"))
        .fails([Code::Unimplemented, Code::Unavailable])
}

/// `POST /backups`
pub(in crate::server) async fn create<D: Database>(
    State(app): State<App<D>>,
) -> Result<Reply<Made>, ApiError> {
    let directory = app.config.backup_directory.clone().ok_or_else(|| {
        ApiError::new(Code::Unimplemented, "backups are off; start the server with `--backup-dir`")
    })?;
    let keep = app.config.backups_kept;
    let made = app.spawn(move |engine| engine.back_up(&directory, keep)).outcome().await??;
    Ok(Reply::created(made.into()))
}
