//! What is counted of each store, of as many stores as have room; all others are one.
//!
//! Names of stores are in the metrics, so that their number is bounded: a store has a place from its first request that
//! succeeded until the server ends, and where there is none left it counts among `other`. Finding a place takes no lock.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use crate::model::StoreId;
use crate::model::limits::STORES_IN_METRICS_MAX;

/// Places: several times as many as may be taken, so that looking for one ends soon.
const PLACES: usize = 4 * STORES_IN_METRICS_MAX;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OfStore {
    Requests,
    /// Those that were answered with 400 and more.
    Failures,
    Allowed,
    Denied,
    Undecided,
    Reads,
}

const COUNTERS: usize = 6;

/// The counters of a store.
#[derive(Debug, Default)]
struct Counts([AtomicU64; COUNTERS]);

impl Counts {
    fn of(&self, what: OfStore) -> u64 {
        self.0.get(what as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

#[derive(Debug, Default)]
struct Place {
    store: OnceLock<StoreId>,
    counts: Counts,
}

/// The counters of all stores.
#[derive(Debug, Clone)]
pub(super) struct StoreMetrics(Arc<Places>);

#[derive(Debug)]
struct Places {
    places: Vec<Place>,
    taken: AtomicUsize,
    others: Counts,
}

impl Default for StoreMetrics {
    fn default() -> Self {
        let places = (0..PLACES).map(|_| Place::default()).collect();
        Self(Arc::new(Places { places, taken: AtomicUsize::new(0), others: Counts::default() }))
    }
}

impl StoreMetrics {
    /// Gives a store a place, if there is one left. Called for those that exist.
    pub(super) fn know(&self, store: StoreId) {
        let Places { places, taken, .. } = &*self.0;
        for place in self.along(store) {
            match place.store.get() {
                Some(known) if *known == store => return,
                Some(_) => {}
                None => {
                    if taken.load(Ordering::Relaxed) >= STORES_IN_METRICS_MAX.min(places.len()) {
                        return;
                    }
                    if place.store.set(store).is_ok() {
                        taken.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                    // Another one was quicker: perhaps for the same store.
                    if place.store.get() == Some(&store) {
                        return;
                    }
                }
            }
        }
    }

    /// Counts.
    pub(super) fn count(&self, store: StoreId, what: OfStore, count: u64) {
        // A kept decision reads nothing, and most are kept.
        if count == 0 {
            return;
        }
        let known =
            self.along(store).map_while(|place| place.store.get().map(|known| (known, &place.counts)));
        let found = known.into_iter().find(|(known, _)| **known == store).map(|(_, counts)| counts);
        if let Some(counter) = found.unwrap_or(&self.0.others).0.get(what as usize) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// The places in which a store is looked for, in their order. The last bits of its identifier are random.
    fn along(&self, store: StoreId) -> impl Iterator<Item = &Place> {
        let places = &self.0.places;
        // Half of the bits do, and are divided in a tenth of the time.
        let first = (store.bits() as u64 % PLACES as u64) as usize;
        let (before, after) = places.split_at_checked(first).unwrap_or((&[], places));
        after.iter().chain(before)
    }
}

impl Collector for StoreMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Places { places, others, .. } = &*self.0;
        let known =
            || places.iter().filter_map(|place| Some((place.store.get()?.to_string(), &place.counts)));
        let all: Vec<(String, &Counts)> = known().chain([("other".to_owned(), others)]).collect();
        let plain = [
            ("store_requests", "Requests answered, by store", OfStore::Requests),
            ("store_failures", "Requests answered with a status of 400 or more, by store", OfStore::Failures),
            ("store_evaluation_reads", "Reads of evaluations, by store", OfStore::Reads),
        ];
        for (name, help, what) in plain {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (store, counts) in &all {
                let labels = [("store", store.as_str())];
                ConstCounter::new(counts.of(what)).encode(metric.encode_family(&labels)?)?;
            }
        }
        let help = "Checks decided, by store";
        let mut metric = encoder.encode_descriptor("store_checks", help, None, MetricType::Counter)?;
        let outcomes =
            [("allowed", OfStore::Allowed), ("denied", OfStore::Denied), ("error", OfStore::Undecided)];
        for (store, counts) in &all {
            for (outcome, what) in outcomes {
                let labels = [("store", store.as_str()), ("outcome", outcome)];
                ConstCounter::new(counts.of(what)).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Id;

    fn shown(metrics: &StoreMetrics, store: StoreId) -> Option<u64> {
        let place = metrics.0.places.iter().find(|place| place.store.get() == Some(&store))?;
        Some(place.counts.of(OfStore::Reads))
    }

    #[test]
    fn stores_beyond_the_room_are_counted_together_and_none_is_counted_twice() {
        let metrics = StoreMetrics::default();
        // All of them are looked for at the same place first.
        let stores: Vec<StoreId> =
            (0..STORES_IN_METRICS_MAX + 5).map(|n| Id::from_bits((n * PLACES + 7) as u128)).collect();
        for _ in 0..2 {
            for store in &stores {
                metrics.know(*store);
                metrics.count(*store, OfStore::Reads, 3);
            }
        }
        let (known, others) = stores.split_at(STORES_IN_METRICS_MAX);
        assert!(known.iter().all(|store| shown(&metrics, *store) == Some(6)));
        assert!(others.iter().all(|store| shown(&metrics, *store).is_none()));
        assert_eq!(metrics.0.others.of(OfStore::Reads), 5 * 6);
    }

    #[test]
    fn a_store_that_nobody_knows_takes_no_place() {
        let metrics = StoreMetrics::default();
        metrics.count(Id::from_bits(1), OfStore::Requests, 1);
        assert_eq!(metrics.0.taken.load(Ordering::Relaxed), 0);
        assert_eq!(metrics.0.others.of(OfStore::Requests), 1);
    }

    #[test]
    fn a_place_is_given_once_however_many_ask_for_it_at_once() {
        let metrics = StoreMetrics::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..STORES_IN_METRICS_MAX as u128 / 2 {
                        metrics.know(Id::from_bits(n * 3));
                        metrics.count(Id::from_bits(n * 3), OfStore::Reads, 1);
                    }
                });
            }
        });
        assert_eq!(metrics.0.taken.load(Ordering::Relaxed), STORES_IN_METRICS_MAX / 2);
        assert_eq!(metrics.0.others.of(OfStore::Reads), 0);
        let sum: u64 = metrics.0.places.iter().map(|place| place.counts.of(OfStore::Reads)).sum();
        assert_eq!(sum, 4 * (STORES_IN_METRICS_MAX as u64 / 2));
    }
}
