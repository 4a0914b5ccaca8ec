use proptest::prelude::*;

use super::*;

#[test]
fn kinds() {
    use FieldKind as K;
    let cases: &[(&str, FieldKind)] = &[
        ("Host", K::Host),
        ("hOsT", K::Host),
        ("Content-Length", K::ContentLength),
        ("transfer-encoding", K::TransferEncoding),
        ("Connection", K::Connection),
        ("Keep-Alive", K::KeepAlive),
        ("Proxy-Connection", K::ProxyConnection),
        ("Proxy-Authenticate", K::ProxyAuthenticate),
        ("Proxy-Authorization", K::ProxyAuthorization),
        ("TE", K::Te),
        ("Trailer", K::Trailer),
        ("Upgrade", K::Upgrade),
        ("Expect", K::Expect),
        ("Cookie", K::Cookie),
        ("Set-Cookie", K::SetCookie),
        ("Authorization", K::Authorization),
        ("X-Pomerium-Jwt-Assertion", K::Identity),
        ("x-pomerium-claim-email", K::Identity),
        ("X_Pomerium_Claim_Email", K::Identity),
        ("x.pomerium.authorization", K::Identity),
        ("X-POMERIUM_reproxy-policy", K::Identity),
        ("x~pomerium!routing|key", K::Identity),
        ("X-Forwarded-For", K::ForwardedFor),
        ("x-forwarded-proto", K::ForwardedProto),
        ("X-FORWARDED-HOST", K::ForwardedHost),
        ("X-Forwarded-Port", K::ForwardedOther),
        ("X-Forwarded-Prefix", K::ForwardedOther),
        ("X-Forwarded-Client-Cert", K::ForwardedOther),
        ("X-Forwarded", K::ForwardedOther),
        ("X_Forwarded_For", K::ForwardedOther),
        ("x.forwarded.proto", K::ForwardedOther),
        ("Forwarded", K::ForwardedOther),
        ("X-Real-IP", K::ForwardedOther),
        ("x_real_ip", K::ForwardedOther),
        ("X-Envoy-External-Address", K::ForwardedOther),
        ("X-Original-URL", K::ForwardedOther),
        ("X-Request-ID", K::RequestId),
        ("Accept", K::Accept),
        ("User-Agent", K::UserAgent),
        ("Referer", K::Referer),
        ("Origin", K::Origin),
        ("Sec-Fetch-Mode", K::SecFetchMode),
        ("Access-Control-Request-Method", K::AccessControlRequestMethod),
        ("HTTP2-Settings", K::Http2Settings),
        ("Server", K::Server),
        ("my_field", K::Underscore),
        ("_", K::Underscore),
        ("content_length", K::Underscore),
        ("xpomeriumclaim", K::Other),
        ("X-Pomerium", K::Other),
        ("X-Pomeriun-Claim", K::Other),
        ("Forwarded-By", K::Other),
        ("Content-Type", K::Other),
        ("X", K::Other),
        ("", K::Other),
    ];
    for (name, expected) in cases {
        assert_eq!(classify(name.as_bytes()), *expected, "{name}");
    }
}

#[test]
fn hop_by_hop_fields() {
    for name in ["connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade"] {
        assert!(is_hop_by_hop(name.as_bytes()), "{name}");
    }
    for name in ["Proxy-Authorization", "Proxy-Authenticate", "HTTP2-Settings"] {
        assert!(is_hop_by_hop(name.as_bytes()), "{name}");
    }
    for name in ["Host", "Content-Length", "Cookie", "X-Forwarded-For", "Accept", ""] {
        assert!(!is_hop_by_hop(name.as_bytes()), "{name}");
    }
}

#[test]
fn nominations_of_protected_fields_are_ignored() {
    let protected = [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Cookie",
        "Set-Cookie",
        "Authorization",
        "X-Forwarded-For",
        "x-forwarded-proto",
        "X_Forwarded_Host",
        "Forwarded",
        "X-Real-Ip",
        "X-Pomerium-Jwt-Assertion",
        "x.pomerium.claim.email",
        "X-Request-Id",
        "Content-Type",
        "Cache-Control",
        "Sec-WebSocket-Key",
        "Origin",
        "Impersonate-User",
        "Access-Control-Allow-Origin",
        "Strict-Transport-Security",
        "Strict_Transport_Security",
        "Proxy-Authorization",
    ];
    for name in protected {
        assert!(!may_be_nominated(name.as_bytes()), "{name}");
    }
    for name in ["close", "keep-alive", "Upgrade", "TE", "X-Custom", "my_own", "Proxy-Connection"] {
        assert!(may_be_nominated(name.as_bytes()), "{name}");
    }
}

#[test]
fn connection_values() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        (" , ,", &[]),
        ("close", &["close"]),
        ("keep-alive, Upgrade", &["keep-alive", "Upgrade"]),
        (" a\t,\tb ,,c", &["a", "b", "c"]),
        ("a b", &["a b"]),
    ];
    for (value, expected) in cases {
        let found: Vec<_> = connection_options(value.as_bytes()).collect();
        let expected: Vec<_> = expected.iter().map(|text| text.as_bytes()).collect();
        assert_eq!(found, expected, "{value:?}");
    }
}

#[test]
fn tokens_and_values() {
    for byte in 0..=255u8 {
        let separator = b"()<>@,;:\\\"/[]?={} \t".contains(&byte);
        let expected = byte.is_ascii() && !byte.is_ascii_control() && !separator;
        assert_eq!(is_token(&[b'a', byte]), expected, "{byte:#x}");
        let control = byte.is_ascii_control() && byte != b'\t';
        assert_eq!(value_is_clean(&[b'a', byte]), !control, "{byte:#x}");
    }
    assert!(!is_token(b""));
    assert!(value_is_clean(b""));
}

#[test]
fn trimming() {
    for (text, expected) in [("", ""), (" \t", ""), ("a", "a"), (" a b\t", "a b"), ("\u{b}a", "\u{b}a")] {
        assert_eq!(trim(text.as_bytes()), expected.as_bytes(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn every_spelling_of_an_identity_name_is_found(
        suffix in "[a-z-]{0,12}",
        separators in prop::collection::vec(prop::sample::select(b"-_.!#$%&'*+^`|~".to_vec()), 2),
        upper: bool,
    ) {
        let name = format!("x{}pomerium{}{suffix}", separators[0] as char, separators[1] as char);
        let name = if upper { name.to_ascii_uppercase() } else { name };
        prop_assert_eq!(classify(name.as_bytes()), FieldKind::Identity);
        prop_assert!(!may_be_nominated(name.as_bytes()));
    }

    #[test]
    fn case_does_not_matter(name in "[A-Za-z_.-]{0,30}") {
        let lower = name.to_ascii_lowercase();
        prop_assert_eq!(classify(name.as_bytes()), classify(lower.as_bytes()));
    }

    #[test]
    fn names_are_compared_whole_and_in_any_case(
        known in "[a-z0-9-]{0,40}",
        flips in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..3),
        upper: bool,
    ) {
        let mut name = if upper { known.to_ascii_uppercase() } else { known.clone() }.into_bytes();
        prop_assert!(is_named(&name, known.as_bytes()));
        for (at, byte) in flips.iter().filter(|_| !known.is_empty()) {
            name[at.index(known.len())] = *byte;
        }
        prop_assert_eq!(is_named(&name, known.as_bytes()), name.eq_ignore_ascii_case(known.as_bytes()));
        name.push(b'a');
        prop_assert!(!is_named(&name, known.as_bytes()));
    }
}
