//! RFC 9113 section 8: what a request is, and what none is.

use super::*;

/// A request of these very fields, without a body.
fn of(list: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields::encode(list))
}

/// A GET with more fields.
fn with(more: &[(&str, &str)]) -> Vec<u8> {
    of(&[&line("GET", HOST, "/")[..], more].concat())
}

/// The pseudo-headers of a GET without one of them.
fn without(name: &str) -> Vec<u8> {
    let kept: Vec<_> = line("GET", HOST, "/").into_iter().filter(|(known, _)| *known != name).collect();
    of(&kept)
}

fn trailers(flags: u8, list: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, 1, &fields::encode(list))
}

#[test]
fn section_8_1_exchanges() {
    let head = of(&line("HEAD", HOST, "/"));
    try_all(&[
        case("8.1: GET", get(1, "/"), Answer(1, 200)),
        case("8.1: HEAD", head, Answer(1, 200)),
        case("8.1: POST", [post(1), data(1, b"body")].concat(), Forwards(1, "\"method\":\"POST\"")),
        case(
            "8.1: POST with trailers",
            [post(1), frame(DATA, 0, 1, b"body"), trailers(END_STREAM, &[("x-checksum", "1")])].concat(),
            Answer(1, 200),
        ),
        case(
            "8.1: a second HEADERS without END_STREAM",
            [post(1), trailers(0, &[("x", "y")])].concat(),
            Stream(1, PROTOCOL),
        ),
        case(
            "8.1: a pseudo-header in trailers",
            [post(1), trailers(END_STREAM, &[(":method", "GET")])].concat(),
            Stream(1, PROTOCOL),
        ),
        case(
            "8.4: PUSH_PROMISE",
            [held(1), frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &block("/")].concat())].concat(),
            Connection(PROTOCOL),
        ),
    ]);
}

#[test]
fn section_8_2_fields() {
    try_all(&[
        case("8.2.1: an upper-case name", with(&[("X-TEST", "ok")]), Stream(1, PROTOCOL)),
        case("8.2.1: a space in a name", with(&[("x test", "ok")]), Stream(1, PROTOCOL)),
        case("8.2.1: an empty name", with(&[("", "ok")]), Stream(1, PROTOCOL)),
        case("8.2.1: a line break in a value", with(&[("x", "a\r\nb: c")]), Stream(1, PROTOCOL)),
        case("8.2.1: a zero in a value", with(&[("x", "a\0b")]), Stream(1, PROTOCOL)),
        case("8.2.1: a space before a value", with(&[("x", " a")]), Stream(1, PROTOCOL)),
        case("8.2.2: connection", with(&[("connection", "keep-alive")]), Stream(1, PROTOCOL)),
        case("8.2.2: keep-alive", with(&[("keep-alive", "5")]), Stream(1, PROTOCOL)),
        case("8.2.2: proxy-connection", with(&[("proxy-connection", "keep-alive")]), Stream(1, PROTOCOL)),
        case("8.2.2: transfer-encoding", with(&[("transfer-encoding", "chunked")]), Stream(1, PROTOCOL)),
        case("8.2.2: upgrade", with(&[("upgrade", "websocket")]), Stream(1, PROTOCOL)),
        case("8.2.2: te other than trailers", with(&[("te", "trailers, deflate;q=0.5")]), Stream(1, PROTOCOL)),
        case("8.2.2: te: trailers", with(&[("te", "trailers")]), Answer(1, 200)),
        case("8.2.3: cookies in crumbs", with(&[("cookie", "a=b"), ("cookie", "c=d")]), Forwards(1, "a=b; c=d")),
    ]);
}

#[test]
fn section_8_3_pseudo_headers() {
    let twice = |name: &'static str, value: &'static str| of(&[&line("GET", HOST, "/")[..], &[(name, value)]].concat());
    let path = |path: &'static str| of(&line("GET", HOST, path));
    let late = of(&[(":method", "GET"), (":scheme", "https"), ("x", "y"), (":path", "/"), (":authority", HOST)]);
    try_all(&[
        case("8.3: an unknown pseudo-header", with(&[(":test", "ok")]), Stream(1, PROTOCOL)),
        case("8.3: one of responses", with(&[(":status", "200")]), Stream(1, PROTOCOL)),
        case("8.3: one after a field", late, Stream(1, PROTOCOL)),
        case("8.3.1: an empty :path", path(""), Stream(1, PROTOCOL)),
        case("8.3.1: a :path without a slash", path("x"), Stream(1, PROTOCOL)),
        case("8.3.1: no :method", without(":method"), Stream(1, PROTOCOL)),
        case("8.3.1: no :scheme", without(":scheme"), Stream(1, PROTOCOL)),
        case("8.3.1: no :path", without(":path"), Stream(1, PROTOCOL)),
        case("8.3.1: no authority at all", without(":authority"), Answer(1, 400)),
        case("8.3.1: :method twice", twice(":method", "GET"), Stream(1, PROTOCOL)),
        case("8.3.1: :scheme twice", twice(":scheme", "https"), Stream(1, PROTOCOL)),
        case("8.3.1: :path twice", twice(":path", "/"), Stream(1, PROTOCOL)),
        case("8.3.1: another Host", with(&[("host", "other.example.com")]), Stream(1, PROTOCOL)),
        case("8.5: CONNECT with a path", of(&line("CONNECT", HOST, "/")), Stream(1, PROTOCOL)),
    ]);
}

#[test]
fn section_8_1_1_malformed_lengths() {
    let announced = |length: &str| {
        let list = [&line("POST", HOST, "/")[..], &[("content-length", length)]].concat();
        frame(HEADERS, END_HEADERS, 1, &fields::encode(&list))
    };
    let more_than_once = [&line("POST", HOST, "/")[..], &[("content-length", "4"), ("content-length", "4")]].concat();
    try_all(&[
        case("8.1.1: content-length is met", [announced("4"), data(1, b"body")].concat(), Answer(1, 200)),
        case("8.1.1: content-length is not reached", [announced("4"), data(1, b"bod")].concat(), Stream(1, PROTOCOL)),
        case("8.1.1: content-length is exceeded", [announced("4"), data(1, b"body!")].concat(), Stream(1, PROTOCOL)),
        case(
            "8.1.1: content-length and a sum that differs",
            [announced("4"), frame(DATA, 0, 1, b"bod"), data(1, b"y!")].concat(),
            Stream(1, PROTOCOL),
        ),
        case(
            "8.1.1: content-length twice",
            frame(HEADERS, END_HEADERS, 1, &fields::encode(&more_than_once)),
            Stream(1, PROTOCOL),
        ),
        case("8.1.1: content-length is no number", announced("+4"), Stream(1, PROTOCOL)),
    ]);
}
