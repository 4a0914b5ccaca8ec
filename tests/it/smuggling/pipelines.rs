//! What stands behind a request: where its body is one that nobody reads, where the answer comes early, where the client was
//! to wait.

use super::vectors::{post, vector};
use super::{Fate, Seen, Vector};
use crate::harness::vallum::HOST;
use Fate::{Dropped, Either, Forwarded, Refused};

const HIDDEN: &str = "GET /smuggled HTTP/1.1\r\nHost: app.example.com\r\n\r\n";

/// A request with `fields` and a body.
fn request(line: &str, fields: &str, body: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n{body}")
}

/// A body of the hidden request, by length and by chunks.
fn framed() -> [(String, String); 2] {
    let chunked = format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len());
    [
        (format!("Content-Length: {}\r\n", HIDDEN.len()), HIDDEN.to_owned()),
        ("Transfer-Encoding: chunked\r\n".to_owned(), chunked),
    ]
}

/// Bodies that are not read by whoever answers, and requests that follow each other.
pub(super) fn requests() -> Vec<Vector> {
    let mut vectors = Vec::new();
    let hidden: Seen = &[("/a", "GET /smuggled HTTP/1.1\r\nHost: app.example.com\r\n\r\n")];
    for (fields, body) in framed() {
        for (name, line) in [
            ("an answer of our own", "POST /ping"),
            ("a page of ours", "POST /.pomerium/"),
            ("a path that is refused", "POST /a%00"),
            ("a target that is refused", "POST a"),
            ("CONNECT", "CONNECT app.example.com:443"),
            ("TRACE", "TRACE /a"),
        ] {
            vectors.push(vector(name, request(line, &fields, &body), Dropped));
        }
        for line in ["GET /a", "DELETE /a", "OPTIONS /a", "PUT /a", "PATCH /a", "PROPFIND /a"] {
            vectors.push(vector("a body whatever the method", request(line, &fields, &body), Either(hidden)));
        }
        vectors.push(vector("a body of HEAD", request("HEAD /a", &fields, &body), Either(hidden)));
        let other = request("POST /a", &fields, &body).replacen(HOST, "other.example.com", 1);
        vectors.push(vector("a host that is not ours", other, Dropped));
        let upgrade = format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{fields}");
        vectors.push(vector("an upgrade with a body", request("GET /a", &upgrade, &body), Dropped));
        let closing = format!("Connection: close\r\n{fields}");
        vectors.push(vector(
            "more behind the last request",
            request("POST /a", &closing, &body) + HIDDEN,
            Either(hidden),
        ));
    }
    vectors.extend([
        // Two requests, and both are good ones.
        vector(
            "nothing said of the length",
            post("", &HIDDEN.replace("smuggled", "b")),
            Forwarded(&[("/a", ""), ("/b", "")]),
        ),
        vector(
            "more behind `Connection: close`",
            request("GET /a", "Connection: close\r\n", HIDDEN),
            Forwarded(&[("/a", "")]),
        ),
        vector(
            "close among others",
            request("GET /a", "Connection: keep-alive, close\r\n", HIDDEN),
            Forwarded(&[("/a", "")]),
        ),
        vector(
            "close in a second field",
            request("GET /a", "Connection: x\r\nConnection: close\r\n", HIDDEN),
            Forwarded(&[("/a", "")]),
        ),
        vector("a body that stops", request("POST /a", "Content-Length: 1000\r\n", HIDDEN), Dropped),
        vector(
            "chunks that stop",
            request("POST /a", "Transfer-Encoding: chunked\r\n", "40\r\nGET /smuggled"),
            Dropped,
        ),
    ]);
    vectors
}

/// `Expect`, honest and not.
pub(super) fn expectations() -> Vec<Vector> {
    let abc: Seen = &[("/a", "abc")];
    let expecting = |value: &str| post(&format!("Expect: {value}\r\nContent-Length: 3\r\n"), "abc");
    let mut vectors: Vec<Vector> = ["100-continue", "100-CONTINUE", " 100-continue "]
        .into_iter()
        .map(|value| vector("the one expectation", expecting(value), Forwarded(abc)))
        .collect();
    vectors.extend(
        ["x", "100", "200-ok", "100-continue, x", "x 100-continue", "100-continue;q=1", "100-continue\u{a0}", ""]
            .into_iter()
            .map(|value| vector("another expectation", expecting(value) + HIDDEN, Refused)),
    );
    vectors.extend([
        vector(
            "two that differ",
            post("Expect: 100-continue\r\nExpect: x\r\nContent-Length: 3\r\n", "abc") + HIDDEN,
            Refused,
        ),
        vector(
            "by chunks",
            post("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
            Forwarded(abc),
        ),
        vector("of nothing", request("GET /a", "Expect: 100-continue\r\n", ""), Forwarded(&[("/a", "")])),
        vector("of a body that does not come", post("Expect: 100-continue\r\nContent-Length: 3\r\n", ""), Dropped),
        vector("an underscore", post("Ex_pect: 100-continue\r\nContent-Length: 3\r\n", "abc"), Refused),
    ]);
    vectors
}

/// Methods that make a tunnel, that show what was sent, or that are none.
pub(super) fn methods() -> Vec<Vector> {
    let of = |line: &str| request(line, "", HIDDEN);
    let refused = [
        "CONNECT app.example.com:443",
        "CONNECT /a",
        "CONNECT https://app.example.com/a",
        "TRACE /a",
        "TRACK /a",
        "PRI *",
        "G@T /a",
        "GET, /a",
        "\"GET\" /a",
    ];
    let mut vectors: Vec<Vector> = refused.into_iter().map(|line| vector("a method", of(line), Refused)).collect();
    let next = HIDDEN.replace("smuggled", "b");
    let both: Seen = &[("/a", ""), ("/b", "")];
    vectors.extend(
        ["GET /a", "OPTIONS /a", "DELETE /a", "PROPFIND /a", "M-SEARCH /a", "X!#$%&'*+-.^_`|~ /a"]
            .into_iter()
            .map(|line| vector("a method that is a token", request(line, "", &next), Forwarded(both))),
    );
    vectors
}
