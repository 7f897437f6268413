//! Instants and the clock that decides.
//!
//! The resolution is the microsecond. A finer instant is cut to the past, so that an access never lasts
//! longer than was written.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An instant in UTC, in microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Instant(i64);

/// Why a text is no instant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not an instant; expected RFC 3339, for example `2027-01-31T12:00:00Z`")]
pub struct InstantError {
    text: String,
}

impl Instant {
    /// 0001-01-01T00:00:00Z, the first that RFC 3339 and protobuf both can write.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// 9999-12-31T23:59:59.999999Z, the last.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// From microseconds since the Unix epoch; `None` outside of [`Self::MIN`] to [`Self::MAX`].
    pub fn from_unix_micros(micros: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&micros).then_some(Self(micros))
    }

    /// Microseconds since the Unix epoch.
    pub const fn unix_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the Unix epoch; 0 before it.
    pub fn unix_millis(self) -> u64 {
        u64::try_from(self.0.div_euclid(1000)).unwrap_or(0)
    }

    /// The earlier one of those that there are.
    pub fn first_of(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        one.into_iter().chain(other).min()
    }

    /// This instant moved by `micros`, held within [`Self::MIN`] and [`Self::MAX`].
    #[must_use]
    pub fn saturating_add_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros)).clamp(Self::MIN, Self::MAX)
    }
}

impl fmt::Display for Instant {
    /// RFC 3339 in UTC with `Z` and 0, 3 or 6 fractional digits, as protobuf's JSON has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1_000_000);
        let micros = self.0.rem_euclid(1_000_000);
        let t = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| fmt::Error)?;
        let (month, day) = (u8::from(t.month()), t.day());
        write!(f, "{:04}-{month:02}-{day:02}", t.year())?;
        write!(f, "T{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second())?;
        match micros {
            0 => {}
            m if m % 1000 == 0 => write!(f, ".{:03}", m / 1000)?,
            m => write!(f, ".{m:06}")?,
        }
        f.write_str("Z")
    }
}

impl FromStr for Instant {
    type Err = InstantError;

    fn from_str(text: &str) -> Result<Self, InstantError> {
        let error = || InstantError { text: text.chars().take(64).collect() };
        let parsed = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| error())?;
        let micros = parsed.unix_timestamp_nanos().div_euclid(1000);
        i64::try_from(micros).ok().and_then(Self::from_unix_micros).ok_or_else(error)
    }
}

/// A source of the present instant. Passed in everywhere; only the server's edge and the command line make a
/// [`SystemClock`].
pub trait Clock: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Instant;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).ok().and_then(Instant::from_unix_micros).unwrap_or(Instant::MAX)
    }
}

/// A clock that never runs backwards: the larger of its source and of everything that it has said or been told.
pub struct MonotonicClock {
    source: Arc<dyn Clock>,
    high_water: AtomicI64,
}

impl MonotonicClock {
    /// A clock on `source` that starts at `high_water` or later.
    pub fn new(source: Arc<dyn Clock>, high_water: Instant) -> Self {
        Self { source, high_water: AtomicI64::new(high_water.0) }
    }

    /// The latest instant that was given out.
    pub fn high_water(&self) -> Instant {
        Instant(self.high_water.load(Ordering::Acquire))
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> Instant {
        let now = self.source.now().0;
        // A load first: most calls come after a later one has already been answered, or win the race; the
        // read-modify-write is needed only to move the mark.
        let mark = self.high_water.load(Ordering::Acquire);
        if now <= mark {
            return Instant(mark);
        }
        Instant(self.high_water.fetch_max(now, Ordering::AcqRel).max(now))
    }
}

impl fmt::Debug for MonotonicClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonotonicClock").field("high_water", &self.high_water()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scripted(AtomicI64);
    impl Clock for Scripted {
        fn now(&self) -> Instant {
            Instant(self.0.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn instants_print_as_protobuf_does_and_read_back() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2027-01-31T12:00:00.500Z",
            "2027-01-31T12:00:00.000001Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
        ] {
            assert_eq!(text.parse::<Instant>().unwrap().to_string(), text);
        }
        assert_eq!(
            "2027-01-31T13:00:00+01:00".parse::<Instant>().unwrap().to_string(),
            "2027-01-31T12:00:00Z"
        );
    }

    #[test]
    fn the_first_of_two_is_the_one_that_there_is_or_the_earlier_one() {
        let (early, late) = (Some(Instant(1)), Some(Instant(2)));
        for (one, other, first) in
            [(early, late, early), (late, early, early), (None, late, late), (early, None, early)]
        {
            assert_eq!(Instant::first_of(one, other), first);
        }
        assert_eq!(Instant::first_of(None, None), None);
    }

    #[test]
    fn finer_than_a_microsecond_is_cut_to_the_past() {
        let cut = |t: &str| t.parse::<Instant>().unwrap().to_string();
        assert_eq!(cut("2027-01-31T12:00:00.0000019Z"), "2027-01-31T12:00:00.000001Z");
        assert_eq!(cut("1969-12-31T23:59:59.9999999Z"), "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2027-01-31",
            "2027-01-31T12:00:00",
            "2027-02-30T00:00:00Z",
            "0000-01-01T00:00:00Z",
        ] {
            assert!(text.parse::<Instant>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_monotonic_clock_never_runs_backwards() {
        let source = Arc::new(Scripted(AtomicI64::new(50)));
        let clock = MonotonicClock::new(source.clone(), Instant(100));
        assert_eq!(clock.now(), Instant(100));
        source.0.store(200, Ordering::SeqCst);
        assert_eq!(clock.now(), Instant(200));
        source.0.store(10, Ordering::SeqCst);
        assert_eq!(clock.now(), Instant(200));
        assert_eq!(clock.high_water(), Instant(200));
    }
}
