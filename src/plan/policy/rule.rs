//! Operators over criteria, and how their reasons are merged.
//!
//! `nor` is "not all" (¬A ∨ ¬B) and `not` is the textbook nor (¬A ∧ ¬B): Pomerium's names, kept.

use super::criterion::Criterion;
use super::facts::Facts;
use super::reason::Reasons;
use super::{Place, Session};

/// A truth value and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    pub value: bool,
    pub reasons: Reasons,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    And,
    Or,
    Not,
    Nor,
}

impl Operator {
    /// In the order in which Pomerium reads and evaluates them.
    pub const ALL: [Operator; 4] = [Operator::And, Operator::Or, Operator::Not, Operator::Nor];

    /// As written in a policy.
    pub fn name(self) -> &'static str {
        match self {
            Operator::And => "and",
            Operator::Or => "or",
            Operator::Not => "not",
            Operator::Nor => "nor",
        }
    }

    /// Whether the operator works on inverted results.
    pub fn inverts(self) -> bool {
        matches!(self, Operator::Not | Operator::Nor)
    }

    /// Whether every (inverted) result must hold; else one is enough.
    pub fn wants_all(self) -> bool {
        matches!(self, Operator::And | Operator::Not)
    }
}

/// A criterion and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written {
    pub(super) criterion: Criterion,
    pub(super) place: Place,
}

/// One operator with its criteria; the list is never empty, since an empty list makes no rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) operator: Operator,
    /// Where the operator was written.
    pub(super) place: Place,
    /// As they are judged: those that a session decides alone, then those that look at the request.
    criteria: Box<[Criterion]>,
    /// How many a session decides alone.
    settled: usize,
    /// As they were written: position in `criteria`, and place.
    written: Box<[(usize, Place)]>,
}

impl Rule {
    /// `None` for an empty list: it is not vacuously true.
    pub(super) fn new(operator: Operator, place: Place, written: Vec<Written>) -> Option<Rule> {
        let mut order: Vec<usize> = (0..written.len()).collect();
        order.sort_by_key(|&at| written[at].criterion.asks_request());
        let settled = order.iter().filter(|&&at| !written[at].criterion.asks_request()).count();
        let criteria = order.iter().map(|&at| written[at].criterion.clone()).collect();
        let mut position = vec![0; order.len()];
        for (rank, &at) in order.iter().enumerate() {
            position[at] = rank;
        }
        let written: Box<[_]> = position.into_iter().zip(written.into_iter().map(|w| w.place)).collect();
        (!written.is_empty()).then_some(Rule { operator, place, criteria, settled, written })
    }

    /// The criteria and their places, in the order in which they were written.
    pub(super) fn written(&self) -> impl Iterator<Item = (&Criterion, &Place)> {
        self.written.iter().map(|(position, place)| (&self.criteria[*position], place))
    }

    pub(super) fn outcome(&self, facts: &Facts<'_>) -> Outcome {
        self.finish(self.settle(facts.session), facts)
    }

    /// What the criteria say that a session decides alone.
    pub(super) fn settle(&self, session: Option<&Session>) -> Tally {
        let facts = Facts { session, ..Facts::default() };
        self.tally(Tally::default(), &self.criteria[..self.settled], &facts)
    }

    /// The outcome, when the criteria that a session decides alone have come to `settled`.
    pub(super) fn finish(&self, settled: Tally, facts: &Facts<'_>) -> Outcome {
        let tally = self.tally(settled, &self.criteria[self.settled..], facts);
        if self.operator.wants_all() { tally.all() } else { tally.any() }
    }

    /// Whether nothing but a session decides it.
    pub(super) fn is_settled_by_session(&self) -> bool {
        self.settled == self.criteria.len()
    }

    pub(super) fn any(&self, asks: fn(&Criterion) -> bool) -> bool {
        self.criteria.iter().any(asks)
    }

    fn tally(&self, mut tally: Tally, criteria: &[Criterion], facts: &Facts<'_>) -> Tally {
        let inverts = self.operator.inverts();
        for criterion in criteria {
            let (value, reason) = criterion.judge(facts);
            tally.add(value != inverts, reason.into());
        }
        tally
    }
}

/// Reasons of the results seen so far, those that held apart from those that failed. Every result has a reason, so that an
/// empty set says that there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    held: Reasons,
    failed: Reasons,
}

impl Tally {
    pub(super) fn add(&mut self, value: bool, reasons: Reasons) {
        let side = if value { &mut self.held } else { &mut self.failed };
        *side = *side | reasons;
    }

    fn all(self) -> Outcome {
        let value = self.failed.is_empty();
        Outcome { value, reasons: if value { self.held } else { self.failed } }
    }

    pub(super) fn any(self) -> Outcome {
        let value = !self.held.is_empty();
        Outcome { value, reasons: if value { self.held } else { self.failed } }
    }
}
