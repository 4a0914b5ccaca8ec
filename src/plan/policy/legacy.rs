//! The access fields that routes had before the policy language: one more rule, `allow.or`.

use super::Legacy;
use super::claim::ClaimPath;
use super::criterion::Criterion;
use super::matcher::{ListMatcher, TextMatcher};
use super::problem::Problems;
use super::rule::{Operator, Rule};

impl Legacy {
    /// The rule; `None` when no field is set. Within an `or`, "is one of these" and "is this, or is that" give the same
    /// value and the same reasons, so a list of domains or users is a single criterion.
    pub(super) fn rule(&self, problems: &mut Problems) -> Option<Rule> {
        let mut criteria = Vec::new();
        if self.public {
            criteria.push(Criterion::Accept);
        }
        if self.cors_preflight {
            criteria.push(Criterion::CorsPreflight);
        }
        if self.any_authenticated_user {
            criteria.push(Criterion::AuthenticatedUser);
        }
        if !self.domains.is_empty() {
            criteria.push(Criterion::Domain(TextMatcher::one_of(&self.domains)));
        }
        self.read_claims(&mut criteria, problems);
        if !self.users.is_empty() {
            criteria.push(Criterion::User(TextMatcher::one_of(&self.users)));
            criteria.push(Criterion::Email(TextMatcher::one_of(&self.users)));
        }
        let rule = Rule { operator: Operator::Or, criteria: criteria.into() };
        (!rule.criteria.is_empty()).then_some(rule)
    }

    /// One criterion for each accepted value, the claims in the order of their names.
    fn read_claims(&self, criteria: &mut Vec<Criterion>, problems: &mut Problems) {
        let mut claims: Vec<_> = self.claims.iter().collect();
        claims.sort_by(|a, b| a.0.cmp(&b.0));
        problems.key("allowed_idp_claims", |problems| {
            for (name, values) in claims {
                problems.key(name, |problems| {
                    for (index, value) in values.iter().enumerate() {
                        let matcher = problems.index(index, |problems| ListMatcher::read(value, problems));
                        criteria.push(Criterion::Claim(ClaimPath::new(name), matcher));
                    }
                });
            }
        });
    }
}
