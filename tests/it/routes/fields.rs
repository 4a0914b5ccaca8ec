//! Header fields, both ways: set, removed, rewritten, refused, believed.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{edge, forwarded, route};
use crate::harness::vallum::{HOST, and, clear, get};
use crate::harness::{Upstream, Vallum, Wire};

#[test]
fn request_fields_are_set_with_what_they_refer_to() {
    let set = json!({
        "X-Plain": "plain",
        "X-Dollars": "$5 $$pomerium.jwt",
        "X-Mixed": "<${pomerium.request.headers[\"X-Asked\"]}|$pomerium.request.headers['x-missing']>",
        "X-Nothing": "${pomerium.client_cert_fingerprint}${pomerium.nonsense}",
        "X-Own": "${pomerium.request.headers[\"Host\"]} ${pomerium.request.headers[\"X-Forwarded-For\"]}",
        "X-Stolen": "${pomerium.request.headers[\"Cookie\"]}",
        "X-Claimed": "[${pomerium.request.headers[\"X-Pomerium-Claim-Email\"]}]",
        "X-Real-IP": "${pomerium.request.headers[\"True-Client-IP\"]}",
        "X-Credentials": "[${pomerium.request.headers[\"Authorization\"]}]",
        "User-Agent": "edge",
        "X-Forwarded-Proto": "https",
    });
    let fields = "X-Asked: one\r\nX-Asked: two\r\nX-Plain: client\r\nUser-Agent: client\r\n\
                  Cookie: a=b; _pomerium=secret; c=d\r\nX-Pomerium-Claim-Email: eve@example.com\r\n\
                  Authorization: Pomerium secret\r\nTrue-Client-IP: 192.0.2.7\r\nX-Real-IP: 6.6.6.6\r\n";
    let request = forwarded(json!({"set_request_headers": set}), "/", fields);
    for (name, expected) in [
        ("x-plain", "plain"),
        ("x-dollars", "$5 $pomerium.jwt"),
        ("x-mixed", "<one, two|>"),
        ("x-nothing", ""),
        ("x-own", &format!("{HOST} 127.0.0.1")),
        ("x-stolen", "a=b; c=d"),
        ("x-claimed", "[]"),
        ("x-credentials", "[]"),
        ("x-real-ip", "192.0.2.7"),
        ("true-client-ip", ""),
        ("user-agent", "edge"),
        ("x-forwarded-proto", "https"),
    ] {
        assert_eq!(request.header(name), expected, "{name}");
    }
    assert!(!request.has("x-pomerium-claim-email"));
}

#[test]
fn the_assertion_can_be_sent_in_another_field() {
    let more = json!({"set_request_headers": {"Authorization": "Bearer $pomerium.jwt"}});
    let request = forwarded(more.clone(), "/", "Authorization: Bearer client\r\n");
    let token = request.header("authorization").strip_prefix("Bearer ").unwrap().to_owned();
    assert_eq!(token.split('.').filter(|part| !part.is_empty()).count(), 3, "{token}");
    assert!(!request.has("x-pomerium-jwt-assertion"), "identity is passed only where that is asked for");
    let both = forwarded(and(more, json!({"pass_identity_headers": true})), "/", "");
    assert_eq!(both.header("authorization"), format!("Bearer {}", both.header("x-pomerium-jwt-assertion")));
}

#[test]
fn a_value_that_grows_without_bound_is_sent_empty() {
    let reference = "${pomerium.request.headers[\"X-Large\"]}";
    let more = json!({"set_request_headers": {"X-Set": reference.repeat(20)}});
    let request = forwarded(more, "/", &format!("X-Large: {}\r\n", "x".repeat(8000)));
    assert_eq!((request.header("x-set"), request.header("x-large").len()), ("", 8000));
}

#[test]
fn what_a_route_sets_or_removes_no_client_says_in_another_spelling() {
    let more =
        json!({"set_request_headers": {"X-Remote-User": "of the route"}, "remove_request_headers": ["X-Secret-Key"]});
    let upstream = Upstream::echo();
    let settings = and(clear(json!([route(&upstream, more)])), json!({"headers_with_underscores_action": "allow"}));
    let vallum = Vallum::start(settings);
    for hyphen in ["-", "_", ".", "~", "+"] {
        let fields = "X-Remote-User: forged\r\nX-Secret-Key: forged\r\n".replace('-', hyphen);
        let before = upstream.requests().len();
        assert_eq!(vallum.connect().ask(get(HOST, "/", &fields)).status, 200, "{fields}");
        assert_eq!(upstream.requests()[before].header("x-remote-user"), "of the route");
    }
    assert!(!upstream.received_text().contains("forged"), "{}", upstream.received_text());
}

#[test]
fn request_fields_are_removed_last() {
    let more = json!({
        "set_request_headers": {"X-Set": "a", "X-Kept": "b"},
        "remove_request_headers": ["x-set", "X-Client", "X-Forwarded-For", "X-Forwarded-Host", "Cookie"],
    });
    let request = forwarded(more, "/", "X-Client: 1\r\nX-Other: 2\r\nCookie: a=b\r\nX-Forwarded-For: 1.1.1.1\r\n");
    for name in ["x-set", "x-client", "x-forwarded-for", "x-forwarded-host", "cookie"] {
        assert!(!request.has(name), "{name}: {request:?}");
    }
    assert_eq!((request.header("x-kept"), request.header("x-other")), ("b", "2"));
}

/// The answer of an edge whose upstream answers with these field lines.
fn answer_of(lines: &str, top: Value, more: Value) -> crate::harness::Answer {
    let upstream = Upstream::answering(format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 0\r\n\r\n"));
    let vallum = Vallum::start(and(clear(json!([route(&upstream, more)])), top));
    vallum.connect().ask(get(HOST, "/", ""))
}

#[test]
fn response_fields_are_rewritten() {
    let rule = |header: &str, prefix: &str, value: &str| json!({"header": header, "prefix": prefix, "value": value});
    let more = json!({"rewrite_response_headers": [
        rule("Location", "http://internal:8000/two/", "https://app.example.com/one/"),
        rule("location", "http://internal:8000/", "https://app.example.com/"),
        rule("X-All", "", "before "),
    ]});
    for (lines, name, expected) in [
        ("Location: http://internal:8000/two/x\r\n", "location", "https://app.example.com/one/x"),
        ("LOCATION: http://internal:8000/x\r\n", "location", "https://app.example.com/x"),
        ("Location: http://internal:80001/x\r\n", "location", "http://internal:80001/x"),
        ("Location: /x\r\n", "location", "/x"),
        ("X-All: y\r\n", "x-all", "before y"),
    ] {
        let answer = answer_of(lines, json!({}), more.clone());
        assert_eq!(answer.header(name), expected, "{lines}");
    }
}

#[test]
fn security_fields_are_set_unless_disabled() {
    let lines = "X-Frame-Options: ALLOWALL\r\nX-Custom: upstream\r\nServer: it\r\n";
    for (top, more, frame, xss, custom) in [
        (json!({}), json!({}), "SAMEORIGIN", "1; mode=block", "upstream"),
        (json!({"set_response_headers": {"X-Custom": "all"}}), json!({}), "ALLOWALL", "", "all"),
        (json!({}), json!({"set_response_headers": {"x-frame-options": "DENY"}}), "DENY", "1; mode=block", "upstream"),
        (
            json!({"set_response_headers": {"X-Custom": "all"}}),
            json!({"set_response_headers": {"X-Custom": "route"}}),
            "ALLOWALL",
            "",
            "route",
        ),
        (json!({"set_response_headers": {"disable": "true"}}), json!({}), "ALLOWALL", "", "upstream"),
        (json!({}), json!({"set_response_headers": {"disable": "x", "X-Custom": "route"}}), "ALLOWALL", "", "upstream"),
    ] {
        let answer = answer_of(lines, top.clone(), more.clone());
        let seen = (answer.header("x-frame-options"), answer.header("x-xss-protection"), answer.header("x-custom"));
        assert_eq!(seen, (frame, xss, custom), "{top} {more}");
        assert_eq!(answer.header("strict-transport-security"), "", "there is no certificate");
    }
}

#[test]
fn names_with_underscores_are_refused_dropped_or_let_through() {
    let names = "X_Custom: 1\r\nX-Fine: 2\r\n";
    let disguises = "X_Pomerium_Claim_Email: eve\r\nX_Forwarded_For: 6.6.6.6\r\nUser_Agent: x\r\n";
    for (action, status, passes) in [("reject_request", 400, false), ("drop_header", 200, false), ("allow", 200, true)]
    {
        let upstream = Upstream::echo();
        let settings =
            and(clear(json!([route(&upstream, json!({}))])), json!({"headers_with_underscores_action": action}));
        let vallum = Vallum::start(settings);
        assert_eq!(vallum.connect().ask(get(HOST, "/", names)).status, status, "{action}");
        if status == 200 {
            let request = upstream.only_request();
            assert_eq!((request.has("x_custom"), request.header("x-fine")), (passes, "2"), "{action}");
        }
        let answer = vallum.connect().ask(get(HOST, "/", disguises));
        assert_eq!(answer.status, status, "{action}");
        let received = upstream.received_text().to_lowercase();
        for name in ["x_pomerium", "x_forwarded", "user_agent"] {
            assert!(!received.contains(name), "{action} {name}: {received}");
        }
        let framing = vallum.connect().ask(get(HOST, "/", "Content_Length: 3\r\n"));
        assert_eq!(framing.status, 400, "{action}: what disguises the length is never let through");
    }
}

#[test]
fn the_peer_is_appended_to_forwarded_for_unless_told_otherwise() {
    let upstream = Upstream::echo();
    for (settings, sent, expected) in [
        (json!({}), "", "127.0.0.1"),
        (json!({}), "X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1, 127.0.0.1"),
        (json!({"skip_xff_append": true}), "X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"),
        (
            json!({"skip_xff_append": true}),
            "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n",
            "1.1.1.1, 2.2.2.2",
        ),
        (json!({"skip_xff_append": true}), "", ""),
        (json!({"xff_num_trusted_hops": 1}), "X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1, 127.0.0.1"),
    ] {
        let vallum = Vallum::start(and(clear(json!([route(&upstream, json!({}))])), settings.clone()));
        let headers = vallum.connect().ask(get(HOST, "/", sent)).json()["headers"].clone();
        let seen: Vec<&Value> = headers
            .as_array()
            .unwrap()
            .iter()
            .filter(|pair| pair[0] == "x-forwarded-for")
            .map(|pair| &pair[1])
            .collect();
        let wanted = if expected.is_empty() { vec![] } else { vec![json!(expected)] };
        assert_eq!(seen, wanted.iter().collect::<Vec<_>>(), "{settings} {sent}");
    }
}

#[test]
fn trusted_hops_decide_who_is_asking() {
    let policy = json!([{"allow": {"and": [{"source_ip": "1.1.1.0/24"}]}}]);
    let upstream = Upstream::echo();
    let private = json!({"from": format!("https://{HOST}"), "to": upstream.url(), "policy": policy});
    for (hops, sent, status, ip) in [
        (0, "1.1.1.1", 403, "127.0.0.7"),
        (1, "1.1.1.1", 200, "1.1.1.1"),
        (1, "1.1.1.1, 9.9.9.9", 403, "9.9.9.9"),
        (2, "1.1.1.1, 9.9.9.9", 200, "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 9.9.9.9", 200, "1.1.1.1"),
        (3, "1.1.1.1, 9.9.9.9", 403, "127.0.0.7"),
        (1, "nonsense", 403, "127.0.0.7"),
    ] {
        let vallum = Vallum::start(and(clear(json!([private])), json!({"xff_num_trusted_hops": hops})));
        let peer: IpAddr = "127.0.0.7".parse().unwrap();
        let mut wire = Wire::clear_from(peer, vallum.address);
        let answer = wire.ask(get(HOST, "/", &format!("X-Forwarded-For: {sent}\r\n")));
        assert_eq!(answer.status, status, "{hops} {sent}");
        vallum.wait_for_log(&[("message", json!("authorize check")), ("ip", json!(ip))]);
        vallum.wait_for_log(&[("message", json!("http-request")), ("ip", json!(ip))]);
    }
}

#[test]
fn trusted_hops_may_say_how_the_person_came() {
    for (hops, sent, expected) in
        [(0, "https", "http"), (1, "https", "https"), (1, "http", "http"), (1, "gopher", "http"), (1, "", "http")]
    {
        let upstream = Upstream::echo();
        let settings = and(clear(json!([route(&upstream, json!({}))])), json!({"xff_num_trusted_hops": hops}));
        let vallum = Vallum::start(settings);
        vallum.connect().ask(get(HOST, "/", &format!("X-Forwarded-Proto: {sent}\r\n")));
        assert_eq!(upstream.only_request().header("x-forwarded-proto"), expected, "{hops} {sent}");
    }
}

#[test]
fn a_preflight_passes_without_a_session() {
    let upstream = Upstream::echo();
    let private = |cors: bool| {
        json!({
            "from": format!("https://{HOST}"),
            "to": upstream.url(),
            "cors_allow_preflight": cors,
            "policy": [{"allow": {"and": [{"http_path": {"is": "/never"}}]}}],
        })
    };
    let preflight = "Origin: https://elsewhere.test\r\nAccess-Control-Request-Method: PUT\r\n";
    for (cors, method, fields, passes) in [
        (true, "OPTIONS", preflight, true),
        (false, "OPTIONS", preflight, false),
        (true, "GET", preflight, false),
        (true, "OPTIONS", "Origin: https://elsewhere.test\r\n", false),
        (true, "OPTIONS", "Access-Control-Request-Method: PUT\r\n", false),
    ] {
        let vallum = Vallum::start(clear(json!([private(cors)])));
        let answer = vallum.connect().ask(get(HOST, "/", fields).replace("GET", method));
        assert_eq!(answer.status == 200, passes, "{cors} {method} {fields}: {}", answer.status);
    }
}

#[test]
fn a_route_without_options_changes_nothing_it_need_not() {
    let (upstream, vallum) = edge(json!({}));
    vallum.connect().ask(get(HOST, "/a%2Cb;c?d=%20&e", "X-One: 1\r\nx-TWO:  two  words \r\n"));
    let request = upstream.only_request();
    assert_eq!(request.target, "/a%2Cb;c?d=%20&e");
    assert_eq!((request.header("x-one"), request.header("x-two")), ("1", "two  words"));
}
