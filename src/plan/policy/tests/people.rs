//! Criteria on what is kept about a person: devices and records.

use super::super::Verdict;
use super::*;

fn device(kind: &str, id: &str, approved_by: Option<&str>) -> Device {
    let enrollment = approved_by.map(|user| Enrollment { approved_by: user.into() });
    Device { kind: kind.into(), id: id.into(), enrollment }
}

#[test]
fn devices() {
    let known = Session {
        devices: vec![
            device("enclave_only", "laptop", Some("admin")),
            device("any", "key", Some("")),
            device("any", "second", Some("admin")),
            device("new", "fresh", None),
        ],
        ..alice()
    };
    let cases = [
        ("{}", true, "device-ok"),
        ("{type: any}", true, "device-ok"),
        ("{is: key}", true, "device-ok"),
        // Only the first credential of a type counts.
        ("{is: second}", false, "device-unauthorized"),
        ("{is: laptop}", false, "device-unauthorized"),
        ("{is: laptop, type: enclave_only}", true, "device-ok"),
        ("{approved: true, type: enclave_only}", true, "device-ok"),
        ("{approved: false, type: enclave_only}", false, "device-unauthorized"),
        ("{approved: true}", false, "device-unauthorized"),
        ("{approved: false}", true, "device-ok"),
        ("{is: Key}", false, "device-unauthorized"),
        ("{type: other}", false, "device-unauthenticated"),
        ("{type: new}", false, "device-unauthenticated"),
        ("{type: new, is: fresh}", false, "device-unauthenticated"),
    ];
    for (data, value, reason) in cases {
        let criterion = format!("device: {data}");
        check(&criterion, &request(Some(&known)), value, reason);
        check(&criterion, &request(Some(&alice())), false, "device-unauthenticated");
        check(&criterion, &request(None), false, "user-unauthenticated");
    }
}

#[test]
fn a_device_is_asked_for_after_the_person_and_before_the_rest() {
    let yaml = "{allow: {or: [accept: 1]}, deny: {or: [device: {type: enclave_only}, user: zoe]}}";
    assert_eq!(policy(yaml).decide(&request(None)).verdict, Verdict::SignIn);
    let alice = alice();
    let facts = request(Some(&alice));
    let decision = policy(yaml).decide(&facts);
    assert_eq!((decision.verdict, decision.reasons()), (Verdict::ShowDevice, reasons(&["device-unauthenticated"])));
    assert_eq!(policy(yaml).device_wanted(&facts), Some("enclave_only"));
    let enrolled = Session { devices: vec![device("any", "key", Some(""))], ..alice.clone() };
    let refused = policy("{allow: {and: [device: {approved: true}]}}").decide(&request(Some(&enrolled)));
    assert_eq!((refused.verdict, refused.reasons()), (Verdict::Deny(450), reasons(&["device-unauthorized"])));
    assert_eq!(policy("{allow: {or: [accept: 1, device: {}]}}").decide(&facts).verdict, Verdict::Allow);
}

#[test]
fn records() {
    let session = Session { idp_id: "idp".into(), name: "Alice".into(), issued_at: 1000, expires_at: 2000, ..alice() };
    let cases = [
        ("{type: session.Session, exists: true}", true),
        ("{type: type.googleapis.com/session.Session, exists: false}", false),
        ("{type: user.ServiceAccount, exists: false}", true),
        ("{type: user.User, exists: true, field: email, is: alice@example.com}", true),
        ("{type: user.User, field: email, ends_with: '@example.com', not: bob@example.com}", true),
        ("{type: user.User, field: email, in: [x, alice@example.com]}", true),
        ("{type: user.User, field: email, not_in: [alice@example.com]}", false),
        ("{type: user.User, field: name, has: Alice, exclude: Bob}", true),
        ("{type: user.User, field: id, is: 1}", false),
        ("{type: user.User, field: name, '>': 1}", false),
        ("{type: session.Session, field: id, is: session-1}", true),
        ("{type: session.Session, field: user_id, is: alice-id}", true),
        ("{type: session.Session, field: idp_id, is: idp}", true),
        ("{type: session.Session, field: issued_at, '=': 1000}", true),
        ("{type: session.Session, field: issued_at, is: 1000}", true),
        ("{type: session.Session, field: issued_at, '>': 999, '<': 1000.5}", true),
        ("{type: session.Session, field: issued_at, '>': 1000}", false),
        ("{type: session.Session, field: issued_at, '>=': 1000, '<=': 1000}", true),
        ("{type: session.Session, field: expires_at, '<': 2000}", false),
        ("{type: session.Session, field: expires_at, contains: '0'}", false),
        ("{type: pomerium.io/DirectoryUser, field: group_ids, has: staff}", true),
        ("{type: pomerium.io/DirectoryUser, field: group_ids, is: staff}", false),
        ("{type: pomerium.io/DirectoryUser, field: group_ids, exclude: users}", true),
        ("{type: pomerium.io/DirectoryUser, field: group_ids, contains: staff}", false),
        ("{type: user.ServiceAccount, field: user_id, is: alice-id}", false),
        ("{type: user.ServiceAccount, field: user_id, exclude: alice-id}", false),
    ];
    for (data, value) in cases {
        let criterion = format!("record: {data}");
        let reason = if value { "record-ok" } else { "record-unauthorized" };
        check(&criterion, &request(Some(&session)), value, reason);
        check(&criterion, &request(None), false, "user-unauthenticated");
    }
    let service = Session { service_account: true, groups: Vec::new(), ..alice() };
    for (data, value) in [
        ("{type: user.ServiceAccount, field: user_id, is: alice-id}", true),
        ("{type: session.Session, exists: true}", false),
        ("{type: pomerium.io/DirectoryUser, exists: true}", false),
        ("{type: pomerium.io/DirectoryUser, field: group_ids, exclude: x}", false),
    ] {
        let reason = if value { "record-ok" } else { "record-unauthorized" };
        check(&format!("record: {data}"), &request(Some(&service)), value, reason);
    }
}
