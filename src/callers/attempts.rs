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
    /// Nobody can choose with whom to share a place.
    places: RandomState,
    counts: Box<[AtomicU64]>,
}

/// What a place has: whose attempts, in which minute, and how many. Another address does not add to them, so that nobody is
/// made to wait for what others did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    /// Enough of the address's hash to tell it from others in its place.
    whose: u32,
    /// The lower bits of its number.
    minute: u16,
    failed: u16,
}

impl Count {
    fn of_bits(bits: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = bits.to_be_bytes();
        Self {
            whose: u32::from_be_bytes([a, b, c, d]),
            minute: u16::from_be_bytes([e, f]),
            failed: u16::from_be_bytes([g, h]),
        }
    }

    fn bits(self) -> u64 {
        u64::from(self.whose) << 32 | u64::from(self.minute) << 16 | u64::from(self.failed)
    }

    fn is_too_many(self) -> bool {
        u32::from(self.failed) >= FAILED_ATTEMPTS_PER_MINUTE_MAX
    }
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
        let Some((whose, place)) = self.place(address) else { return };
        let next = |bits| {
            let count = Count::of_bits(bits);
            let of_now = count.minute == minute;
            let failed = match count.whose == whose && of_now {
                true => count.failed.saturating_add(1),
                // Who has to wait goes on waiting.
                false if of_now && count.is_too_many() => return None,
                false => 1,
            };
            Some(Count { whose, minute, failed }.bits())
        };
        // It changes nothing where somebody else has to wait in its place.
        let _not_always = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// How many seconds this address has to wait; `None` if it may try.
    pub fn wait_s(&self, address: Option<IpAddr>, now: Instant) -> Option<u64> {
        let (minute, left_s) = minute(now);
        let (whose, place) = self.place(address)?;
        let count = Count::of_bits(place.load(Ordering::Relaxed));
        (count.whose == whose && count.minute == minute && count.is_too_many()).then_some(left_s)
    }

    fn place(&self, address: Option<IpAddr>) -> Option<(u32, &AtomicU64)> {
        let hash = self.places.hash_one(address.map(network));
        let place = usize::try_from(hash % u64::try_from(self.counts.len()).ok()?).ok()?;
        Some((u32::try_from(hash >> 32).ok()?, self.counts.get(place)?))
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
fn minute(now: Instant) -> (u16, u64) {
    let (minute, past) =
        (now.unix_micros().div_euclid(MICROS_PER_MINUTE), now.unix_micros().rem_euclid(MICROS_PER_MINUTE));
    let left = u64::try_from(MICROS_PER_MINUTE - past).unwrap_or_default();
    // As many bits as there is room for.
    (u16::try_from(minute & i64::from(u16::MAX)).unwrap_or_default(), left.div_ceil(1_000_000))
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
        for other in others {
            assert_eq!(attempts.wait_s(other, now), None);
        }
        assert_eq!(attempts.wait_s(first, at("2026-01-01T00:01:00Z")), None);
        attempts.failed(first, at("2026-01-01T00:01:00Z"));
        assert_eq!(attempts.wait_s(first, at("2026-01-01T00:01:01Z")), None);
    }

    #[test]
    fn nobody_waits_for_what_others_did() {
        let attempts = Attempts::default();
        let now = at("2026-01-01T00:00:45Z");
        // So many networks that they meet in nearly every place.
        for network in 0..4 * FAILED_ATTEMPT_COUNTS {
            let other = Some(IpAddr::V6((u128::try_from(network).unwrap() << 64).into()));
            for _ in 0..FAILED_ATTEMPTS_PER_MINUTE_MAX {
                attempts.failed(other, now);
            }
        }
        let waiting = |count: &&AtomicU64| Count::of_bits(count.load(Ordering::Relaxed)).is_too_many();
        assert!(attempts.counts.iter().filter(waiting).count() > FAILED_ATTEMPT_COUNTS / 10 * 9);
        let others = (0..100).map(|n| address(&format!("192.0.2.{n}")));
        assert!(others.into_iter().all(|other| attempts.wait_s(other, now).is_none()));
    }

    #[test]
    fn a_network_of_version_6_counts_as_one_and_a_mapped_address_as_what_it_is() {
        assert_eq!(network("2001:db8::1".parse().unwrap()), network("2001:db8::ffff:2".parse().unwrap()));
        assert_ne!(network("2001:db8::1".parse().unwrap()), network("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), network("192.0.2.1".parse().unwrap()));
    }
}
