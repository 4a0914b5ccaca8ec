//! Cookies, our own URLs, claim headers: from what was typed to [`crate::plan::identity`].

use std::time::Duration;

use url::Url;

use super::super::problem::{Finding, Spot};
use super::super::section::{Desk, Typed};
use super::super::sections::identity::{ClaimHeader, Cookie as CookieSection, Identity as Section};
use super::listener::{FOREVER, on};
use super::{provider, url as address};
use crate::http::fields;
use crate::plan::identity::{Cookie, Provider, SameSite};

const COOKIE_NAME: &str = "_pomerium";
const COOKIE_EXPIRE: Duration = Duration::from_secs(14 * 3600);

/// Everything about identity but the secrets and what is derived from them.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) cookie: Cookie,
    pub(super) authenticate: Option<Url>,
    pub(super) provider: Option<Provider>,
    pub(super) claim_headers: Vec<(Box<str>, Box<str>)>,
    pub(super) signout_redirect: Option<Url>,
    pub(super) programmatic_domains: Vec<String>,
}

pub(super) fn parts(section: &Section, desk: &Desk) -> Parts {
    let signout = section.signout_url.as_ref().filter(|typed| !typed.value.trim().is_empty());
    Parts {
        cookie: cookie(&section.cookie, desk),
        authenticate: authenticate(section, desk),
        provider: provider::provider(&section.provider, desk),
        claim_headers: claim_headers(&section.claim_headers, desk),
        signout_redirect: signout.and_then(|typed| {
            let parsed = Url::parse(typed.value.trim()).map_err(|e| e.to_string());
            let usable = parsed.and_then(|url| match (url.scheme(), url.host_str()) {
                ("http" | "https", Some(_)) => Ok(url),
                _ => Err(format!("{} url does not contain a valid scheme", address::shown(&typed.value))),
            });
            let shown = address::shown(&typed.value);
            report(usable, typed, desk, |e| format!("config: bad signout-redirect-url {shown} : {e}"))
        }),
        programmatic_domains: match &section.programmatic_domains {
            None => vec!["localhost".to_owned()],
            Some(typed) => typed.value.iter().map(|d| d.value.trim().to_ascii_lowercase()).collect(),
        },
    }
}

fn report<T>(
    result: Result<T, String>,
    typed: &Typed<String>,
    desk: &Desk,
    message: impl Fn(String) -> String,
) -> Option<T> {
    result.map_err(|e| desk.problems.add(typed.error(message(e)))).ok()
}

fn authenticate(section: &Section, desk: &Desk) -> Option<Url> {
    let typed = section.authenticate_url.as_ref().filter(|typed| !typed.value.trim().is_empty())?;
    let parsed = address::service(&typed.value).and_then(|url| match url.path() {
        "" | "/" => Ok(url),
        _ => Err("a path is not expected here".to_owned()),
    });
    let shown = address::shown(&typed.value);
    let url = report(parsed, typed, desk, |e| format!("config: bad authenticate-url {shown} : {e}"))?;
    if url.scheme() == "http" && !url.host_str().is_some_and(address::is_loopback) {
        let message = "`authenticate_service_url` is http: people sign in over clear text";
        desk.problems.add(typed.warning(message).help("use https"));
    }
    Some(url)
}

fn cookie(section: &CookieSection, desk: &Desk) -> Cookie {
    let name = section.name.as_ref().filter(|typed| !typed.value.is_empty());
    if let Some(typed) = name.filter(|typed| !fields::is_token(typed.value.as_bytes())) {
        let message = format!("`cookie_name`: expected letters, digits and `-_.`, found {:?}", typed.value);
        desk.problems.add(typed.error(message));
    }
    let expire = section.expire.as_ref();
    if let Some(typed) = expire.filter(|typed| typed.value.is_zero()) {
        desk.problems.add(typed.error("`cookie_expire`: expected a time longer than 0, found 0"));
    }
    Cookie {
        name: name.map_or(COOKIE_NAME, |typed| &typed.value).into(),
        domain: cookie_domain(section, desk),
        http_only: on(&section.http_only, true),
        expire: expire.map_or(COOKIE_EXPIRE, |typed| typed.value.min(FOREVER)),
        same_site: same_site(section, desk),
    }
}

fn cookie_domain(section: &CookieSection, desk: &Desk) -> Option<Box<str>> {
    let typed = section.domain.as_ref().filter(|typed| !typed.value.trim().is_empty())?;
    let domain = typed.value.trim().trim_start_matches('.');
    match address::normal_host(domain).filter(|host| !host.contains(['*', ':'])) {
        Some(host) => Some(host.into()),
        None => {
            let message = format!("`cookie_domain`: expected a domain like `example.com`, found {:?}", typed.value);
            desk.problems.add(typed.error(message));
            None
        }
    }
}

fn same_site(section: &CookieSection, desk: &Desk) -> Option<SameSite> {
    let typed = section.same_site.as_ref()?;
    match typed.value.trim().to_ascii_lowercase().as_str() {
        "" => None,
        "strict" => Some(SameSite::Strict),
        "lax" => Some(SameSite::Lax),
        "none" => Some(SameSite::None),
        _ => {
            let message = format!("config: invalid cookie_same_site: unknown cookie_same_site: {}", typed.value);
            desk.problems.add(typed.error(message).help("one of strict, lax, none"));
            None
        }
    }
}

fn claim_headers(section: &[ClaimHeader], desk: &Desk) -> Vec<(Box<str>, Box<str>)> {
    let mut found: Vec<(Box<str>, Box<str>)> = Vec::new();
    for entry in section {
        let name = match &entry.header {
            Some(header) => header.to_ascii_lowercase(),
            None => format!("x-pomerium-claim-{}", entry.claim.value.to_ascii_lowercase()),
        };
        if let Some(finding) = claim_header_problem(&name, &entry.claim) {
            desk.problems.add(finding);
        } else if found.iter().any(|(known, _)| **known == *name) {
            desk.problems.add(entry.claim.error(format!("`jwt_claims_headers`: the header {name:?} is named twice")));
        } else {
            found.push((name.into(), entry.claim.value.trim().into()));
        }
    }
    found
}

fn claim_header_problem(name: &str, claim: &Typed<String>) -> Option<Finding> {
    if !fields::is_token(name.as_bytes()) {
        return Some(claim.error(format!("`jwt_claims_headers` has invalid header name {name:?}")));
    }
    let reserved = matches!(name, "host" | "content-length" | "x-pomerium-jwt-assertion");
    if reserved || fields::is_hop_by_hop(name.as_bytes()) {
        return Some(claim.error(format!("`jwt_claims_headers`: the header {name:?} is not free to be set")));
    }
    claim.value.trim().is_empty().then(|| claim.error(format!("`jwt_claims_headers`: no claim is named for {name:?}")))
}

/// Warns about a cookie domain that does not cover a host on which people sign in.
pub(super) fn cookie_covers(cookie: &Cookie, typed: &Option<Typed<String>>, hosts: &[&str], desk: &Desk) {
    let (Some(domain), Some(typed)) = (&cookie.domain, typed) else { return };
    let covers = |host: &str| host == &**domain || host.strip_suffix(&**domain).is_some_and(|rest| rest.ends_with('.'));
    if let Some(host) = hosts.iter().find(|host| !covers(host)) {
        let message =
            format!("`cookie_domain` {domain} does not cover the host {host}: browsers refuse the cookie there");
        desk.problems.add(typed.warning(message));
    }
}

/// Warns when nobody can sign in although a route needs it.
pub(super) fn provider_is_needed(parts: &Parts, any_private_route: bool, desk: &Desk) {
    if parts.provider.is_none() && any_private_route && !desk.problems.has_errors() {
        let message = "no identity provider is configured: nobody can sign in, and only public routes work";
        let help = "set `idp_provider: oidc`, `idp_provider_url`, `idp_client_id` and `idp_client_secret_file`";
        desk.problems.add(Finding::warning(&Spot::default(), "idp_provider", message).help(help));
    }
}
