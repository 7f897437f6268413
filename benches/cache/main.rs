//! What decisions cost that are kept, beside the least that any cache could cost: looking into a map.
//!
//! All is asked in process of an engine on RocksDB, on the cooperation workload; half of the questions are denied. Ratios are
//! medians of pairs that were measured in alternation, as those of the evaluation's benchmarks.

// What fails here fails the run, and says where.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

// Loading and measuring are those of the evaluation's benchmarks; not all of it is needed here.
#[path = "../evaluation/alternate.rs"]
mod alternate;
#[allow(dead_code)]
#[path = "../evaluation/bare.rs"]
mod bare;
#[allow(dead_code)]
#[path = "../shared/figures.rs"]
mod figures;
#[allow(dead_code)]
#[path = "../evaluation/loaded.rs"]
mod loaded;
#[allow(dead_code)]
#[path = "../evaluation/record.rs"]
mod record;

use std::collections::HashSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode};
use dashmap::DashMap;
use hashbrown::DefaultHashBuilder;
use tenure::cli::workload::{COOPERATION_MODEL, Cooperation, Kind, Question, Skew};
use tenure::engine::{BatchCheckItem, Engine, QueryContext};
use tenure::model::StoreId;
use tenure::model::limits::{CHECKS_PER_BATCH_MAX, DECISION_CACHE_BYTES_DEFAULT};
use tenure::store::rocks::RocksDatabase;

use figures::Target::AtMost;
use figures::tell;
use loaded::Loaded;

const SEED: u64 = 1;
/// Different questions: as many decisions are kept, and inner ones beside them.
const QUESTIONS: usize = 20_000;
/// Look-ups that a kept decision may cost.
const LOOK_UPS: usize = 10;

type Map = DashMap<String, u64, DefaultHashBuilder>;

fn main() {
    let mut criterion = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .nresamples(2_000)
        .configure_from_args();
    let cooperation = Cooperation::new(1, SEED);
    let Loaded { engine, store, dir, .. } = Loaded::new(COOPERATION_MODEL, || cooperation.tuples());
    let questions = questions(&cooperation);

    let off = first(&engine, store, &questions);
    let engine = engine.with_decision_cache(DECISION_CACHE_BYTES_DEFAULT);
    let on = first(&engine, store, &questions);
    let again = first(&engine, store, &questions);
    for (case, [micros, reads]) in [
        ("cache off", off),
        ("cache on, nothing kept yet but inner decisions of those asked before", on),
        ("asked again", again),
    ] {
        println!("{case}: {micros:.2} us and {reads:.2} reads a check");
    }

    warm(&mut criterion, &engine, store, &questions);
    batch(&mut criterion, &engine, store, &questions);
    let statistics = engine.cache_statistics().unwrap();
    println!(
        "{} entries, {} bytes each by estimate; {statistics:?}",
        statistics.entries,
        statistics.bytes / statistics.entries
    );
    criterion.final_summary();
    drop((engine, dir));
}

/// Different ones, every second one denied.
fn questions(cooperation: &Cooperation) -> Vec<Question> {
    let of = |kind| cooperation.questions(kind, Skew::Uniform, SEED);
    let allowed = of(Kind::Direct).zip(of(Kind::Admin)).zip(of(Kind::Delegate));
    let allowed = allowed.flat_map(|((direct, admin), delegate)| [direct, admin, delegate]);
    let denied = of(Kind::Denial).zip(of(Kind::NearDenial)).flat_map(|(far, near)| [far, near]);
    let mut seen = HashSet::new();
    let both = allowed.zip(denied).flat_map(|(allowed, denied)| [allowed, denied]);
    both.take(QUESTIONS * 20).filter(|question| seen.insert(text(question))).take(QUESTIONS).collect()
}

fn text(question: &Question) -> String {
    let asked = &question.check;
    format!("{}#{}@{}", asked.object, asked.relation, asked.subject)
}

/// How long each takes when all are asked once, in microseconds, and how much is read for it.
fn first(engine: &Engine<RocksDatabase>, store: StoreId, questions: &[Question]) -> [f64; 2] {
    let began = Instant::now();
    let reads: u64 = questions.iter().map(|question| loaded::check(engine, store, question).made()).sum();
    let each = questions.len() as f64;
    [began.elapsed().as_secs_f64() * 1e6 / each, reads as f64 / each]
}

/// Decisions that are kept, beside look-ups of the same questions in a map with as many entries.
fn warm(criterion: &mut Criterion, engine: &Engine<RocksDatabase>, store: StoreId, questions: &[Question]) {
    let entries = usize::try_from(engine.cache_statistics().unwrap().entries).unwrap();
    let map = Map::default();
    let keys: Vec<String> = questions.iter().map(text).collect();
    for (number, key) in keys.iter().enumerate() {
        map.insert(key.clone(), u64::try_from(number).unwrap());
    }
    for number in map.len()..entries {
        map.insert(format!("organization:{number}#any_member@user:somebody"), 0);
    }
    let ask = |number: usize| {
        black_box(loaded::check(engine, store, &questions[number]));
    };
    // Each time others: what the one before has just read is in the processor's caches.
    let look_up = |number: usize| {
        for step in 0..LOOK_UPS {
            let key = &keys[(number + step * 1_999) % keys.len()];
            black_box(map.get(key.as_str()).map(|value| *value));
        }
    };
    let [warm, looked_up] = alternate::measure(questions.len(), [&ask, &look_up]);
    println!("{entries} entries");
    let what = format!("a kept decision, in process: of {LOOK_UPS} look-ups in a map of as many entries");
    tell(&what, alternate::quotient(&warm, &looked_up), AtMost(1.0));
    let mut group = criterion.benchmark_group("a kept decision");
    group.sample_size(200).sampling_mode(SamplingMode::Flat);
    let mut numbers = (0..questions.len()).cycle();
    group.bench_function("tenure", |bencher| bencher.iter(|| ask(numbers.next().unwrap())));
    group.bench_function("10 look-ups", |bencher| bencher.iter(|| look_up(numbers.next().unwrap())));
    group.finish();
}

/// A batch of kept decisions, beside the same ones one by one.
fn batch(criterion: &mut Criterion, engine: &Engine<RocksDatabase>, store: StoreId, questions: &[Question]) {
    let item = |question: &Question| BatchCheckItem {
        check: question.check.clone(),
        contextual_tuples: Vec::new(),
        context: QueryContext::default().context,
    };
    let batches: Vec<(Vec<BatchCheckItem>, &[Question])> = questions
        .chunks_exact(CHECKS_PER_BATCH_MAX)
        .map(|questions| (questions.iter().map(item).collect(), questions))
        .collect();
    let together = |number: usize| {
        let (items, questions) = &batches[number];
        let (answer, _) = engine.batch_check(store, &QueryContext::default(), items).unwrap();
        for (outcome, question) in answer.value.iter().zip(*questions) {
            assert_eq!(outcome.as_ref().unwrap().allowed, question.allowed, "{:?}", question.check);
        }
    };
    let one_by_one = |number: usize| {
        for question in batches[number].1 {
            loaded::check(engine, store, question);
        }
    };
    let [batch, single] = alternate::measure(batches.len(), [&together, &one_by_one]);
    println!(
        "a batch of {CHECKS_PER_BATCH_MAX} kept decisions: {:.2} times as long as one by one",
        alternate::quotient(&batch, &single)
    );
    let mut numbers = (0..batches.len()).cycle();
    criterion.bench_function("a batch of 50 kept decisions", |bencher| {
        bencher.iter(|| together(numbers.next().unwrap()));
    });
}
