//! The attacks, by kind.

use super::Fate::{Dropped, Either, EitherOf, Forwarded, Refused};
use super::{Fate, Seen, Vector};
use crate::harness::vallum::HOST;

const HIDDEN: &str = "GET /smuggled HTTP/1.1\r\nHost: app.example.com\r\n\r\n";
const POST: &str = "POST /a HTTP/1.1\r\nHost: app.example.com\r\n";
const CHUNKED: &str = "POST /a HTTP/1.1\r\nHost: app.example.com\r\nTransfer-Encoding: chunked\r\n\r\n";

pub(super) fn vector(name: &'static str, bytes: impl Into<Vec<u8>>, fate: Fate) -> Vector {
    Vector { name, bytes: bytes.into(), fate }
}

/// A POST with `fields`, then a body.
pub(super) fn post(fields: &str, body: &str) -> String {
    format!("{POST}{fields}\r\n{body}")
}

/// A GET with `fields`, then the hidden request.
pub(super) fn get(fields: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n{HIDDEN}")
}

/// Both framings in one head.
pub(super) fn two_framings() -> Vec<Vector> {
    let hidden = HIDDEN.len();
    let te_cl = format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len());
    vec![
        vector("CL.TE", post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nG"), Refused),
        vector(
            "CL.TE, hidden request",
            post(
                &format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", hidden + 5),
                &format!("0\r\n\r\n{HIDDEN}"),
            ),
            Refused,
        ),
        vector("TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", &te_cl), Refused),
        vector("TE.CL in lower case", post("transfer-encoding: chunked\r\ncontent-length: 4\r\n", &te_cl), Refused),
        vector("TE.CL of 0", post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", &te_cl), Refused),
        vector("TE identity and CL", post("Transfer-Encoding: identity\r\nContent-Length: 4\r\n", "abcd"), Refused),
        vector("TE empty and CL", post("Transfer-Encoding:\r\nContent-Length: 4\r\n", "abcd"), Refused),
        vector("TE behind a tab and CL", post("Transfer-Encoding:\tchunked\r\nContent-Length: 4\r\n", &te_cl), Refused),
        vector(
            "CL, TE with an underscore",
            post("Content-Length: 4\r\nTransfer_Encoding: chunked\r\n", "abcd"),
            Refused,
        ),
        vector(
            "Connection nominates Content-Length",
            post(&format!("Connection: Content-Length\r\nContent-Length: {hidden}\r\n"), HIDDEN),
            Either(&[("/a", "GET /smuggled HTTP/1.1\r\nHost: app.example.com\r\n\r\n")]),
        ),
        vector(
            "Connection nominates Transfer-Encoding",
            post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
            Either(&[("/a", "abc")]),
        ),
    ]
}

/// Content-Length.
pub(super) fn lengths() -> Vec<Vector> {
    let refused = [
        ("two lengths that differ", "Content-Length: 4\r\nContent-Length: 5\r\n"),
        ("two lengths that differ, 0 first", "Content-Length: 0\r\nContent-Length: 5\r\n"),
        ("a list that differs", "Content-Length: 4, 5\r\n"),
        ("a plus sign", "Content-Length: +4\r\n"),
        ("a minus sign", "Content-Length: -4\r\n"),
        ("hexadecimal", "Content-Length: 0x4\r\n"),
        ("an exponent", "Content-Length: 4e0\r\n"),
        ("a fraction", "Content-Length: 4.0\r\n"),
        ("words", "Content-Length: four\r\n"),
        ("inner space", "Content-Length: 4 4\r\n"),
        ("empty", "Content-Length:\r\n"),
        ("a trailing comma", "Content-Length: 4,\r\n"),
        ("beyond 64 bits", "Content-Length: 18446744073709551620\r\n"),
        ("beyond 128 bits", "Content-Length: 340282366920938463463374607431768211460\r\n"),
        ("quotes", "Content-Length: \"4\"\r\n"),
        ("a vertical tab", "Content-Length: \x0b4\r\n"),
        ("an underscore", "Content_Length: 4\r\n"),
        ("a space before the colon", "Content-Length : 4\r\n"),
    ];
    let mut vectors: Vec<Vector> =
        refused.into_iter().map(|(name, fields)| vector(name, post(fields, "abcd"), Refused)).collect();
    vectors.extend([
        vector(
            "two equal lengths",
            post("Content-Length: 4\r\nContent-Length: 4\r\n", "abcd"),
            Either(&[("/a", "abcd")]),
        ),
        vector("a list of equals", post("Content-Length: 4, 4\r\n", "abcd"), Either(&[("/a", "abcd")])),
        vector("leading zeros", post("Content-Length: 0004\r\n", "abcd"), Either(&[("/a", "abcd")])),
        vector(
            "a length on GET covers its bytes",
            format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n{HIDDEN}", HIDDEN.len()),
            Either(&[("/a", "GET /smuggled HTTP/1.1\r\nHost: app.example.com\r\n\r\n")]),
        ),
        vector("fewer bytes than announced", post("Content-Length: 100\r\n", HIDDEN), Dropped),
    ]);
    vectors
}

/// Transfer-Encoding.
pub(super) fn codings() -> Vec<Vector> {
    let body = "3\r\nabc\r\n0\r\n\r\n";
    let refused = [
        ("an unknown coding", "Transfer-Encoding: xchunked\r\n"),
        ("chunked not last", "Transfer-Encoding: chunked, gzip\r\n"),
        ("gzip, then chunked", "Transfer-Encoding: gzip, chunked\r\n"),
        ("identity, then chunked", "Transfer-Encoding: identity, chunked\r\n"),
        ("chunked twice", "Transfer-Encoding: chunked, chunked\r\n"),
        ("two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("two fields, one foreign", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"),
        ("quotes", "Transfer-Encoding: \"chunked\"\r\n"),
        ("a parameter", "Transfer-Encoding: chunked;q=1\r\n"),
        ("a vertical tab", "Transfer-Encoding: \x0bchunked\r\n"),
        ("a form feed", "Transfer-Encoding: chunked\x0c\r\n"),
        ("NUL", "Transfer-Encoding: chunked\0\r\n"),
        ("a space before the colon", "Transfer-Encoding : chunked\r\n"),
        ("a tab before the colon", "Transfer-Encoding\t: chunked\r\n"),
        ("a space before the name", " Transfer-Encoding: chunked\r\n"),
        ("a folded value", "Transfer-Encoding:\r\n chunked\r\n"),
        ("a field before it ends with LF", "X: y\nTransfer-Encoding: chunked\r\n"),
        ("a field before it ends with CR", "X: y\rTransfer-Encoding: chunked\r\n"),
        ("a Cyrillic letter", "Transfer-Encoding: \u{441}hunked\r\n"),
        ("a comma before it", "Transfer-Encoding: ,chunked\r\n"),
        ("a comma after it", "Transfer-Encoding: chunked,\r\n"),
    ];
    let mut vectors: Vec<Vector> =
        refused.into_iter().map(|(name, fields)| vector(name, post(fields, body), Refused)).collect();
    vectors.extend([
        vector("upper case", post("Transfer-Encoding: CHUNKED\r\n", body), Either(&[("/a", "abc")])),
        vector("space around", post("Transfer-Encoding:  chunked \t\r\n", body), Either(&[("/a", "abc")])),
        vector(
            "on HTTP/1.0",
            format!("POST /a HTTP/1.0\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{body}{HIDDEN}"),
            Refused,
        ),
        vector(
            "on HTTP/1.0 with keep-alive",
            format!("POST /a HTTP/1.0\r\nHost: {HOST}\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n{HIDDEN}"),
            Refused,
        ),
    ]);
    vectors
}

/// The chunked coding itself (RFC 9112 section 7.1).
pub(super) fn chunks() -> Vec<Vector> {
    let dropped = [
        ("a size that is no number", "zz\r\nabc\r\n0\r\n\r\n"),
        ("an empty size", "\r\nabc\r\n0\r\n\r\n"),
        ("a size with a prefix", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("a size with a sign", "+3\r\nabc\r\n0\r\n\r\n"),
        ("a negative size", "-3\r\nabc\r\n0\r\n\r\n"),
        ("a space before the size", " 3\r\nabc\r\n0\r\n\r\n"),
        ("an underscore in the size", "0_3\r\nabc\r\n0\r\n\r\n"),
        ("a size beyond 64 bits", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
        ("a size of 64 bits", "ffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
        ("LF after the size", "3\nabc\r\n0\r\n\r\n"),
        ("CR after the size", "3\rabc\r\n0\r\n\r\n"),
        ("LF after the data", "3\r\nabc\n0\r\n\r\n"),
        ("no end of the data", "3\r\nabcd0\r\n\r\n"),
        ("two bytes instead of CRLF", "3\r\nabcXX0\r\n\r\n"),
        ("LF in an extension", "3;a\nb\r\nabc\r\n0\r\n\r\n"),
        ("CR in an extension", "3;a\rb\r\nabc\r\n0\r\n\r\n"),
        ("NUL in an extension", "3;a\0b\r\nabc\r\n0\r\n\r\n"),
        ("no last chunk", "3\r\nabc\r\n"),
        ("LF after the last size", "3\r\nabc\r\n0\n\r\n"),
        ("LF after the trailers", "3\r\nabc\r\n0\r\n\n"),
        ("a trailer that is no field", "3\r\nabc\r\n0\r\nwhat\r\n\r\n"),
        ("a folded trailer", "3\r\nabc\r\n0\r\nX: a\r\n b\r\n\r\n"),
    ];
    let mut vectors: Vec<Vector> = dropped
        .into_iter()
        .map(|(name, body)| vector(name, format!("{CHUNKED}{body}{HIDDEN}"), Fate::Dropped))
        .collect();
    let long = format!("{CHUNKED}3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(100_000));
    let many = format!("{CHUNKED}3\r\nabc\r\n0\r\n{}\r\n", "X: y\r\n".repeat(50_000));
    let zeros = format!("{CHUNKED}{}3\r\nabc\r\n0\r\n\r\n", "0".repeat(10_000));
    vectors.extend([
        vector("an extension", format!("{CHUNKED}3;a=b\r\nabc\r\n0\r\n\r\n"), Either(&[("/a", "abc")])),
        vector("an extension in quotes", format!("{CHUNKED}3;a=\"b\"\r\nabc\r\n0\r\n\r\n"), Either(&[("/a", "abc")])),
        vector("a space after the size", format!("{CHUNKED}3 \r\nabc\r\n0\r\n\r\n"), Either(&[("/a", "abc")])),
        vector("leading zeros", format!("{CHUNKED}0003\r\nabc\r\n0000\r\n\r\n"), Either(&[("/a", "abc")])),
        vector("an extension without end", long, Dropped),
        vector("trailers without end", many, Dropped),
        vector("zeros without end", zeros, Dropped),
        vector(
            "trailers that frame",
            format!("{CHUNKED}3\r\nabc\r\n0\r\nContent-Length: 100\r\nTransfer-Encoding: x\r\nHost: y\r\n\r\n"),
            Either(&[("/a", "abc")]),
        ),
        vector("the good form", format!("{CHUNKED}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), Forwarded(&[("/a", "abcde")])),
    ]);
    vectors
}

/// Lines, names and values (RFC 9112 section 2.2, RFC 9110 section 5).
pub(super) fn lines_and_fields() -> Vec<Vector> {
    let refused = [
        ("a folded field", "X: a\r\n b\r\n"),
        ("a folded field by tab", "X: a\r\n\tb\r\n"),
        ("a bare LF", "X: a\nY: b\r\n"),
        ("a bare CR", "X: a\rY: b\r\n"),
        ("CR CR LF", "X: a\r\r\n"),
        ("NUL in a value", "X: a\0b\r\n"),
        ("NUL in a name", "X\0: a\r\n"),
        ("a control character in a value", "X: a\x01b\r\n"),
        ("DEL in a value", "X: a\x7fb\r\n"),
        ("no colon", "what\r\n"),
        ("no name", ": a\r\n"),
        ("a space in a name", "X Y: a\r\n"),
        ("a space before the colon", "X : a\r\n"),
        ("a name in brackets", "[X]: a\r\n"),
        ("a name beyond ASCII", "X\u{e9}: a\r\n"),
        ("Host with a space before the colon", "Host : other\r\n"),
        ("a second Host", "Host: other.example.com\r\n"),
        ("a second Host, folded", "X: y\r\n Host: other.example.com\r\n"),
    ];
    let mut vectors: Vec<Vector> =
        refused.into_iter().map(|(name, fields)| vector(name, get(fields), Refused)).collect();
    let line = |line: &str| format!("{line}\r\nHost: {HOST}\r\n\r\n{HIDDEN}");
    vectors.extend([
        vector("LF after the request line", format!("GET /a HTTP/1.1\nHost: {HOST}\r\n\r\n"), Refused),
        vector("LF everywhere", format!("GET /a HTTP/1.1\nHost: {HOST}\n\n{}", HIDDEN.replace("\r\n", "\n")), Refused),
        vector("CR after the request line", format!("GET /a HTTP/1.1\rHost: {HOST}\r\n\r\n"), Refused),
        vector("a space before the first field", format!("GET /a HTTP/1.1\r\n Host: {HOST}\r\n\r\n"), Refused),
        vector("two spaces", line("GET  /a HTTP/1.1"), Refused),
        vector("tabs", line("GET\t/a\tHTTP/1.1"), Refused),
        vector("a trailing space", line("GET /a HTTP/1.1 "), Refused),
        vector("a leading space", line(" GET /a HTTP/1.1"), Refused),
        vector("no version", line("GET /a"), Refused),
        vector("HTTP/0.9", line("GET /a HTTP/0.9"), Refused),
        vector("HTTP/2.0", line("GET /a HTTP/2.0"), Refused),
        vector("HTTP/01.1", line("GET /a HTTP/01.1"), Refused),
        vector("http/1.1", line("GET /a http/1.1"), Refused),
        vector("HTTP/1.1x", line("GET /a HTTP/1.1x"), Refused),
        vector("an empty method", line(" /a HTTP/1.1"), Refused),
        vector("a method that is no token", line("G(T /a HTTP/1.1"), Refused),
        vector("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Dropped),
        vector("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), Dropped),
        vector("a PROXY header unasked", format!("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n{HIDDEN}"), Dropped),
    ]);
    vectors
}

/// Request targets and authorities (RFC 9112 section 3.2).
pub(super) fn targets_and_hosts() -> Vec<Vector> {
    let to = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut vectors = vec![
        vector("absolute form that agrees", to(&format!("https://{HOST}/a"), HOST), Either(&[("/a", "")])),
        vector("absolute form that differs", to("https://other.example.com/a", HOST), Refused),
        vector(
            "absolute form, Host differs",
            to(&format!("https://{HOST}/a"), "other.example.com"),
            Either(&[("/a", "")]),
        ),
        vector("an unknown scheme", to(&format!("gopher://{HOST}/a"), HOST), Refused),
        vector("authority form", to(&format!("{HOST}:443"), HOST), Refused),
        vector("asterisk on GET", to("*", HOST), Refused),
        vector("no slash", to("a", HOST), Refused),
        vector("a fragment", to("/a#b", HOST), Refused),
        vector("NUL in the target", to("/a\0b", HOST), Refused),
        vector("an escaped NUL", to("/a%00b", HOST), Refused),
        vector("an escaped slash", to("/a%2f..%2fsmuggled", HOST), Refused),
        vector("an escaped backslash", to("/a%5c..%5csmuggled", HOST), Refused),
        vector("a broken escape", to("/a%zz", HOST), Refused),
        vector("a byte beyond ASCII", to("/\u{e9}", HOST), Either(&[("/%C3%A9", "")])),
        vector("a host with userinfo", to("/a", &format!("x@{HOST}")), Refused),
        vector("a host with a path", to("/a", &format!("{HOST}/x")), Refused),
        vector("a list of hosts", to("/a", &format!("{HOST}, other")), Refused),
        vector("a host with a space", to("/a", &format!("{HOST} x")), Refused),
        vector("a port that is no number", to("/a", &format!("{HOST}:x")), Refused),
        vector("a port beyond 65535", to("/a", &format!("{HOST}:65536")), Refused),
    ];
    let normal: &[(&str, &str, Seen)] = &[
        ("dot segments", "/x/../a", &[("/a", "")]),
        ("escaped dot segments", "/x/%2e%2e/a", &[("/a", "")]),
        ("two slashes", "//a", &[("/a", "")]),
        ("dots above the root", "/../../a", &[("/a", "")]),
        ("an unreserved escape", "/%61", &[("/a", "")]),
    ];
    for (name, target, expected) in normal {
        vectors.push(vector(name, to(target, HOST), Either(expected)));
    }
    vectors
}

/// Upgrades and what comes before their acceptance.
pub(super) fn upgrades() -> Vec<Vector> {
    let upgrade = |fields: &str| {
        format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade, HTTP2-Settings\r\n{fields}\r\n")
    };
    let plain: Seen = &[("/a", "")];
    // A second, well formed request behind an upgrade that is not honoured is an ordinary pipelined one; here it is
    // called /b to tell it from a smuggled one.
    let next = HIDDEN.replace("/smuggled", "/b");
    let both: Seen = &[("/a", ""), ("/b", "")];
    vec![
        vector("h2c", upgrade("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"), Either(plain)),
        vector("an unknown protocol", upgrade("Upgrade: foo\r\n"), Either(plain)),
        vector("h2c and websocket", upgrade("Upgrade: websocket, h2c\r\n"), Either(plain)),
        vector(
            "h2c, then a request",
            upgrade("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n") + &next,
            EitherOf(plain, both),
        ),
        vector("an unknown protocol, then a request", upgrade("Upgrade: foo\r\n") + &next, EitherOf(plain, both)),
        vector("websocket on POST", upgrade("Upgrade: websocket\r\n").replacen("GET", "POST", 1), Either(plain)),
    ]
}
