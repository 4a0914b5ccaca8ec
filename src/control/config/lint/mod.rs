//! Lints: what a configuration says that its author hardly meant. None of them forbids the start.
//!
//! `rules` looks at how criteria stand together, `values` at the data of each, `contradiction` at what can never be
//! true; `advice` adds to the errors of policies, whose texts are Pomerium's, what to write instead.

pub(super) mod advice;
mod contradiction;
mod names;
mod rules;
#[cfg(test)]
mod tests;
mod values;

use super::problem::Finding;
use super::section::Desk;
use super::written::Rule;

/// One thing that may be wrong although it can be run. Its code is stable: scripts may rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lint {
    AsksSignIn,
    BroaderBeside,
    ClaimWithoutName,
    DataIgnored,
    DeniesEverybody,
    DeniesNobody,
    DomainWithAt,
    DuplicateCriterion,
    EmailWithoutAt,
    EmptyList,
    HostBits,
    ListIsOneValue,
    NeverTrue,
    NoPolicy,
    NoSignInNeeded,
    NorMeansNotAll,
    NotText,
    OnlyDenies,
    PathNeverMatches,
    Public,
    RouteNameTwice,
    RouteUnreachable,
    SpaceAround,
    UpperCase,
    WildcardIsLiteral,
}

impl Lint {
    /// Every lint, in alphabetical order of the codes.
    pub const ALL: [Lint; 25] = [
        Lint::AsksSignIn,
        Lint::BroaderBeside,
        Lint::ClaimWithoutName,
        Lint::DataIgnored,
        Lint::DeniesEverybody,
        Lint::DeniesNobody,
        Lint::DomainWithAt,
        Lint::DuplicateCriterion,
        Lint::EmailWithoutAt,
        Lint::EmptyList,
        Lint::HostBits,
        Lint::ListIsOneValue,
        Lint::NeverTrue,
        Lint::NoPolicy,
        Lint::NoSignInNeeded,
        Lint::NorMeansNotAll,
        Lint::NotText,
        Lint::OnlyDenies,
        Lint::PathNeverMatches,
        Lint::Public,
        Lint::RouteNameTwice,
        Lint::RouteUnreachable,
        Lint::SpaceAround,
        Lint::UpperCase,
        Lint::WildcardIsLiteral,
    ];

    /// What stands in brackets behind `warning`.
    pub fn code(self) -> &'static str {
        match self {
            Lint::AsksSignIn => "asks-sign-in",
            Lint::BroaderBeside => "broader-beside",
            Lint::ClaimWithoutName => "claim-without-name",
            Lint::DataIgnored => "data-ignored",
            Lint::DeniesEverybody => "denies-everybody",
            Lint::DeniesNobody => "denies-nobody",
            Lint::DomainWithAt => "domain-with-at",
            Lint::DuplicateCriterion => "duplicate-criterion",
            Lint::EmailWithoutAt => "email-without-at",
            Lint::EmptyList => "empty-list",
            Lint::HostBits => "host-bits",
            Lint::ListIsOneValue => "list-is-one-value",
            Lint::NeverTrue => "never-true",
            Lint::NoPolicy => "no-policy",
            Lint::NoSignInNeeded => "no-sign-in-needed",
            Lint::NorMeansNotAll => "nor-means-not-all",
            Lint::NotText => "not-text",
            Lint::OnlyDenies => "only-denies",
            Lint::PathNeverMatches => "path-never-matches",
            Lint::Public => "public",
            Lint::RouteNameTwice => "route-name-twice",
            Lint::RouteUnreachable => "route-unreachable",
            Lint::SpaceAround => "space-around",
            Lint::UpperCase => "upper-case",
            Lint::WildcardIsLiteral => "wildcard-is-literal",
        }
    }

    /// What it means, in one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Lint::AsksSignIn => "a deny rule about identity sends the visitors of a public route to sign in",
            Lint::BroaderBeside => "a criterion in `or` lets everybody pass whom those beside it single out",
            Lint::ClaimWithoutName => "`claim` names no claim, so that none is ever found",
            Lint::DataIgnored => "the criterion takes no data: `false` does not turn it off",
            Lint::DeniesEverybody => "a deny rule that always holds: nobody may pass, whatever is allowed",
            Lint::DeniesNobody => "a deny rule that can never hold",
            Lint::DomainWithAt => "a domain is what stands behind the `@`, so that none holds one",
            Lint::DuplicateCriterion => "the same criterion stands twice in one list",
            Lint::EmailWithoutAt => "no e-mail address is without `@`",
            Lint::EmptyList => "an empty list makes no rule, or compares with nothing",
            Lint::HostBits => "an address range was written by an address inside it",
            Lint::ListIsOneValue => "a list was given where one value is compared: it equals none",
            Lint::NeverTrue => "an allow rule that can never hold",
            Lint::NoPolicy => "the route has no policy: nobody may pass",
            Lint::NoSignInNeeded => {
                "a criterion in `or` that is not about identity lets people pass who never signed in"
            }
            Lint::NorMeansNotAll => "`nor` holds as soon as one criterion does not; `not` is what holds when none does",
            Lint::NotText => "a number or bool is compared with text, which it never equals",
            Lint::OnlyDenies => "the policy denies and allows nothing: nobody may pass",
            Lint::PathNeverMatches => "no path looks like this: it begins with a slash and has no query",
            Lint::Public => "`accept` in `or` makes the route public, whatever stands beside it",
            Lint::RouteNameTwice => "two routes have one name in logs and metrics",
            Lint::RouteUnreachable => "an earlier route takes every request of this one",
            Lint::SpaceAround => "space around a value is compared too",
            Lint::UpperCase => "comparison is by exact letters, and such values have none in that case",
            Lint::WildcardIsLiteral => "`*` has no meaning in a matcher: it is compared letter by letter",
        }
    }
}

/// Reports what is odd about the rules of one route. Where they are all there are and compile, what they
/// mean side by side is looked at too.
pub(super) fn review(rules: &[Rule], is_whole: bool, desk: &Desk) {
    let mut found: Vec<Finding> = Vec::new();
    for rule in rules {
        if is_whole {
            rules::review(rule, &mut found);
        }
        for criterion in &rule.criteria {
            values::review(criterion, &mut found);
        }
    }
    if is_whole {
        rules::across(rules, &mut found);
    }
    found.into_iter().for_each(|finding| desk.problems.add(finding));
}
