//! Which route takes a request: hosts, ports, wildcards, order, path rules.

use serde_json::{Value, json};

use crate::harness::Vallum;
use crate::harness::vallum::{clear, get};

/// A route that answers with its name.
fn named(name: &str, from: &str, rule: Value) -> Value {
    let mut route = json!({
        "from": from,
        "response": {"status": 200, "body": name},
        "allow_public_unauthenticated_access": true,
    });
    route.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
    route
}

/// The name of the route that takes the request; the status when none does.
fn taken(vallum: &Vallum, host: &str, path: &str) -> String {
    let answer = vallum.connect().ask(get(host, path, ""));
    if answer.status == 200 { answer.text() } else { answer.status.to_string() }
}

#[test]
fn hosts_ports_and_wildcards_choose_the_route() {
    let vallum = Vallum::start(clear(json!([
        named("any star", "https://*.example.com", json!({})),
        named("app star", "https://app-*.example.com", json!({})),
        named("middle", "https://a.*.example.org", json!({})),
        named("exact", "https://app-1.example.com", json!({"prefix": "/only"})),
        named("port", "https://ports.test:8443", json!({})),
        named("own port", "https://own.test:443", json!({})),
        named("clear", "http://clear.test:80", json!({})),
        named("any port", "https://ports.test", json!({"prefix": "/any"})),
    ])));
    for (host, path, expected) in [
        ("x.example.com", "/", "any star"),
        ("a.b.example.com", "/", "any star"),
        ("app-2.example.com", "/", "any star"),
        ("example.com", "/", "404"),
        ("a.b.c.example.org", "/", "middle"),
        ("b.b.example.org", "/", "404"),
        ("app-1.example.com", "/only/x", "exact"),
        ("app-1.example.com", "/", "404"),
        ("APP-1.Example.COM.", "/only", "exact"),
        ("ports.test:8443", "/", "port"),
        ("ports.test:8443", "/any", "port"),
        ("ports.test", "/any", "any port"),
        ("ports.test:1234", "/any/x", "any port"),
        ("ports.test", "/", "404"),
        ("own.test", "/", "own port"),
        ("own.test:443", "/", "own port"),
        ("own.test:80", "/", "404"),
        ("clear.test", "/", "clear"),
        ("clear.test:80", "/", "clear"),
        ("clear.test:443", "/", "404"),
        ("stranger.test", "/", "404"),
    ] {
        assert_eq!(taken(&vallum, host, path), expected, "{host}{path}");
    }
}

#[test]
fn path_rules_are_tried_in_order() {
    let from = "https://app.test";
    let vallum = Vallum::start(clear(json!([
        named("digits", from, json!({"regex": "/n/[0-9]+"})),
        named("exact", from, json!({"path": "/p/exact"})),
        named("prefix", from, json!({"prefix": "/p"})),
        named("regex wins", from, json!({"regex": "/r.*", "path": "/q", "prefix": "/q"})),
    ])));
    for (path, expected) in [
        ("/n/12", "digits"),
        ("/n/12x", "404"),
        ("/x/n/12", "404"),
        ("/p/exact", "exact"),
        ("/p/exact/more", "prefix"),
        ("/p", "prefix"),
        ("/pages", "prefix"),
        ("/x/../p", "prefix"),
        ("//p", "prefix"),
        ("/%70", "prefix"),
        ("/r/anything", "regex wins"),
        ("/q", "404"),
        ("/P", "404"),
        ("/p/exact?query", "exact"),
    ] {
        assert_eq!(taken(&vallum, "app.test", path), expected, "{path}");
    }
}

#[test]
fn routes_of_policy_come_first() {
    let vallum = Vallum::start(json!({
        "insecure_server": true,
        "routes": [named("routes", "https://app.test", json!({}))],
        "policy": [named("policy", "https://app.test", json!({"prefix": "/a"}))],
    }));
    assert_eq!(
        (taken(&vallum, "app.test", "/a"), taken(&vallum, "app.test", "/b")),
        ("policy".into(), "routes".into())
    );
}
