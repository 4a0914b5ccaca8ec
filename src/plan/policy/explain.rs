//! Says why a policy decided as it did. The lines for a refused person hold only the policy's own words and the reasons,
//! never what the session holds.

use super::action::Action;
use super::criterion::Criterion;
use super::reason::Reason;
use super::rule::{Operator, Outcome, Rule};
use super::{Decision, Facts, Place, Policy};

/// Most lines of an explanation.
pub const FAILING_LINES_MAX: usize = 32;

/// What every rule and criterion of a policy says about one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation<'p> {
    pub decision: Decision,
    /// Those of `allow`, then those of `deny`, each in the order of the configuration.
    pub rules: Vec<RuleResult<'p>>,
}

/// One operator of a policy. An action holds when one of its rules does.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleResult<'p> {
    pub action: Action,
    pub operator: Operator,
    /// Where the operator was written; empty for the rule that the legacy fields of a route make together.
    pub place: &'p Place,
    pub outcome: Outcome,
    /// In the order of the configuration; never empty.
    pub criteria: Vec<CriterionResult<'p>>,
}

/// One criterion. [`Criterion`] writes itself as text (`email is "a@example.com"`).
#[derive(Debug, Clone, PartialEq)]
pub struct CriterionResult<'p> {
    pub criterion: &'p Criterion,
    pub place: &'p Place,
    /// Before the operator inverts it.
    pub value: bool,
    pub reason: Reason,
    /// Whether it made the rule's outcome what it is.
    pub is_decisive: bool,
}

impl Policy {
    /// Every criterion's answer to one request, and what came of them.
    pub fn explain(&self, facts: &Facts<'_>) -> Explanation<'_> {
        let allow = self.allow.iter().map(|rule| result(Action::Allow, rule, facts));
        let deny = self.deny.iter().map(|rule| result(Action::Deny, rule, facts));
        let rules = allow.chain(deny).collect();
        Explanation { decision: self.decide(facts), rules }
    }

    /// Which conditions stood in the way: those that matched in `deny`, then those that failed in `allow`, such as
    /// `claim/groups has "admins" → claim-unauthorized`. At most [`FAILING_LINES_MAX`] lines and one that says how many
    /// were left out; empty when the request may pass.
    pub fn failing(&self, facts: &Facts<'_>) -> Vec<String> {
        let Explanation { decision, rules } = self.explain(facts);
        let mut lines = Vec::new();
        for rule in rules.iter().filter(|rule| rule.action == Action::Deny && rule.outcome.value) {
            lines.extend(rule.decisive().map(|line| format!("deny: {line}")));
        }
        if !decision.allow.value {
            for rule in rules.iter().filter(|rule| rule.action == Action::Allow) {
                lines.extend(rule.decisive());
            }
            if self.allow.is_empty() {
                lines.push("no rule allows anybody".to_owned());
            }
        }
        if decision.is_unread {
            lines.push(format!("the body is no MCP message → {}", Reason::McpNotAToolCall));
        }
        let hidden = lines.len().saturating_sub(FAILING_LINES_MAX);
        if hidden > 0 {
            lines.truncate(FAILING_LINES_MAX);
            lines.push(format!("and {hidden} more"));
        }
        lines
    }
}

fn result<'p>(action: Action, rule: &'p Rule, facts: &Facts<'_>) -> RuleResult<'p> {
    let outcome = rule.outcome(facts);
    let wanted = outcome.value != rule.operator.inverts();
    let one = |(criterion, place): (&'p Criterion, &'p Place)| {
        let (value, reason) = criterion.judge(facts);
        CriterionResult { criterion, place, value, reason, is_decisive: value == wanted }
    };
    RuleResult {
        action,
        operator: rule.operator,
        place: &rule.place,
        outcome,
        criteria: rule.written().map(one).collect(),
    }
}

impl RuleResult<'_> {
    /// The criteria that made the outcome what it is, in words.
    fn decisive(&self) -> impl Iterator<Item = String> {
        let inverted = if self.operator.inverts() { "not " } else { "" };
        let decisive = self.criteria.iter().filter(|result| result.is_decisive);
        decisive.map(move |result| format!("{inverted}{} → {}", result.criterion, result.reason))
    }
}
