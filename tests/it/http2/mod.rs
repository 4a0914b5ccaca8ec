//! HTTP/2 towards clients: bodies, answers, what is passed on, and how it ends; with a client of our own and with real ones.

mod abuse;
pub mod client;
mod codec_type;
mod conformance;
pub mod fields;
mod lifetimes;
mod routes;
mod smuggling;
pub mod websocket;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::certificates::accept_any;
use crate::harness::peers::{Provider, program};
use crate::harness::process::Process;
use crate::harness::vallum::{HOST, and, get, public_route};
use crate::harness::{Upstream, Vallum, Wire, pattern};
use client::{Client, line};

/// One public route from [`HOST`] to `upstream`, over TLS.
fn public(upstream: &Upstream) -> Vallum {
    Vallum::start(json!({"routes": [public_route(HOST, json!(upstream.url()))]}))
}

/// Sizes around the limits of frames and windows.
const SIZES: [usize; 8] = [1, 100, 16_383, 16_385, 65_535, 65_537, 1 << 20, 5 << 20];

#[test]
fn the_client_chooses_the_protocol() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let agreed = |protocols: &[&str]| {
        let mut config = accept_any(&[]);
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        let wire = Wire::tls_with(vallum.address, HOST, Arc::new(config)).expect("a handshake");
        let agreed = wire.session().alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned());
        (agreed, wire)
    };
    for (offered, expected) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let (agreed, mut wire) = agreed(offered);
        assert_eq!(agreed.as_deref(), expected, "{offered:?}");
        if expected != Some("h2") {
            assert_eq!(wire.ask(get(HOST, "/", "")).status, 200);
        }
    }
    let reply = Client::connect(vallum.address).get("/some/where?q=1");
    assert_eq!((reply.status, reply.json()["target"].as_str()), (200, Some("/some/where?q=1")));
}

#[test]
fn interim_answers_go_on() {
    let upstream = Upstream::answering(
        "HTTP/1.1 100 Continue\r\n\r\n\
         HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\nConnection: x-hop\r\nX-Hop: 1\r\nContent-Length: 9\r\n\
         Set-Cookie: _pomerium=forged\r\n\r\n\
         HTTP/1.1 102 Processing\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    for _ in 0..2 {
        let reply = client.get("/");
        assert_eq!((reply.status, &reply.body[..], reply.header("content-length")), (200, &b"ok"[..], "2"));
        let link = ("link".to_owned(), "</s.css>; rel=preload".to_owned());
        assert_eq!(reply.interim, [(103, vec![link]), (102, vec![])]);
    }
}

#[test]
fn bodies_of_answers_are_exact() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    for size in SIZES {
        for (path, length) in [
            (format!("/bytes/{size}"), size.to_string()),
            (format!("/chunks/{}/{}", size.div_ceil(50_000), size.min(50_000)), String::new()),
            (format!("/until-close/{size}"), String::new()),
        ] {
            let reply = client.get(&path);
            let expected = match path.starts_with("/chunks") {
                true => pattern(size.div_ceil(50_000) * size.min(50_000)),
                false => pattern(size),
            };
            assert!(reply.status == 200 && reply.ended && reply.body == expected, "{path}: {}", reply.body.len());
            assert_eq!(reply.header("content-length"), length, "{path}");
            assert_eq!((reply.header("transfer-encoding"), reply.header("connection")), ("", ""), "{path}");
        }
    }
    assert_eq!(client.goaway, None);
}

#[test]
fn bodies_of_requests_are_exact() {
    let upstream = Upstream::with(|served| {
        while let Some(request) = served.request()? {
            served.answer(200, "", &request.body)?;
        }
        Ok(())
    });
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    for size in SIZES {
        let (body, length) = (pattern(size), size.to_string());
        for fields in [&[("content-length", length.as_str())][..], &[]] {
            let before = upstream.requests().len();
            let id = client.request("POST", "/", fields, false);
            client.body(id, &body);
            let reply = client.finish(id);
            assert!(reply.status == 200 && reply.ended, "{size} {fields:?}: {} {:?}", reply.status, reply.reset);
            assert!(reply.body == body, "{size} {fields:?}: came back as {} bytes", reply.body.len());
            let request = upstream.requests().swap_remove(before);
            assert!(request.body == body && request.method == "POST");
            assert_eq!(request.chunked, fields.is_empty(), "{size}");
        }
    }
    let id = client.request("POST", "/", &[], false);
    client.body(id, b"");
    assert_eq!(client.finish(id).status, 200, "a body may turn out to be empty");
    assert_eq!((client.goaway, upstream.complaints()), (None, vec![]));
}

#[test]
fn answers_without_a_body_end_with_their_head() {
    let upstream = Upstream::with(|served| {
        while let Some(request) = served.request()? {
            let length = if request.target == "/304" { "Content-Length: 77\r\n" } else { "" };
            match request.target.as_str() {
                "/head" => served.write("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")?,
                other => served.write(format!("HTTP/1.1 {} Answer\r\n{length}\r\n", &other[1..]))?,
            }
        }
        Ok(())
    });
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    for (method, path, status, length) in
        [("HEAD", "/head", 200, "1234"), ("GET", "/204", 204, ""), ("GET", "/304", 304, "77")]
    {
        let id = client.request(method, path, &[], true);
        let reply = client.finish(id);
        assert_eq!((reply.status, reply.ended, reply.body.len()), (status, true, 0), "{path}");
        assert_eq!(reply.header("content-length"), length, "{path}");
    }
    assert_eq!(upstream.connections(), 1, "the upstream's connection was kept");
}

#[test]
fn many_streams_at_once() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    let sizes: Vec<usize> = (0..100).map(|i| 1 + i * 977).collect();
    let streams: Vec<u32> = sizes.iter().map(|n| client.request("GET", &format!("/bytes/{n}"), &[], true)).collect();
    for (id, size) in streams.into_iter().zip(sizes).rev() {
        let reply = client.finish(id);
        assert!(reply.status == 200 && reply.ended && reply.body == pattern(size), "stream {id}: {:?}", reply.reset);
    }
    assert_eq!(client.goaway, None);
    assert_eq!(vallum.panics(), [""; 0]);
}

#[test]
fn answers_of_our_own() {
    let (upstream, provider) = (Upstream::echo(), Provider::start());
    let to = json!(upstream.url());
    let policy = json!([{"allow": {"or": [{"accept": true}]}, "deny": {"or": [{"http_method": {"is": "DELETE"}}]}}]);
    let vallum = Vallum::start(and(
        provider.settings(),
        json!({
            "authenticate_service_url": "https://authenticate.example.com",
            "routes": [
                {"from": format!("https://{HOST}"), "to": to, "prefix": "/open", "policy": policy},
                {"from": "https://people.example.com", "to": to, "allow_any_authenticated_user": true},
            ],
        }),
    ));
    let mut client = Client::connect(vallum.address);
    let mut ask = |method: &str, host: &str, path: &str, more: &[(&str, &str)]| {
        let id = client.open(&[&line(method, host, path), more].concat(), true);
        let reply = client.finish(id);
        assert!(reply.ended && reply.reset.is_none(), "{method} {host}{path}: {reply:?}");
        reply
    };
    assert_eq!(ask("GET", HOST, "/open", &[]).status, 200);
    assert_eq!(ask("GET", HOST, "/elsewhere", &[]).status, 404);
    assert_eq!(ask("GET", "unknown.example.com", "/", &[]).status, 404);
    assert_eq!(ask("DELETE", HOST, "/open", &[]).status, 403);
    assert_eq!(ask("HEAD", HOST, "/elsewhere", &[]).body, b"");

    let browser = [("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")];
    let sent = ask("GET", "people.example.com", "/page?q=1", &browser);
    assert_eq!(sent.status, 302, "a newcomer is sent to sign in");
    let location = sent.header("location");
    assert!(location.starts_with("https://authenticate.example.com/.pomerium/sign_in?"), "{location}");
    assert!(location.contains("people.example.com"), "{location}");
    assert_eq!(ask("GET", "people.example.com", "/", &[("accept", "application/json")]).status, 401);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn what_the_upstream_is_told() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    let fields =
        [("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "forged"), ("cookie", "a=b"), ("x-own", "1")];
    let id =
        client.request("GET", "/", &[&fields[..], &[("cookie", "_pomerium=forged"), ("cookie", "c=d")]].concat(), true);
    assert_eq!(client.finish(id).status, 200);
    let request = upstream.only_request();
    assert_eq!(request.all("x-forwarded-for").join(",").replace(' ', ""), "198.51.100.7,127.0.0.1");
    assert_eq!((request.header("x-forwarded-proto"), request.header("x-forwarded-host")), ("https", HOST));
    assert_eq!(
        request.header("cookie").replace(' ', ""),
        "a=b;c=d",
        "crumbs are put together (RFC 9113 section 8.2.3)"
    );
    assert_eq!((request.header("x-own"), request.header("host")), ("1", upstream.address.to_string().as_str()));
    assert!(request.has("x-request-id"));
    assert!(!upstream.received_text().contains("forged"), "{}", upstream.received_text());
}

#[test]
fn identity_headers_do_not_pass() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let mut client = Client::connect(vallum.address);
    for name in [
        "x-pomerium-jwt-assertion",
        "x_pomerium_jwt_assertion",
        "x.pomerium.jwt.assertion",
        "x-pomerium-claim-email",
        "x_pomerium-claim_groups",
        "x-pomerium-authorization",
        "x-pomerium-",
        "authorization",
    ] {
        let value = if name == "authorization" { "Pomerium forged" } else { "forged" };
        let id = client.request("GET", "/", &[(name, value), (name, value)], true);
        assert!(matches!(client.finish(id).status, 200 | 400), "{name}");
    }
    let id = client.request("POST", "/", &[], false);
    client.send(client::frame(client::DATA, 0, id, b"a"));
    let trailers = fields::encode(&[("x-pomerium-claim-email", "forged")]);
    client.send(client::frame(client::HEADERS, client::END_HEADERS | client::END_STREAM, id, &trailers));
    assert_eq!(client.finish(id).status, 200);
    assert!(!upstream.received_text().contains("forged"), "{}", upstream.received_text());
}

/// Runs a real client to its end and returns what it wrote.
#[track_caller]
fn run(name: &str, arguments: &[&str], vallum: &Vallum, path: &str) -> String {
    let mut command = program(name);
    command.args(arguments).arg(format!("https://{HOST}:{}{path}", vallum.address.port()));
    let (status, lines) = Process::run(name, &mut command, Duration::from_secs(60));
    assert!(status.success(), "{name}: {status}\n{}", lines.join("\n"));
    lines.join("\n")
}

#[test]
fn curl_speaks_it() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    let resolve = format!("{HOST}:{}:127.0.0.1", vallum.address.port());
    let common = ["--silent", "--show-error", "--insecure", "--http2", "--max-time", "30", "--resolve", &resolve];
    let file = vallum.folder().join("body");
    std::fs::write(&file, pattern(3 << 20)).unwrap();
    let data = format!("@{}", file.display());
    let format = "\n%{http_version} %{response_code}";
    let posted =
        run("curl", &[&common[..], &["--data-binary", &data, "--write-out", format]].concat(), &vallum, "/post");
    let (body, version) = posted.rsplit_once('\n').expect("two lines");
    let described: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((version, &described["body_length"]), ("2 200", &json!(3 << 20)));
    assert!(upstream.only_request().body == pattern(3 << 20));

    let got = vallum.folder().join("got");
    let output = ["--output", got.to_str().unwrap()];
    run("curl", &[&common[..], &output].concat(), &vallum, "/bytes/4000000");
    assert!(std::fs::read(&got).unwrap() == pattern(4_000_000));
    let seen = run("curl", &[&common[..], &["--head", "--write-out", format]].concat(), &vallum, "/");
    assert!(seen.starts_with("HTTP/2 200"), "{seen}");
}

#[test]
fn h2load_loses_nothing() {
    let upstream = Upstream::echo();
    let vallum = public(&upstream);
    for (streams, path) in [("1", "/bytes/1024"), ("32", "/bytes/1024"), ("100", "/bytes/20000")] {
        let mut command = program("h2load");
        command.args(["-n", "1600", "-c", "4", "-m", streams, "-H", &format!(":authority: {HOST}")]);
        command.arg(format!("https://{}{path}", vallum.address));
        let (status, lines) = Process::run("h2load", &mut command, Duration::from_secs(60));
        let report = lines.join("\n");
        assert!(status.success() && report.contains("Application protocol: h2"), "{report}");
        assert!(report.contains("1600 succeeded, 0 failed, 0 errored, 0 timeout"), "{report}");
        assert!(report.contains("status codes: 1600 2xx"), "{report}");
    }
    assert_eq!(vallum.panics(), [""; 0]);
}
