//! A workload in Tenure's store and in a bare database, both on the disk.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tenure::cel::Context;
use tenure::cli::workload::{Question, Tuple};
use tenure::engine::{Engine, QueryContext, WriteRequest};
use tenure::eval::{ContextualTuples, Evaluation, Plan, ReadCounts};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{AuthorizationModel, StoreId, SystemClock};
use tenure::store::rocks::{RocksDatabase, RocksOptions};
use tenure::store::{Database, Field, OnDuplicate, Write};

use crate::bare::Bare;
use crate::record::{Read, Recording};

/// Tuples written together while loading.
const TUPLES_PER_WRITE: usize = 5_000;

/// A workload, loaded twice; the last thing that goes is the directory.
pub struct Loaded {
    pub engine: Engine<RocksDatabase>,
    pub store: StoreId,
    pub bare: Bare,
    model: AuthorizationModel,
    pub dir: TempDir,
}

impl Loaded {
    /// Loads the tuples that `tuples` makes. Both databases are closed and opened again, so that everything is in files.
    pub fn new<I: Iterator<Item = Tuple>>(model: &str, tuples: impl Fn() -> I) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let model = tenure::schema::parse(model).unwrap();
        let engine = open(&own(dir.path()));
        let store = engine.create_store("bench").unwrap().id;
        engine.write_model(store, model.clone()).unwrap();
        let mut waiting = Vec::with_capacity(TUPLES_PER_WRITE);
        for tuple in tuples() {
            waiting.push(tuple);
            if waiting.len() == TUPLES_PER_WRITE {
                write(&engine, store, &waiting);
                waiting.clear();
            }
        }
        if !waiting.is_empty() {
            write(&engine, store, &waiting);
        }
        engine.into_database().close().unwrap();
        let bare = Bare::create(&bare(dir.path()), tuples());
        Self { engine: open(&own(dir.path())), store, bare, model, dir }
    }

    /// Asks, and says what it took to answer.
    pub fn ask(&self, question: &Question) -> ReadCounts {
        check(&self.engine, self.store, question)
    }

    /// What the evaluator reads to answer.
    pub fn reads(&self, question: &Question) -> Vec<Read> {
        self.record(|evaluation| {
            let asked = &question.check;
            let decision =
                evaluation.check(asked.object.as_ref(), &asked.relation, asked.subject.as_ref()).unwrap();
            assert_eq!(decision.allowed, question.allowed, "{asked:?}");
        })
    }

    /// What an evaluation reads.
    pub fn record(
        &self,
        ask: impl FnOnce(&mut Evaluation<'_, Recording<<RocksDatabase as Database>::Snapshot>>),
    ) -> Vec<Read> {
        let plan = Plan::compile(&self.model);
        let snapshot = Recording::new(self.engine.database().snapshot(self.store).unwrap().unwrap());
        let (at, limits) = (self.engine.now(), EvaluationLimits::default());
        let context = Context::new();
        let mut evaluation =
            Evaluation::new(&plan, &snapshot, ContextualTuples::default(), &context, at, limits);
        ask(&mut evaluation);
        drop(evaluation);
        snapshot.into_reads()
    }

    pub fn write(&self, tuples: &[Tuple]) {
        write(&self.engine, self.store, tuples);
    }
}

/// Where Tenure's data is.
pub fn own(dir: &Path) -> std::path::PathBuf {
    dir.join("tenure")
}

/// Where the bare database is.
pub fn bare(dir: &Path) -> std::path::PathBuf {
    dir.join("bare")
}

pub fn open(path: &Path) -> Engine<RocksDatabase> {
    let database = RocksDatabase::open(path, Arc::new(SystemClock), &RocksOptions::default()).unwrap();
    // What is measured here is evaluations.
    Engine::new(database, EvaluationLimits::default()).with_decision_cache(0)
}

pub fn check(engine: &Engine<RocksDatabase>, store: StoreId, question: &Question) -> ReadCounts {
    let (answer, counts) = engine.check_counted(store, &QueryContext::default(), &question.check).unwrap();
    assert_eq!(answer.value.allowed, question.allowed, "{:?}", question.check);
    counts
}

fn write(engine: &Engine<RocksDatabase>, store: StoreId, tuples: &[Tuple]) {
    let write = |tuple: &Tuple| Write {
        key: tuple.key.clone(),
        condition: Field::Absent,
        expires_at: tuple.lifetime.expires_at.map_or(Field::Absent, Field::Set),
        paused: Field::Set(tuple.lifetime.paused),
        on_duplicate: OnDuplicate::Error,
    };
    let writes = tuples.iter().map(write).collect();
    engine.write(store, WriteRequest { writes, ..WriteRequest::default() }).unwrap();
}
