//! What a policy says about a case.

use super::case::Case;
use super::change::{self, Change};
use super::target::Found;
use crate::control::config::{Place, Places};
use crate::plan::policy::{Explanation, Verdict};
use crate::plan::route::Route;

/// A case, what came of it, and why.
#[derive(Debug)]
pub struct Answer<'p> {
    pub case: Case,
    pub route: &'p Route,
    pub explanation: Explanation<'p>,
    /// The least changes that would let the request pass, the likeliest first; empty when it passes, or when none was
    /// found.
    pub changes: Vec<Change>,
    /// What is odd about the question.
    pub notes: Vec<String>,
    places: &'p Places,
}

impl<'p> Answer<'p> {
    /// Asks the policy of the route that was found.
    pub fn new(found: &Found<'p>, case: Case, places: &'p Places) -> Answer<'p> {
        let explanation = found.route.policy.explain(&case.facts());
        let changes = change::smallest(&found.route.policy, &explanation, &case);
        Answer { route: found.route, explanation, changes, notes: notes(found), places, case }
    }

    pub fn verdict(&self) -> Verdict {
        self.explanation.decision.verdict
    }

    pub fn is_allowed(&self) -> bool {
        self.verdict() == Verdict::Allow
    }

    /// The status that Vallum answers with; `None` when the upstream answers. Clients that are no browsers get 401 where
    /// 302 stands here.
    pub fn status(&self) -> Option<u16> {
        status(self.verdict())
    }

    /// The texts of the reasons that decided.
    pub fn reasons(&self) -> Vec<&'static str> {
        self.explanation.decision.reasons().iter().map(|reason| reason.as_str()).collect()
    }

    /// Where the route begins.
    pub fn route_place(&self) -> Option<Place> {
        self.places.route(self.route.index)
    }

    /// Where a part of the route was written.
    pub fn place(&self, steps: &[crate::plan::policy::Step]) -> Option<Place> {
        self.places.within(self.route.index, steps)
    }
}

fn notes(found: &Found<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if found.outside {
        notes.push(format!("the route does not take the path {:?}: such requests never reach this policy", found.path));
    }
    if let Some(other) = found.shadowed_by {
        notes.push(format!("the earlier route {:?} takes requests for {:?}", other.name, found.path));
    }
    notes
}

/// The status that goes with a verdict; `None`: the upstream's.
pub(super) fn status(verdict: Verdict) -> Option<u16> {
    match verdict {
        Verdict::Allow => None,
        Verdict::SignIn | Verdict::ShowDevice => Some(302),
        Verdict::Deny(status) => Some(status),
    }
}

/// The verdict in a word, as in the metric's label `result`.
pub fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::SignIn => "sign_in",
        Verdict::ShowDevice => "show_device",
        Verdict::Deny(_) => "deny",
    }
}
