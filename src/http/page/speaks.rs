//! What the client reads: a page, JSON, plain text, gRPC (RFC 9110 section 12.5.1).

use crate::http::fields::trim;

/// How an answer of ours must be written for the client to understand it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    Html,
    Json,
    Plain,
    Grpc,
    GrpcWeb,
    /// A `Status` object of the Kubernetes API, for `kubectl` and its kin.
    Kubernetes,
}

impl Speaks {
    /// Whether a person sits in front of it, who can be sent to a sign-in page.
    pub fn is_html(self) -> bool {
        self == Speaks::Html
    }
}

/// The most media ranges of an `Accept` value that are looked at.
const MAX_RANGES: usize = 32;

/// Reads what the client says about itself. HTML is for clients that ask for it by name; a bare `*/*` (fetch, curl)
/// or no `Accept` at all does not ask for it, and gets JSON if it sent JSON, plain text otherwise.
pub fn speaks(accept: Option<&[u8]>, content_type: Option<&[u8]>, user_agent: Option<&[u8]>) -> Speaks {
    if user_agent.is_some_and(|agent| memchr::memmem::find(agent, b"kubernetes/").is_some()) {
        return Speaks::Kubernetes;
    }
    let sent = content_type.map(|value| essence(value).0).unwrap_or_default();
    if is_media_family(sent, b"application/grpc-web") || is_media_family(sent, b"application/grpc-web-text") {
        return Speaks::GrpcWeb;
    }
    if is_grpc(content_type) {
        return Speaks::Grpc;
    }
    let otherwise = match is_json(sent) {
        true => Speaks::Json,
        false => Speaks::Plain,
    };
    accept.and_then(preferred).unwrap_or(otherwise)
}

/// Whether a message of this type is gRPC's (gRPC-Web is not).
pub fn is_grpc(content_type: Option<&[u8]>) -> bool {
    content_type.is_some_and(|value| is_media_family(essence(value).0, b"application/grpc"))
}

/// The best of what is asked for by name: highest weight, then first in order.
fn preferred(accept: &[u8]) -> Option<Speaks> {
    let mut best: Option<(u16, Speaks)> = None;
    for range in accept.split(|&byte| byte == b',').take(MAX_RANGES) {
        let (media, parameters) = essence(range);
        let Some(kind) = kind_of(media) else { continue };
        let weight = weight(parameters).unwrap_or(0);
        if weight > 0 && best.is_none_or(|(least, _)| weight > least) {
            best = Some((weight, kind));
        }
    }
    best.map(|(_, kind)| kind)
}

fn kind_of(media: &[u8]) -> Option<Speaks> {
    if media.eq_ignore_ascii_case(b"text/html") || media.eq_ignore_ascii_case(b"application/xhtml+xml") {
        return Some(Speaks::Html);
    }
    if is_json(media) || media.eq_ignore_ascii_case(b"application/*") {
        return Some(Speaks::Json);
    }
    match media.eq_ignore_ascii_case(b"text/plain") || media.eq_ignore_ascii_case(b"text/*") {
        true => Some(Speaks::Plain),
        false => None,
    }
}

fn is_json(media: &[u8]) -> bool {
    let is_structured = || {
        media.len().checked_sub(5).and_then(|at| media.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(b"+json"))
    };
    media.eq_ignore_ascii_case(b"application/json") || is_structured()
}

/// Whether `media` is `family`, or that with a `+suffix`.
fn is_media_family(media: &[u8], family: &[u8]) -> bool {
    match media.split_at_checked(family.len()) {
        Some((start, rest)) => start.eq_ignore_ascii_case(family) && matches!(rest, [] | [b'+', ..]),
        None => false,
    }
}

/// Type and subtype, and the parameters behind them.
fn essence(value: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b';', value) {
        Some(at) => {
            let (media, parameters) = value.split_at(at);
            (trim(media), parameters.get(1..).unwrap_or_default())
        }
        None => (trim(value), b""),
    }
}

/// The weight in thousandths, 1000 if none is given, `None` if it is malformed (RFC 9110 section 12.4.2).
fn weight(parameters: &[u8]) -> Option<u16> {
    let weight = parameters.split(|&byte| byte == b';').map(trim).find_map(|parameter| match parameter {
        [b'q' | b'Q', rest @ ..] => trim(rest).strip_prefix(b"=").map(trim),
        _ => None,
    });
    let Some(weight) = weight else { return Some(1000) };
    let (whole, fraction) = match weight {
        [whole] => (*whole, &b""[..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (*whole, fraction),
        _ => return None,
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let thousandths = [100, 10, 1].iter().zip(fraction).map(|(unit, digit)| unit * u16::from(digit - b'0')).sum();
    match whole {
        b'0' => Some(thousandths),
        b'1' if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_accept(accept: &str) -> Speaks {
        speaks(Some(accept.as_bytes()), None, None)
    }

    #[test]
    fn accept_values() {
        use Speaks::{Html, Json, Plain};
        let cases = [
            ("text/html", Html),
            ("TEXT/HTML;charset=utf-8", Html),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", Html),
            ("application/xhtml+xml", Html),
            ("application/json", Json),
            ("application/problem+json", Json),
            ("application/*", Json),
            ("application/json, text/plain, */*", Json),
            ("text/html, application/json", Html),
            ("application/json, text/html", Json),
            ("application/json;q=0.9, text/html", Html),
            ("text/html;q=0.5, application/json;q=0.501", Json),
            ("text/html;q=0, application/json;q=0.1", Json),
            ("text/html;q=0", Plain),
            ("text/html;q=0.000", Plain),
            ("text/html ; q = 0.3 , text/plain ; Q=0.2", Html),
            ("text/html;level=1;q=0.2, text/plain;q=0.3", Plain),
            ("text/html;q=2", Plain),
            ("text/html;q=1.001", Plain),
            ("text/html;q=0.1234", Plain),
            ("text/html;q=.5", Plain),
            ("text/html;q=", Plain),
            ("text/html;q=x, application/json;q=0.1", Json),
            ("text/html;q=1.000", Html),
            ("text/*", Plain),
            ("text/plain", Plain),
            ("*/*", Plain),
            ("image/png", Plain),
            ("", Plain),
            (",,;;q=1,", Plain),
            ("text/htmlx", Plain),
            ("text/event-stream", Plain),
        ];
        for (accept, expected) in cases {
            assert_eq!(by_accept(accept), expected, "{accept}");
        }
        assert_eq!(speaks(None, None, None), Plain);
        let late = format!("{}text/html", "a/b,".repeat(MAX_RANGES));
        assert_eq!(by_accept(&late), Plain);
    }

    #[test]
    fn what_was_sent_counts_too() {
        let cases: &[(&str, Option<&str>, Speaks)] = &[
            ("application/grpc", None, Speaks::Grpc),
            ("application/grpc+proto", Some("text/html"), Speaks::Grpc),
            ("Application/gRPC; x=y", None, Speaks::Grpc),
            ("application/grpc-web", None, Speaks::GrpcWeb),
            ("application/grpc-web+proto", Some("*/*"), Speaks::GrpcWeb),
            ("application/grpc-web-text", None, Speaks::GrpcWeb),
            ("application/grpcx", None, Speaks::Plain),
            ("application/json", None, Speaks::Json),
            ("application/json; charset=utf-8", Some("*/*"), Speaks::Json),
            ("application/json", Some("text/html"), Speaks::Html),
            ("application/x-www-form-urlencoded", Some("text/html"), Speaks::Html),
        ];
        for (sent, accept, expected) in cases {
            let found = speaks(accept.map(str::as_bytes), Some(sent.as_bytes()), None);
            assert_eq!(found, *expected, "{sent} {accept:?}");
        }
    }

    #[test]
    fn kubernetes_agents() {
        let kubectl = b"kubectl/v1.30.0 (linux/amd64) kubernetes/7c48c2b";
        assert_eq!(speaks(Some(b"application/json"), None, Some(kubectl)), Speaks::Kubernetes);
        assert_eq!(speaks(Some(b"text/html"), None, Some(b"Mozilla/5.0")), Speaks::Html);
        assert_eq!(speaks(None, None, Some(b"Kubernetes")), Speaks::Plain);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            accept in prop::collection::vec(any::<u8>(), 0..40),
            words in "((text|application|\\*)/(html|json|\\*|grpc)|;|,|q=|[01]|\\.| ){0,20}",
        ) {
            let found = speaks(Some(&accept), Some(&accept), Some(&accept));
            prop_assert!(!found.is_html() || accept.len() > 8);
            let asked = by_accept(&words).is_html();
            prop_assert!(!asked || words.contains("text/html") || words.contains("application/xhtml+xml"));
        }
    }
}
