//! What the process takes of the machine, under the names that Prometheus's clients have for it everywhere. Linux tells it in
//! `/proc`; elsewhere there is nothing.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Linux counts time for programs in hundredths of a second, whatever its own ticks are.
const TICKS_PER_S: f64 = 100.0;
const BYTES_PER_KIB: u64 = 1024;

/// This process.
#[derive(Debug)]
pub(super) struct ProcessMetrics;

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let open = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64);
        let gauges = [
            (
                "process_resident_memory_bytes",
                "Resident memory size in bytes",
                number(&status, "VmRSS:").map(|kib| kib * BYTES_PER_KIB),
            ),
            ("process_threads", "Threads", number(&status, "Threads:")),
            ("process_open_fds", "Open file descriptors", open),
            ("process_max_fds", "Most open file descriptors", number(&limits, "Max open files")),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                ConstGauge::new(value).encode(metric)?;
            }
        }
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        if let Some(seconds) = cpu_seconds(&stat) {
            let help = "Total user and system CPU time spent in seconds";
            let metric = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
            ConstCounter::new(seconds).encode(metric)?;
        }
        Ok(())
    }
}

/// The first number of the line that begins like this.
fn number(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The 14th and 15th field: time in user mode and in the kernel. The second field, in parentheses, may contain spaces.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut times = rest.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (times.next()?.parse().ok()?, times.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_what_linux_tells() {
        let status = "Name:\ttenure\nVmRSS:\t   51234 kB\nThreads:\t17\n";
        assert_eq!(number(status, "VmRSS:"), Some(51_234));
        assert_eq!(number(status, "Threads:"), Some(17));
        assert_eq!(
            number(
                "Max open files            1024                 524288               files\n",
                "Max open files"
            ),
            Some(1024)
        );
        assert_eq!(
            number(
                "Max open files            unlimited            unlimited            files\n",
                "Max open files"
            ),
            None
        );
        let stat = "77 (a ) b) S 1 77 77 0 -1 4194560 1000 0 5 0 250 50 0 0 20 0 17 0 123 1 2 3";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds(""), None);
    }
}
