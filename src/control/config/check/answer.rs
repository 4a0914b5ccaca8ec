//! What a route does with a request: forward it, redirect it, or answer it with a fixed response.

use super::super::section::{Desk, Opt, Typed};
use super::super::sections::answer::{Redirect as RedirectSection, Response as ResponseSection};
use super::rewrite;
use super::route::Checked;
use crate::http::authority;
use crate::plan::route::action::{Action, NewPath, Redirect, Reply};

/// Largest body of a fixed response, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest part of a URL to redirect to, in bytes.
const PART_BYTES_MAX: usize = 8 * 1024;

/// What was typed, trimmed, unless it is empty.
fn given(opt: &Opt<String>) -> Option<(&Typed<String>, &str)> {
    opt.as_ref().map(|typed| (typed, typed.value.trim())).filter(|(_, text)| !text.is_empty())
}

/// `redirect`; problems are collected.
pub(super) fn redirect(section: &RedirectSection, desk: &Desk) -> Option<Redirect> {
    let host = match given(&section.host) {
        Some((typed, text)) => Some(host(typed, text, desk)?),
        None => None,
    };
    Some(Redirect {
        status: status(&section.status, desk)?,
        scheme: scheme(section, desk)?,
        host,
        port: section.port.as_ref().and_then(|typed| u16::try_from(typed.value).ok()),
        path: path(section, desk)?,
        strip_query: section.strip_query.as_ref().is_some_and(|typed| typed.value),
    })
}

fn status(typed: &Opt<u64>, desk: &Desk) -> Option<u16> {
    match typed.as_ref().map_or(301, |typed| typed.value) {
        // 0 is what is not set in Pomerium.
        0 => Some(301),
        code @ (301 | 302 | 303 | 307 | 308) => u16::try_from(code).ok(),
        code => {
            let message =
                format!("unsupported redirect response code {code} (supported values: 301, 302, 303, 307, 308)");
            desk.problems.add(typed.as_ref()?.error(message));
            None
        }
    }
}

fn scheme(section: &RedirectSection, desk: &Desk) -> Option<Option<Box<str>>> {
    let https = section.https.as_ref().filter(|typed| typed.value);
    let Some((typed, text)) = given(&section.scheme) else { return Some(https.map(|_| "https".into())) };
    if let Some(https) = https {
        desk.problems.add(https.warning(format!("`{}` has no effect beside `{}`", https.path, typed.path)));
    }
    let fine = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !fine {
        desk.problems.add(typed.error(format!("`{}`: {text:?} is no scheme", typed.path)));
        return None;
    }
    Some(Some(text.to_ascii_lowercase().into()))
}

/// A host, with or without a port.
fn host(typed: &Typed<String>, text: &str, desk: &Desk) -> Option<Box<str>> {
    let refused = |error| desk.problems.add(typed.error(format!("`{}`: {error}", typed.path)));
    authority::parse(text.as_bytes()).map(|authority| authority.to_string().into()).map_err(refused).ok()
}

fn path(section: &RedirectSection, desk: &Desk) -> Option<NewPath> {
    match (given(&section.path), given(&section.prefix)) {
        (Some((typed, text)), prefix) => {
            if let Some((prefix, _)) = prefix {
                desk.problems.add(prefix.warning(format!("`{}` has no effect beside `{}`", prefix.path, typed.path)));
            }
            if !text.starts_with('/') || text.len() > PART_BYTES_MAX || !text.bytes().all(|b| b.is_ascii_graphic()) {
                let message = format!("`{}`: expected a path that begins with `/`, found {text:?}", typed.path);
                desk.problems.add(typed.error(message));
                return None;
            }
            Some(NewPath::Whole(text.into()))
        }
        (None, Some((typed, text))) => rewrite::prefix_of(typed, text, desk).map(NewPath::Prefix),
        (None, None) => Some(NewPath::AsAsked),
    }
}

/// Warns of redirects that change nothing, so that clients come back for ever.
pub(super) fn circles(routes: &[Checked<'_>], insecure: bool, desk: &Desk) {
    for checked in routes {
        let (Action::Redirect(redirect), Some(section)) = (&checked.route.action, &checked.section.redirect) else {
            continue;
        };
        let same_scheme = match redirect.scheme.as_deref() {
            None => true,
            Some(scheme) => scheme == if insecure { "http" } else { "https" },
        };
        let same_place = redirect.host.is_none() && redirect.port.is_none() && redirect.path == NewPath::AsAsked;
        if same_scheme && same_place {
            let message = format!("`{}` leads to where it came from", section.whole.path);
            let finding = section.whole.warning(message);
            desk.problems.add(finding.help("for http to https on a listener of its own, set `http_redirect_addr`"));
        }
    }
}

/// `response`; problems are collected.
pub(super) fn response(section: &ResponseSection, desk: &Desk) -> Option<Reply> {
    if !section.has_status {
        desk.problems.add(section.whole.error(format!("`{}` needs a `status`", section.whole.path)));
    }
    let status = section.status.as_ref()?;
    let body = section.body.as_ref().map_or("", |typed| typed.value.as_str());
    if let Some(typed) = section.body.as_ref().filter(|_| body.len() > BODY_BYTES_MAX) {
        desk.problems.add(typed.error(format!("`{}`: the body is larger than {BODY_BYTES_MAX} bytes", typed.path)));
        return None;
    }
    Some(Reply { status: u16::try_from(status.value).ok()?, body: body.into() })
}
