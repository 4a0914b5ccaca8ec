//! The identity provider.

use aws_lc_rs::digest;

use super::super::problem::{Finding, Spot};
use super::super::section::{Desk, Typed};
use super::super::sections::identity::Provider as Section;
use super::secrets::{Chosen, choose};
use super::url as address;
use crate::plan::identity::{ClientSecret, Provider};

/// Providers that Pomerium knows and this version does not speak to by name.
const OTHERS: [&str; 11] =
    ["apple", "auth0", "azure", "cognito", "github", "gitlab", "google", "okta", "onelogin", "ping", "hosted"];

const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Parameters of the authorization request that belong to the protocol.
const PROTOCOL_PARAMS: [&str; 9] = [
    "client_id",
    "client_secret",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
];

pub(super) fn provider(section: &Section, desk: &Desk) -> Option<Provider> {
    if !is_oidc(section, desk)? {
        return None;
    }
    let issuer = issuer(section, desk);
    let client_id = section.client_id.as_ref().map(|typed| typed.value.trim()).filter(|id| !id.is_empty());
    if client_id.is_none() {
        desk.problems.add(required("idp_client_id", section));
    }
    let client_secret = match choose(&section.client_secret, desk) {
        Chosen::Text(typed) => typed.value,
        Chosen::Unreadable => return None,
        Chosen::Nothing => {
            let message = "`idp_client_secret` is not set: the identity provider must know this client as a public one";
            desk.problems.add(Finding::warning(&Spot::default(), "idp_client_secret", message));
            String::new()
        }
    };
    let (scopes, request_params) = (scopes(section, desk), request_params(section, desk));
    let (issuer, client_id) = (issuer?, client_id?);
    Some(Provider {
        id: id(issuer.as_str(), client_id),
        issuer,
        client_id: client_id.to_owned(),
        client_secret: ClientSecret(client_secret),
        scopes,
        request_params,
    })
}

/// Whether the provider is `oidc`; `None` when none is configured.
fn is_oidc(section: &Section, desk: &Desk) -> Option<bool> {
    let Some(kind) = section.kind.as_ref().filter(|typed| !typed.value.trim().is_empty()) else {
        let orphan = section.url.as_ref().or(section.client_id.as_ref());
        if let Some(orphan) = orphan {
            let message = format!("`{}` is set, but `idp_provider` is not", orphan.path);
            desk.problems.add(orphan.error(message).help("add `idp_provider: oidc`"));
        }
        return None;
    };
    let name = kind.value.trim().to_ascii_lowercase();
    if name == "oidc" {
        return Some(true);
    }
    let finding = if OTHERS.contains(&name.as_str()) {
        let message = format!("`idp_provider: {name}` is not supported by this version yet");
        kind.error(message).help("use `idp_provider: oidc` with the provider's issuer as `idp_provider_url`")
    } else {
        kind.error(format!("`idp_provider`: unknown identity provider {:?}", kind.value)).help("did you mean `oidc`?")
    };
    desk.problems.add(finding);
    Some(false)
}

fn required(key: &str, section: &Section) -> Finding {
    let spot = section.kind.as_ref().map(|typed| typed.spot.clone()).unwrap_or_default();
    Finding::error(&spot, key, format!("`{key}` is required for `idp_provider: oidc`"))
}

fn issuer(section: &Section, desk: &Desk) -> Option<url::Url> {
    let Some(typed) = section.url.as_ref().filter(|typed| !typed.value.trim().is_empty()) else {
        desk.problems.add(required("idp_provider_url", section));
        return None;
    };
    match address::service(&typed.value) {
        Ok(url) if url.scheme() == "http" && !url.host_str().is_some_and(address::is_loopback) => {
            let message = "`idp_provider_url` must use https (http allowed only for loopback)";
            desk.problems.add(typed.error(message));
            None
        }
        Ok(url) => Some(url),
        Err(error) => {
            desk.problems.add(typed.error(format!("`idp_provider_url`: {error}")));
            None
        }
    }
}

fn scopes(section: &Section, desk: &Desk) -> Vec<String> {
    let typed = section.scopes.as_ref().filter(|typed| !typed.value.is_empty());
    let Some(typed) = typed else { return SCOPES.map(str::to_owned).to_vec() };
    let split = |typed: &Typed<String>| typed.value.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let scopes: Vec<String> = typed.value.iter().flat_map(split).collect();
    if !scopes.iter().any(|s| s == "openid") {
        let message = "`idp_scopes` without `openid`: the provider will give no identity token";
        desk.problems.add(typed.warning(message).help("add `openid`"));
    }
    scopes
}

fn request_params(section: &Section, desk: &Desk) -> Vec<(String, String)> {
    let pairs = section.request_params.iter().flat_map(|typed| &typed.value);
    let mut params = Vec::new();
    for (name, value) in pairs {
        if PROTOCOL_PARAMS.iter().any(|p| p.eq_ignore_ascii_case(name)) {
            let message = format!("`idp_request_params`: {name:?} belongs to the protocol and cannot be set");
            desk.problems.add(value.error(message));
        } else {
            params.push((name.clone(), value.value.clone()));
        }
    }
    params
}

/// Stable over restarts and machines; sessions are bound to it.
fn id(issuer: &str, client_id: &str) -> Box<str> {
    let sum = digest::digest(&digest::SHA256, format!("{issuer}\0{client_id}").as_bytes());
    sum.as_ref()[..16].iter().map(|b| format!("{b:02x}")).collect::<String>().into()
}
