//! What a write does to a tuple that exists, and a delete to one that does not.

use super::*;

on_both!(
    a_duplicate_is_refused_unless_told_otherwise,
    a_duplicate_is_ignored_only_if_it_says_the_same,
    an_update_leaves_clears_and_sets_each_field_by_itself,
    an_update_of_a_tuple_that_is_not_there_makes_it,
    a_tuple_may_be_deleted_and_written_at_once,
    a_delete_of_what_is_not_there_is_refused_unless_told_otherwise,
    a_tuple_that_is_not_live_exists,
    the_index_by_subject_has_the_same_records,
);

const TUPLE: &str = "document:1#viewer@user:a";

fn one(write: Write) -> Batch {
    Batch { writes: vec![write], ..Batch::default() }
}

fn a_duplicate_is_refused_unless_told_otherwise<D: Database>(bench: &Bench<D>) {
    bench.write(&[TUPLE]);
    let error = bench.commit(writes(&[TUPLE])).unwrap_err();
    assert_eq!(error.to_string(), "the tuple `document:1#viewer@user:a` exists");
}

fn a_duplicate_is_ignored_only_if_it_says_the_same<D: Database>(bench: &Bench<D>) {
    let end = bench.now().saturating_add_micros(1000);
    let full = Write {
        condition: Field::Set(condition("c")),
        expires_at: Field::Set(end),
        paused: Field::Set(true),
        ..write(TUPLE)
    };
    bench.commit(one(full.clone())).unwrap();
    let before = bench.record(TUPLE);
    bench.clock.advance(1);
    let ignore = |write: Write| bench.commit(one(Write { on_duplicate: OnDuplicate::Ignore, ..write }));
    for same in [full.clone(), Write { expires_at: Field::Absent, paused: Field::Absent, ..full.clone() }] {
        assert_eq!(ignore(same).unwrap().revision, Revision(1));
    }
    for different in [
        Write { condition: Field::Set(condition("d")), ..full.clone() },
        // To give no condition is to say that there is none.
        Write { condition: Field::Absent, ..full.clone() },
        Write { condition: Field::Clear, ..full.clone() },
        Write { expires_at: Field::Clear, ..full.clone() },
        Write { expires_at: Field::Set(end.saturating_add_micros(1)), ..full.clone() },
        Write { paused: Field::Set(false), ..full.clone() },
        Write { paused: Field::Clear, ..full },
    ] {
        assert!(matches!(ignore(different).unwrap_err(), CommitError::TupleDiffers { .. }));
    }
    assert_eq!(bench.record(TUPLE), before);
}

fn an_update_leaves_clears_and_sets_each_field_by_itself<D: Database>(bench: &Bench<D>) {
    let end = bench.now().saturating_add_micros(1000);
    let update = Write { on_duplicate: OnDuplicate::Update, ..write(TUPLE) };
    bench
        .commit(one(Write {
            condition: Field::Set(condition("c")),
            expires_at: Field::Set(end),
            paused: Field::Set(true),
            ..update.clone()
        }))
        .unwrap();
    let mut expected = TupleRecord {
        lifetime: Lifetime { expires_at: Some(end), paused: true },
        condition: Some(condition("c")),
        written_at: bench.now(),
    };
    assert_eq!(bench.record(TUPLE).unwrap(), expected);
    let mut step = |write: Write, change: &dyn Fn(&mut TupleRecord)| {
        bench.clock.advance(1);
        bench.commit(one(write)).unwrap();
        change(&mut expected);
        expected.written_at = bench.now();
        assert_eq!(bench.record(TUPLE).unwrap(), expected);
    };
    let later = end.saturating_add_micros(1);
    step(Write { paused: Field::Clear, ..update.clone() }, &|record| record.lifetime.paused = false);
    step(Write { expires_at: Field::Set(later), ..update.clone() }, &|record| {
        record.lifetime.expires_at = Some(later)
    });
    step(Write { condition: Field::Clear, ..update.clone() }, &|record| record.condition = None);
    step(Write { paused: Field::Set(true), ..update.clone() }, &|record| record.lifetime.paused = true);
    step(Write { expires_at: Field::Clear, ..update.clone() }, &|record| record.lifetime.expires_at = None);
    step(Write { condition: Field::Set(condition("d")), ..update.clone() }, &|record| {
        record.condition = Some(condition("d"));
    });
    bench.clock.advance(1);
    bench.commit(one(update)).unwrap();
    assert_eq!(
        bench.record(TUPLE).unwrap(),
        expected,
        "an update that changes nothing does not count as a write"
    );
}

fn an_update_of_a_tuple_that_is_not_there_makes_it<D: Database>(bench: &Bench<D>) {
    bench.commit(one(Write { on_duplicate: OnDuplicate::Update, ..write(TUPLE) })).unwrap();
    let record = bench.record(TUPLE).unwrap();
    assert_eq!(
        record,
        TupleRecord { lifetime: Lifetime::default(), condition: None, written_at: bench.now() }
    );
}

fn a_tuple_may_be_deleted_and_written_at_once<D: Database>(bench: &Bench<D>) {
    bench.commit(one(Write { paused: Field::Set(true), ..write(TUPLE) })).unwrap();
    bench.clock.advance(1);
    let again = Batch { deletes: vec![delete(TUPLE)], ..writes(&[TUPLE]) };
    assert_eq!(bench.commit(again.clone()).unwrap().revision, Revision(2));
    let record = bench.record(TUPLE).unwrap();
    assert!(!record.lifetime.paused, "what was deleted leaves nothing to the write");
    let log = changes(&bench.snapshot(), LogPosition { revision: Revision(1), index: 1 });
    assert_eq!(log.len(), 1);
    assert!(log[0].before.as_ref().unwrap().lifetime.paused);
    assert_eq!(log[0].after, Some(record));
    // Within the same microsecond the tuple stays what it was.
    assert_eq!(bench.commit(again).unwrap().revision, Revision(2));
}

fn a_delete_of_what_is_not_there_is_refused_unless_told_otherwise<D: Database>(bench: &Bench<D>) {
    bench.write(&["document:10#viewer@user:a", "document:1#viewer@user:ab"]);
    let error = bench.commit(deletes(&[TUPLE])).unwrap_err();
    assert_eq!(error.to_string(), "the tuple `document:1#viewer@user:a` does not exist");
    let lenient = |tuple| Delete { on_missing: OnMissing::Ignore, ..delete(tuple) };
    let batch =
        Batch { deletes: vec![lenient(TUPLE), lenient("document:10#viewer@user:a")], ..Batch::default() };
    assert_eq!(bench.commit(batch).unwrap().revision, Revision(2));
    assert_eq!(bench.tuples(), ["document:1#viewer@user:ab"]);
}

fn a_tuple_that_is_not_live_exists<D: Database>(bench: &Bench<D>) {
    let past = bench.now().saturating_add_micros(-1);
    bench.commit(one(Write { expires_at: Field::Set(past), ..write(TUPLE) })).unwrap();
    assert!(matches!(bench.commit(writes(&[TUPLE])).unwrap_err(), CommitError::TupleExists { .. }));
    assert_eq!(bench.tuples(), [TUPLE], "reads do not look at lifetimes");
    bench.delete(&[TUPLE]);
    assert!(bench.tuples().is_empty());
}

fn the_index_by_subject_has_the_same_records<D: Database>(bench: &Bench<D>) {
    let update = |write: Write| {
        bench.clock.advance(1);
        bench.commit(one(Write { on_duplicate: OnDuplicate::Update, ..write })).unwrap();
        let snapshot = bench.snapshot();
        let mut cursor = snapshot.object_cursor();
        let found = objects(&mut cursor, key(TUPLE).subject.as_ref(), "document", "viewer");
        assert_eq!(found, [("1".to_string(), bench.record(TUPLE).unwrap())]);
    };
    update(write(TUPLE));
    update(Write { condition: Field::Set(condition("c")), ..write(TUPLE) });
    update(Write { paused: Field::Set(true), expires_at: Field::Set(bench.now()), ..write(TUPLE) });
    bench.delete(&[TUPLE]);
    let snapshot = bench.snapshot();
    assert!(
        objects(&mut snapshot.object_cursor(), key(TUPLE).subject.as_ref(), "document", "viewer").is_empty()
    );
}
