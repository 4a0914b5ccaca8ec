//! Paths.

use serde_json::json;

use super::Outcome::{self, Denied, Passed, Refused, Unknown};
use super::Way::{Clear, Http2, Tls};
use super::{Edge, loose};
use crate::harness::vallum::HOST;

type Case = (&'static str, Outcome);

/// What is read in one way whatever the configuration says of escaped slashes.
const PLAIN: &[Case] = &[
    ("/public/a", Passed("/public/a")),
    ("/public/", Passed("/public/")),
    ("/public", Unknown),
    ("/", Unknown),
    ("/admin", Denied),
    ("/admin/x", Denied),
    ("/administrator", Denied),
    // Dot segments.
    ("/public/../admin", Denied),
    ("/public/./../admin", Denied),
    ("/public/a/../../admin", Denied),
    ("/public/../../../admin", Denied),
    ("/public/..", Unknown),
    ("/public/../", Unknown),
    ("/public/.", Passed("/public/")),
    ("/public/a/..", Passed("/public/")),
    ("/./public/a", Passed("/public/a")),
    ("/../public/a", Passed("/public/a")),
    ("/x/../public/a", Passed("/public/a")),
    ("/public/...", Passed("/public/...")),
    ("/public/.../admin", Passed("/public/.../admin")),
    ("/public/..a/admin", Passed("/public/..a/admin")),
    ("/public/.a", Passed("/public/.a")),
    ("/public/a..", Passed("/public/a..")),
    // The same in escapes.
    ("/public/%2e%2e/admin", Denied),
    ("/public/%2E%2e/admin", Denied),
    ("/public/.%2e/admin", Denied),
    ("/public/%2e./admin", Denied),
    ("/public/%2e/a", Passed("/public/a")),
    ("/public/%2e%2e%2e/a", Passed("/public/.../a")),
    ("/%70ublic/a", Passed("/public/a")),
    ("/%61dmin", Denied),
    ("/%61%64%6d%69%6E", Denied),
    ("/public/%61", Passed("/public/a")),
    ("/public/%7Ea%2d%5F%2E", Passed("/public/~a-_.")),
    ("/public/%c3%a9", Passed("/public/%C3%A9")),
    ("/public/a%20b", Passed("/public/a%20b")),
    ("/public/%3F%23%25", Passed("/public/%3F%23%25")),
    ("/public/%3f/../../admin", Denied),
    ("/public/%26%3d%2B", Passed("/public/%26%3D%2B")),
    // Escaped twice and more.
    ("/public/%252e%252e/admin", Refused),
    ("/public/%25%32%65%25%32%65/admin", Refused),
    ("/public/%25252e%25252e/admin", Refused),
    ("/public/%2525252e./admin", Refused),
    ("/public/%25%2532e%25%2532e/admin", Refused),
    ("/public/..%253b/admin", Refused),
    ("/public/%2500", Refused),
    ("/public/%250d%250a", Refused),
    ("/public/%2541", Passed("/public/%2541")),
    ("/public/100%25", Passed("/public/100%25")),
    // Slashes.
    ("//public/a", Passed("/public/a")),
    ("/public//a", Passed("/public/a")),
    ("/public///../admin", Passed("/public/admin")),
    ("//admin", Denied),
    ("///admin", Denied),
    ("/.//admin", Denied),
    ("//public/..//admin", Denied),
    ("//app.example.com/admin", Unknown),
    ("//secret.example.com/public/a", Unknown),
    ("/public/..\\admin", Refused),
    ("/public\\..\\admin", Refused),
    ("\\admin", Refused),
    ("/\\admin", Refused),
    ("/public/\\", Refused),
    // Parameters.
    ("/public/..;/admin", Refused),
    ("/public/..;a=b/admin", Refused),
    ("/public/.;/admin", Refused),
    ("/public/;/../admin", Refused),
    ("/public/;/admin", Refused),
    ("/;/admin", Refused),
    ("/public/;..;/admin", Refused),
    ("/public/%2e%2e;/admin", Refused),
    ("/public/..%3b/admin", Refused),
    ("/public/..%3B%2e/admin", Refused),
    ("/public/a;b=c", Passed("/public/a;b=c")),
    ("/public/a;b/../../admin", Denied),
    ("/public;/a", Unknown),
    ("/public;/../admin", Denied),
    ("/admin;x", Denied),
    ("/admin;/x", Denied),
    ("/adm;in", Unknown),
    // Bytes that no path may hold, plainly or in an escape.
    ("/admin%00", Refused),
    ("/public/%00", Refused),
    ("/public/..%00/admin", Refused),
    ("/public/a%0ab", Refused),
    ("/public/a%0d%0aX:%20y", Refused),
    ("/public/..%0d/admin", Refused),
    ("/public/%09", Refused),
    ("/public/%1b[31m", Refused),
    ("/public/%7f", Refused),
    ("/public/a#b", Refused),
    ("/public/#/../../admin", Refused),
    ("/public#/../admin", Refused),
    ("/public/%", Refused),
    ("/public/%1", Refused),
    ("/public/%zz", Refused),
    ("/public/%%32%65", Refused),
    ("/public/%u002e%u002e/admin", Refused),
    ("/public/..%u2215admin", Refused),
    ("/public/\u{e9}", Refused),
    ("/public/\u{ff0e}\u{ff0e}/admin", Refused),
    // Text that is none, and characters that look like others.
    ("/public/%c0%ae%c0%ae/admin", Refused),
    ("/public/%e0%80%ae%e0%80%ae/admin", Refused),
    ("/public/%f0%80%80%ae./admin", Refused),
    ("/public/..%c0%afadmin", Refused),
    ("/public/..%c1%9cadmin", Refused),
    ("/public/%ff", Refused),
    ("/public/%ed%a0%80", Refused),
    ("/public/..%ef%bc%8fadmin", Refused),
    ("/public/..%ef%bc%bcadmin", Refused),
    ("/public/%ef%bc%8e%ef%bc%8e/admin", Refused),
    ("/public/..%e2%88%95admin", Refused),
    ("/public/..%e2%81%84admin", Refused),
    ("/public/..%e2%88%96admin", Refused),
    ("/public/..%c2%a5admin", Refused),
    ("/public/..%e2%82%a9admin", Refused),
    ("/public/%c2%a5100", Passed("/public/%C2%A5100")),
    ("/public/..%20/admin", Refused),
    ("/public/a%20../b", Passed("/public/a%20../b")),
    ("/public/%20", Passed("/public/%20")),
    ("/public/%e2%80%a4%e2%80%a4/admin", Refused),
    ("/public/%e2%80%a5/admin", Refused),
    // Suffixes and case.
    ("/admin.", Denied),
    ("/admin%20", Denied),
    ("/admin/", Denied),
    ("/admin/.", Denied),
    ("/admin%23", Denied),
    ("/ADMIN", Unknown),
    ("/Public/a", Unknown),
    ("/admi%6E", Denied),
    // Queries are not paths.
    ("/public/a?b", Passed("/public/a?b")),
    ("/public/a?", Passed("/public/a?")),
    ("/public/a??b?", Passed("/public/a??b?")),
    ("/public/?/../admin", Passed("/public/?/../admin")),
    ("/public/?/../../admin", Passed("/public/?/../../admin")),
    ("/admin?/../public/a", Denied),
    ("/public/a?b=%00%2f%zz", Passed("/public/a?b=%00%2f%zz")),
    ("/public/a?b#c", Refused),
    ("/public/a?\u{e9}", Refused),
    ("/public/a?[]{}|^\\`\"<>", Passed("/public/a?[]{}|^\\`\"<>")),
    // Raw characters that browsers and curl send.
    ("/public/[x]", Passed("/public/%5Bx%5D")),
    ("/public/{x}|^`\"<>", Passed("/public/%7Bx%7D%7C%5E%60%22%3C%3E")),
    ("/public/a:b@c!$&'()*+,=", Passed("/public/a:b@c!$&'()*+,=")),
    // What is no path.
    ("", Refused),
    ("a", Refused),
    ("public/a", Refused),
    ("?a", Refused),
    ("*", Refused),
    ("%2fpublic/a", Refused),
    ("http:/public/a", Refused),
    ("javascript:x", Refused),
];

/// Escaped slashes where they are refused, kept, and undone.
const ESCAPED: &[(&str, &[Case])] = &[
    (
        "reject_request",
        &[
            ("/public/a%2fb", Refused),
            ("/public/a%5cb", Refused),
            ("/public/..%2fadmin", Refused),
            ("/public/..%5cadmin", Refused),
            ("/public%2f..%2fadmin", Refused),
            ("/%2fadmin", Refused),
            ("/public/..%252fadmin", Refused),
            ("/public/..%255cadmin", Refused),
        ],
    ),
    (
        "keep_unchanged",
        &[
            ("/public/a%2fb", Passed("/public/a%2Fb")),
            ("/public/a%5cb", Passed("/public/a%5Cb")),
            ("/public/a%2Fb%2fc", Passed("/public/a%2Fb%2Fc")),
            ("/public/..%2fadmin", Refused),
            ("/public/..%5cadmin", Refused),
            ("/public/%2e%2e%2fadmin", Refused),
            ("/public/%2f..%2f..%2fadmin", Refused),
            ("/public/a%2f../../admin", Refused),
            ("/public/..%2f", Refused),
            ("/public%2f..%2fadmin", Refused),
            ("/public%2fa", Unknown),
            ("/%2fadmin", Unknown),
            ("/admin%2fx", Denied),
            ("/public/..;%2fadmin", Refused),
            ("/public/a%252fb", Passed("/public/a%252fb")),
            ("/public/..%252fadmin", Refused),
            ("/public/..%255cadmin", Refused),
            ("/public/%2e%2e%25252fadmin", Refused),
            ("/public/..%253b%252fadmin", Refused),
            ("/public/%ef%bc%8e%ef%bc%8e%252fadmin", Refused),
        ],
    ),
    (
        "unescape_and_forward",
        &[
            ("/public/a%2fb", Passed("/public/a/b")),
            ("/public/a%5cb", Passed("/public/a/b")),
            ("/public/..%2fadmin", Denied),
            ("/public/..%5cadmin", Denied),
            ("/public%2fa", Passed("/public/a")),
            ("/public%2f..%2fadmin", Denied),
            ("/%2fadmin", Denied),
            ("/public/%2e%2e%2fadmin", Denied),
            ("/public/..%252fadmin", Refused),
            ("/public/..;%2fadmin", Refused),
        ],
    ),
];

fn cases(list: &[Case]) -> Vec<(&'static str, &'static str, Outcome)> {
    list.iter().map(|(target, outcome)| (HOST, *target, *outcome)).collect()
}

/// No server at all, however careless, sees anything but what is public.
#[track_caller]
fn assert_nothing_climbs(edge: &Edge) {
    for request in edge.upstream.requests() {
        let readings = loose::readings(&request.target);
        assert!(readings.iter().all(|path| path.starts_with("/public")), "{}: {readings:?}", request.target);
    }
}

#[test]
fn a_path_has_one_reading() {
    let edge = Edge::start(json!({}));
    edge.check_all(&[Clear, Tls, Http2], &cases(PLAIN));
    assert_nothing_climbs(&edge);
}

#[test]
fn escaped_slashes_are_what_the_configuration_says() {
    for (action, list) in ESCAPED {
        let edge = Edge::start(json!({"path_with_escaped_slashes_action": action}));
        edge.check_all(&[Clear, Tls, Http2], &cases(list));
        edge.check_all(&[Clear], &cases(PLAIN));
        assert_nothing_climbs(&edge);
    }
}

#[test]
fn an_escaped_slash_that_is_undone_by_a_redirect_leads_to_the_normal_form() {
    let edge = Edge::start(json!({"path_with_escaped_slashes_action": "unescape_and_redirect"}));
    for (target, location) in [
        ("/public/a%2fb", "/public/a/b"),
        ("/public/a%2fb?c=%2f", "/public/a/b?c=%2f"),
        ("/public/..%2fadmin", "/admin"),
        ("/%2fevil.example/x", "/evil.example/x"),
        ("//%5cevil.example/x", "/evil.example/x"),
    ] {
        let answer = edge.clear.connect().ask(crate::harness::vallum::get(HOST, target, ""));
        assert_eq!((answer.status, answer.header("location")), (307, location), "{target}");
    }
    edge.check_all(&[Clear], &cases(PLAIN));
    assert_nothing_climbs(&edge);
}

#[test]
fn normalisation_can_be_turned_off_and_what_is_ambiguous_stays_refused() {
    let refused = PLAIN.iter().filter(|(target, outcome)| *outcome == Refused && !target.contains("//"));
    let refused: Vec<Case> = refused.copied().collect();
    for (settings, list) in [
        (
            json!({"merge_slashes": false}),
            &[
                ("/public//a", Passed("/public//a")),
                ("/public///", Passed("/public///")),
                ("//public/a", Unknown),
                ("//admin", Unknown),
                ("/public/a/../b", Passed("/public/b")),
            ][..],
        ),
        (
            json!({"normalize_path": false}),
            &[
                ("/public/%61%7e%c3%a9", Passed("/public/%61%7e%c3%a9")),
                ("/%70ublic/a", Unknown),
                ("/public//a", Passed("/public/a")),
                ("/public/../admin", Refused),
                ("/public//..//admin", Refused),
                ("/public/%2e%2e/admin", Refused),
                ("/public/./a", Refused),
                ("/public/a/..", Refused),
            ][..],
        ),
        (
            json!({"normalize_path": false, "path_with_escaped_slashes_action": "unescape_and_forward"}),
            &[("/public/..%2fadmin", Refused), ("/public/a%2fb", Passed("/public/a/b"))][..],
        ),
    ] {
        let edge = Edge::start(settings);
        edge.check_all(&[Clear, Http2], &cases(list));
        edge.check_all(&[Clear], &cases(&refused));
        assert_nothing_climbs(&edge);
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let edge = Edge::start(json!({}));
    for byte in (0..=255u8).filter(|byte| !byte.is_ascii_graphic()) {
        for at in [&b"/public/"[..], b"/public/a?", b"/public/%"] {
            let request = [b"GET ", at, &[byte][..], b" HTTP/1.1\r\nHost: app.example.com\r\n\r\n"].concat();
            let answer = edge.clear.connect().send(request).drain();
            let status = String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or_default().to_owned();
            assert!(status.starts_with('4'), "{byte:#04x} behind {}: {status}", String::from_utf8_lossy(at));
        }
    }
    assert_eq!(edge.upstream.requests().len(), 0);
}

#[test]
fn what_is_refused_for_its_path_is_logged_as_it_came() {
    let edge = Edge::start(json!({}));
    for target in ["/public/..%2fadmin", "/public/a%00", "https://app.example.com/public/%zz?a=b"] {
        assert_eq!(edge.ask(Clear, HOST, target), 400);
        let path = target.trim_start_matches("https://app.example.com").split('?').next();
        edge.clear.wait_for_log(&[
            ("message", json!("http-request")),
            ("authority", json!(HOST)),
            ("path", json!(path)),
            ("response-code-details", json!("path_normalization")),
        ]);
    }
}
