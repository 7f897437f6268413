//! The yardstick: the same tuples in a RocksDB database that is used directly, under keys that are plain text, with
//! the options that Tenure has, and nothing around it.

use std::hint::black_box;
use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRawIterator,
    DataBlockIndexType, FlushOptions, Options, ReadOptions, Snapshot, WriteBatch, WriteOptions,
};
use tenure::cli::workload::Tuple;
use tenure::model::{ObjectRef, SubjectClass, SubjectRef, TupleRef};
use tenure::store::rocks::RocksOptions;

use crate::record::Read;

/// `object#relation@subject`
pub const BY_OBJECT: &str = "tuples";
/// `subject@type#relation:id`
pub const BY_SUBJECT: &str = "subjects";

/// Rows written together while loading.
const ROWS_PER_BATCH: usize = 10_000;

// The class stands before the subject, so that the scans of one class read what Tenure's read and not more.
fn class_digit(class: SubjectClass) -> char {
    match class {
        SubjectClass::Object => '1',
        SubjectClass::Wildcard => '2',
        SubjectClass::Userset => '3',
    }
}

pub fn key(tuple: TupleRef<'_>) -> Vec<u8> {
    let class = class_digit(tuple.subject.class());
    format!("{}#{}@{class}{}", tuple.object, tuple.relation, tuple.subject).into_bytes()
}

pub fn class_prefix(object: ObjectRef<'_>, relation: &str, class: SubjectClass) -> Vec<u8> {
    format!("{object}#{relation}@{}", class_digit(class)).into_bytes()
}

pub fn reverse_prefix(subject: SubjectRef<'_>, object_type: &str, relation: &str) -> Vec<u8> {
    format!("{}{subject}@{object_type}#{relation}:", class_digit(subject.class())).into_bytes()
}

fn reverse_key(tuple: TupleRef<'_>) -> Vec<u8> {
    let mut key = reverse_prefix(tuple.subject, tuple.object.type_name, tuple.relation);
    key.extend_from_slice(tuple.object.id.as_bytes());
    key
}

/// As many bytes as a record of Tenure's: the lifetime and when it was written.
fn value(tuple: &Tuple) -> Vec<u8> {
    let mut value = vec![1, u8::from(tuple.lifetime.paused)];
    if let Some(end) = tuple.lifetime.expires_at {
        value.extend_from_slice(&end.unix_micros().to_be_bytes());
    }
    value.extend_from_slice(&1_700_000_000_000_000_i64.to_be_bytes());
    value
}

/// A database that is used directly.
pub struct Bare {
    db: DB,
}

impl Bare {
    /// Makes the database in `path`, all of it in files, and opens it anew.
    pub fn create(path: &Path, tuples: impl Iterator<Item = Tuple>) -> Self {
        let bare = Self::open(path);
        let mut batch = WriteBatch::default();
        for tuple in tuples {
            bare.put(&mut batch, &tuple);
            if batch.len() >= ROWS_PER_BATCH {
                bare.db.write(std::mem::take(&mut batch)).unwrap();
            }
        }
        bare.db.write(batch).unwrap();
        let mut wait = FlushOptions::default();
        wait.set_wait(true);
        bare.db.flush_cfs_opt(&[bare.table(BY_OBJECT), bare.table(BY_SUBJECT)], &wait).unwrap();
        drop(bare);
        Self::open(path)
    }

    pub fn open(path: &Path) -> Self {
        // What `RocksDatabase` sets, as far as it changes what reads and writes cost.
        let own = RocksOptions::default();
        let cache = Cache::new_hyper_clock_cache(own.block_cache_bytes, 0);
        let mut database = Options::default();
        database.create_if_missing(true);
        database.create_missing_column_families(true);
        database.set_max_open_files(own.open_files_max);
        let table = |name: &str| {
            let mut blocks = BlockBasedOptions::default();
            blocks.set_block_cache(&cache);
            blocks.set_bloom_filter(10.0, false);
            blocks.set_whole_key_filtering(true);
            blocks.set_optimize_filters_for_memory(true);
            blocks.set_cache_index_and_filter_blocks(true);
            blocks.set_cache_index_and_filter_blocks_with_high_priority(true);
            blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
            let mut options = Options::default();
            options.set_compression_type(DBCompressionType::Lz4);
            options.set_write_buffer_size(own.memtable_bytes);
            if name == BY_OBJECT {
                blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
                options.set_memtable_whole_key_filtering(true);
                options.set_memtable_prefix_bloom_ratio(0.05);
            }
            options.set_block_based_table_factory(&blocks);
            ColumnFamilyDescriptor::new(name, options)
        };
        let tables = [BY_OBJECT, BY_SUBJECT].map(table);
        Self { db: DB::open_cf_descriptors(&database, path, tables).unwrap() }
    }

    fn table(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).unwrap()
    }

    fn put(&self, batch: &mut WriteBatch, tuple: &Tuple) {
        let value = value(tuple);
        batch.put_cf(self.table(BY_OBJECT), key(tuple.key.as_ref()), &value);
        batch.put_cf(self.table(BY_SUBJECT), reverse_key(tuple.key.as_ref()), &value);
    }

    /// Looks whether the tuples are there, as every write must, and writes them in one synced batch.
    pub fn write(&self, tuples: &[Tuple]) {
        let mut batch = WriteBatch::default();
        for tuple in tuples {
            let found = self.db.get_pinned_cf(self.table(BY_OBJECT), key(tuple.key.as_ref())).unwrap();
            assert!(found.is_none());
            self.put(&mut batch, tuple);
        }
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        self.db.write_opt(batch, &synced).unwrap();
    }

    /// Reads as a careful direct user does: one snapshot for the request, and an iterator for each scan.
    pub fn replay(&self, reads: &[Read]) {
        let snapshot = self.db.snapshot();
        let mut options = ReadOptions::default();
        options.set_snapshot(&snapshot);
        let by_object = self.table(BY_OBJECT);
        for read in reads {
            match read {
                Read::Point(key) => self.point(by_object, key, &options),
                Read::Scan { table, prefix, steps } => {
                    scan(&mut snapshot.raw_iterator_cf(self.table(table)), prefix, *steps);
                }
            }
        }
    }

    /// A snapshot that many requests share, as they do in Tenure while nothing is written.
    pub fn shared(&self) -> Shared<'_> {
        let snapshot = self.db.snapshot();
        let mut options = ReadOptions::default();
        options.set_snapshot(&snapshot);
        Shared { bare: self, snapshot, options }
    }

    fn point(&self, table: &ColumnFamily, key: &[u8], options: &ReadOptions) {
        black_box(self.db.get_pinned_cf_opt(table, key, options).unwrap().as_deref());
    }
}

/// The least that the reads can cost: the snapshot is shared, and a request makes one iterator for each table.
pub struct Shared<'a> {
    bare: &'a Bare,
    snapshot: Snapshot<'a>,
    options: ReadOptions,
}

impl Shared<'_> {
    pub fn replay(&self, reads: &[Read]) {
        let by_object = self.bare.table(BY_OBJECT);
        let mut objects = None;
        let mut subjects = None;
        for read in reads {
            match read {
                Read::Point(key) => self.bare.point(by_object, key, &self.options),
                Read::Scan { table, prefix, steps } => {
                    let iterator = if *table == BY_OBJECT { &mut objects } else { &mut subjects };
                    let make = || self.snapshot.raw_iterator_cf(self.bare.table(table));
                    scan(iterator.get_or_insert_with(make), prefix, *steps);
                }
            }
        }
    }
}

fn scan(iterator: &mut DBRawIterator<'_>, prefix: &[u8], steps: usize) {
    iterator.seek(prefix);
    for step in 0..steps {
        if step > 0 {
            iterator.next();
        }
        match iterator.item() {
            Some((key, value)) if key.starts_with(prefix) => {
                black_box((key, value));
            }
            _ => break,
        }
    }
}
