//! What comes of a backup, of another directory's log, and of a point to end before.

use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;

use super::super::super::conformance::{asserting, changes, deletes, tuples, with_model, writes};
use super::super::super::{DocumentChange, DocumentKey, JournalAddition, LogPosition, Snapshot};
use super::super::acknowledged::{NOTE_FILE, Note};
use super::opening::set_format;
use super::*;
use crate::model::{Id, Instant, Revision};

const FIRST: &str = "document:1#viewer@user:a";
const SECOND: &str = "document:2#viewer@user:a";

/// A database with four commits, and a backup behind the second.
struct Sample {
    place: TempDir,
    clock: Arc<ManualClock>,
    store: StoreId,
    /// Between the second commit and the third.
    between: Instant,
}

fn told(value: &str) -> JournalAddition {
    JournalAddition { journal: "outbox".into(), value: value.as_bytes().into() }
}

fn named(value: Option<&str>) -> DocumentChange {
    DocumentChange { key: DocumentKey::new("user", ["a"]), value: value.map(|text| text.as_bytes().into()) }
}

impl Sample {
    fn new() -> Self {
        let (place, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
        let db = reopen(&place.path().join("data"), &clock);
        let store = db.create_store("first").unwrap().id;
        let model = db.commit(store, with_model("document")).unwrap().model.unwrap();
        let batch =
            Batch { documents: vec![named(Some("Anne"))], journals: vec![told("early")], ..writes(&[FIRST]) };
        db.commit(store, batch).unwrap();
        db.back_up(&place.path().join("backups"), None).unwrap();
        clock.advance(1_000_000);
        let between = db.clock().now();
        clock.advance(1_000_000);
        let batch =
            Batch { documents: vec![named(Some("Anna"))], journals: vec![told("late")], ..deletes(&[FIRST]) };
        db.commit(store, batch).unwrap();
        db.commit(store, Batch { writes: writes(&[SECOND]).writes, ..asserting(model, &[SECOND]) }).unwrap();
        db.create_store("later").unwrap();
        Self { place, clock, store, between }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn restore(&self, log: bool, until: Until) -> (RocksDatabase, Restored) {
        let to = self.path("restored");
        drop(fs::remove_dir_all(&to));
        let log_of = log.then(|| self.path("data"));
        let restore = Restore { from: self.path("backups"), backup: None, log_of, accept_loss: false, until };
        let restored = restore.run(&to).unwrap();
        assert!(restored.report.is_consistent());
        (reopen(&to, &self.clock), restored)
    }
}

/// The revision, the tuples, the user's name, and what was told.
fn found(db: &RocksDatabase, store: StoreId) -> (u64, Vec<String>, String, Vec<String>) {
    let snapshot = db.snapshot(store).unwrap().unwrap();
    let text = |bytes: Box<[u8]>| String::from_utf8(bytes.into()).unwrap();
    let mut entries = Vec::new();
    let mut visit = |entry: super::super::super::JournalEntry| {
        entries.push(text(entry.value));
        ControlFlow::Continue(())
    };
    snapshot.journal("outbox", None, &mut visit).unwrap();
    let name = snapshot.document(&DocumentKey::new("user", ["a"])).unwrap().map(text).unwrap();
    (snapshot.revision().0, tuples(&snapshot), name, entries)
}

fn early() -> (u64, Vec<String>, String, Vec<String>) {
    (2, vec![FIRST.into()], "Anne".into(), vec!["early".into()])
}

fn late() -> (u64, Vec<String>, String, Vec<String>) {
    (4, vec![SECOND.into()], "Anna".into(), vec!["early".into(), "late".into()])
}

#[test]
fn a_backup_goes_on_with_the_log_of_another_directory() {
    let sample = Sample::new();
    assert_eq!(found(&sample.restore(false, Until::Newest).0, sample.store), early());
    let (db, restored) = sample.restore(true, Until::Newest);
    assert_eq!(found(&db, sample.store), late());
    assert_eq!(restored.short, []);
    let names: Vec<_> = restored.stores.iter().map(|(info, _)| &*info.name).collect();
    assert_eq!(names, ["first", "later"], "a store that the backup does not have");
    let original = reopen(&sample.path("data"), &sample.clock);
    let log =
        |db: &RocksDatabase| changes(&db.snapshot(sample.store).unwrap().unwrap(), LogPosition::default());
    assert_eq!(log(&db), log(&original));
    // The next store comes behind all that there were.
    let last = restored.stores.last().unwrap().0.id;
    assert!(db.create_store("next").unwrap().id > last);
}

#[test]
fn a_database_goes_back_to_before_an_instant_or_to_a_revision() {
    let sample = Sample::new();
    let epoch = |db: &RocksDatabase| db.snapshot(sample.store).unwrap().unwrap().epoch();
    let newest = epoch(&sample.restore(true, Until::Newest).0);
    let (db, restored) = sample.restore(true, Until::Before(sample.between));
    assert_eq!(found(&db, sample.store), early());
    assert_eq!(restored.stores.len(), 1, "the other one was made later");
    assert!(epoch(&db) > newest, "it is another existence of the store");
    assert!(db.clock().now() > sample.between, "the clock does not go back");
    assert_eq!(db.commit(sample.store, writes(&[SECOND])).unwrap().revision, Revision(3));
    assert!(db.verify().unwrap().is_consistent());
    drop(db);

    let (db, restored) = sample.restore(true, Until::Revisions(vec![(sample.store, Revision(2))]));
    assert_eq!((found(&db, sample.store), restored.stores.len()), (early(), 2));
    drop(db);
    let (db, _) = sample.restore(true, Until::Revisions(vec![(sample.store, Revision(1))]));
    let snapshot = db.snapshot(sample.store).unwrap().unwrap();
    assert_eq!((snapshot.revision(), tuples(&snapshot).len()), (Revision(1), 0));
    assert!(snapshot.newest_model().is_some());
}

#[test]
fn an_end_that_the_backup_does_not_reach_or_begins_behind_is_refused() {
    let sample = Sample::new();
    let restore = |log: bool, end: &str| {
        let restore = Restore {
            from: sample.path("backups"),
            backup: None,
            log_of: log.then(|| sample.path("data")),
            accept_loss: false,
            until: Until::Before(end.parse().unwrap()),
        };
        let place = tempfile::tempdir().unwrap();
        restore.run(place.path()).map(|restored| restored.stores.len()).map_err(|error| error.to_string())
    };
    let refused = restore(false, "2999-01-01T00:00:00Z").unwrap_err();
    assert!(refused.contains("until 2999-01-01T00:00:00Z is not in it"), "{refused}");
    assert_eq!(restore(true, "2999-01-01T00:00:00Z"), Ok(2), "the log says what was committed in between");
    for log in [false, true] {
        let refused = restore(log, "1900-01-01T00:00:00Z").unwrap_err();
        assert!(refused.contains("has nothing from before 1900-01-01T00:00:00Z"), "{refused}");
    }
}

#[test]
fn a_directory_of_backups_is_for_one_database() {
    let (place, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let path = |name: &str| place.path().join(name);
    let backups = path("backups");
    let first = reopen(&path("first"), &clock);
    first.back_up(&backups, None).unwrap();
    clock.advance(1_000_000);
    let second = reopen(&path("second"), &clock);
    let refused = second.back_up(&backups, Some(1)).unwrap_err().to_string();
    assert!(refused.contains("the backups in it are of another database"), "{refused}");
    first.back_up(&backups, None).unwrap();
    assert_eq!(Restore::backups(&backups).unwrap().len(), 2);
    let refused = second.back_up(&path("first"), None).unwrap_err().to_string();
    assert!(refused.contains("it is a data directory"), "{refused}");
}

#[test]
fn keys_and_the_deletion_of_stores_are_those_of_the_newer_one() {
    let (place, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let path = |name: &str| place.path().join(name);
    let [kept, revoked, later] = [1, 2, 3].map(Id::from_bits);
    let value = |text: &[u8]| Some(text.into());
    let db = reopen(&path("data"), &clock);
    let deleted = db.create_store("deleted").unwrap().id;
    for id in [kept, revoked] {
        db.put_credential(id, value(b"active")).unwrap();
    }
    db.back_up(&path("older"), None).unwrap();
    clock.advance(1_000_000);
    db.put_credential(kept, None).unwrap();
    db.put_credential(revoked, value(b"revoked")).unwrap();
    db.put_credential(later, value(b"active")).unwrap();
    assert!(db.delete_store(deleted).unwrap());
    db.back_up(&path("newer"), None).unwrap();
    let now = [(revoked, b"revoked"[..].into()), (later, b"active"[..].into())];
    assert_eq!(db.credentials().unwrap(), now);
    drop(db);

    let restore = |from: &str, log_of: Option<&str>, to: &str| {
        let (from, log_of) = (path(from), log_of.map(path));
        let restore = Restore { from, backup: None, log_of, accept_loss: false, until: Until::Newest };
        let restored = restore.run(&path(to)).unwrap();
        (reopen(&path(to), &clock).credentials().unwrap(), restored.deleted_since)
    };
    let (then, _) = restore("older", None, "as it was");
    assert_eq!(then.len(), 2, "a backup alone has what there was");
    assert_eq!(restore("older", Some("data"), "brought forward"), (now.to_vec(), vec![deleted]));
    let older = restore("newer", Some("as it was"), "with an older log");
    assert_eq!(older, (now.to_vec(), Vec::new()), "what is older takes nothing back");
}

#[test]
fn of_a_log_that_breaks_off_all_before_it_is_taken() {
    let sample = Sample::new();
    let db = reopen(&sample.path("data"), &sample.clock);
    let held = storage(&db);
    let tables = held.tables().unwrap();
    held.db.put_cf(&tables.changelog, keys::commit(sample.store, Revision(4)), b"unreadable").unwrap();
    drop((held, db));
    let (db, restored) = sample.restore(true, Until::Newest);
    let short = Short { store: sample.store, ends: Revision(3), committed: Revision(4) };
    assert_eq!(restored.short, [short]);
    assert_eq!(db.snapshot(sample.store).unwrap().unwrap().revision(), Revision(3));
}

#[test]
fn a_log_that_lacks_what_was_acknowledged_is_followed_only_where_that_is_accepted() {
    let sample = Sample::new();
    let (data, to) = (sample.path("data"), sample.path("restored"));
    let from = sample.path("backups");
    let restore = |accept_loss| {
        let log_of = Some(data.clone());
        drop(fs::remove_dir_all(&to));
        Restore { from: from.clone(), backup: None, log_of, accept_loss, until: Until::Newest }.run(&to)
    };
    assert_eq!(restore(true).unwrap().loss, None, "nothing is missing");
    let whole = Note::open(&data).unwrap().noted();
    Note::open(&data).unwrap().put(whole + 1).unwrap();
    let missing = "commits that were acknowledged or shown are missing";
    for (change, expected) in [(None, missing), (Some(&[0; 16][..]), "torn"), (Some(&b""[..]), "torn")] {
        if let Some(note) = change {
            fs::write(data.join(NOTE_FILE), note).unwrap();
        }
        let error = restore(false).err().unwrap();
        assert!(matches!(&error, StoreError::Loss { path, .. } if *path == data), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!to.exists(), "nothing is made");
        let restored = restore(true).unwrap();
        assert!(restored.loss.is_some_and(|loss| loss.contains(expected)));
        assert_eq!(found(&reopen(&to, &sample.clock), sample.store), late(), "what is left is there");
    }
}

/// Which database this is.
fn identity(db: &RocksDatabase) -> Option<Id> {
    identity::of(&db.view.load()).unwrap()
}

/// Makes it what it would be if an older version had made it.
fn forget_identity(db: &RocksDatabase) {
    let held = storage(db);
    held.db.delete_cf(&held.tables().unwrap().meta, keys::IDENTITY).unwrap();
}

#[test]
fn a_database_keeps_its_identity_in_its_backups_and_in_what_is_restored() {
    let sample = Sample::new();
    let db = reopen(&sample.path("data"), &sample.clock);
    let own = identity(&db).unwrap();
    drop(db);
    assert_eq!(
        identity(&reopen(&sample.path("data"), &sample.clock)),
        Some(own),
        "however often it is opened"
    );
    assert_ne!(identity(&reopen(&sample.path("another"), &sample.clock)), Some(own));
    for (log, until) in [(false, Until::Newest), (true, Until::Newest), (true, Until::Before(sample.between))]
    {
        let (db, _) = sample.restore(log, until);
        assert_eq!(identity(&db), Some(own));
        assert!(db.verify().unwrap().is_consistent());
    }
}

#[test]
fn an_older_database_gets_an_identity_and_what_its_older_backups_restore_with_its_log_has_it_too() {
    let (place, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let path = |name: &str| place.path().join(name);
    let db = reopen(&path("data"), &clock);
    let store = db.create_store("first").unwrap().id;
    forget_identity(&db);
    db.back_up(&path("backups"), None).unwrap();
    drop(db);
    let db = reopen(&path("data"), &clock);
    db.commit(store, writes(&[FIRST])).unwrap();
    let own = identity(&db);
    assert!(own.is_some());
    drop(db);
    let log_of = Some(path("data"));
    let restore =
        Restore { from: path("backups"), backup: None, log_of, accept_loss: false, until: Until::Newest };
    restore.run(&path("restored")).unwrap();
    let db = reopen(&path("restored"), &clock);
    assert_eq!((identity(&db), tuples(&db.snapshot(store).unwrap().unwrap())), (own, vec![FIRST.into()]));
}

/// A database with these numbers of stores and keys; with or without an identity, and with a backup.
fn database(path: &Path, clock: &Arc<ManualClock>, stores: u64, keys: u128, is_older: bool) {
    let db = reopen(&path.join("data"), clock);
    for _ in 0..stores {
        db.create_store("a store").unwrap();
    }
    // Random in truth; here those of two databases differ by the instant.
    let first = u128::from(db.clock().now().unix_millis()) << 80;
    for key in 1..=keys {
        db.put_credential(Id::from_bits(first + key), Some(b"active"[..].into())).unwrap();
    }
    if is_older {
        forget_identity(&db);
    }
    db.back_up(&path.join("backups"), None).unwrap();
}

#[test]
fn the_log_of_another_database_is_refused_before_anything_is_taken_from_it() {
    let by_identity = "it is of another database than the backup";
    let nothing_in_common = "they have no store and no key in common";
    let no_keys = "it has no keys of callers, and the backup has some";
    let (old, new) = (true, false);
    // Stores, keys and version of the backup and of the other; why it is refused.
    let cases = [
        ((1, 1, new), (1, 0, new), by_identity),
        ((1, 1, new), (1, 1, new), by_identity),
        ((0, 0, new), (1, 1, new), by_identity),
        ((1, 0, new), (0, 0, new), by_identity),
        ((1, 1, old), (1, 0, new), nothing_in_common),
        ((1, 1, new), (1, 1, old), nothing_in_common),
        ((1, 0, old), (1, 0, old), nothing_in_common),
        ((1, 1, old), (0, 1, new), nothing_in_common),
        ((0, 1, old), (1, 0, new), nothing_in_common),
        ((1, 1, old), (0, 0, new), no_keys),
    ];
    for (own, other, expected) in cases {
        let (place, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
        for (name, (stores, keys, is_older)) in [("own", own), ("other", other)] {
            database(&place.path().join(name), &clock, stores, keys, is_older);
            clock.advance(1_000_000);
        }
        let to = place.path().join("restored");
        let log_of = Some(place.path().join("other").join("data"));
        let from = place.path().join("own").join("backups");
        let restore = Restore { from, backup: None, log_of, accept_loss: true, until: Until::Newest };
        let error = restore.run(&to).err().unwrap_or_else(|| panic!("{own:?} {other:?}"));
        assert!(error.to_string().contains(expected), "{own:?} {other:?}: {error}");
        assert!(!to.exists() && !place.path().join("restored.restoring").exists());
    }
}

#[test]
fn keys_of_a_copy_that_went_on_by_itself_are_not_taken_though_its_log_is_shorter() {
    let sample = Sample::new();
    // The same database, from the second commit on with others; the backup has four.
    let (copy, _) = sample.restore(false, Until::Newest);
    sample.clock.advance(1_000_000);
    copy.commit(sample.store, writes(&[SECOND])).unwrap();
    drop(copy);
    let db = reopen(&sample.path("data"), &sample.clock);
    db.put_credential(Id::from_bits(1), Some(b"active"[..].into())).unwrap();
    db.back_up(&sample.path("newer"), None).unwrap();
    drop(db);
    let copy = reopen(&sample.path("restored"), &sample.clock);
    sample.clock.advance(1_000_000);
    copy.put_credential(Id::from_bits(2), Some(b"active"[..].into())).unwrap();
    drop(copy);
    let log_of = Some(sample.path("restored"));
    let restore = Restore {
        from: sample.path("newer"),
        backup: None,
        log_of,
        accept_loss: false,
        until: Until::Newest,
    };
    let error = restore.run(&sample.path("mixed")).err().unwrap();
    assert!(error.to_string().contains("another history"), "{error}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_directory_that_is_restored_is_its_owners() {
    let sample = Sample::new();
    let restore = |to: &Path| {
        let from = sample.path("backups");
        Restore { from, backup: None, log_of: None, accept_loss: false, until: Until::Newest }
            .run(to)
            .unwrap();
        assert_eq!(mode(to), 0o700);
    };
    restore(&sample.path("above").join("restored"));
    assert_eq!(mode(&sample.path("above")), 0o700, "and what is made above it");
    // An empty one is given up for the one that was made; what an earlier try left is removed.
    fs::create_dir(sample.path("empty")).unwrap();
    fs::create_dir(sample.path("empty.restoring")).unwrap();
    fs::write(sample.path("empty.restoring").join("left"), "").unwrap();
    restore(&sample.path("empty"));
    assert!(!sample.path("empty").join("left").exists());
}

#[test]
fn rehearsals_in_one_directory_do_not_meet_and_nobody_else_looks_into_them() {
    let sample = Sample::new();
    let scratch = sample.path("scratch");
    // The name of one that an older version is making.
    let theirs = scratch.join("tenure.restoring").join("theirs");
    fs::create_dir_all(&theirs).unwrap();
    let from = sample.path("backups");
    let restore = Restore { from, backup: None, log_of: None, accept_loss: false, until: Until::Newest };
    let rehearsals = || -> Vec<PathBuf> {
        let found = fs::read_dir(&scratch).unwrap().map(|entry| entry.unwrap().path());
        found.filter(|path| !theirs.starts_with(path)).collect()
    };
    let mut most = 0;
    // Until two were seen at once; each takes many times as long as looking does.
    while most < 2 {
        thread::scope(|scope| {
            let running = [(), ()].map(|()| scope.spawn(|| restore.rehearse(&scratch).unwrap().report));
            while !running.iter().all(|rehearsal| rehearsal.is_finished()) {
                let seen = rehearsals();
                most = most.max(seen.len());
                for path in seen {
                    // It may be gone meanwhile.
                    let mode = fs::metadata(&path).map(|found| found.permissions().mode() & 0o777);
                    assert!(mode.is_err() || mode.is_ok_and(|mode| mode == 0o700), "{}", path.display());
                }
            }
            for rehearsal in running {
                assert!(rehearsal.join().unwrap().is_consistent());
            }
        });
    }
    assert!(rehearsals().is_empty(), "nothing is left of them");
    assert!(theirs.exists());
}

#[test]
fn entries_of_journals_that_cannot_be_read_are_told_of_and_those_behind_them_are_taken() {
    let sample = Sample::new();
    let (_, restored) = sample.restore(true, Until::Newest);
    assert_eq!(restored.journals_short, []);
    let db = reopen(&sample.path("data"), &sample.clock);
    let held = storage(&db);
    // Between the one that the backup has and the one behind it.
    let unreadable = keys::entries_from(sample.store, "outbox", sample.between);
    held.db.put_cf(&held.tables().unwrap().journals, unreadable, b"unreadable").unwrap();
    drop((held, db));
    let (db, restored) = sample.restore(true, Until::Newest);
    assert_eq!(restored.journals_short, [sample.store]);
    assert_eq!(found(&db, sample.store), late());
}

#[test]
fn the_log_of_another_format_is_refused() {
    let sample = Sample::new();
    let restore = || {
        let (from, log_of) = (sample.path("backups"), Some(sample.path("data")));
        let restore = Restore { from, backup: None, log_of, accept_loss: false, until: Until::Newest };
        restore.run(&sample.path("restored")).map(drop)
    };
    set_format(&sample.path("data"), 4);
    let error = restore().unwrap_err();
    assert!(matches!(error, StoreError::NewerFormat { found: 4, supported: 3, .. }), "{error}");
    set_format(&sample.path("data"), 2);
    let error = restore().unwrap_err().to_string();
    assert!(error.contains("it has format 2, and can be read here in format 3 only"), "{error}");
    set_format(&sample.path("data"), 3);
    restore().unwrap();
}
