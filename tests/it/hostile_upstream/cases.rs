//! The answers, byte by byte.

use super::Seen::{Cut, Passed, Refused, RefusedOrCut};
use super::Then::{Closes, Resets, Stays};
use super::{Case, Seen, Then};

fn case(name: &'static str, bytes: impl Into<Vec<u8>>, then: Then, seen: Seen) -> Case {
    Case { name, method: "GET", bytes: bytes.into(), then, seen }
}

fn refused(list: &[(&'static str, &str)]) -> Vec<Case> {
    list.iter().map(|(name, bytes)| case(name, *bytes, Stays, Refused)).collect()
}

/// An answer with these field lines and body.
fn with(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}")
}

pub(super) fn status_lines() -> Vec<Case> {
    const REST: &str = "\r\nContent-Length: 0\r\n\r\n";
    let lines = [
        ("no HTTP", "what?"),
        ("an old version", "HTTP/0.9 200 OK"),
        ("a version to come", "HTTP/2.0 200 OK"),
        ("a version without a minor", "HTTP/1 200 OK"),
        ("a version in small letters", "http/1.1 200 OK"),
        ("another protocol", "ICY 200 OK"),
        ("a space in front", " HTTP/1.1 200 OK"),
        ("two spaces", "HTTP/1.1  200 OK"),
        ("a tab", "HTTP/1.1\t200 OK"),
        ("no status", "HTTP/1.1"),
        ("a word for a status", "HTTP/1.1 abc OK"),
        ("status of two digits", "HTTP/1.1 20 OK"),
        ("status of four digits", "HTTP/1.1 2000 OK"),
        ("a negative status", "HTTP/1.1 -20 OK"),
        ("status 0", "HTTP/1.1 000 OK"),
        ("status 99", "HTTP/1.1 099 OK"),
        ("status 600", "HTTP/1.1 600 OK"),
        ("status 999", "HTTP/1.1 999 OK"),
        ("NUL in the reason", "HTTP/1.1 200 O\0K"),
        ("a bare CR in the reason", "HTTP/1.1 200 O\rK"),
        ("a request", "GET / HTTP/1.1"),
        ("an empty line in front", "\r\nHTTP/1.1 200 OK"),
    ];
    let mut cases: Vec<Case> =
        lines.iter().map(|(name, line)| case(name, format!("{line}{REST}"), Stays, Refused)).collect();
    cases.extend([
        case("nothing", "", Closes, Refused),
        case("a reset instead of an answer", "", Resets, Refused),
        case("bytes that are no text", b"\x16\x03\x01\x02\x00\xff\xfe\r\n\r\n".to_vec(), Closes, Refused),
        case("no reason", format!("HTTP/1.1 200{REST}"), Stays, Passed(200, "")),
        case("no reason after the space", format!("HTTP/1.1 200 {REST}"), Stays, Passed(200, "")),
        case("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Closes, Passed(200, "ok")),
        case(
            "HTTP/1.0 that says keep-alive",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
            Stays,
            Passed(200, "ok"),
        ),
    ]);
    cases
}

pub(super) fn framings() -> Vec<Case> {
    let fields = [
        ("a length and a coding", "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        ("a coding and a length", "Transfer-Encoding: chunked\r\nContent-Length: 5"),
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6"),
        ("the same length twice", "Content-Length: 5\r\nContent-Length: 5"),
        ("a list of lengths", "Content-Length: 5, 6"),
        ("a list of equal lengths", "Content-Length: 5, 5"),
        ("a negative length", "Content-Length: -5"),
        ("a length with a sign", "Content-Length: +5"),
        ("a length in hexadecimal", "Content-Length: 0x5"),
        ("a length with a space", "Content-Length: 1 5"),
        ("a length with a fraction", "Content-Length: 5.0"),
        ("an empty length", "Content-Length:"),
        ("a length above 63 bits", "Content-Length: 9223372036854775808"),
        ("a length that wraps 64 bits", "Content-Length: 18446744073709551621"),
        ("a length of forty digits", "Content-Length: 5000000000000000000000000000000000000000"),
        ("wide digits", "Content-Length: \u{ff15}"),
        ("an unknown coding", "Transfer-Encoding: wonders"),
        ("identity", "Transfer-Encoding: identity"),
        ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        ("a list of chunked", "Transfer-Encoding: chunked, chunked"),
        ("gzip below chunked", "Transfer-Encoding: gzip, chunked"),
        ("gzip above chunked", "Transfer-Encoding: chunked, gzip"),
        ("a parameter of chunked", "Transfer-Encoding: chunked;q=1"),
        ("nearly chunked", "Transfer-Encoding: xchunked"),
        ("a vertical tab", "Transfer-Encoding: \u{b}chunked"),
        ("an underscore", "Transfer_Encoding: chunked"),
        ("a length with an underscore", "Content_Length: 5"),
    ];
    let body = "5\r\nhello\r\n0\r\n\r\n";
    let mut cases: Vec<Case> =
        fields.iter().map(|(name, fields)| case(name, with(fields, body), Stays, Refused)).collect();
    cases.extend([
        case(
            "a coding in HTTP/1.0",
            format!("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"),
            Closes,
            Refused,
        ),
        Case {
            method: "HEAD",
            ..case("two lengths for HEAD", with("Content-Length: 5\r\nContent-Length: 6", ""), Stays, Refused)
        },
        case(
            "two lengths and no content",
            "HTTP/1.1 204 No\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            Stays,
            Refused,
        ),
        case("chunked in capitals", with("TRANSFER-ENCODING: Chunked", body), Stays, Passed(200, "hello")),
    ]);
    cases
}

pub(super) fn chunks() -> Vec<Case> {
    let bodies = [
        ("a size that is no number", "zz\r\nab\r\n0\r\n\r\n"),
        ("a negative size", "-1\r\nab\r\n0\r\n\r\n"),
        ("a size with 0x", "0x2\r\nab\r\n0\r\n\r\n"),
        ("a size with a space in front", " 2\r\nab\r\n0\r\n\r\n"),
        ("a size with a space behind", "2 \r\nab\r\n0\r\n\r\n"),
        ("a size above 64 bits", "fffffffffffffffff\r\nab"),
        ("a size that wraps", "10000000000000002\r\nab\r\n0\r\n\r\n"),
        ("no size", "\r\nab\r\n0\r\n\r\n"),
        ("a bare LF after the size", "2\nab\r\n0\r\n\r\n"),
        ("a bare CR after the size", "2\rab\r\n0\r\n\r\n"),
        ("a bare LF after the data", "2\r\nab\n0\r\n\r\n"),
        ("a chunk that is too long", "1\r\nab\r\n0\r\n\r\n"),
        ("a control character in an extension", "2;a=\u{1}\r\nab\r\n0\r\n\r\n"),
        ("a trailer without a name", "2\r\nab\r\n0\r\n: x\r\n\r\n"),
        ("a folded trailer", "2\r\nab\r\n0\r\nA: b\r\n c\r\n\r\n"),
        ("a bare LF in the trailers", "2\r\nab\r\n0\r\nA: b\n\r\n"),
    ];
    let chunked = |body: &str| with("Transfer-Encoding: chunked", body);
    let mut cases: Vec<Case> =
        bodies.iter().map(|(name, body)| case(name, chunked(body), Stays, RefusedOrCut)).collect();
    let extensions = format!("2;{}\r\nab\r\n0\r\n\r\n", "a".repeat(10_000));
    let trailers = format!("2\r\nab\r\n0\r\n{}\r\n", "A: b\r\n".repeat(5_000));
    cases.extend([
        case("an endless extension", chunked(&extensions), Stays, RefusedOrCut),
        case("endless trailers", chunked(&trailers), Stays, RefusedOrCut),
        case("closed within a chunk", chunked("5\r\nhel"), Closes, Cut),
        case("reset within a chunk", chunked("5\r\nhel"), Resets, RefusedOrCut),
        case("closed before the last chunk", chunked("5\r\nhello\r\n"), Closes, Cut),
        case("closed within the trailers", chunked("5\r\nhello\r\n0\r\nA: b"), Closes, RefusedOrCut),
        case(
            "a second answer behind the last chunk",
            chunked("5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),
            Stays,
            Passed(200, "hello"),
        ),
        case("extensions and trailers", chunked("5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n"), Stays, Passed(200, "hello")),
    ]);
    cases
}

pub(super) fn heads() -> Vec<Case> {
    const END: &str = "\r\nContent-Length: 0";
    let fields = [
        ("a folded line", "X-A: b\r\n c"),
        ("a folded first line", " X-A: b"),
        ("a space before the colon", "X-A : b"),
        ("no colon", "nonsense"),
        ("no name", ": b"),
        ("a space in a name", "X A: b"),
        ("NUL in a name", "X-\0A: b"),
        ("NUL in a value", "X-A: b\0c"),
        ("a bare CR in a value", "X-A: b\rSet-Cookie: c=d"),
        ("a bare LF in a value", "X-A: b\nSet-Cookie: c=d"),
        ("a bare CR LF twisted", "X-A: b\n\rSet-Cookie: c=d"),
        ("a control character in a value", "X-A: b\u{1}c"),
        ("DEL in a value", "X-A: b\u{7f}c"),
        ("a name that is no token", "X(A): b"),
    ];
    let mut cases: Vec<Case> =
        fields.iter().map(|(name, field)| case(name, with(&format!("{field}{END}"), ""), Stays, Refused)).collect();
    let many = "X-Many: a\r\n".repeat(1_500);
    let percent = with("Location: /%0d%0aSet-Cookie:%20c=d\r\nContent-Length: 2", "ok");
    cases.extend(refused(&[
        ("line feeds alone", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
        ("a line feed at the end alone", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n"),
    ]));
    cases.extend([
        case("a head without end", with(&format!("X-Long: {}", "a".repeat(400 * 1024)), ""), Closes, Refused),
        case(
            "too many options of the connection",
            with(&format!("Connection: {}\r\nContent-Length: 0", "x,".repeat(65)), ""),
            Stays,
            Refused,
        ),
        case("too many fields", with(&format!("{many}Content-Length: 0"), ""), Stays, Refused),
        case("closed within the status line", "HTTP/1.1 20", Closes, Refused),
        case("closed within the head", "HTTP/1.1 200 OK\r\nContent-Le", Closes, Refused),
        case("reset within the head", "HTTP/1.1 200 OK\r\nContent-Le", Resets, Refused),
        case("reset after the head", with("Content-Length: 10", ""), Resets, RefusedOrCut),
        case("line ends that stay escaped", percent, Stays, Passed(200, "ok")),
        case("letters above ASCII", with("X-A: \u{e4}\u{f6}\r\nContent-Length: 2", "ok"), Stays, Passed(200, "ok")),
    ]);
    cases
}

pub(super) fn bodies() -> Vec<Case> {
    const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    let without = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{POISON}", POISON.len());
    vec![
        case("closed within the body", with("Content-Length: 10", "hello"), Closes, Cut),
        case("reset within the body", with("Content-Length: 10", "hello"), Resets, RefusedOrCut),
        case("a length that is never reached", with("Content-Length: 9223372036854775807", "hello"), Closes, Cut),
        case(
            "a second answer behind the body",
            with("Content-Length: 5", &format!("hello{POISON}")),
            Stays,
            Passed(200, "hello"),
        ),
        case("a byte too many", with("Content-Length: 5", "hello!"), Stays, Passed(200, "hello")),
        case("line ends too many", with("Content-Length: 5", "hello\r\n\r\n"), Stays, Passed(200, "hello")),
        case("a body behind length 0", with("Content-Length: 0", POISON), Stays, Passed(200, "")),
        case("204 with a body", without("204 No Content"), Stays, Passed(204, "")),
        case("304 with a body", without("304 Not Modified"), Stays, Passed(304, "")),
        case(
            "204 with chunks",
            "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            Stays,
            Passed(204, ""),
        ),
        Case { method: "HEAD", ..case("HEAD with a body", with("Content-Length: 51", POISON), Stays, Passed(200, "")) },
        Case {
            method: "HEAD",
            ..case(
                "HEAD with chunks",
                with("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
                Stays,
                Passed(200, ""),
            )
        },
        case("neither length nor coding", with("X-A: b", "until the end"), Closes, Passed(200, "until the end")),
        case(
            "a close announced and not kept",
            with("Connection: close\r\nContent-Length: 5", &format!("hello{POISON}")),
            Stays,
            Passed(200, "hello"),
        ),
        case(
            "205 with a body",
            "HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\nhello",
            Stays,
            Passed(205, "hello"),
        ),
    ]
}

pub(super) fn interim_answers() -> Vec<Case> {
    const FINAL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let chain = |count: usize| format!("{}{FINAL}", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(count));
    vec![
        case("100 unasked", format!("HTTP/1.1 100 Continue\r\n\r\n{FINAL}"), Stays, Passed(200, "ok")),
        case("a chain", chain(10), Stays, Passed(200, "ok")),
        case("an endless chain", chain(5_000), Stays, Refused),
        case("199", format!("HTTP/1.1 199 Odd\r\n\r\n{FINAL}"), Stays, Passed(200, "ok")),
        case(
            "100 with a length and a body",
            format!("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello{FINAL}"),
            Stays,
            Refused,
        ),
        case("closed after 103", "HTTP/1.1 103 Early Hints\r\n\r\n", Closes, Refused),
        case(
            "101 unasked",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nhello",
            Stays,
            Refused,
        ),
        case("101 without a word", format!("HTTP/1.1 101 Switching Protocols\r\n\r\n{FINAL}"), Stays, Refused),
        case(
            "a bad line in an interim answer",
            format!("HTTP/1.1 103 Early Hints\r\nX A: b\r\n\r\n{FINAL}"),
            Stays,
            Refused,
        ),
    ]
}
