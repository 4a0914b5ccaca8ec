//! Fields behind a body, between HTTP/1.1 and HTTP/2 in all four combinations, and which of them pass.

use serde_json::{Value, json};

use super::oracle::Oracle;
use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{Answer, Upstream, Vallum, Wire};
use crate::http2::client::{Client, END_HEADERS, END_STREAM, HEADERS, frame};
use crate::http2::fields;

/// What a client sends behind its body: of these the first may pass.
const FROM_CLIENT: &[(&str, &str)] = &[
    ("x-digest", "abc"),
    ("content-length", "1"),
    ("authorization", "Basic eDp5"),
    ("cookie", "a=b"),
    ("x-pomerium-jwt-assertion", "forged"),
    ("x_pomerium_claim_email", "root"),
    ("x-set", "by the client"),
    ("x-removed", "1"),
    ("x-email", "root@example.com"),
];

/// A route over TLS that sets and removes fields and vouches by a name of its own.
fn vallum(to: &str) -> Vallum {
    Vallum::start(json!({
        "jwt_claims_headers": {"X-Email": "email"},
        "routes": [and(public_route(HOST, json!(to)), json!({
            "set_request_headers": {"X-Set": "by the route"},
            "remove_request_headers": ["X-Removed"],
            "set_response_headers": {"X-Frame-Options": "DENY"},
        }))],
    }))
}

/// Reads requests whole and answers with trailers, in chunks, those who ask for any.
fn http1() -> Upstream {
    Upstream::with(|served| {
        while let Some(request) = served.request()? {
            if (request.header("te"), request.header("connection")) != ("trailers", "te") {
                let unasked = request.has("te") || request.has("connection");
                served.answer(200, "", if unasked { b"half asked for" } else { b"none asked for" })?;
                continue;
            }
            served.write(
                "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 42\r\n\
                 Grpc-Status: 0\r\nSet-Cookie: a=b\r\nX-Frame-Options: none\r\nx.pomerium.claim.email: root\r\n\r\n",
            )?;
        }
        Ok(())
    })
}

fn over_http1(vallum: &Vallum, fields: &str) -> (Answer, String) {
    let mut wire = Wire::tls(vallum.address, HOST);
    let mut ask = get(HOST, "/", &format!("Transfer-Encoding: chunked\r\nConnection: close\r\n{fields}"));
    ask = ask.replace("GET", "POST") + "3\r\nabc\r\n0\r\n";
    for (name, value) in FROM_CLIENT {
        ask += &format!("{name}: {value}\r\n");
    }
    let bytes = wire.send(ask + "\r\n").drain();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (Answer::read(&mut &bytes[..], "POST").expect("an answer"), text)
}

fn over_http2(vallum: &Vallum) -> crate::http2::client::Reply {
    let mut client = Client::connect(vallum.address);
    let id = client.request("POST", "/", &[("te", "trailers")], false);
    client.send(frame(0, 0, id, b"abc"));
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, id, &fields::encode(FROM_CLIENT)));
    client.finish(id)
}

/// What the section of trailers in a chunked answer holds.
fn section(text: &str) -> Vec<String> {
    let (_, section) = text.rsplit_once("\r\n0\r\n").expect("a last chunk");
    section.split("\r\n").filter(|line| !line.is_empty()).map(str::to_ascii_lowercase).collect()
}

#[track_caller]
fn request_trailers_passed(described: &Value) {
    assert_eq!(described["trailers"], json!({"x-digest": ["abc"]}), "{described}");
    assert_eq!(
        (&described["size"], &described["fields"]["x-set"]),
        (&json!(3), &json!(["by the route"])),
        "{described}"
    );
}

#[test]
fn http_1_to_http_1() {
    let upstream = http1();
    let vallum = vallum(&upstream.url());
    let (answer, text) = over_http1(&vallum, "TE: trailers\r\n");
    assert_eq!((answer.status, answer.text().as_str()), (200, "hi"));
    assert_eq!(section(&text), ["x-sum: 42", "grpc-status: 0"]);
    for te in ["", "TE: gzip\r\n", "TE: trailer\r\n"] {
        let (answer, _) = over_http1(&vallum, te);
        assert_eq!((answer.status, answer.text().as_str()), (200, "none asked for"), "{te:?}");
    }
    let received = upstream.received_text();
    assert_eq!(section(&received), ["x-digest: abc"], "{received}");
    assert_eq!(upstream.complaints(), [""; 0]);
}

#[test]
fn trailers_that_nobody_asked_for_end_here() {
    let upstream =
        Upstream::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 42\r\n\r\n");
    let (answer, text) = over_http1(&vallum(&upstream.url()), "");
    assert_eq!((answer.status, section(&text)), (200, vec![]));
}

#[test]
fn trailers_are_asked_for_on_our_own_account() {
    let upstream = Upstream::echo();
    let route = and(public_route(HOST, json!(upstream.url())), json!({"allow_upgrades": ["known"]}));
    let vallum = Vallum::start(clear(json!([route])));
    for (fields, expected) in [
        ("TE: trailers\r\nConnection: TE, X-Hop\r\nX-Hop: 1\r\n", ["trailers", "te"]),
        ("TE: Trailers, gzip;q=0.5\r\n", ["trailers", "te"]),
        ("Connection: TE\r\n", ["", ""]),
        ("TE: trailers\r\nConnection: upgrade\r\nUpgrade: unknown\r\n", ["trailers", "te"]),
        // What becomes another protocol has no trailers.
        ("TE: trailers\r\nConnection: upgrade\r\nUpgrade: known\r\n", ["", "upgrade"]),
    ] {
        assert_eq!(vallum.connect().ask(get(HOST, "/", fields)).status, 200);
        let request = upstream.requests().pop().expect("a request");
        assert_eq!(["te", "connection"].map(|name| request.header(name)), expected, "{fields:?}");
    }
}

#[test]
fn http_1_to_http_2() {
    let upstream = Oracle::start(None, 1);
    let vallum = vallum(&upstream.url());
    let (answer, text) = over_http1(&vallum, "TE: deflate, trailers\r\n");
    assert_eq!((answer.status, answer.chunked), (200, true));
    assert_eq!(section(&text), ["x-sum: 42", "grpc-status: 0"]);
    request_trailers_passed(&answer.json());
    assert_eq!(answer.json()["fields"]["te"], json!(["trailers"]));
    let (answer, text) = over_http1(&vallum, "");
    assert_eq!(section(&text), [""; 0], "nobody asked for trailers");
    assert_eq!(answer.json()["fields"]["te"], Value::Null);
}

#[test]
fn http_2_to_http_1() {
    let upstream = http1();
    let reply = over_http2(&vallum(&upstream.url()));
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"hi"[..]));
    assert_eq!(reply.trailers, [("x-sum".into(), "42".into()), ("grpc-status".into(), "0".into())]);
    let received = upstream.received_text();
    assert_eq!(section(&received), ["x-digest: abc"], "{received}");
}

#[test]
fn http_2_to_http_2() {
    let upstream = Oracle::start(None, 1);
    let reply = over_http2(&vallum(&upstream.url()));
    assert_eq!(reply.status, 200);
    assert_eq!(reply.trailers, [("x-sum".into(), "42".into()), ("grpc-status".into(), "0".into())]);
    request_trailers_passed(&reply.json());
    assert_eq!(reply.json()["fields"]["te"], json!(["trailers"]));
}
