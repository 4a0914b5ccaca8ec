//! What becomes of header blocks: requests in the form of the street, or resets (RFC 9113 section 8).

use super::*;

const BASE: &[(&str, &str)] = &[(":method", "GET"), (":scheme", "https"), (":path", "/")];

fn with<'a>(base: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [base, more].concat()
}

fn outcome(fields: &[(&str, &str)], end: bool) -> String {
    let mut server = Server::new();
    server.take(&headers(1, end, fields)).unwrap();
    let seen = server.seen().join("; ");
    let code = server.reset_code(1);
    let expected = seen.contains("malformed").then_some(ErrorCode::PROTOCOL_ERROR);
    assert_eq!(code, expected, "{seen}");
    // The connection lives on.
    server.take(&get(3)).unwrap();
    assert_eq!(server.seen(), ["3 GET / host=a.example None"]);
    seen
}

#[test]
fn well_formed_requests_are_handed_on() {
    let long = "x".repeat(40_000);
    type Case<'a> = (Vec<(&'a str, &'a str)>, bool, &'a str);
    let cases: &[Case] = &[
        (GET.to_vec(), true, "1 GET / host=a.example None"),
        (BASE.to_vec(), true, "1 GET /  None"),
        (with(BASE, &[("host", "b.example")]), true, "1 GET / host=b.example None"),
        (with(GET, &[("host", "A.Example")]), true, "1 GET / host=a.example None"),
        (with(GET, &[("x", "1"), ("y_z", "")]), true, "1 GET / host=a.example,x=1,y_z= None"),
        (with(GET, &[("te", "trailers")]), true, "1 GET / host=a.example,te=trailers None"),
        (
            with(GET, &[("cookie", "a=b"), ("x", "y"), ("cookie", "c=d"), ("cookie", "e")]),
            true,
            "1 GET / host=a.example,cookie=a=b; c=d; e,x=y None",
        ),
        (with(GET, &[("cookie", "a=b")]), true, "1 GET / host=a.example,cookie=a=b None"),
        (POST.to_vec(), false, "1 POST / host=a.example Chunked"),
        (with(POST, &[("content-length", "7")]), false, "1 POST / host=a.example,content-length=7 Fixed(7)"),
        (with(POST, &[("content-length", "0")]), true, "1 POST / host=a.example,content-length=0 None"),
        (
            vec![(":method", "OPTIONS"), (":scheme", "http"), (":path", "*"), (":authority", "a")],
            true,
            "1 OPTIONS * host=a None",
        ),
        (vec![(":method", "CONNECT"), (":authority", "a:1")], false, "1 CONNECT a:1 host=a:1 Chunked"),
        (
            with(&[(":method", "CONNECT"), (":protocol", "websocket")], &with(&GET[1..], &[])),
            false,
            "1 GET / host=a.example None WebSocket",
        ),
        (with(GET, &[("x", &long)]), true, &format!("1 GET / host=a.example,x={long} None")),
        (
            vec![(":method", "GET"), (":scheme", "https"), (":path", "/?q=/%20"), (":authority", "a")],
            true,
            "1 GET /?q=/%20 host=a None",
        ),
    ];
    for (fields, end, expected) in cases {
        // The long one needs CONTINUATION.
        if block(fields).len() > frame::PAYLOAD_BYTES_MAX {
            let mut server = Server::new();
            for part in in_parts(1, *end, &block(fields), 16_384) {
                server.take(&part).unwrap();
            }
            assert_eq!(server.seen(), [*expected]);
        } else {
            assert_eq!(outcome(fields, *end), *expected);
        }
    }
}

/// A block as HEADERS and CONTINUATION frames of `size` bytes.
pub(super) fn in_parts(stream: u32, end: bool, block: &[u8], size: usize) -> Vec<Vec<u8>> {
    let count = block.chunks(size).count();
    let end = if end { flag::END_STREAM } else { 0 };
    let last = |at: usize| if at + 1 == count { flag::END_HEADERS } else { 0 };
    let parts = block.chunks(size).enumerate();
    parts
        .map(|(at, part)| match at {
            0 => frame(kind::HEADERS, end | last(0), stream, part),
            _ => frame(kind::CONTINUATION, last(at), stream, part),
        })
        .collect()
}

#[test]
fn malformed_requests_are_reset() {
    let m = (":method", "GET");
    let s = (":scheme", "https");
    let p = (":path", "/");
    let a = (":authority", "a");
    let cases: &[(&[(&str, &str)], &str)] = &[
        // Pseudo-headers: missing, twice, late, unknown (h2spec 8.1.2.1 and 8.1.2.3).
        (&[s, p, a], "method_missing"),
        (&[m, p, a], "scheme_missing"),
        (&[m, s, a], "path_missing"),
        (&[m, m, s, p, a], "pseudo_header_order"),
        (&[m, s, s, p, a], "pseudo_header_order"),
        (&[m, s, p, p, a], "pseudo_header_order"),
        (&[m, s, p, a, a], "pseudo_header_order"),
        (&[m, s, p, ("x", "y"), a], "pseudo_header_order"),
        (&[m, s, p, (":status", "200")], "field_name"),
        (&[m, s, p, (":test", "x")], "field_name"),
        (&[m, s, p, (":", "x")], "field_name"),
        (&[m, s, p, (":Path", "/")], "field_name"),
        // Their values.
        (&[("::method", "GET"), s, p], "field_name"),
        (&[(":method", ""), s, p, a], "method"),
        (&[(":method", "GE T"), s, p, a], "method"),
        (&[(":method", "GET\r\nx: y"), s, p, a], "field_value"),
        (&[m, (":scheme", ""), p, a], "scheme"),
        (&[m, (":scheme", "ftp"), p, a], "scheme"),
        (&[m, (":scheme", "https:"), p, a], "scheme"),
        (&[m, s, (":path", ""), a], "path"),
        (&[m, s, (":path", "x"), a], "path"),
        (&[m, s, (":path", "*"), a], "path"),
        (&[m, s, (":path", "https://a/"), a], "path"),
        (&[m, s, (":path", "/a b"), a], "path"),
        (&[m, s, (":path", "/\t"), a], "field_value"),
        (&[m, s, (":path", "/ HTTP/1.1\r\nx: y"), a], "field_value"),
        (&[m, s, (":path", "/\u{e4}"), a], "path"),
        (&[m, s, p, (":authority", "")], "authority"),
        (&[m, s, p, (":authority", "a b")], "authority"),
        (&[m, s, p, (":authority", "a\0")], "field_value"),
        (&[m, s, p, a, ("host", "b")], "authority_and_host"),
        (&[m, s, p, a, ("host", "")], "authority_and_host"),
        (&[m, s, p, ("host", "a"), ("host", "a")], "host_repeated"),
        // CONNECT.
        (&[(":method", "CONNECT"), s, p, a], "connect_with_path"),
        (&[(":method", "CONNECT"), p, a], "connect_with_path"),
        (&[(":method", "CONNECT")], "connect_without_authority"),
        (&[m, s, p, a, (":protocol", "websocket")], "protocol"),
        (&[(":method", "CONNECT"), s, p, (":protocol", "websocket")], "protocol"),
        (&[(":method", "CONNECT"), a, (":protocol", "websocket")], "scheme_missing"),
        // Names and values of fields (h2spec 8.1.2).
        (&[m, s, p, ("X-Test", "y")], "field_name"),
        (&[m, s, p, ("", "y")], "field_name"),
        (&[m, s, p, ("a b", "y")], "field_name"),
        (&[m, s, p, ("a:b", "y")], "field_name"),
        (&[m, s, p, ("a\r\nb", "y")], "field_name"),
        (&[m, s, p, ("\u{e4}", "y")], "field_name"),
        (&[m, s, p, ("a", "y\r\nb: c")], "field_value"),
        (&[m, s, p, ("a", "y\nb")], "field_value"),
        (&[m, s, p, ("a", "y\0")], "field_value"),
        (&[m, s, p, ("a", "y\u{7f}")], "field_value"),
        (&[m, s, p, ("a", " y")], "field_value"),
        (&[m, s, p, ("a", "y\t")], "field_value"),
        // Fields of one connection (h2spec 8.1.2.2).
        (&[m, s, p, ("connection", "keep-alive")], "field_name"),
        (&[m, s, p, ("keep-alive", "1")], "field_name"),
        (&[m, s, p, ("proxy-connection", "close")], "field_name"),
        (&[m, s, p, ("transfer-encoding", "chunked")], "field_name"),
        (&[m, s, p, ("upgrade", "h2c")], "field_name"),
        (&[m, s, p, ("te", "gzip")], "te"),
        (&[m, s, p, ("te", "trailers, deflate")], "te"),
        // Lengths (h2spec 8.1.2.6).
        (&[m, s, p, ("content-length", "1")], "content_length_without_body"),
        (&[m, s, p, ("content-length", "0"), ("content-length", "0")], "content_length_repeated"),
        (&[m, s, p, ("content-length", "+1")], "content_length"),
        (&[m, s, p, ("content-length", "0x0")], "content_length"),
        (&[m, s, p, ("content-length", "")], "content_length"),
        (&[m, s, p, ("content-length", "99999999999999999999")], "content_length"),
    ];
    for (fields, cause) in cases {
        assert_eq!(outcome(fields, true), format!("1 malformed {cause}"), "{fields:?}");
    }
    assert_eq!(outcome(&[], true), "1 malformed method_missing");
    assert_eq!(outcome(&[m, s, p, ("content-length", "1, 1")], false), "1 malformed content_length");
}

#[test]
fn extended_connect_can_be_off() {
    let mut server = Server::with(Limits { extended_connect: false, ..Limits::default() }, &[]);
    let fields = [&[(":method", "CONNECT"), (":protocol", "websocket")], &GET[1..]].concat();
    server.take(&headers(1, false, &fields)).unwrap();
    assert_eq!(server.seen(), ["1 malformed protocol"]);
}

#[test]
fn large_heads_are_refused_and_the_connection_goes_on() {
    let value = "x".repeat(60_000);
    let many: Vec<(&str, &str)> = with(GET, &vec![("a", ""); 1002]);
    let target = format!("/{}", "a".repeat(32 * 1024));
    let long_target = [(":method", "GET"), (":scheme", "https"), (":path", &*target)];
    let big = with(GET, &[("a", &value), ("b", &value), ("c", &value)]);
    let cases = [
        (big, "1 refused TooLarge"),
        (many, "1 refused TooManyFields"),
        (long_target.to_vec(), "1 refused TargetTooLarge"),
    ];
    for (fields, expected) in cases {
        let mut server = Server::new();
        for part in in_parts(1, true, &block(&fields), 16_384) {
            server.take(&part).unwrap();
        }
        assert_eq!(server.seen(), [expected]);
        server.connection.send_head(StreamId(1), 431, std::iter::empty(), true).unwrap();
        server.connection.release(StreamId(1));
        server.take(&get(3)).unwrap();
        assert_eq!(server.seen(), ["3 GET / host=a.example None"]);
        assert_eq!(server.kinds(), [kind::HEADERS]);
    }
}

#[test]
fn bodies_must_have_the_length_that_was_told() {
    let post = |length| with(POST, &[("content-length", length)]);
    // (announced, DATA frames with their end, cause)
    type Case = (&'static str, &'static [(&'static [u8], bool)], &'static str);
    let cases: &[Case] = &[
        ("3", &[(b"ab", false), (b"", true)], "content_length_not_reached"),
        ("3", &[(b"ab", true)], "content_length_not_reached"),
        ("3", &[(b"abcd", true)], "content_length_exceeded"),
        ("3", &[(b"abc", false), (b"d", false)], "content_length_exceeded"),
        ("0", &[(b"a", true)], "content_length_exceeded"),
    ];
    for (length, frames, cause) in cases {
        let mut server = Server::new();
        server.take(&headers(1, false, &post(length))).unwrap();
        for (bytes, end) in *frames {
            server.take(&data(1, *end, bytes)).unwrap();
        }
        let expected = format!("1 reset protocol_error {cause}");
        assert_eq!(server.seen().last(), Some(&expected));
        assert_eq!(server.reset_code(1), Some(ErrorCode::PROTOCOL_ERROR));
    }
    let mut server = Server::new();
    server
        .take(&[headers(1, false, &post("3")), data(1, false, b"ab"), headers(1, true, &[("t", "x")])].concat())
        .unwrap();
    assert_eq!(server.reset_code(1), Some(ErrorCode::PROTOCOL_ERROR));
}

#[test]
fn trailers_end_a_body() {
    let mut server = Server::new();
    server.take(&[headers(1, false, POST), data(1, false, b"abc"), headers(1, true, &[("t", "x")])].concat()).unwrap();
    assert_eq!(server.seen(), ["1 POST / host=a.example Chunked", "1 data", "1 end"]);
    let mut body = Vec::new();
    assert!(!server.connection.is_ended(StreamId(1)));
    assert_eq!(server.connection.take_data(StreamId(1), &mut body), 3);
    assert!(server.connection.is_ended(StreamId(1)) && body == b"abc");
    for (fields, end) in [
        (&[(":path", "/")][..], true),
        (&[("a", "b")], false),
        (&[("A", "b")], true),
        (&[("connection", "close")], true),
        (&[("a", "b\n")], true),
    ] {
        let mut server = Server::new();
        server.take(&[headers(1, false, POST), headers(1, end, fields)].concat()).unwrap();
        assert_eq!(server.reset_code(1), Some(ErrorCode::PROTOCOL_ERROR), "{fields:?}");
        assert!(server.seen()[1].starts_with("1 reset protocol_error trailers"));
    }
}
