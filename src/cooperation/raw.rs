//! What is written past the commands (R51): raw tuples are recorded in a store that holds cooperations, and its model stays.

use std::ops::ControlFlow;

use serde_json::json;

use super::command::{CommandRecord, Cooperations, JOURNAL_OF_COMMANDS, bounded};
use super::documents::{CooperationDocument, Document};
use super::names::Actor;
use super::pinned::is_cooperation_model;
use super::refusal::{Code, CommandError, Outcome, Refusal};
use super::work::encode;
use crate::engine::{EngineError, Reading, WriteRequest};
use crate::model::limits::COMMAND_TRIES_MAX;
use crate::model::{AuthorizationModel, StoreId};
use crate::store::{
    Batch, CommitError, Committed, Database, JournalAddition, Snapshot, StoreError, Tracked, TupleFilter,
};

impl<D: Database> Cooperations<D> {
    /// Adds a model to a store. One that holds cooperations keeps the model that they work under, and takes one from an
    /// administrator only; a newer one comes in by [`upgrade`](Self::upgrade).
    pub fn write_model(
        &self,
        store: StoreId,
        model: AuthorizationModel,
        by_admin: bool,
    ) -> Outcome<Committed> {
        self.engine().validate_model(&model)?;
        for _ in 0..COMMAND_TRIES_MAX {
            let batch = self.model_batch(store, &model, by_admin)?;
            match self.engine().commit(store, batch) {
                Err(EngineError::Commit(CommitError::Conflict)) => {}
                outcome => return Ok(outcome?),
            }
        }
        Err(CommandError::Busy)
    }

    /// The model with what its being written rests on: there may be a model, or a cooperation, by the time that it is.
    pub(super) fn model_batch(
        &self,
        store: StoreId,
        model: &AuthorizationModel,
        by_admin: bool,
    ) -> Outcome<Batch> {
        let batch = Batch { model: Some(model.clone()), ..Batch::default() };
        let reading = match self.engine().begin(store) {
            Ok(reading) => reading,
            Err(EngineError::NoModel { .. }) => {
                let snapshot = self.engine().database().snapshot(store)?;
                let snapshot = snapshot.ok_or(EngineError::StoreNotFound { store })?;
                if snapshot.newest_model().is_some() {
                    return self.model_batch(store, model, by_admin);
                }
                return Ok(Batch { reads: Some(Tracked::new(snapshot).into_reads()), ..batch });
            }
            Err(error) => return Err(error.into()),
        };
        if !self.holds_cooperations(&reading, reading.snapshot())? {
            return Ok(Batch { reads: Some(reading.into_reads()), ..batch });
        }
        for_admins(by_admin)?;
        if !(self.is_pinned(&reading) && is_cooperation_model(model)) {
            let message = "the store holds cooperations, which work under the model that it has; the newest one for \
                           them comes in by an upgrade";
            return Err(Refusal::new(Code::ModelPinned, message).by("R51").into());
        }
        let journals = vec![record("model.write", "authorization-models", json!({}))?];
        Ok(Batch { journals, reads: Some(reading.into_reads()), ..batch })
    }

    /// A write of raw tuples with its record, where the store holds cooperations; there it takes an administrator. Where it
    /// holds none yet, the write comes with what that rests on, and is to be tried anew if it meets a conflict.
    pub fn recorded(&self, store: StoreId, request: WriteRequest, by_admin: bool) -> Outcome<WriteRequest> {
        let reading = match self.engine().begin(store) {
            Ok(reading) => reading,
            // Whoever writes is told so then.
            Err(EngineError::NoModel { .. } | EngineError::StoreNotFound { .. }) => return Ok(request),
            Err(error) => return Err(error.into()),
        };
        if !self.holds_cooperations(&reading, reading.snapshot())? {
            // A store comes to cooperations by the model of the cooperations, where it does not have that yet.
            let newest_model = Some(reading.model_id());
            let reads = self.is_pinned(&reading).then(|| reading.into_reads());
            return Ok(WriteRequest { newest_model, reads, ..request });
        }
        for_admins(by_admin)?;
        let writes: Vec<String> = request.writes.iter().map(|write| write.key.to_string()).collect();
        let deletes: Vec<String> = request.deletes.iter().map(|delete| delete.key.to_string()).collect();
        let mut request = request;
        // Whatever model is named, the tuples have to fit the one that the commands work under, also if that is upgraded now.
        if let Some(named) = request.model.replace(reading.model_id()) {
            self.engine().model(store, named)?;
        }
        request.newest_model = Some(reading.model_id());
        request.journals.push(record(
            "tuples.write",
            "write",
            json!({ "writes": writes, "deletes": deletes }),
        )?);
        Ok(request)
    }

    /// Whether a store holds cooperations: such as raw tuples make under the model, and such as commands have made under a model
    /// that was theirs before, and of which something is shown.
    fn holds_cooperations(&self, reading: &Reading<D>, snapshot: &impl Snapshot) -> Result<bool, StoreError> {
        let mut found = false;
        if self.is_pinned(reading) {
            let filter = TupleFilter { object_type: Some("cooperation"), ..TupleFilter::default() };
            snapshot.read(&filter, None, &mut |_, _| {
                found = true;
                ControlFlow::Break(())
            })?;
        } else {
            snapshot.documents(&CooperationDocument::key(&[]), None, &mut |_, _| {
                found = true;
                ControlFlow::Break(())
            })?;
        }
        Ok(found)
    }

    /// Whether the store works under the cooperation model.
    pub(super) fn is_pinned(&self, reading: &Reading<D>) -> bool {
        let key = (reading.store(), reading.model_id());
        if let Some(known) = self.known_models().get(&key) {
            return *known;
        }
        let is_pinned = is_cooperation_model(reading.model());
        if self.known_models().len() >= KNOWN_MODELS_MAX {
            // A model never changes, so that whatever is forgotten is found out again.
            self.known_models().clear();
        }
        self.known_models().insert(key, is_pinned);
        is_pinned
    }
}

/// Refuses what is written past the commands by whoever is no administrator.
fn for_admins(by_admin: bool) -> Outcome<()> {
    if by_admin {
        return Ok(());
    }
    let message =
        "the store holds cooperations: what is written past their commands takes the permission `admin`";
    Err(Refusal::new(Code::Forbidden, message).by("R51").into())
}

/// Models of which it is kept whether they are the one of the cooperations.
const KNOWN_MODELS_MAX: usize = 4096;

fn record(command: &str, target: &str, input: serde_json::Value) -> Outcome<JournalAddition> {
    let record = CommandRecord {
        actor: Actor::System.to_string().into(),
        command: command.into(),
        target: target.into(),
        input: bounded(&input),
        refused: None,
        organizations: Vec::new(),
        cooperation: None,
    };
    Ok(JournalAddition { journal: JOURNAL_OF_COMMANDS.into(), value: encode(&record)? })
}
