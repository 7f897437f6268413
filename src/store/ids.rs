//! New identifiers: each larger than all before it, whatever the clock says.

use std::time::SystemTime;

use ulid::Ulid;

use super::error::StoreError;
use crate::model::{Id, Instant};

/// 80 random bits.
pub(super) fn random() -> u128 {
    // Only the random half is wanted; the time comes from the database's own clock.
    Ulid::from_datetime(SystemTime::UNIX_EPOCH).random()
}

/// An identifier made at `at`, larger than `last`.
pub(super) fn fresh(at: Instant, last: Option<Id>) -> Result<Id, StoreError> {
    let id = Id::from_parts(at.unix_millis(), random());
    match last {
        Some(last) if id <= last => last
            .successor()
            .ok_or_else(|| StoreError::Io { doing: "making an identifier", reason: "none is left".into() }),
        _ => Ok(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_larger_than_the_last_one_though_the_clock_stands_or_went_back() {
        let at = Instant::from_unix_micros(1_700_000_000_000_000).unwrap();
        let first = fresh(at, None).unwrap();
        assert_eq!(first.bits() >> 80, 1_700_000_000_000);
        let mut last = first;
        for _ in 0..1000 {
            let next = fresh(at, Some(last)).unwrap();
            assert!(next > last);
            last = next;
        }
        let earlier = at.saturating_add_micros(-5_000_000);
        assert_eq!(fresh(earlier, Some(last)).unwrap(), last.successor().unwrap());
        assert_ne!(fresh(at, None).unwrap(), first, "random");
    }

    #[test]
    fn behind_the_last_id_there_is_none() {
        let at = Instant::from_unix_micros(0).unwrap();
        assert!(fresh(at, Some(Id::from_bits(u128::MAX))).is_err());
    }
}
