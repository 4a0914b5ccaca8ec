//! Lints on how criteria and rules stand together.

use super::super::problem::Finding;
use super::super::written::{Criterion, Rule};
use super::names::is_about_identity;
use super::{Lint, contradiction};
use crate::plan::policy::{Action, Operator};

/// Reports what is odd about one rule.
pub(super) fn review(rule: &Rule, found: &mut Vec<Finding>) {
    if rule.criteria.is_empty() {
        return found.push(empty(rule));
    }
    if rule.operator == Operator::Nor && rule.criteria.len() > 1 {
        let message = "`nor` holds as soon as one of its criteria does not: it means \"not all of these\"";
        let help = "for \"none of these\" write `not` instead";
        found.push(Finding::lint(Lint::NorMeansNotAll, &rule.spot, &rule.path, message).help(help));
    }
    duplicates(rule, found);
    found.extend(never(rule));
    found.extend(always(rule));
    if rule.action == Action::Allow && rule.operator == Operator::Or {
        found.extend(no_sign_in(rule));
    }
}

fn empty(rule: &Rule) -> Finding {
    let (does, help) = match rule.action {
        Action::Allow => ("allows", "name a criterion; for everybody write `or: [{ accept: true }]`"),
        Action::Deny => ("denies", "name a criterion, or remove the rule"),
    };
    let message = format!("an empty list makes no rule: this `{}` {does} nobody", rule.operator.name());
    Finding::lint(Lint::EmptyList, &rule.spot, &rule.path, message).help(help)
}

fn duplicates(rule: &Rule, found: &mut Vec<Finding>) {
    for (index, criterion) in rule.criteria.iter().enumerate() {
        let same = |other: &&Criterion| other.key == criterion.key && other.data.json() == criterion.data.json();
        if let Some(first) = rule.criteria[..index].iter().find(same) {
            let message = format!("the same criterion `{}` stands twice in this list", criterion.key);
            let finding = Finding::lint(Lint::DuplicateCriterion, &criterion.spot, &criterion.path, message);
            found.push(finding.related(&first.spot, "first written here").help("remove one of them"));
        }
    }
}

/// A rule that can never hold.
fn never(rule: &Rule) -> Option<Finding> {
    let holds_never = |criterion: &Criterion| criterion.key == "reject" || contradicts_itself(criterion);
    let hopeless = match rule.operator {
        Operator::And => rule.criteria.iter().find(|c| holds_never(c)),
        Operator::Or => rule.criteria.iter().all(holds_never).then(|| &rule.criteria[0]),
        Operator::Not => rule.criteria.iter().find(|c| c.key == "accept"),
        Operator::Nor => rule.criteria.iter().all(|c| c.key == "accept").then(|| &rule.criteria[0]),
    };
    let clash = if rule.operator == Operator::And { contradiction::find(&rule.criteria) } else { None };
    let clash = clash.or_else(|| hopeless.and_then(|c| contradiction::find(std::slice::from_ref(c))));
    let (lint, what) = match rule.action {
        Action::Allow => (Lint::NeverTrue, "this rule can never hold and allows nobody"),
        Action::Deny => (Lint::DeniesNobody, "this rule can never hold and denies nobody"),
    };
    if let Some(clash) = clash {
        let message = format!("{what}: {}", clash.why);
        let finding = Finding::lint(lint, &clash.second.spot, &clash.second.path, message);
        let finding = match clash.first.spot == clash.second.spot {
            true => finding,
            false => finding.related(&clash.first.spot, "the other one"),
        };
        return Some(match clash.either && !std::ptr::eq(clash.first, clash.second) {
            true => finding.help("if either will do, write them under `or`"),
            false => finding.help("remove one of the conditions"),
        });
    }
    let criterion = hopeless?;
    let message = format!("{what}: {}", why_never(rule, criterion));
    let help = match rule.action {
        Action::Deny => "to deny everybody write `deny: { or: [{ accept: true }] }`",
        Action::Allow => "remove it; who is not allowed by any rule is refused anyway",
    };
    Some(Finding::lint(lint, &criterion.spot, &criterion.path, message).help(help))
}

fn contradicts_itself(criterion: &Criterion) -> bool {
    contradiction::find(std::slice::from_ref(criterion)).is_some()
}

fn why_never(rule: &Rule, criterion: &Criterion) -> String {
    match rule.operator.inverts() {
        true => format!("`{}` always holds, and `{}` asks that it does not", criterion.key, rule.operator.name()),
        false => format!("`{}` never holds", criterion.key),
    }
}

/// A deny rule that holds for everybody.
fn always(rule: &Rule) -> Option<Finding> {
    if rule.action == Action::Allow {
        return None;
    }
    let culprit = match rule.operator {
        Operator::Or => rule.criteria.iter().find(|c| c.key == "accept"),
        Operator::And => rule.criteria.iter().all(|c| c.key == "accept").then(|| &rule.criteria[0]),
        Operator::Not => rule.criteria.iter().all(|c| c.key == "reject").then(|| &rule.criteria[0]),
        Operator::Nor => rule.criteria.iter().find(|c| c.key == "reject"),
    }?;
    let message = "this rule denies everybody, whatever the others allow";
    let help = "remove it, unless the route is meant to be closed";
    Some(Finding::lint(Lint::DeniesEverybody, &culprit.spot, &culprit.path, message).help(help))
}

/// A criterion in `or` that is not about identity, beside some that are.
fn no_sign_in(rule: &Rule) -> Option<Finding> {
    let about_identity = rule.criteria.iter().find(|c| is_about_identity(c.name()))?;
    let open = rule.criteria.iter().find(|c| {
        let indifferent = ["accept", "reject", "cors_preflight", "invalid_client_certificate"];
        !is_about_identity(c.name()) && !indifferent.contains(&c.name())
    })?;
    let message = format!("`{}` in `or` is enough by itself: whoever fulfils it passes without signing in", open.key);
    let help = format!("to ask for both, write it under `and` with `{}`", about_identity.key);
    let finding = Finding::lint(Lint::NoSignInNeeded, &open.spot, &open.path, message);
    Some(finding.related(&about_identity.spot, "this one asks who it is").help(help))
}

/// Reports what is odd about the rules of a route side by side.
pub(super) fn across(rules: &[Rule], found: &mut Vec<Finding>) {
    let allow = || rules.iter().filter(|rule| rule.action == Action::Allow && !rule.criteria.is_empty());
    let deny = || rules.iter().filter(|rule| rule.action == Action::Deny && !rule.criteria.is_empty());
    let enough = |name: &'static str| move |c: &&Criterion| c.key == name;
    let alone = || allow().filter(|rule| is_enough_alone(rule)).flat_map(|rule| &rule.criteria);
    let identity = allow().flat_map(|rule| &rule.criteria).find(|c| is_about_identity(c.name()));
    let public = alone().find(enough("accept"));
    if let (Some(accept), Some(other)) = (public, identity) {
        let message = "`accept` lets everybody pass: the route is public, whatever the other criteria say";
        let finding = Finding::lint(Lint::Public, &accept.spot, &accept.path, message);
        found.push(finding.related(&other.spot, "this one then keeps out nobody").help("remove one of the two"));
    }
    if let (Some(accept), Some(asks)) =
        (public, deny().flat_map(|rule| &rule.criteria).find(|c| is_about_identity(c.name())))
    {
        let message = format!(
            "`{}` needs to know who it is: visitors who have not signed in are sent to sign in, although the route is public",
            asks.key
        );
        let finding = Finding::lint(Lint::AsksSignIn, &asks.spot, &asks.path, message);
        let help = "that is how the language works; to keep the route open to everybody remove the deny rule";
        found.push(finding.related(&accept.spot, "this one makes the route public").help(help));
    }
    let narrower = |c: &&Criterion| is_about_identity(c.name()) && c.key != "authenticated_user";
    let single_out = allow().flat_map(|rule| &rule.criteria).find(narrower);
    if let (Some(any), Some(narrow), None) = (alone().find(enough("authenticated_user")), single_out, public) {
        let message =
            format!("`authenticated_user` lets everybody pass who signed in, so that `{}` is moot", narrow.key);
        let finding = Finding::lint(Lint::BroaderBeside, &any.spot, &any.path, message);
        let help = format!("to let only some people pass, remove it: `{}` asks them to sign in anyway", narrow.key);
        found.push(finding.related(&narrow.spot, "the narrower one").help(help));
    }
    if let (Some(rule), None) = (deny().next(), allow().next()) {
        let message = "the policy denies some and allows nobody: nobody may pass";
        let help = "add an `allow` rule, such as `allow: { or: [{ authenticated_user: true }] }`";
        found.push(Finding::lint(Lint::OnlyDenies, &rule.spot, &rule.path, message).help(help));
    }
}

/// Whether each criterion of the rule is enough by itself.
fn is_enough_alone(rule: &Rule) -> bool {
    match rule.operator {
        Operator::Or => true,
        Operator::And => rule.criteria.len() == 1,
        Operator::Not | Operator::Nor => false,
    }
}
