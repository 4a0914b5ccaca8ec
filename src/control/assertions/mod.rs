//! Policy tests: every case of a file is put to the policies of a configuration, and what comes of it is compared with
//! what is expected.

mod coverage;
mod json;
mod junit;
#[cfg(test)]
mod tests;
mod text;

use crate::control::config::cases::{Expected, TestCase};
use crate::control::config::{Place, Places};
use crate::control::why::{Answer, Case, TargetError, route};
use crate::plan::Plan;
use crate::plan::policy::{Reason, Reasons, Verdict};
pub use coverage::Coverage;
pub use json::report as json;
pub use junit::report as junit;
pub use text::report as text;

/// No route takes the request.
const NOT_FOUND: u16 = 404;

/// What came of all cases of one file.
#[derive(Debug)]
pub struct Report<'p> {
    pub file: String,
    pub results: Vec<Tested<'p>>,
    pub coverage: Coverage,
}

/// A case and what came of it.
#[derive(Debug)]
pub struct Tested<'p> {
    pub case: TestCase,
    pub outcome: Outcome<'p>,
}

/// What came of a case.
#[derive(Debug)]
pub enum Outcome<'p> {
    /// The policy was asked.
    Answered(Box<Answer<'p>>),
    /// No policy was asked: no route takes the request.
    NoRoute(TargetError),
}

impl Report<'_> {
    pub fn failed(&self) -> usize {
        self.results.iter().filter(|tested| !tested.passed()).count()
    }
}

impl Tested<'_> {
    pub fn passed(&self) -> bool {
        let expected = &self.case.expected;
        let verdict = matches!(
            (expected.verdict, self.verdict()),
            (Expected::Allow, Verdict::Allow)
                | (Expected::Deny, Verdict::Deny(_))
                | (Expected::SignIn, Verdict::SignIn)
                | (Expected::ShowDevice, Verdict::ShowDevice)
        );
        let status = expected.status.is_none_or(|status| self.status() == Some(status));
        verdict && status && expected.reasons.is_none_or(|reasons| self.reasons() == reasons)
    }

    pub fn verdict(&self) -> Verdict {
        match &self.outcome {
            Outcome::Answered(answer) => answer.verdict(),
            Outcome::NoRoute(_) => Verdict::Deny(NOT_FOUND),
        }
    }

    /// `None`: the upstream's.
    pub fn status(&self) -> Option<u16> {
        match &self.outcome {
            Outcome::Answered(answer) => answer.status(),
            Outcome::NoRoute(_) => Some(NOT_FOUND),
        }
    }

    pub fn reasons(&self) -> Reasons {
        match &self.outcome {
            Outcome::Answered(answer) => answer.explanation.decision.reasons(),
            Outcome::NoRoute(_) => Reason::RouteNotFound.into(),
        }
    }
}

/// A case that cannot be put to any policy.
#[derive(Debug)]
pub struct Unanswerable {
    pub place: Place,
    pub message: String,
}

/// Asks every case, at `now` (Unix seconds) where it names no time. Cases whose route does not exist are errors, so that
/// a route that was renamed does not lose its tests.
pub fn run<'p>(
    file: String,
    cases: Vec<TestCase>,
    plan: &'p Plan,
    places: &'p Places,
    now: i64,
) -> Result<Report<'p>, Vec<Unanswerable>> {
    let mut results = Vec::with_capacity(cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        match ask(&case, plan, places, now) {
            Ok(outcome) => results.push(Tested { case, outcome }),
            Err(message) => wrong.push(Unanswerable { place: case.place, message }),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let coverage = Coverage::new(plan, places, &results);
    Ok(Report { file, results, coverage })
}

fn ask<'p>(case: &TestCase, plan: &'p Plan, places: &'p Places, now: i64) -> Result<Outcome<'p>, String> {
    let found = match route(plan, &case.target, case.path.as_deref()) {
        Ok(found) => found,
        Err(error @ (TargetError::NoHost(_) | TargetError::NoPath(..))) => return Ok(Outcome::NoRoute(error)),
        Err(error) => return Err(error.to_string()),
    };
    let now = case.time.unwrap_or(now);
    let asked = Case {
        session: case.who.session(now),
        method: case.method.clone(),
        path: found.path.clone(),
        source: case.source,
        cors_preflight: case.preflight,
        now,
        tool: case.tool.clone(),
        ..Case::default()
    }
    .on(found.route, case.certificate);
    Ok(Outcome::Answered(Box::new(Answer::new(&found, asked, places))))
}
