use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use tower::ServiceExt;

use super::check::{Check, examine};
use super::*;
use crate::control::dev::keys::{new_key, parse_key};

const HOST_NAME: &str = "verify.localhost";
const NOW: u64 = 1_800_000_000;

struct Keys {
    pair: KeyPair,
    jwks: Value,
}

impl Keys {
    fn new() -> Self {
        let pair = parse_key(&new_key().unwrap()).unwrap();
        let point = &pair.public_key_raw()[1..];
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[..32]), URL_SAFE_NO_PAD.encode(&point[32..]));
        let jwks = json!({"keys": [{
            "kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256", "kid": "k1",
        }]});
        Keys { pair, jwks }
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("k1".into());
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_der(self.pair.serialized_der())).unwrap()
    }
}

fn claims(now: u64) -> Value {
    json!({
        "iss": HOST_NAME, "aud": HOST_NAME, "sub": "alice", "user": "alice", "email": "alice@example.com",
        "name": "Alice <Archer>", "groups": ["admins"], "iat": now, "exp": now + 300,
    })
}

fn failed(verdict: &Verdict) -> Option<&Check> {
    verdict.checks.iter().find(|check| check.ok == Some(false))
}

#[test]
fn a_good_assertion_passes_every_check() {
    let keys = Keys::new();
    for change in [json!({}), json!({"iss": "https://verify.localhost/"}), json!({"aud": ["other", HOST_NAME]})] {
        let mut claims = claims(NOW);
        change.as_object().unwrap().iter().for_each(|(name, value)| claims[name] = value.clone());
        let verdict = examine(&[keys.sign(&claims).as_bytes()], HOST_NAME, &keys.jwks, NOW);
        assert!(verdict.verified() && verdict.signed_in(), "{change} {:?}", verdict.checks);
        assert_eq!(verdict.checks.len(), 7);
    }
}

#[test]
fn an_anonymous_assertion_is_good_and_signs_nobody_in() {
    let keys = Keys::new();
    let mut claims = claims(NOW);
    claims["sub"] = json!("");
    let verdict = examine(&[keys.sign(&claims).as_bytes()], HOST_NAME, &keys.jwks, NOW);
    assert!(verdict.verified() && !verdict.signed_in());
}

#[test]
fn wrong_claims_fail_the_check_that_they_are_wrong_for() {
    let keys = Keys::new();
    let cases = [
        ("iss", json!("evil.example"), "issuer"),
        ("iss", json!(1), "issuer"),
        ("aud", json!("admin.localhost"), "audience"),
        ("aud", json!(["admin.localhost"]), "audience"),
        ("aud", Value::Null, "audience"),
        ("exp", json!(NOW - 60), "expiry"),
        ("exp", json!("never"), "expiry"),
        ("exp", Value::Null, "expiry"),
        ("iat", json!(NOW + 61), "issued"),
        ("iat", json!(-5), "issued"),
    ];
    for (name, value, check) in cases {
        let mut claims = claims(NOW);
        claims[name] = value.clone();
        let verdict = examine(&[keys.sign(&claims).as_bytes()], HOST_NAME, &keys.jwks, NOW);
        assert_eq!(failed(&verdict).map(|check| check.name), Some(check), "{name}: {value}");
        assert!(!verdict.verified() && !verdict.signed_in());
    }
    let verdict = examine(&[keys.sign(&claims(NOW)).as_bytes()], "", &keys.jwks, NOW);
    assert_eq!(failed(&verdict).map(|check| check.name), Some("issuer"), "no host, nothing matches");
}

#[test]
fn forgeries_fail_and_say_nothing_about_claims() {
    let keys = Keys::new();
    let good = keys.sign(&claims(NOW));
    let (head, rest) = good.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = encode(json!({"alg": "none", "kid": "k1"}));
    let hs256 = encode(json!({"alg": "HS256", "kid": "k1"}));
    let lost = encode(json!({"alg": "ES256"}));
    let zero = URL_SAFE_NO_PAD.encode([0u8; 64]);
    let mut changed = claims(NOW);
    changed["sub"] = json!("root");
    let cases = [
        (Keys::new().sign(&claims(NOW)), "signature"),
        (format!("{head}.{}.{signature}", encode(changed)), "signature"),
        (format!("{head}.{body}."), "signature"),
        (format!("{head}.{body}.{zero}"), "signature"),
        (keys.sign(&json!("text")), "signature"),
        (format!("{none}.{body}."), "key"),
        (format!("{hs256}.{body}.{signature}"), "key"),
        (format!("{lost}.{body}.{signature}"), "key"),
        ("x".into(), "key"),
        ("a.b.c".into(), "key"),
        (String::new(), "present"),
    ];
    for (assertion, check) in cases {
        let verdict = examine(&[assertion.as_bytes()], HOST_NAME, &keys.jwks, NOW);
        assert_eq!(failed(&verdict).map(|check| check.name), Some(check), "{assertion}");
        assert_eq!(verdict.claims, None);
        assert_eq!(verdict.checks.len(), 7);
    }
    let verdict = examine(&[good.as_bytes(), good.as_bytes()], HOST_NAME, &keys.jwks, NOW);
    assert_eq!(failed(&verdict).map(|check| check.name), Some("present"));
    assert_eq!(failed(&examine(&[], HOST_NAME, &keys.jwks, NOW)).unwrap().name, "present");
    for jwks in [json!({"keys": []}), json!(null), json!({"keys": [{"kty": "oct", "k": "AAAA", "kid": "k1"}]})] {
        assert_eq!(failed(&examine(&[good.as_bytes()], HOST_NAME, &jwks, NOW)).unwrap().name, "key");
    }
}

async fn visit(keys: &Keys, fields: &[(&str, &str)]) -> Response {
    let jwks = keys.jwks.clone();
    let upstream = Upstream::new(Site::new(8443), "http://127.0.0.1:8444".into(), Arc::new(move || jwks.clone()));
    let mut request = Request::post("/some/path?x=1");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    upstream.router().oneshot(request.body(Body::from("ignored")).unwrap()).await.unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn the_page_shows_who_it_is_and_what_came_escaped() {
    let keys = Keys::new();
    let assertion = keys.sign(&claims(unix_now()));
    let response = visit(
        &keys,
        &[
            ("host", "127.0.0.1:8445"),
            ("x-forwarded-host", "evil.example, Verify.localhost:8443"),
            ("x-pomerium-jwt-assertion", &assertion),
            ("x-note", "<script>alert(1)</script>"),
            ("accept", "text/html,application/json;q=0.1"),
        ],
    )
    .await;
    assert_eq!(response.status(), StatusCode::OK);
    let page = text(response).await;
    assert!(page.contains("Alice &lt;Archer&gt;") && page.contains("it is proven"), "{page}");
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
    assert!(page.contains(&assertion) && page.contains("/.pomerium/sign_out") && !page.contains("✘"));
    for url in ["https://verify.localhost:8443", "https://public.localhost:8443", "https://admin.localhost:8443"] {
        assert!(page.contains(url));
    }
}

#[tokio::test]
async fn an_anonymous_visitor_is_told_so() {
    let keys = Keys::new();
    let mut anonymous = claims(unix_now());
    anonymous["sub"] = json!("");
    let assertion = keys.sign(&anonymous);
    let page = text(visit(&keys, &[("host", HOST_NAME), ("x-pomerium-jwt-assertion", &assertion)]).await).await;
    assert!(page.contains("The assertion is valid, but nobody is signed in."));
    let page = text(visit(&keys, &[("host", HOST_NAME)]).await).await;
    assert!(page.contains("Not verified.") && page.contains("✘"));
}

#[tokio::test]
async fn programs_get_json() {
    let keys = Keys::new();
    let assertion = keys.sign(&claims(unix_now()));
    let fields = [
        ("host", HOST_NAME),
        ("accept", "application/json"),
        ("x-pomerium-jwt-assertion", assertion.as_str()),
        ("x-twice", "a"),
        ("x-twice", "b"),
    ];
    let response = visit(&keys, &fields).await;
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    let report: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(report["verified"], true);
    assert_eq!(report["signed_in"], true);
    assert_eq!(report["claims"]["email"], "alice@example.com");
    assert_eq!(report["headers"]["x-twice"], "a, b");
    assert_eq!(report["checks"][6]["ok"], true);
    let report: Value = serde_json::from_str(&text(visit(&keys, &fields[..2]).await).await).unwrap();
    assert_eq!(report["verified"], false);
    assert_eq!(report["claims"], Value::Null);
    assert_eq!(report["checks"][1]["ok"], Value::Null);
}

#[tokio::test]
async fn rebound_names_are_refused() {
    let response = visit(&Keys::new(), &[("host", "evil.example")]).await;
    assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
}
