//! Who may do what: Pomerium's policy language, compiled and decided here.
//!
//! `document` and `legacy` turn configuration into rules; `criterion`, `rule` and `action` judge a request by them,
//! `decision` says what follows, `explain` says why. Deciding is pure, looks at nothing but its [`Facts`] and allocates
//! nothing.

mod action;
mod certificate;
mod claim;
mod criterion;
mod decision;
mod device;
mod document;
mod explain;
mod facts;
mod legacy;
mod matcher;
pub mod mcp;
mod network;
mod problem;
mod reason;
mod record;
mod rule;
pub mod ssh;
mod time;

#[cfg(test)]
mod tests;

use super::session::Session;
pub use action::Action;
use action::{Rules, Settled};
pub use criterion::Criterion;
pub use decision::{Decision, Verdict};
pub use explain::{CriterionResult, Explanation, FAILING_LINES_MAX, RuleResult};
pub use facts::Facts;
pub use legacy::{Legacy, Lists, SubPolicy};
pub use matcher::Condition;
use mcp::Mcp;
use problem::Problems;
pub use reason::{Reason, Reasons};
pub use rule::{Operator, Outcome};

/// A compiled policy: the legacy fields of a route and its PPL, merged. The default lets nobody pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    allow: Rules,
    deny: Rules,
    needs_session: bool,
    needs_message: bool,
    asks_method: bool,
    /// What nobody comes to.
    nobody: Residual,
}

/// What one policy leaves to be asked of each request of one session. It means nothing to another policy, and is as old
/// as the session it was made from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Residual {
    allow: Settled,
    deny: Settled,
}

/// One step from a route to a place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// Where something was written, from the route on: `policy`, 0, `allow`, `or`, 2, `email`.
pub type Place = Box<[Step]>;

/// A policy that cannot be compiled: where in the route, and Pomerium's text for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PolicyError {
    pub place: Place,
    pub message: String,
}

impl Policy {
    /// Compiles the legacy fields, the PPL document and the sub-policies of a route. Neither given means: nobody may pass. All errors are
    /// reported, in the order of the document.
    pub fn compile(legacy: &Legacy, ppl: Option<&serde_json::Value>) -> Result<Policy, Vec<PolicyError>> {
        let mut problems = Problems::default();
        let mut rules = document::Rules::default();
        rules.allow.extend(legacy.rule(&mut problems));
        rules.deny.extend(legacy.certificate_rule());
        if let Some(document) = ppl {
            problems.key("policy", |problems| rules.read(document, problems));
        }
        problems.key("sub_policies", |problems| {
            for (index, sub_policy) in legacy.sub_policies.iter().enumerate() {
                let Some(document) = &sub_policy.ppl else { continue };
                problems.index(index, |problems| problems.key("source_ppl", |problems| rules.read(document, problems)));
            }
        });
        let any = |asks: fn(&Criterion) -> bool| rules.allow.iter().chain(&rules.deny).any(|rule| rule.any(asks));
        let mut policy = Policy {
            needs_session: any(Criterion::asks_session),
            needs_message: any(Criterion::asks_message),
            asks_method: any(|criterion| matches!(criterion, Criterion::HttpMethod(_))),
            allow: Rules::new(rules.allow),
            deny: Rules::new(rules.deny),
            nobody: Residual::default(),
        };
        policy.nobody = policy.settle(None);
        problems.finish(policy)
    }

    /// Decides about one request.
    pub fn decide(&self, facts: &Facts<'_>) -> Decision {
        match facts.session {
            Some(_) => self.conclude(self.allow.outcome(facts), self.deny.outcome(facts), facts),
            None => self.decide_rest(&self.nobody, facts),
        }
    }

    /// Decides all that depends on the session alone.
    pub fn settle(&self, session: Option<&Session>) -> Residual {
        Residual { allow: self.allow.settle(session), deny: self.deny.settle(session) }
    }

    /// As [`Policy::decide`], where `residual` was made by this policy from the session of `facts`.
    pub fn decide_rest(&self, residual: &Residual, facts: &Facts<'_>) -> Decision {
        self.conclude(self.allow.finish(&residual.allow, facts), self.deny.finish(&residual.deny, facts), facts)
    }

    fn conclude(&self, allow: Outcome, deny: Outcome, facts: &Facts<'_>) -> Decision {
        Decision::new(allow, deny, self.needs_message && facts.mcp == Mcp::Unreadable)
    }

    /// Whether a decision may depend on who is signed in. When false, [`Facts::session`] may be left out.
    pub fn needs_session(&self) -> bool {
        self.needs_session
    }

    /// Whether a decision may depend on the message in the request's body. When false, [`Facts::mcp`] may be left out.
    pub fn needs_message(&self) -> bool {
        self.needs_message
    }

    /// The type of device that should be shown, after [`Verdict::ShowDevice`].
    pub fn device_wanted(&self, facts: &Facts<'_>) -> Option<&str> {
        let criteria = self.allow.iter().chain(self.deny.iter()).flat_map(|rule| rule.written());
        criteria.filter(|(c, _)| c.judge(facts).1 == Reason::DeviceUnauthenticated).find_map(|(c, _)| c.device_kind())
    }

    /// Whether a decision may depend on the method.
    pub fn asks_method(&self) -> bool {
        self.asks_method
    }
}
