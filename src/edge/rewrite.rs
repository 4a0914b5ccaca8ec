//! What the route makes of a request on its way to the upstream: another path, another host, values that refer to it.
//!
//! What was authorized is what is forwarded: a rewritten path must be in normal form again, and a host that was made from
//! the client's words must be one. Routes that rewrite nothing pay nothing.

use std::borrow::Cow;

use super::client_certificate::valid_leaf;
use super::exchange::Exchange;
use super::failure::Failure;
use super::session::own_credentials;
use super::vouch;
use crate::http::authority;
use crate::http::cookie;
use crate::http::fields::{self, FieldKind, value_is_clean};
use crate::http::path;
use crate::plan::client_certificate::Leaf;
use crate::plan::field_rules::Underscores;
use crate::plan::route::Route;
use crate::plan::route::action::{Asked, Redirect};
use crate::plan::route::rewrite::{HostRewrite, PathRewrite, Substitution};
use crate::plan::route::template::{Part, Template};

/// Query parameter that may hold a session token.
const TOKEN_PARAMETER: &str = "pomerium_session=";
/// Longest value that a template may become, in bytes; longer ones are sent empty.
const EXPANDED_BYTES_MAX: usize = 64 * 1024;

/// What changes; `None`: nothing, or what the route says without a look at the request.
#[derive(Debug, Default)]
pub struct Rewritten {
    pub path: Option<String>,
    pub host: Option<String>,
}

/// Rewrites path and host, once for all endpoints that are tried.
pub fn request(exchange: &Exchange, route: &Route) -> Result<Rewritten, Failure> {
    // `OPTIONS *` asks for no path.
    let has_path = !exchange.normal.asterisk;
    let path = match &route.path_rewrite {
        Some(rewrite) if has_path => Some(new_path(exchange, route, rewrite)?),
        _ => None,
    };
    let host = match &route.host_rewrite {
        HostRewrite::Endpoint | HostRewrite::Client | HostRewrite::Literal(_) => None,
        HostRewrite::Field(name) => host_from_field(exchange, name)?,
        HostRewrite::Path(substitution) => Some(host_from_path(exchange, substitution)?),
    };
    Ok(Rewritten { path, host })
}

/// A prefix that ends amid a segment (`/a` upon `/a../x`) could let a client climb out of what it was rewritten to, so
/// what comes out is looked at as if it had just come in. Double slashes alone are merged.
fn new_path(exchange: &Exchange, route: &Route, rewrite: &PathRewrite) -> Result<String, Failure> {
    let new = rewrite.apply(&route.path, exchange.path()).ok_or(Failure::Rewrite("the path would become too long"))?;
    let refused = || Failure::Rewrite("the path would not be in normal form once rewritten");
    let rules = &exchange.plan.path_rules;
    let normal = path::normalize(new.as_bytes(), rules).map_err(|_| refused())?.into_encoded();
    match normal {
        Cow::Borrowed(_) => Ok(new),
        Cow::Owned(normal) if normal == new || (rules.merge_slashes && normal == merged(&new)) => Ok(normal),
        Cow::Owned(_) => Err(refused()),
    }
}

fn merged(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !merged.ends_with('/') {
            merged.push(c);
        }
    }
    merged
}

/// The host that a field of the client's names; `None` when there is no such field.
fn host_from_field(exchange: &Exchange, name: &str) -> Result<Option<String>, Failure> {
    let mut values = exchange
        .head
        .fields()
        .iter()
        .filter(|field| exchange.head.bytes(field.name).eq_ignore_ascii_case(name.as_bytes()))
        .map(|field| exchange.head.bytes(field.value))
        .filter(|value| !value.is_empty());
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => host_of(one).map(Some),
        (Some(_), Some(_)) => Err(Failure::Rewrite("the field that names the host stands more than once")),
    }
}

fn host_from_path(exchange: &Exchange, substitution: &Substitution) -> Result<String, Failure> {
    let host = substitution.apply(exchange.path()).ok_or(Failure::Rewrite("the host would become too long"))?;
    host_of(host.as_bytes())
}

fn host_of(text: &[u8]) -> Result<String, Failure> {
    let parsed = authority::parse(text).map_err(|_| Failure::Rewrite("the host would not be one once rewritten"))?;
    Ok(parsed.to_string())
}

/// The query without a session token of ours, which is no one's to read.
pub fn query(exchange: &Exchange) -> Option<Cow<'_, str>> {
    let query = exchange.query()?;
    if !query.contains(TOKEN_PARAMETER) {
        return Some(query.into());
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with(TOKEN_PARAMETER)).collect();
    (!kept.is_empty()).then(|| kept.join("&").into())
}

/// Where a redirect leads.
pub fn location(exchange: &Exchange, route: &Route, redirect: &Redirect) -> String {
    let authority = exchange.authority();
    let query = query(exchange);
    let asked = Asked {
        scheme: exchange.scheme(),
        host: &authority.host,
        port: authority.port,
        path: exchange.path(),
        query: query.as_deref(),
    };
    redirect.location(&route.path, asked)
}

/// Appends the value of a template for this request. `vouched` are the lines of [`vouch::lines`].
pub fn expand(exchange: &Exchange, template: &Template, vouched: Option<&[u8]>, out: &mut Vec<u8>) {
    let start = out.len();
    for part in template.parts() {
        match part {
            Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            Part::Assertion => out.extend_from_slice(vouched.map(vouch::assertion).unwrap_or_default()),
            Part::Field(name) => push_field(exchange, name, out),
            Part::CertificateFingerprint => {
                let leaf = valid_leaf(exchange).map(Leaf::fingerprint_hex);
                out.extend_from_slice(leaf.unwrap_or_default().as_bytes());
            }
            Part::CertificateDnsNames => push_names(valid_leaf(exchange).map(|leaf| &*leaf.names.dns), out),
            Part::CertificateEmails => push_names(valid_leaf(exchange).map(|leaf| &*leaf.names.email), out),
        }
        if out.len() - start > EXPANDED_BYTES_MAX {
            out.truncate(start);
            return;
        }
    }
    // Every part was looked at where it came from; a line must not end early even if one was not.
    if !value_is_clean(&out[start..]) {
        out.truncate(start);
    }
}

fn push_names(names: Option<&[Box<str>]>, out: &mut Vec<u8>) {
    for (position, name) in names.into_iter().flatten().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name.as_bytes());
    }
}

/// The values of the request's fields of this name, as the upstream may see them: what the client may not say itself is
/// said by us, and our own credentials are no one's to read. Words about other hops that would end here (`True-Client-IP`)
/// are read as they came: whoever refers to one knows who sends it.
fn push_field(exchange: &Exchange, name: &str, out: &mut Vec<u8>) {
    use FieldKind as K;
    match fields::classify(name.as_bytes()) {
        K::Identity | K::ForwardedHost => {}
        K::Host => out.extend_from_slice(exchange.authority().to_string().as_bytes()),
        K::ForwardedFor => out.extend_from_slice(exchange.forwarded_for().as_bytes()),
        K::ForwardedProto => out.extend_from_slice(exchange.scheme().as_bytes()),
        K::RequestId => out.extend_from_slice(exchange.request_id.as_bytes()),
        K::Underscore if exchange.plan.field_rules.underscores != Underscores::Allow => {}
        kind => {
            let same = exchange.head.pairs().filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
            let mut separator: &[u8] = b"";
            for (_, value) in same {
                let value: Cow<'_, [u8]> = match kind {
                    K::Cookie => cookie::without(value, &exchange.plan.identity.cookie.name),
                    K::Authorization if own_credentials(value).is_some() => continue,
                    _ => value.into(),
                };
                out.extend_from_slice(separator);
                out.extend_from_slice(&value);
                separator = if kind == K::Cookie { b"; " } else { b", " };
            }
        }
    }
}
