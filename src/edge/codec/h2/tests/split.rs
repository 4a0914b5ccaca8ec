//! However the bytes are cut, the same happens.

use proptest::prelude::*;

use super::requests::in_parts;
use super::*;

/// A conversation with something of everything.
fn conversation() -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    bytes.extend(settings(&[(4, 70_000), (3, 10)]));
    bytes.extend(headers(1, false, POST));
    bytes.extend(data(1, false, b"hello"));
    bytes.extend(frame(kind::DATA, flag::PADDED | flag::END_STREAM, 1, b"\x03 world\0\0\0"));
    for part in in_parts(3, true, &block(&[GET, &[("cookie", "a"), ("cookie", "b")]].concat()), 7) {
        bytes.extend(part);
    }
    bytes.extend(frame(kind::PING, 0, 0, b"01234567"));
    bytes.extend(frame(0x77, 0xff, 9, b"unknown"));
    bytes.extend(headers(5, true, &[(":bad", "x")]));
    bytes.extend(headers(7, false, POST));
    bytes.extend(window_update(7, 5));
    bytes.extend(reset(7, 8));
    bytes.extend(frame(kind::GOAWAY, 0, 0, &[0; 8]));
    bytes
}

/// What comes out when the bytes come in pieces that end at `cuts`.
fn run(bytes: &[u8], pieces: impl Iterator<Item = usize>) -> (Vec<String>, Vec<u8>, Result<(), ConnectionError>) {
    let mut server = Server::fresh(Limits::default());
    let (mut inbox, mut events, mut at) = (Vec::new(), Vec::new(), 0usize);
    for piece in pieces.chain([usize::MAX]) {
        let next = bytes.len().min(at.saturating_add(piece));
        inbox.extend_from_slice(&bytes[at..next]);
        at = next;
        match server.connection.receive(&inbox, 1) {
            Ok(used) => drop(inbox.drain(..used)),
            Err(error) => return (Vec::new(), std::mem::take(server.connection.output()), Err(error)),
        }
        events.extend(server.seen());
    }
    // Data is announced as often as it was taken note of.
    events.dedup();
    let mut body = Vec::new();
    server.connection.take_data(StreamId(1), &mut body);
    events.push(String::from_utf8_lossy(&body).into_owned());
    (events, std::mem::take(server.connection.output()), Ok(()))
}

#[test]
fn byte_by_byte_is_all_at_once() {
    let bytes = conversation();
    let whole = run(&bytes, [].into_iter());
    assert_eq!(whole.0.len(), 9);
    assert_eq!(whole.0.last().unwrap(), "hello world");
    assert_eq!(run(&bytes, std::iter::repeat_n(1, bytes.len())), whole);
}

proptest! {
    #[test]
    fn any_pieces_are_all_at_once(pieces in proptest::collection::vec(1usize..60, 0..100)) {
        let bytes = conversation();
        prop_assert_eq!(run(&bytes, pieces.into_iter()), run(&bytes, [].into_iter()));
    }

    /// Bytes that were changed somewhere: no panic, and still the same however they are cut.
    #[test]
    fn damaged_bytes_do_no_harm(
        damage in proptest::collection::vec((24usize..400, any::<u8>()), 1..6),
        pieces in proptest::collection::vec(1usize..60, 0..60),
    ) {
        let mut bytes = conversation();
        for (at, byte) in damage {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        let whole = run(&bytes, [].into_iter());
        let cut = run(&bytes, pieces.into_iter());
        prop_assert_eq!(&cut.2, &whole.2);
        prop_assert_eq!(&cut.1, &whole.1);
    }

    #[test]
    fn noise_does_no_harm(frames in proptest::collection::vec((0u8..11, any::<u8>(), 0u32..8, proptest::collection::vec(any::<u8>(), 0..40)), 0..60)) {
        let mut server = Server::new();
        for (kind, flags, stream, payload) in frames {
            let result = server.connection.receive(&frame(kind, flags, stream, &payload), 1);
            for event in server.events() {
                if let Event::Request { stream, .. } | Event::Refused { stream, .. } = event {
                    let _ = server.connection.send_head(stream, 200, std::iter::empty(), payload.len() % 2 == 0);
                    let _ = server.connection.send_data(stream, &payload, payload.len() % 3 == 0);
                    if payload.len() % 5 == 0 {
                        server.connection.release(stream);
                    }
                }
            }
            if result.is_err() {
                break;
            }
        }
        server.frames();
    }
}
