//! What a route answers by itself, as typed: `redirect` and `response`.

use super::super::section::{Opt, Section, Typed, mismatch};
use super::super::text::tree::Value;

/// `redirect`.
#[derive(Debug)]
pub(in super::super) struct Redirect {
    pub(in super::super) whole: Typed<()>,
    pub(in super::super) https: Opt<bool>,
    pub(in super::super) scheme: Opt<String>,
    pub(in super::super) host: Opt<String>,
    pub(in super::super) port: Opt<u64>,
    pub(in super::super) path: Opt<String>,
    pub(in super::super) prefix: Opt<String>,
    pub(in super::super) status: Opt<u64>,
    pub(in super::super) strip_query: Opt<bool>,
}

/// `response`.
#[derive(Debug)]
pub(in super::super) struct Response {
    pub(in super::super) whole: Typed<()>,
    pub(in super::super) has_status: bool,
    pub(in super::super) status: Opt<u64>,
    pub(in super::super) body: Opt<String>,
}

const REDIRECT_KEYS: [&str; 8] = [
    "https_redirect",
    "scheme_redirect",
    "host_redirect",
    "port_redirect",
    "path_redirect",
    "prefix_rewrite",
    "response_code",
    "strip_query",
];

pub(super) fn redirect(section: &Section<'_>) -> Option<Redirect> {
    let (inner, whole) = nested(section, "redirect", "a map like `{https_redirect: true}`", &REDIRECT_KEYS)?;
    Some(Redirect {
        whole,
        https: inner.flag("https_redirect"),
        scheme: inner.text("scheme_redirect"),
        host: inner.text("host_redirect"),
        port: inner.whole("port_redirect", 1..=u64::from(u16::MAX)),
        path: inner.text("path_redirect"),
        prefix: inner.text("prefix_rewrite"),
        status: inner.whole("response_code", 0..=u64::from(u32::MAX)),
        strip_query: inner.flag("strip_query"),
    })
}

pub(super) fn response(section: &Section<'_>) -> Option<Response> {
    let (inner, whole) = nested(section, "response", "a map with `status` and `body`", &["status", "body"])?;
    let status = inner.whole("status", 200..=599);
    Some(Response { whole, has_status: inner.has("status"), status, body: inner.text("body") })
}

/// A map inside the route; keys that it cannot have are warned about.
fn nested<'a>(
    section: &Section<'a>,
    key: &str,
    expected: &str,
    known: &[&'static str],
) -> Option<(Section<'a>, Typed<()>)> {
    let typed = section.tree(key)?;
    let Value::Map(entries) = &typed.value.value else {
        section.desk().problems.add(mismatch(&typed, expected));
        return None;
    };
    let inner = Section::new(entries, typed.path.clone(), &typed.spot, section.desk());
    for entry in entries.iter().filter(|entry| !known.iter().any(|name| entry.key.eq_ignore_ascii_case(name))) {
        let path = inner.path_of(&entry.key);
        let message = format!("unknown config option `{path}`; it is ignored");
        let finding = super::Finding::warning(&entry.spot, path, message);
        section.desk().problems.add(finding.help(format!("one of {}", known.join(", "))));
    }
    Some((inner, typed.with(())))
}
