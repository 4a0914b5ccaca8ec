//! The static table (RFC 7541 appendix A), and the way from a name to its index.

use super::meaning::Meaning;
use crate::http::fields::{self, FieldKind as K};

pub struct Static {
    pub name: &'static [u8],
    pub value: &'static [u8],
    pub meaning: Meaning,
}

const fn pseudo(name: &'static str, value: &'static str, meaning: Meaning) -> Static {
    Static { name: name.as_bytes(), value: value.as_bytes(), meaning }
}

const fn field(name: &'static str, kind: K) -> Static {
    Static { name: name.as_bytes(), value: b"", meaning: Meaning::of_kind(kind) }
}

const fn other(name: &'static str) -> Static {
    field(name, K::Other)
}

pub const COUNT: usize = 61;

/// Index 1 is at position 0.
pub static TABLE: [Static; COUNT] = [
    pseudo(":authority", "", Meaning::Authority),
    pseudo(":method", "GET", Meaning::Method),
    pseudo(":method", "POST", Meaning::Method),
    pseudo(":path", "/", Meaning::Path),
    pseudo(":path", "/index.html", Meaning::Path),
    pseudo(":scheme", "http", Meaning::Scheme),
    pseudo(":scheme", "https", Meaning::Scheme),
    pseudo(":status", "200", Meaning::Malformed),
    pseudo(":status", "204", Meaning::Malformed),
    pseudo(":status", "206", Meaning::Malformed),
    pseudo(":status", "304", Meaning::Malformed),
    pseudo(":status", "400", Meaning::Malformed),
    pseudo(":status", "404", Meaning::Malformed),
    pseudo(":status", "500", Meaning::Malformed),
    other("accept-charset"),
    pseudo("accept-encoding", "gzip, deflate", Meaning::Field(K::Other)),
    other("accept-language"),
    other("accept-ranges"),
    field("accept", K::Accept),
    other("access-control-allow-origin"),
    other("age"),
    other("allow"),
    field("authorization", K::Authorization),
    other("cache-control"),
    other("content-disposition"),
    other("content-encoding"),
    other("content-language"),
    field("content-length", K::ContentLength),
    other("content-location"),
    other("content-range"),
    other("content-type"),
    field("cookie", K::Cookie),
    other("date"),
    other("etag"),
    field("expect", K::Expect),
    other("expires"),
    other("from"),
    field("host", K::Host),
    other("if-match"),
    other("if-modified-since"),
    other("if-none-match"),
    other("if-range"),
    other("if-unmodified-since"),
    other("last-modified"),
    other("link"),
    other("location"),
    other("max-forwards"),
    field("proxy-authenticate", K::ProxyAuthenticate),
    field("proxy-authorization", K::ProxyAuthorization),
    other("range"),
    field("referer", K::Referer),
    other("refresh"),
    other("retry-after"),
    field("server", K::Server),
    field("set-cookie", K::SetCookie),
    other("strict-transport-security"),
    field("transfer-encoding", K::TransferEncoding),
    field("user-agent", K::UserAgent),
    other("vary"),
    other("via"),
    other("www-authenticate"),
];

/// The first index of a name that the table is known to have, for use in constants.
pub const fn index(name: &[u8]) -> usize {
    let mut at = 0;
    while !same(TABLE_NAMES[at], name) {
        at += 1;
    }
    at + 1
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    a.len() == b.len() && at == a.len()
}

/// Places in the hash of names; few collide.
const PLACES: usize = 256;

/// The lowest index of each name, hashed; 0 is an empty place. Collisions take the next place.
static PLACE: [u8; PLACES] = {
    let mut places = [0u8; PLACES];
    // Pseudo-headers are never looked for.
    let mut at = 14;
    while at < COUNT {
        let mut place = hash(TABLE_NAMES[at]);
        while places[place] != 0 {
            place = (place + 1) % PLACES;
        }
        places[place] = at as u8 + 1;
        at += 1;
    }
    places
};

/// The names alone, for use in constants.
const TABLE_NAMES: [&[u8]; COUNT] = {
    let mut names: [&[u8]; COUNT] = [b""; COUNT];
    let mut at = 0;
    while at < COUNT {
        names[at] = TABLE[at].name;
        at += 1;
    }
    names
};

/// By length and three letters, in any case.
const fn hash(name: &[u8]) -> usize {
    let length = name.len();
    if length == 0 {
        return 0;
    }
    let first = (name[0] | 0x20) as usize;
    let middle = (name[length / 2] | 0x20) as usize;
    let last = (name[length - 1] | 0x20) as usize;
    (length * 7 + first * 3 + middle * 13 + last * 31) % PLACES
}

/// The index of a field name in any case; 0 when the table does not have it.
pub fn find(name: &[u8]) -> usize {
    let mut place = hash(name);
    loop {
        match PLACE[place] {
            0 => return 0,
            index if fields::is_named(name, TABLE[usize::from(index) - 1].name) => return usize::from(index),
            _ => place = (place + 1) % PLACES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meanings_are_those_of_the_names() {
        for entry in &TABLE {
            assert_eq!(entry.meaning, Meaning::of(entry.name), "{}", entry.name.escape_ascii());
        }
        assert_eq!(
            (TABLE[1].value, TABLE[15].value, TABLE[60].name),
            (&b"GET"[..], &b"gzip, deflate"[..], &b"www-authenticate"[..])
        );
    }

    #[test]
    fn names_are_found_and_no_others() {
        for (at, entry) in TABLE.iter().enumerate().filter(|(_, entry)| !entry.name.starts_with(b":")) {
            assert_eq!(find(entry.name), at + 1);
            assert_eq!(find(&entry.name.to_ascii_uppercase()), at + 1);
        }
        for name in [&b""[..], b"x", b"x-request-id", b":status", b"dat", b"dates", b"set_cookie"] {
            assert_eq!(find(name), 0, "{}", name.escape_ascii());
        }
    }
}
