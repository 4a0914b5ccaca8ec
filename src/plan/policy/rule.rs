//! Operators over criteria, and how their reasons are merged.
//!
//! `nor` is "not all" (¬A ∨ ¬B) and `not` is the textbook nor (¬A ∧ ¬B): Pomerium's names, kept.

use super::Facts;
use super::criterion::Criterion;
use super::reason::{Reason, Reasons};

/// A truth value and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    pub value: bool,
    pub reasons: Reasons,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    And,
    Or,
    Not,
    Nor,
}

impl Operator {
    /// In the order in which Pomerium reads and evaluates them.
    pub(super) const ALL: [Operator; 4] = [Operator::And, Operator::Or, Operator::Not, Operator::Nor];

    pub(super) fn name(self) -> &'static str {
        match self {
            Operator::And => "and",
            Operator::Or => "or",
            Operator::Not => "not",
            Operator::Nor => "nor",
        }
    }

    /// Whether the operator works on inverted results.
    pub(super) fn inverts(self) -> bool {
        matches!(self, Operator::Not | Operator::Nor)
    }
}

/// One operator with its criteria; the list is never empty, since an empty list makes no rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) operator: Operator,
    pub(super) criteria: Box<[Criterion]>,
}

impl Rule {
    pub(super) fn outcome(&self, facts: &Facts<'_>) -> Outcome {
        let mut tally = Tally::default();
        for criterion in &self.criteria {
            let (value, reason) = criterion.judge(facts);
            tally.add(value != self.operator.inverts(), reason.into());
        }
        match self.operator {
            Operator::And | Operator::Not => tally.all(),
            Operator::Or | Operator::Nor => tally.any(),
        }
    }

    /// The criteria that made the outcome what it is, with their reasons.
    pub(super) fn decisive<'a>(&'a self, facts: &'a Facts<'a>) -> impl Iterator<Item = (&'a Criterion, Reason)> {
        let wanted = self.outcome(facts).value != self.operator.inverts();
        self.criteria.iter().filter_map(move |criterion| {
            let (value, reason) = criterion.judge(facts);
            (value == wanted).then_some((criterion, reason))
        })
    }

    pub(super) fn needs_session(&self) -> bool {
        self.criteria.iter().any(Criterion::needs_session)
    }

    pub(super) fn asks_method(&self) -> bool {
        self.criteria.iter().any(|criterion| matches!(criterion, Criterion::HttpMethod(_)))
    }
}

/// All rules of one action: any of them will do; no rule means no.
pub(super) fn any(rules: &[Rule], facts: &Facts<'_>) -> Outcome {
    let mut tally = Tally::default();
    for rule in rules {
        let outcome = rule.outcome(facts);
        tally.add(outcome.value, outcome.reasons);
    }
    tally.any()
}

/// Results seen so far, those that held apart from those that failed.
#[derive(Default)]
struct Tally {
    some_held: bool,
    some_failed: bool,
    held: Reasons,
    failed: Reasons,
}

impl Tally {
    fn add(&mut self, value: bool, reasons: Reasons) {
        if value {
            self.some_held = true;
            self.held = self.held | reasons;
        } else {
            self.some_failed = true;
            self.failed = self.failed | reasons;
        }
    }

    fn all(self) -> Outcome {
        let value = !self.some_failed;
        Outcome { value, reasons: if value { self.held } else { self.failed } }
    }

    fn any(self) -> Outcome {
        let value = self.some_held;
        Outcome { value, reasons: if value { self.held } else { self.failed } }
    }
}
