//! Paths, authorities, cookies.

use percent_encoding::percent_decode;
use url::{Host, Url};
use vallum::http::cookie;
use vallum::http::path::{EscapedSlashes, PathError, PathRules, normalize};

const ACTIONS: [EscapedSlashes; 4] = [
    EscapedSlashes::Reject,
    EscapedSlashes::Keep,
    EscapedSlashes::UnescapeAndForward,
    EscapedSlashes::UnescapeAndRedirect,
];

/// The first byte chooses the rules. A normal form is one: it stays as it is, has nothing in it that a server could
/// resolve further, and a browser's parser reads the same path.
pub fn path(data: &[u8]) {
    let Some((choice, raw)) = data.split_first() else { return };
    let rules = PathRules {
        normalize: choice & 1 == 0,
        merge_slashes: choice & 2 == 0,
        escaped_slashes: ACTIONS[usize::from(choice >> 2 & 3)],
    };
    let path = match normalize(raw, &rules) {
        Ok(path) => path,
        Err(PathError::Redirect(target)) => {
            assert_eq!(rules.escaped_slashes, EscapedSlashes::UnescapeAndRedirect);
            assert!(target.starts_with('/') && !target.starts_with("//"), "{target}");
            assert_eq!(
                normalize(target.as_bytes(), &rules).expect("what clients are sent to is served").as_str(),
                target
            );
            return;
        }
        Err(_) => return,
    };
    let normal = path.as_str();
    assert_eq!(normalize(normal.as_bytes(), &rules).expect("a normal form is served").as_str(), normal);
    assert!(normal.starts_with('/') && normal.bytes().all(|b| matches!(b, 0x21..=0x7e)), "{normal:?}");
    assert!(!normal.contains(['?', '#', '\\']), "{normal:?}");
    assert!(!rules.merge_slashes || !normal.contains("//"), "{normal:?}");
    assert!(!path.decoded().contains(|c: char| c.is_control()), "{normal:?}");
    if rules.escaped_slashes != EscapedSlashes::Keep {
        let upper = normal.to_ascii_uppercase();
        assert!(!upper.contains("%2F") && !upper.contains("%5C"), "{normal:?}");
    }
    let dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    assert!(!normal.split('/').any(dots), "{normal:?}");
    if rules.normalize && rules.escaped_slashes != EscapedSlashes::Keep {
        as_a_browser_reads(normal);
    }
}

fn as_a_browser_reads(normal: &str) {
    let url = Url::parse(&format!("http://host{normal}")).expect("a path that a browser can ask for");
    let decoded = |text: &str| percent_decode(text.as_bytes()).collect::<Vec<u8>>();
    assert_eq!(decoded(url.path()), decoded(normal), "{normal:?}");
    assert_eq!((url.host_str(), url.query(), url.fragment()), (Some("host"), None, None));
}

/// An authority that is taken is in normal form, and the `url` crate finds the same host and port in it.
pub fn authority(data: &[u8]) {
    let Ok(authority) = vallum::http::authority::parse(data) else { return };
    let shown = authority.to_string();
    let again = vallum::http::authority::parse(shown.as_bytes()).expect("a normal form is taken");
    assert_eq!((&again.host, again.port), (&authority.host, authority.port));
    assert!(!authority.host.is_empty() && !authority.host.ends_with('.'), "{shown}");
    assert!(!authority.host.bytes().any(|b| b.is_ascii_uppercase()), "{shown}");

    let raw = std::str::from_utf8(data).expect("hosts are ASCII");
    let Ok(url) = Url::parse(&format!("http://{raw}/")) else {
        // Names in Punycode may say nothing; we only compare them.
        return assert!(authority.host.contains("xn--"), "{raw}: another parser refuses it");
    };
    // The crate spells IPv6 in another way (RFC 5952 keeps the dots of an embedded IPv4 address).
    let found = match url.host() {
        Some(Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name).to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => format!("[{address}]"),
        None => String::new(),
    };
    assert_eq!(found, authority.host, "{raw}");
    assert_eq!(url.port_or_known_default(), Some(authority.port.unwrap_or(80)), "{raw}");
    assert_eq!((url.path(), url.username(), url.password()), ("/", "", None), "{raw}");
}

/// None of ours is left, everybody else's is, in order and byte by byte.
pub fn cookie(data: &[u8]) {
    const NAME: &str = "_pomerium";
    let rest = cookie::without(data, NAME);
    let strangers: Vec<_> = cookie::pairs(data).filter(|(name, _)| !cookie::is_ours(name, NAME)).collect();
    assert_eq!(cookie::pairs(&rest).collect::<Vec<_>>(), strangers);
    assert_eq!(cookie::find_all(&rest, NAME.as_bytes()).count(), 0);
    assert_eq!(cookie::without(&rest, NAME), rest);
    // As a simple server splits it.
    let simple = rest.split(|b| *b == b';').map(|pair| pair.split(|b| *b == b'=').next().unwrap_or_default());
    assert!(simple.map(super::naive::trim).all(|name| name != NAME.as_bytes()));
}
