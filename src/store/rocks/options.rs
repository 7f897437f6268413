//! How RocksDB is set up: for point reads that mostly find nothing, on a small machine.

use std::time::Duration;

use rocksdb::{
    BlockBasedOptions, BlockBasedTablePinningTier, Cache, DBCompressionType, DBRecoveryMode,
    DataBlockIndexType, Options,
};

/// What an operator may tune.
#[derive(Debug, Clone)]
pub struct RocksOptions {
    /// Memory for blocks read from the disk with their indexes and filters, in bytes. Those of the tables that checks read stay
    /// in it: about 4 bytes a tuple. Where they take more, so does it.
    pub block_cache_bytes: usize,
    /// Memory for what was written and is not yet in a table file, per table, in bytes; of each table there may be
    /// two of them.
    pub memtable_bytes: usize,
    /// Most files open at once.
    pub open_files_max: i32,
    /// Each synced write takes so much longer, as on a slower disk. For measuring; zero otherwise.
    pub sync_delay: Duration,
}

impl Default for RocksOptions {
    fn default() -> Self {
        Self {
            block_cache_bytes: 256 * 1024 * 1024,
            memtable_bytes: 64 * 1024 * 1024,
            open_files_max: 512,
            sync_delay: Duration::ZERO,
        }
    }
}

/// The tables that checks read. Indexes and filters of their files stay in memory as long as the files are open: a read asks
/// those of one file of each level, and looking them up in the cache again and again would cost more than what they save.
const READ_BY_CHECKS: [&str; 2] = ["tuples", "subjects"];
/// The tables in which nothing is looked for that may not be there, but walked over: a filter would only take room.
const WALKED: [&str; 3] = ["subjects", "changelog", "journals"];
/// Bits of a filter for each key: 1 % of the reads of absent keys look further.
const FILTER_BITS_PER_KEY: f64 = 10.0;
/// Part of a memtable that is its filter.
const MEMTABLE_FILTER_RATIO: f64 = 0.05;
/// The log of writes may grow to this before the tables that hold it back are flushed, in bytes.
const WRITE_AHEAD_LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// RocksDB's own messages, in bytes for each file, and files.
const MESSAGES_BYTES_MAX: usize = 4 * 1024 * 1024;
const MESSAGES_FILES_MAX: usize = 4;

/// Of the whole database.
pub(super) fn of_database(options: &RocksOptions) -> Options {
    let mut rocks = Options::default();
    rocks.create_if_missing(true);
    rocks.set_max_open_files(options.open_files_max);
    rocks.set_max_total_wal_size(WRITE_AHEAD_LOG_BYTES_MAX);
    // The log is replayed up to its first broken record. A crash leaves one in whatever shape: cut off, full of zeros, with
    // a wrong checksum; the stricter modes fail on some of these although nothing acknowledged was lost. Whether something
    // was, `acknowledged` knows.
    rocks.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    rocks.set_max_log_file_size(MESSAGES_BYTES_MAX);
    rocks.set_keep_log_file_num(MESSAGES_FILES_MAX);
    rocks
}

/// Of a table. The cache is shared by all.
pub(super) fn of_table(name: &str, options: &RocksOptions, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    if !WALKED.contains(&name) {
        blocks.set_bloom_filter(FILTER_BITS_PER_KEY, false);
        blocks.set_whole_key_filtering(true);
        blocks.set_optimize_filters_for_memory(true);
    }
    // Indexes and filters count against the cache's size; those of the newest files, which every read asks, stay.
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_cache_index_and_filter_blocks_with_high_priority(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    if READ_BY_CHECKS.contains(&name) {
        blocks.set_unpartitioned_pinning_tier(BlockBasedTablePinningTier::All);
    }

    let mut rocks = Options::default();
    rocks.set_compression_type(DBCompressionType::Lz4);
    rocks.set_write_buffer_size(options.memtable_bytes);
    if name == "tuples" {
        // The one table that is read by whole keys.
        blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        rocks.set_memtable_whole_key_filtering(true);
        rocks.set_memtable_prefix_bloom_ratio(MEMTABLE_FILTER_RATIO);
    }
    rocks.set_block_based_table_factory(&blocks);
    rocks
}
