//! Times at which a criterion about the time would hold, or would not.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::super::case::Case;
use super::super::edit::Edit;
use crate::plan::policy::Criterion;

/// Steps in which the future, then the past, is looked through: half hours for a week, days for three years.
const STEPS: [(i64, i64); 2] = [(1800, 7 * 48), (86_400, 3 * 366)];

/// The nearest time to come at which the criterion would hold (or not); else the latest one that is past.
pub(super) fn moments(criterion: &Criterion, wanted: bool, case: &Case) -> Vec<Edit> {
    let answers = |now: i64| criterion.judge(&Case { now, ..case.clone() }.facts()).0 == wanted;
    let times = [1, -1].into_iter().flat_map(|direction| {
        STEPS.into_iter().flat_map(move |(seconds, count)| (1..=count).map(move |step| direction * seconds * step))
    });
    let found = times.map(|offset| case.now.saturating_add(offset)).find(|now| answers(*now));
    found
        .and_then(|now| Some(Edit::Now(now, format!("ask at another time, such as {}", told(now)?))))
        .into_iter()
        .collect()
}

fn told(now: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(now).ok()?.format(&Rfc3339).ok()
}
