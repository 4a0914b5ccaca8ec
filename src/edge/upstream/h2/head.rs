//! The request's head for HTTP/2. It is made of the head that HTTP/1.1 would get, so that both say the same: what passes,
//! what is rewritten and who is vouched for is decided in one place.

use ::h2::ext::Protocol;
use ::http::header::{HOST, HeaderName, HeaderValue, TE};
use ::http::uri::{Authority, PathAndQuery, Scheme};
use ::http::{HeaderMap, Method, Request, Uri};

use crate::edge::websocket::handshake;
use crate::plan::route::upgrades::WEBSOCKET;

/// Fields of one connection, for which HTTP/2 has no place (RFC 9113 section 8.2.2), a route's own included.
const OF_CONNECTIONS: [&str; 5] = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// The request cannot be said in HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request cannot be sent over HTTP/2: {0}")]
pub struct Unsendable(&'static str);

/// What a WebSocket's handshake has in HTTP/1.1 alone (RFC 8441 section 5), and what no CONNECT has.
const OF_UPGRADES: [&str; 2] = [handshake::KEY, "content-length"];

/// The head in `text`, a whole head of HTTP/1.1 of our own making. `is_websocket`: it asks for one, by an extended CONNECT
/// here (RFC 8441).
pub fn request(text: &[u8], secure: bool, is_websocket: bool) -> Result<Request<()>, Unsendable> {
    let mut room = vec![httparse::EMPTY_HEADER; memchr::memchr_iter(b'\n', text).count()];
    let mut parsed = httparse::Request::new(&mut room);
    let (Ok(_), Some(method), Some(target)) = (parsed.parse(text), parsed.method, parsed.path) else {
        return Err(Unsendable("its head is malformed"));
    };
    let mut authority = None;
    let mut fields = HeaderMap::with_capacity(parsed.headers.len());
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| Unsendable("a field's name"))?;
        if name == HOST {
            authority = Some(Authority::try_from(header.value).map_err(|_| Unsendable("its host"))?);
        } else if passes(&name, header.value) && !(is_websocket && OF_UPGRADES.contains(&name.as_str())) {
            let value = HeaderValue::from_bytes(header.value).map_err(|_| Unsendable("a field's value"))?;
            fields.try_append(name, value).map_err(|_| Unsendable("too many fields"))?;
        }
    }
    let mut parts = ::http::uri::Parts::default();
    parts.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = authority;
    parts.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| Unsendable("its path"))?);
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|_| Unsendable("its method"))?;
    if is_websocket {
        *request.method_mut() = Method::CONNECT;
        request.extensions_mut().insert(Protocol::from_static(WEBSOCKET));
    }
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Unsendable("its target"))?;
    *request.headers_mut() = fields;
    Ok(request)
}

/// Whether HTTP/2 has a place for the field. Of `TE` it has one for `trailers` alone (RFC 9113 section 8.2.2), which gRPC
/// servers insist on.
fn passes(name: &HeaderName, value: &[u8]) -> bool {
    if name == TE { value.eq_ignore_ascii_case(b"trailers") } else { !OF_CONNECTIONS.contains(&name.as_str()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_head_is_said_in_http_2() {
        let text = b"POST /a?b=c HTTP/1.1\r\nhost: x.test:81\r\ncontent-type: application/grpc\r\nX-A: 1\r\nx-a: 2\r\n\
            content-length: 3\r\ntransfer-encoding: chunked\r\nconnection: te\r\nupgrade: y\r\nKeep-Alive: 5\r\n\
            te: gzip\r\nte: trailers\r\n\r\n";
        let request = super::request(text, false, false).unwrap();
        assert_eq!((request.method().as_str(), request.uri().to_string().as_str()), ("POST", "http://x.test:81/a?b=c"));
        let fields: Vec<_> = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let expected: [(&str, &[u8]); 5] = [
            ("content-type", b"application/grpc"),
            ("x-a", b"1"),
            ("x-a", b"2"),
            ("content-length", b"3"),
            ("te", b"trailers"),
        ];
        assert_eq!(fields, expected);
        let star = super::request(b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", true, false).unwrap();
        assert_eq!((star.uri().path(), star.uri().scheme_str()), ("*", Some("https")));
        assert!(star.headers().is_empty());
    }

    #[test]
    fn an_upgrade_becomes_an_extended_connect() {
        let text = b"GET /chat HTTP/1.1\r\nhost: x\r\nsec-websocket-version: 13\r\nSec-WebSocket-Key: a\r\ncontent-length: 0\r\n\
            origin: https://x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        let request = super::request(text, false, true).unwrap();
        assert_eq!((request.method().as_str(), request.uri().to_string().as_str()), ("CONNECT", "http://x/chat"));
        assert_eq!(request.extensions().get::<super::Protocol>().map(super::Protocol::as_str), Some("websocket"));
        let names: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["sec-websocket-version", "origin"]);
    }

    #[test]
    fn what_http_2_cannot_say_is_refused() {
        for text in ["GET / HTTP/1.1\r\nhost: a b\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET /\r\n", ""] {
            assert!(super::request(text.as_bytes(), false, false).is_err(), "{text:?}");
        }
    }
}
