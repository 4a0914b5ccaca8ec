//! The authority of a request: `host[:port]` brought to one normal form.
//!
//! RFC 9110 section 4.2 and RFC 3986 section 3.2, narrowed to DNS names, IPv4 and IPv6 addresses: no user information,
//! no escapes, no registered names that DNS could not hold.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest host, in bytes; DNS allows 253 and a dot.
pub const MAX_HOST_LEN: usize = 255;

/// A host and a port in normal form: lower case, no trailing dot, IPv6 in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority<'a> {
    pub host: Cow<'a, str>,
    /// `None` when the client named no port.
    pub port: Option<u16>,
}

/// Why an authority was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    #[error("the host is empty")]
    Empty,
    #[error("the host holds a byte that no host may hold")]
    Byte,
    #[error("the host carries user information")]
    UserInfo,
    #[error("the port is not a number from 1 to 65535")]
    Port,
    #[error("the IPv6 address in brackets is malformed")]
    Ipv6,
    #[error("the host ends in a number but is no IPv4 address of four decimal parts")]
    Ipv4,
    #[error("the host has an empty label")]
    Label,
    #[error("the host is longer than {MAX_HOST_LEN} bytes")]
    TooLong,
}

impl Authority<'_> {
    /// The same, owning its text.
    pub fn into_owned(self) -> Authority<'static> {
        Authority { host: Cow::Owned(self.host.into_owned()), port: self.port }
    }

    /// Whether both name the same server; a port that is not named is `default_port` (443 or 80).
    pub fn agrees_with(&self, other: &Authority<'_>, default_port: u16) -> bool {
        self.host == other.host && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

impl fmt::Display for Authority<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(out, "{}:{port}", self.host),
            None => out.write_str(&self.host),
        }
    }
}

/// The normal form of `raw`, a `Host` value or the authority of a target, without surrounding white space.
pub fn parse(raw: &[u8]) -> Result<Authority<'_>, AuthorityError> {
    if raw.is_empty() {
        return Err(AuthorityError::Empty);
    }
    if raw.contains(&b'@') {
        return Err(AuthorityError::UserInfo);
    }
    let (host, port) = split_port(raw)?;
    let port = port.map(parse_port).transpose()?;
    let host = match host.first() {
        Some(b'[') => ipv6(host)?,
        Some(_) => name(host)?,
        None => return Err(AuthorityError::Empty),
    };
    Ok(Authority { host, port })
}

/// Host (with its brackets, if any) and what stands behind the colon.
fn split_port(raw: &[u8]) -> Result<(&[u8], Option<&[u8]>), AuthorityError> {
    let end = match raw.first() {
        Some(b'[') => memchr::memchr(b']', raw).ok_or(AuthorityError::Ipv6)? + 1,
        _ => memchr::memchr(b':', raw).unwrap_or(raw.len()),
    };
    match raw.split_at(end) {
        // A colon without a port is the same as none (RFC 3986 section 6.2.3).
        (host, [] | [b':']) => Ok((host, None)),
        (host, [b':', port @ ..]) => Ok((host, Some(port))),
        _ => Err(AuthorityError::Ipv6),
    }
}

/// Digits only, no leading zero, 1 to 65535.
fn parse_port(digits: &[u8]) -> Result<u16, AuthorityError> {
    if digits.len() > 5 || digits.first() == Some(&b'0') || !digits.iter().all(u8::is_ascii_digit) {
        return Err(AuthorityError::Port);
    }
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(AuthorityError::Port)
}

/// `[address]` in the spelling of RFC 5952. Zones and `IPvFuture` are refused.
fn ipv6(bracketed: &[u8]) -> Result<Cow<'_, str>, AuthorityError> {
    /// Brackets around the longest spelling, `ffff:` six times and a dotted quad.
    const LONGEST: usize = 2 + 45;
    let raw = std::str::from_utf8(bracketed).map_err(|_| AuthorityError::Ipv6)?;
    let inside = raw.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or(AuthorityError::Ipv6)?;
    let address: Ipv6Addr = inside.parse().map_err(|_| AuthorityError::Ipv6)?;

    let mut room = [0u8; LONGEST];
    let mut rest = room.as_mut_slice();
    write!(rest, "[{address}]").map_err(|_| AuthorityError::Ipv6)?;
    let len = LONGEST - rest.len();
    let normal = room.get(..len).and_then(|text| std::str::from_utf8(text).ok()).ok_or(AuthorityError::Ipv6)?;
    match normal == raw {
        true => Ok(Cow::Borrowed(raw)),
        false => Ok(Cow::Owned(normal.to_owned())),
    }
}

/// A DNS name or an IPv4 address, in lower case, without the dot of the root.
fn name(raw: &[u8]) -> Result<Cow<'_, str>, AuthorityError> {
    let (mut upper, mut empty_label, mut label) = (false, false, 0);
    for byte in raw {
        label += 1;
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => {}
            b'.' => {
                empty_label |= label == 1;
                label = 0;
            }
            b'A'..=b'Z' => upper = true,
            _ => return Err(AuthorityError::Byte),
        }
    }
    let raw = std::str::from_utf8(raw).map_err(|_| AuthorityError::Byte)?;
    let host = raw.strip_suffix('.').unwrap_or(raw);
    match host.len() {
        0 => return Err(AuthorityError::Empty),
        1..=MAX_HOST_LEN => {}
        _ => return Err(AuthorityError::TooLong),
    }
    if empty_label {
        return Err(AuthorityError::Label);
    }
    // `127.1`, `0x7f.0.0.1` and `2130706433` are addresses to some resolvers and names to others.
    if ends_in_number(host) && host.parse::<Ipv4Addr>().is_err() {
        return Err(AuthorityError::Ipv4);
    }
    match upper {
        true => Ok(Cow::Owned(host.to_ascii_lowercase())),
        false => Ok(Cow::Borrowed(host)),
    }
}

/// Whether the last label is a decimal or hexadecimal number, as the URL standard asks.
fn ends_in_number(host: &str) -> bool {
    // Few names end as a number could.
    if !matches!(host.as_bytes().last(), Some(b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' | b'x' | b'X')) {
        return false;
    }
    let last = host.rsplit('.').next().unwrap_or_default().as_bytes();
    match last {
        [b'0', b'x' | b'X', digits @ ..] => digits.iter().all(u8::is_ascii_hexdigit),
        digits => digits.iter().all(u8::is_ascii_digit),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn normal_forms() {
        let cases: &[(&str, &str, Option<u16>)] = &[
            ("app.example.com", "app.example.com", None),
            ("APP.Example.COM", "app.example.com", None),
            ("app.example.com.", "app.example.com", None),
            ("App.example.com.:443", "app.example.com", Some(443)),
            ("app.example.com:", "app.example.com", None),
            ("[::1]:", "[::1]", None),
            ("localhost", "localhost", None),
            ("a:1", "a", Some(1)),
            ("a:65535", "a", Some(65535)),
            ("my_service.internal:8080", "my_service.internal", Some(8080)),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
            ("127.0.0.1", "127.0.0.1", None),
            ("127.0.0.1.:80", "127.0.0.1", Some(80)),
            ("1.2.3.4.nip.io", "1.2.3.4.nip.io", None),
            ("0xyz", "0xyz", None),
            ("[::1]", "[::1]", None),
            ("[::1]:8443", "[::1]", Some(8443)),
            ("[0:0:0:0:0:0:0:1]", "[::1]", None),
            ("[2001:DB8::00A]", "[2001:db8::a]", None),
            ("[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]", None),
            ("[::FFFF:102:304]", "[::ffff:1.2.3.4]", None),
        ];
        for (raw, host, port) in cases {
            let found = parse(raw.as_bytes());
            assert_eq!(found, Ok(Authority { host: Cow::Borrowed(host), port: *port }), "{raw}");
        }
    }

    #[test]
    fn refusals() {
        use AuthorityError as E;
        let cases: &[(&[u8], AuthorityError)] = &[
            (b"", E::Empty),
            (b".", E::Empty),
            (b":443", E::Empty),
            (b"..", E::Label),
            (b".a", E::Label),
            (b"a..b", E::Label),
            (b"a..", E::Label),
            (b"user@a", E::UserInfo),
            (b"user:pw@a:80", E::UserInfo),
            (b"@", E::UserInfo),
            (b"a@[::1]", E::UserInfo),
            (b"a:0", E::Port),
            (b"a:00", E::Port),
            (b"a:080", E::Port),
            (b"a:65536", E::Port),
            (b"a:99999", E::Port),
            (b"a:100000", E::Port),
            (b"a:18446744073709551617", E::Port),
            (b"a:+80", E::Port),
            (b"a:-1", E::Port),
            (b"a: 80", E::Port),
            (b"a:80 ", E::Port),
            (b"a:80:80", E::Port),
            (b"a:8o", E::Port),
            (b"::1", E::Port),
            (b"a,b", E::Byte),
            (b"a b", E::Byte),
            (b" a", E::Byte),
            (b"a\t", E::Byte),
            (b"a/b", E::Byte),
            (b"a?b", E::Byte),
            (b"a#b", E::Byte),
            (b"a\\b", E::Byte),
            (b"a%2eb", E::Byte),
            (b"a\0", E::Byte),
            (b"a\r\nb", E::Byte),
            (b"a*", E::Byte),
            (b"*.a", E::Byte),
            (b"a;b", E::Byte),
            (b"\xc3\xa9", E::Byte),
            (b"a\x80", E::Byte),
            (b"http://a", E::Port),
            (b"[", E::Ipv6),
            (b"[]", E::Ipv6),
            (b"[::1", E::Ipv6),
            (b"[::1]x", E::Ipv6),
            (b"[::1]]", E::Ipv6),
            (b"[[::1]]", E::Ipv6),
            (b"[::1%25eth0]", E::Ipv6),
            (b"[::1%eth0]", E::Ipv6),
            (b"[1.2.3.4]", E::Ipv6),
            (b"[v1.a]", E::Ipv6),
            (b"[12345::]", E::Ipv6),
            (b"[::1]:0", E::Port),
            (b"a]", E::Byte),
            (b"127.1", E::Ipv4),
            (b"2130706433", E::Ipv4),
            (b"0x7f000001", E::Ipv4),
            (b"0x7f.0.0.0x1", E::Ipv4),
            (b"127.0.0.01", E::Ipv4),
            (b"256.0.0.1", E::Ipv4),
            (b"1.2.3.4.5", E::Ipv4),
            (b"a.0x", E::Ipv4),
        ];
        for (raw, expected) in cases {
            assert_eq!(parse(raw), Err(*expected), "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn length_is_bounded() {
        let label = "a".repeat(MAX_HOST_LEN);
        assert!(parse(label.as_bytes()).is_ok());
        assert!(parse(format!("{label}.:80").as_bytes()).is_ok());
        assert_eq!(parse(format!("{label}a").as_bytes()), Err(AuthorityError::TooLong));
    }

    #[test]
    fn a_normal_authority_is_borrowed() {
        for raw in ["a.example:8443", "a.example.", "[2001:db8::1]:1", "127.0.0.1"] {
            assert!(matches!(parse(raw.as_bytes()).unwrap().host, Cow::Borrowed(_)), "{raw}");
        }
    }

    #[test]
    fn agreement_knows_the_default_port() {
        let cases = [
            ("a", "A.", 443, true),
            ("a", "a:443", 443, true),
            ("a", "a:443", 80, false),
            ("a:80", "a", 80, true),
            ("a:80", "a:81", 80, false),
            ("a:8443", "a", 443, false),
            ("a", "b", 443, false),
            ("[::1]", "[0::1]:443", 443, true),
        ];
        for (left, right, default_port, expected) in cases {
            let (left, right) = (parse(left.as_bytes()).unwrap(), parse(right.as_bytes()).unwrap());
            assert_eq!(left.agrees_with(&right, default_port), expected, "{left} {right}");
            assert_eq!(right.agrees_with(&left, default_port), expected, "{right} {left}");
        }
    }

    proptest! {
        #[test]
        fn parsing_what_was_written_changes_nothing(raw in "[A-Za-z0-9._\\[\\]:@% -]{0,24}") {
            if let Ok(authority) = parse(raw.as_bytes()) {
                let written = authority.to_string();
                prop_assert_eq!(parse(written.as_bytes()), Ok(authority));
            }
        }

        /// The URL standard's reading of the same host, as browsers have it.
        #[test]
        fn another_parser_reads_the_same(
            raw in "(a|B|_|-|[.]|0x|1|127|[.]1|:|8080|\\[|\\]|::1|ffff|%|@| ){1,8}",
        ) {
            let Ok(authority) = parse(raw.as_bytes()) else { return Ok(()) };
            let Ok(url) = url::Url::parse(&format!("http://{raw}/")) else { return Ok(()) };
            match url.host() {
                Some(url::Host::Ipv6(theirs)) => {
                    let ours: Ipv6Addr = authority.host.trim_matches(['[', ']']).parse().unwrap();
                    prop_assert_eq!(ours, theirs);
                }
                theirs => {
                    let theirs = theirs.map(|host| host.to_string()).unwrap_or_default();
                    prop_assert_eq!(authority.host.as_ref(), theirs.trim_end_matches('.'));
                }
            }
            prop_assert_eq!(authority.port.unwrap_or(80), url.port_or_known_default().unwrap());
        }

        #[test]
        fn no_bytes_make_it_panic(raw in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(authority) = parse(&raw) {
                prop_assert!(authority.host.len() <= MAX_HOST_LEN);
                prop_assert!(!authority.host.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii_graphic()));
            }
        }
    }
}
