//! Ends of the log of writes that RocksDB alone would never get past.

use std::fs;

use super::super::torn::RECYCLED;
use super::*;

#[test]
fn a_database_opens_whatever_kind_the_torn_end_of_its_log_begins_with() {
    for kind in RECYCLED {
        let (directory, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
        let database = reopen(directory.path(), &clock);
        let store = database.create_store("one").unwrap().id;
        // As a crash leaves it: what was synced is in the log, and nothing was flushed.
        let copy = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(directory.path()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() && entry.file_name() != "LOCK" {
                fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
            }
        }
        database.close().unwrap();
        let logs = fs::read_dir(copy.path()).unwrap().map(|entry| entry.unwrap().path());
        let newest = logs.filter(|path| path.extension().is_some_and(|it| it == "log")).max().unwrap();
        let mut log = fs::read(&newest).unwrap();
        assert!(!log.is_empty(), "the log has what was written");
        let [low, high] = 40_000_u16.to_le_bytes();
        log.extend([1, 2, 3, 4, low, high, kind]);
        log.extend([0xa5; 200]);
        fs::write(&newest, log).unwrap();
        let database = reopen(copy.path(), &clock);
        assert_eq!(database.store(store).unwrap().unwrap().name.as_ref(), "one", "{kind}");
        database.close().unwrap();
    }
}
