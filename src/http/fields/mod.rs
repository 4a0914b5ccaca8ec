//! Header fields: which are well-formed, which end at a hop, which only we may set (RFC 9110 sections 5 and 7.6.1).
//!
//! Many servers read `X_Forwarded_For` or `x.forwarded.for` as `X-Forwarded-For`. So whoever asks here whether a name
//! is one of ours gets the answer for the folded name: every byte that is neither letter nor digit is a hyphen.

#[cfg(test)]
mod tests;

/// What a field is to the codec. Names that are not listed are [`FieldKind::Other`] and go through as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    KeepAlive,
    ProxyConnection,
    ProxyAuthenticate,
    ProxyAuthorization,
    Te,
    Trailer,
    Upgrade,
    Expect,
    Cookie,
    SetCookie,
    Authorization,
    /// `X-Pomerium-*` in any spelling: only we may set these.
    Identity,
    ForwardedFor,
    ForwardedProto,
    ForwardedHost,
    /// Any other word about earlier hops (`Forwarded`, `X-Real-IP`, `X-Envoy-*` …), or a disguise of the three above:
    /// removed or overwritten.
    ForwardedOther,
    RequestId,
    Accept,
    UserAgent,
    Referer,
    Origin,
    SecFetchMode,
    AccessControlRequestMethod,
    Http2Settings,
    Server,
    /// The name holds `_` and is none of the above: `headers_with_underscores_action` decides.
    Underscore,
    Other,
}

/// The kind of the field called `name`, in any case. Costs one comparison for most names.
pub fn classify(name: &[u8]) -> FieldKind {
    match known(name) {
        Some(kind) => kind,
        None if canonical_is_identity(name) => FieldKind::Identity,
        None if is_forwarding(name) => FieldKind::ForwardedOther,
        None if has_underscore(name) => FieldKind::Underscore,
        None => FieldKind::Other,
    }
}

/// The kind of a field whose name, in any case, is in the list: what no spelling but the name's own could mean. Names by
/// length and first letter, so that one comparison tells.
pub fn known(name: &[u8]) -> Option<FieldKind> {
    use FieldKind as K;
    let first = name.first()? | 0x20;
    let (listed, kind): (&[u8], FieldKind) = match (name.len(), first) {
        (2, b't') => (b"te", K::Te),
        (4, b'h') => (b"host", K::Host),
        (6, b'a') => (b"accept", K::Accept),
        (6, b'c') => (b"cookie", K::Cookie),
        (6, b'e') => (b"expect", K::Expect),
        (6, b'o') => (b"origin", K::Origin),
        (6, b's') => (b"server", K::Server),
        (7, b'r') => (b"referer", K::Referer),
        (7, b'u') => (b"upgrade", K::Upgrade),
        (7, b't') => (b"trailer", K::Trailer),
        (10, b'c') => (b"connection", K::Connection),
        (10, b'u') => (b"user-agent", K::UserAgent),
        (10, b'k') => (b"keep-alive", K::KeepAlive),
        (10, b's') => (b"set-cookie", K::SetCookie),
        (12, b'x') => (b"x-request-id", K::RequestId),
        (13, b'a') => (b"authorization", K::Authorization),
        (14, b'c') => (b"content-length", K::ContentLength),
        (14, b's') => (b"sec-fetch-mode", K::SecFetchMode),
        (14, b'h') => (b"http2-settings", K::Http2Settings),
        (15, b'x') => (b"x-forwarded-for", K::ForwardedFor),
        (16, b'x') => (b"x-forwarded-host", K::ForwardedHost),
        (16, b'p') => (b"proxy-connection", K::ProxyConnection),
        (17, b'x') => (b"x-forwarded-proto", K::ForwardedProto),
        (17, b't') => (b"transfer-encoding", K::TransferEncoding),
        (18, b'p') => (b"proxy-authenticate", K::ProxyAuthenticate),
        (19, b'p') => (b"proxy-authorization", K::ProxyAuthorization),
        (29, b'a') => (b"access-control-request-method", K::AccessControlRequestMethod),
        _ => return None,
    };
    is_named(name, listed).then_some(kind)
}

/// Whether `name` is `known`, a name in lower case, whatever the case of its letters. Eight bytes at a time: every
/// field of every message is asked for its name more than once.
#[inline]
pub fn is_named(name: &[u8], known: &[u8]) -> bool {
    if name.len() != known.len() {
        return false;
    }
    let (names, name_rest) = name.as_chunks::<8>();
    let (knowns, known_rest) = known.as_chunks::<8>();
    names.iter().zip(knowns).all(|(name, known)| differ_in_case_alone(*name, *known))
        && differ_in_case_alone(padded(name_rest), padded(known_rest))
}

/// Letters of a name have bit 6, its digits and hyphens have not; bit 5 is the case of a letter.
#[inline]
fn differ_in_case_alone(name: [u8; 8], known: [u8; 8]) -> bool {
    const BIT_6: u64 = 0x4040_4040_4040_4040;
    let (name, known) = (u64::from_le_bytes(name), u64::from_le_bytes(known));
    (name ^ known) & !((known & BIT_6) >> 1) == 0
}

/// Fewer than eight bytes, as eight.
#[inline]
fn padded(bytes: &[u8]) -> [u8; 8] {
    let word = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    let padded = match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => word(first) | word(last) << (8 * (bytes.len() - 4)),
        _ => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    padded.to_le_bytes()
}

/// Whether the name, folded, starts with `x-pomerium-`: assertion, claims, routing key, authorization, all of them.
pub fn canonical_is_identity(name: &[u8]) -> bool {
    folds_onto_prefix(name, b"x-pomerium-")
}

/// Whether the name, folded, says something about earlier hops, or about another target or client than the request line
/// and the connection do. `Proxy` is there because CGI programs read it as `HTTP_PROXY`.
pub fn is_forwarding(name: &[u8]) -> bool {
    const PREFIXES: &[&[u8]] = &[b"x-forwarded-", b"x-envoy-", b"x-client-cert", b"x-original-", b"x-rewrite-"];
    const X_NAMES: &[&[u8]] = &[
        b"x-forwarded",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-remote-ip",
        b"x-remote-addr",
        b"x-originating-ip",
        b"x-proxyuser-ip",
        b"x-host",
        b"x-http-host-override",
        b"x-http-destinationurl",
        b"x-override-url",
        b"x-proxy-url",
    ];
    const NAMES: &[&[u8]] = &[b"forwarded", b"proxy", b"client-ip", b"true-client-ip"];
    match name.first() {
        Some(b'x' | b'X') => {
            PREFIXES.iter().any(|prefix| folds_onto_prefix(name, prefix))
                || X_NAMES.iter().any(|known| folds_onto(name, known))
        }
        Some(b'f' | b'F' | b'p' | b'P' | b'c' | b'C' | b't' | b'T') => {
            NAMES.iter().any(|known| name.len() == known.len() && folds_onto(name, known))
        }
        _ => false,
    }
}

/// Whether the name, folded, is one by which a client asks an upstream to take the request for one of another method.
pub fn overrides_method(name: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[b"x-http-method-override", b"x-http-method", b"x-method-override"];
    matches!(name.first(), Some(b'x' | b'X')) && NAMES.iter().any(|known| folds_onto(name, known))
}

/// Whether the field concerns one connection only (RFC 9110 section 7.6.1) and is never forwarded.
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    matches!(
        classify(name),
        FieldKind::Connection
            | FieldKind::KeepAlive
            | FieldKind::ProxyConnection
            | FieldKind::ProxyAuthenticate
            | FieldKind::ProxyAuthorization
            | FieldKind::Te
            | FieldKind::Trailer
            | FieldKind::TransferEncoding
            | FieldKind::Upgrade
            | FieldKind::Http2Settings
    )
}

/// Most options of all `Connection` fields of a message: each is looked for among all its fields. Honest ones have a few.
pub const CONNECTION_OPTIONS_MAX: usize = 64;

/// The options of a `Connection` value, without empty ones.
pub fn connection_options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|option| !option.is_empty())
}

/// Whether a client may have this field removed by naming it in `Connection`. Fields that every recipient relies on,
/// and all that say who asks from where, may not: their removal would change what the upstream decides.
pub fn may_be_nominated(name: &[u8]) -> bool {
    const PROTECTED: &[&[u8]] = &[
        b"age",
        b"allow",
        b"cache-control",
        b"content-disposition",
        b"content-encoding",
        b"content-range",
        b"content-security-policy",
        b"content-type",
        b"date",
        b"etag",
        b"expires",
        b"forwarded",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"last-modified",
        b"location",
        b"pragma",
        b"range",
        b"strict-transport-security",
        b"vary",
        b"via",
        b"www-authenticate",
        b"x-csrf-token",
        b"x-frame-options",
        b"x-requested-with",
        b"x-xss-protection",
    ];
    const PROTECTED_PREFIXES: &[&[u8]] = &[b"access-control-", b"sec-", b"cf-", b"impersonate-", b"x-serverless-"];
    match classify(name) {
        FieldKind::KeepAlive
        | FieldKind::ProxyConnection
        | FieldKind::Te
        | FieldKind::Trailer
        | FieldKind::Upgrade
        | FieldKind::Http2Settings => true,
        FieldKind::Other | FieldKind::Underscore => {
            !PROTECTED.iter().any(|known| folds_onto(name, known))
                && !PROTECTED_PREFIXES.iter().any(|prefix| folds_onto_prefix(name, prefix))
        }
        _ => false,
    }
}

/// Whether the name holds `_`. Also true of names that [`classify`] calls by their folded meaning.
pub fn has_underscore(name: &[u8]) -> bool {
    memchr::memchr(b'_', name).is_some()
}

/// Whether the name, with hyphens for underscores, is that of a field that means something here: a server that folds
/// names would see two of it.
pub fn is_disguise(name: &[u8]) -> bool {
    let unfolded: Vec<u8> = name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
    has_underscore(name) && classify(&unfolded) != FieldKind::Other
}

/// Whether this is a field name or another token (RFC 9110 section 5.6.2).
pub fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| is_token_byte(byte))
}

/// Whether the value may be forwarded: no control byte but the tab. Bytes from 0x80 on (obs-text) are let through in
/// values, where they are opaque; in names they are not.
pub fn value_is_clean(value: &[u8]) -> bool {
    value.iter().all(|&byte| is_value_byte(byte))
}

pub(crate) const fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

pub(crate) const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x20..=0x7e | 0x80..)
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(
            byte as u8,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
                | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z'
        );
        byte += 1;
    }
    table
};

/// Whether `name`, folded, is `known` (which is in folded form).
pub(crate) fn folds_onto(name: &[u8], known: &[u8]) -> bool {
    name.len() == known.len() && folds_onto_prefix(name, known)
}

/// Whether servers that fold names take one for the other.
pub fn folds_alike(name: &[u8], other: &[u8]) -> bool {
    name.len() == other.len() && name.iter().zip(other).all(|(&byte, &known)| folded(byte) == folded(known))
}

fn folds_onto_prefix(name: &[u8], prefix: &[u8]) -> bool {
    name.len() >= prefix.len() && name.iter().zip(prefix).all(|(&byte, &known)| folded(byte) == known)
}

/// The name as servers fold it: in lower case, and every byte that is neither letter nor digit a hyphen.
pub(crate) fn fold(name: &[u8]) -> Vec<u8> {
    name.iter().map(|&byte| folded(byte)).collect()
}

fn folded(byte: u8) -> u8 {
    match byte.is_ascii_alphanumeric() {
        true => byte.to_ascii_lowercase(),
        false => b'-',
    }
}

/// Without spaces and tabs at either end (OWS).
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}
