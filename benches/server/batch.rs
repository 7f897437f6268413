//! Batches of kept decisions in process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tenure::cli::workload::{COOPERATION_MODEL, Cooperation, Kind, Skew, Tuple};
use tenure::engine::{BatchCheckItem, Engine, QueryContext, WriteRequest};
use tenure::model::SystemClock;
use tenure::model::limits::{CHECKS_PER_BATCH_MAX, DECISION_CACHE_BYTES_DEFAULT, EvaluationLimits};
use tenure::store::rocks::{RocksDatabase, RocksOptions};
use tenure::store::{Field, OnDuplicate, Write};

/// Different questions, half of them denied.
const QUESTIONS: usize = 10_000;
const TUPLES_PER_WRITE: usize = 5_000;
const MEASURED: Duration = Duration::from_secs(3);

/// Decisions a second on this thread, in batches of 50.
pub fn decisions_per_second() -> f64 {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let database = RocksDatabase::open(dir.path(), Arc::new(SystemClock), &RocksOptions::default()).unwrap();
    let engine = Engine::new(database, EvaluationLimits::default());
    let engine = engine.with_decision_cache(DECISION_CACHE_BYTES_DEFAULT);
    let store = engine.create_store("bench").unwrap().id;
    engine.write_model(store, tenure::schema::parse(COOPERATION_MODEL).unwrap()).unwrap();
    let cooperation = Cooperation::new(1, 1);
    let mut tuples = cooperation.tuples().map(write).peekable();
    while tuples.peek().is_some() {
        let writes = tuples.by_ref().take(TUPLES_PER_WRITE).collect();
        engine.write(store, WriteRequest { writes, ..WriteRequest::default() }).unwrap();
    }
    let questions: Vec<_> = cooperation.questions(Kind::Mix, Skew::Uniform, 1).take(QUESTIONS).collect();
    let item = |check| BatchCheckItem {
        check,
        contextual_tuples: Vec::new(),
        context: QueryContext::default().context,
    };
    let batches: Vec<(Vec<BatchCheckItem>, Vec<bool>)> = questions
        .chunks(CHECKS_PER_BATCH_MAX)
        .map(|some| some.iter().map(|asked| (item(asked.check.clone()), asked.allowed)).unzip())
        .collect();
    let ask = |(items, allowed): &(Vec<BatchCheckItem>, Vec<bool>)| {
        let (answer, _) = engine.batch_check(store, &QueryContext::default(), items).unwrap();
        for (outcome, allowed) in answer.value.iter().zip(allowed) {
            assert_eq!(outcome.as_ref().unwrap().allowed, *allowed);
        }
        items.len()
    };
    // The first time they are decided, and then kept.
    batches.iter().map(ask).for_each(drop);
    let (began, mut decided) = (Instant::now(), 0);
    while began.elapsed() < MEASURED {
        decided += batches.iter().map(ask).sum::<usize>();
    }
    decided as f64 / began.elapsed().as_secs_f64()
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
