//! What a client says about itself and must not be believed: identity headers, our cookie and tokens, forwarding fields.

use serde_json::json;

use crate::harness::request::Request;
use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{Upstream, Vallum};

/// Sends `fields` (whole lines) and returns what the upstream saw; `None` when the request was refused.
fn passed_on(vallum: &Vallum, upstream: &Upstream, fields: &str) -> Option<Request> {
    let before = upstream.requests().len();
    let answer = vallum.connect().ask(get(HOST, "/", fields));
    match answer.status {
        200 => Some(upstream.requests()[before..].first().expect("a request").clone()),
        400..=499 => {
            assert_eq!(upstream.requests().len(), before, "refused with {} but passed on", answer.status);
            None
        }
        status => panic!("{status} for {fields:?}"),
    }
}

fn assert_gone(vallum: &Vallum, upstream: &Upstream, fields: &str) {
    if let Some(request) = passed_on(vallum, upstream, fields) {
        let text = format!("{:?}", request.headers).to_ascii_lowercase();
        assert!(!text.contains("forged"), "{fields:?} came through: {:?}", request.headers);
    }
}

#[test]
fn identity_headers_in_every_spelling() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let names = [
        "X-Pomerium-Jwt-Assertion",
        "x-pomerium-jwt-assertion",
        "X-POMERIUM-JWT-ASSERTION",
        "X_Pomerium_Jwt_Assertion",
        "X-Pomerium_Jwt-Assertion",
        "X.Pomerium.Jwt.Assertion",
        "X-Pomerium-Jwt.Assertion",
        "X-Pomerium-Claim-Email",
        "x-pomerium-claim-groups",
        "X_Pomerium_Claim_Email",
        "X-Pomerium-Claim-Anything-At-All",
        "X-Pomerium-Authorization",
        "X-Pomerium-Reproxy-Policy",
        "X-Pomerium-Reproxy-Policy-Hmac",
        "X-Pomerium-Routing-Key",
        "X-Pomerium-Future-Header",
        "X-Pomerium-",
        "x_pomerium_",
    ];
    for name in names {
        assert_gone(&vallum, &upstream, &format!("{name}: forged\r\n"));
        assert_gone(&vallum, &upstream, &format!("{name}:forged\r\n{name}: forged again\r\n"));
    }
}

#[test]
fn identity_headers_in_trailers() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let answer = vallum.connect().ask(format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Pomerium-Claim-Email\r\n\r\n\
         1\r\na\r\n0\r\nX-Pomerium-Claim-Email: forged\r\nX-Pomerium-Jwt-Assertion: forged\r\n\r\n"
    ));
    assert!(matches!(answer.status, 200 | 400), "{}", answer.status);
    assert!(!upstream.received_text().contains("forged"), "{}", upstream.received_text());
}

#[test]
fn our_cookie_and_tokens_stay_here() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    for fields in [
        "Cookie: _pomerium=forged\r\n",
        "Cookie: a=b; _pomerium=forged; c=d\r\n",
        "Cookie: a=b;_pomerium=forged;c=d\r\n",
        "Cookie: a=b\r\nCookie: _pomerium=forged\r\n",
        "cookie: _pomerium=\"forged\"\r\n",
        "Cookie: _pomerium = forged\r\n",
        "Cookie: a=b; _pomerium=forged; _pomerium=forged2\r\n",
        "Authorization: Pomerium forged\r\n",
        "authorization: pomerium forged\r\n",
        "Authorization: Bearer Pomerium-forged\r\n",
        "Authorization: bearer pomerium-forged\r\n",
        "Authorization:  Bearer   Pomerium-forged\r\n",
        "Authorization: Pomerium\tforged\r\n",
        "Authorization: Bearer \t Pomerium-forged\r\n",
    ] {
        assert_gone(&vallum, &upstream, fields);
    }
}

#[test]
fn other_cookies_and_tokens_go_on() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let request = passed_on(&vallum, &upstream, "Cookie: a=b; _pomerium=x; c=\"d e\"\r\n").expect("passed on");
    let cookies = request.header("cookie").replace(' ', "");
    assert_eq!(cookies, "a=b;c=\"de\"");
    for value in ["Basic dXNlcjpwYXNz", "Bearer abc.def.ghi", "Digest x=y"] {
        let request = passed_on(&vallum, &upstream, &format!("Authorization: {value}\r\n")).expect("passed on");
        assert_eq!(request.header("authorization"), value);
    }
    let request = passed_on(&vallum, &upstream, "Cookie: _pomerium_other=x\r\n").expect("passed on");
    assert_eq!(request.header("cookie"), "_pomerium_other=x");
}

#[test]
fn connection_cannot_nominate_what_protects() {
    let upstream = Upstream::echo();
    let settings = and(
        public_route(HOST, json!(upstream.url())),
        json!({"pass_identity_headers": true, "set_request_headers": {"X-Set-By-Us": "kept"}}),
    );
    let vallum = Vallum::start(clear(json!([settings])));
    for name in
        ["X-Pomerium-Jwt-Assertion", "X-Forwarded-For", "X-Forwarded-Proto", "X-Request-Id", "X-Set-By-Us", "Host"]
    {
        let fields = format!("Connection: close, {name}\r\n");
        let Some(request) = passed_on(&vallum, &upstream, &fields) else { continue };
        assert!(request.has(name), "{name} was nominated away: {:?}", request.headers);
        assert!(!request.header("connection").to_ascii_lowercase().contains(&name.to_ascii_lowercase()));
    }
    let request = passed_on(&vallum, &upstream, "Connection: X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n").expect("passed on");
    assert!(!request.has("x-hop") && request.header("x-end") == "2", "{:?}", request.headers);
}

#[test]
fn hop_by_hop_fields_end_here() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let fields =
        "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nProxy-Authorization: Basic eA==\r\n";
    let request = passed_on(&vallum, &upstream, fields).expect("passed on");
    for name in ["keep-alive", "proxy-connection", "proxy-authorization"] {
        assert!(!request.has(name), "{name} in {:?}", request.headers);
    }
}

#[test]
fn forwarding_fields_are_ours() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let request = passed_on(&vallum, &upstream, "").expect("passed on");
    assert_eq!(request.header("x-forwarded-for"), "127.0.0.1");
    assert_eq!(request.header("x-forwarded-host"), HOST);
    assert!(matches!(request.header("x-forwarded-proto"), "http" | "https"), "{:?}", request.headers);

    let fields = "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: forged\r\nX-Envoy-External-Address: forged\r\n";
    let request = passed_on(&vallum, &upstream, fields).expect("passed on");
    let chain = request.all("x-forwarded-for").join(",").replace(' ', "");
    assert!(chain.ends_with("127.0.0.1"), "the last element is who is really there: {chain}");
    assert_eq!(chain, "198.51.100.7,127.0.0.1");
    let text = format!("{:?}", request.headers);
    assert!(!text.contains("forged"), "{text}");
}

#[test]
fn words_about_another_client_or_target_end_here() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let names = [
        "Forwarded",
        "X-Forwarded",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Server",
        "X-Forwarded-Uri",
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Forwarded-Client-Cert",
        "X.Forwarded.For",
        "X-Envoy-Original-Path",
        "X-Envoy-Internal",
        "X-Envoy-Expected-Rq-Timeout-Ms",
        "X-Real-IP",
        "X-Real.IP",
        "X-Client-IP",
        "X-Client-Cert",
        "X-Cluster-Client-IP",
        "X-Remote-IP",
        "X-Remote-Addr",
        "X-Originating-IP",
        "True-Client-IP",
        "Client-IP",
        "X-Original-URL",
        "X-Original-Uri",
        "X-Original-Method",
        "X-Rewrite-URL",
        "X-Override-URL",
        "X-Host",
        "X-HTTP-Host-Override",
        "X-HTTP-DestinationURL",
        "X-Proxy-URL",
        "Proxy",
        "HTTP2-Settings",
    ];
    for name in names {
        assert_gone(&vallum, &upstream, &format!("{name}: forged\r\n"));
        assert_gone(&vallum, &upstream, &format!("{}: forged\r\n", name.to_lowercase()));
    }
}

#[test]
fn a_policy_on_methods_is_not_passed_by() {
    let upstream = Upstream::echo();
    let policy = json!([{"allow": {"and": [{"http_method": {"in": ["GET", "POST"]}}]}}]);
    let routes = json!([
        {"from": "https://judged.example.com", "to": upstream.url(), "policy": policy},
        public_route(HOST, json!(upstream.url())),
    ]);
    let vallum = Vallum::start(clear(routes));
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "x-http-method.override"] {
        let fields = format!("{name}: DELETE\r\n");
        for (host, kept) in [("judged.example.com", false), (HOST, true)] {
            let request = get(host, "/", &fields).replace("GET", "POST");
            assert_eq!(vallum.connect().ask(request).status, 200, "{name}");
            assert_eq!(upstream.requests().last().unwrap().has(name), kept, "{host} {name}");
        }
    }
    assert_eq!(vallum.connect().ask(get("judged.example.com", "/", "").replace("GET", "DELETE")).status, 403);
}

#[test]
fn two_credentials_of_a_kind_are_refused() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    for (fields, passes) in [
        ("Authorization: Basic eA==\r\nAuthorization: Basic eQ==\r\n", false),
        ("Authorization: Pomerium a\r\nAuthorization: Bearer Pomerium-b\r\n", false),
        ("Authorization: Pomerium a\r\nAuthorization: Basic eA==\r\nAuthorization: Basic eQ==\r\n", false),
        ("Authorization: Pomerium a\r\nAuthorization: Basic eA==\r\n", true),
        ("Authorization: Basic eA==\r\nAuthorization: Pomerium a\r\n", true),
    ] {
        let request = passed_on(&vallum, &upstream, fields);
        assert_eq!(request.is_some(), passes, "{fields}");
        assert!(request.is_none_or(|request| request.header("authorization") == "Basic eA=="), "{fields}");
    }
}

#[test]
fn an_upstream_sets_no_cookie_of_ours() {
    let cookies = [
        "_pomerium=forged",
        "_pomerium=forged; Path=/; HttpOnly",
        " _pomerium = forged",
        "__Host-_pomerium=forged",
        "_pomerium_csrf=forged",
        "_pomerium_pkce_x=forged",
    ];
    let lines: String = cookies.iter().map(|cookie| format!("Set-Cookie: {cookie}\r\n")).collect();
    let upstream = Upstream::answering(format!(
        "HTTP/1.1 200 OK\r\n{lines}Set-Cookie: own=_pomerium=x\r\nset-cookie: _pomerium_other=y\r\n\
         X-Pomerium-Intercepted-Response: true\r\nContent-Length: 0\r\n\r\n"
    ));
    let vallum = Vallum::public(&upstream);
    let answer = vallum.connect().ask(get(HOST, "/", ""));
    assert_eq!(answer.all("set-cookie"), ["own=_pomerium=x", "_pomerium_other=y"]);
    assert_eq!(answer.header("x-pomerium-intercepted-response"), "");
}

#[test]
fn the_upstream_is_asked_by_its_own_name_unless_the_clients_is_kept() {
    let upstream = Upstream::echo();
    let kept = and(public_route("kept.example.com", json!(upstream.url())), json!({"preserve_host_header": true}));
    let vallum = Vallum::start(clear(json!([kept, public_route(HOST, json!(upstream.url()))])));
    vallum.connect().ask(get(HOST, "/", ""));
    vallum.connect().ask(get("kept.example.com", "/", ""));
    let hosts: Vec<String> = upstream.requests().iter().map(|r| r.header("host").to_owned()).collect();
    assert_eq!(hosts, [upstream.address.to_string(), "kept.example.com".to_owned()]);
}

#[test]
fn headers_are_set_and_removed_as_the_route_says() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Frame-Options: forged\r\n\r\n");
    let route = and(
        public_route(HOST, json!(upstream.url())),
        json!({
            "set_request_headers": {"X-Set": "ours", "X-Both": "ours"},
            "remove_request_headers": ["X-Both", "X-Gone"],
            "set_response_headers": {"X-Answer": "ours"},
        }),
    );
    let vallum = Vallum::start(clear(json!([route])));
    let fields = "X-Set: theirs\r\nX-Gone: theirs\r\nX-Both: theirs\r\nX-Kept: theirs\r\n";
    let answer = vallum.connect().ask(get(HOST, "/", fields));
    assert_eq!(answer.header("x-answer"), "ours");
    assert_eq!(answer.header("x-frame-options"), "SAMEORIGIN");
    let request = upstream.only_request();
    assert_eq!((request.header("x-set"), request.header("x-kept")), ("ours", "theirs"));
    assert!(!request.has("x-gone") && !request.has("x-both"), "{:?}", request.headers);
}

#[test]
fn a_session_cookie_that_we_did_not_make_opens_nothing() {
    let upstream = Upstream::echo();
    let route = json!({"from": format!("https://{HOST}"), "to": upstream.url(), "allow_any_authenticated_user": true});
    let vallum = Vallum::start(and(
        clear(json!([route])),
        json!({"idp_provider": "oidc", "idp_provider_url": "http://127.0.0.1:9", "idp_client_id": "a", "idp_client_secret": "b"}),
    ));
    let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.";
    for fields in [
        String::new(),
        format!("Cookie: _pomerium={jwt}\r\n"),
        "Cookie: _pomerium=\r\n".to_owned(),
        format!("Cookie: _pomerium={}\r\n", "A".repeat(4000)),
        format!("Authorization: Pomerium {jwt}\r\n"),
        format!("Authorization: Bearer Pomerium-{jwt}\r\n"),
        format!("X-Pomerium-Jwt-Assertion: {jwt}\r\n"),
        "X-Pomerium-Claim-Email: alice@example.com\r\n".to_owned(),
    ] {
        let answer = vallum.connect().ask(get(HOST, "/", &fields));
        assert!(matches!(answer.status, 302 | 401 | 403 | 503), "{} for {fields:?}", answer.status);
    }
    assert!(upstream.requests().is_empty());
}
