//! What stays the same when there are a thousand times as many tuples; and what many writers gain from each other.
//!
//! In process, on RocksDB, with data in files in the operating system's cache and the cache of decisions off, but where the
//! memory of a whole server is measured. Questions are drawn with the same skew from both sizes.

// What fails here fails the run, and says where.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[allow(dead_code)]
#[path = "../server/drive.rs"]
mod drive;
#[path = "../shared/figures.rs"]
mod figures;
#[allow(dead_code)]
#[path = "../server/process.rs"]
mod process;

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use figures::Target::{AtLeast, AtMost, None as NoTarget};
use figures::{median, tell};
use process::Server;
use tempfile::TempDir;
use tenure::cli::workload::{COOPERATION_MODEL, Cooperation, Kind, Question, Skew, Tuple};
use tenure::engine::{Engine, QueryContext, WriteRequest};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{ModelId, StoreId, SystemClock};
use tenure::store::rocks::{RocksDatabase, RocksOptions};
use tenure::store::{Field, OnDuplicate, Write};

const SEED: u64 = 1;
const FEW: u64 = 10_000;
const MANY: u64 = 10_000_000;
/// Questions that are drawn; with the skew, not all of them differ.
const QUESTIONS: usize = 20_000;
/// Times that each is asked, beside the other size.
const ROUNDS: usize = 5;
const TUPLES_PER_WRITE: usize = 5_000;
/// Times that each database is opened.
const OPENED: usize = 7;
/// One measurement of writers.
const WRITING: Duration = Duration::from_secs(2);
const WRITERS: usize = 64;
/// A sync that takes less gets [`SYNC_DELAY`] more.
const SYNC_MIN: Duration = Duration::from_millis(1);
const SYNC_DELAY: Duration = Duration::from_millis(2);

fn main() {
    let wanted: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let cases: [(&str, fn()); 2] = [("writers", writers), ("tuples", tuples)];
    for (name, case) in cases {
        if wanted.is_empty() || wanted.iter().any(|wanted| name == wanted) {
            case();
        }
    }
}

/// A store of the cooperation workload on the disk.
struct Filled {
    cooperation: Cooperation,
    store: StoreId,
    model: ModelId,
    dir: TempDir,
}

impl Filled {
    fn new(tuples: u64) -> Self {
        let cooperation = Cooperation::about(tuples, SEED);
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let engine = open(dir.path());
        let store = engine.create_store("bench").unwrap().id;
        let written = engine.write_model(store, tenure::schema::parse(COOPERATION_MODEL).unwrap()).unwrap();
        let model = written.model.unwrap();
        let (began, mut all) = (Instant::now(), cooperation.tuples());
        let mut written = 0;
        loop {
            let some: Vec<Write> = all.by_ref().take(TUPLES_PER_WRITE).map(write).collect();
            if some.is_empty() {
                break;
            }
            written += some.len();
            engine.write(store, WriteRequest { writes: some, ..WriteRequest::default() }).unwrap();
        }
        drop(all);
        println!("  {written} tuples written in {:.0} s", began.elapsed().as_secs_f64());
        engine.into_database().close().unwrap();
        Self { cooperation, store, model, dir }
    }
}

fn open(path: &Path) -> Engine<RocksDatabase> {
    open_with(path, &RocksOptions::default())
}

fn open_with(path: &Path, options: &RocksOptions) -> Engine<RocksDatabase> {
    let database = RocksDatabase::open(path, Arc::new(SystemClock), options).unwrap();
    Engine::new(database, EvaluationLimits::default()).with_decision_cache(0)
}

fn write(tuple: Tuple) -> Write {
    Write {
        key: tuple.key,
        condition: Field::Absent,
        expires_at: tuple.lifetime.expires_at.map_or(Field::Absent, Field::Set),
        paused: Field::Set(tuple.lifetime.paused),
        on_duplicate: OnDuplicate::Error,
    }
}

/// Checks and starts with few tuples and with many.
fn tuples() {
    let sizes = [FEW, MANY].map(Filled::new);
    let starts = sizes.each_ref().map(|filled| {
        let times = (0..OPENED).map(|_| {
            let began = Instant::now();
            let engine = open(filled.dir.path());
            // The first answer is part of it: whatever is not loaded yet is loaded for that.
            let question = filled.cooperation.questions(Kind::Direct, Skew::Uniform, SEED).next().unwrap();
            ask(&engine, filled.store, &question);
            let took = began.elapsed().as_secs_f64();
            engine.into_database().close().unwrap();
            took
        });
        median(times.collect())
    });
    let [few, many] = starts;
    println!("  start and first answer: {:.1} ms and {:.1} ms", few * 1e3, many * 1e3);
    tell("start on 10,000,000 tuples, of that on 10,000", many / few, AtMost(2.0));

    let engines = sizes.each_ref().map(|filled| open(filled.dir.path()));
    for (name, kind) in [
        ("mix", Kind::Mix),
        ("direct grant", Kind::Direct),
        ("partner's admin", Kind::Admin),
        ("delegate", Kind::Delegate),
        ("denial", Kind::Denial),
    ] {
        let questions = sizes.each_ref().map(|filled| {
            let drawn = filled.cooperation.questions(kind, Skew::Zipf, SEED);
            drawn.take(QUESTIONS).collect::<Vec<_>>()
        });
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..=ROUNDS {
            for ((engine, filled), (questions, times)) in
                engines.iter().zip(&sizes).zip(questions.iter().zip(&mut times))
            {
                for question in questions {
                    let began = Instant::now();
                    ask(engine, filled.store, question);
                    // The first round brings the files into memory.
                    if round > 0 {
                        times.push(began.elapsed().as_secs_f64());
                    }
                }
            }
        }
        let [few, many] = times.map(median);
        println!("  {name}: {:.1} us and {:.1} us", few * 1e6, many * 1e6);
        let target = if kind == Kind::Mix { AtMost(2.0) } else { NoTarget };
        tell(
            &format!("median check, cache off, of 10,000,000 tuples, of 10,000's: {name}"),
            many / few,
            target,
        );
    }
    drop(engines);
    let [_, many] = sizes;
    memory(&many);
}

fn ask(engine: &Engine<RocksDatabase>, store: StoreId, question: &Question) {
    let answer = engine.check(store, &QueryContext::default(), &question.check).unwrap();
    assert_eq!(answer.value.allowed, question.allowed, "{:?}", question.check);
}

/// What a server takes that has been asked a while about many tuples, with the cache as it is by default.
fn memory(many: &Filled) {
    let server = Server::tenure(many.dir.path(), &[]);
    let store = drive::Store { id: many.store.to_string(), model: many.model.to_string() };
    let tuples = MANY.to_string();
    let asked = ["--tuples", &tuples, "--seed", "1", "--distinct", "2000000", "--skew", "zipf"];
    let asked = [&asked[..], &["--warmup", "0s", "--duration", "60s"]].concat();
    drive::load(&server, &store, &asked);
    let mib = server.peak_bytes() as f64 / f64::from(1 << 20);
    tell("peak memory of a server with 10,000,000 tuples, in MiB", mib, AtMost(1024.0));
}

/// Synced writes of 64 writers, beside those of one. On a disk that syncs in no time there is nothing to gain: there the sync is
/// made to take as long as on others.
fn writers() {
    let filled = Filled::new(FEW);
    let sync = bare_sync();
    let sync_delay = if sync < SYNC_MIN.as_secs_f64() { SYNC_DELAY } else { Duration::ZERO };
    println!("  a bare write and sync of 4 KiB: {:.2} ms; {sync_delay:?} are added", sync * 1e3);
    let engine = open_with(filled.dir.path(), &RocksOptions { sync_delay, ..RocksOptions::default() });
    let numbers = AtomicU64::new(0);
    let (mut one, mut many) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(per_second(&engine, filled.store, &numbers, 1));
        many.push(per_second(&engine, filled.store, &numbers, WRITERS));
    }
    let quotients = many.iter().zip(&one).map(|(many, one)| many / one).collect();
    println!("  one: {:.0} a second, {WRITERS}: {:.0} a second", median(one), median(many));
    tell("synced writes a second of 64 writers, of one's", median(quotients), AtLeast(20.0));
}

fn per_second(engine: &Engine<RocksDatabase>, store: StoreId, numbers: &AtomicU64, writers: usize) -> f64 {
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let key = tenure::model::TupleKey::parse(
                        "organization:written",
                        "member",
                        &format!("user:{number}"),
                    );
                    let tuple = Tuple { key: key.unwrap(), lifetime: Default::default() };
                    let writes = vec![write(tuple)];
                    engine.write(store, WriteRequest { writes, ..WriteRequest::default() }).unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(WRITING);
        stop.store(true, Ordering::Relaxed);
    });
    done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

/// What the disk takes to write a block and to sync it, in seconds.
fn bare_sync() -> f64 {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sync");
    let mut file = fs::File::create(&path).unwrap();
    let times = (0..100).map(|_| {
        let began = Instant::now();
        file.write_all(&[0; 4096]).unwrap();
        file.sync_data().unwrap();
        began.elapsed().as_secs_f64()
    });
    let took = median(times.collect());
    fs::remove_file(path).unwrap();
    took
}
