//! A report of tests for a person.

use std::fmt::{self, Write};

use super::{Outcome, Report, Tested};
use crate::control::paint::{Paint, Style, clean};
use crate::control::why::verdict_name;
use crate::plan::policy::{Action, Reasons};

/// Writes a line for each case, what was expected and what came where they differ, and what no case exercised.
pub fn report(report: &Report<'_>, color: bool, out: &mut impl Write) -> fmt::Result {
    let paint = Paint(color);
    writeln!(out, "{}", paint.on(Style::Strong, &clean(&report.file)))?;
    for tested in &report.results {
        let name = clean(&tested.case.name);
        if tested.passed() {
            writeln!(out, "  {} {name}", paint.on(Style::Good, "✓"))?;
        } else {
            let place = paint.on(Style::Faint, &clean(&tested.case.place.to_string()));
            writeln!(out, "  {} {} {place}", paint.on(Style::Error, "✗"), paint.on(Style::Strong, &name))?;
            failure(tested, paint, out)?;
        }
    }
    uncovered(report, paint, out)?;
    let (all, failed) = (report.results.len(), report.failed());
    let counts = format!("{} passed, {failed} failed", all - failed);
    let style = if failed == 0 { Style::Good } else { Style::Error };
    writeln!(out, "{}", paint.on(style, &counts))
}

pub(super) fn failure(tested: &Tested<'_>, paint: Paint, out: &mut impl Write) -> fmt::Result {
    let expected = &tested.case.expected;
    let status = expected.status.map(|status| format!(" {status}")).unwrap_or_default();
    let reasons = expected.reasons.map(|reasons| format!(": {}", listed(reasons))).unwrap_or_default();
    writeln!(out, "      {} {}{status}{reasons}", paint.on(Style::Good, "- expected"), expected.verdict.name())?;
    let status = tested.status().map(|status| format!(" {status}")).unwrap_or_default();
    let verdict = verdict_name(tested.verdict()).replace('_', "-");
    let reasons = listed(tested.reasons());
    writeln!(out, "      {} {verdict}{status}: {reasons}", paint.on(Style::Error, "+ got     "))?;
    match &tested.outcome {
        Outcome::NoRoute(error) => writeln!(out, "        {}", clean(&error.to_string())),
        Outcome::Answered(answer) => {
            for rule in &answer.explanation.rules {
                // What denies, and what allows or fails to.
                if rule.action == Action::Deny && !rule.outcome.value {
                    continue;
                }
                for result in rule.criteria.iter().filter(|result| result.is_decisive) {
                    let place = answer.place(result.place).map(|place| place.to_string()).unwrap_or_default();
                    let (action, text) = (rule.action.name(), result.criterion.to_string());
                    let mark = if result.value { "✓" } else { "✗" };
                    let place = paint.on(Style::Faint, &clean(&place));
                    writeln!(out, "        {action}: {mark} {} → {} {place}", clean(&text), result.reason)?;
                }
            }
            match answer.changes.first() {
                Some(change) => writeln!(out, "        to pass: {}", clean(&change.words())),
                None => Ok(()),
            }
        }
    }
}

fn listed(reasons: Reasons) -> String {
    let list = reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>().join(", ");
    if list.is_empty() { "no reasons".to_owned() } else { list }
}

fn uncovered(report: &Report<'_>, paint: Paint, out: &mut impl Write) -> fmt::Result {
    let coverage = &report.coverage;
    writeln!(
        out,
        "covered: {} of {} routes, {} of {} rules",
        coverage.routes_asked, coverage.routes, coverage.rules_held, coverage.rules
    )?;
    for missing in &coverage.missing {
        let place = missing.place.as_ref().map(|place| place.to_string()).unwrap_or_default();
        let place = paint.on(Style::Faint, &clean(&place));
        let name = clean(&missing.route);
        match &missing.rule {
            None => writeln!(out, "  {} no case asks for the route {name} {place}", paint.on(Style::Warning, "·"))?,
            Some(rule) => {
                writeln!(
                    out,
                    "  {} in no case holds {rule} of the route {name} {place}",
                    paint.on(Style::Warning, "·")
                )?;
            }
        }
    }
    Ok(())
}
