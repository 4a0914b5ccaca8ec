//! Where people may be sent after a sign-in or sign-out: to our own hosts, and to listed hosts for command-line tools.
//! What is checked here is always the parsed URL, and that one is what is sent: no second reading of the text.

use url::{Host, Url};

use super::guest::is_same_host;
use crate::plan::Plan;

/// The page on one of our hosts that `text` names: https, no user information, a host of a route or the authenticate
/// host. Anything else is `None`.
pub(super) fn own_page(plan: &Plan, text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
    let is_ours =
        is_known(plan, &url) || plan.identity.authenticate.as_ref().is_some_and(|own| is_same_host(own, &url));
    (is_plain && is_ours).then_some(url)
}

/// The address that `text` names, when a command-line tool may receive a session there
/// (`programmatic_redirect_domain_whitelist`).
pub(super) fn programmatic(plan: &Plan, text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    let is_plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    let is_listed = plan.identity.programmatic_domains.iter().any(|domain| domain.eq_ignore_ascii_case(host));
    (is_plain && is_listed).then_some(url)
}

fn is_known(plan: &Plan, url: &Url) -> bool {
    // A URL without a host is no https URL; IPv6 addresses are in brackets here and in the table.
    match url.host() {
        Some(Host::Domain(name)) => plan.routes.knows_host(name, url.port()),
        Some(address) => plan.routes.knows_host(&address.to_string(), url.port()),
        None => false,
    }
}
