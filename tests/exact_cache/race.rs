//! Many threads check while others write, pause and delete, and time passes from expiration to expiration.
//!
//! Every decision is taken down with the revision and the instant that it was made for, and judged afterwards.
//! `TENURE_CACHE_CHECKS` asks for another number of checks, `TENURE_CACHE_ROCKS` for RocksDB too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tenure::engine::{BatchCheckItem, CheckRequest, Engine, QueryContext, WriteRequest};
use tenure::model::limits::EvaluationLimits;
use tenure::model::{Clock, Instant, Object, StoreId, Subject, TupleKey};
use tenure::store::memory::MemoryDatabase;
use tenure::store::rocks::{RocksDatabase, RocksOptions};
use tenure::store::{Database, Delete, Field, OnDuplicate, OnMissing, Write};

use crate::clock::ManualClock;
use crate::hesitant::Hesitant;
use crate::verify::{Judge, Made};

const CHECKS: u64 = 1_000_000;
/// Checks between two verifications: what was decided meanwhile is held in memory.
const CHECKS_PER_ROUND: u64 = 1_000_000;
const CHECKERS: usize = 6;
const WRITERS: usize = 2;
/// Checks for each commit.
const CHECKS_PER_COMMIT: u64 = 40;
/// Little enough that entries have to make room for others.
const CACHE_BYTES: usize = 38 * 1024;

const MODEL: &str = "
model
  schema 1.1
type user
type organization
  relations
    define admin: [user]
    define member: [user, user:*] or admin
type cooperation
  relations
    define partner: [organization]
    define partner_admin: admin from partner
    define partner_member: member from partner
type group
  relations
    define member: [user, group#member, organization#member]
type park
  relations
    define owner: [organization]
    define share: [cooperation]
    define delegate: [user]
    define blocked: [user, group#member]
    define granted: [user, group#member]
    define viewer: ((delegate and partner_member from share) or partner_admin from share or admin from owner or granted) but not blocked
    define manager: admin from owner or (delegate and partner_admin from share)
";

/// What may be written.
const TUPLES: &str = "
organization:a#admin@user:ann
organization:a#member@user:bob
organization:a#member@user:*
organization:b#admin@user:bob
organization:b#admin@user:eve
organization:b#member@user:ann
organization:b#member@user:eve
cooperation:c#partner@organization:a
cooperation:c#partner@organization:b
cooperation:d#partner@organization:b
group:g#member@user:ann
group:g#member@group:h#member
group:h#member@group:i#member
group:h#member@user:bob
group:i#member@group:g#member
group:i#member@organization:b#member
group:i#member@user:eve
park:p#owner@organization:a
park:p#share@cooperation:c
park:p#share@cooperation:d
park:p#delegate@user:ann
park:p#delegate@user:bob
park:p#blocked@user:eve
park:p#blocked@group:h#member
park:p#granted@user:bob
park:p#granted@group:g#member
park:q#owner@organization:b
park:q#share@cooperation:c
park:q#delegate@user:eve
park:q#blocked@group:i#member
park:q#granted@group:g#member
park:q#granted@group:i#member
";

const OBJECTS: [&str; 9] = [
    "organization:a",
    "organization:b",
    "cooperation:c",
    "cooperation:d",
    "group:g",
    "group:h",
    "group:i",
    "park:p",
    "park:q",
];
const SUBJECTS: [&str; 6] =
    ["user:ann", "user:bob", "user:eve", "user:*", "organization:b#member", "group:g#member"];

fn questions() -> Vec<CheckRequest> {
    let relations = |object: &str| match object.split_once(':').unwrap().0 {
        "organization" => &["admin", "member"][..],
        "cooperation" => &["partner_admin", "partner_member"],
        "group" => &["member"],
        // What is asked most.
        _ => &["viewer", "manager", "viewer", "granted", "blocked"],
    };
    let asked = OBJECTS.iter().flat_map(|object| relations(object).iter().map(move |name| (object, name)));
    asked
        .flat_map(|(object, relation)| SUBJECTS.iter().map(move |subject| (object, relation, subject)))
        .map(|(object, relation, subject)| CheckRequest {
            object: Object::parse(object).unwrap(),
            relation: (*relation).into(),
            subject: Subject::parse(subject).unwrap(),
        })
        .collect()
}

/// Numbers without a pattern, the same for the same seed (xorshift).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 32) % u64::try_from(n).unwrap()).unwrap()
    }
}

struct Race<D: Database> {
    engine: Engine<Hesitant<D>>,
    clock: Arc<ManualClock>,
    store: StoreId,
    tuples: Vec<TupleKey>,
    questions: Vec<CheckRequest>,
    /// Checks made so far.
    checks: AtomicU64,
}

impl<D: Database> Race<D> {
    fn new(database: D, clock: Arc<ManualClock>) -> Self {
        let engine = Engine::new(Hesitant(database), EvaluationLimits::default());
        let engine = engine.with_decision_cache(CACHE_BYTES);
        let store = engine.create_store("race").unwrap().id;
        engine.write_model(store, tenure::schema::parse(MODEL).unwrap()).unwrap();
        let tuple = |line: &str| {
            let (userset, subject) = line.split_once('@').unwrap();
            let (object, relation) = userset.split_once('#').unwrap();
            TupleKey::parse(object, relation, subject).unwrap()
        };
        let tuples = TUPLES.trim().lines().map(tuple).collect();
        Self { engine, clock, store, tuples, questions: questions(), checks: AtomicU64::new(0) }
    }

    /// Checks until all together have made `checks`, one by one and in batches.
    fn check(&self, seed: u64, checks: u64) -> Vec<Made> {
        let mut random = Random::new(seed);
        let mut made = Vec::new();
        while self.checks.load(Ordering::Relaxed) < checks {
            if random.below(64) == 0 {
                self.clock.advance(1);
            }
            let count = if random.below(16) == 0 { 8 } else { 1 };
            let asked: Vec<usize> = (0..count).map(|_| random.below(self.questions.len())).collect();
            let item = |question: &usize| BatchCheckItem {
                check: self.questions[*question].clone(),
                contextual_tuples: Vec::new(),
                context: tenure::cel::Context::new(),
            };
            let context = QueryContext::default();
            let (answers, revision, at) = if let [question] = asked[..] {
                let answer = self.engine.check(self.store, &context, &self.questions[question]).unwrap();
                (vec![answer.value], answer.revision, answer.at)
            } else {
                let items: Vec<_> = asked.iter().map(item).collect();
                let (answer, _) = self.engine.batch_check(self.store, &context, &items).unwrap();
                let answers = answer.value.into_iter().map(Result::unwrap).collect();
                (answers, answer.revision, answer.at)
            };
            self.checks.fetch_add(u64::try_from(count).unwrap(), Ordering::Relaxed);
            made.extend(asked.into_iter().zip(answers).map(|(question, answer)| Made {
                question,
                revision,
                at,
                allowed: answer.allowed,
                stable_until: answer.stable_until,
            }));
        }
        made
    }

    /// Writes, pauses, lets expire and deletes at the pace of the checks, and moves the clock.
    fn write(&self, seed: u64, checks: u64) {
        let mut random = Random::new(seed);
        let mut next = self.checks.load(Ordering::Relaxed);
        loop {
            let now = self.checks.load(Ordering::Relaxed);
            if now >= checks {
                return;
            }
            if now < next {
                thread::yield_now();
                continue;
            }
            next += CHECKS_PER_COMMIT * u64::try_from(WRITERS).unwrap();
            let request = self.change(&mut random);
            self.engine.write(self.store, request).unwrap();
            self.clock.advance(i64::try_from(random.below(12)).unwrap());
        }
    }

    fn change(&self, random: &mut Random) -> WriteRequest {
        let mut request = WriteRequest::default();
        let first = random.below(self.tuples.len());
        for n in 0..1 + random.below(2) {
            let key = self.tuples[(first + n * 7) % self.tuples.len()].clone();
            if random.below(4) == 0 {
                request.deletes.push(Delete { key, on_missing: OnMissing::Ignore });
                continue;
            }
            let soon = i64::try_from(1 + random.below(40)).unwrap();
            request.writes.push(Write {
                key,
                condition: Field::Absent,
                expires_at: match random.below(3) {
                    0 => Field::Clear,
                    _ => Field::Set(self.clock.now().saturating_add_micros(soon)),
                },
                paused: Field::Set(random.below(6) == 0),
                on_duplicate: OnDuplicate::Update,
            });
        }
        request
    }

    /// Has all threads run until so many checks were made.
    fn round(&self, checks: u64) -> Vec<Made> {
        let seed = |thread: usize| checks.wrapping_mul(31).wrapping_add(u64::try_from(thread).unwrap());
        thread::scope(|scope| {
            let checkers: Vec<_> =
                (0..CHECKERS).map(|n| scope.spawn(move || self.check(seed(n), checks))).collect();
            for n in 0..WRITERS {
                scope.spawn(move || self.write(seed(100 + n), checks));
            }
            checkers.into_iter().flat_map(|checker| checker.join().unwrap()).collect()
        })
    }
}

fn race(database: impl Database, clock: Arc<ManualClock>, all: u64) {
    let race = Race::new(database, clock);
    let objects = OBJECTS.iter().map(|object| Object::parse(object).unwrap()).collect();
    let subjects = SUBJECTS.iter().map(|subject| Subject::parse(subject).unwrap()).collect();
    let model = tenure::schema::parse(MODEL).unwrap();
    let mut judge = Judge::new(model, objects, subjects, race.questions.clone());
    let mut done = 0;
    while done < all {
        done = (done + CHECKS_PER_ROUND).min(all);
        let made = race.round(done);
        let snapshot = race.engine.database().snapshot(race.store).unwrap().unwrap();
        judge.judge(&snapshot, made);
    }
    let statistics = race.engine.cache_statistics().unwrap();
    println!(
        "{} checks at {} revisions, {} of them on the very instant of an expiration: {statistics:?}",
        judge.judged, judge.revisions, judge.on_boundaries
    );
    assert!(judge.judged >= all);
    assert!(statistics.whole_hits >= statistics.whole_misses, "less than half were hits: {statistics:?}");
    assert!(statistics.inner_hits > 0 && statistics.stripe_conflicts > 0 && statistics.evictions > 0);
    assert!(judge.on_boundaries > 0 && judge.allowed > 0 && judge.allowed < judge.judged);
    let most = u64::try_from(CACHE_BYTES).unwrap();
    assert!(statistics.bytes <= most, "{} bytes", statistics.bytes);
}

fn checks() -> u64 {
    std::env::var("TENURE_CACHE_CHECKS").map_or(CHECKS, |count| count.parse().unwrap())
}

#[test]
fn every_decision_is_that_of_the_oracle_at_its_revision_and_instant() {
    let clock = ManualClock::new();
    race(MemoryDatabase::new(clock.clone()), clock, checks());
}

#[test]
fn on_rocksdb_every_decision_is_that_of_the_oracle_too() {
    // Fewer where nothing else is asked for: each commit is synced.
    let asked = std::env::var_os("TENURE_CACHE_ROCKS").is_some();
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let database = RocksDatabase::open(directory.path(), clock.clone(), &RocksOptions::default()).unwrap();
    race(database, clock, if asked { checks() } else { checks().min(50_000) });
}

/// The last instant before another, and what an expiration at it leaves.
#[test]
fn a_kept_decision_ends_at_the_very_instant_of_the_expiration() {
    let clock = ManualClock::new();
    let race = Race::new(MemoryDatabase::new(clock.clone()), clock);
    let end: Instant = race.clock.now().saturating_add_micros(10);
    let write = |tuple: &str, expires_at| Write {
        key: race.tuples.iter().find(|key| key.to_string() == tuple).unwrap().clone(),
        condition: Field::Absent,
        expires_at,
        paused: Field::Absent,
        on_duplicate: OnDuplicate::Error,
    };
    let writes = vec![
        write("park:p#owner@organization:a", Field::Absent),
        write("organization:a#admin@user:ann", Field::Set(end)),
    ];
    race.engine.write(race.store, WriteRequest { writes, ..WriteRequest::default() }).unwrap();
    let asked = CheckRequest {
        object: Object::parse("park:p").unwrap(),
        relation: "manager".into(),
        subject: Subject::parse("user:ann").unwrap(),
    };
    let check = || race.engine.check(race.store, &QueryContext::default(), &asked).unwrap().value;
    for _ in 0..10 {
        assert!(check().allowed);
        assert_eq!(check().stable_until, Some(end));
        race.clock.advance(1);
    }
    assert_eq!(race.clock.now(), end);
    assert!(!check().allowed);
    assert!(!check().allowed);
    let statistics = race.engine.cache_statistics().unwrap();
    assert_eq!((statistics.whole_hits, statistics.whole_misses), (20, 2));
}
