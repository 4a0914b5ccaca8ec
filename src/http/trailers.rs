//! Trailers: the fields behind a body (RFC 9110 section 6.5). A recipient may merge them into the head, so what would
//! change the meaning of a head there is never kept.

use super::fields::{self, FieldKind, is_token, trim, value_is_clean};
use super::head::Span;

/// Most bytes of names and values in one trailer section.
pub const BYTES_MAX: usize = 64 * 1024;
/// Most fields in one trailer section.
pub const FIELDS_MAX: usize = 128;

/// The trailers of one message, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trailers {
    bytes: Vec<u8>,
    fields: Vec<(Span, Span)>,
}

/// There are more trailers than [`BYTES_MAX`] or [`FIELDS_MAX`] allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the trailers are larger than {BYTES_MAX} bytes or more than {FIELDS_MAX}")]
pub struct TooLarge;

impl Trailers {
    /// Reads the trailer section of a chunked body, whose form was checked: lines that end in CR LF, without the empty
    /// one at the end.
    pub fn parse(section: &[u8]) -> Result<Self, TooLarge> {
        let mut trailers = Trailers::default();
        for line in section.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let colon = memchr::memchr(b':', line).unwrap_or(line.len());
            let (name, value) = line.split_at(colon);
            let value = value.strip_prefix(b":").unwrap_or(value);
            trailers.add(name, trim(value.strip_suffix(b"\r").unwrap_or(value)))?;
        }
        Ok(trailers)
    }

    /// Adds a field, unless it [`may not`](may_trail) stand behind a body or is malformed.
    pub fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), TooLarge> {
        if !is_token(name) || !value_is_clean(value) || !may_trail(name) {
            return Ok(());
        }
        let start = self.bytes.len();
        let (middle, end) = (start + name.len(), start + name.len() + value.len());
        if end > BYTES_MAX || self.fields.len() >= FIELDS_MAX {
            return Err(TooLarge);
        }
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.fields.push((Span::new(start, middle), Span::new(middle, end)));
        Ok(())
    }

    /// Keeps the fields whose name `keep` wants.
    pub fn retain(&mut self, keep: impl Fn(&[u8]) -> bool) {
        let bytes = &self.bytes;
        self.fields.retain(|(name, _)| keep(&bytes[name.range()]));
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|(name, value)| (&self.bytes[name.range()], &self.bytes[value.range()]))
    }

    /// Appends the lines of a trailer section, without the empty one at its end.
    pub fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in self.iter() {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Whether a field may stand behind a body (RFC 9110 section 6.5.1): nothing about framing, routing, who asks and from
/// where, how to read the body, or what caches and browsers do with the message, however its name is spelt.
pub fn may_trail(name: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"age",
        b"alt-svc",
        b"cache-control",
        b"clear-site-data",
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-location",
        b"content-range",
        b"content-security-policy",
        b"content-security-policy-report-only",
        b"content-type",
        b"date",
        b"expires",
        b"http2-settings",
        b"location",
        b"max-forwards",
        b"pragma",
        b"priority",
        b"range",
        b"refresh",
        b"retry-after",
        b"set-cookie2",
        b"strict-transport-security",
        b"vary",
        b"via",
        b"warning",
        b"www-authenticate",
        b"x-csrf-token",
        b"x-frame-options",
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-requested-with",
        b"x-xss-protection",
    ];
    const PREFIXES: &[&[u8]] =
        &[b"accept-", b"access-control-", b"cf-", b"if-", b"impersonate-", b"proxy-", b"sec-", b"x-serverless-"];
    // The grpc- fields of a request say how its messages are to be read; those of a response say how it ended.
    const GRPC: &[&[u8]] = &[b"grpc-timeout", b"grpc-encoding", b"grpc-accept-encoding"];
    let folded = fields::fold(name);
    fields::classify(&folded) == FieldKind::Other
        && !NAMES.contains(&&*folded)
        && !GRPC.contains(&&*folded)
        && !PREFIXES.iter().any(|prefix| folded.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(section: &str) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Trailers::parse(section.as_bytes()).unwrap().iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn a_section_is_read_and_written() {
        let section = "X-Sum: 42\r\nGrpc-Status:0\r\nempty:\r\nspaced: \t a b \r\n";
        let trailers = Trailers::parse(section.as_bytes()).unwrap();
        let mut out = Vec::new();
        trailers.write(&mut out);
        assert_eq!(out, b"X-Sum: 42\r\nGrpc-Status: 0\r\nempty: \r\nspaced: a b\r\n");
        assert!(Trailers::parse(b"").unwrap().is_empty());
    }

    #[test]
    fn what_would_change_a_head_is_dropped() {
        for name in [
            "Content-Length",
            "content_length",
            "Transfer.Encoding",
            "Host",
            "Connection",
            "Trailer",
            "TE",
            "Authorization",
            "Cookie",
            "Set-Cookie",
            "Set_Cookie",
            "X-Pomerium-Jwt-Assertion",
            "x_pomerium_claim_email",
            "X.Pomerium-Claim-Email",
            "X-Forwarded-For",
            "Forwarded",
            "Content-Type",
            "Content_Encoding",
            "Cache-Control",
            "If-None-Match",
            "Proxy-Anything",
            "Sec-Fetch-Mode",
            "Impersonate-User",
            "X-Request-Id",
            "grpc-timeout",
            "Location",
        ] {
            assert_eq!(read(&format!("a: b\r\n{name}: x\r\n")), [("a".into(), "b".into())], "{name}");
            assert!(!may_trail(name.as_bytes()), "{name}");
        }
        for name in ["grpc-status", "grpc-message", "grpc-status-details-bin", "x-checksum", "content-digest", "my_key"]
        {
            assert!(may_trail(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn malformed_fields_are_dropped_and_too_many_refused() {
        let mut trailers = Trailers::default();
        for (name, value) in [("a b", "x"), ("", "x"), ("a", "x\r\ny: z"), ("a", "\0")] {
            trailers.add(name.as_bytes(), value.as_bytes()).unwrap();
        }
        assert!(trailers.is_empty());
        for _ in 0..FIELDS_MAX {
            trailers.add(b"a", b"b").unwrap();
        }
        assert_eq!(trailers.add(b"a", b"b"), Err(TooLarge));
        let mut trailers = Trailers::default();
        assert_eq!(trailers.add(b"a", &vec![b'x'; BYTES_MAX]), Err(TooLarge));
        trailers.add(b"a", &vec![b'x'; BYTES_MAX - 1]).unwrap();
    }

    #[test]
    fn some_are_kept() {
        let mut trailers = Trailers::parse(b"a: 1\r\nb: 2\r\na: 3\r\n").unwrap();
        trailers.retain(|name| name == b"a");
        assert_eq!(trailers.iter().map(|(_, value)| value).collect::<Vec<_>>(), [b"1", b"3"]);
    }
}
