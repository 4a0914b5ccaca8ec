//! A decision that was logged: finds its `authorize check` line and explains it as far as the line goes.

use std::io::{self, BufRead, Read};
use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;
use serde_json::Value;

use super::answer::Answer;
use super::case::Case;
use super::target::Found;
use super::text::Mark;
use crate::control::config::Places;
use crate::http::path;
use crate::plan::Plan;
use crate::plan::policy::{Action, CriterionResult, Decision, Outcome, Reason, Reasons, Verdict};
use crate::plan::route::{self, Route};
use crate::plan::session::Session;

/// Longest log line that is read, in bytes; what is longer is passed over.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Why a decision could not be found.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("the log cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error(
        "no `authorize check` line with the request id {0:?}; such lines are written at log_level info, one for each \
         decision (requests for pages of Vallum's own, and those refused before, have none)"
    )]
    Missing(String),
}

/// The fields of an `authorize check` line.
#[derive(Debug, Clone, Deserialize)]
pub struct Line {
    message: String,
    #[serde(rename = "request-id")]
    pub(super) request_id: String,
    #[serde(default)]
    pub(super) method: String,
    #[serde(default)]
    pub(super) path: String,
    #[serde(default)]
    pub(super) host: String,
    #[serde(default = "nowhere")]
    pub(super) ip: IpAddr,
    #[serde(default, rename = "session-id")]
    session_id: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    email: String,
    #[serde(default, rename = "route-id")]
    route_id: Value,
    allow: bool,
    deny: bool,
    #[serde(default, rename = "allow-why-true")]
    allow_true: Vec<String>,
    #[serde(default, rename = "allow-why-false")]
    allow_false: Vec<String>,
    #[serde(default, rename = "deny-why-true")]
    deny_true: Vec<String>,
    #[serde(default, rename = "deny-why-false")]
    deny_false: Vec<String>,
}

fn nowhere() -> IpAddr {
    Ipv4Addr::UNSPECIFIED.into()
}

/// The line about the request, the last one if there are several.
pub fn find(log: &mut impl BufRead, request_id: &str) -> Result<Line, LogError> {
    let mut found = None;
    let mut bytes = Vec::new();
    while read_line(log, &mut bytes)? {
        // Most lines are about something else, and need not be taken apart.
        if memchr::memmem::find(&bytes, request_id.as_bytes()).is_none() {
            continue;
        }
        let line: Option<Line> = serde_json::from_slice(&bytes).ok();
        found = line.filter(|line| line.message == "authorize check" && line.request_id == request_id).or(found);
    }
    found.ok_or_else(|| LogError::Missing(request_id.to_owned()))
}

/// The next line of at most [`LINE_BYTES_MAX`]; a longer one is cut, so that it is no JSON and passed over.
fn read_line(log: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<bool> {
    bytes.clear();
    let read = log.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', bytes)?;
    if read == LINE_BYTES_MAX && bytes.last() != Some(&b'\n') {
        log.skip_until(b'\n')?;
    }
    Ok(read > 0)
}

impl Line {
    /// Whom the request was taken to be from; empty for nobody.
    pub(super) fn who(&self) -> &str {
        if self.email.is_empty() { &self.user } else { &self.email }
    }

    fn decision(&self) -> Decision {
        let outcome = |value: bool, held: &[String], failed: &[String]| {
            let texts = if value { held } else { failed };
            let reasons = texts.iter().filter_map(|text| Reason::ALL.into_iter().find(|r| r.as_str() == text));
            Outcome { value, reasons: Reasons::from_iter(reasons) }
        };
        let allow = outcome(self.allow, &self.allow_true, &self.allow_false);
        let deny = outcome(self.deny, &self.deny_true, &self.deny_false);
        // Whether a body was no message is not logged.
        Decision::new(allow, deny, false)
    }

    /// The request as far as the line tells it.
    fn case(&self, plan: &Plan) -> Case {
        let session = (!self.session_id.is_empty() || !self.user.is_empty()).then(|| Session {
            id: self.session_id.as_str().into(),
            user_id: self.user.as_str().into(),
            email: self.email.as_str().into(),
            ..Session::default()
        });
        let normal = path::normalize(self.path.as_bytes(), &plan.path_rules);
        let path = normal.map_or_else(|_| self.path.clone(), |path| path.decoded().into_owned());
        Case { session, method: self.method.clone(), path, source: self.ip, ..Case::default() }
    }

    fn route<'p>(&self, plan: &'p Plan) -> Option<&'p Route> {
        let id = match &self.route_id {
            Value::String(id) => id.clone(),
            other => other.to_string(),
        };
        let by_id = plan.routes.iter().find(|route| route.id.to_string() == id).map(|route| &**route);
        by_id.or_else(|| match plan.routes.find(&self.host, None, &self.path) {
            route::Found::Route(found) => plan.routes.at(found.index),
            route::Found::NoPath | route::Found::NoHost => None,
        })
    }
}

/// A logged decision beside the policy that (as far as is known) made it.
#[derive(Debug)]
pub struct Logged<'p> {
    pub line: Line,
    pub decision: Decision,
    /// What the policy of the configuration says about what the line tells; `None` without a configuration, or where it
    /// has no such route.
    pub(super) answer: Option<Answer<'p>>,
    compared: bool,
}

impl<'p> Logged<'p> {
    /// The line, explained by the policies of a configuration if there is one.
    pub fn new(line: Line, configuration: Option<(&'p Plan, &'p Places)>) -> Logged<'p> {
        let answer = configuration.and_then(|(plan, places)| {
            let route = line.route(plan)?;
            let case = line.case(plan);
            let found = Found { route, path: case.path.clone(), shadowed_by: None, outside: false };
            Some(Answer::new(&found, case, places))
        });
        Logged { decision: line.decision(), line, answer, compared: configuration.is_some() }
    }

    pub fn is_allowed(&self) -> bool {
        self.decision.verdict == Verdict::Allow
    }

    /// What is known of a criterion: from the line's facts, or else from the reasons that were logged.
    pub(super) fn mark(&self, action: Action, result: &CriterionResult<'_>) -> Mark {
        if self.is_told(result) { result.value.into() } else { self.inferred(action, result) }
    }

    /// Whether the line holds the facts that the criterion asks for.
    fn is_told(&self, result: &CriterionResult<'_>) -> bool {
        match result.criterion.name() {
            "accept" | "reject" | "authenticated_user" | "user" | "email" | "domain" | "http_method" | "http_path"
            | "source_ip" => true,
            "cors_preflight" => self.line.method != "OPTIONS",
            _ => result.reason == Reason::UserUnauthenticated,
        }
    }

    /// The reasons name a kind of criterion: where the action has but one of that kind, it is that one.
    fn inferred(&self, action: Action, result: &CriterionResult<'_>) -> Mark {
        let rules = self.answer.iter().flat_map(|answer| &answer.explanation.rules);
        let of_action = rules.filter(|rule| rule.action == action).flat_map(|rule| &rule.criteria);
        let alike = of_action.filter(|other| other.criterion.name() == result.criterion.name()).count();
        let reasons = match action {
            Action::Allow => self.decision.allow.reasons,
            Action::Deny => self.decision.deny.reasons,
        };
        let Some((kind, _)) = result.reason.as_str().rsplit_once('-') else { return Mark::Unknown };
        let named = |ending: &str| reasons.iter().any(|reason| reason.as_str() == format!("{kind}-{ending}"));
        match (alike, named("ok"), named("unauthorized")) {
            (1, true, false) => Mark::Holds,
            (1, false, true) => Mark::Fails,
            _ => Mark::Unknown,
        }
    }

    /// What the line does not tell, and what does not fit.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let Some(answer) = &self.answer else {
            notes.push(match self.compared {
                true => "the configuration has no route for this request; was it changed since?".to_owned(),
                false => "with --config FILE every criterion of the route's policy is shown too".to_owned(),
            });
            return notes;
        };
        let criteria = answer.explanation.rules.iter().flat_map(|r| r.criteria.iter().map(move |c| (r.action, c)));
        let mut untold: Vec<String> = criteria
            .filter(|(action, result)| self.mark(*action, result) == Mark::Unknown)
            .map(|(_, result)| result.criterion.name().to_owned())
            .collect();
        untold.sort_unstable();
        untold.dedup();
        if !untold.is_empty() {
            let list = untold.join(", ");
            notes.push(format!("the log line does not hold what decides about {list}: `?` marks what it leaves open"));
        }
        let mut criteria = answer.explanation.rules.iter().flat_map(|rule| &rule.criteria);
        if criteria.all(|result| self.is_told(result)) && answer.explanation.decision != self.decision {
            notes.push("the policy of this configuration decides otherwise; was it changed since?".to_owned());
        }
        notes
    }
}
