//! The log of writes after a crash: what is torn is left out, and what was acknowledged is not.

use std::fs::{self, File};

use tempfile::TempDir;

use super::super::super::conformance::{tuples, writes};
use super::super::acknowledged::NOTE_FILE;
use super::super::format::Step;
use super::*;

const FIRST: &str = "document:1#viewer@user:a";
const LAST: &str = "document:2#viewer@user:a";

/// What a process leaves that is killed behind two commits: the directory, and the store.
fn killed(clock: &Arc<ManualClock>) -> (TempDir, StoreId) {
    let (directory, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let db = reopen(directory.path(), clock);
    let store = db.create_store("first").unwrap().id;
    db.commit(store, writes(&[FIRST])).unwrap();
    db.commit(store, writes(&[LAST])).unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, left.path().join(path.file_name().unwrap())).unwrap();
    }
    (left, store)
}

/// Takes the last byte of a file away.
fn cut(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
}

fn found(db: &RocksDatabase, store: StoreId) -> Vec<String> {
    assert!(db.verify().unwrap().is_consistent());
    tuples(&db.snapshot(store).unwrap().unwrap())
}

#[test]
fn what_stands_torn_behind_the_last_commit_is_left_out() {
    let clock = ManualClock::new();
    for torn in [&[0; 100][..], &[0xff; 100], &[7; 3], b"\x12\x34\x56\x78\x05\x00\x01short"] {
        let (directory, store) = killed(&clock);
        let path = log_of_writes(directory.path());
        fs::write(&path, [&fs::read(&path).unwrap(), torn].concat()).unwrap();
        assert_eq!(found(&reopen(directory.path(), &clock), store), [FIRST, LAST], "{torn:?}");
    }
}

#[test]
fn a_log_that_lost_an_acknowledged_commit_is_refused_until_the_loss_is_accepted() {
    let clock = ManualClock::new();
    let change = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    };
    for damage in [&cut as &dyn Fn(&Path), &change] {
        let (directory, store) = killed(&clock);
        damage(&log_of_writes(directory.path()));
        for _ in 0..2 {
            let error = RocksDatabase::open(directory.path(), clock.clone(), &small()).err().unwrap();
            assert!(
                matches!(&error, StoreError::Damaged { path, .. } if path == directory.path()),
                "{error}"
            );
            assert!(
                error.to_string().contains("commits that were acknowledged or shown are missing"),
                "{error}"
            );
        }
        fs::remove_file(directory.path().join(NOTE_FILE)).unwrap();
        assert_eq!(found(&reopen(directory.path(), &clock), store), [FIRST], "the commit is gone whole");
    }
}

#[test]
fn a_database_without_the_file_that_says_so_is_neither_replaced_nor_touched() {
    let clock = ManualClock::new();
    let (crashed, _) = killed(&clock);
    let stopped = tempfile::tempdir().unwrap();
    drop(reopen(stopped.path(), &clock));
    let listed = |path: &Path| {
        let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    for path in [crashed.path(), stopped.path()] {
        fs::remove_file(path.join("CURRENT")).unwrap();
        // The note alone would tell, too.
        for note in [true, false] {
            if !note {
                fs::remove_file(path.join(NOTE_FILE)).unwrap();
            }
            let before = listed(path);
            for _ in 0..2 {
                let error = RocksDatabase::open(path, clock.clone(), &small()).err().unwrap();
                assert!(matches!(&error, StoreError::Damaged { .. }), "{error}");
                assert!(error.to_string().contains("it has no file `CURRENT`"), "{error}");
            }
            let after = listed(path).into_iter().filter(|name| note || name != NOTE_FILE).collect::<Vec<_>>();
            assert_eq!(after, before);
        }
    }
}

#[test]
fn a_database_that_lacks_an_acknowledged_commit_is_not_migrated() {
    let clock = ManualClock::new();
    let steps: &[Step] = &[
        |_| Ok(()),
        |_| Ok(()),
        |_| Err(StoreError::Io { doing: "migrating", reason: "it is written to".into() }),
    ];
    let (directory, _) = killed(&clock);
    cut(&log_of_writes(directory.path()));
    let error = open_with(directory.path(), &clock, Seams { steps, ..Seams::default() }).err().unwrap();
    assert!(matches!(&error, StoreError::Damaged { .. }), "{error}");
}
