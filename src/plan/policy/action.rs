//! All rules of one action, and what of them a session settles.

use super::facts::Facts;
use super::rule::{Outcome, Rule, Tally};
use crate::plan::session::Session;

/// What the rules of one action do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Allow,
    Deny,
}

impl Action {
    /// As written in a policy.
    pub fn name(self) -> &'static str {
        match self {
            Action::Allow => "allow",
            Action::Deny => "deny",
        }
    }
}

/// The rules of one action: any of them will do; no rule means no.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rules {
    /// In the order of the configuration.
    all: Box<[Rule]>,
    /// Positions of those that look at the request.
    open: Box<[usize]>,
}

/// What one session comes to in the rules of one action.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Settled {
    /// Of the rules that the session decides alone.
    whole: Tally,
    /// For each open rule, of its criteria that the session decides alone.
    partial: Box<[Tally]>,
}

impl Rules {
    pub(super) fn new(all: Vec<Rule>) -> Rules {
        let open = all.iter().enumerate().filter(|(_, rule)| !rule.is_settled_by_session()).map(|(at, _)| at).collect();
        Rules { all: all.into(), open }
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Rule> {
        self.all.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn outcome(&self, facts: &Facts<'_>) -> Outcome {
        let mut tally = Tally::default();
        for rule in &self.all {
            let outcome = rule.outcome(facts);
            tally.add(outcome.value, outcome.reasons);
        }
        tally.any()
    }

    pub(super) fn settle(&self, session: Option<&Session>) -> Settled {
        let mut whole = Tally::default();
        for rule in self.all.iter().filter(|rule| rule.is_settled_by_session()) {
            let outcome = rule.finish(rule.settle(session), &Facts { session, ..Facts::default() });
            whole.add(outcome.value, outcome.reasons);
        }
        let partial = self.open.iter().map(|&at| self.all[at].settle(session)).collect();
        Settled { whole, partial }
    }

    /// As [`Rules::outcome`], where `settled` is what the session of `facts` comes to.
    pub(super) fn finish(&self, settled: &Settled, facts: &Facts<'_>) -> Outcome {
        let mut tally = settled.whole;
        for (&at, &partial) in self.open.iter().zip(&settled.partial) {
            let outcome = self.all[at].finish(partial, facts);
            tally.add(outcome.value, outcome.reasons);
        }
        tally.any()
    }
}
