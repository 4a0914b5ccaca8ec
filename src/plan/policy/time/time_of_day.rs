//! `time_of_day`: between two times of the clock, somewhere.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde_json::Value;

use super::{Bounds, SECONDS_PER_DAY, fields};
use crate::plan::policy::matcher::Condition;
use crate::plan::policy::problem::{Problems, quote, type_name};

/// The clock of a time zone shows a time between two others.
#[derive(Debug, Clone, PartialEq)]
pub struct DayTimes {
    name: Box<str>,
    zone: TimeZone,
    bounds: Bounds,
}

impl DayTimes {
    pub(in super::super) fn read(data: &Value, problems: &mut Problems) -> Option<DayTimes> {
        let fields = fields("time_of_day", data, &["timezone", "after", "before"], problems)?;
        let zone = match fields.get("timezone") {
            None => problems.bad_data("time_of_day criterion requires a timezone"),
            Some(value) => problems.key("timezone", |problems| zone(value, problems)),
        };
        let bounds = Bounds::read("time_of_day", fields, problems, |text| {
            parse(text).ok_or_else(|| {
                let expected = "expected time of day (\"3:04 PM\", \"3PM\", \"15:04\" or \"15:04:05\")";
                format!("{expected}, got: {}", quote(text))
            })
        });
        bounds.check("time_of_day", problems);
        let (name, zone) = zone?;
        Some(DayTimes { name, zone, bounds })
    }

    /// Whether the clock shows such a time at `now` (Unix seconds).
    pub(in super::super) fn hold(&self, now: i64) -> bool {
        let Ok(moment) = Timestamp::from_second(now) else { return false };
        let local = now + i64::from(self.zone.to_offset(moment).seconds());
        self.bounds.hold(local.rem_euclid(SECONDS_PER_DAY))
    }

    pub(in super::super) fn conditions(&self) -> Vec<Condition> {
        std::iter::once(Condition::one("timezone", &*self.name)).chain(self.bounds.conditions()).collect()
    }
}

fn zone(value: &Value, problems: &mut Problems) -> Option<(Box<str>, TimeZone)> {
    let Some(name) = value.as_str() else {
        let seen = type_name(value);
        return problems.bad_data(format_args!("expected string for time_of_day timezone operator, got: {seen}"));
    };
    // The database that is part of the program: nothing is read from the system.
    match TimeZoneDatabase::bundled().get(name) {
        Ok(zone) => Some((name.into(), zone)),
        Err(_) => problems.bad_data(format_args!("unknown time zone {name}")),
    }
}

/// Seconds since midnight, and nanoseconds above them: `3:04 PM`, `3PM`, `15:04`, `15:04:05.9`.
fn parse(text: &str) -> Option<(i64, u32)> {
    let clock = text.trim_end();
    let cut = clock.len().checked_sub(2).filter(|cut| clock.is_char_boundary(*cut));
    let half = cut.map(|cut| clock.split_at(cut)).and_then(|(time, half)| match half {
        "AM" | "am" => Some((time, 0)),
        "PM" | "pm" => Some((time, 12)),
        _ => None,
    });
    match half {
        Some((time, half)) => {
            let (hour, minute) = time.trim_end().split_once(':').unwrap_or((time.trim_end(), "00"));
            // 12 AM is midnight, 12 PM is noon.
            let hour = number(hour, 1, 1..=12)? % 12 + half;
            Some((hour * 3600 + number(minute, 2, 0..=59)? * 60, 0))
        }
        None => parse_24(text),
    }
}

fn parse_24(text: &str) -> Option<(i64, u32)> {
    let (hour, rest) = text.split_once(':')?;
    let (minute, rest) = rest.split_once(':').map_or((rest, None), |(minute, rest)| (minute, Some(rest)));
    let (second, fraction) = match rest {
        None => ("00", None),
        Some(rest) => rest.split_once('.').map_or((rest, None), |(second, fraction)| (second, Some(fraction))),
    };
    let seconds = number(hour, 1, 0..=23)? * 3600 + number(minute, 2, 0..=59)? * 60 + number(second, 2, 0..=59)?;
    let nanos = match fraction {
        None => 0,
        Some(digits) if digits.len() <= 9 => {
            let value = number(digits, 1, 0..=999_999_999)?;
            u32::try_from(value).ok()? * 10u32.pow(9 - digits.len() as u32)
        }
        Some(_) => return None,
    };
    Some((seconds, nanos))
}

/// A number of at least `digits_min` digits within `range`.
fn number(text: &str, digits_min: usize, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let fits = text.len() >= digits_min && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    let has_room = text.len() <= 2 || *range.end() > 99;
    if !fits || !has_room {
        return None;
    }
    text.parse().ok().filter(|number| range.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let cases = [
            ("3:04 PM", Some((15 * 3600 + 4 * 60, 0))),
            ("3:04PM", Some((15 * 3600 + 4 * 60, 0))),
            ("3 PM", Some((15 * 3600, 0))),
            ("3PM", Some((15 * 3600, 0))),
            ("11:59am", Some((11 * 3600 + 59 * 60, 0))),
            ("12 AM", Some((0, 0))),
            ("12 PM", Some((12 * 3600, 0))),
            ("12:30 AM", Some((1800, 0))),
            ("15:04:05.999999999", Some((15 * 3600 + 4 * 60 + 5, 999_999_999))),
            ("15:04:05.5", Some((15 * 3600 + 4 * 60 + 5, 500_000_000))),
            ("15:04:05", Some((15 * 3600 + 4 * 60 + 5, 0))),
            ("15:04", Some((15 * 3600 + 4 * 60, 0))),
            ("2:20:00", Some((2 * 3600 + 20 * 60, 0))),
            ("00:00", Some((0, 0))),
            ("23:59:59", Some((86_399, 0))),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
        let bad = ["", "15", "3", "24:00", "15:4", "15:60", "15:04:60", "0 PM", "13 PM", "3:4 PM", "3:04 XM", "PM"];
        let more = ["15:04:05.", "15:04:05.1234567890", "-1:00", "+1:00", " 15:04", "003:04", "15:004", "3:04:05 PM"];
        for text in bad.into_iter().chain(more) {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
