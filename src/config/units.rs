//! Durations `"10m"`, rates `"300/min"`, sizes `"8MiB"`: the unit is always written. And moments, with their offset.

use std::{borrow::Cow, fmt, num::NonZeroU32, str::FromStr, time};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::gate::{limit::Quota, request::UnixTime};

/// A length of time with its unit: `"500ms"`, `"10s"`, `"10m"`, `"8h"`, `"7d"`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Duration(pub time::Duration);

/// So many in a period: `"10/s"`, `"300/min"`, `"5000/h"`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate(pub Quota);

/// A number of bytes with its unit: `"512B"`, `"64kB"`, `"8MiB"`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Size(pub u64);

/// A point in time: `"2026-11-01T00:00:00Z"` (RFC 3339), or TOML's own date-time. Always with its offset from UTC.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Moment(pub UnixTime);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read: Result<jiff::Timestamp, _> = text.parse();
        read.map(|time| Self(UnixTime(time.as_second())))
            .map_err(|_| wrong(text, EXPECTED_MOMENT))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> de::Visitor<'de> for Written {
            type Value = Moment;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED_MOMENT)
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Moment, D::Error> {
                deserializer.deserialize_str(self)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_newtype_struct(MOMENT, Written)
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "description": EXPECTED_MOMENT, "examples": ["2026-11-01T00:00:00Z"] })
    }
}

impl Duration {
    /// Of seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(time::Duration::from_secs(seconds))
    }

    /// Of milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(time::Duration::from_millis(millis))
    }
}

impl Size {
    /// Of KiB.
    pub const fn kib(count: u32) -> Self {
        Self(1024_u64.saturating_mul(widen(count)))
    }
}

/// `u64::from` is not const.
#[expect(clippy::as_conversions, reason = "u32 to u64 loses nothing")]
const fn widen(count: u32) -> u64 {
    count as u64
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (count, unit) = amount(text).ok_or_else(|| wrong(text, EXPECTED_DURATION))?;
        let millis = factor(DURATIONS, unit).ok_or_else(|| wrong(text, EXPECTED_DURATION))?;
        count
            .checked_mul(millis)
            .filter(|millis| *millis <= LONGEST_MILLIS)
            .map(|millis| Self(time::Duration::from_millis(millis)))
            .ok_or_else(|| format!("`{text}` is too long; at most 3650d"))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (count, unit) = amount(text).ok_or_else(|| wrong(text, EXPECTED_RATE))?;
        let seconds = factor(RATES, unit).ok_or_else(|| wrong(text, EXPECTED_RATE))?;
        let count = u32::try_from(count)
            .map_err(|_| format!("`{text}` is too many; at most {}", u32::MAX))?;
        let count = NonZeroU32::new(count).ok_or_else(|| {
            format!("`{text}` would allow nothing; leave the key out for no limit")
        })?;
        Ok(Self(Quota {
            count,
            period: time::Duration::from_secs(seconds),
        }))
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (count, unit) = amount(text).ok_or_else(|| wrong(text, EXPECTED_SIZE))?;
        let bytes = factor(SIZES, unit).ok_or_else(|| wrong(text, EXPECTED_SIZE))?;
        count
            .checked_mul(bytes)
            .filter(|bytes| *bytes <= LARGEST_BYTES)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is too large; at most 1024GiB"))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        write_amount(f, millis, DURATIONS)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.period.as_secs();
        let unit = RATES
            .iter()
            .find(|(_, factor)| *factor == seconds)
            .map_or("/s", |(unit, _)| unit);
        write!(f, "{}{unit}", self.0.count)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_amount(f, self.0, BINARY_SIZES)
    }
}

/// Splits digits from the unit behind them.
fn amount(text: &str) -> Option<(u64, &str)> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.strip_suffix(unit)?;
    Some((digits.parse().ok()?, unit))
}

fn factor(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    units
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, factor)| *factor)
}

fn wrong(text: &str, expected: &str) -> String {
    format!("`{text}` is not {expected}")
}

/// Writes with the largest unit that leaves no remainder; the units stand from small to large.
fn write_amount(f: &mut fmt::Formatter<'_>, count: u64, units: &[(&str, u64)]) -> fmt::Result {
    let fits = |factor: u64| count > 0 && count.checked_rem(factor) == Some(0);
    let (unit, factor) = units
        .iter()
        .rev()
        .find(|(_, factor)| fits(*factor))
        .copied()
        .unwrap_or(("", 1));
    let unit = if unit.is_empty() {
        units.first().map_or("", |(unit, _)| unit)
    } else {
        unit
    };
    write!(f, "{}{unit}", count.checked_div(factor).unwrap_or(0))
}

macro_rules! written_as_text {
    ($type:ident, $expected:expr, $pattern:literal, $example:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $expected, "pattern": $pattern, "examples": [$example] })
            }
        }
    };
}

written_as_text!(Duration, EXPECTED_DURATION, "^[0-9]+(ms|s|m|h|d)$", "10m");
written_as_text!(Rate, EXPECTED_RATE, "^[1-9][0-9]*/(s|min|h)$", "300/min");
written_as_text!(Size, EXPECTED_SIZE, "^[0-9]+(B|kB|KiB|MB|MiB|GiB)$", "8MiB");

const EXPECTED_DURATION: &str = "a duration such as \"10m\" (units: ms, s, m, h, d)";
const EXPECTED_MOMENT: &str = "a moment with its offset, such as \"2026-11-01T00:00:00Z\"";
const EXPECTED_RATE: &str = "a rate such as \"300/min\" (units: /s, /min, /h)";
const EXPECTED_SIZE: &str = "a size such as \"8MiB\" (units: B, kB, KiB, MB, MiB, GiB)";
const DURATIONS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];
const RATES: &[(&str, u64)] = &[("/s", 1), ("/min", 60), ("/h", 3600)];
const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1000),
    ("KiB", 1024),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];
const BINARY_SIZES: &[(&str, u64)] = &[("B", 1), ("KiB", 1024), ("MiB", 1 << 20), ("GiB", 1 << 30)];
/// How the reader of the file knows where a date-time of TOML may stand.
pub(super) const MOMENT: &str = "embedgate::config::units::Moment";
const LONGEST_MILLIS: u64 = 3650 * 86_400_000;
const LARGEST_BYTES: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("10m", 600_000),
            ("8h", 28_800_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(
                text.parse(),
                Ok(Duration(time::Duration::from_millis(millis))),
                "{text}"
            );
        }
        for bad in [
            "",
            "10",
            "m",
            "10 m",
            "-1s",
            "1.5h",
            "1h30m",
            "10min",
            "10M",
            "99999999999999999999s",
            "4000d",
            "١s",
        ] {
            assert!(bad.parse::<Duration>().is_err(), "{bad}");
        }
    }

    #[test]
    fn moments() {
        for (text, second) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-01T02:00:00+02:00", 1_793_491_200),
            ("2026-11-01 00:00:00.9Z", 1_793_491_200),
        ] {
            assert_eq!(text.parse(), Ok(Moment(UnixTime(second))), "{text}");
        }
        for bad in [
            "",
            "2026-11-01",
            "2026-11-01T00:00:00",
            "00:00:00Z",
            "1793491200",
            "2026-13-01T00:00:00Z",
            "tomorrow",
        ] {
            assert!(bad.parse::<Moment>().is_err(), "{bad}");
        }
    }

    #[test]
    fn rates() {
        for (text, count, seconds) in [
            ("10/s", 10, 1),
            ("300/min", 300, 60),
            ("5000/h", 5000, 3600),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(
                (rate.0.count.get(), rate.0.period.as_secs()),
                (count, seconds),
                "{text}"
            );
        }
        for bad in [
            "",
            "300",
            "300/m",
            "0/s",
            "/s",
            "300 / min",
            "5000000000/s",
            "1/10s",
        ] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0B", 0),
            ("512B", 512),
            ("64kB", 64_000),
            ("32KiB", 32_768),
            ("1MB", 1_000_000),
            ("8MiB", 8 << 20),
            ("1GiB", 1 << 30),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for bad in ["", "8", "8M", "8mib", "8 MiB", "99999999999999GiB"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millis in 0..LONGEST_MILLIS, bytes in 0..LARGEST_BYTES, count in 1..u32::MAX, unit in 0_usize..3) {
            let duration = Duration(time::Duration::from_millis(millis));
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
            prop_assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
            let text = format!("{count}{}", RATES[unit].0);
            prop_assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }

        #[test]
        fn nothing_panics(text in ".*") {
            let read = (text.parse::<Duration>(), text.parse::<Rate>(), text.parse::<Size>());
            prop_assert!(read.0.is_err() || read.1.is_err(), "one text, two units");
        }
    }
}
