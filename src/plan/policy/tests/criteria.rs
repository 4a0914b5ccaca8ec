//! Every criterion with every matcher, for the right person, the wrong one, and nobody.

use super::*;

/// For alice the criterion is `value`; for nobody it is always `user-unauthenticated`.
fn check_alice(kind: &str, criterion: &str, value: bool) {
    let reason = format!("{kind}-{}", if value { "ok" } else { "unauthorized" });
    check(criterion, &request(Some(&alice())), value, &reason);
    check(criterion, &request(None), false, "user-unauthenticated");
}

#[test]
fn constants() {
    for data in ["true", "false", "null", "[]", "{x: y}", "1"] {
        for session in [None, Some(&alice())] {
            check(&format!("accept: {data}"), &request(session), true, "accept");
            check(&format!("reject: {data}"), &request(session), false, "reject");
            let name = "invalid_client_certificate";
            check(&format!("{name}: {data}"), &request(session), false, "valid-client-certificate");
        }
    }
    check("accept/sub/path: true", &request(None), true, "accept");
}

#[test]
fn authenticated_user() {
    check_alice("user", "authenticated_user: true", true);
    check_alice("user", "authenticated_user: false", true);
    let nameless = Session { user_id: "".into(), ..alice() };
    check("authenticated_user: true", &request(Some(&nameless)), false, "user-unauthorized");
    let service = Session { service_account: true, ..alice() };
    check("authenticated_user: true", &request(Some(&service)), true, "user-ok");
    check("user: alice-id", &request(Some(&service)), true, "user-ok");
}

#[test]
fn user_by_every_matcher() {
    let cases = [
        ("user: alice-id", true),
        ("user: Alice-id", false),
        ("user: ' alice-id'", false),
        ("user: {is: alice-id}", true),
        ("user: {is: bob-id}", false),
        ("user: {not: bob-id}", true),
        ("user: {not: alice-id}", false),
        ("user: {contains: ice}", true),
        ("user: {contains: ''}", true),
        ("user: {contains: ICE}", false),
        ("user: {starts_with: alice}", true),
        ("user: {starts_with: id}", false),
        ("user: {ends_with: '-id'}", true),
        ("user: {ends_with: alice}", false),
        ("user: {in: [zoe, bob-id, alice-id]}", true),
        ("user: {in: [zoe, bob-id]}", false),
        ("user: {in: []}", false),
        ("user: {in: [1, null, alice-id, {a: b}]}", true),
        ("user: {in: [1, null]}", false),
        ("user: {not_in: [zoe, bob-id]}", true),
        ("user: {not_in: [zoe, alice-id]}", false),
        ("user: {not_in: []}", true),
        ("user: {not_in: [1, null]}", true),
        ("user: {}", true),
        ("user: {starts_with: alice, ends_with: id}", true),
        ("user: {starts_with: alice, ends_with: x}", false),
        ("user: {is: alice-id, not: alice-id}", false),
        ("user: [alice-id]", false),
        ("user: 1", false),
        ("user: true", false),
        ("user: null", false),
        ("user: {not: null}", true),
        ("user: {is: {is: alice-id}}", false),
        ("user/ignored: alice-id", true),
    ];
    for (criterion, value) in cases {
        check_alice("user", criterion, value);
    }
    let number = Session { user_id: "1".into(), ..alice() };
    check("user: 1", &request(Some(&number)), false, "user-unauthorized");
    check("user: {not: 1}", &request(Some(&number)), true, "user-ok");
    check("user: '1'", &request(Some(&number)), true, "user-ok");
}

#[test]
fn email() {
    let cases = [
        ("email: alice@example.com", true),
        ("email: ALICE@example.com", false),
        ("email: {is: bob@example.com}", false),
        ("email: {not: bob@example.com}", true),
        ("email: {ends_with: '@example.com'}", true),
        ("email: {in: [alice@example.com, bob@example.com]}", true),
        ("email: {}", true),
    ];
    for (criterion, value) in cases {
        check_alice("email", criterion, value);
    }
    let none = with_email("");
    check("email: ''", &request(Some(&none)), true, "email-ok");
    check("email: {not: alice@example.com}", &request(Some(&none)), true, "email-ok");
    check("email: alice@example.com", &request(Some(&none)), false, "email-unauthorized");
}

#[test]
fn domain() {
    let cases = [
        ("domain: example.com", true),
        ("domain: Example.com", false),
        ("domain: ample.com", false),
        ("domain: {ends_with: ample.com}", true),
        ("domain: {not: example.org}", true),
        ("domain: {not: example.com}", false),
        ("domain: {not_in: [example.org]}", true),
        ("domain: {}", true),
    ];
    for (criterion, value) in cases {
        check_alice("domain", criterion, value);
    }
    for (email, criterion, value) in [
        ("a@first.com@second.com", "domain: first.com", true),
        ("a@first.com@second.com", "domain: second.com", false),
        ("a@", "domain: ''", true),
        ("@example.com", "domain: example.com", true),
        ("example.com", "domain: example.com", false),
        ("example.com", "domain: {not: example.com}", false),
        ("example.com", "domain: {}", false),
        ("", "domain: {not_in: []}", false),
    ] {
        let reason = if value { "domain-ok" } else { "domain-unauthorized" };
        check(criterion, &request(Some(&with_email(email))), value, reason);
    }
}

#[test]
fn groups() {
    let cases = [
        ("groups: admins", true),
        ("groups: Admins", false),
        ("groups: {has: staff}", true),
        ("groups: {has: users}", false),
        ("groups: {is: admins}", false),
        ("groups: {exclude: users}", true),
        ("groups: {exclude: admins}", false),
        ("groups: {has: admins, exclude: staff}", false),
        ("groups: {has: admins, exclude: users}", true),
        ("groups: {}", true),
        ("groups: [admins]", false),
        ("groups: {has: [admins, staff]}", false),
    ];
    for (criterion, value) in cases {
        check_alice("groups", criterion, value);
    }
    let single = Session { groups: vec!["admins".into()], ..alice() };
    check("groups: {is: admins}", &request(Some(&single)), true, "groups-ok");
    check("groups: {is: staff}", &request(Some(&single)), false, "groups-unauthorized");
    let unknown = Session { groups: Vec::new(), ..alice() };
    for criterion in ["groups: admins", "groups: {exclude: admins}", "groups: {}"] {
        check(criterion, &request(Some(&unknown)), false, "groups-unauthorized");
    }
}

#[test]
fn claim_matchers() {
    let cases = [
        ("claim/family_name: Smith", true),
        ("claim/family_name: smith", false),
        ("claim/family_name: {is: Smith}", true),
        ("claim/groups: admins", true),
        ("claim/groups: {has: staff}", true),
        ("claim/groups: {is: admins}", false),
        ("claim/groups: {exclude: users}", true),
        ("claim/groups: {exclude: staff}", false),
        ("claim/groups: {}", true),
        ("claim/groups: [admins, staff]", false),
        ("claim/level: 3", true),
        ("claim/level: 3.0", true),
        ("claim/level: '3'", false),
        ("claim/verified: true", true),
        ("claim/verified: 'true'", false),
        ("claim/nothing: null", true),
        ("claim/missing: x", false),
        ("claim/missing: null", false),
        ("claim/missing: {is: x}", false),
        ("claim/missing: {exclude: x}", true),
        ("claim/missing: {}", true),
        ("claim: x", false),
        ("claim: {exclude: x}", true),
    ];
    for (criterion, value) in cases {
        check_alice("claim", criterion, value);
    }
}

#[test]
fn claim_paths() {
    let cases = [
        ("claim/both: of user", true),
        ("claim/both: of session", false),
        ("claim/emptied: of session", false),
        ("claim/emptied: {exclude: of session}", true),
        ("claim/only: user", true),
        ("claim/example.com/key: exact", true),
        ("claim/example.com/key: nested", false),
        ("claim/example/com/key: nested", true),
        ("claim/example.com.key: nested", true),
        ("claim/example/com/one: single", true),
        ("claim/example/com/none: {exclude: x}", true),
        ("claim/example/com: {has: {key: [nested], one: single}}", true),
        ("claim/a.b/c.d/e: five", true),
        ("claim/a/b/c/d/x/f: six", false),
        ("claim/a/b/c/d/x/f: {exclude: six}", true),
        ("claim/family_name/x: Smith", false),
        ("claim/two/x: first", false),
        ("claim/example//com: x", false),
        ("claim/.: x", false),
        ("claim//: x", false),
    ];
    for (criterion, value) in cases {
        check_alice("claim", criterion, value);
    }
}

#[test]
fn request_criteria() {
    let facts = Facts { method: "POST", path: "/api/v1 x", cors_preflight: false, ..request(None) };
    let cases = [
        ("http_method: POST", true, "http-method-ok"),
        ("http_method: post", false, "http-method-unauthorized"),
        ("http_method: {in: [GET, POST]}", true, "http-method-ok"),
        ("http_method: {not_in: [GET, POST]}", false, "http-method-unauthorized"),
        ("http_method: {}", true, "http-method-ok"),
        ("http_path: /api/v1 x", true, "http-path-ok"),
        ("http_path: {starts_with: /api/}", true, "http-path-ok"),
        ("http_path: {starts_with: /API/}", false, "http-path-unauthorized"),
        ("http_path: {not: /api}", true, "http-path-ok"),
        ("http_path: {}", true, "http-path-ok"),
        ("source_ip: 10.1.2.3", true, "source-ip-ok"),
        ("source_ip: 10.1.2.4", false, "source-ip-unauthorized"),
        ("source_ip: 10.0.0.1/8", true, "source-ip-ok"),
        ("source_ip: [192.168.0.0/16, '::/0', 10.1.2.3/32]", true, "source-ip-ok"),
        ("source_ip: []", false, "source-ip-unauthorized"),
        ("source_ip: '::ffff:10.0.0.0/104'", true, "source-ip-ok"),
        ("cors_preflight: true", false, "non-cors-request"),
    ];
    for (criterion, value, reason) in cases {
        check(criterion, &facts, value, reason);
    }
    let preflight = Facts { method: "OPTIONS", cors_preflight: true, ..facts };
    check("cors_preflight: false", &preflight, true, "cors-request");
    let mapped = Facts { source: "::ffff:10.1.2.3".parse().unwrap(), ..facts };
    check("source_ip: 10.0.0.0/8", &mapped, true, "source-ip-ok");
    let six = Facts { source: "2001:db8::7".parse().unwrap(), ..facts };
    check("source_ip: ['2001:db8::/32']", &six, true, "source-ip-ok");
}

#[test]
fn session_is_needed_only_when_a_criterion_asks_for_it() {
    let cases = [
        ("{}", false),
        ("{allow: {or: [accept: 1, reject: 1, cors_preflight: 1, http_method: GET, http_path: /]}}", false),
        ("{deny: {or: [source_ip: 10.0.0.1, invalid_client_certificate: 1]}}", false),
        ("{allow: {or: [accept: 1]}, deny: {nor: [user: x]}}", true),
        ("{allow: {and: [authenticated_user: 1]}}", true),
        ("{allow: {and: [email: x]}}", true),
        ("{allow: {not: [domain: x]}}", true),
        ("{allow: {or: [groups: x]}}", true),
        ("[{allow: {or: [accept: 1]}}, {allow: {or: [claim/x: x]}}]", true),
    ];
    for (yaml, expected) in cases {
        assert_eq!(policy(yaml).needs_session(), expected, "{yaml}");
    }
}
