//! Documents and journals, and what a batch was decided on.

use super::*;

on_both!(
    a_document_is_what_was_written_last,
    documents_are_found_by_their_beginning_in_the_order_of_their_keys,
    writing_a_document_is_a_commit_and_writing_it_again_is_none,
    an_entry_of_a_journal_raises_no_revision_and_comes_behind_those_before,
    what_is_forgotten_of_a_journal_is_what_was_added_before,
    documents_and_journals_go_with_their_store,
    a_batch_is_refused_where_what_it_read_has_changed,
    a_batch_is_refused_where_a_range_that_it_read_has_grown,
    a_batch_is_committed_where_others_changed_what_it_did_not_read,
    a_batch_is_refused_once_its_decision_may_have_changed_by_itself,
    of_many_who_read_the_same_and_write_each_sees_the_one_before,
);

const A: &str = "document:1#viewer@user:a";
const B: &str = "document:1#viewer@user:b";

fn id(parts: &[&str]) -> DocumentKey {
    DocumentKey::new("kind", parts.iter().copied())
}

fn document(parts: &[&str], text: &str) -> DocumentChange {
    DocumentChange { key: id(parts), value: Some(text.as_bytes().into()) }
}

fn put(parts: &[&str], text: &str) -> Batch {
    Batch { documents: vec![document(parts, text)], ..Batch::default() }
}

fn entries(texts: &[&str]) -> Batch {
    let journals =
        texts.iter().map(|text| JournalAddition { journal: "log".into(), value: text.as_bytes().into() });
    Batch { journals: journals.collect(), ..Batch::default() }
}

fn found(snapshot: &impl Snapshot, prefix: &[&str], after: Option<&[&str]>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    snapshot
        .documents(&id(prefix), after.map(id).as_ref(), &mut |key, value| {
            all.push((key.parts().collect::<Vec<_>>().join(" "), text(value)));
            ControlFlow::Continue(())
        })
        .unwrap();
    all
}

fn journal(snapshot: &impl Snapshot, after: Option<Id>) -> Vec<JournalEntry> {
    let mut all = Vec::new();
    snapshot
        .journal("log", after, &mut |entry| {
            all.push(entry);
            ControlFlow::Continue(())
        })
        .unwrap();
    all
}

fn a_document_is_what_was_written_last<D: Database>(bench: &Bench<D>) {
    let of = |snapshot: &D::Snapshot| snapshot.document(&id(&["a"])).unwrap();
    assert_eq!(of(&bench.snapshot()), None);
    bench.commit(put(&["a"], "one")).unwrap();
    let earlier = bench.snapshot();
    bench.commit(put(&["a"], "two")).unwrap();
    assert_eq!(of(&bench.snapshot()).as_deref(), Some(&b"two"[..]));
    assert_eq!(of(&earlier).as_deref(), Some(&b"one"[..]), "a snapshot stands still");
    let other = DocumentKey::new("other", ["a"]);
    assert_eq!(bench.snapshot().document(&other).unwrap(), None, "kinds are apart");
    let removal = DocumentChange { key: id(&["a"]), value: None };
    bench.commit(Batch { documents: vec![removal], ..Batch::default() }).unwrap();
    assert_eq!(of(&bench.snapshot()), None);
}

fn documents_are_found_by_their_beginning_in_the_order_of_their_keys<D: Database>(bench: &Bench<D>) {
    for parts in [&["b"][..], &["a", "2"], &["ab"], &["a", "10"], &["a"]] {
        bench.commit(put(parts, "x")).unwrap();
    }
    let names = |prefix: &[&str], after: Option<&[&str]>| {
        let all = found(&bench.snapshot(), prefix, after);
        all.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(names(&[], None), ["a", "a 10", "a 2", "ab", "b"]);
    assert_eq!(names(&["a"], None), ["a", "a 10", "a 2"], "whole parts only");
    assert_eq!(names(&["a"], Some(&["a", "10"])), ["a 2"]);
    assert_eq!(names(&["a"], Some(&["a", "2"])), [""; 0]);
    assert_eq!(names(&["b"], Some(&["a"])), ["b"], "a place before them all");
}

fn writing_a_document_is_a_commit_and_writing_it_again_is_none<D: Database>(bench: &Bench<D>) {
    let together = Batch { documents: vec![document(&["a"], "one")], ..writes(&[A]) };
    assert_eq!(bench.commit(together).unwrap().revision, Revision(1));
    assert_eq!(bench.commit(put(&["a"], "two")).unwrap().revision, Revision(2));
    assert_eq!(bench.commit(put(&["a"], "two")).unwrap().revision, Revision(2), "as it is");
    let refused = Batch { documents: vec![document(&["a"], "three")], ..writes(&[A]) };
    assert!(bench.commit(refused).is_err());
    assert_eq!(found(&bench.snapshot(), &[], None), [("a".to_owned(), "two".to_owned())]);
    assert_eq!(changes(&bench.snapshot(), LogPosition::default()).len(), 1, "no reader of changes sees it");
}

fn an_entry_of_a_journal_raises_no_revision_and_comes_behind_those_before<D: Database>(bench: &Bench<D>) {
    assert_eq!(bench.commit(entries(&["one", "two"])).unwrap().revision, Revision::ZERO);
    assert_eq!(
        bench.commit(Batch { journals: entries(&["three"]).journals, ..writes(&[A]) }).unwrap().revision,
        Revision(1)
    );
    bench.clock.advance(5_000);
    bench.commit(entries(&["four"])).unwrap();
    let all = journal(&bench.snapshot(), None);
    let texts: Vec<_> = all.iter().map(|entry| String::from_utf8_lossy(&entry.value).into_owned()).collect();
    assert_eq!(texts, ["one", "two", "three", "four"]);
    assert_eq!(all.iter().map(|entry| entry.revision.0).collect::<Vec<_>>(), [0, 0, 1, 1]);
    assert_eq!(all[3].at, bench.now());
    assert!(all.is_sorted_by(|a, b| a.id < b.id), "though the clock stands");
    assert_eq!(journal(&bench.snapshot(), Some(all[1].id)), all[2..]);
    assert!(bench.commit(Batch { journals: entries(&["five"]).journals, ..writes(&[A]) }).is_err());
    assert_eq!(journal(&bench.snapshot(), None).len(), 4, "a refused batch leaves nothing");
}

fn what_is_forgotten_of_a_journal_is_what_was_added_before<D: Database>(bench: &Bench<D>) {
    bench.commit(entries(&["one", "two"])).unwrap();
    bench.clock.advance(5_000);
    let (before, other) = (bench.now(), JournalAddition { journal: "lo".into(), value: [][..].into() });
    bench.commit(entries(&["three"])).unwrap();
    let forget = vec![("log".into(), before)];
    bench.commit(Batch { forget, journals: vec![other], ..entries(&[]) }).unwrap();
    let left = journal(&bench.snapshot(), None);
    assert_eq!(left.iter().map(|entry| &*entry.value).collect::<Vec<_>>(), [b"three"]);
}

fn documents_and_journals_go_with_their_store<D: Database>(bench: &Bench<D>) {
    let other = bench.db.create_store("other").unwrap().id;
    for store in [bench.store, other] {
        let both = Batch { documents: vec![document(&["a"], "x")], ..entries(&["one"]) };
        bench.db.commit(store, both).unwrap();
    }
    assert!(bench.db.delete_store(other).unwrap());
    let snapshot = bench.snapshot();
    assert_eq!((found(&snapshot, &[], None).len(), journal(&snapshot, None).len()), (1, 1));
}

/// A batch that writes `writes`, decided on what `read` reads now.
fn decided<D: Database>(bench: &Bench<D>, batch: Batch, read: impl FnOnce(&Tracked<D::Snapshot>)) -> Batch {
    let tracked = Tracked::new(bench.snapshot());
    read(&tracked);
    Batch { reads: Some(tracked.into_reads()), ..batch }
}

fn conflicts(outcome: Result<Committed, CommitError>) -> bool {
    match outcome {
        Ok(_) => false,
        Err(CommitError::Conflict) => true,
        Err(other) => panic!("{other}"),
    }
}

fn a_batch_is_refused_where_what_it_read_has_changed<D: Database>(bench: &Bench<D>) {
    let reading = |read: fn(&Tracked<D::Snapshot>)| decided(bench, writes(&[B]), read);
    let absent = reading(|tracked| assert!(tracked.tuple(key(A).as_ref()).unwrap().is_none()));
    let document = reading(|tracked| assert!(tracked.document(&id(&["a"])).unwrap().is_none()));
    let nothing = reading(|_| ());
    bench.write(&[A]);
    assert!(conflicts(bench.commit(absent)));
    bench.commit(put(&["a"], "x")).unwrap();
    assert!(conflicts(bench.commit(document)));
    let there = reading(|tracked| assert!(tracked.tuple(key(A).as_ref()).unwrap().is_some()));
    bench.delete(&[A]);
    bench.write(&[A]);
    assert!(conflicts(bench.commit(there)), "though it is there again: that cannot be told");
    let model = reading(|_| ());
    bench.commit(with_model("new")).unwrap();
    assert!(conflicts(bench.commit(model)), "the newest model is read by all");
    assert!(conflicts(bench.commit(nothing)));
    assert_eq!(bench.tuples(), [A], "nothing of them was written");
}

fn a_batch_is_refused_where_a_range_that_it_read_has_grown<D: Database>(bench: &Bench<D>) {
    bench.write(&["document:2#viewer@user:a"]);
    let reading = |read: fn(&Tracked<D::Snapshot>)| decided(bench, writes(&[B]), read);
    let ranges = [
        reading(|tracked| {
            let wanted = key(A);
            let mut cursor = tracked.subject_cursor();
            cursor.seek(wanted.object.as_ref(), "viewer", SubjectClass::Object).unwrap();
        }),
        reading(|tracked| {
            let wanted = key(A);
            tracked.object_cursor().seek(wanted.subject.as_ref(), "document", "viewer").unwrap();
        }),
        reading(|tracked| {
            let filter =
                TupleFilter { object_type: Some("document"), object_id: Some("1"), ..Default::default() };
            tracked.read(&filter, None, &mut |_, _| ControlFlow::Continue(())).unwrap();
        }),
    ];
    let documents = reading(|tracked| {
        tracked.documents(&id(&["a"]), None, &mut |_, _| ControlFlow::Continue(())).unwrap();
    });
    bench.write(&[A]);
    for range in ranges {
        assert!(conflicts(bench.commit(range)));
    }
    bench.commit(put(&["a", "b"], "x")).unwrap();
    assert!(conflicts(bench.commit(documents)));
}

fn a_batch_is_committed_where_others_changed_what_it_did_not_read<D: Database>(bench: &Bench<D>) {
    let batch = decided(bench, writes(&[B]), |tracked| {
        assert!(tracked.tuple(key(A).as_ref()).unwrap().is_none());
        assert!(tracked.document(&id(&["a"])).unwrap().is_none());
        let wanted = key(A);
        tracked.subject_cursor().seek(wanted.object.as_ref(), "viewer", SubjectClass::Userset).unwrap();
        tracked.object_cursor().seek(wanted.subject.as_ref(), "document", "owner").unwrap();
        tracked.documents(&id(&["a"]), None, &mut |_, _| ControlFlow::Continue(())).unwrap();
    });
    bench.write(&["document:1#viewer@user:c", "document:1#owner@user:b", "folder:1#viewer@user:a"]);
    bench.commit(put(&["ab"], "x")).unwrap();
    bench.commit(entries(&["one"])).unwrap();
    assert_eq!(bench.commit(batch).unwrap().revision, Revision(3));
}

fn a_batch_is_refused_once_its_decision_may_have_changed_by_itself<D: Database>(bench: &Bench<D>) {
    let end = bench.now().saturating_add_micros(10);
    let batch = |tuple| {
        decided(bench, writes(&[tuple]), |tracked| {
            tracked.hold_until(None);
            tracked.hold_until(Some(end));
            tracked.hold_until(Some(end.saturating_add_micros(10)));
        })
    };
    let (in_time, late) = (batch(A), batch(B));
    bench.clock.advance(9);
    assert!(!conflicts(bench.commit(in_time)));
    bench.clock.advance(1);
    assert!(conflicts(bench.commit(late)), "at this very instant");
}

/// Each thread adds one to a number that it has read; none may be lost.
fn of_many_who_read_the_same_and_write_each_sees_the_one_before<D: Database>(bench: &Bench<D>) {
    let read = |bytes: Option<Box<[u8]>>| -> u64 {
        bytes.map_or(0, |bytes| std::str::from_utf8(&bytes).unwrap().parse().unwrap())
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut added = 0;
                while added < 25 {
                    let tracked = Tracked::new(bench.snapshot());
                    let value = read(tracked.document(&id(&["n"])).unwrap()) + 1;
                    let reads = Some(tracked.into_reads());
                    let batch = Batch { reads, ..put(&["n"], &value.to_string()) };
                    added += u64::from(!conflicts(bench.commit(batch)));
                }
            });
        }
    });
    assert_eq!(read(bench.snapshot().document(&id(&["n"])).unwrap()), 100);
}
