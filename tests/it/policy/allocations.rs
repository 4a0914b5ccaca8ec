//! Deciding allocates nothing.

use serde_json::json;
use vallum::plan::policy::mcp::Mcp;
use vallum::plan::policy::ssh::{Key, Login};
use vallum::plan::policy::{Facts, Legacy, Lists, Policy};
use vallum::plan::session::{Device, Enrollment, Session};

/// A policy in which every criterion stands, under every operator.
fn policy() -> Policy {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    let criteria = json!([
        {"accept": 1}, {"reject": 1}, {"authenticated_user": 1}, {"invalid_client_certificate": 1},
        {"user": {"in": ["a", "b"]}}, {"email": {"starts_with": "alice", "ends_with": ".com"}},
        {"domain": {"contains": "example"}}, {"groups": {"has": "staff", "exclude": "x"}},
        {"claim/a/b": "c"}, {"claim/groups": {"is": "admins"}}, {"device": {"is": "key", "approved": true}},
        {"record": {"type": "user.User", "field": "name", "is": "Alice"}},
        {"record": {"type": "session.Session", "field": "issued_at", ">": 5}},
        {"cors_preflight": 1}, {"http_method": {"not_in": ["PUT"]}}, {"http_path": {"not": "/x"}},
        {"source_ip": ["10.0.0.0/8", "::/0"]}, {"mcp_tool": {"not": "drop"}},
        {"date": {"after": "2020-01-01"}}, {"day_of_week": "mon-fri"},
        {"time_of_day": {"timezone": "Europe/Berlin", "after": "8:00", "before": "6PM"}},
        {"ssh_publickey": key}, {"ssh_ca": key}, {"ssh_username": "root"},
        {"ssh_username_matches_email": 1}, {"ssh_username_matches_claim": "unix"},
    ]);
    let body = json!({"and": criteria, "or": criteria, "not": criteria, "nor": criteria});
    let lists = Lists { domains: vec!["example.org".to_owned()], users: vec!["bob".to_owned()], ..Lists::default() };
    let legacy = Legacy { lists, ..Legacy::default() };
    Policy::compile(&legacy, Some(&json!([{"allow": body, "deny": body}]))).unwrap()
}

#[test]
fn a_decision_allocates_nothing() {
    let policy = policy();
    let key = [b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec(), (0..32).collect()].concat();
    let login = Login { username: "alice".into(), key: Key::parse(&key).unwrap() };
    let enrollment = Some(Enrollment { approved_by: "admin".into() });
    let session = Session {
        user_id: "alice".into(),
        email: "alice@example.com".into(),
        name: "Alice".into(),
        groups: vec!["staff".into()],
        claims: [("a".to_owned(), vec![json!({"b": ["c"]})]), ("unix".to_owned(), vec![json!("alice")])].into(),
        devices: vec![Device { kind: "any".into(), id: "key".into(), enrollment }],
        ..Session::default()
    };
    let signed_in = Facts {
        session: Some(&session),
        now: 1_750_000_000,
        mcp: Mcp::ToolCall("query"),
        ssh: Some(&login),
        ..Facts::default()
    };
    let residual = policy.settle(Some(&session));
    let mut decided = None;
    for (facts, name) in [(signed_in, "somebody"), (Facts { session: None, ..signed_in }, "nobody")] {
        let count = allocation_counter::measure(|| decided = Some(policy.decide(&facts))).count_total;
        assert_eq!(count, 0, "{name}");
    }
    let mut rest = None;
    let count = allocation_counter::measure(|| rest = Some(policy.decide_rest(&residual, &signed_in))).count_total;
    assert_eq!((count, rest), (0, Some(policy.decide(&signed_in))));
    assert_ne!(decided, rest);
    // The counter counts.
    assert!(allocation_counter::measure(|| drop(policy.settle(Some(&session)))).count_total > 0);
}
