//! One route, as typed.

use std::time::Duration;

use super::super::problem::Spot;
use super::super::section::{Choice, Opt, Section, Typed, mismatch};
use super::super::text::tree::{Tree, Value};
use super::answer::{self, Redirect, Response};
use super::mcp::{self, Mcp};
use crate::http::framing::MAX_CONTENT_LENGTH;

#[derive(Debug)]
pub(in super::super) struct Route {
    /// `routes[3]`.
    pub(in super::super) path_of_route: String,
    pub(in super::super) spot: Spot,
    pub(in super::super) name: Opt<String>,
    pub(in super::super) from: Opt<String>,
    /// Each entry of `to`; `None` when the key is missing or unreadable.
    pub(in super::super) to: Opt<Vec<Target>>,
    /// Whether `to` or what may stand in its place was typed at all.
    pub(in super::super) has_answer: bool,
    pub(in super::super) redirect: Option<Redirect>,
    pub(in super::super) response: Option<Response>,
    pub(in super::super) prefix: Opt<String>,
    pub(in super::super) path: Opt<String>,
    pub(in super::super) regex: Opt<String>,
    pub(in super::super) access: Access,
    pub(in super::super) upstream: Upstream,
    pub(in super::super) rewrite: Rewrite,
    pub(in super::super) pass_identity_headers: Opt<bool>,
    pub(in super::super) set_request_headers: Opt<Vec<(String, Typed<String>)>>,
    pub(in super::super) remove_request_headers: Opt<Vec<Typed<String>>>,
    pub(in super::super) set_response_headers: Opt<Vec<(String, Typed<String>)>>,
    pub(in super::super) rewrite_response_headers: Vec<ResponseRewrite>,
    pub(in super::super) mcp: Option<Mcp>,
    pub(in super::super) show_error_details: Opt<bool>,
    pub(in super::super) max_request_body_bytes: Opt<u64>,
}

/// What becomes of path and host on their way.
#[derive(Debug, Default)]
pub(in super::super) struct Rewrite {
    pub(in super::super) prefix: Opt<String>,
    pub(in super::super) pattern: Opt<String>,
    pub(in super::super) substitution: Opt<String>,
    pub(in super::super) host: Opt<String>,
    pub(in super::super) host_header: Opt<String>,
    pub(in super::super) host_pattern: Opt<String>,
    pub(in super::super) host_substitution: Opt<String>,
    pub(in super::super) preserve_host: Opt<bool>,
}

/// One entry of `rewrite_response_headers`.
#[derive(Debug)]
pub(in super::super) struct ResponseRewrite {
    pub(in super::super) entry: Typed<()>,
    pub(in super::super) header: Opt<String>,
    pub(in super::super) prefix: Opt<String>,
    pub(in super::super) value: Opt<String>,
}

/// One URL of `to`, with its weight as typed.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Target {
    pub(in super::super) url: Typed<String>,
    pub(in super::super) weight: Option<u64>,
}

/// Who may pass.
#[derive(Debug, Default)]
pub(in super::super) struct Access {
    pub(in super::super) policy: Opt<Tree>,
    pub(in super::super) users: Opt<Vec<Typed<String>>>,
    pub(in super::super) domains: Opt<Vec<Typed<String>>>,
    /// A map.
    pub(in super::super) claims: Opt<Tree>,
    pub(in super::super) sub_policies: Opt<Tree>,
    pub(in super::super) public: Opt<bool>,
    pub(in super::super) any_authenticated_user: Opt<bool>,
    pub(in super::super) cors_preflight: Opt<bool>,
    /// `tls_downstream_client_ca`.
    pub(in super::super) client_ca: Choice,
}

/// How the upstream is spoken to.
#[derive(Debug, Default)]
pub(in super::super) struct Upstream {
    pub(in super::super) websockets: Opt<bool>,
    pub(in super::super) spdy: Opt<bool>,
    pub(in super::super) upgrades: Opt<Vec<Typed<String>>>,
    pub(in super::super) timeout: Opt<Duration>,
    pub(in super::super) idle_timeout: Opt<Duration>,
    pub(in super::super) skip_verify: Opt<bool>,
    /// `tls_upstream_server_name`, else `tls_server_name`.
    pub(in super::super) server_name: Opt<String>,
    pub(in super::super) custom_ca: Choice,
    pub(in super::super) client_cert: Choice,
    pub(in super::super) client_key: Choice,
}

pub(super) fn read(section: &Section<'_>) -> Route {
    Route {
        path_of_route: section.path_of("").trim_end_matches('.').to_owned(),
        spot: section.spot.clone(),
        name: section.text("name"),
        from: section.text("from"),
        to: section.tree("to").and_then(|typed| targets(section, &typed)),
        has_answer: ["to", "redirect", "response"].iter().any(|key| section.has(key)),
        redirect: answer::redirect(section),
        response: answer::response(section),
        prefix: section.text("prefix"),
        path: section.text("path"),
        regex: section.text("regex"),
        access: access(section),
        upstream: upstream(section),
        rewrite: rewrite(section),
        pass_identity_headers: section.flag("pass_identity_headers"),
        set_request_headers: section.pairs("set_request_headers"),
        remove_request_headers: section.list("remove_request_headers"),
        set_response_headers: section.pairs("set_response_headers"),
        rewrite_response_headers: response_rewrites(section),
        mcp: mcp::read(section),
        show_error_details: section.flag("show_error_details"),
        max_request_body_bytes: section.whole("max_request_body_bytes", 0..=MAX_CONTENT_LENGTH),
    }
}

fn rewrite(section: &Section<'_>) -> Rewrite {
    Rewrite {
        prefix: section.text("prefix_rewrite"),
        pattern: section.text("regex_rewrite_pattern"),
        substitution: section.text("regex_rewrite_substitution"),
        host: section.text("host_rewrite"),
        host_header: section.text("host_rewrite_header"),
        host_pattern: section.text("host_path_regex_rewrite_pattern"),
        host_substitution: section.text("host_path_regex_rewrite_substitution"),
        preserve_host: section.flag("preserve_host_header"),
    }
}

/// `rewrite_response_headers`: a list of {header, prefix, value}.
fn response_rewrites(section: &Section<'_>) -> Vec<ResponseRewrite> {
    let Some(typed) = section.tree("rewrite_response_headers") else { return Vec::new() };
    let Value::List(list) = &typed.value.value else {
        section.desk().problems.add(mismatch(&typed, "a list of {header, prefix, value}"));
        return Vec::new();
    };
    let one = |(index, tree): (usize, &Tree)| {
        let path = format!("{}[{index}]", typed.path);
        let Value::Map(entries) = &tree.value else {
            let element = Typed { value: tree, path, spot: tree.spot.clone() };
            section.desk().problems.add(mismatch(&element, "a map with `header`, `prefix` and `value`"));
            return None;
        };
        let inner = Section::new(entries, path.clone(), &tree.spot, section.desk());
        let entry = Typed { value: (), path, spot: tree.spot.clone() };
        Some(ResponseRewrite {
            entry,
            header: inner.text("header"),
            prefix: inner.text("prefix"),
            value: inner.text("value"),
        })
    };
    list.iter().enumerate().filter_map(one).collect()
}

fn upstream(section: &Section<'_>) -> Upstream {
    Upstream {
        websockets: section.flag("allow_websockets"),
        spdy: section.flag("allow_spdy"),
        upgrades: section.list("allow_upgrades"),
        timeout: section.duration("timeout"),
        idle_timeout: section.duration("idle_timeout"),
        skip_verify: section.flag("tls_skip_verify"),
        server_name: section.text("tls_upstream_server_name").or_else(|| section.text("tls_server_name")),
        custom_ca: section.choice("tls_custom_ca"),
        client_cert: section.choice("tls_client_cert"),
        client_key: section.choice("tls_client_key"),
    }
}

fn access(section: &Section<'_>) -> Access {
    Access {
        policy: section.tree("policy").map(|typed| typed.with(typed.value.clone())),
        users: section.list("allowed_users"),
        domains: section.list("allowed_domains"),
        claims: claims(section),
        sub_policies: section.tree("sub_policies").map(|typed| typed.with(typed.value.clone())),
        public: section.flag("allow_public_unauthenticated_access"),
        any_authenticated_user: section.flag("allow_any_authenticated_user"),
        cors_preflight: section.flag("cors_allow_preflight"),
        client_ca: section.choice("tls_downstream_client_ca"),
    }
}

/// `allowed_idp_claims`: a map of claim to values.
pub(in super::super) fn claims(section: &Section<'_>) -> Opt<Tree> {
    let typed = section.tree("allowed_idp_claims")?;
    if !matches!(typed.value.value, Value::Map(_)) {
        section.desk().problems.add(mismatch(&typed, "a map of claim to a list of values"));
        return None;
    }
    Some(typed.with(typed.value.clone()))
}

/// `to` in all its forms: one URL, URLs apart by commas, a list of URLs, `URL,weight`, `[URL, weight]`.
fn targets(section: &Section<'_>, typed: &Typed<&Tree>) -> Opt<Vec<Target>> {
    let mut found = Vec::new();
    let mut readable = true;
    match &typed.value.value {
        Value::List(list) => {
            for (index, tree) in list.iter().enumerate() {
                let element = Typed { value: tree, path: format!("{}[{index}]", typed.path), spot: tree.spot.clone() };
                readable &= element_of_to(section, &element, &mut found);
            }
        }
        _ => readable = element_of_to(section, typed, &mut found),
    }
    readable.then(|| typed.with(found))
}

fn element_of_to(section: &Section<'_>, typed: &Typed<&Tree>, found: &mut Vec<Target>) -> bool {
    match &typed.value.value {
        Value::Map(_) | Value::Null => {}
        Value::List(pair) => match pair.as_slice() {
            [url] | [url, _] if url.scalar().is_some() => {
                let weight = pair.get(1).map(|w| w.scalar().and_then(|w| w.trim().parse().ok()));
                if weight != Some(None) {
                    let url = Typed { value: url.scalar().unwrap_or_default(), ..typed.with(String::new()) };
                    found.push(Target { url, weight: weight.flatten() });
                    return true;
                }
            }
            _ => {}
        },
        _ => {
            weighted(&typed.value.scalar().unwrap_or_default(), typed, found);
            return true;
        }
    }
    section.desk().problems.add(mismatch(typed, "a URL, `URL,weight` or `[URL, weight]`"));
    false
}

/// `URL`, `URL,weight`, `URL,URL`: a part that is all digits weighs the URL before it.
fn weighted(text: &str, typed: &Typed<&Tree>, found: &mut Vec<Target>) {
    let mut here: Vec<Target> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let weight = part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().unwrap_or(u64::MAX));
        match here.last_mut() {
            Some(target) if weight.is_some() && target.weight.is_none() => target.weight = weight,
            _ => here.push(Target { url: typed.with(part.to_owned()), weight: None }),
        }
    }
    found.append(&mut here);
}
