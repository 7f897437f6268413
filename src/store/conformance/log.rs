//! The log of changes and the models.

use super::*;

on_both!(
    the_log_has_each_change_with_what_was_before_and_after,
    the_log_is_read_on_from_any_place,
    a_reader_of_the_log_may_stop,
    the_last_revision_before_an_instant_is_found,
    models_come_newest_first,
);

fn the_log_has_each_change_with_what_was_before_and_after<D: Database>(bench: &Bench<D>) {
    let tuple = "document:1#viewer@user:a";
    let end = bench.now().saturating_add_micros(9);
    let first = bench.commit(Batch { actor: Some("anne".into()), ..writes(&[tuple]) }).unwrap();
    let written = bench.record(tuple);
    bench.clock.advance(1);
    let update = Write { expires_at: Field::Set(end), on_duplicate: OnDuplicate::Update, ..write(tuple) };
    let second = bench.commit(Batch { writes: vec![update], ..Batch::default() }).unwrap();
    let updated = bench.record(tuple);
    bench.commit(with_model("document")).unwrap();
    bench.clock.advance(1);
    let last = bench.delete(&[tuple]);
    assert_eq!(last.revision, Revision(4), "a model is a commit too");

    let change = |committed: Committed, actor: Option<&str>, before, after| LoggedChange {
        position: LogPosition { revision: committed.revision, index: 1 },
        at: committed.at,
        actor: actor.map(Into::into),
        key: key(tuple),
        before,
        after,
    };
    assert_eq!(
        changes(&bench.snapshot(), LogPosition::default()),
        [
            change(first, Some("anne"), None, written.clone()),
            change(second, None, written, updated.clone()),
            change(last, None, updated, None),
        ]
    );
}

fn the_log_is_read_on_from_any_place<D: Database>(bench: &Bench<D>) {
    for n in 0..4 {
        bench.write(
            &[0, 1, 2].map(|i| format!("document:{n}{i}#viewer@user:a")).each_ref().map(String::as_str),
        );
    }
    let snapshot = bench.snapshot();
    let all = changes(&snapshot, LogPosition::default());
    let positions: Vec<(u64, u32)> = all.iter().map(|c| (c.position.revision.0, c.position.index)).collect();
    let expected: Vec<(u64, u32)> = (1..=4).flat_map(|r| (1..=3).map(move |i| (r, i))).collect();
    assert_eq!(positions, expected);
    for (n, change) in all.iter().enumerate() {
        assert_eq!(changes(&snapshot, change.position), all[n + 1..]);
    }
    let at = |revision, index| changes(&snapshot, LogPosition { revision: Revision(revision), index }).len();
    assert_eq!(at(3, 0), 6, "before the commit's first change");
    assert_eq!(at(3, 99), 3, "behind its last one");
    assert_eq!(at(9, 0), 0);
}

fn a_reader_of_the_log_may_stop<D: Database>(bench: &Bench<D>) {
    bench.write(&["document:1#viewer@user:a", "document:2#viewer@user:a"]);
    bench.write(&["document:3#viewer@user:a"]);
    let mut seen = 0;
    let stop = &mut |_| {
        seen += 1;
        ControlFlow::Break(())
    };
    let snapshot = bench.snapshot();
    snapshot.changes(LogPosition::default(), snapshot.revision(), stop).unwrap();
    assert_eq!(seen, 1);
    let up_to = |last| {
        let mut seen = Vec::new();
        let mut see = |change: LoggedChange| {
            seen.push(change.position.revision);
            ControlFlow::Continue(())
        };
        snapshot.changes(LogPosition::default(), last, &mut see).unwrap();
        seen
    };
    let (first, second) = (Revision(1), Revision(2));
    assert!(up_to(Revision::ZERO).is_empty());
    assert_eq!(up_to(first), [first, first]);
    assert_eq!(up_to(second), [first, first, second]);
    assert_eq!(up_to(Revision(u64::MAX)), [first, first, second], "no more than there is");
}

fn the_last_revision_before_an_instant_is_found<D: Database>(bench: &Bench<D>) {
    let start = bench.now();
    assert_eq!(bench.snapshot().revision_before(Instant::MAX).unwrap(), Revision::ZERO);
    // Two commits at each of the instants 0, 10, …, 40.
    for n in 0..10 {
        bench.write(&[&format!("document:{n}#viewer@user:a")]);
        if n % 2 == 1 {
            bench.clock.advance(10);
        }
    }
    let before = |micros| bench.snapshot().revision_before(start.saturating_add_micros(micros)).unwrap().0;
    assert_eq!([before(-1), before(0), before(1), before(10), before(11)], [0, 0, 2, 2, 4]);
    assert_eq!([before(39), before(40), before(41), before(1000)], [8, 8, 10, 10]);
}

fn models_come_newest_first<D: Database>(bench: &Bench<D>) {
    assert_eq!(bench.snapshot().newest_model(), None);
    assert!(bench.snapshot().models(None, 10).unwrap().is_empty());
    let ids: Vec<ModelId> = (0..5)
        .map(|n| {
            bench.clock.advance(if n == 2 { 5_000_000 } else { 0 });
            bench.commit(with_model(&format!("t{n}"))).unwrap().model.unwrap()
        })
        .collect();
    let other = bench.db.create_store("other").unwrap().id;
    bench.db.commit(other, with_model("foreign")).unwrap();

    let snapshot = bench.snapshot();
    assert_eq!(snapshot.newest_model(), Some(ids[4]));
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(snapshot.model(*id).unwrap(), Some(model(&format!("t{n}"))));
    }
    assert_eq!(snapshot.model(ModelId::from_bits(1)).unwrap(), None);
    let list = |before, limit| -> Vec<ModelId> {
        snapshot.models(before, limit).unwrap().into_iter().map(|(id, _)| id).collect()
    };
    let newest_first: Vec<ModelId> = ids.iter().rev().copied().collect();
    assert_eq!(list(None, 10), newest_first);
    assert_eq!(list(None, 2), newest_first[..2]);
    assert_eq!(list(Some(newest_first[1]), 2), newest_first[2..4]);
    assert_eq!(list(newest_first[1].successor(), 1), [newest_first[1]], "behind one that is not there");
    assert!(list(Some(ids[0]), 10).is_empty());
    assert!(list(Some(ModelId::from_bits(0)), 10).is_empty());
}
