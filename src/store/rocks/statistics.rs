//! What the database tells of itself. RocksDB keeps all of it at hand; asking costs a few locks of its own, and no reads.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use rocksdb::ColumnFamily;

use super::super::distribution::Distribution;
use super::super::statistics::{DatabaseStatistics, TableStatistics};
use super::storage::{META, Storage};

/// The end of the first bucket of durations, in nanoseconds: 50 µs.
const FIRST_BUCKET_NS: u64 = 50_000;

/// What the writer counts.
#[derive(Debug)]
pub(super) struct WriterCounts {
    /// Requests of a group.
    pub(super) group_commits: Distribution,
    /// Time of a synced write, in nanoseconds.
    pub(super) group_write_ns: Distribution,
}

impl Default for WriterCounts {
    fn default() -> Self {
        Self { group_commits: Distribution::new(1), group_write_ns: Distribution::new(FIRST_BUCKET_NS) }
    }
}

/// What there is to tell now. What cannot be found out is 0.
pub(super) fn statistics(storage: &Storage, counts: &WriterCounts) -> DatabaseStatistics {
    let db = &storage.db;
    let of_database = |name: &str| db.property_int_value(name).ok().flatten().unwrap_or_default();
    let mut statistics = DatabaseStatistics {
        group_commits: counts.group_commits.now(),
        group_write_ns: counts.group_write_ns.now(),
        tables: Vec::new(),
        write_ahead_log_bytes: log_bytes(db.path()),
        block_cache_bytes: (0, 0),
        running: of_database("rocksdb.num-running-compactions") + of_database("rocksdb.num-running-flushes"),
        writes_stopped: of_database("rocksdb.is-write-stopped") != 0,
        delayed_write_bytes_per_s: of_database("rocksdb.actual-delayed-write-rate"),
        background_errors: of_database("rocksdb.background-errors"),
        snapshots: of_database("rocksdb.num-snapshots"),
        oldest_snapshot_unix_s: of_database("rocksdb.oldest-snapshot-time"),
    };
    let Ok(tables) = storage.tables() else { return statistics };
    let of = |table: &ColumnFamily, name: &str| {
        db.property_int_value_cf(&table, name).ok().flatten().unwrap_or_default()
    };
    // All tables share one cache.
    let cache = |name| of(tables.meta, name);
    statistics.block_cache_bytes =
        (cache("rocksdb.block-cache-usage"), cache("rocksdb.block-cache-capacity"));
    let all = tables.of_stores().into_iter().chain([(META, tables.meta)]);
    let of_table = |(name, table): (&'static str, &ColumnFamily)| TableStatistics {
        name,
        rows: of(table, "rocksdb.estimate-num-keys"),
        memtable_bytes: of(table, "rocksdb.size-all-mem-tables"),
        file_bytes: of(table, "rocksdb.live-sst-files-size"),
        pending_compaction_bytes: of(table, "rocksdb.estimate-pending-compaction-bytes"),
    };
    statistics.tables = all.map(of_table).collect();
    statistics
}

/// The files of the log of writes.
fn log_bytes(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let logs = entries.flatten().filter(|entry| entry.path().extension() == Some(OsStr::new("log")));
    logs.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}
