//! Messages of HTTP/1: heads, the length of bodies, chunks.

use vallum::http::framing::{BodyLength, ChunkDecoder, Step, of_request, of_response, write_chunk_head};
use vallum::http::head::{End, FIELDS_MAX, HEAD_BYTES_MAX, RequestHead, TARGET_BYTES_MAX, find_end};

use super::naive;

/// Where the head ends, asked in two steps and in one: the answers must be the same.
fn end_in_any_split(data: &[u8]) -> Option<usize> {
    let whole = find_end(data, 0);
    let cut = data.first().map_or(0, |b| usize::from(*b) * data.len() / 256);
    match find_end(&data[..cut], 0) {
        Ok(End::NotYet(seen)) => assert_eq!(find_end(data, seen), whole, "cut at {cut}"),
        // What the first part decides, the second cannot change.
        decided => assert_eq!(decided, whole, "cut at {cut}"),
    }
    match whole {
        Ok(End::At(length)) => Some(length),
        _ => None,
    }
}

/// A head that is taken is read as a naive reader reads it, and a plain good one is taken.
pub fn request_head(data: &[u8]) {
    let Some(length) = end_in_any_split(data) else { return };
    let bytes = &data[..length];
    let naive = naive::head(bytes);
    match RequestHead::parse(bytes.to_vec(), Vec::new()) {
        Ok(head) => {
            let naive = naive.expect("a head that a strict reader takes");
            assert_eq!(naive.line[..2], [head.method().as_bytes(), head.target()]);
            assert_eq!(naive.line[2], if head.is_1_1 { b"HTTP/1.1" } else { b"HTTP/1.0" });
            assert!(naive::is_token(head.method().as_bytes()) && !head.target().is_empty());
            assert_eq!(naive.fields, head.pairs().collect::<Vec<_>>());
            assert!(head.fields().len() <= FIELDS_MAX && head.target().len() <= TARGET_BYTES_MAX);
        }
        Err(error) => {
            let good = naive.is_some_and(|naive| is_plain(&naive)) && length <= HEAD_BYTES_MAX;
            assert!(!good, "refused a good head: {error}");
        }
    }
}

/// Nothing that an honest client would not send.
fn is_plain(head: &naive::Head<'_>) -> bool {
    let [method, target, version] = head.line;
    let is_plain_byte = |b: &u8| b.is_ascii_alphanumeric() || b"/?:@!$&'()*+,;=-._~%".contains(b);
    naive::is_token(method)
        && !target.is_empty()
        && target.len() <= TARGET_BYTES_MAX
        && target.iter().all(is_plain_byte)
        && matches!(version, b"HTTP/1.1" | b"HTTP/1.0")
        && head.fields.len() <= FIELDS_MAX
}

/// The first byte chooses version, method and status; the rest are fields, one a line.
pub fn framing(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let is_1_1 = choice & 1 == 0;
    let fields: Vec<(&[u8], &[u8])> = text
        .split(|b| *b == b'\n')
        .filter_map(|line| line.iter().position(|b| *b == b':').map(|at| (&line[..at], &line[at + 1..])))
        .filter(|(name, _)| naive::is_token(name))
        .map(|(name, value)| (name, naive::trim(value)))
        .collect();
    let named = |wanted: &[u8]| {
        let same = fields.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
        same.map(|(_, value)| *value).collect::<Vec<_>>()
    };
    let (lengths, codings) = (named(b"content-length"), named(b"transfer-encoding"));
    let stated = match (&lengths[..], &codings[..]) {
        ([], []) => Some(BodyLength::None),
        ([one], []) => decimal(one).map(BodyLength::Fixed),
        ([], [one]) if is_1_1 && one.eq_ignore_ascii_case(b"chunked") => Some(BodyLength::Chunked),
        _ => None,
    };
    let found = of_request(is_1_1, fields.iter().copied());
    if let Ok(found) = found {
        assert_eq!(Some(found), stated, "{fields:?}");
    }
    let is_disguised = fields.iter().any(|(name, _)| name.iter().any(|b| !b.is_ascii_alphanumeric() && *b != b'-'));
    assert!(found.is_ok() || stated.is_none() || is_disguised, "refused {fields:?}");

    let (is_head, status) = (choice & 2 != 0, [200, 204, 304, 404][usize::from(choice >> 2 & 3)]);
    let of_response = of_response(is_head, false, status, is_1_1, fields.iter().copied());
    match (found, of_response) {
        (Err(error), seen) => assert_eq!(seen, Err(error)),
        (Ok(_), Ok(BodyLength::None)) => assert!(is_head || matches!(status, 204 | 304)),
        (Ok(BodyLength::None), seen) => assert_eq!(seen, Ok(BodyLength::UntilClose)),
        (Ok(stated), seen) => assert_eq!(seen, Ok(stated)),
    }
}

fn decimal(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.len() <= 19 && value.iter().all(u8::is_ascii_digit);
    let number: u64 = is_number.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()?;
    (number <= i64::MAX as u64).then_some(number)
}

/// Decodes `bytes` in pieces of `piece` bytes: the data, and how many bytes the body took; `None` while it goes on.
fn decode(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Option<usize>), ()> {
    let mut decoder = ChunkDecoder::new();
    let mut data = Vec::new();
    let mut done = 0;
    for part in bytes.chunks(piece.max(1)) {
        let mut rest = part;
        loop {
            match decoder.next(rest).map_err(drop)? {
                Step::Data(range) => {
                    assert!(!range.is_empty());
                    data.extend_from_slice(&rest[range.clone()]);
                    done += range.end;
                    rest = &rest[range.end..];
                }
                Step::More => {
                    done += rest.len();
                    break;
                }
                Step::End { consumed } => return Ok((data, Some(done + consumed))),
            }
        }
    }
    assert!(!decoder.is_ended());
    Ok((data, None))
}

/// Any split gives the same body; a body that is taken is the one that a naive reader finds; what is written is read.
pub fn chunked(data: &[u8]) {
    let Some((piece, bytes)) = data.split_first() else { return };
    let whole = decode(bytes, usize::MAX);
    assert_eq!(decode(bytes, usize::from(*piece)), whole);
    if let Ok((body, Some(consumed))) = &whole {
        assert_eq!(naive::chunks(bytes), Some((body.clone(), *consumed)));
    }
    let mut written = Vec::new();
    for part in bytes.chunks(usize::from(*piece).max(1)) {
        write_chunk_head(&mut written, part.len());
        written.extend_from_slice(part);
        written.extend_from_slice(b"\r\n");
    }
    written.extend_from_slice(vallum::http::framing::LAST_CHUNK);
    let length = written.len();
    written.extend_from_slice(b"GET");
    assert_eq!(decode(&written, 7), Ok((bytes.to_vec(), Some(length))));
}
