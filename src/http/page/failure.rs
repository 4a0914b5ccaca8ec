//! The answer when something failed: what, where, why, and what to do, in the language of the client.

use maud::{Markup, html};
use serde_json::json;

use super::{Speaks, layout};

/// All that is said about a failure. Build it from [`Failure::default`]; what is empty or `None` is not mentioned.
#[derive(Debug, Clone, Default)]
pub struct Failure<'a> {
    /// The HTTP status, for gRPC translated into one of its own.
    pub status: u16,
    /// A few words, for example `Forbidden`.
    pub title: &'a str,
    /// One or two sentences that a person understands.
    pub text: &'a str,
    /// Where the road broke; `None` where that says nothing (a refusal by policy, a page that is not there).
    pub broken: Option<Hop>,
    /// The id under which the logs know this request.
    pub request_id: &'a str,
    /// Whom we take the client for, usually an e-mail address.
    pub signed_in_as: Option<&'a str>,
    /// The conditions that did not hold, in plain words. Leave empty where details are not to be shown.
    pub conditions: &'a [&'a str],
    /// What the person can do about it.
    pub advice: Option<&'a str>,
    /// Ways on, the likeliest first.
    pub links: &'a [Link<'a>],
}

/// A station of the road that a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hop {
    Client,
    Edge,
    Upstream,
}

/// A way on from a page. `href` must be a path or URL of our own making.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    pub label: &'a str,
    pub href: &'a str,
}

/// An answer ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status; 200 for gRPC, whose clients look at `grpc` instead (those of gRPC-Web look at both).
    pub status: u16,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    pub body: String,
    /// Present for [`Speaks::Grpc`] and [`Speaks::GrpcWeb`], whose body is empty.
    pub grpc: Option<GrpcStatus>,
}

/// The fields `grpc-status` and `grpc-message` of an answer without a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcStatus {
    pub code: u8,
    /// Percent-encoded, as the protocol wants it.
    pub message: String,
}

impl Failure<'_> {
    /// The answer in the language of the client.
    pub fn answer(&self, speaks: Speaks) -> Answer {
        let (content_type, body) = match speaks {
            Speaks::Html => ("text/html; charset=utf-8", self.html()),
            Speaks::Json => ("application/json", self.json()),
            Speaks::Plain => ("text/plain; charset=utf-8", self.plain()),
            Speaks::Kubernetes => ("application/json", self.kubernetes()),
            Speaks::Grpc => return self.grpc(200, "application/grpc"),
            Speaks::GrpcWeb => return self.grpc(self.status, "application/grpc-web+proto"),
        };
        Answer { status: self.status, content_type, body, grpc: None }
    }

    /// A whole page; send it with [`super::CONTENT_SECURITY_POLICY`].
    pub fn html(&self) -> String {
        let body = html! {
            div.card {
                p.status { "Error " (self.status) }
                h1 { (self.title) }
                @if !self.text.is_empty() { p.message { (self.text) } }
                @if let Some(broken) = self.broken { (road(broken)) }
                @if !self.conditions.is_empty() {
                    h2 { "What was not met" }
                    ul { @for condition in self.conditions { li { (condition) } } }
                }
                @if let Some(advice) = self.advice {
                    h2 { "What you can do" }
                    p { (advice) }
                }
                @if !self.links.is_empty() { (actions(self.links)) }
            }
            @if self.signed_in_as.is_some() || !self.request_id.is_empty() {
                dl {
                    @if let Some(person) = self.signed_in_as { dt { "Signed in as" } dd { (person) } }
                    @if !self.request_id.is_empty() { dt { "Request id" } dd { span.code { (self.request_id) } } }
                }
            }
        };
        layout(self.title, body).into_string()
    }

    fn json(&self) -> String {
        let mut body = json!({ "error": self.summary(), "request_id": self.request_id, "status": self.status });
        if !self.conditions.is_empty() {
            body["conditions"] = json!(self.conditions);
        }
        body.to_string()
    }

    fn plain(&self) -> String {
        let mut body = format!("{} {}\n", self.status, self.title);
        for line in [Some(self.text), self.advice].into_iter().flatten().filter(|line| !line.is_empty()) {
            body.push_str(line);
            body.push('\n');
        }
        for condition in self.conditions {
            body.push_str("- ");
            body.push_str(condition);
            body.push('\n');
        }
        if !self.request_id.is_empty() {
            body.push_str("request id: ");
            body.push_str(self.request_id);
            body.push('\n');
        }
        body
    }

    fn kubernetes(&self) -> String {
        let reason = match self.status {
            400 => "BadRequest",
            // The devices and certificates of Pomerium's own statuses: there is no word for them in Kubernetes.
            401 | 450 | 495 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            408 | 504 => "Timeout",
            413 => "RequestEntityTooLarge",
            429 => "TooManyRequests",
            500 => "InternalError",
            502 | 503 => "ServiceUnavailable",
            _ => "",
        };
        json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": format!("{} (request id {})", self.summary(), self.request_id),
            "reason": reason,
            "code": self.status,
        })
        .to_string()
    }

    fn grpc(&self, status: u16, content_type: &'static str) -> Answer {
        let message = format!("{} (request id {})", self.summary(), self.request_id);
        let grpc = GrpcStatus { code: grpc_code(self.status), message: grpc_message(&message) };
        Answer { status, content_type, body: String::new(), grpc: Some(grpc) }
    }

    /// The text, or the title where there is none.
    fn summary(&self) -> &str {
        match self.text {
            "" => self.title,
            text => text,
        }
    }
}

/// The gRPC status that says the same as an HTTP status of ours.
pub fn grpc_code(status: u16) -> u8 {
    match status {
        400 | 405 | 411 | 415 | 421 => 3,
        401 => 16,
        403 | 450 | 495 => 7,
        404 => 5,
        408 | 504 => 4,
        413 | 414 | 429 | 431 => 8,
        499 => 1,
        501 => 12,
        502 | 503 => 14,
        500..=599 => 13,
        _ => 2,
    }
}

/// `text` for `grpc-message`: everything but printable ASCII, and the percent sign, as escapes.
pub fn grpc_message(text: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// The road from the client to the upstream, with the broken station marked.
fn road(broken: Hop) -> Markup {
    const STATIONS: [(Hop, &str); 3] = [(Hop::Client, "You"), (Hop::Edge, "Vallum"), (Hop::Upstream, "Upstream")];
    html! {
        ol.hops aria-label="Where it failed" {
            @for (hop, name) in STATIONS {
                @match hop.cmp(&broken) {
                    std::cmp::Ordering::Less => li { (sign("M4 12.5l5.5 5.5L20 6.5")) (name) small { "working" } },
                    std::cmp::Ordering::Equal => li.broken { (sign("M5 5l14 14M19 5L5 19")) (name) small { "failed here" } },
                    std::cmp::Ordering::Greater => li.idle { (sign("M5 12h14")) (name) small { "not reached" } },
                }
            }
        }
    }
}

fn sign(path: &str) -> Markup {
    html! {
        svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="3.2" stroke-linecap="round"
            stroke-linejoin="round" aria-hidden="true" focusable="false" { path d=(path) {} }
    }
}

fn actions(links: &[Link<'_>]) -> Markup {
    html! {
        div.actions {
            @for (at, link) in links.iter().enumerate() {
                a.button .quiet[at > 0] href=(link.href) { (link.label) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: Failure<'static> = Failure {
        status: 403,
        title: "Forbidden",
        text: "You are signed in, but this page is not open to you.",
        broken: None,
        request_id: "7f9c0d0e-1",
        signed_in_as: Some("mallory@example.com"),
        conditions: &["you are not in the group admins", "<b>"],
        advice: Some("Ask the owner of this page for access."),
        links: &[Link { label: "Sign out", href: "/.pomerium/sign_out?a=1&b=2" }],
    };

    fn silent() -> Failure<'static> {
        Failure { status: 503, title: "Unavailable", ..Failure::default() }
    }

    #[test]
    fn the_page_says_it_all_and_escapes_it() {
        let page = DENIED.html();
        for part in [
            "Error 403",
            "<h1>Forbidden</h1>",
            "mallory@example.com",
            "<li>you are not in the group admins</li>",
            "<li>&lt;b&gt;</li>",
            "7f9c0d0e-1",
            "Ask the owner",
            "href=\"/.pomerium/sign_out?a=1&amp;b=2\"",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("<ol class=\"hops\""));
        assert!(page.len() < 30_000, "{}", page.len());
    }

    #[test]
    fn messages_stand_as_they_are_and_begin_large_by_style() {
        let page = Failure { text: "invalid CSRF token", ..silent() }.html();
        assert!(page.contains("<p class=\"message\">invalid CSRF token</p>"), "{page}");
        assert!(page.contains(".message::first-letter"), "{page}");
    }

    #[test]
    fn what_is_empty_is_not_mentioned() {
        let page = silent().html();
        let words = [
            "Signed in as",
            "Request id",
            "What was not met",
            "What you can do",
            "class=\"actions\"",
            "class=\"hops\"",
        ];
        for part in words {
            assert!(!page.contains(part), "{part}");
        }
    }

    #[test]
    fn the_broken_hop_is_marked() {
        let cases = [
            (Hop::Client, ["broken", "idle", "idle"]),
            (Hop::Edge, ["", "broken", "idle"]),
            (Hop::Upstream, ["", "", "broken"]),
        ];
        for (broken, expected) in cases {
            let page = Failure { broken: Some(broken), ..silent() }.html();
            let list = page.split_once("<ol class=\"hops\"").unwrap().1.split_once("</ol>").unwrap().0;
            let found: Vec<_> = list
                .split("<li")
                .skip(1)
                .map(|item| item.strip_prefix(" class=\"").and_then(|rest| rest.split('"').next()).unwrap_or_default())
                .collect();
            assert_eq!(found, expected, "{broken:?}");
            assert_eq!(list.matches("failed here").count(), 1);
        }
    }

    #[test]
    fn every_language_has_its_form() {
        let cases = [
            (Speaks::Html, 403, "text/html; charset=utf-8"),
            (Speaks::Json, 403, "application/json"),
            (Speaks::Plain, 403, "text/plain; charset=utf-8"),
            (Speaks::Kubernetes, 403, "application/json"),
            (Speaks::Grpc, 200, "application/grpc"),
            (Speaks::GrpcWeb, 403, "application/grpc-web+proto"),
        ];
        for (speaks, status, content_type) in cases {
            let answer = DENIED.answer(speaks);
            assert_eq!((answer.status, answer.content_type), (status, content_type), "{speaks:?}");
            assert_eq!(answer.grpc.is_some(), answer.body.is_empty(), "{speaks:?}");
        }
    }

    #[test]
    fn json_bodies() {
        let body: serde_json::Value = serde_json::from_str(&DENIED.answer(Speaks::Json).body).unwrap();
        assert_eq!(
            body,
            json!({
                "error": DENIED.text, "request_id": "7f9c0d0e-1", "status": 403,
                "conditions": ["you are not in the group admins", "<b>"],
            })
        );
        let body: serde_json::Value = serde_json::from_str(&silent().answer(Speaks::Json).body).unwrap();
        assert_eq!(body, json!({ "error": "Unavailable", "request_id": "", "status": 503 }));

        let body: serde_json::Value = serde_json::from_str(&DENIED.answer(Speaks::Kubernetes).body).unwrap();
        assert_eq!(body["kind"], "Status");
        assert_eq!(body["apiVersion"], "v1");
        assert_eq!(body["reason"], "Forbidden");
        assert_eq!(body["code"], 403);
    }

    #[test]
    fn plain_bodies() {
        let expected = "403 Forbidden\nYou are signed in, but this page is not open to you.\n\
            Ask the owner of this page for access.\n- you are not in the group admins\n- <b>\nrequest id: 7f9c0d0e-1\n";
        assert_eq!(DENIED.answer(Speaks::Plain).body, expected);
        assert_eq!(silent().answer(Speaks::Plain).body, "503 Unavailable\n");
    }

    #[test]
    fn grpc_statuses() {
        let cases =
            [(400, 3), (401, 16), (403, 7), (404, 5), (429, 8), (500, 13), (502, 14), (503, 14), (504, 4), (418, 2)];
        for (status, code) in cases {
            let answer = Failure { status, ..silent() }.answer(Speaks::Grpc);
            assert_eq!(answer.grpc.map(|grpc| grpc.code), Some(code), "{status}");
        }
        assert_eq!(grpc_message("50 % caf\u{e9}\r\nX: y"), "50 %25 caf%C3%A9%0D%0AX: y");
    }
}
