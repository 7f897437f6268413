//! What a database tells of itself to whoever watches over it. Nothing here decides anything.

use super::distribution::Distributed;

/// What a database has done since it was opened, and what it takes now.
#[derive(Debug, Clone, Default)]
pub struct DatabaseStatistics {
    /// Commits, of tuples, models, stores and all else, that became durable together: how many at once.
    pub group_commits: Distributed,
    /// How long it took to make a group durable, in nanoseconds.
    pub group_write_ns: Distributed,
    /// Of each table, in a fixed order.
    pub tables: Vec<TableStatistics>,
    /// The log of writes that are in no table file yet, in bytes.
    pub write_ahead_log_bytes: u64,
    /// Memory for blocks that were read, in bytes: in use, and at the most.
    pub block_cache_bytes: (u64, u64),
    /// Compactions and flushes under way.
    pub running: u64,
    /// Whether writes wait for compactions.
    pub writes_stopped: bool,
    /// What writes are slowed down to, in bytes for each second; 0: they are not.
    pub delayed_write_bytes_per_s: u64,
    /// Failures of compactions and flushes.
    pub background_errors: u64,
    /// Snapshots that are held.
    pub snapshots: u64,
    /// When the oldest of them was taken, in seconds since 1970; 0: there is none.
    pub oldest_snapshot_unix_s: u64,
}

/// What a table takes.
#[derive(Debug, Clone, Copy, Default)]
pub struct TableStatistics {
    /// Its name.
    pub name: &'static str,
    /// Its rows, by estimate.
    pub rows: u64,
    /// What was written to it and is in no file yet, in bytes.
    pub memtable_bytes: u64,
    /// Its files, in bytes.
    pub file_bytes: u64,
    /// What compactions have to rewrite, in bytes, by estimate.
    pub pending_compaction_bytes: u64,
}
