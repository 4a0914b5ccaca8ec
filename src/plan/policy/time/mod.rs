//! `date`, `day_of_week` and `time_of_day`: when a request is made. Pomerium keeps these for its paid edition.
//!
//! Bounds are exclusive. Requests have whole seconds, so that bounds with a fraction are rounded outwards.

mod date;
mod day_of_week;
mod time_of_day;

use std::fmt::Display;

use serde_json::{Map, Value};

pub use date::DateRange;
pub use day_of_week::Days;
pub use time_of_day::DayTimes;

use super::problem::{Problems, type_name};

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// A bound as written, and the whole seconds that it means.
#[derive(Debug, Clone, PartialEq)]
struct Bound {
    text: Box<str>,
    seconds: i64,
}

/// The bounds `after` and `before`, exclusive.
#[derive(Debug, Clone, PartialEq, Default)]
struct Bounds {
    after: Option<Bound>,
    before: Option<Bound>,
}

impl Bounds {
    fn hold(&self, seconds: i64) -> bool {
        self.after.as_ref().is_none_or(|bound| seconds > bound.seconds)
            && self.before.as_ref().is_none_or(|bound| seconds < bound.seconds)
    }

    /// Reads `after` and `before` by `parse`, which gives whole seconds and nanoseconds above them.
    fn read(
        criterion: &str,
        fields: &Map<String, Value>,
        problems: &mut Problems,
        parse: impl Fn(&str) -> Result<(i64, u32), String>,
    ) -> Bounds {
        let mut read = |name: &str, round_up: bool| {
            let value = fields.get(name)?;
            problems.key(name, |problems| match value.as_str().map(|text| (text, parse(text))) {
                Some((text, Ok((seconds, nanos)))) => {
                    Some(Bound { text: text.into(), seconds: seconds + i64::from(round_up && nanos > 0) })
                }
                Some((_, Err(message))) => problems.bad_data(message),
                None => problems.bad_data(format_args!(
                    "expected string for {criterion} {name} operator, got: {}",
                    type_name(value)
                )),
            })
        };
        Bounds { after: read("after", false), before: read("before", true) }
    }

    /// Whether some second lies between the bounds; in a `deny`, a range that is always empty would let everybody pass.
    fn check(&self, criterion: &str, problems: &mut Problems) {
        match (&self.after, &self.before) {
            (Some(after), Some(before)) if before.seconds - after.seconds < 2 => problems.note_data(format_args!(
                "{criterion}: nothing is after {} and before {} at once",
                after.text, before.text
            )),
            _ => {}
        }
    }

    fn conditions(&self) -> impl Iterator<Item = super::matcher::Condition> {
        let after = self.after.as_ref().map(|bound| super::matcher::Condition::one("after", &*bound.text));
        let before = self.before.as_ref().map(|bound| super::matcher::Condition::one("before", &*bound.text));
        after.into_iter().chain(before)
    }
}

/// The fields of a criterion, all of which are in `known`, and at least one of which is there.
fn fields<'v>(
    criterion: &str,
    data: &'v Value,
    known: &[&str],
    problems: &mut Problems,
) -> Option<&'v Map<String, Value>> {
    let Value::Object(fields) = data else {
        let seen = type_name(data);
        return problems.bad_data(format_args!("expected object for {criterion} criterion, got: {seen}"));
    };
    for field in fields.keys().filter(|field| !known.contains(&field.as_str())) {
        problems.key(field, |problems| {
            let message: &dyn Display = &format_args!("unexpected field in {criterion} criterion: {field}");
            problems.note_data(message);
        });
    }
    if !fields.contains_key("after") && !fields.contains_key("before") {
        return problems.bad_data(format_args!("{criterion} criterion requires after or before"));
    }
    Some(fields)
}
