//! What is sent: heads, trailers, continuation, and the ends of streams.

use super::super::hpack::{Bounds, Decoder, Fields};
use super::*;

fn decoded(decoder: &mut Decoder, block: &[u8]) -> Vec<String> {
    let mut fields = Fields::default();
    decoder.decode(block, &Bounds { bytes: 1 << 20, lines: 1000 }, &mut fields).unwrap();
    let text = |span: crate::http::head::Span| String::from_utf8_lossy(&fields.bytes[span.range()]).into_owned();
    fields.lines.iter().map(|line| format!("{}={}", text(line.name), text(line.value))).collect()
}

fn pairs<'a>(fields: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

#[test]
fn a_response_with_everything() {
    let mut server = Server::new();
    server.take(&get(1)).unwrap();
    let (connection, stream) = (&mut server.connection, StreamId(1));
    connection.send_head(stream, 103, pairs(&[("Link", "</a>")]), true).unwrap();
    connection
        .send_head(stream, 200, pairs(&[("Content-Type", "text/plain"), ("Connection", "close")]), false)
        .unwrap();
    assert!(connection.send_head(stream, 200, pairs(&[]), true).is_err());
    assert_eq!(connection.send_data(stream, b"hello", false), Ok(5));
    assert_eq!(connection.send_data(stream, b"", false), Ok(0));
    connection.send_trailers(stream, pairs(&[("Grpc-Status", "0")])).unwrap();
    assert!(connection.send_data(stream, b"x", true).is_err() && connection.send_trailers(stream, pairs(&[])).is_err());
    connection.release(stream);
    let frames = server.frames();
    let shape: Vec<(u8, u8)> = frames.iter().map(|sent| (sent.kind, sent.flags)).collect();
    assert_eq!(shape, [(1, 4), (1, 4), (0, 0), (1, 5)]);
    let mut decoder = Decoder::new();
    assert_eq!(decoded(&mut decoder, &frames[0].payload), ["=103", "link=</a>"]);
    assert_eq!(decoded(&mut decoder, &frames[1].payload), ["=200", "content-type=text/plain"]);
    assert_eq!(frames[2].payload, b"hello");
    assert_eq!(decoded(&mut decoder, &frames[3].payload), ["grpc-status=0"]);
    assert_eq!(server.connection.streams(), 0);
}

#[test]
fn large_heads_are_continued() {
    let mut server = Server::new();
    server.take(&get(1)).unwrap();
    let value = "v".repeat(20_000);
    let fields = [("a", &*value), ("b", &*value)];
    server.connection.send_head(StreamId(1), 200, pairs(&fields), true).unwrap();
    let frames = server.frames();
    let shape: Vec<(u8, u8)> = frames.iter().map(|sent| (sent.kind, sent.flags)).collect();
    assert_eq!(shape, [(1, 1), (9, 0), (9, 4)]);
    let block: Vec<u8> = frames.iter().flat_map(|sent| sent.payload.clone()).collect();
    assert_eq!(decoded(&mut Decoder::new(), &block)[1..], [format!("a={value}"), format!("b={value}")]);
}

#[test]
fn a_release_tells_the_client_what_it_cut() {
    // (request ended, response: none, begun or ended) and the reset that it takes
    for (ended, local, code) in [
        (true, 0, Some(ErrorCode::INTERNAL_ERROR)),
        (true, 1, Some(ErrorCode::INTERNAL_ERROR)),
        (true, 2, None),
        (false, 2, Some(ErrorCode::NO_ERROR)),
    ] {
        let mut server = Server::new();
        server.take(&headers(1, ended, POST)).unwrap();
        if local > 0 {
            server.connection.send_head(StreamId(1), 200, pairs(&[]), local == 2).unwrap();
        }
        server.connection.release(StreamId(1));
        server.connection.release(StreamId(1));
        assert_eq!(server.reset_code(1), code);
        assert!(server.connection.send_head(StreamId(1), 200, pairs(&[]), true).is_err());
    }
}

#[test]
fn a_stream_that_the_client_took_back_takes_nothing() {
    let mut server = Server::new();
    server.take(&[headers(1, false, POST), data(1, false, b"abc"), reset(1, 8)].concat()).unwrap();
    assert_eq!(server.seen(), ["1 POST / host=a.example Chunked", "1 data", "1 reset cancel client"]);
    let (connection, stream) = (&mut server.connection, StreamId(1));
    assert!(connection.send_head(stream, 200, pairs(&[]), true).is_err());
    assert_eq!(connection.take_data(stream, &mut Vec::new()), 0);
    assert_eq!(connection.streams(), 1);
    connection.release(stream);
    assert!(connection.streams() == 0 && connection.output().is_empty());
}
