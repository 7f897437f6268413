//! Atomicity, preconditions, revisions, and commits from many threads.

use std::sync::mpsc;

use super::*;

on_both!(
    a_commit_is_seen_by_the_next_snapshot_and_by_none_before,
    a_refused_batch_changes_nothing,
    preconditions_are_checked_before_anything_is_deleted_or_written,
    a_precondition_may_ask_for_a_live_tuple,
    a_batch_that_changes_nothing_keeps_the_revision,
    a_commit_to_a_store_that_is_not_there_is_refused,
    a_submitted_batch_is_answered_once,
    of_many_who_write_the_same_tuple_one_wins,
    concurrent_commits_are_serial,
    a_snapshot_never_changes,
    model_ids_grow_though_the_clock_stands,
);

fn a_commit_is_seen_by_the_next_snapshot_and_by_none_before<D: Database>(bench: &Bench<D>) {
    let before = bench.snapshot();
    assert_eq!(before.revision(), Revision::ZERO);
    bench.clock.advance(5);
    let committed = bench.write(&["document:1#viewer@user:a"]);
    assert_eq!(committed, Committed { revision: Revision(1), at: bench.now(), model: None });
    assert_eq!(bench.tuples(), ["document:1#viewer@user:a"]);
    assert_eq!(bench.snapshot().revision(), Revision(1));
    assert!(tuples(&before).is_empty());

    let record = bench.record("document:1#viewer@user:a").unwrap();
    assert_eq!(
        record,
        TupleRecord { lifetime: Lifetime::default(), condition: None, written_at: bench.now() }
    );
    bench.delete(&["document:1#viewer@user:a"]);
    assert!(bench.tuples().is_empty());
    assert_eq!(bench.record("document:1#viewer@user:a"), None);
    assert_eq!(bench.db.store(bench.store).unwrap().unwrap().updated_at, bench.now());
}

fn a_refused_batch_changes_nothing<D: Database>(bench: &Bench<D>) {
    bench.write(&["document:1#viewer@user:a"]);
    let state = |bench: &Bench<D>| {
        let snapshot = bench.snapshot();
        let log = changes(&snapshot, LogPosition::default());
        (
            tuples(&snapshot),
            snapshot.revision(),
            snapshot.newest_model(),
            log,
            bench.db.store(bench.store).unwrap(),
        )
    };
    let before = state(bench);
    bench.clock.advance(1);
    let refused = Batch {
        deletes: vec![delete("document:1#viewer@user:a")],
        writes: vec![write("document:2#viewer@user:a"), write("document:1#viewer@user:a")],
        model: Some(model("document")),
        ..Batch::default()
    };
    // The last of its writes is refused, as it finds a tuple.
    let mut refused = refused;
    refused.deletes.clear();
    let error = bench.commit(refused).unwrap_err();
    assert!(
        matches!(&error, CommitError::TupleExists { key: found } if **found == key("document:1#viewer@user:a"))
    );
    let missing = bench.commit(Batch {
        writes: vec![write("document:3#viewer@user:a")],
        ..deletes(&["document:9#viewer@user:a"])
    });
    assert!(matches!(missing.unwrap_err(), CommitError::TupleMissing { .. }));
    assert_eq!(state(bench), before);
}

fn preconditions_are_checked_before_anything_is_deleted_or_written<D: Database>(bench: &Bench<D>) {
    bench.write(&["document:1#viewer@user:a"]);
    let require = |tuple, must| Precondition { key: key(tuple), must };
    let swap = |preconditions| Batch {
        preconditions,
        deletes: vec![delete("document:1#viewer@user:a")],
        writes: vec![write("document:1#viewer@user:b")],
        ..Batch::default()
    };
    let refused = bench.commit(swap(vec![
        require("document:1#viewer@user:a", Requirement::Exist),
        require("document:1#viewer@user:b", Requirement::Exist),
    ]));
    match refused.unwrap_err() {
        CommitError::Precondition { index, key: found, must } => {
            assert_eq!((index, *found, must), (1, key("document:1#viewer@user:b"), Requirement::Exist));
        }
        other => panic!("{other}"),
    }
    assert_eq!(bench.tuples(), ["document:1#viewer@user:a"]);
    bench
        .commit(swap(vec![
            require("document:1#viewer@user:a", Requirement::Exist),
            require("document:1#viewer@user:b", Requirement::NotExist),
        ]))
        .unwrap();
    assert_eq!(bench.tuples(), ["document:1#viewer@user:b"]);
    let refused = bench.commit(Batch {
        preconditions: vec![require("document:1#viewer@user:b", Requirement::NotExist)],
        ..Batch::default()
    });
    assert!(matches!(refused.unwrap_err(), CommitError::Precondition { index: 0, .. }));
}

fn a_precondition_may_ask_for_a_live_tuple<D: Database>(bench: &Bench<D>) {
    let end = bench.now().saturating_add_micros(10);
    bench
        .commit(Batch {
            writes: vec![
                Write { expires_at: Field::Set(end), ..write("document:1#viewer@user:a") },
                Write { paused: Field::Set(true), ..write("document:1#viewer@user:b") },
            ],
            ..Batch::default()
        })
        .unwrap();
    let live = |tuple, n: u32| Batch {
        preconditions: vec![Precondition { key: key(tuple), must: Requirement::Live }],
        ..writes(&[&format!("document:{n}#seen@user:a")])
    };
    bench.commit(live("document:1#viewer@user:a", 1)).unwrap();
    assert!(bench.commit(live("document:1#viewer@user:b", 2)).is_err(), "paused");
    assert!(bench.commit(live("document:1#viewer@user:c", 3)).is_err(), "absent");
    bench.clock.advance(10);
    assert!(bench.commit(live("document:1#viewer@user:a", 4)).is_err(), "expired at this very instant");
}

fn a_batch_that_changes_nothing_keeps_the_revision<D: Database>(bench: &Bench<D>) {
    bench.write(&["document:1#viewer@user:a"]);
    bench.clock.advance(1);
    for batch in [
        Batch::default(),
        Batch {
            writes: vec![Write { on_duplicate: OnDuplicate::Ignore, ..write("document:1#viewer@user:a") }],
            deletes: vec![Delete { on_missing: OnMissing::Ignore, ..delete("document:2#viewer@user:a") }],
            ..Batch::default()
        },
        Batch {
            writes: vec![Write { on_duplicate: OnDuplicate::Update, ..write("document:1#viewer@user:a") }],
            ..Batch::default()
        },
    ] {
        let committed = bench.commit(batch).unwrap();
        assert_eq!(committed, Committed { revision: Revision(1), at: bench.now(), model: None });
    }
    assert_eq!(bench.snapshot().revision(), Revision(1));
    assert_eq!(changes(&bench.snapshot(), LogPosition::default()).len(), 1);
}

fn a_commit_to_a_store_that_is_not_there_is_refused<D: Database>(bench: &Bench<D>) {
    let absent = StoreId::from_bits(7);
    assert!(matches!(bench.db.commit(absent, Batch::default()), Err(CommitError::StoreNotFound)));
    assert!(bench.db.snapshot(absent).unwrap().is_none());
    bench.db.delete_store(bench.store).unwrap();
    assert!(matches!(bench.commit(writes(&["document:1#viewer@user:a"])), Err(CommitError::StoreNotFound)));
}

fn a_submitted_batch_is_answered_once<D: Database>(bench: &Bench<D>) {
    let (sender, receiver) = mpsc::channel();
    for n in 0..20 {
        let sender = sender.clone();
        let batch = writes(&[&format!("document:{}#viewer@user:a", n / 2)]);
        bench.db.submit(bench.store, batch, Box::new(move |outcome| sender.send((n, outcome)).unwrap()));
    }
    drop(sender);
    let outcomes: Vec<_> = receiver.iter().collect();
    assert_eq!(outcomes.len(), 20);
    for (place, (n, outcome)) in outcomes.into_iter().enumerate() {
        assert_eq!(place, n, "in the order of their submission");
        match outcome {
            Ok(committed) => assert_eq!((n % 2, committed.revision), (0, Revision(n as u64 / 2 + 1))),
            Err(error) => assert!(n % 2 == 1 && matches!(error, CommitError::TupleExists { .. })),
        }
    }
}

fn of_many_who_write_the_same_tuple_one_wins<D: Database>(bench: &Bench<D>) {
    let wins: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                scope.spawn(move || {
                    (0..40)
                        .filter(|n| {
                            let tuple = format!("document:{n}#viewer@user:a");
                            let mine = format!("document:{n}#winner@user:{thread}");
                            bench.commit(writes(&[&tuple, &mine])).is_ok()
                        })
                        .count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(wins, 40);
    assert_eq!(bench.tuples().len(), 80);
    assert_eq!(bench.snapshot().revision(), Revision(40));
}

/// Each thread replaces a counter's value by the next; no value may be lost or seen twice, and each answer tells the
/// revision that has its own change.
fn concurrent_commits_are_serial<D: Database>(bench: &Bench<D>) {
    bench.write(&["counter:c#value@number:0"]);
    let value = |snapshot: &D::Snapshot| -> u64 {
        let mut cursor = snapshot.subject_cursor();
        let counter = ObjectRef { type_name: "counter", id: "c" };
        let found = subjects(&mut cursor, counter, "value", SubjectClass::Object);
        assert_eq!(found.len(), 1, "one value at every revision");
        found[0].0.strip_prefix("number:").unwrap().parse().unwrap()
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut added = 0;
                while added < 25 {
                    let seen = bench.snapshot();
                    let now = value(&seen);
                    assert_eq!(seen.revision(), Revision(now + 1), "what is seen is of one revision");
                    let batch = Batch {
                        deletes: vec![delete(&format!("counter:c#value@number:{now}"))],
                        writes: vec![write(&format!("counter:c#value@number:{}", now + 1))],
                        ..Batch::default()
                    };
                    if let Ok(committed) = bench.commit(batch) {
                        assert_eq!(committed.revision, Revision(now + 2));
                        assert!(
                            bench.snapshot().revision() >= committed.revision,
                            "what is acknowledged is visible"
                        );
                        added += 1;
                    }
                }
            });
        }
    });
    assert_eq!(value(&bench.snapshot()), 100);
}

fn a_snapshot_never_changes<D: Database>(bench: &Bench<D>) {
    bench.write(&["document:1#viewer@user:a", "document:2#viewer@user:a"]);
    bench.commit(with_model("first")).unwrap();
    let old = bench.snapshot();
    let newest = old.newest_model();
    let mut cursor = old.object_cursor();
    cursor.seek(key("x:1#y@user:a").subject.as_ref(), "document", "viewer").unwrap();
    assert_eq!(cursor.next().unwrap().unwrap().0, "1");
    bench.delete(&["document:2#viewer@user:a"]);
    bench.write(&["document:3#viewer@user:a"]);
    bench.commit(with_model("second")).unwrap();
    assert_eq!(cursor.next().unwrap().unwrap().0, "2");
    assert!(cursor.next().unwrap().is_none());
    assert_eq!(tuples(&old), ["document:1#viewer@user:a", "document:2#viewer@user:a"]);
    assert_eq!((old.revision(), old.newest_model()), (Revision(2), newest));
    assert_eq!(old.models(None, 10).unwrap().len(), 1);
    assert_eq!(changes(&old, LogPosition::default()).len(), 2);
    assert_eq!(old.revision_before(Instant::MAX).unwrap(), Revision(2));
    bench.db.delete_store(bench.store).unwrap();
    assert_eq!(tuples(&old).len(), 2, "though the store is gone");
}

fn model_ids_grow_though_the_clock_stands<D: Database>(bench: &Bench<D>) {
    let ids: Vec<ModelId> =
        (0..20).map(|n| bench.commit(with_model(&format!("t{n}"))).unwrap().model.unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
    let millis = (bench.now().unix_micros() / 1000) as u128;
    assert_eq!(ids[0].bits() >> 80, millis);
}
