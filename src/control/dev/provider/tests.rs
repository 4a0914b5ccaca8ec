use aws_lc_rs::digest;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{Request, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::BodyExt;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use openidconnect::core::{
    CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreTokenResponse,
};
use openidconnect::{ClientId, ClientSecret, IssuerUrl, Nonce, TokenResponse};
use tower::ServiceExt;
use url::Url;

use super::*;
use crate::control::dev::keys::{new_key, parse_key};

const ISSUER: &str = "http://127.0.0.1:8444";
const CALLBACK: &str = "https://authenticate.localhost:8443/oauth2/callback";
const VERIFIER: &str = "a-verifier-that-is-at-least-forty-three-characters-long";

fn provider() -> Router {
    let key = parse_key(&new_key().unwrap()).unwrap();
    let client = Client::new("client".into(), "secret".into());
    Provider::new(Site::new(8443), ISSUER.into(), client, &key).unwrap().router()
}

fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The good request, with `changes` made to it; an empty value removes the parameter.
fn authorize(changes: &[(&str, &str)]) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, VERIFIER.as_bytes()));
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", "client"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid profile email"),
        ("state", "st&te"),
        ("nonce", "nonce-1"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    for change in changes {
        pairs.retain(|(name, _)| name != &change.0);
        pairs.push(*change);
    }
    pairs.retain(|(_, value)| !value.is_empty());
    format!("/authorize?{}", form(&pairs))
}

async fn get(provider: &Router, target: &str, fields: &[(&str, &str)]) -> Response<Body> {
    send(provider, "GET", target, fields, String::new()).await
}

async fn send(provider: &Router, method: &str, target: &str, fields: &[(&str, &str)], body: String) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(target);
    if !fields.iter().any(|(name, _)| *name == "host") {
        request = request.header(HOST, "127.0.0.1:8444");
    }
    if method == "POST" {
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    provider.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn json(response: Response<Body>) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}

fn location(response: &Response<Body>) -> Url {
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    Url::parse(response.headers()[LOCATION].to_str().unwrap()).unwrap()
}

fn query(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Chooses a person and returns the code.
async fn choose(provider: &Router, person: &str) -> String {
    let response = send(provider, "POST", &authorize(&[]), &[], form(&[("user", person)])).await;
    query(&location(&response), "code").unwrap()
}

async fn redeem(provider: &Router, code: &str, changes: &[(&str, &str)]) -> Response<Body> {
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", "client"),
        ("client_secret", "secret"),
    ];
    for change in changes {
        pairs.retain(|(name, _)| name != &change.0);
        pairs.push(*change);
    }
    pairs.retain(|(_, value)| !value.is_empty());
    send(provider, "POST", "/token", &[], form(&pairs)).await
}

#[tokio::test]
async fn discovery_names_this_issuer_and_its_endpoints() {
    let document = json(get(&provider(), "/.well-known/openid-configuration", &[]).await).await;
    assert_eq!(document["issuer"], ISSUER);
    for endpoint in ["authorization", "token", "userinfo", "end_session"] {
        let url = document[format!("{endpoint}_endpoint")].as_str().unwrap().to_owned();
        assert_eq!(url, format!("{ISSUER}/{}", url.rsplit('/').next().unwrap()));
    }
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    let read: CoreProviderMetadata = serde_json::from_value(document).unwrap();
    assert_eq!(read.issuer().as_str(), ISSUER);
    assert_eq!(read.id_token_signing_alg_values_supported(), &[CoreJwsSigningAlgorithm::EcdsaP256Sha256]);
}

#[tokio::test]
async fn the_client_library_of_the_proxy_accepts_the_id_token() {
    let provider = provider();
    let keys: CoreJsonWebKeySet = serde_json::from_str(&text(get(&provider, "/jwks", &[]).await).await).unwrap();
    let code = choose(&provider, "bob").await;
    let tokens: CoreTokenResponse = serde_json::from_str(&text(redeem(&provider, &code, &[]).await).await).unwrap();
    let client = ClientId::new("client".into());
    let verifier = CoreIdTokenVerifier::new_confidential_client(
        client,
        ClientSecret::new("secret".into()),
        IssuerUrl::new(ISSUER.into()).unwrap(),
        keys,
    )
    .set_allowed_algs([CoreJwsSigningAlgorithm::EcdsaP256Sha256]);
    let claims = tokens.id_token().unwrap().claims(&verifier, &Nonce::new("nonce-1".into())).unwrap();
    assert_eq!(claims.subject().as_str(), "bob");
    assert!(tokens.id_token().unwrap().claims(&verifier, &Nonce::new("nonce-2".into())).is_err());
}

#[tokio::test]
async fn a_person_is_chosen_and_the_client_learns_who_it_is() {
    let provider = provider();
    let page = get(&provider, &authorize(&[]), &[]).await;
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("form-action 'self' https://*.localhost:8443;"), "{policy}");
    let page = text(page).await;
    assert!(page.contains("DEVELOPMENT IDENTITY PROVIDER") && !page.contains("<script"));
    for person in &people::PEOPLE {
        assert!(page.contains(&format!("value=\"{}\"", person.id)) && page.contains(person.email));
    }

    let answer = send(&provider, "POST", &authorize(&[]), &[], form(&[("user", "alice")])).await;
    let back = location(&answer);
    assert!(back.as_str().starts_with(&format!("{CALLBACK}?")));
    assert_eq!(query(&back, "state").unwrap(), "st&te");
    assert_eq!(query(&back, "iss").unwrap(), ISSUER);

    let tokens = redeem(&provider, &query(&back, "code").unwrap(), &[]).await;
    assert_eq!(tokens.status(), StatusCode::OK);
    assert_eq!(tokens.headers()["cache-control"], "no-store");
    let tokens = json(tokens).await;
    let access = tokens["access_token"].as_str().unwrap();

    let keys: JwkSet = serde_json::from_value(json(get(&provider, "/jwks", &[]).await).await).unwrap();
    let token = tokens["id_token"].as_str().unwrap();
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["client"]);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims;
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["nonce"], "nonce-1");
    assert_eq!(claims["groups"], json!(["admins"]));
    let hash = digest::digest(&digest::SHA256, access.as_bytes());
    assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));

    let user = get(&provider, "/userinfo", &[("authorization", &format!("Bearer {access}"))]).await;
    assert_eq!(json(user).await["email"], "alice@example.com");
    for field in [&[("authorization", "Bearer wrong")][..], &[]] {
        assert_eq!(get(&provider, "/userinfo", field).await.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn everybody_is_shown_with_what_he_may() {
    let page = text(get(&provider(), &authorize(&[]), &[]).await).await;
    assert!(page.contains("<code>admins</code>, may open every page") && page.contains("<code>users</code>, may open"));
    assert_eq!(page.matches("in no group").count(), 1, "{page}");
}

#[tokio::test]
async fn mallory_has_an_empty_list_of_groups() {
    let provider = provider();
    let code = choose(&provider, "mallory").await;
    let tokens = json(redeem(&provider, &code, &[]).await).await;
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    assert_eq!(json(get(&provider, "/userinfo", &[("authorization", &bearer)]).await).await["groups"], json!([]));
}

#[tokio::test]
async fn requests_that_cannot_be_trusted_are_answered_here() {
    let provider = provider();
    let cases: [&[(&str, &str)]; 6] = [
        &[("client_id", "other")],
        &[("client_id", "")],
        &[("redirect_uri", "")],
        &[("redirect_uri", "https://evil.example/oauth2/callback")],
        &[("redirect_uri", "https://authenticate.localhost:8443/oauth2/callback/x")],
        &[("redirect_uri", "http://authenticate.localhost:8443/oauth2/callback")],
    ];
    for changes in cases {
        let response = get(&provider, &authorize(changes), &[]).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{changes:?}");
        assert!(response.headers().get(LOCATION).is_none());
    }
    let twice = format!("{}&redirect_uri=x", authorize(&[]));
    assert_eq!(get(&provider, &twice, &[]).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn other_faults_go_back_to_the_client() {
    let provider = provider();
    let long = "x".repeat(5000);
    let cases: [(&str, &str, &str); 13] = [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("scope", "profile", "invalid_scope"),
        ("scope", "", "invalid_scope"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("request", "x", "request_not_supported"),
        ("prompt", "none", "login_required"),
        ("prompt", "none login", "invalid_request"),
        ("nonce", &long, "invalid_request"),
    ];
    for (name, value, error) in cases {
        let back = location(&get(&provider, &authorize(&[(name, value)]), &[]).await);
        assert_eq!(query(&back, "error").as_deref(), Some(error), "{name}={value}");
        assert_eq!(query(&back, "state").as_deref(), Some("st&te"));
        assert_eq!(query(&back, "code"), None);
    }
}

#[tokio::test]
async fn codes_are_bound_and_work_once() {
    let provider = provider();
    let cases = [
        ("code_verifier", "another-verifier-that-is-forty-three-characters", "invalid_grant"),
        ("code_verifier", "", "invalid_grant"),
        ("redirect_uri", "https://verify.localhost:8443/oauth2/callback", "invalid_grant"),
        ("redirect_uri", "", "invalid_grant"),
        ("code", "unknown", "invalid_grant"),
        ("code", "", "invalid_request"),
        ("grant_type", "refresh_token", "unsupported_grant_type"),
        ("client_secret", "wrong", "invalid_client"),
        ("client_id", "other", "invalid_client"),
    ];
    for (name, value, error) in cases {
        let code = choose(&provider, "bob").await;
        let response = redeem(&provider, &code, &[(name, value)]).await;
        let status = if error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        assert_eq!(response.status(), status, "{name}={value}");
        assert_eq!(json(response).await["error"], error, "{name}={value}");
    }
    let code = choose(&provider, "bob").await;
    assert_eq!(redeem(&provider, &code, &[]).await.status(), StatusCode::OK);
    assert_eq!(json(redeem(&provider, &code, &[]).await).await["error"], "invalid_grant", "replayed");
    let spent = choose(&provider, "bob").await;
    redeem(&provider, &spent, &[("code_verifier", "wrong")]).await;
    assert_eq!(json(redeem(&provider, &spent, &[]).await).await["error"], "invalid_grant", "one attempt per code");
}

#[tokio::test]
async fn a_client_may_prove_itself_by_basic_and_must_send_a_form() {
    let provider = provider();
    let pairs = |code| {
        let rest = [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        form(&[&rest[..], &[("code", code)]].concat())
    };
    let basic = format!("Basic {}", STANDARD.encode("client:secret"));
    let code = choose(&provider, "bob").await;
    let fields = [(AUTHORIZATION.as_str(), basic.as_str())];
    assert_eq!(send(&provider, "POST", "/token", &fields, pairs(&code)).await.status(), StatusCode::OK);

    let request = Request::post("/token").header(HOST, "127.0.0.1:8444").header(CONTENT_TYPE, "application/json");
    let response = provider.clone().oneshot(request.body(Body::from("{}")).unwrap()).await.unwrap();
    assert_eq!(json(response).await["error"], "invalid_request");
    let large = "x".repeat(BODY_BYTES_MAX + 1);
    assert_eq!(send(&provider, "POST", "/token", &fields, large).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn the_last_choice_signs_in_silently_unless_the_client_wants_to_ask() {
    let provider = provider();
    let answer = send(&provider, "POST", &authorize(&[]), &[], form(&[("user", "bob")])).await;
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    assert_eq!(cookie, "vallum_dev_user_8444=bob; Path=/; HttpOnly; SameSite=Lax");
    let mine = [("cookie", "other=1; vallum_dev_user_8444=bob")];
    for prompt in ["", "none", "consent"] {
        let back = location(&get(&provider, &authorize(&[("prompt", prompt)]), &mine).await);
        assert!(query(&back, "code").is_some(), "{prompt}");
    }
    for change in [("prompt", "login"), ("prompt", "select_account"), ("max_age", "0")] {
        let response = get(&provider, &authorize(&[change]), &mine).await;
        assert_eq!(response.status(), StatusCode::OK, "{change:?}");
        assert!(text(response).await.contains("your last choice"));
    }
    let unknown = [("cookie", "vallum_dev_user_8444=eve")];
    assert_eq!(get(&provider, &authorize(&[]), &unknown).await.status(), StatusCode::OK);
    assert!(text(get(&provider, "/", &mine).await).await.contains("Bob Baker"));
}

#[tokio::test]
async fn forms_of_other_sites_and_unknown_people_are_refused() {
    let provider = provider();
    let alice = || form(&[("user", "alice")]);
    let evil = [(ORIGIN.as_str(), "https://evil.example")];
    for target in [authorize(&[]), "/forget".into()] {
        let response = send(&provider, "POST", &target, &evil, alice()).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{target}");
        assert!(response.headers().get(SET_COOKIE).is_none());
    }
    let own = [(ORIGIN.as_str(), ISSUER), ("sec-fetch-site", "same-origin")];
    assert_eq!(send(&provider, "POST", &authorize(&[]), &own, alice()).await.status(), StatusCode::SEE_OTHER);
    for body in [form(&[("user", "eve")]), String::new(), "user=alice&user=bob".into()] {
        let response = send(&provider, "POST", &authorize(&[]), &own, body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
    let rebound = [("host", "evil.example:8444")];
    for target in ["/", "/jwks", &authorize(&[])] {
        assert_eq!(get(&provider, target, &rebound).await.status(), StatusCode::MISDIRECTED_REQUEST);
    }
}

#[tokio::test]
async fn what_a_request_says_is_escaped_on_the_page() {
    let provider = provider();
    let target = format!("{}&x=%22%3E%3Cb%3E\"><b>", authorize(&[]).replace("st%26te", "\"><i>"));
    let encoded = target.replace('"', "%22").replace('<', "%3C").replace('>', "%3E");
    let page = text(get(&provider, &encoded, &[]).await).await;
    assert!(!page.contains("<b>") && !page.contains("<i>"));
    let page = text(get(&provider, "/end_session?%3Cb%3E=1&%3Cb%3E=2", &[]).await).await;
    assert!(page.contains("&lt;b&gt;") && !page.contains("<b>"), "{page}");
}

#[tokio::test]
async fn signing_out_forgets_and_goes_to_the_site_only() {
    let provider = provider();
    let code = choose(&provider, "alice").await;
    let token = json(redeem(&provider, &code, &[]).await).await["id_token"].as_str().unwrap().to_owned();
    let to = "https://verify.localhost:8443/.pomerium/signed_out";
    let leave = |pairs: &[(&str, &str)]| format!("/end_session?{}", form(pairs));

    let good = leave(&[("id_token_hint", &token), ("post_logout_redirect_uri", to), ("state", "s")]);
    let response = get(&provider, &good, &[]).await;
    assert_eq!(location(&response).as_str(), format!("{to}?state=s"));
    assert!(response.headers()[SET_COOKIE].to_str().unwrap().ends_with("Max-Age=0"));

    let plain = get(&provider, "/end_session", &[]).await;
    assert_eq!(plain.status(), StatusCode::OK);
    assert!(plain.headers().contains_key(SET_COOKIE));

    let forged = format!("{}x", &token[..token.len() - 1]);
    let cases: [&[(&str, &str)]; 4] = [
        &[("post_logout_redirect_uri", "https://evil.example/")],
        &[("post_logout_redirect_uri", to), ("client_id", "other")],
        &[("post_logout_redirect_uri", to), ("id_token_hint", &forged)],
        &[("post_logout_redirect_uri", to), ("id_token_hint", "x")],
    ];
    for pairs in cases {
        let response = get(&provider, &leave(pairs), &[]).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{pairs:?}");
        assert!(response.headers().get(SET_COOKIE).is_none());
    }
    let own = [(ORIGIN.as_str(), ISSUER)];
    let response = send(&provider, "POST", "/forget", &own, String::new()).await;
    assert_eq!(response.headers()[LOCATION], "/");
    assert!(response.headers()[SET_COOKIE].to_str().unwrap().ends_with("Max-Age=0"));
}
