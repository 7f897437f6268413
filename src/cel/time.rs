//! Instants and spans of time, with the forms that Go reads and writes.
//!
//! It reads no clock. Time zones are those of the IANA database that is compiled in.

use std::cmp::Ordering;
use std::fmt;

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// An instant, with the offset of the text that it was read from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timestamp {
    /// Since 1970, in UTC.
    seconds: i64,
    nanos: u32,
    /// East of UTC, in seconds.
    offset: i32,
}

/// A part of a timestamp in some time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    FullYear,
    /// From 0.
    Month,
    /// From 0.
    DayOfYear,
    /// From 0.
    DayOfMonth,
    /// The day of the month, from 1.
    Date,
    /// From Sunday, which is 0.
    DayOfWeek,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400;
/// The start of year 1.
const SECONDS_MIN: i64 = -62_135_596_800;
/// The last second of year 9999.
const SECONDS_MAX: i64 = 253_402_300_799;

impl Timestamp {
    /// The instant so many seconds after 1970, if it lies in the years from 1 to 9999.
    pub(super) fn from_unix(seconds: i64) -> Option<Self> {
        Self { seconds, nanos: 0, offset: 0 }.in_range()
    }

    /// Since 1970, in seconds.
    pub(super) fn unix(self) -> i64 {
        self.seconds
    }

    /// The instant, if it lies in the years from 1 to 9999.
    fn in_range(self) -> Option<Self> {
        (SECONDS_MIN..=SECONDS_MAX).contains(&self.seconds).then_some(self)
    }

    /// Reads an RFC 3339 date and time as Go's `time.Parse` does: the hour may have one digit, and the fraction may
    /// follow a comma.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let year = reader.number(4)?;
        reader.symbol(b"-")?;
        let month = reader.number(2).filter(|month| (1..=12).contains(month))?;
        reader.symbol(b"-")?;
        let day = reader.number(2).filter(|day| (1..=days_in_month(year, month)).contains(day))?;
        reader.symbol(b"T")?;
        let hour = reader.number(2).or_else(|| reader.number(1)).filter(|hour| *hour < 24)?;
        reader.symbol(b":")?;
        let minute = reader.number(2).filter(|minute| *minute < 60)?;
        reader.symbol(b":")?;
        let second = reader.number(2).filter(|second| *second < 60)?;
        let nanos = reader.fraction();
        let offset = reader.offset()?;
        if !reader.rest.is_empty() {
            return None;
        }
        let seconds = days_from_civil(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
        Some(Self { seconds: seconds - i64::from(offset), nanos, offset })
    }

    /// As [`Timestamp::parse`], without its leniency, and from year 1 on.
    pub(super) fn parse_strictly(text: &str) -> Option<Self> {
        let hour_has_two_digits = text.as_bytes().get(13) == Some(&b':');
        // Go takes offsets of 24 hours and of 60 minutes.
        let offset = text.get(text.len().saturating_sub(6)..).filter(|_| !text.ends_with('Z'));
        let offset_is_strict = offset.is_none_or(|offset| {
            offset.get(1..3).is_some_and(|hours| hours < "24") && offset.get(4..6).is_some_and(|m| m < "60")
        });
        if !hour_has_two_digits || text.contains(',') || !offset_is_strict {
            return None;
        }
        Self::parse(text)?.in_range()
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        (self.seconds, self.nanos).cmp(&(other.seconds, other.nanos))
    }

    /// The instant later by a span, if it lies in the years from 1 to 9999.
    pub(super) fn plus(self, duration: i64) -> Option<Self> {
        let nanos = i64::from(self.nanos) + duration.rem_euclid(SECOND);
        let seconds =
            self.seconds.checked_add(duration.div_euclid(SECOND))?.checked_add(nanos.div_euclid(SECOND))?;
        Self { seconds, nanos: u32::try_from(nanos.rem_euclid(SECOND)).ok()?, offset: self.offset }.in_range()
    }

    /// The span from another instant to this one, if it fits.
    pub(super) fn since(self, other: Self) -> Option<i64> {
        let seconds = self.seconds.checked_sub(other.seconds)?.checked_mul(SECOND)?;
        seconds.checked_add(i64::from(self.nanos) - i64::from(other.nanos))
    }

    /// A part of the timestamp in a time zone, or in UTC. The error says what is wrong with the zone.
    pub(super) fn field(self, field: Field, zone: Option<&str>) -> Result<i64, String> {
        let offset = zone.map_or(Ok(0), |zone| self.offset_in(zone))?;
        let local = self.seconds.saturating_add(offset);
        let (days, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        Ok(match field {
            Field::FullYear => year,
            Field::Month => month - 1,
            Field::DayOfYear => days - days_from_civil(year, 1, 1),
            Field::DayOfMonth => day - 1,
            Field::Date => day,
            // 1970 began on a Thursday.
            Field::DayOfWeek => (days + 4).rem_euclid(7),
            Field::Hours => second / 3600,
            Field::Minutes => second / 60 % 60,
            Field::Seconds => second % 60,
            Field::Milliseconds => i64::from(self.nanos / 1_000_000),
        })
    }

    /// The offset of a time zone at this instant, in seconds: `+02:00`, or a name of the IANA database.
    fn offset_in(self, zone: &str) -> Result<i64, String> {
        if let Some((hours, minutes)) = zone.split_once(':') {
            let number = |text: &str| text.parse::<i64>().map_err(|_| format!("invalid time zone {zone}"));
            let (hours, minutes) = (number(hours)?, number(minutes)?);
            if !(-23..=23).contains(&hours) {
                return Err(format!("timezone offset hours out of range [-23, 23]: {zone}"));
            }
            if !(0..=59).contains(&minutes) {
                return Err(format!("timezone offset minutes out of range [0, 59]: {zone}"));
            }
            let minutes = if zone.starts_with('-') { -minutes } else { minutes };
            return Ok((hours * 60 + minutes) * 60);
        }
        if matches!(zone, "" | "UTC") {
            return Ok(0);
        }
        let unknown = || format!("unknown time zone {zone}");
        let found = TimeZoneDatabase::bundled().get(zone).map_err(|_| unknown())?;
        // The database does not mind the case; Go does.
        if found.iana_name() != Some(zone) {
            return Err(unknown());
        }
        Ok(offset_seconds(&found, self.seconds))
    }
}

fn offset_seconds(zone: &TimeZone, seconds: i64) -> i64 {
    let bounded = seconds.clamp(jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
    let instant = jiff::Timestamp::from_second(bounded).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    i64::from(zone.to_offset(instant).seconds())
}

impl fmt::Display for Timestamp {
    /// RFC 3339, with the digits of a fraction that are needed, at the timestamp's own offset.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.seconds.saturating_add(i64::from(self.offset));
        let (days, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.nanos != 0 {
            write!(f, ".{}", format!("{:09}", self.nanos).trim_end_matches('0'))?;
        }
        if self.offset == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.unsigned_abs() / 60;
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// Reads a span as Go's `time.ParseDuration` does (`1h30m`, `-1.5s`), in nanoseconds.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (nanos, after) = duration_part(rest)?;
        total = total.checked_add(nanos).filter(|total| *total <= 1 << 63)?;
        rest = after;
    }
    let total = i128::from(total);
    i64::try_from(if negative { -total } else { total }).ok()
}

/// One number with its unit, and what follows.
fn duration_part(text: &str) -> Option<(u64, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text.split_at_checked(digits(text))?;
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(after) => after.split_at_checked(digits(after))?,
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, after) =
        rest.split_at_checked(rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len()))?;
    let unit: u64 = match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let whole = whole.checked_mul(unit).filter(|whole| *whole <= 1 << 63)?;
    // Digits that cannot count any more are left out, so that the fraction does not overflow.
    let (mut numerator, mut scale) = (0_u64, 1.0_f64);
    for digit in fraction.bytes() {
        let next = numerator.checked_mul(10).and_then(|n| n.checked_add(u64::from(digit - b'0')));
        let Some(next) = next.filter(|next| *next <= 1 << 63) else { break };
        (numerator, scale) = (next, scale * 10.0);
    }
    let fraction = (numerator as f64 * (unit as f64 / scale)) as u64;
    Some((whole.checked_add(fraction).filter(|nanos| *nanos <= 1 << 63)?, after))
}

/// A span in seconds, as `string(duration)` writes it.
pub(super) fn format_duration(nanos: i64) -> String {
    let seconds = (nanos / SECOND) as f64 + (nanos % SECOND) as f64 / 1e9;
    format!("{seconds}s")
}

/// A span in a unit, cut towards zero.
pub(super) fn duration_field(nanos: i64, field: Field) -> Option<i64> {
    match field {
        Field::Hours => Some(nanos / (3600 * SECOND)),
        Field::Minutes => Some(nanos / (60 * SECOND)),
        Field::Seconds => Some(nanos / SECOND),
        Field::Milliseconds => Some(nanos / 1_000_000),
        _ => None,
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// A number of exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.rest.split_at_checked(digits)?;
        let is_number = number.bytes().all(|b| b.is_ascii_digit());
        let number = is_number.then(|| number.parse().ok())??;
        self.rest = rest;
        Some(number)
    }

    /// One of these characters.
    fn symbol(&mut self, symbols: &[u8]) -> Option<u8> {
        let first = *self.rest.as_bytes().first()?;
        if !symbols.contains(&first) {
            return None;
        }
        self.rest = self.rest.get(1..)?;
        Some(first)
    }

    /// A fraction of a second in nanoseconds, if there is one. Digits after the ninth do not count.
    fn fraction(&mut self) -> u32 {
        let digits = self.rest.strip_prefix(['.', ',']).unwrap_or_default();
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return 0;
        }
        self.rest = digits.get(count..).unwrap_or_default();
        let nine = digits.get(..count.min(9)).unwrap_or_default();
        format!("{nine:0<9}").parse().unwrap_or(0)
    }

    /// An offset from UTC in seconds.
    fn offset(&mut self) -> Option<i32> {
        if self.symbol(b"Z").is_some() {
            return Some(0);
        }
        let sign = self.symbol(b"+-")?;
        let hours = self.number(2).filter(|hours| *hours <= 24)?;
        self.symbol(b":")?;
        let minutes = self.number(2).filter(|minutes| *minutes <= 60)?;
        let offset = i32::try_from((hours * 60 + minutes) * 60).ok()?;
        Some(if sign == b'-' { -offset } else { offset })
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 of a date of the Gregorian calendar. Years are counted from March, so that the leap day is the last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The year, month and day of the date so many days after 1970.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_days_are_each_others_inverse() {
        for days in (-800_000..3_000_000).step_by(97) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
            assert!((1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day));
        }
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(civil_from_days(SECONDS_MIN / DAY), (1, 1, 1));
    }

    #[test]
    fn timestamps_keep_their_offset_and_their_fraction() {
        for text in
            ["2023-07-14T10:30:45Z", "2024-02-29T23:59:59.000000001+05:30", "0001-01-01T00:00:00-08:00"]
        {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            Timestamp::parse("2023-07-14T10:30:45.120+00:00").unwrap().to_string(),
            "2023-07-14T10:30:45.12Z"
        );
    }

    #[test]
    fn what_is_no_timestamp_is_told() {
        for text in [
            "",
            "2023-07-14",
            "2023-07-14T10:30:45",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-07-14t10:30:45Z",
            "2023-07-14T24:00:00Z",
            "2023-07-14T10:30:60Z",
            "2023-07-14T10:30:45Zz",
            "2023-07-14T10:30:45.Z",
            "2023-07-14T10:30:45+0100",
            "+023-07-14T10:30:45Z",
            "２023-07-14T10:30:45Z",
        ] {
            assert!(Timestamp::parse(text).is_none(), "{text}");
        }
        for lenient in ["2023-07-14T1:30:45Z", "2023-07-14T10:30:45,5Z", "2023-07-14T10:30:45+24:00"] {
            assert!(Timestamp::parse(lenient).is_some(), "{lenient}");
            assert!(Timestamp::parse_strictly(lenient).is_none(), "{lenient}");
        }
    }

    #[test]
    fn durations_are_read_as_go_does() {
        let cases = [
            ("0", Some(0)),
            ("1h30m", Some(5_400 * SECOND)),
            ("-1.5s", Some(-1_500_000_000)),
            ("1us", Some(1_000)),
            ("1µs", Some(1_000)),
            (".5s", Some(SECOND / 2)),
            ("5.s", Some(5 * SECOND)),
            ("1m1m", Some(120 * SECOND)),
            ("9223372036854775807ns", Some(i64::MAX)),
            ("-9223372036854775808ns", Some(i64::MIN)),
            ("9223372036854775808ns", None),
            ("", None),
            ("-", None),
            ("1", None),
            ("s", None),
            (".s", None),
            ("1d", None),
            ("1h ", None),
            ("1 h", None),
            ("3000000h", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }

    #[test]
    fn time_zones_have_names_or_offsets() {
        let instant = Timestamp::parse("2023-07-14T00:30:00Z").unwrap();
        let hours = |zone| instant.field(Field::Hours, Some(zone));
        assert_eq!(hours("America/New_York"), Ok(20));
        assert_eq!(hours("+05:30"), Ok(6));
        assert_eq!(hours("-00:45"), Ok(23));
        assert_eq!(hours(""), Ok(0));
        assert_eq!(hours("america/new_york"), Err("unknown time zone america/new_york".into()));
        assert_eq!(hours("24:00"), Err("timezone offset hours out of range [-23, 23]: 24:00".into()));
    }
}
