//! An answer as text for a person.

use std::fmt::{self, Write};

use super::answer::{Answer, status, verdict_name};
use super::log::Logged;
use crate::control::config::Place;
use crate::control::paint::{Paint, Style, clean};
use crate::plan::policy::{Action, CriterionResult, Operator, RuleResult, Step, Verdict};

/// Widest column for a criterion, in characters.
const CRITERION_WIDTH_MAX: usize = 56;

/// What is known of a criterion or rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Holds,
    Fails,
    Unknown,
}

impl From<bool> for Mark {
    fn from(value: bool) -> Mark {
        if value { Mark::Holds } else { Mark::Fails }
    }
}

/// Writes the verdict, the tree of criteria and the changes that would let the request pass.
pub fn answer(answer: &Answer<'_>, color: bool, out: &mut impl Write) -> fmt::Result {
    let paint = Paint(color);
    let case = &answer.case;
    let asks = format!("{} asks for {} {}", clean(case.who()), clean(&case.method), clean(&case.path));
    head(answer.verdict(), &asks, paint, out)?;
    route(&answer.route.name, answer.route_place(), paint, out)?;
    reasons(&answer.reasons(), paint, out)?;
    for note in &answer.notes {
        writeln!(out, "{}: {}", paint.on(Style::Warning, "note"), clean(note))?;
    }
    let tree =
        Tree { rules: &answer.explanation.rules, place: &|steps| answer.place(steps), mark: &|_, r| r.value.into() };
    tree.write(paint, out)?;
    changes(answer, paint, out)
}

/// Writes what a logged decision says, and the tree as far as the line tells it.
pub fn logged(logged: &Logged<'_>, color: bool, out: &mut impl Write) -> fmt::Result {
    let paint = Paint(color);
    let line = &logged.line;
    let who = if line.who().is_empty() { "nobody" } else { line.who() };
    let asks =
        format!("{} asked for {} {} on {}", clean(who), clean(&line.method), clean(&line.path), clean(&line.host));
    head(logged.decision.verdict, &asks, paint, out)?;
    reasons(&logged.decision.reasons().iter().map(|reason| reason.as_str()).collect::<Vec<_>>(), paint, out)?;
    writeln!(out, "{} {}, from {}", paint.on(Style::Line, "request"), clean(&line.request_id), line.ip)?;
    if let Some(answer) = &logged.answer {
        route(&answer.route.name, answer.route_place(), paint, out)?;
        let mark = |action: Action, result: &CriterionResult<'_>| logged.mark(action, result);
        Tree { rules: &answer.explanation.rules, place: &|steps| answer.place(steps), mark: &mark }
            .write(paint, out)?;
    }
    for note in logged.notes() {
        writeln!(out, "{}: {}", paint.on(Style::Warning, "note"), clean(&note))?;
    }
    Ok(())
}

fn head(verdict: Verdict, asks: &str, paint: Paint, out: &mut impl Write) -> fmt::Result {
    let word = verdict_name(verdict).replace('_', " ").to_uppercase();
    let style = match verdict {
        Verdict::Allow => Style::Good,
        Verdict::SignIn | Verdict::ShowDevice => Style::Warning,
        Verdict::Deny(_) => Style::Error,
    };
    let status = match (verdict, status(verdict)) {
        (Verdict::SignIn, _) => " 302, or 401 for clients that are no browsers".to_owned(),
        (_, Some(status)) => format!(" {status}"),
        (_, None) => String::new(),
    };
    writeln!(out, "{}{}: {}", paint.on(style, &word), paint.on(style, &status), paint.on(Style::Strong, asks))
}

fn route(name: &str, place: Option<Place>, paint: Paint, out: &mut impl Write) -> fmt::Result {
    let place =
        place.map(|place| format!(" {}", paint.on(Style::Faint, &clean(&place.to_string())))).unwrap_or_default();
    writeln!(out, "{} {}{place}", paint.on(Style::Line, "route"), clean(name))
}

fn reasons(reasons: &[&str], paint: Paint, out: &mut impl Write) -> fmt::Result {
    let told = if reasons.is_empty() { "none: no rule allows anybody".to_owned() } else { reasons.join(", ") };
    writeln!(out, "{} {told}", paint.on(Style::Line, "reasons"))
}

fn changes(answer: &Answer<'_>, paint: Paint, out: &mut impl Write) -> fmt::Result {
    if answer.is_allowed() {
        return Ok(());
    }
    writeln!(out)?;
    let [first, others @ ..] = answer.changes.as_slice() else {
        let allows = answer.explanation.rules.iter().any(|rule| rule.action == Action::Allow);
        let text = match allows {
            true => "no change of these facts was found that lets the request pass",
            false => "no rule allows anybody: only another policy lets the request pass",
        };
        return writeln!(out, "{}", paint.on(Style::Strong, text));
    };
    writeln!(out, "{} {}", paint.on(Style::Help, "to pass:"), clean(&first.words()))?;
    others
        .iter()
        .try_for_each(|change| writeln!(out, "{} {}", paint.on(Style::Help, "     or:"), clean(&change.words())))
}

/// Rules and criteria with their answers, reasons and places.
struct Tree<'t> {
    rules: &'t [RuleResult<'t>],
    place: &'t dyn Fn(&[Step]) -> Option<Place>,
    mark: &'t dyn Fn(Action, &CriterionResult<'_>) -> Mark,
}

impl Tree<'_> {
    fn write(&self, paint: Paint, out: &mut impl Write) -> fmt::Result {
        let criteria = self.rules.iter().flat_map(|rule| &rule.criteria);
        let width = |text: String| text.chars().count().min(CRITERION_WIDTH_MAX);
        let widest = criteria.clone().map(|result| width(result.criterion.to_string())).max().unwrap_or_default();
        let reason = criteria.map(|result| result.reason.as_str().len()).max().unwrap_or_default();
        for action in [Action::Allow, Action::Deny] {
            let rules: Vec<_> = self.rules.iter().filter(|rule| rule.action == action).collect();
            if rules.is_empty() {
                writeln!(out, "\n{}: no rule", paint.on(Style::Strong, action.name()))?;
                continue;
            }
            writeln!(out, "\n{}", paint.on(Style::Strong, action.name()))?;
            for rule in rules {
                self.rule(rule, widest, reason, paint, out)?;
            }
        }
        Ok(())
    }

    fn rule(
        &self,
        rule: &RuleResult<'_>,
        widest: usize,
        reason: usize,
        paint: Paint,
        out: &mut impl Write,
    ) -> fmt::Result {
        let marks: Vec<Mark> = rule.criteria.iter().map(|result| (self.mark)(rule.action, result)).collect();
        let mark = together(rule.operator, &marks);
        let meaning = match rule.operator {
            Operator::And => "and: all of these",
            Operator::Or => "or: any of these",
            Operator::Not => "not: none of these",
            Operator::Nor => "nor: not all of these",
        };
        let pad = " ".repeat((widest + reason + 6).saturating_sub(meaning.len()));
        writeln!(out, "  {} {meaning}{pad}{}", sign(rule.action, mark, paint), self.told(rule.place, paint))?;
        for (result, mark) in rule.criteria.iter().zip(marks) {
            let text = clean(&result.criterion.to_string()).into_owned();
            let pad = " ".repeat(widest.saturating_sub(text.chars().count()) + 2);
            let why = if mark == Mark::Unknown { "" } else { result.reason.as_str() };
            let room = " ".repeat(reason - why.len() + 2);
            let (text, why) = match result.is_decisive && mark != Mark::Unknown {
                true => (paint.on(Style::Strong, &text), why.to_owned()),
                false => (text, paint.on(Style::Faint, why)),
            };
            let sign = criterion_sign(rule, mark, paint);
            writeln!(out, "    {sign} {text}{pad}{why}{room}{}", self.told(result.place, paint))?;
        }
        Ok(())
    }

    fn told(&self, steps: &[Step], paint: Paint) -> String {
        let place = (self.place)(steps).map(|place| place.to_string()).unwrap_or_default();
        paint.on(Style::Faint, &clean(&place))
    }
}

/// What an operator makes of its criteria, as far as it is known.
fn together(operator: Operator, marks: &[Mark]) -> Mark {
    let turned = |mark: &Mark| match (mark, operator.inverts()) {
        (Mark::Holds, true) => Mark::Fails,
        (Mark::Fails, true) => Mark::Holds,
        (mark, _) => *mark,
    };
    let decisive = if operator.wants_all() { Mark::Fails } else { Mark::Holds };
    let otherwise = if operator.wants_all() { Mark::Holds } else { Mark::Fails };
    let mut marks = marks.iter().map(turned);
    if marks.clone().any(|mark| mark == decisive) {
        decisive
    } else if marks.any(|mark| mark == Mark::Unknown) {
        Mark::Unknown
    } else {
        otherwise
    }
}

/// A deny rule that holds is what keeps people out.
fn sign(action: Action, mark: Mark, paint: Paint) -> String {
    match (mark, action) {
        (Mark::Holds, Action::Allow) => paint.on(Style::Good, "✓"),
        (Mark::Holds, Action::Deny) => paint.on(Style::Error, "✓"),
        (Mark::Fails, Action::Allow) => paint.on(Style::Error, "✗"),
        (Mark::Fails, Action::Deny) => paint.on(Style::Faint, "✗"),
        (Mark::Unknown, _) => paint.on(Style::Warning, "?"),
    }
}

fn criterion_sign(rule: &RuleResult<'_>, mark: Mark, paint: Paint) -> String {
    let helps = (mark == Mark::Holds) != rule.operator.inverts();
    let style = match (mark, rule.action, helps) {
        (Mark::Unknown, ..) => return paint.on(Style::Warning, "?"),
        (_, Action::Allow, true) => Style::Good,
        (_, Action::Allow, false) | (_, Action::Deny, true) => Style::Error,
        (_, Action::Deny, false) => Style::Faint,
    };
    paint.on(style, if mark == Mark::Holds { "✓" } else { "✗" })
}
