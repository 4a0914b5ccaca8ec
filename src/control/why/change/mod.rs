//! The least that would have to be different for a request to pass.
//!
//! Each criterion of the policy suggests facts that would turn its answer. Sets of such facts, small ones first, are put
//! into the case and the policy itself is asked again, so that what is told is true, however the rules hang together.

mod edit;
mod suggest;

pub use edit::Edit;

use super::case::Case;
use crate::plan::policy::{Action, Explanation, Policy, Verdict};

/// Most facts that are tried together.
const SUGGESTED_MAX: usize = 40;
/// Most facts of a set that is found by trying all sets.
const TOGETHER_MAX: usize = 3;
/// Most changes that are told.
const TOLD_MAX: usize = 3;

/// Facts that together let the request pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub edits: Vec<Edit>,
}

impl Change {
    /// As a request to a person: `be in the group "admins"`, joined by `and`.
    pub fn words(&self) -> String {
        self.edits.iter().map(Edit::words).collect::<Vec<_>>().join(", and ")
    }

    /// Says first that nobody can be anybody without having signed in.
    fn of_somebody(mut self, case: &Case) -> Change {
        if case.session.is_none() && self.edits[0] != Edit::SignIn && self.edits.iter().any(Edit::is_about_identity) {
            self.edits.insert(0, Edit::SignIn);
        }
        self
    }

    fn cost(&self) -> (usize, u32) {
        (self.edits.len(), self.edits.iter().map(Edit::cost).sum())
    }

    fn works(&self, policy: &Policy, case: &Case) -> bool {
        let mut changed = case.clone();
        self.edits.iter().for_each(|edit| edit.apply(&mut changed));
        policy.decide(&changed.facts()).verdict == Verdict::Allow
    }
}

/// The smallest changes, at most [`TOLD_MAX`] of one size, the likeliest first. Empty when the request passes, and when
/// nothing that was tried lets it pass.
pub fn smallest(policy: &Policy, explanation: &Explanation<'_>, case: &Case) -> Vec<Change> {
    if explanation.decision.verdict == Verdict::Allow {
        return Vec::new();
    }
    let mut edits = suggest::all(explanation, case);
    edits.truncate(SUGGESTED_MAX);
    for size in 1..=TOGETHER_MAX {
        let mut found = Vec::new();
        try_sets(policy, case, &edits, size, &mut Vec::new(), &mut found);
        if !found.is_empty() {
            found.sort_by_key(Change::cost);
            found.truncate(TOLD_MAX);
            return found.into_iter().map(|change| change.of_somebody(case)).collect();
        }
    }
    rule_by_rule(policy, explanation, case).map(|change| change.of_somebody(case)).into_iter().collect()
}

fn try_sets(policy: &Policy, case: &Case, rest: &[Edit], size: usize, chosen: &mut Vec<Edit>, found: &mut Vec<Change>) {
    if size == 0 {
        let change = Change { edits: chosen.clone() };
        if change.works(policy, case) {
            found.push(change);
        }
        return;
    }
    for (at, edit) in rest.iter().enumerate() {
        if chosen.iter().any(|other| other.excludes(edit)) {
            continue;
        }
        chosen.push(edit.clone());
        try_sets(policy, case, &rest[at + 1..], size - 1, chosen, found);
        chosen.pop();
    }
}

/// For rules with many conditions: everything that one allow rule wants, and the opposite of what deny rules do, without
/// what turns out not to be needed.
fn rule_by_rule(policy: &Policy, explanation: &Explanation<'_>, case: &Case) -> Option<Change> {
    let allow = explanation.rules.iter().filter(|rule| rule.action == Action::Allow);
    let candidates = allow.filter_map(|rule| {
        let mut edits: Vec<Edit> = Vec::new();
        let denying = explanation.rules.iter().filter(|other| other.action == Action::Deny);
        for (rule, wanted) in std::iter::once((rule, true)).chain(denying.map(|rule| (rule, false))) {
            for result in &rule.criteria {
                let value = wanted != rule.operator.inverts();
                if result.value == value && case.session.is_some() {
                    continue;
                }
                let mut ideas = suggest::for_criterion(result.criterion, value, case).into_iter();
                edits.extend(ideas.find(|idea| !edits.iter().any(|edit| edit.excludes(idea))));
            }
        }
        let mut change = Change { edits };
        if !change.works(policy, case) {
            return None;
        }
        while let Some(less) = one_less(&change, policy, case) {
            change = less;
        }
        Some(change)
    });
    candidates.min_by_key(Change::cost)
}

fn one_less(change: &Change, policy: &Policy, case: &Case) -> Option<Change> {
    let without = |at: usize| {
        let mut edits = change.edits.clone();
        edits.remove(at);
        Change { edits }
    };
    (0..change.edits.len()).map(without).find(|less| less.works(policy, case))
}
