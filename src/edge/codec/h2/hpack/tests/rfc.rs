//! RFC 7541 appendix C, example by example.

use super::super::meaning::Meaning;
use super::super::{Decoder, Encoder};
use super::{decode, encode, hex, values};
use crate::http::fields::FieldKind;

/// C.2: one field of each form.
#[test]
fn single_fields() {
    let cases = [
        ("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-header"),
        ("040c 2f73 616d 706c 652f 7061 7468", "/sample/path"),
        ("1008 7061 7373 776f 7264 0673 6563 7265 74", "secret"),
        ("82", "GET"),
    ];
    for (block, value) in cases {
        let fields = decode(&mut Decoder::new(), &hex(block)).unwrap();
        assert_eq!(values(&fields), [value]);
    }
    let fields = decode(&mut Decoder::new(), &hex(cases[2].0)).unwrap();
    assert_eq!(&fields.bytes[fields.lines[0].name.range()], b"password");
    assert_eq!(fields.lines[0].meaning, Meaning::Field(FieldKind::Other));
}

/// C.3 and C.4: three requests on one connection, plain and by Huffman's code.
#[test]
fn requests() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let huffman = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    let expected: [&[&str]; 3] = [
        &["GET", "http", "/", "www.example.com"],
        &["GET", "http", "/", "www.example.com", "no-cache"],
        &["GET", "https", "/index.html", "www.example.com", "custom-value"],
    ];
    for blocks in [plain, huffman] {
        let mut decoder = Decoder::new();
        for (block, expected) in blocks.iter().zip(expected) {
            assert_eq!(values(&decode(&mut decoder, &hex(block)).unwrap()), expected);
        }
    }
}

/// C.5 and C.6: three responses with a table of 256 bytes, so that entries are evicted.
#[test]
fn responses() {
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
         546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
         6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
         2076 6572 7369 6f6e 3d31",
    ];
    let huffman = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
         8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
         dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    let date = "Mon, 21 Oct 2013 20:13:21 GMT";
    let expected: [&[&str]; 3] = [
        &["302", "private", date, "https://www.example.com"],
        &["307", "private", date, "https://www.example.com"],
        &[
            "200",
            "private",
            "Mon, 21 Oct 2013 20:13:22 GMT",
            "https://www.example.com",
            "gzip",
            "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ],
    ];
    for blocks in [plain, huffman] {
        let mut decoder = Decoder::new();
        // A change of the table size to 256 bytes.
        assert!(decode(&mut decoder, &hex("3fe1 01")).unwrap().lines.is_empty());
        for (block, expected) in blocks.iter().zip(expected) {
            assert_eq!(values(&decode(&mut decoder, &hex(block)).unwrap()), expected);
        }
    }
}

#[test]
fn our_responses_are_read_by_our_decoder() {
    let mut encoder = Encoder::default();
    let fields: &[(&[u8], &[u8])] = &[
        (b"Content-Type", b"text/html"),
        (b"X-Custom", b"One"),
        (b"Set-Cookie", b"a=b"),
        (b"Connection", b"close"),
        (b"Transfer-Encoding", b"chunked"),
        (b"keep-alive", b"1"),
        (b"Proxy-Connection", b"1"),
        (b"upgrade", b"h2c"),
        (b":status", b"500"),
        (b"", b"x"),
    ];
    let first = encode(&mut encoder, 200, fields);
    assert_eq!(first[0], 0x88);
    let mut decoder = Decoder::new();
    for (block, status) in [(first, "200"), (encode(&mut encoder, 429, fields), "429")] {
        let fields = decode(&mut decoder, &block).unwrap();
        assert_eq!(values(&fields), [status, "text/html", "One", "a=b"]);
        let names: Vec<_> = fields.lines[1..].iter().map(|line| &fields.bytes[line.name.range()]).collect();
        assert_eq!(names, [&b"content-type"[..], b"x-custom", b"set-cookie"]);
    }
    for status in [200, 204, 206, 304, 400, 404, 500, 100, 103, 418, 599] {
        let block = encode(&mut encoder, status, &[]);
        assert_eq!(values(&decode(&mut decoder, &block).unwrap()), [status.to_string()]);
    }
}

#[test]
fn a_table_is_used_until_the_client_wants_a_smaller_one() {
    let fields: &[(&[u8], &[u8])] = &[(b"Server", b"nginx"), (b"X-Frame-Options", b"DENY"), (b"Date", b"today")];
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::new());
    let mut lengths = Vec::new();
    for limit in [None, None, Some(4096), Some(65_536), Some(4095), None, Some(0), Some(4096)] {
        if let Some(limit) = limit {
            encoder.limit(limit);
        }
        let block = encode(&mut encoder, 200, fields);
        assert_eq!(values(&decode(&mut decoder, &block).unwrap()), ["200", "nginx", "DENY", "today"]);
        // Only the first block after the table got smaller says so.
        assert_eq!(block[0] == 0x20, limit == Some(4095));
        lengths.push(block.len());
    }
    // A byte for the status and one for each field that is in the table; a literal with a place there has more room for
    // the index of its name than one without, and a change of the size takes a byte.
    assert_eq!(lengths, [38, 11, 11, 11, 40, 39, 39, 39]);
}
