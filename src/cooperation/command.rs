//! How a command is run: decided, committed with what it rests on, tried again where others were in between, and recorded,
//! refused or not (R47).

use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::names::{Actor, EntityId};
use super::refusal::{Code, CommandError, Outcome, Refusal};
use super::work::{Work, encode};
use crate::engine::{Engine, EngineError, Reading};
use crate::model::limits::{COMMAND_INPUT_BYTES_MAX, COMMAND_TRIES_MAX};
use crate::model::{ModelId, Revision, StoreId};
use crate::store::{Batch, CommitError, Committed, Database, JournalAddition};

/// The journal of the records of commands (R47).
pub const JOURNAL_OF_COMMANDS: &str = "commands";

/// The commands and queries of the cooperation rules, on an engine.
///
/// **Guarantees.** Commands are serializable: those that are committed could have been decided one after the other, in the order
/// of their revisions. A refusal was right at one moment between the command's beginning and its end.
pub struct Cooperations<D: Database> {
    engine: Arc<Engine<D>>,
    /// Which models are the one of the cooperations.
    models: DashMap<(StoreId, ModelId), bool>,
    /// Held by a command that was tried in vain, so that those in the same place come one after the other.
    turn: Mutex<()>,
}

/// What is recorded of a command before it is decided.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who acts.
    pub actor: Actor,
    /// The command's name.
    pub command: &'static str,
    /// On what, as the caller named it.
    pub target: String,
    /// What the caller gave beside that.
    pub input: Value,
}

/// The record of a command (R47). When it was and at which revision is said by the journal's entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// Who acted.
    pub actor: Box<str>,
    /// The command's name.
    pub command: Box<str>,
    /// On what, as the caller named it.
    pub target: Box<str>,
    /// What the caller gave beside that.
    pub input: Value,
    /// The code of the refusal; `None`: it was done.
    pub refused: Option<Box<str>>,
    /// The organizations that it concerned, as far as it came.
    pub organizations: Vec<EntityId>,
    /// The cooperation that it concerned.
    pub cooperation: Option<EntityId>,
}

/// What came of a command, or of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done<T> {
    /// The answer.
    pub value: T,
    /// The revision that has it.
    pub revision: Revision,
}

impl<D: Database> Cooperations<D> {
    /// The commands on an engine.
    pub fn new(engine: Arc<Engine<D>>) -> Self {
        Self { engine, models: DashMap::new(), turn: Mutex::new(()) }
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine<D>> {
        &self.engine
    }

    pub(super) fn known_models(&self) -> &DashMap<(StoreId, ModelId), bool> {
        &self.models
    }

    /// Runs a command, which may be decided several times, and records it.
    pub fn command<T>(
        &self,
        store: StoreId,
        request: &Request,
        run: impl Fn(&mut Work<'_, D>) -> Outcome<T>,
    ) -> Outcome<Done<T>> {
        let (value, committed) = self.run(store, request, |reading| self.only_pinned(reading), run)?;
        Ok(Done { value, revision: committed.revision })
    }

    /// Runs a command on a store with a model that `admits` takes.
    pub(super) fn run<T>(
        &self,
        store: StoreId,
        request: &Request,
        admits: impl Fn(&Reading<D>) -> Outcome<()>,
        run: impl Fn(&mut Work<'_, D>) -> Outcome<T>,
    ) -> Outcome<(T, Committed)> {
        let mut turn = None;
        for _ in 0..COMMAND_TRIES_MAX {
            let reading = self.begin(store)?;
            admits(&reading)?;
            let mut work = Work::new(&request.actor, reading);
            let decided = run(&mut work);
            let refused = match &decided {
                Err(CommandError::Refused(refusal)) => Some(refusal.code),
                _ => None,
            };
            let (organizations, cooperation) = work.concerned(refused)?;
            let record =
                |refused: Option<Code>| request.record(refused, organizations.clone(), cooperation.clone());
            let value = match decided {
                Ok(value) => value,
                Err(CommandError::Refused(refusal)) => {
                    self.add(store, record(Some(refusal.code))?)?;
                    return Err(refusal.into());
                }
                Err(other) => return Err(other),
            };
            let (reading, batch) = work.concluded(record(None)?)?;
            match self.engine.conclude(reading, batch) {
                Ok(committed) => return Ok((value, committed)),
                Err(EngineError::Commit(CommitError::Conflict)) => {
                    turn.get_or_insert_with(|| self.turn.lock().unwrap_or_else(PoisonError::into_inner));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(CommandError::Busy)
    }

    /// Answers a query: nothing is written, nothing is recorded.
    pub fn query<T>(
        &self,
        store: StoreId,
        actor: &Actor,
        run: impl FnOnce(&mut Work<'_, D>) -> Outcome<T>,
    ) -> Outcome<Done<T>> {
        let reading = self.begin(store)?;
        self.only_pinned(&reading)?;
        let mut work = Work::new(actor, reading);
        let value = run(&mut work)?;
        Ok(Done { value, revision: work.reading().revision() })
    }

    /// Records a command that was refused before it could be decided: its request made no sense.
    pub fn refused(&self, store: StoreId, request: &Request, refusal: &Refusal) -> Outcome<()> {
        // Only a store of cooperations has a record.
        self.only_pinned(&self.begin(store)?)?;
        self.add(store, request.record(Some(refusal.code), Vec::new(), None)?)
    }

    fn begin(&self, store: StoreId) -> Outcome<Reading<D>> {
        self.engine.begin(store).map_err(|error| match error {
            EngineError::NoModel { .. } => model_missing().into(),
            other => other.into(),
        })
    }

    fn only_pinned(&self, reading: &Reading<D>) -> Outcome<()> {
        if self.is_pinned(reading) { Ok(()) } else { Err(model_missing().into()) }
    }

    fn add(&self, store: StoreId, addition: JournalAddition) -> Outcome<()> {
        let batch = Batch { journals: vec![addition], ..Batch::default() };
        self.engine.commit(store, batch)?;
        Ok(())
    }
}

fn model_missing() -> Refusal {
    let message =
        "the store's newest authorization model is not the cooperation model, `schema/cooperation.fga`";
    Refusal::new(Code::ModelMissing, message)
}

impl Request {
    fn record(
        &self,
        refused: Option<Code>,
        organizations: Vec<EntityId>,
        cooperation: Option<EntityId>,
    ) -> Outcome<JournalAddition> {
        let record = CommandRecord {
            actor: self.actor.to_string().into(),
            command: self.command.into(),
            target: self.target.as_str().into(),
            input: bounded(&self.input),
            refused: refused.map(|code| code.name().into()),
            organizations,
            cooperation,
        };
        Ok(JournalAddition { journal: JOURNAL_OF_COMMANDS.into(), value: encode(&record)? })
    }
}

/// What a record keeps of a request: all of it, or its size.
pub(super) fn bounded(input: &Value) -> Value {
    let bytes = input.to_string().len();
    if bytes > COMMAND_INPUT_BYTES_MAX { json!({ "bytes": bytes }) } else { input.clone() }
}
