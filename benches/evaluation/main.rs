//! What checks, lists and writes cost on a real RocksDB, beside what the same reads and writes cost without Tenure.
//!
//! Each case is measured three times in one run, one after the other:
//!
//! - `tenure`: the question through the engine.
//! - `bare`: the point reads and scans that the evaluator made, recorded and replayed on a database that is used
//!   directly, with a snapshot for each request and an iterator for each scan. Keys are not even made: they are there.
//! - `bare-shared`: the same with what Tenure shares: the snapshot between requests, the iterator between scans.
//!
//! Times are medians. Ratios of checks are medians too, of pairs that were measured in alternation, so that they hold on
//! a machine that others use meanwhile; the quotient of the times beside them may not. Data lies in files in the operating system's cache; nothing is read from the disk.

// What fails here fails the run, and says where.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod alternate;
mod bare;
#[allow(dead_code)]
#[path = "../shared/figures.rs"]
mod figures;
mod lists;
mod loaded;
mod record;
mod requests;
mod table;

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode};
use tenure::cli::workload::{self, COOPERATION_MODEL, Cooperation, Kind, Question, Skew, Tuple, Workload};
use tenure::model::{Lifetime, TupleKey};

use bare::Bare;
use figures::Target::AtMost;
use figures::tell;
use loaded::Loaded;
use record::Read;
use table::{BARE, SHARED, TENURE, Table};

const SEED: u64 = 1;
/// Different questions of one kind, asked in turn.
const QUESTIONS: usize = 64;
/// 1,000,000 tuples of the cooperation.
const LARGE_SCALE: u32 = 25;

fn main() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("criterion");
    let mut criterion = Criterion::default()
        .without_plots()
        .output_directory(&dir)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .nresamples(2_000)
        .configure_from_args();
    let mut table = Table::new(&dir);

    cooperation(&mut criterion, &mut table);
    few_questions(&mut criterion, &mut table, "", workload::groups());
    few_questions(&mut criterion, &mut table, "", workload::hierarchy(SEED));
    let partners = [10, 100, 1000].map(|count| {
        let prefix = format!("{count} partners, ");
        few_questions(&mut criterion, &mut table, &prefix, workload::partners(count))
    });
    large(&mut criterion, &mut table);
    lists::lists(&mut criterion, &mut table);
    requests::condition(&mut criterion);
    requests::batch(&mut criterion);

    table.print();
    let [few, .., many] = partners;
    compare(&few, &many);
    criterion.final_summary();
}

const KINDS: [(&str, Kind); 5] = [
    ("direct grant", Kind::Direct),
    ("partner's admin", Kind::Admin),
    ("delegate", Kind::Delegate),
    ("denial", Kind::Denial),
    ("near denial", Kind::NearDenial),
];

/// The kinds of question about the cooperation, and writes to it.
fn cooperation(criterion: &mut Criterion, table: &mut Table) {
    let cooperation = Cooperation::new(1, SEED);
    let loaded = Loaded::new(COOPERATION_MODEL, || cooperation.tuples());
    for (name, kind) in KINDS {
        let questions: Vec<Question> =
            cooperation.questions(kind, Skew::Uniform, SEED).take(QUESTIONS).collect();
        checks(criterion, table, name, &loaded, &questions);
    }
    for count in [1, 100] {
        writes(criterion, table, &loaded, count);
    }
}

/// A workload with its questions.
type Asked = (Loaded, Vec<(&'static str, Question)>);

/// Each question of a workload as a case of its own.
fn few_questions(criterion: &mut Criterion, table: &mut Table, prefix: &str, workload: Workload) -> Asked {
    let loaded = Loaded::new(workload.model, || workload.tuples.iter().cloned());
    for (name, question) in &workload.questions {
        checks(criterion, table, &format!("{prefix}{name}"), &loaded, std::slice::from_ref(question));
    }
    (loaded, workload.questions)
}

/// How much longer the same questions take with 1,000 partners than with 10.
fn compare((few, few_asked): &Asked, (many, many_asked): &Asked) {
    println!();
    for ((name, of_few), (_, of_many)) in few_asked.iter().zip(many_asked) {
        let [few, many] = alternate::measure(
            1,
            [
                &|_| {
                    few.ask(of_few);
                },
                &|_| {
                    many.ask(of_many);
                },
            ],
        );
        println!(
            "1000 partners, {name}: {:.2} times as long as 10 partners",
            alternate::quotient(&many, &few)
        );
    }
}

/// Checks beside their bare reads; answers how much longer they take.
fn checks(
    criterion: &mut Criterion,
    table: &mut Table,
    case: &str,
    loaded: &Loaded,
    questions: &[Question],
) -> f64 {
    let counts: Vec<_> = questions.iter().map(|question| loaded.ask(question)).collect();
    table.add(case, &counts);
    let reads: Vec<Vec<Read>> = questions.iter().map(|question| loaded.reads(question)).collect();
    let ratios = ratios(loaded, questions, &reads);
    table.set_ratios(ratios);
    let mut group = criterion.benchmark_group(case);
    // Samples of about a millisecond: where others use the machine too, the median is one that they did not interrupt.
    group.sample_size(500).sampling_mode(SamplingMode::Flat);
    group.bench_function(TENURE, |bencher| {
        in_turn(bencher, questions, |question| {
            loaded.ask(question);
        })
    });
    group.bench_function(BARE, |bencher| in_turn(bencher, &reads, |reads| loaded.bare.replay(reads)));
    let shared = loaded.bare.shared();
    group.bench_function(SHARED, |bencher| in_turn(bencher, &reads, |reads| shared.replay(reads)));
    group.finish();
    let [of_bare, _] = ratios;
    of_bare
}

/// How much longer the questions take than their bare reads, and than those with what can be shared.
fn ratios(loaded: &Loaded, questions: &[Question], reads: &[Vec<Read>]) -> [f64; 2] {
    let shared = loaded.bare.shared();
    let [tenure, bare, shared] = alternate::measure(
        questions.len(),
        [
            &|number| {
                loaded.ask(&questions[number]);
            },
            &|number| loaded.bare.replay(&reads[number]),
            &|number| shared.replay(&reads[number]),
        ],
    );
    [bare, shared].map(|bare| alternate::quotient(&tenure, &bare))
}

fn in_turn<T>(bencher: &mut criterion::Bencher<'_>, items: &[T], ask: impl Fn(&T)) {
    let mut items = items.iter().cycle();
    bencher.iter(|| ask(items.next().unwrap()));
}

/// Writes of `count` new tuples, synced.
fn writes(criterion: &mut Criterion, table: &mut Table, loaded: &Loaded, count: usize) {
    let next = Cell::new(0_u64);
    let fresh = || -> Vec<Tuple> {
        let one = |_| {
            next.set(next.get() + 1);
            let park = format!("park:written-{count}-{}", next.get());
            let key = TupleKey::parse(&park, "viewer_grant", "user:somebody").unwrap();
            Tuple { key, lifetime: Lifetime::default() }
        };
        (0..count).map(one).collect()
    };
    let case = format!("write of {count}");
    table.add(&case, &[]);
    let mut group = criterion.benchmark_group(&case);
    group.sample_size(100).sampling_mode(SamplingMode::Flat);
    let once = criterion::BatchSize::PerIteration;
    group.bench_function(TENURE, |bencher| {
        bencher.iter_batched(fresh, |tuples| loaded.write(&tuples), once);
    });
    group.bench_function(BARE, |bencher| {
        bencher.iter_batched(fresh, |tuples| loaded.bare.write(&tuples), once);
    });
    group.finish();
}

/// A store of 1,000,000 tuples: checks on it, opening it, and the first check after that.
fn large(criterion: &mut Criterion, table: &mut Table) {
    let cooperation = Cooperation::new(LARGE_SCALE, SEED);
    let began = Instant::now();
    let loaded = Loaded::new(COOPERATION_MODEL, || cooperation.tuples());
    println!("1,000,000 tuples loaded twice in {:.1} s", began.elapsed().as_secs_f64());
    for (name, kind) in KINDS {
        let questions: Vec<Question> =
            cooperation.questions(kind, Skew::Uniform, SEED).take(QUESTIONS).collect();
        let case = format!("1,000,000 tuples, {name}");
        let ratio = checks(criterion, table, &case, &loaded, &questions);
        tell(&format!("check, cache off, {case}: of its bare reads"), ratio, AtMost(1.5));
    }

    let question = cooperation.questions(Kind::Admin, Skew::Uniform, SEED).next().unwrap();
    let counts = loaded.ask(&question);
    let reads = loaded.reads(&question);
    // Opened below, again and again: nobody else may have it open.
    let Loaded { engine, store, bare, dir, .. } = loaded;
    drop((engine, bare));
    let (own, bare) = (loaded::own(dir.path()), loaded::bare(dir.path()));

    // Each is closed before the next one is opened.
    let once = criterion::BatchSize::PerIteration;
    let case = "1,000,000 tuples, open";
    table.add(case, &[]);
    let mut group = criterion.benchmark_group(case);
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    group.bench_function(TENURE, |bencher| bencher.iter_batched(|| (), |()| loaded::open(&own), once));
    group.bench_function(BARE, |bencher| bencher.iter_batched(|| (), |()| Bare::open(&bare), once));
    group.finish();

    let case = "1,000,000 tuples, first check";
    table.add(case, &[counts]);
    let mut group = criterion.benchmark_group(case);
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    group.bench_function(TENURE, |bencher| {
        let ask = |engine| {
            loaded::check(&engine, store, &question);
            engine
        };
        bencher.iter_batched(|| loaded::open(&own), ask, once);
    });
    group.bench_function(BARE, |bencher| {
        let ask = |bare: Bare| {
            bare.replay(&reads);
            bare
        };
        bencher.iter_batched(|| Bare::open(&bare), ask, once);
    });
    group.finish();
}
