//! What the cooperation rules cost beside the engine: pausing, and the record of the checks.
//!
//! Every figure is a median of tasks in alternation, so that it holds on a machine that others use meanwhile. Databases are on
//! the disk; each commit is synced.

// What fails here fails the run, and says where.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../evaluation/alternate.rs"]
mod alternate;
#[allow(dead_code)]
#[path = "../shared/figures.rs"]
mod figures;

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::Criterion;
use figures::Target::AtMost;
use figures::tell;
use serde_json::Value;
use tempfile::TempDir;
use tenure::cli::workload::{COOPERATION_MODEL, Cooperation, Kind, Question, Skew, Tuple};
use tenure::cooperation::cooperations::change;
use tenure::cooperation::{AccessRecordOptions, AccessRecorder, Actor, Cooperations, EntityId, Request};
use tenure::engine::{Engine, QueryContext, WriteRequest};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{Lifetime, StoreId, SystemClock, TupleKey};
use tenure::store::rocks::{RocksDatabase, RocksOptions};
use tenure::store::{Field, OnDuplicate, Write};

/// Delegations in the large cooperation, on so many parks.
const DELEGATIONS: usize = 100_000;
const PARKS: usize = 100;
/// What the pause of the large one may cost of the pause of one with a single delegation.
const PAUSE_FACTOR_MAX: f64 = 1.2;
/// What a check of the mix may cost with the record of what it costs without.
const RECORD_FACTOR_MAX: f64 = 1.1;
/// Different questions of one kind, asked in turn.
const QUESTIONS: usize = 64;
const TUPLES_PER_WRITE: usize = 5_000;

fn main() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("criterion");
    let mut criterion = Criterion::default()
        .without_plots()
        .output_directory(&dir)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .configure_from_args();
    pause(&mut criterion);
    record(&mut criterion);
    criterion.final_summary();
}

/// A store of the cooperation model on the disk; the last thing that goes is the directory.
struct Loaded {
    engine: Arc<Engine<RocksDatabase>>,
    store: StoreId,
    _dir: TempDir,
}

impl Loaded {
    fn new(tuples: impl Iterator<Item = Tuple>) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let database =
            RocksDatabase::open(dir.path(), Arc::new(SystemClock), &RocksOptions::default()).unwrap();
        let engine = Arc::new(Engine::new(database, EvaluationLimits::default()));
        let store = engine.create_store("bench").unwrap().id;
        engine.write_model(store, tenure::schema::parse(COOPERATION_MODEL).unwrap()).unwrap();
        let all: Vec<Tuple> = tuples.collect();
        for some in all.chunks(TUPLES_PER_WRITE) {
            let write = |tuple: &Tuple| Write {
                key: tuple.key.clone(),
                condition: Field::Absent,
                expires_at: tuple.lifetime.expires_at.map_or(Field::Absent, Field::Set),
                paused: Field::Set(tuple.lifetime.paused),
                on_duplicate: OnDuplicate::Error,
            };
            let writes = some.iter().map(write).collect();
            engine.write(store, WriteRequest { writes, ..WriteRequest::default() }).unwrap();
        }
        Self { engine, store, _dir: dir }
    }

    fn ask(&self, question: &Question) {
        let answer = self.engine.check(self.store, &QueryContext::default(), &question.check).unwrap();
        assert_eq!(answer.value.allowed, question.allowed, "{:?}", question.check);
    }
}

fn tuple(object: &str, relation: &str, subject: &str) -> Tuple {
    Tuple { key: TupleKey::parse(object, relation, subject).unwrap(), lifetime: Lifetime::default() }
}

/// Two organizations with a cooperation of so many delegations.
fn delegated(delegations: usize) -> Loaded {
    let parks = PARKS.min(delegations);
    let users = delegations / parks;
    let mut tuples = vec![
        tuple("organization:owner", "admin", "user:owner"),
        tuple("organization:partner", "admin", "user:partner"),
        tuple("cooperation:c", "initiator", "organization:owner"),
        tuple("cooperation:c", "linked", "organization:partner"),
        tuple("cooperation:c", "partner", "organization:partner"),
    ];
    for user in 0..users {
        tuples.push(tuple("organization:partner", "member", &format!("user:{user}")));
    }
    for park in 0..parks {
        let park = format!("park:{park}");
        tuples.push(tuple(&park, "owner", "organization:owner"));
        tuples.push(tuple(&park, "viewer_share", "cooperation:c"));
        for user in 0..users {
            tuples.push(tuple(&park, "viewer_delegate", &format!("user:{user}")));
        }
    }
    Loaded::new(tuples.into_iter())
}

/// Pauses and resumes in turn.
struct Pausing {
    cooperations: Cooperations<RocksDatabase>,
    store: StoreId,
    paused: Cell<bool>,
    _loaded: Loaded,
}

impl Pausing {
    fn new(delegations: usize) -> Self {
        let loaded = delegated(delegations);
        let cooperations = Cooperations::new(Arc::clone(&loaded.engine));
        Self { cooperations, store: loaded.store, paused: Cell::new(false), _loaded: loaded }
    }

    fn turn(&self) {
        let request = Request {
            actor: Actor::parse("user:owner").unwrap(),
            command: "cooperation.change",
            target: "cooperations/c".to_owned(),
            input: Value::Null,
        };
        let (id, paused) = (EntityId::parse("id", "c").unwrap(), !self.paused.get());
        let done = self
            .cooperations
            .command(self.store, &request, |work| change::change(work, &id, Some(paused), None));
        let done = done.unwrap();
        assert_eq!(done.value.cooperation.lifetime.paused, paused);
        self.paused.set(paused);
    }
}

/// Pausing a cooperation with 100,000 delegations beside one with a single one (R26).
fn pause(criterion: &mut Criterion) {
    let (few, many) = (Pausing::new(1), Pausing::new(DELEGATIONS));
    let [of_few, of_many] = alternate::measure(1, [&|_| few.turn(), &|_| many.turn()]);
    let factor = alternate::quotient(&of_many, &of_few);
    tell("pausing 100,000 delegations: of pausing one", factor, AtMost(PAUSE_FACTOR_MAX));
    let mut group = criterion.benchmark_group("pause");
    group.sample_size(20);
    group.bench_function("1 delegation", |bencher| bencher.iter(|| few.turn()));
    group.bench_function("100,000 delegations", |bencher| bencher.iter(|| many.turn()));
    group.finish();
}

/// Checks with the record beside checks without (R48).
fn record(criterion: &mut Criterion) {
    let cooperation = Cooperation::new(1, 1);
    let [plain, recorded] = [(), ()].map(|()| Loaded::new(cooperation.tuples()));
    let recorder = AccessRecorder::start(&recorded.engine, AccessRecordOptions::default()).unwrap();
    let mut of_mix = 0.0;
    for (name, kind) in [
        ("direct grant", Kind::Direct),
        ("partner's admin", Kind::Admin),
        ("delegate", Kind::Delegate),
        ("denial", Kind::Denial),
        ("near denial", Kind::NearDenial),
        ("mix", Kind::Mix),
    ] {
        let questions: Vec<_> = cooperation.questions(kind, Skew::Uniform, 1).take(QUESTIONS).collect();
        let [with, without] = alternate::measure(
            questions.len(),
            [&|number| recorded.ask(&questions[number]), &|number| plain.ask(&questions[number])],
        );
        let factor = alternate::quotient(&with, &without);
        if kind == Kind::Mix {
            of_mix = factor;
        }
        println!("{name}: {factor:.3} times as long with the access record as without");
        let mut group = criterion.benchmark_group(format!("record, {name}"));
        for (case, loaded) in [("without", &plain), ("with", &recorded)] {
            let mut asked = questions.iter().cycle();
            group.bench_function(case, |bencher| bencher.iter(|| loaded.ask(asked.next().unwrap())));
        }
        group.finish();
    }
    recorder.stop();
    tell(
        "a kept decision with the access record, in process: of one without",
        of_mix,
        AtMost(RECORD_FACTOR_MAX),
    );
}
