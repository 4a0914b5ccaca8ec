//! Header fields that another server would take for ours, in every way that a client may send them.

use serde_json::json;

use super::Edge;
use super::HOST;
use super::Way::{self, Clear, Http2, Tls};
use crate::harness::request::Request;
use crate::http2::client::{Client, line};

const PATH: &str = "/public/a";

/// Only we may say these, in any spelling.
const OURS: &[&str] = &[
    "X-Pomerium-Jwt-Assertion",
    "X-Pomerium-Jwt-Assertion-For",
    "X-Pomerium-Claim-Email",
    "X-Pomerium-Authorization",
    "X-Pomerium-Reproxy-Policy",
    "X-Pomerium-Reproxy-Policy-Hmac",
    "X-Pomerium-Routing-Key",
    "X-Pomerium-Anything",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Client-Cert",
    "X-Envoy-External-Address",
    "X-Envoy-Decorator-Operation",
    "X-Real-IP",
    "X-Original-URL",
    "X-Rewrite-URL",
];

/// The bytes that some servers take for a hyphen.
const HYPHENS: &[char] = &['-', '_', '.', '~', '+', '!', '#', '$', '%', '&', '\'', '*', '^', '`', '|'];

impl Edge {
    /// Sends fields and returns the status, and what the upstream saw.
    fn send(&self, way: Way, fields: &[(&str, &str)]) -> (u16, Option<Request>) {
        let before = self.upstream.requests().len();
        let status = match way {
            Clear | Tls => {
                let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let mut wire = if matches!(way, Clear) { self.clear.connect() } else { self.secure.connect_tls(HOST) };
                wire.ask(crate::harness::vallum::get(HOST, PATH, &lines)).status
            }
            Http2 => {
                let lower: Vec<(String, &str)> = fields.iter().map(|(n, v)| (n.to_lowercase(), *v)).collect();
                let mut all = line("GET", HOST, PATH).to_vec();
                all.extend(lower.iter().map(|(name, value)| (name.as_str(), *value)));
                let mut client = Client::connect(self.secure.address);
                let id = client.open(&all, true);
                client.finish(id).status
            }
        };
        let seen = self.upstream.requests().get(before).cloned();
        assert_eq!(status == 200, seen.is_some(), "{way:?} {fields:?}: {status}");
        (status, seen)
    }
}

#[test]
fn what_only_we_may_say_is_never_the_clients() {
    for action in ["reject_request", "drop_header", "allow"] {
        let edge = Edge::start(json!({"headers_with_underscores_action": action}));
        for name in OURS {
            for hyphen in HYPHENS {
                let spelt = name.replace('-', &hyphen.to_string());
                for way in [Clear, Http2] {
                    let (status, _) = edge.send(way, &[(&spelt, "forged")]);
                    let refused = action == "reject_request" && *hyphen == '_';
                    assert_eq!(status, if refused { 400 } else { 200 }, "{action} {way:?} {spelt}");
                }
            }
        }
        assert!(!edge.upstream.received_text().contains("forged"), "{action}: {}", edge.upstream.received_text());
    }
}

#[test]
fn what_is_said_of_the_connection_takes_nothing_of_ours_away() {
    let edge = Edge::start(json!({}));
    for name in
        OURS.iter().chain(&["X-Forwarded-For", "X-Request-Id", "Host", "Cookie", "Authorization", "Content-Type"])
    {
        for way in [Clear, Tls] {
            let fields =
                [("Connection", *name), ("Cookie", "a=b"), ("Authorization", "Basic eA=="), ("Content-Type", "x/y")];
            let (status, request) = edge.send(way, &fields);
            let request = request.unwrap_or_else(|| panic!("{name}: {status}"));
            for kept in [
                "host",
                "x-forwarded-for",
                "x-forwarded-proto",
                "x-forwarded-host",
                "x-request-id",
                "cookie",
                "authorization",
                "content-type",
            ] {
                assert!(request.has(kept), "{name} took {kept} away: {:?}", request.headers);
            }
        }
    }
}

#[test]
fn honest_fields_pass_in_every_way() {
    let edge = Edge::start(json!({}));
    let fields = [
        ("Accept", "text/html;q=0.9, */*"),
        ("Cookie", "a=b; c=\"d e\""),
        ("X-Custom", "caf\u{e9} \u{65e5}"),
        ("X-Empty", ""),
        ("X-Twice", "1"),
        ("X-Twice", "2"),
        ("X.Dotted", "dotted"),
        ("x!#$%&'*+.^`|~", "a token"),
        ("If-None-Match", "W/\"x\""),
        ("Sec-Fetch-Mode", "navigate"),
        ("Upgrade-Insecure-Requests", "1"),
        ("X-Http-Method-Override", "PATCH"),
        ("X-Tab", "a\tb"),
    ];
    for way in [Clear, Tls, Http2] {
        let (status, request) = edge.send(way, &fields);
        let request = request.unwrap_or_else(|| panic!("{way:?}: {status}"));
        for (name, value) in fields {
            assert!(request.all(name).contains(&value), "{way:?} {name}: {:?}", request.headers);
        }
        assert_eq!(request.all("x-twice"), ["1", "2"]);
    }
}
