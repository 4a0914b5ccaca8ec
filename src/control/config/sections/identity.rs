//! Secrets, cookies, the identity provider and assertions, as typed.

use std::time::Duration;

use super::super::section::{Choice, Opt, Section, Typed, mismatch};
use super::super::text::tree::Value;

#[derive(Debug, Default)]
pub(in super::super) struct Identity {
    pub(in super::super) shared_secret: Choice,
    pub(in super::super) cookie_secret: Choice,
    pub(in super::super) signing_key: Choice,
    pub(in super::super) authenticate_url: Opt<String>,
    pub(in super::super) signout_url: Opt<String>,
    pub(in super::super) programmatic_domains: Opt<Vec<Typed<String>>>,
    pub(in super::super) cookie: Cookie,
    pub(in super::super) provider: Provider,
    pub(in super::super) claim_headers: Vec<ClaimHeader>,
}

/// `cookie_*`.
#[derive(Debug, Default)]
pub(in super::super) struct Cookie {
    pub(in super::super) name: Opt<String>,
    pub(in super::super) domain: Opt<String>,
    pub(in super::super) http_only: Opt<bool>,
    pub(in super::super) expire: Opt<Duration>,
    pub(in super::super) same_site: Opt<String>,
}

/// `idp_*`.
#[derive(Debug, Default)]
pub(in super::super) struct Provider {
    pub(in super::super) kind: Opt<String>,
    pub(in super::super) url: Opt<String>,
    pub(in super::super) client_id: Opt<String>,
    pub(in super::super) client_secret: Choice,
    pub(in super::super) scopes: Opt<Vec<Typed<String>>>,
    pub(in super::super) request_params: Opt<Vec<(String, Typed<String>)>>,
}

/// One entry of `jwt_claims_headers`; without a header name it is named after its claim.
#[derive(Debug)]
pub(in super::super) struct ClaimHeader {
    pub(in super::super) header: Option<String>,
    pub(in super::super) claim: Typed<String>,
}

pub(super) fn read(section: &Section<'_>) -> Identity {
    Identity {
        shared_secret: section.choice("shared_secret"),
        cookie_secret: section.choice("cookie_secret"),
        signing_key: section.choice("signing_key"),
        authenticate_url: section.text("authenticate_service_url"),
        signout_url: section.text("signout_redirect_url"),
        programmatic_domains: section.list("programmatic_redirect_domain_whitelist"),
        cookie: Cookie {
            name: section.text("cookie_name"),
            domain: section.text("cookie_domain"),
            http_only: section.flag("cookie_http_only"),
            expire: section.duration("cookie_expire"),
            same_site: section.text("cookie_same_site"),
        },
        provider: Provider {
            kind: section.text("idp_provider"),
            url: section.text("idp_provider_url"),
            client_id: section.text("idp_client_id"),
            client_secret: section.choice("idp_client_secret"),
            scopes: section.list("idp_scopes"),
            request_params: section.pairs("idp_request_params"),
        },
        claim_headers: claim_headers(section),
    }
}

/// A map of header to claim (also as JSON), a list of claims, or claims in one string, apart by commas or spaces.
fn claim_headers(section: &Section<'_>) -> Vec<ClaimHeader> {
    const KEY: &str = "jwt_claims_headers";
    let Some(typed) = section.tree(KEY) else { return Vec::new() };
    let named = |(header, claim): (String, Typed<String>)| ClaimHeader { header: Some(header), claim };
    let unnamed = |claim: Typed<String>| ClaimHeader { header: None, claim };
    match &typed.value.value {
        Value::Map(_) => section.pairs(KEY).into_iter().flat_map(|t| t.value).map(named).collect(),
        Value::Text(text) if text.trim_start().starts_with('{') => {
            section.pairs(KEY).into_iter().flat_map(|t| t.value).map(named).collect()
        }
        Value::List(_) => section.list(KEY).into_iter().flat_map(|t| t.value).map(unnamed).collect(),
        Value::Text(text) => {
            let claims = text.split([',', ' ', '\t', '\n']).filter(|c| !c.is_empty());
            claims.map(|c| unnamed(typed.with(c.to_owned()))).collect()
        }
        _ => {
            let message =
                format!("JWTClaimHeaders must be an object or an array of values, got: {}", typed.value.kind());
            section.desk().problems.add(mismatch(&typed, "a map or a list").message(message));
            Vec::new()
        }
    }
}
