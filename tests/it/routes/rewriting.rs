//! Paths and hosts on their way to the upstream.

use serde_json::{Value, json};

use super::{edge, forwarded};
use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{Upstream, Vallum};

#[test]
fn paths_are_rewritten() {
    for (more, path, expected) in [
        (json!({"prefix": "/api", "prefix_rewrite": "/v1"}), "/api/users?a=b", "/v1/users?a=b"),
        (json!({"prefix": "/api", "prefix_rewrite": "/"}), "/api/users", "/users"),
        (json!({"prefix": "/api/", "prefix_rewrite": "/"}), "/api/users", "/users"),
        (json!({"path": "/old", "prefix_rewrite": "/new"}), "/old?x", "/new?x"),
        (json!({"regex": "/old.*", "prefix_rewrite": "/new"}), "/older", "/new"),
        (json!({"prefix_rewrite": "/base"}), "/x", "/base/x"),
        (
            json!({"regex_rewrite_pattern": "^/service/([^/]+)(/.*)$", "regex_rewrite_substitution": "\\2/instance/\\1"}),
            "/service/foo/v1/api?q=service",
            "/v1/api/instance/foo?q=service",
        ),
        (
            json!({"regex_rewrite_pattern": "one", "regex_rewrite_substitution": "two"}),
            "/one/a/one?one",
            "/two/a/two?one",
        ),
        (json!({"regex_rewrite_pattern": "^/api(.*)$", "regex_rewrite_substitution": "/\\1"}), "/api/x", "/x"),
        (json!({"regex_rewrite_pattern": "^/nothing$", "regex_rewrite_substitution": "/b"}), "/x", "/x"),
    ] {
        assert_eq!(forwarded(more.clone(), path, "").target, expected, "{more} {path}");
    }
}

#[test]
fn a_path_in_to_goes_before_the_path() {
    let upstream = Upstream::echo();
    let route = |to: &str, more: Value| and(public_route(HOST, json!(format!("{}{to}", upstream.url()))), more);
    for (route, path, expected) in [
        (route("/base", json!({})), "/x?q", "/base/x?q"),
        (route("/base/", json!({})), "/x", "/base/x"),
        (route("/base", json!({"prefix": "/a"})), "/a/x", "/base/x"),
        (route("/base", json!({"prefix_rewrite": "/other"})), "/x", "/other/x"),
        (route("/", json!({})), "/x", "/x"),
    ] {
        let vallum = Vallum::start(clear(json!([route])));
        assert_eq!(vallum.connect().ask(get(HOST, path, "")).json()["target"], expected, "{route}");
    }
}

#[test]
fn nobody_climbs_out_of_what_a_path_is_rewritten_to() {
    for (more, path) in [
        (json!({"prefix": "/a", "prefix_rewrite": "/public/"}), "/a../secret"),
        (json!({"prefix": "/a", "prefix_rewrite": "/public/"}), "/a..;x/secret"),
        (json!({"prefix": "/a", "prefix_rewrite": "/public/"}), "/a.."),
        (json!({"regex_rewrite_pattern": "x", "regex_rewrite_substitution": ""}), "/public/.x./secret"),
        (json!({"regex_rewrite_pattern": "A", "regex_rewrite_substitution": ""}), "/public/%2Ae./secret"),
        (json!({"regex_rewrite_pattern": "^/a(.*)$", "regex_rewrite_substitution": "\\1"}), "/a"),
        (json!({"regex_rewrite_pattern": "b", "regex_rewrite_substitution": "b b"}), "/b"),
    ] {
        let (upstream, vallum) = edge(more.clone());
        let answer = vallum.connect().ask(get(HOST, path, ""));
        assert_eq!((answer.status, upstream.requests().len()), (400, 0), "{more} {path}");
    }
}

#[test]
fn what_is_matched_and_logged_is_what_was_asked_for() {
    let policy = json!([{"allow": {"and": [{"http_path": {"is": "/api/x"}}]}}]);
    let upstream = Upstream::echo();
    let route = json!({
        "from": format!("https://{HOST}"),
        "to": upstream.url(),
        "prefix": "/api",
        "prefix_rewrite": "/v1",
        "policy": policy,
    });
    let vallum = Vallum::start(clear(json!([route])));
    assert_eq!(vallum.connect().ask(get(HOST, "/api/x", "")).json()["target"], "/v1/x");
    assert_eq!(vallum.connect().ask(get(HOST, "/api/y", "")).status, 403);
    vallum.wait_for_log(&[("message", json!("http-request")), ("path", json!("/api/x"))]);
}

#[test]
fn hosts_are_rewritten_in_order_of_precedence() {
    let own = |upstream: &Upstream| upstream.address.to_string();
    let by_path = json!({
        "host_path_regex_rewrite_pattern": "^/([^/]+)/.*$",
        "host_path_regex_rewrite_substitution": "\\1.internal",
    });
    let field = "X-Host: Named.internal:81\r\n";
    for (more, fields, expected) in [
        (json!({}), "", None),
        (json!({"preserve_host_header": true}), "", Some(HOST)),
        (json!({"preserve_host_header": false}), "", None),
        (json!({"host_rewrite": "fixed.internal:8080"}), "", Some("fixed.internal:8080")),
        (json!({"host_rewrite_header": "X-Host"}), field, Some("named.internal:81")),
        (json!({"host_rewrite_header": "X-Host"}), "", Some(HOST)),
        (by_path.clone(), "", Some("a.internal")),
        (and(by_path.clone(), json!({"preserve_host_header": true})), "", Some("a.internal")),
        (and(by_path.clone(), json!({"host_rewrite_header": "X-Host"})), field, Some("named.internal:81")),
        (
            and(by_path, json!({"host_rewrite_header": "X-Host", "host_rewrite": "fixed.internal"})),
            field,
            Some("fixed.internal"),
        ),
    ] {
        let (upstream, vallum) = edge(more.clone());
        vallum.connect().ask(get(HOST, "/a/b", fields));
        let request = upstream.only_request();
        let expected = expected.map_or_else(|| own(&upstream), str::to_owned);
        assert_eq!(request.header("host"), expected, "{more}");
        let kept = if expected == HOST { "" } else { HOST };
        assert_eq!(request.header("x-forwarded-host"), kept, "{more}");
    }
}

#[test]
fn a_host_of_the_clients_words_is_a_host_or_refused() {
    let by_path = json!({
        "host_path_regex_rewrite_pattern": "^/([^/]+)/.*$",
        "host_path_regex_rewrite_substitution": "\\1",
    });
    let by_field = json!({"host_rewrite_header": "X-Host"});
    for (more, path, fields) in [
        (&by_path, "/", ""),
        (&by_path, "/a@b/", ""),
        (&by_path, "/a%20b/", ""),
        (&by_field, "/", "X-Host: a b\r\n"),
        (&by_field, "/", "X-Host: a/b\r\n"),
        (&by_field, "/", "X-Host: a\r\nX-Host: b\r\n"),
    ] {
        let (upstream, vallum) = edge(more.clone());
        let answer = vallum.connect().ask(get(HOST, path, fields));
        assert_eq!((answer.status, upstream.requests().len()), (400, 0), "{path} {fields}");
    }
}
