//! `date`: between two moments.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Bounds, fields};
use crate::plan::policy::matcher::Condition;
use crate::plan::policy::problem::{Problems, quote};

/// `2020-01-02`, at least; the short form `20200102` is followed by a time without `-` as well.
const DATE_BYTES: usize = 10;

/// The time of the request lies between two moments.
#[derive(Debug, Clone, PartialEq)]
pub struct DateRange(Bounds);

impl DateRange {
    pub(in super::super) fn read(data: &Value, problems: &mut Problems) -> Option<DateRange> {
        let fields = fields("date", data, &["after", "before"], problems)?;
        let bounds = Bounds::read("date", fields, problems, |text| {
            let moment = parse(text).ok_or_else(|| format!("expected ISO 8601 date, got: {}", quote(text)))?;
            // Below 1970 the fraction is negative: it is counted from the second before.
            let nanos = moment.subsec_nanosecond();
            let seconds = moment.as_second() - i64::from(nanos < 0);
            Ok((seconds, nanos.unsigned_abs()))
        });
        bounds.check("date", problems);
        Some(DateRange(bounds))
    }

    /// Whether `now` (Unix seconds) lies between them.
    pub(in super::super) fn holds(&self, now: i64) -> bool {
        self.0.hold(now)
    }

    pub(in super::super) fn conditions(&self) -> Vec<Condition> {
        self.0.conditions().collect()
    }
}

/// A time with its offset, or without one in UTC, or a date, which means its first moment in UTC.
fn parse(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    // Behind the date, these begin an offset or a zone: a date-time would ignore them and mean another moment.
    if text.get(DATE_BYTES..).is_some_and(|time| time.contains(['Z', 'z', '[', '+', '-'])) {
        return None;
    }
    let time = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(|date| date.at(0, 0, 0, 0))).ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_8601() {
        let cases = [
            ("2020-01-02T16:20:00", Some(1_577_982_000)),
            ("2020-01-02T16:20:00Z", Some(1_577_982_000)),
            ("2020-01-02T16:20:00+01:00", Some(1_577_978_400)),
            ("2020-01-02T16:20:00-08:00", Some(1_578_010_800)),
            ("2020-01-02 16:20", Some(1_577_982_000)),
            ("20200102T162000", Some(1_577_982_000)),
            ("2020-01-02T16:20:00.75", Some(1_577_982_000)),
            ("2020-01-02", Some(1_577_923_200)),
            ("1969-12-31T23:59:59", Some(-1)),
            ("2020-13-01", None),
            ("2020-02-30", None),
            ("2020-01-02Z", None),
            ("2020-01-02T25:00:00", None),
            ("02/01/2020", None),
            ("tomorrow", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).map(|moment| moment.as_second()), expected, "{text}");
        }
    }
}
