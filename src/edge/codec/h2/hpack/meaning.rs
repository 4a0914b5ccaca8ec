//! What the name of a field line means. Found once per name: table entries remember it.

use crate::http::fields::{self, FieldKind};

/// The meaning of a name in a request's header block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Method,
    Scheme,
    Authority,
    Path,
    /// RFC 8441.
    Protocol,
    Field(FieldKind),
    /// No request may hold it: a pseudo-header that requests do not have, upper case, a byte that no name holds, or a
    /// field of one connection (RFC 9113 section 8.2).
    Malformed,
}

impl Meaning {
    pub fn of(name: &[u8]) -> Self {
        if name.first() == Some(&b':') {
            return match name {
                b":method" => Meaning::Method,
                b":scheme" => Meaning::Scheme,
                b":authority" => Meaning::Authority,
                b":path" => Meaning::Path,
                b":protocol" => Meaning::Protocol,
                _ => Meaning::Malformed,
            };
        }
        if !fields::is_token(name) || name.iter().any(u8::is_ascii_uppercase) {
            return Meaning::Malformed;
        }
        Meaning::of_kind(fields::classify(name))
    }

    /// The meaning of a well-formed name whose kind is known.
    pub const fn of_kind(kind: FieldKind) -> Self {
        use FieldKind as K;
        match kind {
            K::Connection | K::KeepAlive | K::ProxyConnection | K::TransferEncoding | K::Upgrade => Meaning::Malformed,
            kind => Meaning::Field(kind),
        }
    }
}

/// Whether a value may stand in a request: no control bytes but the tab, no white space at its ends.
pub fn is_clean(value: &[u8]) -> bool {
    let bounded = |byte: Option<&u8>| !matches!(byte, Some(b' ' | b'\t'));
    bounded(value.first()) && bounded(value.last()) && fields::value_is_clean(value)
}
