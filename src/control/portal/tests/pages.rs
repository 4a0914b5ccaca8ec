//! The other pages, and what every answer of ours carries.

use std::sync::Arc;

use ::http::{Request, StatusCode};
use bytes::Bytes;
use serde_json::Value;
use url::Url;

use super::super::bounded;
use super::super::guest::Guest;
use super::{APP, Browser, World, location_of, plan, text};

fn at(path: &str) -> Url {
    Url::parse("https://app.example").unwrap().join(path).unwrap()
}

#[tokio::test]
async fn the_user_page_shows_claims_and_no_token() {
    let (world, mut browser) = (World::new(None).await, Browser::default());
    let anonymous = browser.get(&world, &at("/.pomerium/")).await;
    assert_eq!(location_of(&anonymous).path(), "/.pomerium/sign_in");
    browser.sign_in(&world, APP).await;
    let cookie = browser.host(&at("/"))["_pomerium"].clone();
    let page = text(&browser.get(&world, &at("/.pomerium/")).await);
    for part in ["Alice &lt;Liddell&gt;", "alice@example.com", "sales,support", "admins", "/.pomerium/sign_out"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let request = Request::get(at("/.pomerium/").as_str()).header("accept", "application/json");
    let request = request.header("cookie", format!("_pomerium={cookie}")).body(Bytes::new()).unwrap();
    let json = text(&world.send(request).await);
    let parsed: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(parsed["user"]["email"], "alice@example.com");
    let user = text(&browser.get(&world, &at("/.pomerium/user")).await);
    let parsed: Value = serde_json::from_str(&user).unwrap();
    assert_eq!((&parsed["sub"], &parsed["department"]), (&"alice".into(), &"sales,support".into()));
    for withheld in ["iss", "aud", "exp", "iat", "jti"] {
        assert!(parsed.get(withheld).is_none(), "{withheld}");
    }
    for text in [&page, &json, &user] {
        for secret in ["access-alice", "id_token", "eyJ", "refresh", &cookie] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

#[tokio::test]
async fn machines_get_a_status_instead_of_a_redirect() {
    let world = World::new(None).await;
    for (path, accept) in
        [("/.pomerium/", "application/json"), ("/.pomerium/", "*/*"), ("/.pomerium/user", "text/html")]
    {
        let request = Request::get(at(path).as_str()).header("accept", accept).body(Bytes::new()).unwrap();
        assert_eq!(world.send(request).await.status(), StatusCode::UNAUTHORIZED, "{path} {accept}");
    }
}

#[tokio::test]
async fn the_well_known_documents_are_public() {
    let (world, mut browser) = (World::new(Some("https://auth.example")).await, Browser::default());
    let response = browser.get(&world, &at("/.well-known/pomerium")).await;
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let document: Value = serde_json::from_str(&text(&response)).unwrap();
    assert_eq!(document["issuer"], "https://app.example/");
    assert_eq!(document["authentication_callback_endpoint"], "https://auth.example/oauth2/callback");
    assert_eq!(document["jwks_uri"], "https://app.example/.well-known/pomerium/jwks.json");
    assert_eq!(document["frontchannel_logout_uri"], "https://auth.example/.pomerium/sign_out");
    let keys = browser.get(&world, &at("/.well-known/pomerium/jwks.json")).await;
    assert_eq!(keys.headers()["cache-control"], "max-age=60");
    assert_eq!(keys.headers()["access-control-allow-origin"], "*");
    assert_eq!(&serde_json::from_str::<Value>(&text(&keys)).unwrap(), world.plan.identity.signer.jwks());
    let tag = keys.headers()["etag"].clone();
    let request = Request::get(at("/.well-known/pomerium/jwks.json").as_str()).header("if-none-match", tag);
    let again = world.send(request.body(Bytes::new()).unwrap()).await;
    assert_eq!((again.status(), again.body().len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn hosts_have_their_pages_and_methods() {
    let world = World::new(Some("https://auth.example")).await;
    for (method, url, status) in [
        ("GET", "https://auth.example/", 302),
        ("GET", "https://auth.example/robots.txt", 200),
        ("GET", "https://auth.example/anything", 404),
        ("GET", "https://auth.example/.pomerium/signed_out", 200),
        ("GET", "https://app.example/.pomerium/signed_out", 404),
        ("GET", "https://app.example/oauth2/callback", 404),
        ("GET", "https://app.example/.pomerium/nothing", 404),
        ("GET", "https://app.example/.well-known/pomerium/hpke-public-key", 404),
        ("POST", "https://auth.example/.pomerium/sign_in", 405),
        ("PUT", "https://auth.example/oauth2/callback", 405),
        ("DELETE", "https://app.example/.pomerium/sign_out", 405),
        ("POST", "https://app.example/.pomerium/api/v1/login", 405),
        ("POST", "https://app.example/.pomerium/callback/", 405),
        ("GET", "https://app.example/.pomerium/callback/", 400),
    ] {
        let request =
            Request::builder().method(method).uri(url).header("accept", "text/html").body(Bytes::new()).unwrap();
        let response = world.send(request).await;
        assert_eq!(response.status().as_u16(), status, "{method} {url}");
        assert_eq!(response.headers().contains_key("allow"), status == 405, "{method} {url}");
        let field = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert!(field("content-security-policy").starts_with("default-src 'none'"));
        assert_eq!(field("referrer-policy"), "same-origin");
        assert_eq!(field("x-pomerium-intercepted-response"), "true");
        assert_eq!(field("cache-control"), "no-store");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_panics_or_hangs_costs_itself_alone() {
    let request = Request::get("https://app.example/.pomerium/").body(Bytes::new()).unwrap();
    let guest = Guest::new(request, "request-1".into(), None, Arc::new(plan(None))).unwrap();
    let failed = bounded(&guest, async { panic!("a defect, on purpose") }).await;
    assert_eq!(failed.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text(&failed).contains("request-1"));
    let hung = bounded(&guest, std::future::pending()).await;
    assert_eq!(hung.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(hung.headers()["x-pomerium-intercepted-response"], "true");
}

#[tokio::test]
async fn a_visit_without_an_authority_is_refused() {
    let world = World::new(None).await;
    let request = Request::get("/.pomerium/").body(Bytes::new()).unwrap();
    assert_eq!(world.send(request).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn without_a_provider_nobody_signs_in() {
    let world = World::with(None, |plan| plan.identity.provider = None).await;
    let response = Browser::default().get(&world, &world.sign_in_location(APP)).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(text(&response).contains("No sign-in provider"));
}
