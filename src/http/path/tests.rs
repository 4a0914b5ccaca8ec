use proptest::prelude::*;

use super::EscapedSlashes::{Keep, Reject, UnescapeAndForward, UnescapeAndRedirect};
use super::*;

fn rules(escaped_slashes: EscapedSlashes) -> PathRules {
    PathRules { escaped_slashes, ..PathRules::default() }
}

fn normal(raw: &str, rules: &PathRules) -> Result<String, PathError> {
    normalize(raw.as_bytes(), rules).map(|path| path.as_str().to_owned())
}

#[test]
fn normal_forms() {
    let cases: &[(&str, &str)] = &[
        ("/", "/"),
        ("/a", "/a"),
        ("/a/", "/a/"),
        ("/a/b.c", "/a/b.c"),
        ("/.well-known/pomerium", "/.well-known/pomerium"),
        ("/..a/b..c/...", "/..a/b..c/..."),
        ("/.", "/"),
        ("/..", "/"),
        ("/./", "/"),
        ("/../", "/"),
        ("/../../../etc/passwd", "/etc/passwd"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/a/b/../", "/a/"),
        ("/a/./b", "/a/b"),
        ("/public/../admin", "/admin"),
        ("/public/%2e%2e/admin", "/admin"),
        ("/public/%2E%2e/admin", "/admin"),
        ("/public/.%2e/admin", "/admin"),
        ("/public/%2e./admin", "/admin"),
        ("/public/%2e/admin", "/public/admin"),
        ("/public/%2e%2e", "/"),
        ("//", "/"),
        ("//a", "/a"),
        ("///a////b//", "/a/b/"),
        ("//host/path", "/host/path"),
        ("/a//../b", "/a/b"),
        ("/..//a", "/a"),
        ("/.//a", "/a"),
        ("/%61dmin", "/admin"),
        ("/%41%5a%7a%7E%2d%5F", "/AZz~-_"),
        ("/a%3ab", "/a%3Ab"),
        ("/a%c3%a9", "/a%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("/a%25b", "/a%25b"),
        ("/100%25", "/100%25"),
        ("/a%2520b", "/a%2520b"),
        ("/a;v=1/b;w", "/a;v=1/b;w"),
        ("/;jsessionid=1", "/;jsessionid=1"),
        ("/a.;x/b", "/a.;x/b"),
        ("/ADMIN", "/ADMIN"),
        ("/a!$&'()*+,=:@", "/a!$&'()*+,=:@"),
        ("/a[0]|{x}^`\"<>", "/a%5B0%5D%7C%7Bx%7D%5E%60%22%3C%3E"),
        ("/a%5b", "/a%5B"),
    ];
    for (raw, expected) in cases {
        assert_eq!(normal(raw, &PathRules::default()).as_deref(), Ok(*expected), "{raw}");
    }
}

#[test]
fn refusals() {
    use PathError as E;
    let cases: &[(&[u8], PathError)] = &[
        (b"", E::NotAbsolute),
        (b"a", E::NotAbsolute),
        (b"*", E::NotAbsolute),
        (b"http://h/", E::NotAbsolute),
        (b"%2fa", E::NotAbsolute),
        (b"\\a", E::NotAbsolute),
        (b"/a\0", E::Byte(0)),
        (b"/a#b", E::Byte(b'#')),
        (b"/a?b", E::Byte(b'?')),
        (b"/a\\b", E::Byte(b'\\')),
        (b"/..\\admin", E::Byte(b'\\')),
        (b"/a b", E::Byte(b' ')),
        (b"/a\tb", E::Byte(b'\t')),
        (b"/a\rb", E::Byte(b'\r')),
        (b"/a\nb", E::Byte(b'\n')),
        (b"/a\x7f", E::Byte(0x7f)),
        (b"/a\x80", E::Byte(0x80)),
        (b"/\xc3\xa9", E::Byte(0xc3)),
        (b"/%20\xff", E::Byte(0xff)),
        (b"/%", E::Escape),
        (b"/%2", E::Escape),
        (b"/%2/", E::Escape),
        (b"/%zz", E::Escape),
        (b"/%u002e", E::Escape),
        (b"/%%32e", E::Escape),
        (b"/% 2e", E::Escape),
        (b"/%+2", E::Escape),
        (b"/admin%00", E::EscapedControl(0)),
        (b"/admin%00.png", E::EscapedControl(0)),
        (b"/a%0d%0aX:y", E::EscapedControl(b'\r')),
        (b"/a%0A", E::EscapedControl(b'\n')),
        (b"/a%09", E::EscapedControl(b'\t')),
        (b"/a%7f", E::EscapedControl(0x7f)),
        (b"/a%2fb", E::EscapedSlash),
        (b"/a%2Fb", E::EscapedSlash),
        (b"/a%5cb", E::EscapedSlash),
        (b"/public/..%2fadmin", E::EscapedSlash),
        (b"/%252e%252e/admin", E::EscapedTwice),
        (b"/..%252fadmin", E::EscapedTwice),
        (b"/..%255Cadmin", E::EscapedTwice),
        (b"/%25252e", E::EscapedTwice),
        (b"/%25%32%65", E::EscapedTwice),
        (b"/%25%32%35%32%65", E::EscapedTwice),
        (b"/%2500", E::EscapedTwice),
        (b"/%250d%250a", E::EscapedTwice),
        (b"/%c0%ae%c0%ae/admin", E::Utf8),
        (b"/%c0%af", E::Utf8),
        (b"/%e0%80%ae", E::Utf8),
        (b"/%f0%80%80%ae", E::Utf8),
        (b"/%ed%a0%80", E::Utf8),
        (b"/%ff", E::Utf8),
        (b"/caf%e9", E::Utf8),
        (b"/%c3/%a9", E::Utf8),
        (b"/%f4%90%80%80", E::Utf8),
        (b"/%ef%bc%8e%ef%bc%8e/admin", E::Lookalike),
        (b"/.%ef%bc%8e/admin", E::Lookalike),
        (b"/%e2%80%a5/admin", E::Lookalike),
        (b"/%e2%80%a5;x/admin", E::Lookalike),
        (b"/a%ef%bc%8fadmin", E::Lookalike),
        (b"/..%e2%88%95admin", E::Lookalike),
        (b"/..%e2%81%84admin", E::Lookalike),
        (b"/a%e2%88%96b", E::Lookalike),
        (b"/..%c2%a5admin", E::Lookalike),
        (b"/a%e2%82%a9..%e2%82%a9admin", E::Lookalike),
        (b"/..%20/admin", E::Lookalike),
        (b"/%20../admin", E::Lookalike),
        (b"/.%20;x/admin", E::Lookalike),
        (b"/a%ef%bc%bcadmin", E::Lookalike),
        (b"/public/..;/admin", E::Parameters),
        (b"/public/..;", E::Parameters),
        (b"/public/..;a=b/admin", E::Parameters),
        (b"/public/.;/admin", E::Parameters),
        (b"/public/..%3b/admin", E::Parameters),
        (b"/public/%2e%2E%3B/admin", E::Parameters),
        (b"/;/admin", E::Parameters),
        (b"/;x=y/admin", E::Parameters),
        (b"/%3b/admin", E::Parameters),
    ];
    for (raw, expected) in cases {
        let found = normalize(raw, &PathRules::default()).map(|path| path.as_str().to_owned());
        assert_eq!(found.as_ref(), Err(expected), "{}", raw.escape_ascii());
    }
}

#[test]
fn every_raw_byte_is_either_plain_or_escaped_or_refused() {
    for byte in 0..=255u8 {
        let raw = [b'/', b'x', byte, b'y'];
        match normalize(&raw, &PathRules::default()) {
            Ok(path) => {
                let expected = [b'/', b'x', byte, b'y'];
                assert_eq!(path.decoded().as_bytes(), expected, "{byte:#x}");
                assert!(path.as_str().bytes().all(|b| b.is_ascii_graphic()), "{byte:#x}");
            }
            Err(PathError::Escape) => assert_eq!(byte, b'%'),
            Err(error) => {
                assert_eq!(error, PathError::Byte(byte));
                assert!(byte <= b' ' || byte >= 0x7f || b"#?\\".contains(&byte), "{byte:#x}");
            }
        }
    }
}

#[test]
fn escaped_slashes_follow_the_rule() {
    let redirect = |to: &str| Err(PathError::Redirect(to.to_owned()));
    let cases: &[(EscapedSlashes, &str, Result<&str, PathError>)] = &[
        (Keep, "/a%2fb%5c", Ok("/a%2Fb%5C")),
        (Keep, "/a%252fb", Ok("/a%252fb")),
        (Keep, "/a%252eb", Err(PathError::EscapedTwice)),
        (Keep, "/public/..%2fadmin", Err(PathError::EscapedSlash)),
        (Keep, "/public%2f../admin", Err(PathError::EscapedSlash)),
        (Keep, "/public%2f..", Err(PathError::EscapedSlash)),
        (Keep, "/public%5c%2e%2e%5cadmin", Err(PathError::EscapedSlash)),
        (Keep, "/public%2f..;%2fadmin", Err(PathError::Parameters)),
        (Reject, "/a%2fb", Err(PathError::EscapedSlash)),
        (UnescapeAndForward, "/a%2fb", Ok("/a/b")),
        (UnescapeAndForward, "/a%5Cb", Ok("/a/b")),
        (UnescapeAndForward, "/public/..%2fadmin", Ok("/admin")),
        (UnescapeAndForward, "/public%2f%2e%2e%2fadmin", Ok("/admin")),
        (UnescapeAndForward, "/a%2f%2fb", Ok("/a/b")),
        (UnescapeAndForward, "/a%252fb", Err(PathError::EscapedTwice)),
        (UnescapeAndRedirect, "/a/b", Ok("/a/b")),
        (UnescapeAndRedirect, "/a%2fb", redirect("/a/b")),
        (UnescapeAndRedirect, "/%2fevil.example/x", redirect("/evil.example/x")),
        (UnescapeAndRedirect, "/%5cevil.example/x", redirect("/evil.example/x")),
        (UnescapeAndRedirect, "/a%2f..%2f%2fb%20c", redirect("/b%20c")),
    ];
    for (slashes, raw, expected) in cases {
        let found = normal(raw, &rules(*slashes));
        assert_eq!(found.as_deref(), expected.as_ref().map(|text| *text), "{slashes:?} {raw}");
    }
}

#[test]
fn a_redirect_never_leaves_the_site_even_without_merging() {
    let rules = PathRules { merge_slashes: false, ..rules(UnescapeAndRedirect) };
    for raw in ["/%2fevil.example", "//%2Fevil.example", "/%5c%5cevil.example", "/a/..%2f%2fevil.example"] {
        assert_eq!(normal(raw, &rules), Err(PathError::Redirect("/evil.example".to_owned())), "{raw}");
    }
}

#[test]
fn rules_that_are_off_leave_the_spelling() {
    let loose = PathRules { normalize: false, merge_slashes: false, escaped_slashes: Keep };
    for raw in ["/a//b", "/%61%2fb", "/%c3%a9", "//host", "/a/.b/..c"] {
        assert_eq!(normal(raw, &loose).as_deref(), Ok(raw), "{raw}");
    }
    for raw in ["/a%00", "/a#", "/%c0%ae", "/..;/a", "/%25%32%65", "/..%2fa"] {
        assert!(normal(raw, &loose).is_err(), "{raw}");
    }
    let merge_only = PathRules { normalize: false, ..PathRules::default() };
    assert_eq!(normal("/a//b//..c", &merge_only).as_deref(), Ok("/a/b/..c"));
    let dots_only = PathRules { merge_slashes: false, ..PathRules::default() };
    assert_eq!(normal("/a//b/../c", &dots_only).as_deref(), Ok("/a//c"));
}

#[test]
fn dot_segments_that_nobody_resolves_are_refused() {
    for escaped_slashes in [Keep, Reject, UnescapeAndForward, UnescapeAndRedirect] {
        let rules = PathRules { normalize: false, merge_slashes: false, escaped_slashes };
        for raw in ["/a/../b", "/a/..", "/a/./b", "/.", "/a//../b", "/a/%2e%2e/b", "/a/.%2E", "/%2e/a"] {
            assert_eq!(normal(raw, &rules), Err(PathError::Dots), "{raw}");
        }
    }
    let undone = PathRules { normalize: false, ..rules(UnescapeAndForward) };
    assert_eq!(normal("/a/..%2fb", &undone), Err(PathError::Dots));
}

#[test]
fn no_round_of_decoding_brings_dot_segments_to_light() {
    use PathError as E;
    for (raw, expected) in [
        ("/a/..%252fb", E::EscapedSlash),
        ("/a/..%255cb", E::EscapedSlash),
        ("/a/%2e%2e%25252fb", E::EscapedSlash),
        ("/a%252f../../b", E::EscapedSlash),
        ("/a/..%2fb%252fc", E::EscapedSlash),
        ("/a/%252e%252e/b", E::EscapedTwice),
        ("/a/%25%2532e/b", E::EscapedTwice),
        ("/a/..%253b/b", E::Parameters),
        ("/a/%253b/b", E::Parameters),
        ("/a/..%2520%252fb", E::Lookalike),
        ("/a/%25ef%25bc%258e./b", E::Lookalike),
        ("/a%25252525252525252541", E::EscapedTwice),
    ] {
        assert_eq!(normal(raw, &rules(Keep)), Err(expected), "{raw}");
    }
    for raw in ["/a%252fb", "/a%255Cb%2Fc", "/a%25252fb", "/100%25", "/a%2520b", "/a%252541", "/..a%252fb"] {
        assert!(normal(raw, &rules(Keep)).is_ok(), "{raw}");
    }
}

#[test]
fn decoded_is_what_policies_read() {
    let cases = [
        ("/a", "/a"),
        ("/a%20b", "/a b"),
        ("/caf%c3%a9", "/café"),
        ("/%7E/100%25", "/~/100%"),
        ("/a%2520b", "/a%20b"),
        ("/a|b", "/a|b"),
    ];
    for (raw, expected) in cases {
        let path = normalize(raw.as_bytes(), &PathRules::default()).unwrap();
        assert_eq!(path.decoded(), expected, "{raw}");
    }
}

#[test]
fn a_normal_path_is_borrowed() {
    for raw in ["/", "/a/b", "/.well-known/x", "/a%20b", "/a;v=1", "/;x"] {
        let path = normalize(raw.as_bytes(), &PathRules::default()).unwrap();
        assert!(matches!(path.into_encoded(), Cow::Borrowed(text) if text == raw), "{raw}");
    }
    let path = normalize(b"/a/b;c/..x", &PathRules::default()).unwrap();
    assert!(matches!(path.decoded(), Cow::Borrowed("/a/b;c/..x")));
}

#[test]
fn queries() {
    for clean in [&b""[..], b"a=b&c=%20", b"x=[1]|{}\"<>\\^`", b"?/:@"] {
        assert!(query_is_clean(clean), "{}", clean.escape_ascii());
    }
    for dirty in [&b"a b"[..], b"a\0", b"a\r", b"a\nb", b"a#b", b"\x7f", b"\x80", b"\xc3\xa9", b"a\tb"] {
        assert!(!query_is_clean(dirty), "{}", dirty.escape_ascii());
    }
}

/// Paths made of the pieces that attacks are made of.
fn hostile_path() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "/",
        "/",
        "//",
        ".",
        "..",
        "%2e",
        "%2E",
        "%2f",
        "%5C",
        "%25",
        "25",
        "2e",
        "2f",
        ";",
        "%3b",
        "a",
        "%61",
        "%c3%a9",
        "%c0",
        "%ae",
        "%ef%bc%8e",
        "%00",
        "%",
        "[",
        "|",
        "~",
        "%7e",
        "%20",
        "\\",
        "#",
        "\u{e9}",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|pieces| format!("/{}", pieces.concat()).into_bytes())
}

fn any_rules() -> impl Strategy<Value = PathRules> {
    let slashes = prop::sample::select(vec![Keep, Reject, UnescapeAndForward, UnescapeAndRedirect]);
    (any::<bool>(), any::<bool>(), slashes).prop_map(|(normalize, merge_slashes, escaped_slashes)| PathRules {
        normalize,
        merge_slashes,
        escaped_slashes,
    })
}

/// What holds of every path that is let through.
fn assert_normal(path: &Path<'_>, rules: &PathRules) {
    let text = path.as_str();
    assert!(text.starts_with('/'), "{text}");
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && !b"#?\\\"<>^`{|}[]".contains(&byte)), "{text}");
    let decoded = path.decoded();
    assert!(!decoded.chars().any(|c| c.is_ascii_control()), "{text}");
    assert!(text.split('/').all(|part| part != "." && part != ".."), "{text}");
    if rules.merge_slashes {
        assert!(!text.contains("//"), "{text}");
    }
    if rules.escaped_slashes != Keep {
        assert_eq!(decoded.matches(['/', '\\']).count(), text.matches('/').count(), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn normalizing_twice_changes_nothing(raw in hostile_path(), rules in any_rules()) {
        if let Ok(path) = normalize(&raw, &rules) {
            assert_normal(&path, &rules);
            let once = path.as_str().to_owned();
            let again = normalize(once.as_bytes(), &rules);
            prop_assert_eq!(again.as_ref().map(|path| path.as_str()), Ok(once.as_str()));
            prop_assert!(matches!(again.unwrap().into_encoded(), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn the_quick_road_and_the_slow_road_agree(raw in "/[a-c./;=~-]{0,20}", rules in any_rules()) {
        let raw = raw.as_bytes();
        if is_plain(raw, &rules) == Ok(true) {
            prop_assert_eq!(normalize(raw, &rules), rebuild(raw, &rules));
        }
    }

    /// The URL standard's reading of the same path, as browsers have it.
    #[test]
    fn another_parser_reads_the_same(raw in hostile_path(), merge_slashes: bool) {
        let rules = PathRules { merge_slashes, ..PathRules::default() };
        if let Ok(path) = normalize(&raw, &rules) {
            let url = |path: &str| url::Url::parse(&format!("http://host{path}")).unwrap();
            let ours = url(path.as_str());
            prop_assert_eq!(ours.path(), path.as_str());
            if !merge_slashes {
                let theirs = url(std::str::from_utf8(&raw).unwrap());
                let theirs = escape::decoded(theirs.path().as_bytes());
                prop_assert_eq!(theirs, path.decoded().into_owned().into_bytes());
            }
        }
    }

    #[test]
    fn a_redirect_leads_to_a_path_that_is_served(raw in hostile_path(), merge_slashes: bool) {
        let rules = PathRules { merge_slashes, ..rules(UnescapeAndRedirect) };
        if let Err(PathError::Redirect(to)) = normalize(&raw, &rules) {
            prop_assert!(!to.starts_with("//"));
            prop_assert_eq!(normal(&to, &rules), Ok(to.clone()));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(raw in prop::collection::vec(any::<u8>(), 0..64), rules in any_rules()) {
        let absolute = [b"/", raw.as_slice()].concat();
        for raw in [raw, absolute] {
            if let Ok(path) = normalize(&raw, &rules) {
                assert_normal(&path, &rules);
            }
        }
    }
}
