//! A small OpenID provider on loopback. Its authorization endpoint is a function: the tests are the browser.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use ::http::{HeaderMap, StatusCode};
use aws_lc_rs::{digest, hmac};
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use url::Url;

use super::{CLIENT_ID, CLIENT_SECRET, parameter};
use crate::control::clock::unix_now;
use crate::crypto::jws::Signer;
use crate::crypto::secret::Secret;

/// How the provider misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mischief {
    None,
    AlgNone,
    Hs256,
    ForeignKey,
    BadSignature,
    WrongNonce,
    NoNonce,
    WrongIssuer,
    WrongAudience,
    TwoAudiences,
    ForeignParty,
    Expired,
    FromTheFuture,
    NotYetValid,
    NoSubject,
    WrongAtHash,
    NoIdToken,
    CodeRefused,
    HugeToken,
    HangingToken,
    RedirectingToken,
    UserinfoOfSomebodyElse,
    UserinfoDown,
    HugeUserinfo,
    /// Signs with a key that it publishes only after its keys were fetched once.
    Rotated,
    DiscoveryDown,
    ForeignDiscovery,
}

struct Inner {
    issuer: String,
    signer: Signer,
    newer: Signer,
    stranger: Signer,
    codes: Mutex<HashMap<String, Grant>>,
    mischief: Mutex<Mischief>,
    /// How often each endpoint was asked.
    asked: Mutex<HashMap<&'static str, usize>>,
}

/// What a code stands for.
struct Grant {
    nonce: String,
    challenge: String,
    redirect_uri: String,
    subject: String,
}

#[derive(Clone)]
pub(super) struct FakeProvider {
    pub(super) issuer: String,
    inner: Arc<Inner>,
}

impl FakeProvider {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let signer = || Signer::derived(&Secret::random()).unwrap();
        let inner = Arc::new(Inner {
            issuer: issuer.clone(),
            signer: signer(),
            newer: signer(),
            stranger: signer(),
            codes: Mutex::default(),
            mischief: Mutex::new(Mischief::None),
            asked: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        FakeProvider { issuer, inner }
    }

    pub(super) fn misbehave(&self, mischief: Mischief) {
        *self.inner.mischief.lock().unwrap() = mischief;
    }

    pub(super) fn asked(&self, endpoint: &str) -> usize {
        self.inner.asked.lock().unwrap().get(endpoint).copied().unwrap_or_default()
    }

    /// What the authorization endpoint does once `subject` has signed in: the address that it sends the browser to.
    pub(super) fn authorize(&self, request: &Url, subject: &str) -> Url {
        assert!(request.as_str().starts_with(&format!("{}/authorize?", self.issuer)), "{request}");
        let required = |name: &str| parameter(request, name).unwrap_or_else(|| panic!("{name} is missing: {request}"));
        assert_eq!(required("response_type"), "code");
        assert_eq!(required("client_id"), CLIENT_ID);
        assert_eq!(required("code_challenge_method"), "S256");
        let code = URL_SAFE_NO_PAD.encode(crate::crypto::random_bytes::<16>());
        let grant = Grant {
            nonce: required("nonce"),
            challenge: required("code_challenge"),
            redirect_uri: required("redirect_uri"),
            subject: subject.to_owned(),
        };
        let mut back = Url::parse(&grant.redirect_uri).unwrap();
        back.query_pairs_mut().append_pair("code", &code).append_pair("state", &required("state"));
        self.inner.codes.lock().unwrap().insert(code, grant);
        back
    }
}

impl Inner {
    fn mischief(&self, endpoint: &'static str) -> Mischief {
        *self.asked.lock().unwrap().entry(endpoint).or_default() += 1;
        *self.mischief.lock().unwrap()
    }

    fn claims(&self, grant: &Grant, mischief: Mischief, access_token: &str) -> Value {
        let now = unix_now();
        let mut claims = json!({
            "iss": self.issuer, "aud": CLIENT_ID, "sub": grant.subject, "nonce": grant.nonce,
            "iat": now, "exp": now + 300, "at_hash": at_hash(access_token),
            "email": format!("{}@id.example", grant.subject), "department": ["sales", "support"],
            "email_verified": "true", "updated_at": "2024-01-01T00:00:00Z",
        });
        match mischief {
            Mischief::WrongNonce => claims["nonce"] = json!("another"),
            Mischief::NoNonce => drop(claims.as_object_mut().unwrap().remove("nonce")),
            Mischief::WrongIssuer => claims["iss"] = json!("https://evil.example"),
            Mischief::WrongAudience => claims["aud"] = json!("another client"),
            Mischief::TwoAudiences => claims["aud"] = json!([CLIENT_ID, "another client"]),
            Mischief::ForeignParty => claims["azp"] = json!("another client"),
            Mischief::Expired => claims["exp"] = json!(now - 61),
            Mischief::FromTheFuture => claims["iat"] = json!(now + 120),
            Mischief::NotYetValid => claims["nbf"] = json!(now + 120),
            Mischief::NoSubject => claims["sub"] = json!(""),
            Mischief::WrongAtHash => claims["at_hash"] = json!(at_hash("another")),
            _ => {}
        }
        claims
    }

    fn id_token(&self, claims: &Value, mischief: Mischief) -> String {
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        match mischief {
            Mischief::AlgNone => format!("{}.{}.", encoded(&json!({"alg": "none"})), encoded(claims)),
            Mischief::Hs256 => {
                let text = format!("{}.{}", encoded(&json!({"alg": "HS256"})), encoded(claims));
                let key = hmac::Key::new(hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
                let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()));
                format!("{text}.{tag}")
            }
            Mischief::ForeignKey => self.stranger.sign(claims).unwrap(),
            Mischief::Rotated => self.newer.sign(claims).unwrap(),
            Mischief::BadSignature => {
                let good = self.signer.sign(claims).unwrap();
                let (text, _) = good.rsplit_once('.').unwrap();
                format!("{text}.{}", URL_SAFE_NO_PAD.encode([0; 64]))
            }
            _ => self.signer.sign(claims).unwrap(),
        }
    }
}

fn at_hash(access_token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&digest::digest(&digest::SHA256, access_token.as_bytes()).as_ref()[..16])
}

async fn discovery(State(inner): State<Arc<Inner>>) -> Response {
    let mischief = inner.mischief("discovery");
    if mischief == Mischief::DiscoveryDown {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let issuer = if mischief == Mischief::ForeignDiscovery { "https://evil.example" } else { &inner.issuer };
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{}/authorize", inner.issuer),
        "token_endpoint": format!("{}/token", inner.issuer),
        "jwks_uri": format!("{}/keys", inner.issuer),
        "userinfo_endpoint": format!("{}/userinfo", inner.issuer),
        "end_session_endpoint": format!("{}/end", inner.issuer),
        "code_challenge_methods_supported": ["S256"],
    }))
    .into_response()
}

async fn keys(State(inner): State<Arc<Inner>>) -> Json<Value> {
    let mischief = inner.mischief("keys");
    let mut keys = vec![inner.signer.jwks()["keys"][0].clone(), json!({"kty": "oct", "k": "c2VjcmV0", "kid": "junk"})];
    let asked_before = inner.asked.lock().unwrap()["keys"] > 1;
    if mischief == Mischief::Rotated && asked_before {
        keys.push(inner.newer.jwks()["keys"][0].clone());
    }
    Json(json!({ "keys": keys }))
}

async fn token(
    State(inner): State<Arc<Inner>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let mischief = inner.mischief("token");
    let basic = STANDARD.encode(format!("{CLIENT_ID}:{}", CLIENT_SECRET.replace(' ', "+")));
    let is_client = headers.get("authorization").is_some_and(|value| value == &format!("Basic {basic}"));
    let refusal = (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    let code = form.get("code").cloned().unwrap_or_default();
    let Some(grant) = inner.codes.lock().unwrap().remove(&code) else { return refusal };
    let verifier = form.get("code_verifier").cloned().unwrap_or_default();
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    if !is_client || challenge != grant.challenge || form.get("redirect_uri") != Some(&grant.redirect_uri) {
        return refusal;
    }
    match mischief {
        Mischief::CodeRefused => return refusal,
        Mischief::HugeToken => return vec![b' '; 2 * 1024 * 1024].into_response(),
        Mischief::HangingToken => std::future::pending().await,
        Mischief::RedirectingToken => {
            let location = format!("{}/token", inner.issuer);
            return (StatusCode::TEMPORARY_REDIRECT, [("location", location)]).into_response();
        }
        _ => {}
    }
    let access_token = format!("access-{}", grant.subject);
    let claims = inner.claims(&grant, mischief, &access_token);
    let mut answer = json!({"access_token": access_token, "token_type": "Bearer", "expires_in": 300});
    if mischief != Mischief::NoIdToken {
        answer["id_token"] = json!(inner.id_token(&claims, mischief));
    }
    Json(answer).into_response()
}

async fn userinfo(State(inner): State<Arc<Inner>>, headers: HeaderMap) -> Response {
    let mischief = inner.mischief("userinfo");
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(subject) = token.strip_prefix("Bearer access-") else { return StatusCode::UNAUTHORIZED.into_response() };
    let subject = if mischief == Mischief::UserinfoOfSomebodyElse { "mallory" } else { subject };
    match mischief {
        Mischief::UserinfoDown => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mischief::HugeUserinfo => Json(json!({"sub": subject, "pad": "x".repeat(100_000)})).into_response(),
        _ => Json(json!({
            "sub": subject, "email": format!("{subject}@example.com"), "name": "Alice <Liddell>", "groups": ["admins"],
        }))
        .into_response(),
    }
}
