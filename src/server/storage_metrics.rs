//! What the database tells of itself, as metrics: asked whenever somebody asks for them.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::histograms;
use crate::engine::Engine;
use crate::store::{Database, DatabaseStatistics, TableStatistics};

/// The database of an engine.
pub(super) struct StorageMetrics<D: Database>(pub(super) Arc<Engine<D>>);

impl<D: Database> fmt::Debug for StorageMetrics<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StorageMetrics")
    }
}

impl<D: Database> Collector for StorageMetrics<D> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let statistics = self.0.database().statistics();
        let ready = [("ready", "Whether writes are accepted", u64::from(self.0.ready().is_ok()))];
        gauges(&mut encoder, &ready)?;
        commits(&mut encoder, &statistics)?;
        tables(&mut encoder, &statistics.tables)?;
        let DatabaseStatistics { write_ahead_log_bytes, block_cache_bytes: (used, most), .. } = statistics;
        gauges(
            &mut encoder,
            &[
                ("storage_wal_bytes", "Log of writes that are in no table file yet", write_ahead_log_bytes),
                ("storage_block_cache_bytes", "Memory for blocks that were read", used),
                ("storage_block_cache_capacity_bytes", "Most memory for blocks that were read", most),
                ("storage_compactions_running", "Compactions and flushes under way", statistics.running),
                (
                    "storage_writes_stopped",
                    "Whether writes wait for compactions",
                    u64::from(statistics.writes_stopped),
                ),
                (
                    "storage_delayed_write_bytes_per_second",
                    "What writes are slowed down to; 0: they are not",
                    statistics.delayed_write_bytes_per_s,
                ),
                ("storage_snapshots", "Snapshots held", statistics.snapshots),
                (
                    "storage_oldest_snapshot_timestamp_seconds",
                    "When the oldest snapshot was taken, since 1970; 0: none is held",
                    statistics.oldest_snapshot_unix_s,
                ),
            ],
        )?;
        let help = "Failures of compactions and flushes";
        let metric =
            encoder.encode_descriptor("storage_background_errors", help, None, MetricType::Counter)?;
        ConstCounter::new(statistics.background_errors).encode(metric)
    }
}

fn gauges(encoder: &mut DescriptorEncoder<'_>, gauges: &[(&str, &str, u64)]) -> fmt::Result {
    for (name, help, value) in gauges {
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(*value).encode(metric)?;
    }
    Ok(())
}

fn commits(encoder: &mut DescriptorEncoder<'_>, statistics: &DatabaseStatistics) -> fmt::Result {
    let help = "Commits that became durable together";
    let metric = encoder.encode_descriptor("commit_group_size", help, None, MetricType::Histogram)?;
    histograms::encode(&statistics.group_commits, 1.0, metric)?;
    let help = "Time to make a group of commits durable";
    let unit = Some(&Unit::Seconds);
    let metric = encoder.encode_descriptor("commit_write_duration", help, unit, MetricType::Histogram)?;
    histograms::encode_ns(&statistics.group_write_ns, metric)
}

fn tables(encoder: &mut DescriptorEncoder<'_>, tables: &[TableStatistics]) -> fmt::Result {
    type Value = fn(&TableStatistics) -> u64;
    let of_tables: [(&str, &str, Value); 4] = [
        ("storage_rows", "Rows of a table, by estimate", |table| table.rows),
        ("storage_memtable_bytes", "What is written and in no file yet", |table| table.memtable_bytes),
        ("storage_file_bytes", "Files of a table", |table| table.file_bytes),
        ("storage_pending_compaction_bytes", "What compactions have to rewrite, by estimate", |table| {
            table.pending_compaction_bytes
        }),
    ];
    for (name, help, value) in of_tables {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for table in tables {
            ConstGauge::new(value(table)).encode(metric.encode_family(&[("table", table.name)])?)?;
        }
    }
    Ok(())
}
