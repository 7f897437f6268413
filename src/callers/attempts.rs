//! How often an address has failed to say who it is, in bounded memory and without a lock.
//!
//! Nobody guesses 256 bits, limited or not. The limit keeps what is tried from costing much, and from filling the log with
//! more than it says. A valid key is taken whatever has failed before, and so is a token of an issuer that was verified
//! before: nobody can lock them out. A token that is new has to wait, since its signature would have to be checked.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::Instant;
use crate::model::limits::{FAILED_ATTEMPT_COUNTS, FAILED_ATTEMPTS_PER_MINUTE_MAX};

const MICROS_PER_MINUTE: i64 = 60_000_000;

/// The failed attempts of the present minute.
pub struct Attempts {
    /// Nobody can choose with whom to share a count.
    places: RandomState,
    /// Each the minute in its upper half and how many in its lower.
    counts: Box<[AtomicU64]>,
}

impl Default for Attempts {
    fn default() -> Self {
        let counts = (0..FAILED_ATTEMPT_COUNTS).map(|_| AtomicU64::default()).collect();
        Self { places: RandomState::new(), counts }
    }
}

impl Attempts {
    /// One more failed.
    pub fn failed(&self, address: Option<IpAddr>, now: Instant) {
        let (minute, _) = minute(now);
        let next = |count: u64| match (count >> 32, count & u64::from(u32::MAX)) {
            (known, failed) if known == minute => Some(known << 32 | (failed + 1).min(u64::from(u32::MAX))),
            _ => Some(minute << 32 | 1),
        };
        if let Some(count) = self.count(address) {
            let _it_always_changes = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        }
    }

    /// How many seconds this address has to wait; `None` if it may try.
    pub fn wait_s(&self, address: Option<IpAddr>, now: Instant) -> Option<u64> {
        let (minute, left_s) = minute(now);
        let count = self.count(address)?.load(Ordering::Relaxed);
        let failed = count & u64::from(u32::MAX);
        (count >> 32 == minute && failed >= u64::from(FAILED_ATTEMPTS_PER_MINUTE_MAX)).then_some(left_s)
    }

    fn count(&self, address: Option<IpAddr>) -> Option<&AtomicU64> {
        let place = self.places.hash_one(address.map(network));
        let place = usize::try_from(place % u64::try_from(self.counts.len()).ok()?).ok()?;
        self.counts.get(place)
    }
}

/// Whoever has an address of version 6 has all those that begin with the same 64 bits.
fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address) >> 64 << 64,
    }
}

/// Which minute it is, and how many seconds until the next.
fn minute(now: Instant) -> (u64, u64) {
    let (minute, past) =
        (now.unix_micros().div_euclid(MICROS_PER_MINUTE), now.unix_micros().rem_euclid(MICROS_PER_MINUTE));
    let left = u64::try_from(MICROS_PER_MINUTE - past).unwrap_or_default();
    // As many bits as there is room for.
    (u64::try_from(minute).unwrap_or_default() & u64::from(u32::MAX), left.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn who_fails_too_often_waits_for_the_next_minute_and_others_do_not() {
        let attempts = Attempts::default();
        let first = address("192.0.2.1");
        let now = at("2026-01-01T00:00:45.5Z");
        for _ in 0..FAILED_ATTEMPTS_PER_MINUTE_MAX {
            assert_eq!(attempts.wait_s(first, now), None);
            attempts.failed(first, now);
        }
        assert_eq!(attempts.wait_s(first, now), Some(15));
        let others = ["192.0.2.2", "192.0.2.3", "2001:db8::1"].map(address).into_iter().chain([None]);
        // One may share its count, but hardly all.
        assert!(others.map(|other| attempts.wait_s(other, now)).any(|wait| wait.is_none()));
        assert_eq!(attempts.wait_s(first, at("2026-01-01T00:01:00Z")), None);
        attempts.failed(first, at("2026-01-01T00:01:00Z"));
        assert_eq!(attempts.wait_s(first, at("2026-01-01T00:01:01Z")), None);
    }

    #[test]
    fn a_network_of_version_6_counts_as_one_and_a_mapped_address_as_what_it_is() {
        assert_eq!(network("2001:db8::1".parse().unwrap()), network("2001:db8::ffff:2".parse().unwrap()));
        assert_ne!(network("2001:db8::1".parse().unwrap()), network("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), network("192.0.2.1".parse().unwrap()));
    }
}
