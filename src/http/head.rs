//! The head of a request: where each part stands in the bytes that carried it, parsed once (RFC 9112 sections 2-5).

use std::mem::MaybeUninit;

use super::fields::{self, FieldKind};

/// Largest head, in bytes (Pomerium: 128 KiB).
pub const HEAD_BYTES_MAX: usize = 128 * 1024;
/// Most fields in a head (Pomerium: 1000).
pub const FIELDS_MAX: usize = 1000;
/// Fields for which there is room without asking the allocator.
const FIELDS_USUAL: usize = 64;
/// Largest request target, in bytes.
pub const TARGET_BYTES_MAX: usize = 32 * 1024;

/// A part of a head's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = part.as_ptr() as usize - whole.as_ptr() as usize;
        Span { start: start as u32, end: (start + part.len()) as u32 }
    }

    /// The bytes from `start` up to `end`, which is not smaller.
    pub fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && u32::try_from(end).is_ok());
        Span { start: start as u32, end: end as u32 }
    }

    /// The positions that this covers.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The part from `from` to `to`, counted from this span's start.
    pub fn part(self, from: usize, to: usize) -> Self {
        Span { start: self.start + from as u32, end: self.start + to as u32 }
    }
}

/// One field line.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: Span,
    pub value: Span,
    pub kind: FieldKind,
}

/// What heads are made in.
#[derive(Debug, Default)]
pub struct Room {
    pub bytes: Vec<u8>,
    pub fields: Vec<Field>,
}

/// A request head.
#[derive(Debug, Default)]
pub struct RequestHead {
    bytes: Vec<u8>,
    method: Span,
    /// The method, where it is one of the usual ones.
    usual: Option<&'static str>,
    target: Span,
    /// HTTP/1.1, as opposed to 1.0.
    pub is_1_1: bool,
    fields: Vec<Field>,
    /// The kinds of the fields: most of what is asked for is not there.
    kinds: Kinds,
}

/// Why a head was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    #[error("a line of the head ends without CR LF")]
    BareLineFeed,
    #[error("the head holds a carriage return outside a line end")]
    BareCarriageReturn,
    #[error("the request line is malformed")]
    RequestLine,
    #[error("the status line is malformed")]
    StatusLine,
    #[error("a field line is malformed")]
    FieldLine,
    #[error("the HTTP version is not supported")]
    Version,
    #[error("the head is larger than 128 KiB")]
    TooLarge,
    #[error("the head has more than 1000 fields")]
    TooManyFields,
    #[error("Connection names more than {} options", fields::CONNECTION_OPTIONS_MAX)]
    TooManyOptions,
    #[error("the request target is larger than 32 KiB")]
    TargetTooLarge,
}

/// Where a head ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The head is not whole yet; the next look may start here.
    NotYet(usize),
    /// The head is `.0` bytes long, its last empty line included.
    At(usize),
}

/// Looks for the end of a head in `bytes`, of which the first `seen` were looked at before. Every line must end with
/// CR LF: a bare LF is refused, not repaired.
pub fn find_end(bytes: &[u8], seen: usize) -> Result<End, HeadError> {
    // Eight bytes at a time: lines are short, and a search that is begun anew for each costs more than it finds.
    let mut from = seen;
    while let Some(word) = bytes[from..].first_chunk::<8>() {
        let feeds = line_feeds(u64::from_le_bytes(*word));
        if feeds != 0
            && let Some(end) = look(bytes, from, feeds)?
        {
            return Ok(end);
        }
        from += word.len();
    }
    let mut last = [0; 8];
    last[..bytes.len() - from].copy_from_slice(&bytes[from..]);
    if let Some(end) = look(bytes, from, line_feeds(u64::from_le_bytes(last)))? {
        return Ok(end);
    }
    if bytes.len() > HEAD_BYTES_MAX {
        return Err(HeadError::TooLarge);
    }
    Ok(End::NotYet(bytes.len()))
}

/// Looks at the line feeds among the eight bytes at `from`, as [`line_feeds`] found them: whether one ends the head.
#[inline]
fn look(bytes: &[u8], from: usize, mut feeds: u64) -> Result<Option<End>, HeadError> {
    while feeds != 0 {
        let at = from + feeds.trailing_zeros() as usize / 8;
        if at == 0 || bytes[at - 1] != b'\r' {
            return Err(HeadError::BareLineFeed);
        }
        // A head may begin with an empty line; the caller strips those that it allows.
        if at == 1 || (at >= 3 && bytes[at - 3..at - 1] == *b"\r\n") {
            return Ok(Some(End::At(at + 1)));
        }
        feeds &= feeds - 1;
    }
    Ok(None)
}

/// The highest bit of each byte that is a line feed, no other bits.
#[inline]
fn line_feeds(word: u64) -> u64 {
    const LOWEST: u64 = 0x0101_0101_0101_0101;
    const ALL_BUT_HIGHEST: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let differs = word ^ (LOWEST * b'\n' as u64);
    // Adding carries into the highest bit of a byte unless the others are all zero, and never beyond it.
    !((differs & ALL_BUT_HIGHEST).wrapping_add(ALL_BUT_HIGHEST) | differs | ALL_BUT_HIGHEST)
}

impl RequestHead {
    /// Parses `bytes`, which must be exactly one head as [`find_end`] found it. `fields` lends its room.
    pub fn parse(bytes: Vec<u8>, fields: Vec<Field>) -> Result<Self, HeadError> {
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(HeadError::TooLarge);
        }
        let mut head = RequestHead { fields, ..RequestHead::default() };
        head.fields.clear();
        let mut usual = [const { MaybeUninit::uninit() }; FIELDS_USUAL];
        match head.scan(&bytes, &mut usual) {
            Err(HeadError::TooManyFields) => {
                let mut many = vec![const { MaybeUninit::uninit() }; FIELDS_MAX];
                head.scan(&bytes, &mut many)?;
            }
            other => other?,
        }
        head.bytes = bytes;
        if head.target().len() > TARGET_BYTES_MAX {
            return Err(HeadError::TargetTooLarge);
        }
        Ok(head)
    }

    fn scan<'b>(&mut self, bytes: &'b [u8], room: &mut [MaybeUninit<httparse::Header<'b>>]) -> Result<(), HeadError> {
        let mut request = httparse::Request::new(&mut []);
        let status = httparse::ParserConfig::default().parse_request_with_uninit_headers(&mut request, bytes, room);
        match status {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Ok(_) => return Err(HeadError::FieldLine),
            Err(httparse::Error::Version) if !names_a_version(bytes) => return Err(HeadError::RequestLine),
            Err(error) => return Err(refusal(error)),
        }
        let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
            return Err(HeadError::RequestLine);
        };
        self.method = Span::of(method.as_bytes(), bytes);
        self.usual = usual_method(method.as_bytes());
        self.target = Span::of(target.as_bytes(), bytes);
        self.is_1_1 = version == 1;
        self.fields.extend(request.headers.iter().map(|header| Field {
            name: Span::of(header.name.as_bytes(), bytes),
            value: Span::of(header.value, bytes),
            kind: fields::classify(header.name.as_bytes()),
        }));
        self.kinds = Kinds::of(&self.fields);
        Ok(())
    }

    /// A head that came in another form than HTTP/1's: its parts are somewhere in `bytes`, found and checked by the
    /// caller. Counts as HTTP/1.1. Refused when a part lies outside `bytes` or a bound of this module is broken.
    pub fn from_parts(bytes: Vec<u8>, method: Span, target: Span, fields: Vec<Field>) -> Result<Self, HeadError> {
        let holds = |span: Span| span.start <= span.end && span.end as usize <= bytes.len();
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(HeadError::TooLarge);
        }
        if fields.len() > FIELDS_MAX {
            return Err(HeadError::TooManyFields);
        }
        if !holds(method) || !holds(target) {
            return Err(HeadError::RequestLine);
        }
        if target.len() > TARGET_BYTES_MAX {
            return Err(HeadError::TargetTooLarge);
        }
        if !fields.iter().all(|field| holds(field.name) && holds(field.value)) {
            return Err(HeadError::FieldLine);
        }
        let usual = usual_method(&bytes[method.range()]);
        let kinds = Kinds::of(&fields);
        Ok(RequestHead { bytes, method, usual, target, is_1_1: true, fields, kinds })
    }

    /// The bytes of a part of this head.
    pub fn bytes(&self, span: Span) -> &[u8] {
        &self.bytes[span.start as usize..span.end as usize]
    }

    /// A part of this head as text; empty when it is not UTF-8.
    pub fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes(span)).unwrap_or_default()
    }

    pub fn method(&self) -> &str {
        match self.usual {
            Some(usual) => usual,
            None => self.text(self.method),
        }
    }

    pub fn target(&self) -> &[u8] {
        self.bytes(self.target)
    }

    pub fn target_span(&self) -> Span {
        self.target
    }

    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Every field as name and value.
    pub fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.fields.iter().map(|field| (self.bytes(field.name), self.bytes(field.value)))
    }

    /// The values of all fields of a kind, in order.
    pub fn all(&self, kind: FieldKind) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.of_kind(kind).map(|field| self.bytes(field.value))
    }

    /// All fields of a kind, in order.
    pub fn of_kind(&self, kind: FieldKind) -> impl DoubleEndedIterator<Item = &Field> {
        let fields = if self.has(kind) { &self.fields[..] } else { &[] };
        fields.iter().filter(move |field| field.kind == kind)
    }

    /// The value of the first field of a kind.
    pub fn first(&self, kind: FieldKind) -> Option<&[u8]> {
        self.all(kind).next()
    }

    /// Whether there is any field of a kind.
    pub fn has(&self, kind: FieldKind) -> bool {
        self.kinds.0 & Kinds::bit(kind) != 0
    }

    /// How many bytes carry this head.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Gives its room back for reuse.
    pub fn into_room(self) -> Room {
        Room { bytes: self.bytes, fields: self.fields }
    }
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, Default)]
struct Kinds(u32);

impl Kinds {
    fn of(fields: &[Field]) -> Self {
        Kinds(fields.iter().fold(0, |kinds, field| kinds | Self::bit(field.kind)))
    }

    fn bit(kind: FieldKind) -> u32 {
        const { assert!((FieldKind::Other as u32) < u32::BITS, "one bit for each kind") };
        1 << kind as u32
    }
}

fn usual_method(method: &[u8]) -> Option<&'static str> {
    ["GET", "HEAD", "POST", "PUT", "OPTIONS"].into_iter().find(|usual| usual.as_bytes() == method)
}

/// Whether the first line is three words, the last of them `HTTP/` and two numbers, so that it is a request of another
/// version rather than none.
fn names_a_version(bytes: &[u8]) -> bool {
    let end = memchr::memchr(b'\r', bytes).unwrap_or(bytes.len());
    let mut words = bytes[..end].split(|byte| *byte == b' ');
    let (Some(_), Some(_), Some(version), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return false;
    };
    matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// What httparse's refusal means here.
pub fn refusal(error: httparse::Error) -> HeadError {
    match error {
        httparse::Error::TooManyHeaders => HeadError::TooManyFields,
        httparse::Error::Version => HeadError::Version,
        httparse::Error::Token => HeadError::RequestLine,
        httparse::Error::Status => HeadError::StatusLine,
        httparse::Error::HeaderName | httparse::Error::HeaderValue => HeadError::FieldLine,
        httparse::Error::NewLine => HeadError::BareCarriageReturn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_in_any_split() {
        let bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        for cut in 0..bytes.len() {
            let seen = match find_end(&bytes[..cut], 0).unwrap() {
                End::NotYet(seen) => seen,
                End::At(at) => {
                    assert_eq!(at, bytes.len() - 4);
                    continue;
                }
            };
            assert_eq!(find_end(bytes, seen).unwrap(), End::At(bytes.len() - 4), "cut at {cut}");
        }
    }

    #[test]
    fn line_feeds_are_found_beside_any_byte() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut word = [byte; 8];
                word[place] = b'\n';
                let expected = word.map(|byte| if byte == b'\n' { 0x80 } else { 0 });
                assert_eq!(line_feeds(u64::from_le_bytes(word)).to_le_bytes(), expected, "{word:?}");
            }
        }
    }

    #[test]
    fn the_end_is_found_wherever_it_stands() {
        for length in 0..40 {
            let head = [&b"GET /"[..], &vec![b'a'; length], b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
            let whole = [&head[..], b"body\n\r\n\r\n"].concat();
            assert_eq!(find_end(&whole, 0), Ok(End::At(head.len())), "{length}");
        }
    }

    #[test]
    fn bare_line_feeds_are_refused() {
        for hostile in [&b"GET / HTTP/1.1\nHost: a\r\n\r\n"[..], b"\nGET", b"GET / HTTP/1.1\r\nHost: a\n\n"] {
            assert_eq!(find_end(hostile, 0), Err(HeadError::BareLineFeed));
        }
    }

    fn parse(text: &str) -> Result<RequestHead, HeadError> {
        RequestHead::parse(text.as_bytes().to_vec(), Vec::new())
    }

    #[test]
    fn hostile_heads_are_refused() {
        for hostile in [
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHo\0st: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\n: a\r\n\r\n",
            "GET /\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert!(parse(hostile).is_err(), "{hostile:?}");
        }
        assert_eq!(parse("GET / HTTP/2.0\r\nHost: a\r\n\r\n").unwrap_err(), HeadError::Version);
        for line in ["PROXY TCP4 1.1.1.1 2.2.2.2 1 2", "GET /a b HTTP/1.1", "GET  HTTP/1.1"] {
            assert_eq!(parse(&format!("{line}\r\n\r\n")).unwrap_err(), HeadError::RequestLine, "{line}");
        }
    }

    #[test]
    fn many_fields_are_taken_and_too_many_refused() {
        let head = |count: usize| {
            let mut text = String::from("GET / HTTP/1.1\r\n");
            for n in 0..count {
                text.push_str(&format!("x{n}: y\r\n"));
            }
            text + "\r\n"
        };
        assert_eq!(parse(&head(1000)).unwrap().fields().len(), 1000);
        assert_eq!(parse(&head(1001)).unwrap_err(), HeadError::TooManyFields);
    }

    #[test]
    fn parts_outside_the_bytes_are_refused() {
        let head = |method, target, value| {
            let field = Field { name: Span::new(4, 5), value, kind: FieldKind::Other };
            RequestHead::from_parts(b"GET/xy".to_vec(), method, target, vec![field])
        };
        let (method, target, value) = (Span::new(0, 3), Span::new(3, 4), Span::new(5, 6));
        let whole = head(method, target, value).unwrap();
        assert_eq!((whole.method(), whole.target(), whole.is_1_1), ("GET", &b"/"[..], true));
        assert_eq!(whole.pairs().collect::<Vec<_>>(), [(&b"x"[..], &b"y"[..])]);
        assert_eq!(head(method, target, Span::new(5, 7)).unwrap_err(), HeadError::FieldLine);
        assert_eq!(head(Span::new(0, 7), target, value).unwrap_err(), HeadError::RequestLine);
        assert_eq!(head(method, Span::new(7, 7), value).unwrap_err(), HeadError::RequestLine);
        let long = vec![b'/'; TARGET_BYTES_MAX + 1];
        let target = Span::new(0, long.len());
        let refused = RequestHead::from_parts(long, method, target, Vec::new());
        assert_eq!(refused.unwrap_err(), HeadError::TargetTooLarge);
    }

    #[test]
    fn parts_are_found() {
        let head = parse("POST /a?b HTTP/1.1\r\nHost: x.example\r\nCookie:  c=d \r\n\r\n").unwrap();
        assert_eq!((head.method(), head.target(), head.is_1_1), ("POST", &b"/a?b"[..], true));
        let pairs: Vec<_> = head.pairs().collect();
        assert_eq!(pairs, [(&b"Host"[..], &b"x.example"[..]), (b"Cookie", b"c=d")]);
    }
}
