//! What can be opened, what cannot, and what the user is told.

use std::env;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use rocksdb::{DB, IteratorMode, Options, WriteBatch};

use super::super::super::Snapshot;
use super::super::super::conformance::{asserting, with_model, writes};
use super::super::format::Step;
use super::super::storage::{META, TABLES, failed};
use super::*;
use crate::model::Revision;

/// Tells the test below, started as a process of its own, what to open.
const OPEN_IN_CHILD: &str = "TENURE_TEST_OPEN";

fn open_error(path: &Path) -> StoreError {
    RocksDatabase::open(path, ManualClock::new(), &small()).err().unwrap()
}

#[test]
fn a_directory_that_this_process_has_open_is_locked() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let db = reopen(directory.path(), &clock);
    let error = open_error(directory.path());
    assert!(matches!(&error, StoreError::Locked { path } if path == directory.path()), "{error}");
    drop(db);
    drop(reopen(directory.path(), &clock));
}

/// Does nothing unless it is started by the test below.
#[test]
fn opened_in_another_process() {
    let Some(path) = env::var_os(OPEN_IN_CHILD) else { return };
    let db = reopen(Path::new(&path), &ManualClock::new());
    println!("opened");
    // Until the other end is closed.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    drop(db);
}

#[test]
fn a_directory_that_another_process_has_open_is_locked() {
    let directory = tempfile::tempdir().unwrap();
    let name = format!("{}::opened_in_another_process", module_path!().split_once("::").unwrap().1);
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(OPEN_IN_CHILD, directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(output.any(|line| line.contains("opened")), "the child did not get to it");
    let error = open_error(directory.path());
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    drop(child.stdin.take());
    output.for_each(drop);
    assert!(child.wait().unwrap().success());
    drop(reopen(directory.path(), &ManualClock::new()));
}

#[test]
fn a_file_is_no_directory() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let message = open_error(file.path()).to_string();
    assert!(message.ends_with("it is not a directory") && message.contains("data directory"), "{message}");
    let error = open_error(&file.path().join("below"));
    assert!(matches!(error, StoreError::Directory { .. }), "{error}");
}

/// Nothing can be made below `/proc`, not even by root.
#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    for path in ["/proc/tenure", "/proc/self"] {
        let error = open_error(Path::new(path));
        assert!(
            matches!(&error, StoreError::Directory { path: named, .. } if named == Path::new(path)),
            "{error}"
        );
    }
}

/// Sets the format that a directory claims to have.
pub(super) fn set_format(path: &Path, format: u32) {
    let db = DB::open_cf(&Options::default(), path, TABLES).unwrap();
    db.put_cf(&db.cf_handle(META).unwrap(), keys::FORMAT, records::encode_format(format)).unwrap();
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    drop(reopen(directory.path(), &ManualClock::new()));
    set_format(directory.path(), 4);
    let error = open_error(directory.path());
    assert!(matches!(error, StoreError::NewerFormat { found: 4, supported: 3, .. }), "{error}");
    set_format(directory.path(), 3);
    drop(reopen(directory.path(), &ManualClock::new()));
    set_format(directory.path(), 0);
    let error = open_error(directory.path());
    assert_eq!(error.to_string(), "a stored record cannot be read (format): there is no format 0");
}

/// A step that leaves a mark each time it is done.
fn mark(db: &DB, step: u8) -> Result<(), StoreError> {
    let mut rows = WriteBatch::default();
    let meta = storage::table(db, META)?;
    let done = db.get_cf(&meta, [0xee, step]).unwrap().map_or(0, |times| times[0]);
    rows.put_cf(&meta, [0xee, step], [done + 1]);
    db.write(rows).map_err(failed("marking"))
}

fn marks(db: &RocksDatabase) -> Vec<(u8, u8)> {
    let storage = storage(db);
    let tables = storage.tables().unwrap();
    let rows = storage.db.iterator_cf(&tables.meta, IteratorMode::Start).map(Result::unwrap);
    rows.filter(|(key, _)| key[0] == 0xee).map(|(key, value)| (key[1], value[0])).collect()
}

#[test]
fn an_older_format_is_migrated_step_by_step_and_once() {
    const FOUR: &[Step] = &[|db| mark(db, 1), |db| mark(db, 2), |db| mark(db, 3)];
    const BROKEN: &[Step] = &[
        |db| mark(db, 1),
        |db| {
            mark(db, 2)?;
            Err(StoreError::Io { doing: "migrating", reason: "broken off".into() })
        },
    ];
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let seams = |steps| Seams { steps, ..Seams::default() };
    let db = open_with(directory.path(), &clock, seams(&[])).unwrap();
    let store = db.create_store("first").unwrap().id;
    db.commit(store, writes(&["document:1#viewer@user:a"])).unwrap();
    assert!(marks(&db).is_empty());
    drop(db);

    let error = open_with(directory.path(), &clock, seams(BROKEN)).err().unwrap();
    assert!(matches!(error, StoreError::Io { doing: "migrating", .. }));
    for _ in 0..2 {
        let db = open_with(directory.path(), &clock, seams(FOUR)).unwrap();
        assert_eq!(
            marks(&db),
            [(1, 1), (2, 2), (3, 1)],
            "the step that was broken off is done again, and no other"
        );
        assert!(db.verify().unwrap().is_consistent());
    }
    let error = open_error(directory.path());
    assert!(matches!(error, StoreError::NewerFormat { found: 4, supported: 3, .. }), "{error}");
}

#[test]
fn a_directory_of_format_1_has_no_assertions_and_takes_some() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let db = reopen(directory.path(), &clock);
    let store = db.create_store("first").unwrap().id;
    let model = db.commit(store, with_model("document")).unwrap().model.unwrap();
    drop(db);
    // As the first version left it: without the table, and the commit without what is new in it.
    let mut db = DB::open_cf(&Options::default(), directory.path(), TABLES).unwrap();
    let changelog = db.cf_handle("changelog").unwrap();
    let key = keys::commit(store, Revision(1));
    let mut commit = db.get_cf(&changelog, &key).unwrap().unwrap();
    assert_eq!((commit[0], commit.pop(), commit.pop()), (3, Some(0), Some(0)));
    commit[0] = 1;
    db.put_cf(&changelog, &key, commit).unwrap();
    for table in ["assertions", "documents", "journals"] {
        db.drop_cf(table).unwrap();
    }
    drop(db);
    let db = DB::open_cf(
        &Options::default(),
        directory.path(),
        DB::list_cf(&Options::default(), directory.path()).unwrap(),
    )
    .unwrap();
    db.put_cf(&db.cf_handle(META).unwrap(), keys::FORMAT, records::encode_format(1)).unwrap();
    drop(db);

    let db = reopen(directory.path(), &clock);
    let assertions = |db: &RocksDatabase| db.snapshot(store).unwrap().unwrap().assertions(model).unwrap();
    assert!(assertions(&db).is_empty());
    db.commit(store, asserting(model, &["document:1#viewer@user:a"])).unwrap();
    assert_eq!(assertions(&db).len(), 1);
    let report = db.verify().unwrap();
    assert!(report.is_consistent(), "{report}");
    drop(db);
    assert_eq!(assertions(&reopen(directory.path(), &clock)).len(), 1);
}

#[test]
fn a_new_directory_has_the_newest_format_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let db = open_with(
        &directory.path().join("below").join("it"),
        &ManualClock::new(),
        Seams { steps: &[|db| mark(db, 1)], ..Seams::default() },
    )
    .unwrap();
    assert!(marks(&db).is_empty());
}

#[test]
fn a_making_that_was_broken_off_is_completed() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    drop(DB::open_cf(&options, directory.path(), ["tuples", META]).unwrap());
    let db = reopen(directory.path(), &ManualClock::new());
    db.create_store("first").unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_directory_that_is_made_is_its_owners_and_one_that_exists_keeps_its_mode() {
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("made");
    drop(reopen(&made, &ManualClock::new()));
    assert_eq!(mode(&made), 0o700);
    fs::set_permissions(&made, Permissions::from_mode(0o750)).unwrap();
    drop(reopen(&made, &ManualClock::new()));
    assert_eq!(mode(&made), 0o750);
}

#[test]
fn a_directory_of_other_things_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("notes.txt"), "theirs").unwrap();
    let error = open_error(directory.path());
    assert!(matches!(&error, StoreError::Directory { path, .. } if path == directory.path()), "{error}");
    let expected = "it has no database and is not empty (`notes.txt` is in it); name one that is empty or does not exist";
    assert!(error.to_string().ends_with(expected), "{error}");
    let names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["notes.txt"]);
}

#[test]
fn the_root_of_a_file_system_and_a_directory_that_was_only_locked_are_as_good_as_empty() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("lost+found")).unwrap();
    fs::write(directory.path().join("tenure.lock"), "").unwrap();
    drop(reopen(directory.path(), &ManualClock::new()));
    fs::remove_file(directory.path().join("tenure.lock")).unwrap();
    drop(reopen(directory.path(), &ManualClock::new()));
}

#[test]
fn a_database_of_another_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    DB::open_default(directory.path()).unwrap().put("their", "row").unwrap();
    let message = open_error(directory.path()).to_string();
    assert!(message.ends_with("it is of another program"), "{message}");
    assert_eq!(DB::open_default(directory.path()).unwrap().get("their").unwrap().unwrap(), b"row");
}
