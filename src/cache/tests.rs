//! What the tests from outside cannot see: who waits for whom, what makes room, and that keys are whole.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use super::*;
use crate::eval::Decision;
use crate::model::{ModelId, ObjectRef, SubjectRef};

const ALL: Room = Room { height_max: u32::MAX, reads_max: u64::MAX };

fn scope() -> Scope {
    Scope { store: StoreId::from_bits(1), epoch: 1, model: ModelId::from_bits(2) }
}

fn at(micros: i64) -> Instant {
    Instant::MIN.saturating_add_micros(micros)
}

fn key(n: usize) -> TupleKey {
    TupleKey::parse(&format!("document:{n}"), "viewer", "user:ann").unwrap()
}

fn allowed() -> KeptDecision {
    KeptDecision { decision: Decision { allowed: true, stable_until: None }, height: 0, reads: 1 }
}

fn commit(cache: &DecisionCache, sequence: u64, tuple: &TupleKey) {
    cache.committing(CommitSequence(sequence), &[(scope().store, tuple.clone())]);
}

/// The stripes of everything that a change of the tuple touches.
fn stripes_of(view: &View<'_>, tuple: &TupleKey) -> [Stripe; 3] {
    crate::eval::Dependency::touched_by(tuple.as_ref()).map(|dependency| view.stripe(dependency))
}

#[test]
fn a_commit_ends_what_rests_on_any_kind_of_dependency_that_it_touches() {
    for kind in 0..3 {
        let cache = DecisionCache::new(1 << 20);
        let view = cache.view(scope(), CommitSequence(1), at(0));
        view.keep(key(1).as_ref(), allowed(), &[stripes_of(&view, &key(7))[kind]]);
        let serves = |sequence| {
            let view = cache.view(scope(), CommitSequence(sequence), at(0));
            view.find(key(1).as_ref(), ALL, &mut ReadSet::default()).is_some()
        };
        assert!(serves(1));
        commit(&cache, 2, &TupleKey::parse("document:8", "editor", "user:bob").unwrap());
        assert!(serves(2), "of something else");
        commit(&cache, 3, &key(7));
        assert!(!serves(4), "kind {kind}");
        assert!(!serves(9), "kind {kind}");
        assert!(serves(2), "it was found to hold there, kind {kind}");
        assert!(!serves(3), "a mark may not be looked behind, kind {kind}");
    }
}

#[test]
fn an_entry_of_a_newer_revision_serves_an_older_one_only_if_nothing_changed_between() {
    let cache = DecisionCache::new(1 << 20);
    commit(&cache, 5, &key(7));
    let newer = cache.view(scope(), CommitSequence(6), at(0));
    newer.keep(key(1).as_ref(), allowed(), &stripes_of(&newer, &key(7)));
    let serves = |sequence| {
        let view = cache.view(scope(), CommitSequence(sequence), at(0));
        view.find(key(1).as_ref(), ALL, &mut ReadSet::default()).is_some()
    };
    assert!(serves(6));
    assert!(serves(5));
    assert!(!serves(4), "it has what the query's snapshot does not have yet");
    assert_eq!(cache.statistics().stripe_conflicts, 1);
}

#[test]
fn an_older_decision_does_not_take_the_place_of_a_newer_one() {
    let cache = DecisionCache::new(1 << 20);
    let denied = KeptDecision { decision: Decision { allowed: false, stable_until: None }, ..allowed() };
    cache.view(scope(), CommitSequence(4), at(5)).keep(key(1).as_ref(), allowed(), &[]);
    cache.view(scope(), CommitSequence(3), at(9)).keep(key(1).as_ref(), denied, &[]);
    cache.view(scope(), CommitSequence(4), at(4)).keep(key(1).as_ref(), denied, &[]);
    let view = cache.view(scope(), CommitSequence(4), at(9));
    assert_eq!(view.find(key(1).as_ref(), ALL, &mut ReadSet::default()), Some(allowed()));
    view.keep(key(1).as_ref(), denied, &[]);
    assert_eq!(view.find(key(1).as_ref(), ALL, &mut ReadSet::default()), Some(denied));
    assert_eq!(cache.statistics().entries, 1);
}

#[test]
fn what_rests_on_too_much_is_not_kept() {
    let cache = DecisionCache::new(1 << 20);
    let view = cache.view(scope(), CommitSequence(1), at(0));
    let most = u32::try_from(DEPENDENCIES_PER_DECISION_MAX).unwrap();
    let repeated: Vec<_> = (0..most).chain(0..most).collect();
    view.keep(key(1).as_ref(), allowed(), &repeated);
    view.keep(key(2).as_ref(), allowed(), &(0..=most).collect::<Vec<_>>());
    assert!(view.find(key(1).as_ref(), ALL, &mut ReadSet::default()).is_some());
    assert!(view.find(key(2).as_ref(), ALL, &mut ReadSet::default()).is_none());
}

#[test]
fn bytes_are_bounded_and_what_is_used_stays() {
    let cache = DecisionCache::new(200_000);
    let view = cache.view(scope(), CommitSequence(1), at(0));
    for n in 0..10_000 {
        view.keep(key(n).as_ref(), allowed(), &[1, 2, 3]);
        assert!(view.find(key(0).as_ref(), ALL, &mut ReadSet::default()).is_some(), "{n}");
        assert!(cache.statistics().bytes <= 200_000);
    }
    let statistics = cache.statistics();
    assert!((100..1000).contains(&statistics.entries), "{statistics:?}");
    assert_eq!(statistics.evictions + statistics.entries, 10_000);
    let there = (0..10_000).filter(|n| view.find(key(*n).as_ref(), ALL, &mut ReadSet::default()).is_some());
    assert_eq!(u64::try_from(there.count()).unwrap(), statistics.entries);
}

#[test]
fn many_threads_leave_the_bytes_that_the_entries_take() {
    let cache = DecisionCache::new(30_000);
    thread::scope(|scope_| {
        for thread in 0..4 {
            let cache = &cache;
            scope_.spawn(move || {
                for n in 0..20_000 {
                    let view = cache.view(scope(), CommitSequence(n / 100), at(0));
                    let n = usize::try_from(n).unwrap();
                    view.keep(key((n * (thread + 1)) % 150).as_ref(), allowed(), &vec![7; n % 5]);
                }
            });
        }
    });
    // Whoever came last may have put its entry in while another was making room.
    cache.view(scope(), CommitSequence(9999), at(0)).keep(key(0).as_ref(), allowed(), &[]);
    let statistics = cache.statistics();
    assert!(statistics.bytes <= 30_000 && statistics.entries > 0, "{statistics:?}");
    assert_eq!(statistics.bytes, cache.entries.bytes_counted_anew());
}

#[test]
fn questions_that_read_alike_when_they_are_run_together_have_keys_of_their_own() {
    let object = |type_name, id| ObjectRef { type_name, id };
    let tuple = |object, relation, subject| TupleRef { object, relation, subject };
    let keys = [
        tuple(object("a", "bc"), "d", SubjectRef::Wildcard("u")),
        tuple(object("ab", "c"), "d", SubjectRef::Wildcard("u")),
        tuple(object("a", "b"), "cd", SubjectRef::Wildcard("u")),
        tuple(object("a", "b"), "c", SubjectRef::Wildcard("du")),
        tuple(object("a", "b"), "c", SubjectRef::Object(object("d", "u"))),
        tuple(object("a", "b"), "c", SubjectRef::Object(object("du", ""))),
        tuple(object("a", "b"), "c", SubjectRef::Userset(object("d", "u"), "")),
        tuple(object("a", "b"), "c", SubjectRef::Userset(object("d", ""), "u")),
    ]
    .map(|question| scope().key(question));
    for (n, key) in keys.iter().enumerate() {
        assert!(keys.iter().skip(n + 1).all(|other| other != key));
    }
}

/// Asks for the same with `threads` threads, the first of which holds the lead until the others wait for it. Answers how many
/// computed.
fn together(threads: usize, lead: impl Fn(&View<'_>) + Sync) -> usize {
    let cache = DecisionCache::new(1 << 20);
    let computed = AtomicUsize::new(0);
    thread::scope(|scope_| {
        let (leads, leading) = channel();
        let (go_on, held) = channel::<()>();
        let (cache, computed, lead) = (&cache, &computed, &lead);
        let leader = scope_.spawn(move || {
            let view = cache.view(scope(), CommitSequence(1), at(0));
            view.decide(
                key(1).as_ref(),
                ALL,
                |_, _| (),
                || {
                    computed.fetch_add(1, Ordering::SeqCst);
                    leads.send(()).unwrap();
                    held.recv().unwrap();
                    lead(&view);
                },
            );
        });
        leading.recv().unwrap();
        let joiners: Vec<_> = (1..threads)
            .map(|_| {
                scope_.spawn(move || {
                    let view = cache.view(scope(), CommitSequence(1), at(0));
                    view.decide(
                        key(1).as_ref(),
                        ALL,
                        |_, _| (),
                        || {
                            computed.fetch_add(1, Ordering::SeqCst);
                        },
                    );
                })
            })
            .collect();
        // Each has missed and goes on to the flight; one that comes late finds what was kept.
        while cache.statistics().whole_misses < u64::try_from(threads).unwrap() {
            thread::yield_now();
        }
        go_on.send(()).unwrap();
        drop(leader.join());
        joiners.into_iter().for_each(|joiner| joiner.join().unwrap());
    });
    computed.into_inner()
}

#[test]
fn who_asks_the_same_at_the_same_time_waits_for_the_one_who_decides() {
    assert_eq!(together(8, |view| view.keep(key(1).as_ref(), allowed(), &[])), 1);
}

#[test]
fn a_leader_that_keeps_nothing_or_panics_lets_the_others_decide() {
    let computed = together(4, |_| ());
    assert!(computed > 1, "{computed}");
    let computed = together(4, |_| std::panic::resume_unwind(Box::new("the leader's own")));
    assert!(computed > 1, "{computed}");
}

#[test]
fn who_waited_takes_no_decision_that_does_not_serve_its_own_revision() {
    let cache = DecisionCache::new(1 << 20);
    let view = cache.view(scope(), CommitSequence(1), at(0));
    let later = cache.view(scope(), CommitSequence(2), at(0));
    let decided = thread::scope(|scope_| {
        let (leads, leading) = channel();
        let (go_on, held) = channel::<()>();
        scope_.spawn(|| {
            let view = view;
            view.decide(
                key(1).as_ref(),
                ALL,
                |_, _| (),
                move || {
                    leads.send(()).unwrap();
                    held.recv().unwrap();
                },
            );
        });
        leading.recv().unwrap();
        let joiner = scope_.spawn(|| later.decide(key(1).as_ref(), ALL, |_, _| "kept", || "decided"));
        while cache.statistics().whole_misses < 2 {
            thread::yield_now();
        }
        // What the leader, whose snapshot is older, would have kept.
        let older = cache.view(scope(), CommitSequence(1), at(0));
        older.keep(key(1).as_ref(), allowed(), &stripes_of(&older, &key(7)));
        commit(&cache, 2, &key(7));
        go_on.send(()).unwrap();
        joiner.join().unwrap()
    });
    assert_eq!(decided, "decided");
}
