//! Who is told of commits.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use super::*;

on_both!(
    an_observer_is_told_of_what_is_visible,
    an_observer_is_not_told_of_what_changed_nothing,
    an_observer_that_panics_harms_nobody,
    an_observer_that_is_gone_is_not_told,
    what_changed_is_told_before_it_is_visible,
    the_place_of_a_snapshot_is_that_of_the_newest_commit_to_any_store,
    what_an_observer_cannot_note_never_becomes_visible,
);

/// Hands on what it is told.
struct Recorder(Mutex<Sender<Vec<StoreId>>>);

impl CommitObserver for Recorder {
    fn committed(&self, stores: &[StoreId]) {
        self.0.lock().unwrap().send(stores.to_vec()).unwrap();
    }
}

/// Who observes, and what it is told.
pub(in crate::store) fn recorder(db: &impl Database) -> (Arc<dyn CommitObserver>, Receiver<Vec<StoreId>>) {
    let (sender, told) = channel();
    let observer: Arc<dyn CommitObserver> = Arc::new(Recorder(Mutex::new(sender)));
    db.observe(Arc::downgrade(&observer));
    (observer, told)
}

/// What was told next.
#[track_caller]
fn next(told: &Receiver<Vec<StoreId>>) -> Vec<StoreId> {
    told.try_recv().unwrap()
}

fn an_observer_is_told_of_what_is_visible<D: Database>(bench: &Bench<D>) {
    let (_observer, told) = recorder(&bench.db);
    let revision = || bench.db.snapshot(bench.store).unwrap().map(|snapshot| snapshot.revision());
    for n in 1..=3 {
        let tuple = format!("document:{n}#viewer@user:a");
        bench.db.submit(bench.store, writes(&[&tuple]), Box::new(|outcome| assert!(outcome.is_ok())));
        assert_eq!(told.recv().unwrap(), [bench.store]);
        assert_eq!(revision(), Some(Revision(n)));
    }
    bench.commit(with_model("document")).unwrap();
    assert_eq!(next(&told), [bench.store]);
    let other = bench.db.create_store("second").unwrap().id;
    assert_eq!(next(&told), [other]);
    assert!(bench.db.delete_store(bench.store).unwrap());
    assert_eq!(next(&told), [bench.store]);
    assert_eq!(revision(), None);
    assert_eq!(told.try_recv(), Err(TryRecvError::Empty));
}

fn an_observer_is_not_told_of_what_changed_nothing<D: Database>(bench: &Bench<D>) {
    bench.write(&["document:1#viewer@user:a"]);
    let (_observer, told) = recorder(&bench.db);
    bench.commit(writes(&["document:1#viewer@user:a"])).unwrap_err();
    let same = Write { on_duplicate: OnDuplicate::Ignore, ..write("document:1#viewer@user:a") };
    bench.commit(Batch { writes: vec![same], ..Batch::default() }).unwrap();
    assert!(!bench.db.delete_store(StoreId::from_bits(1)).unwrap());
    bench.write(&["document:2#viewer@user:a"]);
    assert_eq!(next(&told), [bench.store]);
    assert_eq!(told.try_recv(), Err(TryRecvError::Empty));
}

fn an_observer_that_panics_harms_nobody<D: Database>(bench: &Bench<D>) {
    struct Panicking;

    impl CommitObserver for Panicking {
        fn committed(&self, _: &[StoreId]) {
            panic!("the observer's own");
        }
    }

    let panicking: Arc<dyn CommitObserver> = Arc::new(Panicking);
    bench.db.observe(Arc::downgrade(&panicking));
    let (_observer, told) = recorder(&bench.db);
    for n in 1..=2 {
        assert_eq!(bench.write(&[&format!("document:{n}#viewer@user:a")]).revision, Revision(n));
        assert_eq!(next(&told), [bench.store]);
    }
}

fn an_observer_that_is_gone_is_not_told<D: Database>(bench: &Bench<D>) {
    let (gone, told) = recorder(&bench.db);
    let (_observer, told_too) = recorder(&bench.db);
    drop(gone);
    bench.write(&["document:1#viewer@user:a"]);
    assert_eq!(next(&told_too), [bench.store]);
    assert_eq!(told.try_recv(), Err(TryRecvError::Disconnected));
}

/// What is told before it is visible.
type Told = (CommitSequence, Vec<(StoreId, TupleKey)>);

/// Tells what it is told before that is visible, and goes on when it is let.
struct Before {
    told: Mutex<Sender<Told>>,
    go_on: Mutex<Receiver<()>>,
}

impl CommitObserver for Before {
    fn committing(&self, sequence: CommitSequence, tuples: &[(StoreId, TupleKey)]) {
        self.told.lock().unwrap().send((sequence, tuples.to_vec())).unwrap();
        self.go_on.lock().unwrap().recv().unwrap();
    }

    fn committed(&self, _: &[StoreId]) {}
}

fn what_changed_is_told_before_it_is_visible<D: Database>(bench: &Bench<D>) {
    let ((sender, told), (go, go_on)) = (channel(), channel());
    let observer: Arc<dyn CommitObserver> =
        Arc::new(Before { told: Mutex::new(sender), go_on: Mutex::new(go_on) });
    bench.db.observe(Arc::downgrade(&observer));
    let expect = |batch: Batch, expected: &[&str]| {
        let before = bench.snapshot();
        std::thread::scope(|scope| {
            let commit = scope.spawn(|| bench.commit(batch).unwrap());
            let (sequence, tuples) = told.recv().unwrap();
            let now = bench.snapshot();
            assert_eq!(
                (now.revision(), now.sequence()),
                (before.revision(), before.sequence()),
                "nothing of it is visible yet"
            );
            go.send(()).unwrap();
            commit.join().unwrap();
            let after = bench.snapshot();
            assert_eq!((after.revision(), after.sequence()), (before.revision().next(), sequence));
            assert!(sequence > before.sequence());
            assert!(tuples.iter().all(|(store, _)| *store == bench.store));
            assert_eq!(tuples.iter().map(|(_, key)| key.to_string()).collect::<Vec<_>>(), expected);
        });
    };
    let two = ["document:1#viewer@user:a", "document:2#viewer@user:*"];
    expect(writes(&two), &two);
    let pause = Write { paused: Field::Set(true), on_duplicate: OnDuplicate::Update, ..write(two[0]) };
    expect(Batch { writes: vec![pause], ..Batch::default() }, &two[..1]);
    expect(deletes(&two[1..]), &two[1..]);
    expect(with_model("document"), &[]);
}

fn the_place_of_a_snapshot_is_that_of_the_newest_commit_to_any_store<D: Database>(bench: &Bench<D>) {
    let (old, place) = (bench.snapshot(), bench.snapshot().sequence());
    let other = bench.db.create_store("second").unwrap().id;
    let later = bench.snapshot().sequence();
    assert!(later > place);
    assert_eq!(old.sequence(), place);
    assert_eq!(bench.db.snapshot(other).unwrap().unwrap().sequence(), later);
    bench.db.commit(other, writes(&["document:1#viewer@user:a"])).unwrap();
    assert!(bench.snapshot().sequence() > later);
    assert_ne!(bench.snapshot().epoch(), bench.db.snapshot(other).unwrap().unwrap().epoch());
}

fn what_an_observer_cannot_note_never_becomes_visible<D: Database>(bench: &Bench<D>) {
    struct Panicking;

    impl CommitObserver for Panicking {
        fn committing(&self, _: CommitSequence, _: &[(StoreId, TupleKey)]) {
            panic!("the observer's own");
        }

        fn committed(&self, _: &[StoreId]) {}
    }

    let panicking: Arc<dyn CommitObserver> = Arc::new(Panicking);
    bench.db.observe(Arc::downgrade(&panicking));
    let (_observer, told) = recorder(&bench.db);
    let error = bench.commit(writes(&["document:1#viewer@user:a"])).unwrap_err();
    // Where it is durable by then, it may be found later.
    assert!(
        matches!(error, CommitError::Store(StoreError::Io { .. } | StoreError::Unsure { .. })),
        "{error}"
    );
    assert_eq!(bench.snapshot().revision(), Revision::ZERO);
    assert_eq!(told.try_recv(), Err(TryRecvError::Empty));
}
