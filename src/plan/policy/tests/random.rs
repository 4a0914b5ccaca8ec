//! The compiled form against the naive one, on random policies and requests, and hostile documents.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Map;

use super::super::mcp::Mcp;
use super::super::ssh::{Key, Login};
use super::super::{Outcome, Verdict};
use super::*;

const WORDS: [&str; 6] = ["a", "b", "ab", "a@b", "a@b@ab", ""];

fn word() -> impl Strategy<Value = String> {
    select(&WORDS[..]).prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![4 => word().prop_map(Value::from), 1 => Just(json!(1)), 1 => Just(json!(true)), 1 => Just(json!(null))]
}

fn operator_object(operators: impl Strategy<Value = (&'static str, Value)>) -> impl Strategy<Value = Value> {
    prop::collection::vec(operators, 0..3).prop_map(|entries| {
        Value::Object(entries.into_iter().map(|(name, data)| (name.to_owned(), data)).collect::<Map<_, _>>())
    })
}

fn text_data() -> impl Strategy<Value = Value> {
    let operator = prop_oneof![
        (select(&["is", "not"][..]), scalar()),
        (select(&["contains", "starts_with", "ends_with"][..]), word().prop_map(Value::from)),
        (select(&["in", "not_in"][..]), prop::collection::vec(scalar(), 0..3).prop_map(Value::from)),
    ];
    prop_oneof![scalar(), operator_object(operator)]
}

fn list_data() -> impl Strategy<Value = Value> {
    prop_oneof![scalar(), operator_object((select(&["has", "is", "exclude"][..]), scalar()))]
}

fn criterion() -> impl Strategy<Value = Value> {
    let texts = ["user", "email", "domain", "http_method", "http_path", "mcp_tool", "ssh_username"];
    let lists = ["groups", "claim/a", "claim/b", "claim/a/b", "claim/a.b/ab", "claim/b/a/a/a/a/a"];
    let others = ["accept", "reject", "authenticated_user", "cors_preflight", "invalid_client_certificate"];
    let networks = ["10.0.0.0/8", "10.1.2.3/32", "::/0"];
    prop_oneof![
        4 => (select(texts.to_vec()), text_data()),
        4 => (select(lists.to_vec()), list_data()),
        2 => (select(others.to_vec()), scalar()),
        1 => (Just("client_certificate"), certificate_data()),
        1 => (Just("source_ip"), select(networks.to_vec()).prop_map(Value::from)),
        1 => (Just("device"), device_data()),
        1 => (Just("day_of_week"), select(&["thu", "fri", "mon"][..]).prop_map(Value::from)),
        1 => (Just("date"), clock().prop_map(|clock| json!({ "after": format!("1970-01-01T{clock}") }))),
        1 => (Just("time_of_day"), clock().prop_map(|clock| json!({ "timezone": "UTC", "after": clock }))),
        1 => (Just("record"), word().prop_map(|name| json!({ "type": "user.User", "field": "name", "is": name }))),
        1 => (Just("ssh_username_matches_email"), scalar()),
        1 => (Just("ssh_username_matches_claim"), select(&["a", "b", "a/b"][..]).prop_map(Value::from)),
    ]
    .prop_map(|(name, data)| json!({ name: data }))
}

/// Conditions that [`leaf`] may fulfil.
fn certificate_data() -> impl Strategy<Value = Value> {
    let print = |byte: &str| json!(byte.repeat(32));
    operator_object(prop_oneof![
        (Just("fingerprint"), select(vec![print("00"), print("0a")])),
        (select(&["san_dns", "san_email"][..]), text_data()),
    ])
}

fn leaf() -> impl Strategy<Value = Leaf> {
    let names = || prop::collection::vec(word().prop_map(String::into_boxed_str), 0..3);
    (select(&[0, 10][..]), names(), names()).prop_map(|(byte, dns, email)| Leaf {
        fingerprint: [byte; 32],
        names: Names { dns, email, ..Names::default() },
        ..Leaf::default()
    })
}

fn device_data() -> impl Strategy<Value = Value> {
    let field = prop_oneof![
        (Just("is"), word().prop_map(Value::from)),
        (Just("type"), select(&["any", "a"][..]).prop_map(Value::from)),
        (Just("approved"), any::<bool>().prop_map(Value::from)),
    ];
    operator_object(field)
}

fn clock() -> impl Strategy<Value = String> {
    (0..24u8, 0..60u8).prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"))
}

fn body() -> impl Strategy<Value = Value> {
    let criteria = prop::collection::vec(criterion(), 0..4).prop_map(Value::from);
    operator_object((select(&["and", "or", "not", "nor"][..]), criteria))
}

fn policy_document() -> impl Strategy<Value = Value> {
    let rules = || operator_object((select(&["allow", "deny"][..]), body()));
    prop_oneof![rules(), prop::collection::vec(rules(), 0..4).prop_map(Value::from)]
}

fn claim_map() -> impl Strategy<Value = Claims> {
    let nested = word().prop_flat_map(|key| scalar().prop_map(move |value| json!({ key.clone(): value })));
    let deeper = nested.prop_map(|inner| json!({ "b": inner }));
    let value = prop_oneof![3 => scalar(), 2 => deeper];
    prop::collection::btree_map(
        select(&["a", "b", "a.b/ab"][..]).prop_map(str::to_owned),
        prop::collection::vec(value, 0..3),
        0..3,
    )
}

fn devices() -> impl Strategy<Value = Vec<Device>> {
    let boxed = || word().prop_map(String::into_boxed_str);
    let enrollment = boxed().prop_map(|approved_by| Enrollment { approved_by });
    let kind = select(&["any", "a"][..]).prop_map(Box::from);
    let device = (kind, boxed(), prop::option::of(enrollment));
    prop::collection::vec(device.prop_map(|(kind, id, enrollment)| Device { kind, id, enrollment }), 0..3)
}

fn mcp() -> impl Strategy<Value = Mcp<'static>> {
    prop_oneof![Just(Mcp::Nothing), Just(Mcp::Other), Just(Mcp::Unreadable), select(&WORDS[..]).prop_map(Mcp::ToolCall)]
}

fn login() -> impl Strategy<Value = Login> {
    let key = Key::parse(b"\0\0\0\x0bssh-ed25519\0\0\0\0").unwrap();
    word().prop_map(move |username| Login { username: username.into(), key: key.clone() })
}

fn session() -> impl Strategy<Value = Session> {
    let groups = prop::collection::vec(word().prop_map(String::into_boxed_str), 0..3);
    let names = (word(), word(), word());
    (names, groups, claim_map(), claim_map(), devices()).prop_map(|(names, groups, claims, user_claims, devices)| {
        let (user_id, email, name) = names;
        Session {
            name: name.into(),
            devices,
            id: "s".into(),
            user_id: user_id.into(),
            email: email.into(),
            groups,
            claims,
            user_claims,
            ..Session::default()
        }
    })
}

fn same(outcome: Outcome, naive: naive::Result) -> bool {
    let reasons: std::collections::BTreeSet<String> = outcome.reasons.iter().map(|r| r.as_str().to_owned()).collect();
    (outcome.value, reasons) == naive
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn compiled_form_equals_the_naive_one(
        document in policy_document(),
        session in prop::option::weighted(0.7, session()),
        method in word(),
        path in word(),
        source in select(&["10.1.2.3", "11.0.0.1", "2001:db8::1"][..]),
        cors_preflight: bool,
        certificate in prop::option::of(leaf()),
        standing in select(&[Standing::Valid, Standing::Missing, Standing::Invalid][..]),
        now in 0..20 * 86_400i64,
        mcp in mcp(),
        ssh in prop::option::of(login()),
    ) {
        let policy = Policy::compile(&Legacy::default(), Some(&document)).unwrap();
        let source = source.parse().unwrap();
        let (session, certificate) = (session.as_ref(), certificate.as_ref());
        let facts = Facts {
            session,
            method: &method,
            path: &path,
            source,
            cors_preflight,
            certificate,
            standing,
            now,
            mcp,
            ssh: ssh.as_ref(),
        };
        let decision = policy.decide(&facts);
        prop_assert!(same(decision.allow, naive::evaluate(&document, "allow", &facts)));
        prop_assert!(same(decision.deny, naive::evaluate(&document, "deny", &facts)));
        let residual = policy.settle(facts.session);
        prop_assert_eq!(policy.decide_rest(&residual, &facts), decision);
        prop_assert_eq!(policy.explain(&facts).decision, decision);

        let unauthenticated = (decision.allow.reasons | decision.deny.reasons).contains(Reason::UserUnauthenticated);
        let refused_before = decision.verdict == Verdict::Deny(495);
        prop_assert_eq!(decision.verdict == Verdict::SignIn, unauthenticated && !refused_before);
        if decision.verdict == Verdict::Allow {
            prop_assert!(decision.allow.value && !decision.deny.value);
            prop_assert!(policy.failing(&facts).is_empty());
            prop_assert!(mcp != Mcp::Unreadable || !policy.needs_message());
        }
        if !policy.needs_message() {
            prop_assert_eq!(policy.decide(&Facts { mcp: Mcp::Unreadable, ..facts }), decision);
        }
        if !policy.needs_session() {
            let anonymous = Facts { session: None, ..facts };
            prop_assert_eq!(policy.decide(&anonymous), decision);
        }
    }

    #[test]
    fn any_document_compiles_or_is_refused_with_places_that_exist(document in any_document()) {
        if let Err(errors) = Policy::compile(&Legacy::default(), Some(&document)) {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(resolves(&json!({ "policy": document }), &error.place), "{error:?}");
            }
        }
    }
}

fn resolves(document: &Value, place: &[Step]) -> bool {
    let below = |here: &Value, step: &Step| match step {
        Step::Key(key) => here.get(key).cloned(),
        Step::Index(index) => here.get(index).cloned(),
    };
    place.iter().try_fold(document.clone(), |here, step| below(&here, step)).is_some()
}

/// JSON made of the language's own words, seldom valid.
fn any_document() -> impl Strategy<Value = Value> {
    let words = [
        "allow",
        "deny",
        "and",
        "or",
        "not",
        "nor",
        "action",
        "accept",
        "email",
        "groups",
        "claim/a",
        "source_ip",
        "device",
        "client_certificate",
        "fingerprint",
        "spki_hash",
        "is",
        "in",
        "has",
        "x",
        "10.0.0.0/8",
        "date",
        "",
    ];
    let key = select(words.to_vec()).prop_map(str::to_owned);
    let leaf = prop_oneof![scalar(), key.clone().prop_map(Value::from)];
    leaf.prop_recursive(6, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}
