//! A decoded header block to a request in the form that the rest of the street knows, or a word about why it is
//! malformed (RFC 9113 section 8, RFC 8441 section 4). What passes here is as clean as a head of HTTP/1.

use super::hpack::{Fields, Line, Meaning, Oversize};
use crate::http::fields::{self, FieldKind};
use crate::http::framing::{self, BodyLength};
use crate::http::head::{Field, HeadError, RequestHead, Span};
use crate::http::trailers::Trailers;

/// What an extended CONNECT asks the stream to become (RFC 8441).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    WebSocket,
    /// Any other word.
    Other,
}

/// A request whose head is well-formed.
#[derive(Debug)]
pub struct Request {
    pub head: RequestHead,
    /// `Chunked` means that the length is not known: there is no such coding here.
    pub body: BodyLength,
    pub protocol: Option<Protocol>,
}

/// Why a block did not become a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The request breaks the protocol: the stream is reset. The slug says how.
    Malformed(&'static str),
    /// The request is well-formed as far as it was looked at, but too large.
    Refused(HeadError),
}

use Rejection::Malformed;

/// The pseudo-headers and what the fields say, gathered in one pass.
#[derive(Default)]
struct Parts {
    method: Option<Span>,
    scheme: Option<Span>,
    authority: Option<Span>,
    path: Option<Span>,
    protocol: Option<Span>,
    host: Option<Span>,
    length: Option<u64>,
    crumbs: usize,
}

/// Makes a request of `fields`, whose bytes it takes. `end` says that no body follows.
pub fn build(fields: &mut Fields, end: bool, extended_connect: bool) -> Result<Request, Rejection> {
    let parts = Parts::gather(&fields.bytes, &fields.lines)?;
    if let Some(oversize) = fields.oversize {
        return Err(Rejection::Refused(match oversize {
            Oversize::Bytes => HeadError::TooLarge,
            Oversize::Lines => HeadError::TooManyFields,
        }));
    }
    let (method, target, protocol) = parts.line(&fields.bytes, extended_connect)?;
    let body = parts.body(end, protocol)?;
    let mut bytes = std::mem::take(&mut fields.bytes);
    // From here on it is what HTTP/1 calls it: a GET that asks for an upgrade (RFC 8441 section 5).
    let method = if protocol == Some(Protocol::WebSocket) { append(&mut bytes, b"GET") } else { method };
    let mut list = std::mem::take(&mut fields.list);
    parts.fields(&fields.lines, &mut bytes, &mut list);
    let head = RequestHead::from_parts(bytes, method, target, list).map_err(Rejection::Refused)?;
    Ok(Request { head, body, protocol })
}

/// Trailers (RFC 9113 section 8.1): no pseudo-headers, and fields as clean as in a head. `None` when none may go on.
pub fn trailers(fields: &Fields) -> Result<Option<Box<Trailers>>, Rejection> {
    let clean = fields.lines.iter().all(|line| line.clean && matches!(line.meaning, Meaning::Field(_)));
    if !clean || fields.oversize.is_some() {
        return Err(Malformed("trailers"));
    }
    let mut trailers = Trailers::default();
    for line in &fields.lines {
        let (name, value) = (text(&fields.bytes, line.name), text(&fields.bytes, line.value));
        trailers.add(name, value).map_err(|_| Malformed("trailers"))?;
    }
    Ok((!trailers.is_empty()).then(|| Box::new(trailers)))
}

fn text(bytes: &[u8], span: Span) -> &[u8] {
    &bytes[span.range()]
}

impl Parts {
    fn gather(bytes: &[u8], lines: &[Line]) -> Result<Self, Rejection> {
        let mut parts = Parts::default();
        let mut fields_begun = false;
        for line in lines {
            if !line.clean {
                return Err(Malformed("field_value"));
            }
            let place = match line.meaning {
                Meaning::Field(kind) => {
                    fields_begun = true;
                    parts.field(kind, text(bytes, line.value), line.value)?;
                    continue;
                }
                Meaning::Malformed => return Err(Malformed("field_name")),
                Meaning::Method => &mut parts.method,
                Meaning::Scheme => &mut parts.scheme,
                Meaning::Authority => &mut parts.authority,
                Meaning::Path => &mut parts.path,
                Meaning::Protocol => &mut parts.protocol,
            };
            if fields_begun || place.replace(line.value).is_some() {
                return Err(Malformed("pseudo_header_order"));
            }
        }
        Ok(parts)
    }

    #[inline]
    fn field(&mut self, kind: FieldKind, value: &[u8], span: Span) -> Result<(), Rejection> {
        match kind {
            FieldKind::Host if self.host.replace(span).is_some() => return Err(Malformed("host_repeated")),
            FieldKind::ContentLength => {
                let length = framing::content_length(value).map_err(|_| Malformed("content_length"))?;
                if self.length.replace(length).is_some() {
                    return Err(Malformed("content_length_repeated"));
                }
            }
            FieldKind::Te if !value.eq_ignore_ascii_case(b"trailers") => return Err(Malformed("te")),
            FieldKind::Cookie => self.crumbs += 1,
            _ => {}
        }
        Ok(())
    }

    /// Method, target and protocol (RFC 9113 sections 8.3.1 and 8.5, RFC 8441 section 4).
    fn line(&self, bytes: &[u8], extended: bool) -> Result<(Span, Span, Option<Protocol>), Rejection> {
        let method = self.method.ok_or(Malformed("method_missing"))?;
        if !fields::is_token(text(bytes, method)) {
            return Err(Malformed("method"));
        }
        self.check_authority(bytes)?;
        let connect = text(bytes, method) == b"CONNECT";
        if connect && self.protocol.is_none() {
            if self.scheme.is_some() || self.path.is_some() {
                return Err(Malformed("connect_with_path"));
            }
            return Ok((method, self.authority.ok_or(Malformed("connect_without_authority"))?, None));
        }
        let protocol = match self.protocol {
            None => None,
            Some(_) if !connect || !extended || self.authority.is_none() => return Err(Malformed("protocol")),
            Some(span) if text(bytes, span) == b"websocket" => Some(Protocol::WebSocket),
            Some(_) => Some(Protocol::Other),
        };
        let scheme = self.scheme.ok_or(Malformed("scheme_missing"))?;
        if !matches!(text(bytes, scheme), b"http" | b"https") {
            return Err(Malformed("scheme"));
        }
        let path = self.path.ok_or(Malformed("path_missing"))?;
        let visible = |text: &[u8]| text.iter().all(|byte| matches!(byte, 0x21..=0x7e));
        match text(bytes, path) {
            [b'/', rest @ ..] if visible(rest) => {}
            b"*" if text(bytes, method) == b"OPTIONS" => {}
            _ => return Err(Malformed("path")),
        }
        Ok((method, path, protocol))
    }

    /// `:authority` and `Host` are one thing said twice; they must not differ (RFC 9113 section 8.3.1).
    fn check_authority(&self, bytes: &[u8]) -> Result<(), Rejection> {
        let Some(authority) = self.authority else { return Ok(()) };
        let authority = text(bytes, authority);
        if authority.is_empty() || !authority.iter().all(|byte| matches!(byte, 0x21..=0x7e)) {
            return Err(Malformed("authority"));
        }
        match self.host {
            Some(host) if !text(bytes, host).eq_ignore_ascii_case(authority) => Err(Malformed("authority_and_host")),
            _ => Ok(()),
        }
    }

    fn body(&self, end: bool, protocol: Option<Protocol>) -> Result<BodyLength, Rejection> {
        match (end, self.length) {
            // What follows is no content (RFC 9110 section 9.3.6).
            (_, None) if protocol.is_some() => Ok(BodyLength::None),
            (_, Some(_)) if protocol.is_some() => Err(Malformed("content_length")),
            (true, None | Some(0)) => Ok(BodyLength::None),
            (true, Some(_)) => Err(Malformed("content_length_without_body")),
            (false, None) => Ok(BodyLength::Chunked),
            (false, Some(length)) => Ok(BodyLength::Fixed(length)),
        }
    }

    /// The fields as they go on: `:authority` in the place of `Host`, and one `Cookie` (RFC 9113 section 8.2.3).
    fn fields(&self, lines: &[Line], bytes: &mut Vec<u8>, list: &mut Vec<Field>) {
        list.reserve(lines.len());
        if let Some(authority) = self.authority {
            let name = append(bytes, b"host");
            list.push(Field { name, value: authority, kind: FieldKind::Host });
        }
        let mut crumbs = (self.crumbs > 1).then(|| join_crumbs(lines, bytes));
        for line in lines {
            let Meaning::Field(kind) = line.meaning else { continue };
            let value = match kind {
                FieldKind::Host if self.authority.is_some() => continue,
                FieldKind::Cookie if self.crumbs > 1 => match crumbs.take() {
                    Some(joined) => joined,
                    None => continue,
                },
                _ => line.value,
            };
            list.push(Field { name: line.name, value, kind });
        }
    }
}

fn append(bytes: &mut Vec<u8>, text: &[u8]) -> Span {
    let start = bytes.len();
    bytes.extend_from_slice(text);
    Span::new(start, bytes.len())
}

fn join_crumbs(lines: &[Line], bytes: &mut Vec<u8>) -> Span {
    let start = bytes.len();
    for line in lines.iter().filter(|line| line.meaning == Meaning::Field(FieldKind::Cookie)) {
        if bytes.len() > start {
            bytes.extend_from_slice(b"; ");
        }
        bytes.extend_from_within(line.value.range());
    }
    Span::new(start, bytes.len())
}
