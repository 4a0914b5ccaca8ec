//! The access fields that routes had before the policy language: one more rule, `allow.or`.

use super::Place;
use super::claim::ClaimPath;
use super::criterion::Criterion;
use super::matcher::{ListMatcher, TextMatcher};
use super::problem::Problems;
use super::rule::{Operator, Rule, Written};

/// The access fields of a route beside its policy document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Legacy {
    /// `allow_public_unauthenticated_access`.
    pub public: bool,
    /// `cors_allow_preflight`.
    pub cors_preflight: bool,
    /// `allow_any_authenticated_user`.
    pub any_authenticated_user: bool,
    /// `allowed_domains`, `allowed_idp_claims`, `allowed_users`.
    pub lists: Lists,
    /// `sub_policies`.
    pub sub_policies: Vec<SubPolicy>,
    /// Whoever shows no valid client certificate is refused, whatever the policy says: the route has terms for them, and
    /// `downstream_mtls.enforcement` is not `policy`.
    pub needs_certificate: bool,
}

/// Lists of who may pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lists {
    /// `allowed_domains`.
    pub domains: Vec<String>,
    /// `allowed_idp_claims`: claim to accepted values.
    pub claims: Vec<(String, Vec<serde_json::Value>)>,
    /// `allowed_users`.
    pub users: Vec<String>,
}

/// One of `sub_policies`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SubPolicy {
    pub lists: Lists,
    /// `source_ppl`.
    pub ppl: Option<serde_json::Value>,
}

impl Legacy {
    /// The rule; `None` when no field is set. Within an `or`, "is one of these" and "is this, or is that" give the same
    /// value and the same reasons, so a list of domains or users is a single criterion.
    pub(super) fn rule(&self, problems: &mut Problems) -> Option<Rule> {
        let mut written = Vec::new();
        let mut add = |problems: &mut Problems, field: &str, criterion: Criterion| {
            written.push(Written { criterion, place: problems.key(field, |problems| problems.place()) });
        };
        if self.public {
            add(problems, "allow_public_unauthenticated_access", Criterion::Accept);
        }
        if self.cors_preflight {
            add(problems, "cors_allow_preflight", Criterion::CorsPreflight);
        }
        if self.any_authenticated_user {
            add(problems, "allow_any_authenticated_user", Criterion::AuthenticatedUser);
        }
        // Each kind of list for the route and its sub-policies, then the next kind.
        for read in [Lists::read_domains, Lists::read_claims, Lists::read_users] {
            read(&self.lists, &mut written, problems);
            problems.key("sub_policies", |problems| {
                for (index, sub_policy) in self.sub_policies.iter().enumerate() {
                    problems.index(index, |problems| read(&sub_policy.lists, &mut written, problems));
                }
            });
        }
        Rule::new(Operator::Or, Place::default(), written)
    }

    /// Pomerium's default rule, `deny.or: [invalid_client_certificate]`.
    pub(super) fn certificate_rule(&self) -> Option<Rule> {
        let written = Written { criterion: Criterion::InvalidClientCertificate, place: Place::default() };
        let written = if self.needs_certificate { vec![written] } else { Vec::new() };
        Rule::new(Operator::Or, Place::default(), written)
    }
}

impl Lists {
    fn read_domains(&self, written: &mut Vec<Written>, problems: &mut Problems) {
        if !self.domains.is_empty() {
            let criterion = Criterion::Domain(TextMatcher::one_of(&self.domains));
            written.push(Written { criterion, place: problems.key("allowed_domains", |problems| problems.place()) });
        }
    }

    fn read_users(&self, written: &mut Vec<Written>, problems: &mut Problems) {
        if !self.users.is_empty() {
            let users = TextMatcher::one_of(&self.users);
            let place = problems.key("allowed_users", |problems| problems.place());
            written.push(Written { criterion: Criterion::User(users.clone()), place: place.clone() });
            written.push(Written { criterion: Criterion::Email(users), place });
        }
    }

    /// One criterion for each accepted value, the claims in the order of their names.
    fn read_claims(&self, written: &mut Vec<Written>, problems: &mut Problems) {
        let mut claims: Vec<_> = self.claims.iter().collect();
        claims.sort_by(|a, b| a.0.cmp(&b.0));
        problems.key("allowed_idp_claims", |problems| {
            for (name, values) in claims {
                problems.key(name, |problems| {
                    for (index, value) in values.iter().enumerate() {
                        problems.index(index, |problems| {
                            let criterion = Criterion::Claim(ClaimPath::new(name), ListMatcher::read(value, problems));
                            let place = problems.place();
                            written.push(Written { criterion, place });
                        });
                    }
                });
            }
        });
    }
}
