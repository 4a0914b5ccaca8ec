//! `day_of_week`: on some days, in UTC.

use serde_json::Value;

use super::SECONDS_PER_DAY;
use crate::plan::policy::matcher::Condition;
use crate::plan::policy::problem::{Problems, quote, type_name};

const NAMES: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// How much of a name may stand for it.
const SHORT: usize = 3;
/// 1 January 1970 was a Thursday.
const EPOCH_DAY: i64 = 3;

/// The request is made on one of these days, in UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct Days {
    text: Box<str>,
    /// By day, Monday first.
    days: [bool; 7],
}

impl Days {
    /// `*`, days and ranges of days apart by commas: `mon`, `mon,wednesday`, `tue-fri`, `sat-mon`.
    pub(in super::super) fn read(data: &Value, problems: &mut Problems) -> Option<Days> {
        let Value::String(text) = data else {
            let seen = type_name(data);
            return problems.bad_data(format_args!("expected string for day_of_week criterion, got: {seen}"));
        };
        match parse(text) {
            Some(days) => Some(Days { text: text.as_str().into(), days }),
            None => {
                let expected = "expected *, days or ranges of days (mon, tuesday, wed-fri)";
                problems.bad_data(format_args!("{expected}, got: {}", quote(text)))
            }
        }
    }

    /// Whether `now` (Unix seconds) lies in one of them.
    pub(in super::super) fn hold(&self, now: i64) -> bool {
        let day = (now.div_euclid(SECONDS_PER_DAY) + EPOCH_DAY).rem_euclid(7);
        self.days[day as usize]
    }

    pub(in super::super) fn conditions(&self) -> Vec<Condition> {
        vec![Condition::one("is", &*self.text)]
    }
}

fn parse(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = match part.trim() {
            "*" => (0, 6),
            part => match part.split_once('-') {
                Some((first, last)) => (day(first)?, day(last)?),
                None => (day(part)?, day(part)?),
            },
        };
        // A range may go over the end of the week.
        for offset in 0..=(last + 7 - first) % 7 {
            days[(first + offset) % 7] = true;
        }
    }
    Some(days)
}

fn day(text: &str) -> Option<usize> {
    let text = text.trim();
    NAMES.iter().position(|name| name.eq_ignore_ascii_case(text) || name[..SHORT].eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        let cases = [
            ("*", "1111111"),
            ("mon", "1000000"),
            ("Monday", "1000000"),
            ("mon,wed,fri", "1010100"),
            ("tue-fri", "0111100"),
            ("sat - mon", "1000011"),
            ("sun-sun", "0000001"),
            ("mon-wednesday, SUN", "1110001"),
        ];
        for (text, expected) in cases {
            let found: String = parse(text).unwrap().iter().map(|on| if *on { '1' } else { '0' }).collect();
            assert_eq!(found, expected, "{text}");
        }
        for text in ["", "m", "monda", "mon,", "mon-", "-fri", "mon-tue-wed", "mon wed", "1", "**"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn days_of_the_calendar() {
        for (now, name) in [(0, "thu"), (-1, "wed"), (86_399, "thu"), (86_400, "fri"), (1_577_982_000, "thu")] {
            let days = Days { text: name.into(), days: parse(name).unwrap() };
            assert!(days.hold(now), "{now} {name}");
            assert!(!days.hold(now + SECONDS_PER_DAY) && !days.hold(now - SECONDS_PER_DAY), "{now} {name}");
        }
    }
}
