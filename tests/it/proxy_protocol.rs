//! The PROXY protocol, version 1 and 2: who the client is, when a listed source says so, and nothing when it is amiss.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{Upstream, Vallum, Wire};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const REJECTS: &str = "vallum_proxy_protocol_rejects_total";

fn start(upstream: &Upstream, more: Value) -> Vallum {
    let settings = clear(json!([public_route(HOST, json!(upstream.url()))]));
    Vallum::start(and(and(settings, json!({"use_proxy_protocol": true})), more))
}

/// A version 2 header: `command` 0 is LOCAL, 1 is PROXY; `family` is family and transport.
fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([0x20 | command, family]);
    header.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    header.extend_from_slice(payload);
    header
}

/// Addresses and ports of TCP over IPv4: 203.0.113.9:4000 to 192.0.2.1:443.
fn ipv4() -> Vec<u8> {
    [&[203, 0, 113, 9, 192, 0, 2, 1][..], &4000u16.to_be_bytes(), &443u16.to_be_bytes()].concat()
}

/// Addresses and ports of TCP over IPv6: 2001:db8::9 to 2001:db8::1.
fn ipv6() -> Vec<u8> {
    let address = |last: u8| [&[0x20, 0x01, 0x0d, 0xb8][..], &[0; 11], &[last]].concat();
    [address(9), address(1), vec![0x0f, 0xa0, 1, 0xbb]].concat()
}

/// Addresses and ports of TCP over IPv6 that are those of IPv4: ::ffff:203.0.113.9 to ::ffff:192.0.2.1.
fn mapped() -> Vec<u8> {
    let address = |ip: [u8; 4]| [&[0; 10][..], &[0xff, 0xff], &ip].concat();
    [address([203, 0, 113, 9]), address([192, 0, 2, 1]), vec![0x0f, 0xa0, 1, 0xbb]].concat()
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &u16::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
}

/// A version 2 header with a checksum TLV, right or wrong.
fn with_checksum(right: bool) -> Vec<u8> {
    let mut header = v2(1, 0x11, &[ipv4(), tlv(3, &[0; 4])].concat());
    let sum = crc32c::crc32c(&header) ^ u32::from(!right);
    let at = header.len() - 4;
    header[at..].copy_from_slice(&sum.to_be_bytes());
    header
}

#[test]
fn headers_that_are_believed() {
    let long_v1 = "PROXY TCP6 ffff:f...f:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
        .replace("ffff:f...f:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
    let tlvs = [tlv(1, b"h2"), tlv(2, b"example.com"), tlv(4, &[0; 50]), tlv(0xea, b"cloud"), tlv(5, b"id")].concat();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("v1 TCP4", b"PROXY TCP4 203.0.113.9 192.0.2.1 4000 443\r\n".to_vec(), "203.0.113.9"),
        ("v1 TCP6", b"PROXY TCP6 2001:db8::9 2001:db8::1 4000 443\r\n".to_vec(), "2001:db8::9"),
        ("v1 TCP6 at full length", long_v1.into_bytes(), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"),
        ("v1 UNKNOWN", b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        ("v1 UNKNOWN with words", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), "127.0.0.1"),
        ("v2 TCP4", v2(1, 0x11, &ipv4()), "203.0.113.9"),
        ("v2 TCP6", v2(1, 0x21, &ipv6()), "2001:db8::9"),
        ("v2 LOCAL", v2(0, 0, &[]), "127.0.0.1"),
        ("v2 LOCAL with addresses", v2(0, 0x11, &ipv4()), "127.0.0.1"),
        ("v2 with TLVs", v2(1, 0x11, &[ipv4(), tlvs].concat()), "203.0.113.9"),
        ("v2 with NOOP TLVs", v2(1, 0x11, &[ipv4(), tlv(4, &[]), tlv(4, &[1])].concat()), "203.0.113.9"),
        ("v2 with a checksum", with_checksum(true), "203.0.113.9"),
        (
            "v2 with a TLV of TLS",
            v2(1, 0x11, &[ipv4(), tlv(0x20, &[&[1, 0, 0, 0, 0], &tlv(0x21, b"TLSv1.3")[..]].concat())].concat()),
            "203.0.113.9",
        ),
        ("v2 UNSPEC", v2(1, 0, &[]), "127.0.0.1"),
        ("v2 UNSPEC with bytes", v2(1, 0, &ipv4()), "127.0.0.1"),
        ("v2 UDP4", v2(1, 0x12, &ipv4()), "127.0.0.1"),
        ("v2 UDP6", v2(1, 0x22, &ipv6()), "127.0.0.1"),
        ("v2 UNIX stream", v2(1, 0x31, &[b'/'; 216]), "127.0.0.1"),
        ("v2 UNIX datagram", v2(1, 0x32, &[b'/'; 216]), "127.0.0.1"),
        ("v2 LOCAL of an unknown family", v2(0, 0x77, &[1, 2, 3]), "127.0.0.1"),
        ("v2 IPv4 in IPv6", v2(1, 0x21, &mapped()), "203.0.113.9"),
    ];
    let upstream = Upstream::echo();
    let vallum = start(&upstream, json!({}));
    for (name, header, address) in &cases {
        let mut whole = vallum.connect();
        let answer = whole.ask([header.as_slice(), get(HOST, "/", "").as_bytes()].concat());
        assert_eq!(answer.status, 200, "{name}");
        assert_eq!(upstream.requests().last().unwrap().header("x-forwarded-for"), *address, "{name}");

        let mut bytewise = vallum.connect();
        for byte in header {
            bytewise.send([*byte]);
        }
        assert_eq!(bytewise.ask(get(HOST, "/", "")).status, 200, "{name} byte by byte");
        assert_eq!(upstream.requests().last().unwrap().header("x-forwarded-for"), *address, "{name} byte by byte");
    }
    assert_eq!(vallum.scrape().value(REJECTS, &[]), 0.0);
}

#[test]
fn headers_that_close_the_connection_and_are_counted() {
    let short = v2(1, 0x11, &ipv4());
    let mut wrong_signature = short.clone();
    wrong_signature[11] = b'X';
    let mut wrong_version = short.clone();
    wrong_version[12] = 0x31;
    let mut wrong_command = short.clone();
    wrong_command[12] = 0x22;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("none", Vec::new()),
        ("v1 in lower case", b"proxy TCP4 203.0.113.9 192.0.2.1 4000 443\r\n".to_vec()),
        ("v1 with two spaces", b"PROXY  TCP4 203.0.113.9 192.0.2.1 4000 443\r\n".to_vec()),
        ("v1 of an unknown family", b"PROXY TCP5 203.0.113.9 192.0.2.1 4000 443\r\n".to_vec()),
        ("v1 with a bad address", b"PROXY TCP4 203.0.113.999 192.0.2.1 4000 443\r\n".to_vec()),
        ("v1 with an address of the other family", b"PROXY TCP4 2001:db8::9 2001:db8::1 4000 443\r\n".to_vec()),
        ("v1 with a bad port", b"PROXY TCP4 203.0.113.9 192.0.2.1 65536 443\r\n".to_vec()),
        ("v1 with a sign in a port", b"PROXY TCP4 203.0.113.9 192.0.2.1 +4000 443\r\n".to_vec()),
        ("v1 with a zero before a port", b"PROXY TCP4 203.0.113.9 192.0.2.1 04000 443\r\n".to_vec()),
        ("v1 with a word too few", b"PROXY TCP4 203.0.113.9 192.0.2.1 4000\r\n".to_vec()),
        ("v1 with a word too many", b"PROXY TCP4 203.0.113.9 192.0.2.1 4000 443 1\r\n".to_vec()),
        ("v1 ended by LF", b"PROXY TCP4 203.0.113.9 192.0.2.1 4000 443\n".to_vec()),
        ("v1 without end", [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat()),
        ("v1 ending too late", [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 110], b"\r\n".to_vec()].concat()),
        ("v2 with a wrong signature", wrong_signature),
        ("v2 of another version", wrong_version),
        ("v2 with an unknown command", wrong_command),
        ("v2 with addresses too short", v2(1, 0x11, &ipv4()[..11])),
        ("v2 TCP6 with addresses of TCP4", v2(1, 0x21, &ipv4())),
        ("v2 with a TLV beyond the end", v2(1, 0x11, &[ipv4(), vec![1, 0, 200, b'h']].concat())),
        ("v2 with a TLV cut in its length", v2(1, 0x11, &[ipv4(), vec![1, 0]].concat())),
        ("v2 with a wrong checksum", with_checksum(false)),
        ("v2 of an unknown family", v2(1, 0x51, &ipv4())),
        ("v2 of an unknown protocol", v2(1, 0x13, &ipv4())),
        ("v2 of a family without protocol", v2(1, 0x10, &ipv4())),
        ("v2 UDP4 with addresses too short", v2(1, 0x12, &ipv4()[..11])),
        ("v2 UNIX with addresses too short", v2(1, 0x31, &[b'/'; 100])),
        ("v2 with an identifier too long", v2(1, 0x11, &[ipv4(), tlv(5, &[1; 129])].concat())),
        ("v2 with a TLV of TLS cut short", v2(1, 0x11, &[ipv4(), tlv(0x20, &[1, 0, 0, 0])].concat())),
        (
            "v2 with a broken TLV within that of TLS",
            v2(1, 0x11, &[ipv4(), tlv(0x20, &[1, 0, 0, 0, 0, 0x21, 0, 9])].concat()),
        ),
        ("v2 at the largest length", v2(1, 0x11, &vec![0; 65_535])),
    ];
    let upstream = Upstream::echo();
    let vallum = start(&upstream, json!({}));
    for (i, (name, header)) in cases.iter().enumerate() {
        let mut wire = vallum.connect();
        let answer = wire.send([header.as_slice(), get(HOST, "/", "").as_bytes()].concat()).drain();
        assert!(answer.is_empty(), "{name}: {}", String::from_utf8_lossy(&answer));
        let counted = vallum.wait_for_metric(REJECTS, &[], (i + 1) as f64).value(REJECTS, &[]);
        assert_eq!(counted, (i + 1) as f64, "{name}");
    }
    assert!(upstream.requests().is_empty(), "{:?}", upstream.requests());
    assert_eq!(vallum.connect().ask([&v2(0, 0, &[])[..], get(HOST, "/", "").as_bytes()].concat()).status, 200);
}

#[test]
fn a_header_cut_short_closes_without_an_answer() {
    let upstream = Upstream::echo();
    let vallum = start(&upstream, json!({}));
    let whole = v2(1, 0x11, &ipv4());
    for cut in [1, 11, 12, 15, 16, 20, whole.len() - 1] {
        assert!(vallum.connect().send(&whole[..cut]).finish().drain().is_empty(), "v2 cut at {cut}");
    }
    let whole = b"PROXY TCP4 203.0.113.9 192.0.2.1 4000 443\r\n";
    for cut in [1, 5, 20, whole.len() - 1] {
        assert!(vallum.connect().send(&whole[..cut]).finish().drain().is_empty(), "v1 cut at {cut}");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_second_header_is_no_request() {
    let upstream = Upstream::echo();
    let vallum = start(&upstream, json!({}));
    let line = b"PROXY TCP4 203.0.113.9 192.0.2.1 4000 443\r\n".to_vec();
    let (v1, v2) = (|| line.clone(), || v2(1, 0x11, &ipv4()));
    for (first, second) in [(v2(), v2()), (v2(), v1()), (v1(), v2()), (v1(), v1())] {
        let twice = [first, second, get(HOST, "/", "").into_bytes()].concat();
        let answer = vallum.connect().send(twice).drain();
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_source_that_is_not_listed_is_not_believed() {
    let upstream = Upstream::echo();
    let vallum = start(&upstream, json!({"proxy_protocol_trusted_cidrs": ["127.0.0.5/32", "10.0.0.0/8"]}));
    let bytes = [v2(1, 0x11, &ipv4()), get(HOST, "/", "").into_bytes()].concat();
    let from = |source: &str| Wire::clear_from(source.parse::<IpAddr>().unwrap(), vallum.address);
    assert!(from("127.0.0.1").send(&bytes).drain().is_empty());
    assert!(from("127.0.0.6").send(&bytes).drain().is_empty());
    assert_eq!(from("127.0.0.5").ask(&bytes).status, 200);
    assert_eq!(upstream.only_request().header("x-forwarded-for"), "203.0.113.9");
    let rejects = vallum.wait_for_metric(REJECTS, &[], 2.0).value(REJECTS, &[]);
    assert_eq!(rejects, 2.0);
}

#[test]
fn before_tls_the_header_comes_in_clear() {
    let upstream = Upstream::echo();
    let route = public_route(HOST, json!(upstream.url()));
    let vallum = Vallum::start(json!({"routes": [route], "use_proxy_protocol": true}));
    let mut tcp = crate::harness::wire::connect(vallum.address);
    std::io::Write::write_all(&mut tcp, &v2(1, 0x21, &ipv6())).unwrap();
    let config = crate::harness::certificates::accept_any(&[]);
    let mut wire = Wire::tls_over(tcp, HOST, config.into()).expect("a handshake");
    assert_eq!(wire.ask(get(HOST, "/", "")).status, 200);
    let request = upstream.only_request();
    assert_eq!((request.header("x-forwarded-for"), request.header("x-forwarded-proto")), ("2001:db8::9", "https"));
}

#[test]
fn an_unused_protocol_is_a_bad_request() {
    let upstream = Upstream::echo();
    let vallum = Vallum::public(&upstream);
    let answer = vallum.connect().send("PROXY TCP4 203.0.113.9 192.0.2.1 4000 443\r\n\r\n").drain();
    let refused = [&b"HTTP/1.1 400"[..], b"HTTP/1.1 505"].iter().any(|line| answer.starts_with(line));
    assert!(answer.is_empty() || refused, "{}", String::from_utf8_lossy(&answer));
    assert!(upstream.requests().is_empty());
}
