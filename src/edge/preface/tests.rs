use proptest::prelude::*;

use super::PrefaceError::{Checksum, Family, Malformed, Missing, TooLong};
use super::tlv::CRC32C as CRC32C_TYPE;
use super::*;

const V4_ADDRESSES: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0x01, 0xbb];

fn named(consumed: usize, source: &str, destination: &str) -> Preface {
    Preface::Done { consumed, source: source.parse().ok(), destination: destination.parse().ok() }
}

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let len = u16::try_from(block.len()).unwrap().to_be_bytes();
    [V2_SIGNATURE, &[command, family], &len, block].concat()
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind], u16::try_from(value.len()).unwrap().to_be_bytes().as_slice(), value].concat()
}

/// A TCP over IPv4 header with TLVs before and behind a checksum that is right.
fn checked(before: &[u8], behind: &[u8]) -> Vec<u8> {
    let crc = tlv(CRC32C_TYPE, &[0; 4]);
    let mut header = v2(0x21, 0x11, &[V4_ADDRESSES, before, &crc, behind].concat());
    let sum = crc32c::crc32c(&header).to_be_bytes();
    let place = V2_FIXED_LEN + V4_ADDRESSES.len() + before.len() + 3;
    header[place..place + 4].copy_from_slice(&sum);
    header
}

/// The header alone, in every split, and with a stream behind it.
fn assert_done(header: &[u8], expected: Preface) {
    for end in 0..header.len() {
        assert_eq!(parse(&header[..end]), Preface::Incomplete, "{}", header[..end].escape_ascii());
    }
    assert_eq!(parse(header), expected, "{}", header.escape_ascii());
    for behind in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01", b"\0", header] {
        assert_eq!(parse(&[header, behind].concat()), expected, "{}", header.escape_ascii());
    }
}

/// Refused as a whole, and once refused never taken again when more bytes come.
fn assert_refused(bytes: &[u8], expected: PrefaceError) {
    assert_eq!(parse(bytes), Preface::Refused(expected), "{}", bytes.escape_ascii());
    let mut refused = None;
    for end in 0..=bytes.len() {
        match parse(&bytes[..end]) {
            Preface::Incomplete => assert_eq!(refused, None, "{}", bytes.escape_ascii()),
            Preface::Refused(error) => assert_eq!(*refused.get_or_insert(error), error),
            done => panic!("{done:?} for {}", bytes[..end].escape_ascii()),
        }
    }
}

#[test]
fn version_1_headers() {
    let cases: &[(&str, Option<(&str, &str)>)] = &[
        ("PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n", Some(("192.0.2.1:12345", "198.51.100.2:443"))),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            Some(("255.255.255.255:65535", "255.255.255.255:65535")),
        ),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 0 0\r\n", Some(("192.0.2.1:0", "198.51.100.2:0"))),
        ("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", Some(("[2001:db8::1]:1", "[::1]:2"))),
        ("PROXY TCP6 2001:DB8::A ::ffff:1.2.3.4 1 2\r\n", Some(("[2001:db8::a]:1", "[::ffff:1.2.3.4]:2"))),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            Some((
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            )),
        ),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN \r\n", None),
        ("PROXY UNKNOWN a b c d e f g h\r\n", None),
        ("PROXY UNKNOWN 192.0.2.1 198.51.100.2 12345 443\r\n", None),
        (
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            None,
        ),
    ];
    for (header, expected) in cases {
        let expected = match expected {
            Some((source, destination)) => named(header.len(), source, destination),
            None => unnamed(header.len()),
        };
        assert_done(header.as_bytes(), expected);
    }
}

#[test]
fn version_1_refusals() {
    let cases: &[(&[u8], PrefaceError)] = &[
        (b"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", Missing),
        (b"PROXy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", Missing),
        (b"PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n", Missing),
        (b"PROXY\r\n", Missing),
        (b" PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", Missing),
        (b"PUT / HTTP/1.1\r\n", Missing),
        (b"POST / HTTP/1.1\r\n", Missing),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Missing),
        (b"GET / HTTP/1.1\r\n", Missing),
        (b"\x16\x03\x01\x02\x00", Missing),
        (b"\0", Missing),
        (b"PROXY \r\n", Malformed),
        (b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", Malformed),
        (b"PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", Malformed),
        (b"PROXY TCP 1.2.3.4 1.2.3.4 1 2\r\n", Malformed),
        (b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", Malformed),
        (b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", Malformed),
        (b"PROXY UNKNOWNX\r\n", Malformed),
        (b"PROXY UNKNOWN\n", Malformed),
        (b"PROXY UNKNOWN\rx", Malformed),
        (b"PROXY UNKNOWN a\rb\r\n", Malformed),
        (b"PROXY UNKNOWN a\nb\r\n", Malformed),
        (b"PROXY TCP4\r\n", Malformed),
        (b"PROXY TCP4 \r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4\t1.2.3.4 1 2\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rGET", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\r\n", Malformed),
        (b"PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n", Malformed),
        (b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", Malformed),
        (b"PROXY TCP4 0x1.2.3.4 1.2.3.4 1 2\r\n", Malformed),
        (b"PROXY TCP4 localhost 1.2.3.4 1 2\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 00\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 +2\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 0x1 2\r\n", Malformed),
        (b"PROXY TCP4 ::1 ::1 1 2\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 ::1 1 2\r\n", Malformed),
        (b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", Malformed),
        (b"PROXY TCP6 ::1 1.2.3.4 1 2\r\n", Malformed),
        (b"PROXY TCP6 ::1%eth0 ::1 1 2\r\n", Malformed),
        (b"PROXY TCP6 [::1] ::1 1 2\r\n", Malformed),
        (b"PROXY TCP6 ::g ::1 1 2\r\n", Malformed),
        (b"PROXY TCP6 1::2::3 ::1 1 2\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 \xff\r\n", Malformed),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\0\r\n", Malformed),
    ];
    for (bytes, expected) in cases {
        assert_refused(bytes, *expected);
    }
}

#[test]
fn version_1_is_bounded() {
    let line = |len: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(len - 16));
    assert_done(line(MAX_V1_LEN).as_bytes(), unnamed(MAX_V1_LEN));
    assert_refused(line(MAX_V1_LEN + 1).as_bytes(), TooLong);
    assert_refused(line(MAX_V1_LEN + 2).as_bytes(), TooLong);
    assert_refused(line(5000).as_bytes(), TooLong);
    assert_refused(format!("PROXY TCP4 {}", "1".repeat(MAX_V1_LEN)).as_bytes(), TooLong);
}

#[test]
fn version_2_headers() {
    let v6_source = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let v6_destination = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let v6_addresses = [&v6_source[..], &v6_destination, &[0x30, 0x39, 0x01, 0xbb]].concat();
    let v4 = |tlvs: &[u8]| v2(0x21, 0x11, &[V4_ADDRESSES, tlvs].concat());
    let v4_named = |header: &[u8]| named(header.len(), "192.0.2.1:12345", "198.51.100.2:443");

    let header = v2(0x21, 0x21, &v6_addresses);
    assert_done(&header, named(header.len(), "[2001:db8::1]:12345", "[::1]:443"));

    let ssl = [&[7, 0, 0, 0, 0][..], &tlv(0x21, b"TLSv1.3"), &tlv(0x22, b"somebody")].concat();
    let tlvs = [
        tlv(0x20, &ssl),
        tlv(0x20, &[0; 5]),
        tlv(0x01, b"h2"),
        tlv(0x02, b"app.example"),
        tlv(0x04, b""),
        tlv(0x05, &[7; 128]),
        tlv(0xee, b"x"),
    ];
    for header in [v4(b""), v4(&tlvs.concat()), v4(&tlv(0x04, &[0; 4000])), checked(b"", b"")] {
        assert_done(&header, v4_named(&header));
    }
    for (before, behind) in [(&tlvs.concat()[..], &b""[..]), (b"", &tlvs.concat())] {
        let header = checked(before, behind);
        assert_done(&header, v4_named(&header));
    }
}

#[test]
fn version_2_headers_that_name_nobody() {
    let all_families = (0..=255u8).map(|family| v2(0x20, family, V4_ADDRESSES));
    for header in all_families {
        assert_done(&header, unnamed(header.len()));
    }
    for block in [&b""[..], b"x", V4_ADDRESSES, &[0xff; 300]] {
        for (command, family) in [(0x20, 0x00), (0x20, 0x11), (0x20, 0x21), (0x20, 0x31), (0x21, 0x00)] {
            let header = v2(command, family, block);
            assert_done(&header, unnamed(header.len()));
        }
    }
    // Combinations that exist and are no TCP fall back to UNSPEC.
    for (family, len) in [(0x12, 12), (0x22, 36), (0x31, 216), (0x32, 216)] {
        for block in [vec![1; len], [vec![1; len], tlv(0x04, b"")].concat()] {
            let header = v2(0x21, family, &block);
            assert_done(&header, unnamed(header.len()));
        }
    }
}

#[test]
fn version_2_refusals() {
    let v4 = |tlvs: &[u8]| v2(0x21, 0x11, &[V4_ADDRESSES, tlvs].concat());
    let mut signature = V2_SIGNATURE.to_vec();
    signature[11] = b'\r';
    let cases: Vec<(Vec<u8>, PrefaceError)> = vec![
        (b"\r\n\r\nGET / HTTP/1.1\r\n".to_vec(), Missing),
        (b"\r\r".to_vec(), Missing),
        (signature, Missing),
        (v2(0x11, 0x11, V4_ADDRESSES), Malformed),
        (v2(0x31, 0x11, V4_ADDRESSES), Malformed),
        (v2(0x01, 0x11, V4_ADDRESSES), Malformed),
        (v2(0x22, 0x11, V4_ADDRESSES), Malformed),
        (v2(0x2f, 0x11, V4_ADDRESSES), Malformed),
        (v2(0x21, 0x11, b""), Malformed),
        (v2(0x21, 0x11, &V4_ADDRESSES[..11]), Malformed),
        (v2(0x21, 0x21, &[0; 35]), Malformed),
        (v4(b"\x04"), Malformed),
        (v4(b"\x04\x00"), Malformed),
        (v4(b"\x04\x00\x01"), Malformed),
        (v4(b"\x04\xff\xffabc"), Malformed),
        (v4(&[tlv(1, b"h2"), b"\x04\x00\x02a".to_vec()].concat()), Malformed),
        (v2(0x21, 0x12, &V4_ADDRESSES[..11]), Malformed),
        (v2(0x21, 0x22, &[0; 35]), Malformed),
        (v2(0x21, 0x31, &[0; 215]), Malformed),
        (v2(0x21, 0x32, b""), Malformed),
        (v2(0x21, 0x12, &[V4_ADDRESSES, b"\x04\x00\x01"].concat()), Malformed),
        (v2(0x21, 0x31, &[&[0; 216][..], &tlv(CRC32C_TYPE, b"abcd")].concat()), Checksum),
        (v4(&tlv(0x02, &[b'a'; 256])), Malformed),
        (v4(&tlv(0x05, &[0; 129])), Malformed),
        (v4(&tlv(0x20, b"")), Malformed),
        (v4(&tlv(0x20, &[1, 0, 0, 0])), Malformed),
        (v4(&tlv(0x20, &[1, 0, 0, 0, 0, 0x21])), Malformed),
        (v4(&tlv(0x20, &[&[1, 0, 0, 0, 0], &tlv(0x21, b"TLSv1.3")[..8]].concat())), Malformed),
        (v4(&tlv(CRC32C_TYPE, b"")), Malformed),
        (v4(&tlv(CRC32C_TYPE, b"abc")), Malformed),
        (v4(&tlv(CRC32C_TYPE, b"abcde")), Malformed),
        (v4(&tlv(CRC32C_TYPE, b"\0\0\0\0")), Checksum),
        (v4(&[tlv(CRC32C_TYPE, b"abcd"), tlv(CRC32C_TYPE, b"abcd")].concat()), Malformed),
    ];
    for (bytes, expected) in cases {
        assert_refused(&bytes, expected);
    }
    for family in (0..=255u8).filter(|family| !V2_FAMILIES.contains(family)) {
        assert_refused(&v2(0x21, family, &[0; 216]), Family);
    }
}

#[test]
fn version_2_is_bounded() {
    let most = MAX_V2_LEN - V2_FIXED_LEN;
    let header = v2(0x20, 0x00, &vec![0; most]);
    assert_done(&header, unnamed(MAX_V2_LEN));
    assert_refused(&v2(0x20, 0x00, &vec![0; most + 1]), TooLong);
    assert_refused(&v2(0x21, 0x11, &vec![0; 65535]), TooLong);
    let fixed_part = &v2(0x21, 0x11, &vec![0; 65535])[..V2_FIXED_LEN];
    assert_refused(fixed_part, TooLong);
}

#[test]
fn any_flipped_bit_is_noticed_by_the_checksum() {
    let header = checked(&tlv(0x02, b"app.example"), &tlv(0x05, b"id"));
    for bit in 0..header.len() * 8 {
        let mut flipped = header.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let found = parse(&flipped);
        // LOCAL and UNSPEC name nobody, whatever the block holds; a longer header is still awaited.
        let harmless = matches!(found, Preface::Refused(_) | Preface::Incomplete) || found == unnamed(header.len());
        let type_of_checksum = bit / 8 == V2_FIXED_LEN + V4_ADDRESSES.len() + 14;
        assert!(harmless || type_of_checksum, "bit {bit}: {found:?}");
    }
}

#[test]
fn a_second_header_stays_in_the_stream() {
    let first = b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n";
    let second = checked(b"", b"");
    let expected = named(first.len(), "192.0.2.1:1", "198.51.100.2:2");
    assert_eq!(parse(&[&first[..], &second].concat()), expected);
    assert_eq!(parse(&[&first[..], first].concat()), expected);
}

#[test]
fn slugs() {
    let slugs = [Missing, Malformed, TooLong, Checksum, Family].map(PrefaceError::slug);
    assert_eq!(slugs, ["missing", "malformed", "too_long", "checksum", "family"]);
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "PROXY ",
        "PROXY TCP4 ",
        "PROXY TCP6 ",
        "PROXY UNKNOWN",
        "1.2.3.4 ",
        "::1 ",
        "1 ",
        "65535",
        "\r\n",
        "\r",
        "\n",
        " ",
        "+",
        "0",
        "\r\n\r\n\0\r\nQUIT\n",
        "\x21",
        "\x20",
        "\x11",
        "\0",
        "\0\x0c",
        "\x03\0\x04",
        "abcdefghijkl",
    ];
    let text = prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..12)
        .prop_map(|pieces| pieces.concat().into_bytes());
    let binary = (prop::sample::select(vec![0x20u8, 0x21]), any::<u8>(), prop::collection::vec(any::<u8>(), 0..80))
        .prop_map(|(command, family, block)| v2(command, family, &block));
    prop_oneof![text, binary, prop::collection::vec(any::<u8>(), 0..64)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Byte by byte: incomplete up to one point, and from there on one and the same answer.
    #[test]
    fn the_answer_does_not_depend_on_the_split(bytes in hostile()) {
        let whole = parse(&bytes);
        let mut answer = None;
        for end in 0..=bytes.len() {
            match parse(&bytes[..end]) {
                Preface::Incomplete => prop_assert_eq!(answer, None),
                found => prop_assert_eq!(*answer.get_or_insert(found), found),
            }
        }
        prop_assert_eq!(answer.unwrap_or(Preface::Incomplete), whole);
        if let Preface::Done { consumed, .. } = whole {
            prop_assert!(consumed <= bytes.len());
        }
    }
}
