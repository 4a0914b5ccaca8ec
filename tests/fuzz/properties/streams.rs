//! Connections of HTTP/2.

use vallum::edge::codec::h2::{Connection, Event, Limits};
use vallum::http::framing::BodyLength;

use super::naive;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Most that one input may make the connection say.
const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What an input led to.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    requests: Vec<String>,
    bodies: usize,
    failed: bool,
}

/// Offers the preface and `data` in pieces of `piece` bytes, and answers every request at once.
fn talk(data: &[u8], piece: usize) -> Heard {
    let mut connection = Connection::server(Limits::default());
    let mut heard = Heard::default();
    let mut said = 0;
    let all = [PREFACE, data].concat();
    let mut inbox = Vec::new();
    for part in all.chunks(piece.max(1)) {
        inbox.extend_from_slice(part);
        match connection.receive(&inbox, 1) {
            Ok(consumed) => drop(inbox.drain(..consumed)),
            Err(_) => heard.failed = true,
        }
        attend(&mut connection, &mut heard);
        said += connection.output().len();
        connection.output().clear();
        assert!(said <= OUTPUT_BYTES_MAX, "{said} bytes said");
        if heard.failed {
            break;
        }
    }
    heard
}

fn attend(connection: &mut Connection, heard: &mut Heard) {
    while let Some(event) = connection.poll_event() {
        match event {
            Event::Request { stream, head, body, .. } => {
                assert!(naive::is_token(head.method().as_bytes()));
                let clean = |bytes: &[u8]| !bytes.iter().any(|b| matches!(b, 0 | b'\r' | b'\n'));
                assert!(
                    clean(head.target()) && head.pairs().all(|(name, value)| naive::is_token(name) && clean(value))
                );
                assert!(!head.pairs().any(|(name, _)| name.eq_ignore_ascii_case(b"transfer-encoding")));
                assert_ne!(body, BodyLength::UntilClose);
                heard.requests.push(format!("{} {}", head.method(), String::from_utf8_lossy(head.target())));
                let mut taken = Vec::new();
                heard.bodies += connection.take_data(stream, &mut taken);
                connection.send_head(stream, 200, [(&b"a"[..], &b"b"[..])].into_iter(), false).ok();
                connection.send_data(stream, b"ok", true).ok();
                connection.release(stream);
            }
            Event::Refused { stream, .. } => connection.release(stream),
            Event::Data { stream } => {
                let mut taken = Vec::new();
                heard.bodies += connection.take_data(stream, &mut taken);
            }
            Event::Malformed { .. } | Event::End { .. } | Event::Reset { .. } => {}
            Event::Writable { .. } | Event::GoAway { .. } => {}
        }
    }
}

/// The first byte chooses a split. Requests are as clean as those of HTTP/1, and come in the same order in every split;
/// those that are taken back, or turn out to be malformed, before anybody looks are not seen at all.
pub fn http2(data: &[u8]) {
    let Some((piece, frames)) = data.split_first() else { return };
    let whole = talk(frames, usize::MAX);
    let split = talk(frames, usize::from(*piece));
    // Whether a stream is answered already when a frame too many comes for it depends on the split, and with it whether
    // the frame ends the stream or the connection (RFC 9113 section 5.1). What was heard before that end is the same.
    let (fewer, more) = if split.failed && !whole.failed { (&split, &whole) } else { (&whole, &split) };
    let mut seen = more.requests.iter();
    for request in &fewer.requests {
        assert!(seen.any(|other| other == request), "{request} of {fewer:?} is not in {more:?}");
    }
}
