use proptest::prelude::*;

use super::ChunkError as E;
use super::*;

/// How a whole input ended: the data, and the bytes used up to the end (none if the body goes on).
type Outcome = Result<(Vec<u8>, Option<usize>), ChunkError>;

/// Feeds `input` in pieces of the given sizes, the last of them again and again.
fn decode(input: &[u8], sizes: &[usize]) -> Outcome {
    let mut decoder = ChunkDecoder::new();
    let (mut data, mut start) = (Vec::new(), 0);
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(*sizes.last().unwrap_or(&usize::MAX)));
    while start < input.len() {
        let end = start.saturating_add(sizes.next().unwrap().max(1)).min(input.len());
        while start < end {
            match decoder.next(&input[start..end])? {
                Step::Data(range) => {
                    assert!(!range.is_empty());
                    data.extend_from_slice(&input[start..end][range.clone()]);
                    start += range.end;
                }
                Step::More => start = end,
                Step::End { consumed } => {
                    assert!(decoder.is_ended());
                    assert_eq!(decoder.next(b"x"), Err(E::Finished));
                    return Ok((data, Some(start + consumed)));
                }
            }
        }
    }
    assert!(!decoder.is_ended());
    Ok((data, None))
}

#[test]
fn bodies() {
    // What is read, what it holds, what is left for the next message.
    let cases: &[(&str, &str, &str)] = &[
        ("0\r\n\r\n", "", ""),
        ("000\r\n\r\n", "", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello", "GET / HTTP/1.1\r\n"),
        ("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", "abc0123456789", "0\r\n\r\n"),
        ("a\r\n\r\n0\r\n\r\n0\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n0\r\n", ""),
        ("0000000000000003\r\nabc\r\n0\r\n\r\n", "abc", "\r\n"),
        ("3;a=b\r\nabc\r\n0;last\r\n\r\n", "abc", ""),
        ("3;a=\"\u{e9} ;x\"\t\r\nabc\r\n0\r\n\r\n", "abc", ""),
        ("3 ;a\r\nabc\r\n0 \t;last\r\n\r\n", "abc", ""),
        ("1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n", "x", "D: e\r\n"),
    ];
    for (body, data, rest) in cases {
        for sizes in [&[usize::MAX][..], &[1], &[2], &[3, 1, 4]] {
            let found = decode(format!("{body}{rest}").as_bytes(), sizes);
            assert_eq!(found, Ok((data.as_bytes().to_vec(), Some(body.len()))), "{body:?} {sizes:?}");
        }
    }
}

#[test]
fn refusals() {
    let cases: &[(&[u8], ChunkError)] = &[
        (b"\r\n", E::Size(b'\r')),
        (b"\n", E::Size(b'\n')),
        (b";x\r\n", E::Size(b';')),
        (b" 5\r\nhello", E::Size(b' ')),
        (b"\t5\r\nhello", E::Size(b'\t')),
        (b"5 \r\nhello", E::Size(b' ')),
        (b"5 5\r\nhello", E::Size(b' ')),
        (b"5 x;\r\nhello", E::Size(b' ')),
        (b"5 \nhello", E::Size(b' ')),
        (b" ;x\r\n", E::Size(b' ')),
        (b"5\nhello", E::Size(b'\n')),
        (b"+5\r\nhello", E::Size(b'+')),
        (b"-1\r\nhello", E::Size(b'-')),
        (b"0x5\r\nhello", E::Size(b'x')),
        (b"g\r\n", E::Size(b'g')),
        (b"5_\r\n", E::Size(b'_')),
        (b"5,\r\n", E::Size(b',')),
        (b"5\0\r\n", E::Size(0)),
        (b"\xef\xbc\x95\r\n", E::Size(0xef)),
        (b"8000000000000000\r\n", E::SizeTooLarge),
        (b"ffffffffffffffff\r\n", E::SizeTooLarge),
        (b"10000000000000000\r\n", E::SizeTooLarge),
        (b"00000000000000005\r\nhello", E::SizeTooLarge),
        (b"5\rhello", E::LineEnd(b'h')),
        (b"5\r\r\nhello", E::LineEnd(b'\r')),
        (b"5\r\nhello0\r\n\r\n", E::LineEnd(b'0')),
        (b"5\r\nhello\n0\r\n\r\n", E::LineEnd(b'\n')),
        (b"5\r\nhello\r0", E::LineEnd(b'0')),
        (b"5\r\nhelloworld\r\n0\r\n\r\n", E::LineEnd(b'w')),
        (b"5\r\nhello\r\n\r\n", E::Size(b'\r')),
        (b"5;a\nb\r\nhello", E::Extension(b'\n')),
        (b"5;a\0b\r\nhello", E::Extension(0)),
        (b"5;a\x0bb\r\nhello", E::Extension(0x0b)),
        (b"5;a\x7f\r\nhello", E::Extension(0x7f)),
        (b"5;a\rb\r\nhello", E::LineEnd(b'b')),
        (b"5;\"a\r\n\"hello", E::LineEnd(b'o')),
        (b"0\r\n\n", E::Trailer(b'\n')),
        (b"0\r\n\rx", E::LineEnd(b'x')),
        (b"0\r\nA\r\n\r\n", E::Trailer(b'\r')),
        (b"0\r\nA : b\r\n\r\n", E::Trailer(b' ')),
        (b"0\r\n A: b\r\n\r\n", E::Trailer(b' ')),
        (b"0\r\n: b\r\n\r\n", E::Trailer(b':')),
        (b"0\r\nA: b\r\n c\r\n\r\n", E::Trailer(b' ')),
        (b"0\r\nA: b\nC: d\r\n\r\n", E::Trailer(b'\n')),
        (b"0\r\nA: b\rC: d\r\n\r\n", E::LineEnd(b'C')),
        (b"0\r\nA: \0\r\n\r\n", E::Trailer(0)),
        (b"0\r\nGET / HTTP/1.1\r\n\r\n", E::Trailer(b' ')),
    ];
    for (input, expected) in cases {
        for sizes in [&[usize::MAX][..], &[1]] {
            assert_eq!(decode(input, sizes), Err(*expected), "{}", input.escape_ascii());
        }
    }
}

#[test]
fn extensions_are_bounded_over_the_whole_body() {
    let chunk = format!("1;{}\r\nx\r\n", "e".repeat(MAX_EXTENSION_BYTES / 2));
    assert_eq!(decode(chunk.repeat(2).as_bytes(), &[1000]), Ok((b"xx".to_vec(), None)));
    assert_eq!(decode(chunk.repeat(3).as_bytes(), &[1000]), Err(E::ExtensionsTooLong));
    let spaces = format!("1{};\r\nx\r\n", " ".repeat(MAX_EXTENSION_BYTES + 1));
    assert_eq!(decode(spaces.as_bytes(), &[1000]), Err(E::ExtensionsTooLong));
}

#[test]
fn trailers_are_bounded() {
    let many = |count: usize| format!("0\r\n{}\r\n", "a:b\r\n".repeat(count));
    assert!(decode(many(MAX_TRAILERS).as_bytes(), &[7]).is_ok_and(|(_, end)| end.is_some()));
    assert_eq!(decode(many(MAX_TRAILERS + 1).as_bytes(), &[7]), Err(E::TrailersTooLong));
    let long = format!("0\r\na:{}\r\n\r\n", "b".repeat(MAX_TRAILER_BYTES));
    assert_eq!(decode(long.as_bytes(), &[7]), Err(E::TrailersTooLong));
}

#[test]
fn every_prefix_of_a_body_asks_for_more() {
    let body = b"5;x=y\r\nhello\r\n1f\r\n0123456789012345678901234567890\r\n0\r\nA: b\r\n\r\n";
    for end in 0..body.len() {
        assert!(matches!(decode(&body[..end], &[usize::MAX]), Ok((_, None))), "{end}");
    }
}

#[test]
fn a_huge_chunk_hands_out_what_is_there() {
    let mut decoder = ChunkDecoder::new();
    assert_eq!(decoder.next(b"7fffffffffffffff\r\nabc"), Ok(Step::Data(18..21)));
    assert_eq!(decoder.next(b"defg"), Ok(Step::Data(0..4)));
    assert_eq!(decoder.next(b""), Ok(Step::More));
}

#[test]
fn heads_are_written_in_hexadecimal() {
    for len in [1usize, 9, 10, 15, 16, 255, 256, 0x1_0000, 0xdead_beef, usize::MAX] {
        let mut out = Vec::new();
        write_chunk_head(&mut out, len);
        assert_eq!(out, format!("{len:x}\r\n").into_bytes());
    }
    let mut out = Vec::new();
    write_chunk_head(&mut out, 0);
    assert!(out.is_empty());
}

fn hostile_body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "0",
        "1",
        "5",
        "a",
        "F",
        "\r\n",
        "\r\n",
        "\r\n",
        "\r",
        "\n",
        ";",
        ";x=y",
        " ;x",
        "x",
        "hello",
        "A: b",
        "A:",
        " ",
        "\0",
        "1\r\nx\r\n",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "\u{e9}",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn pieces_do_not_matter(input in hostile_body(), sizes in prop::collection::vec(1usize..6, 1..8)) {
        let whole = decode(&input, &[usize::MAX]);
        prop_assert_eq!(&decode(&input, &[1]), &whole);
        prop_assert_eq!(&decode(&input, &sizes), &whole);
    }

    #[test]
    fn what_is_written_is_read(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
        sizes in prop::collection::vec(1usize..50, 1..8),
    ) {
        let mut written = Vec::new();
        for chunk in &chunks {
            write_chunk_head(&mut written, chunk.len());
            written.extend_from_slice(chunk);
            written.extend_from_slice(b"\r\n");
        }
        written.extend_from_slice(LAST_CHUNK);
        let end = written.len();
        written.extend_from_slice(b"next");
        prop_assert_eq!(decode(&written, &sizes), Ok((chunks.concat(), Some(end))));
    }

    /// Wherever we take a size line, another parser takes it and reads the same size.
    #[test]
    fn another_parser_reads_the_same_size(line in "[0-9a-fA-FgxG; \t=+-]{0,18}(\r\n|\n|\r|)x") {
        let mut decoder = ChunkDecoder::new();
        if let Ok(Step::Data(range)) = decoder.next(line.as_bytes()) {
            let size = decoder.size + range.len() as u64;
            prop_assert_eq!(httparse::parse_chunk_size(line.as_bytes()), Ok(httparse::Status::Complete((range.start, size))));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(input in prop::collection::vec(any::<u8>(), 0..64)) {
        let outcome = decode(&input, &[usize::MAX]);
        prop_assert_eq!(decode(&input, &[1]), outcome);
    }
}
