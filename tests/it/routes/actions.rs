//! Routes that answer by themselves: `redirect` and `response`.

use serde_json::{Value, json};

use super::answered;
use crate::harness::Vallum;
use crate::harness::vallum::{HOST, and, clear, get};

#[test]
fn each_part_of_a_redirect_has_its_effect() {
    for (redirect, rule, status, location) in [
        (json!({"https_redirect": true}), json!({}), 301, "https://app.example.com/a/b?q=1"),
        (json!({"scheme_redirect": "https"}), json!({}), 301, "https://app.example.com/a/b?q=1"),
        (json!({"host_redirect": "other.example"}), json!({}), 301, "http://other.example/a/b?q=1"),
        (json!({"port_redirect": 8443}), json!({}), 301, "http://app.example.com:8443/a/b?q=1"),
        (json!({"path_redirect": "/new"}), json!({}), 301, "http://app.example.com/new?q=1"),
        (json!({"path_redirect": "/new?own=2"}), json!({}), 301, "http://app.example.com/new?own=2"),
        (json!({"prefix_rewrite": "/z"}), json!({"prefix": "/a"}), 301, "http://app.example.com/z/b?q=1"),
        (json!({"prefix_rewrite": "/z"}), json!({"path": "/a/b"}), 301, "http://app.example.com/z?q=1"),
        (json!({"https_redirect": true, "strip_query": true}), json!({}), 301, "https://app.example.com/a/b"),
        (json!({"https_redirect": true, "response_code": 302}), json!({}), 302, "https://app.example.com/a/b?q=1"),
        (json!({"https_redirect": true, "response_code": 303}), json!({}), 303, "https://app.example.com/a/b?q=1"),
        (json!({"https_redirect": true, "response_code": 307}), json!({}), 307, "https://app.example.com/a/b?q=1"),
        (json!({"https_redirect": true, "response_code": 308}), json!({}), 308, "https://app.example.com/a/b?q=1"),
    ] {
        let answer = answered(and(rule, json!({"redirect": redirect})), "/a/b?q=1");
        assert_eq!((answer.status, answer.header("location")), (status, location), "{redirect}");
        assert!(answer.body.is_empty());
    }
}

#[test]
fn a_redirect_is_built_from_the_normal_form() {
    let routes = json!([{
        "from": "https://*.example.com",
        "redirect": {"https_redirect": true},
        "allow_public_unauthenticated_access": true,
    }]);
    let vallum = Vallum::start(clear(routes));
    for (host, path, location) in [
        ("A.Example.COM.:80", "/x/../y//z", "https://a.example.com/y/z"),
        ("a.example.com:8080", "/", "https://a.example.com:8080/"),
        ("a.example.com", "//evil.test/", "https://a.example.com/evil.test/"),
    ] {
        let answer = vallum.connect().ask(get(host, path, ""));
        assert_eq!(answer.header("location"), location, "{host}{path}");
    }
    let answer = vallum.connect().ask(get("a.example.com", "/?a=b&pomerium_session=secret&c=d", ""));
    assert_eq!(answer.header("location"), "https://a.example.com/?a=b&c=d", "no token of ours leads elsewhere");
    assert_eq!(vallum.connect().ask(get("evil.test\\.example.com", "/", "")).status, 400);
}

#[test]
fn responses_are_sent_as_they_are() {
    for (status, body, sent, kind) in [
        (200, json!("hello\n"), "hello\n", "text/plain; charset=utf-8"),
        (503, json!("closed for today"), "closed for today", "text/plain; charset=utf-8"),
        (404, Value::Null, "", ""),
        (204, Value::Null, "", ""),
    ] {
        let answer = answered(json!({"response": {"status": status, "body": body}}), "/");
        assert_eq!((answer.status, answer.text().as_str()), (status, sent));
        assert_eq!(answer.header("content-type"), kind);
    }
}

#[test]
fn answers_of_a_route_are_logged_counted_and_have_its_fields() {
    let routes = json!([{
        "name": "fixed",
        "from": format!("https://{HOST}"),
        "response": {"status": 200, "body": "<p>"},
        "set_response_headers": {"Content-Type": "text/html", "X-Own": "1"},
        "allow_public_unauthenticated_access": true,
    }]);
    let vallum = Vallum::start(clear(routes));
    let mut wire = vallum.connect();
    let answer = wire.ask(get(HOST, "/", ""));
    assert_eq!((answer.header("content-type"), answer.header("x-own")), ("text/html", "1"));
    assert_eq!(answer.header("x-frame-options"), "SAMEORIGIN");
    let head = wire.send(get(HOST, "/", "").replace("GET", "HEAD")).answer_to("HEAD");
    assert_eq!((head.status, head.header("content-length")), (200, "3"), "the same connection goes on");
    let labels = [("route", "fixed"), ("source", "route"), ("code_class", "2xx")];
    vallum.wait_for_metric("vallum_http_requests_total", &labels, 2.0);
    let line = vallum.wait_for_log(&[("message", json!("http-request"))]);
    assert_eq!((&line["response-code-details"], &line["route"]), (&json!("direct_response"), &json!("fixed")));
}

#[test]
fn the_policy_is_asked_first() {
    for action in
        [json!({"redirect": {"https_redirect": true}}), json!({"response": {"status": 200, "body": "secret"}})]
    {
        let policy = json!([{"allow": {"and": [{"http_method": {"is": "GET"}}]}}]);
        let route = and(json!({"from": format!("https://{HOST}"), "policy": policy}), action.clone());
        let vallum = Vallum::start(clear(json!([route])));
        let allowed = vallum.connect().ask(get(HOST, "/", ""));
        let refused = vallum.connect().ask(get(HOST, "/", "").replace("GET", "DELETE"));
        assert!(matches!(allowed.status, 200 | 301), "{action}");
        assert_eq!(refused.status, 403, "{action}");
        assert!(!refused.text().contains("secret") && refused.header("location").is_empty());
    }
}
