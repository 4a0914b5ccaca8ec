//! Criteria on the request that say nothing about the person: its time, its MCP message, its SSH key.

use super::super::mcp::Mcp;
use super::super::ssh::{Key, Login};
use super::super::{Criterion, Verdict};
use super::*;

/// 2025-06-16, a Monday, at midnight in UTC.
const MONDAY: i64 = 1_750_032_000;

fn at(now: i64) -> Facts<'static> {
    Facts { now, ..request(None) }
}

#[test]
fn dates() {
    let date = "date: {after: '2025-06-16T08:00:00', before: '2025-06-16T12:00:00+02:00'}";
    for (now, value) in [(28_799, false), (28_800, false), (28_801, true), (35_999, true), (36_000, false)] {
        let reason = if value { "date-ok" } else { "date-unauthorized" };
        check(date, &at(MONDAY + now), value, reason);
    }
    check("date: {after: 2025-06-15}", &at(MONDAY), true, "date-ok");
    check("date: {before: 2025-06-16}", &at(MONDAY), false, "date-unauthorized");
    // Fractions widen to whole seconds: ten o'clock is before half a second past it.
    check("date: {before: '2025-06-16T00:00:00.5'}", &at(MONDAY), true, "date-ok");
    check("date: {after: '2025-06-16T00:00:00.5'}", &at(MONDAY), false, "date-unauthorized");
    check("date: {after: '2025-06-16T00:00:00.5'}", &at(MONDAY + 1), true, "date-ok");
    check("date: {before: '1969-12-31T23:59:59.5'}", &at(-1), true, "date-ok");
    check("date: {after: '1969-12-31T23:59:59.5'}", &at(-1), false, "date-unauthorized");
}

#[test]
fn days_of_the_week() {
    for (day, value) in [(0, false), (1, true), (4, true), (5, false), (7, false), (8, true), (-1, false)] {
        let reason = if value { "day-of-week-ok" } else { "day-of-week-unauthorized" };
        check("day_of_week: tue-fri", &at(MONDAY + day * 86_400), value, reason);
        check("day_of_week: tue-fri", &at(MONDAY + day * 86_400 + 86_399), value, reason);
        check("day_of_week: '*'", &at(MONDAY + day * 86_400), true, "day-of-week-ok");
    }
}

#[test]
fn times_of_day() {
    let check_hour = |data: &str, hour: i64, value: bool| {
        let reason = if value { "time-of-day-ok" } else { "time-of-day-unauthorized" };
        check(&format!("time_of_day: {data}"), &at(MONDAY + hour * 3600), value, reason);
    };
    for (hour, value) in [(8, false), (9, false), (10, true), (16, true), (17, false), (34, true)] {
        check_hour("{timezone: UTC, after: '9:00', before: 5PM}", hour, value);
    }
    check_hour("{timezone: UTC, after: 11:59 PM}", 0, false);
    check_hour("{timezone: UTC, before: '0:01'}", 0, true);
    // Summer in Berlin is two hours ahead of UTC, winter one.
    check_hour("{timezone: Europe/Berlin, after: '11:30', before: '12:30'}", 10, true);
    check_hour("{timezone: Europe/Berlin, after: '11:30', before: '12:30'}", 11, false);
    check_hour("{timezone: Europe/Berlin, after: '11:30', before: '12:30'}", 10 + 24 * 183, false);
    check_hour("{timezone: Europe/Berlin, after: '11:30', before: '12:30'}", 11 + 24 * 183, true);
    check_hour("{timezone: America/Phoenix, after: '23:00'}", 6, false);
    check_hour("{timezone: America/Phoenix, after: '16:59', before: '17:01'}", 0, true);
    check_hour("{timezone: Asia/Kolkata, after: '5:29', before: '5:31'}", 0, true);
    check("time_of_day: {timezone: UTC, after: '9:00'}", &at(i64::MAX), false, "time-of-day-unauthorized");
}

#[test]
fn tools() {
    let with = |mcp| Facts { mcp, ..request(None) };
    let cases = [
        ("drop", Mcp::ToolCall("drop"), true, "mcp-tool-match"),
        ("drop", Mcp::ToolCall("Drop"), false, "mcp-tool-no-match"),
        ("{not: drop}", Mcp::ToolCall("list"), true, "mcp-tool-match"),
        ("{not_in: [drop, list]}", Mcp::ToolCall("list"), false, "mcp-tool-no-match"),
        ("{starts_with: dr}", Mcp::ToolCall("drop"), true, "mcp-tool-match"),
        ("{not: drop}", Mcp::Other, false, "mcp-not-a-tool-call"),
        ("{}", Mcp::Nothing, false, "mcp-not-a-tool-call"),
        ("{}", Mcp::ToolCall(""), true, "mcp-tool-match"),
        ("{}", Mcp::Unreadable, false, "mcp-not-a-tool-call"),
    ];
    for (data, mcp, value, reason) in cases {
        check(&format!("mcp_tool: {data}"), &with(mcp), value, reason);
    }
}

#[test]
fn a_body_that_is_no_message_is_refused_where_the_message_matters() {
    let denying = policy("{allow: {or: [accept: 1]}, deny: {and: [mcp_tool: {not_in: [query]}]}}");
    let with = |mcp| Facts { mcp, ..request(None) };
    assert!(denying.needs_message() && !denying.needs_session());
    assert_eq!(denying.decide(&with(Mcp::ToolCall("query"))).verdict, Verdict::Allow);
    assert_eq!(denying.decide(&with(Mcp::Other)).verdict, Verdict::Allow);
    assert_eq!(denying.decide(&with(Mcp::Nothing)).verdict, Verdict::Allow);
    let denied = denying.decide(&with(Mcp::ToolCall("drop")));
    assert_eq!((denied.verdict, denied.reasons()), (Verdict::Deny(403), reasons(&["mcp-tool-match"])));
    let unread = denying.decide(&with(Mcp::Unreadable));
    assert_eq!((unread.verdict, unread.reasons()), (Verdict::Deny(403), reasons(&["mcp-not-a-tool-call"])));
    assert!(unread.is_unread);

    // Whoever must sign in is told so first; a policy that does not ask is not troubled.
    let named = policy("{allow: {or: [email: a, mcp_tool: query]}}");
    assert_eq!(named.decide(&with(Mcp::Unreadable)).verdict, Verdict::SignIn);
    let public = policy("{allow: {or: [accept: 1]}}");
    assert!(!public.needs_message());
    assert_eq!(public.decide(&with(Mcp::Unreadable)).verdict, Verdict::Allow);
}

#[test]
fn ssh() {
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    let key = [b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec(), (0..32).collect()].concat();
    let login = Login { username: "alice".into(), key: Key::parse(&key).unwrap() };
    let ssh = |session| Facts { ssh: Some(&login), ..request(session) };
    let alice = Session { claims: claims(json!({ "unix": ["root", "alice"], "no": [7] })), ..alice() };
    let cases = [
        (format!("ssh_publickey: {line}"), true, "ssh-publickey-ok"),
        (format!("ssh_publickey: ['{line} comment']"), true, "ssh-publickey-ok"),
        ("ssh_publickey: []".to_owned(), false, "ssh-publickey-unauthorized"),
        (format!("ssh_ca: {line}"), false, "ssh-publickey-unauthorized"),
        ("ssh_username: alice".to_owned(), true, "ssh-username-ok"),
        ("ssh_username: {not: alice}".to_owned(), false, "ssh-username-unauthorized"),
        ("ssh_username_matches_email: true".to_owned(), true, "ssh-username-ok"),
        ("ssh_username_matches_claim: unix".to_owned(), true, "ssh-username-ok"),
        ("ssh_username_matches_claim: no".to_owned(), false, "ssh-username-unauthorized"),
        ("ssh_username_matches_claim: missing".to_owned(), false, "ssh-username-unauthorized"),
    ];
    for (criterion, value, reason) in cases {
        check(&criterion, &ssh(Some(&alice)), value, reason);
        // A request by HTTP brings no key and no user name.
        let unauthorized = reason.replace("-ok", "-unauthorized");
        check(&criterion, &request(Some(&alice)), false, &unauthorized);
        let (asks_session, nobody) = (criterion.contains("matches"), ssh(None));
        let (value, reason) = if asks_session { (false, "user-unauthenticated") } else { (value, reason) };
        check(&criterion, &nobody, value, reason);
    }
    let nameless = Login { username: "".into(), ..login.clone() };
    let facts = Facts { ssh: Some(&nameless), ..request(None) };
    let empty = Session { email: "@example.com".into(), ..alice.clone() };
    let facts = Facts { session: Some(&empty), ..facts };
    check("ssh_username_matches_email: 1", &facts, false, "ssh-username-unauthorized");
    let shown = policy(&format!("{{allow: {{or: [ssh_publickey: {line}]}}}}"));
    let explanation = shown.explain(&facts);
    let words = Criterion::to_string(explanation.rules[0].criteria[0].criterion);
    assert_eq!(words, r#"ssh_publickey in ["SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"]"#);
}
