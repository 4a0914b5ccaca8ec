//! The PROXY header.

use std::net::SocketAddr;

use vallum::edge::preface::{MAX_V1_LEN, MAX_V2_LEN, Preface, parse};

/// More bytes never change what was decided, a header has its bound, and version 1 is read as its text says.
pub fn proxy_header(data: &[u8]) {
    let whole = parse(data);
    let cut = data.first().map_or(0, |b| usize::from(b.reverse_bits()) * data.len() / 256);
    let part = parse(&data[..cut]);
    if part != Preface::Incomplete {
        assert_eq!(part, whole, "cut at {cut}");
    }
    match whole {
        Preface::Incomplete => assert!(data.len() < MAX_V2_LEN),
        Preface::Refused(_) => {}
        Preface::Done { consumed, source, destination } => {
            assert!(consumed <= data.len() && consumed <= MAX_V2_LEN);
            assert_eq!(source.is_some(), destination.is_some());
            assert_eq!(parse(&data[..consumed]), whole, "the header alone");
            assert_eq!(parse(&data[..consumed - 1]), Preface::Incomplete, "all but its last byte");
            if data.starts_with(b"PROXY ") {
                assert!(consumed <= MAX_V1_LEN);
            }
            // What stands behind UNKNOWN means nothing, whatever it is.
            if data.starts_with(b"PROXY UNKNOWN") {
                assert_eq!(source, None);
            } else if data.starts_with(b"PROXY ") {
                version_1(&data[..consumed], source, destination);
            }
        }
    }
}

fn version_1(line: &[u8], source: Option<SocketAddr>, destination: Option<SocketAddr>) {
    let text = std::str::from_utf8(line).ok().and_then(|text| text.strip_suffix("\r\n")).expect("a line of text");
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        ["PROXY", family @ ("TCP4" | "TCP6"), from, to, from_port, to_port] => {
            let end = |address: &str, port: &str| SocketAddr::new(address.parse().unwrap(), port.parse().unwrap());
            assert_eq!((source, destination), (Some(end(from, from_port)), Some(end(to, to_port))), "{text}");
            assert_eq!(source.unwrap().is_ipv4(), family == "TCP4", "{text}");
        }
        _ => panic!("taken for a header: {text:?}"),
    }
}
