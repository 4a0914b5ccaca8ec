//! What comes back from the provider, and what is believed of it.

use std::time::Duration;

use ::http::{Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use url::Url;

use super::super::flow::Flow;
use super::provider::Mischief;
use super::{APP, Browser, World, parameter, set_cookies, text, with_parameter};
use crate::control::clock::unix_now;
use crate::control::oidc::Pace;

/// A browser that has just come back from the provider, and the address that it was sent to.
async fn returned(world: &World) -> (Browser, Url) {
    let mut browser = Browser::default();
    let to_provider = browser.follow(world, &world.sign_in_location(APP)).await;
    (browser, world.provider.authorize(&to_provider, "alice"))
}

fn has_session(response: &::http::Response<Bytes>) -> bool {
    set_cookies(response).iter().any(|cookie| cookie.starts_with("_pomerium="))
}

#[tokio::test]
async fn a_provider_that_misbehaves_signs_nobody_in() {
    use Mischief as M;
    let world = World::new(None).await;
    for (mischief, status, part) in [
        (M::AlgNone, 500, "error redeeming authenticate code"),
        (M::Hs256, 500, "HS256"),
        (M::ForeignKey, 500, "no published key"),
        (M::BadSignature, 500, "id token"),
        (M::WrongNonce, 500, "nonce"),
        (M::NoNonce, 500, "nonce"),
        (M::WrongIssuer, 500, "evil.example"),
        (M::WrongAudience, 500, "audience"),
        (M::TwoAudiences, 500, "azp"),
        (M::ForeignParty, 500, "azp"),
        (M::Expired, 500, "expired"),
        (M::FromTheFuture, 500, "future"),
        (M::NotYetValid, 500, "not valid yet"),
        (M::NoSubject, 500, "sub"),
        (M::WrongAtHash, 500, "at_hash"),
        (M::NoIdToken, 500, "no id token"),
        (M::CodeRefused, 500, "invalid_grant"),
        (M::HugeToken, 500, "longer than"),
        (M::RedirectingToken, 500, "error redeeming authenticate code"),
        (M::UserinfoOfSomebodyElse, 500, "another subject"),
    ] {
        let (mut browser, back) = returned(&world).await;
        world.provider.misbehave(mischief);
        let response = browser.get(&world, &back).await;
        let page = text(&response);
        assert_eq!(response.status(), status, "{mischief:?}: {page}");
        assert!(page.contains(part), "{mischief:?}: {page}");
        assert!(page.contains("Begin again"), "{mischief:?}");
        assert!(!has_session(&response), "{mischief:?}");
        world.provider.misbehave(M::None);
    }
    let (mut browser, back) = returned(&world).await;
    assert!(has_session(&browser.get(&world, &back).await), "a good answer still works");
}

#[tokio::test]
async fn a_provider_that_hangs_is_given_up() {
    let world = World::new(None).await;
    let (mut browser, back) = returned(&world).await;
    world.provider.misbehave(Mischief::HangingToken);
    let response = browser.get(&world, &back).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!has_session(&response));
}

#[tokio::test]
async fn userinfo_that_fails_costs_its_claims_alone() {
    for mischief in [Mischief::UserinfoDown, Mischief::HugeUserinfo] {
        let world = World::new(None).await;
        let (mut browser, back) = returned(&world).await;
        world.provider.misbehave(mischief);
        assert!(has_session(&browser.get(&world, &back).await), "{mischief:?}");
        let user = world.databroker.user("idp-1", "alice").await.unwrap().unwrap();
        assert_eq!(user.email, "alice@id.example", "the id token's");
        assert!(user.claims.is_empty());
    }
}

#[tokio::test]
async fn keys_are_fetched_anew_at_most_every_ten_seconds() {
    let world = World::new(None).await;
    let (mut browser, back) = returned(&world).await;
    browser.get(&world, &back).await;
    for _ in 0..3 {
        let (mut browser, back) = returned(&world).await;
        world.provider.misbehave(Mischief::ForeignKey);
        assert!(!has_session(&browser.get(&world, &back).await));
        world.provider.misbehave(Mischief::None);
    }
    assert_eq!(world.provider.asked("keys"), 1, "fetched just now, so not again");
    assert_eq!(world.provider.asked("discovery"), 1);
}

#[tokio::test]
async fn a_rotated_key_is_fetched_once() {
    let pace = Pace { keys: Duration::ZERO, ..Pace::default() };
    let world = World::at_pace(pace, None, |_| ()).await;
    world.provider.misbehave(Mischief::Rotated);
    for _ in 0..2 {
        let (mut browser, back) = returned(&world).await;
        assert!(has_session(&browser.get(&world, &back).await));
        assert_eq!(world.provider.asked("keys"), 2);
    }
}

#[tokio::test]
async fn the_checks_come_in_order_with_their_texts() {
    let world = World::new(None).await;
    let (mut browser, back) = returned(&world).await;
    let old = Flow { csrf: csrf_of(&back), issued_at: unix_now() - 301, inner: world.sign_in_location(APP) };
    let identity = &world.plan.identity;
    let early = Flow { issued_at: unix_now() + 120, csrf: csrf_of(&back), inner: old.inner.clone() };
    let foreign =
        Flow { issued_at: unix_now(), csrf: csrf_of(&back), inner: Url::parse("https://a.wild.example/").unwrap() };
    let unknown = Flow { issued_at: unix_now(), csrf: csrf_of(&back), inner: old.inner.clone() };
    let four = URL_SAFE_NO_PAD.encode("a|1|b|c");
    let cases: [(&Url, &str, u16, &str); 14] = [
        (&with_parameter(&back, "error", "access_denied"), "denied", 401, "identity provider: access_denied"),
        (
            &with_parameter(&back, "error", "unauthorized_client"),
            "unauthorized",
            401,
            "identity provider: unauthorized_client",
        ),
        (&with_parameter(&back, "error", "server_error"), "error", 400, "identity provider: server_error"),
        (&with_parameter(&back, "error", "<script>"), "markup", 400, "identity provider: &lt;script&gt;"),
        (&with_parameter(&back, "code", ""), "no code", 400, "identity provider returned empty code"),
        (&with_parameter(&back, "state", "%%"), "no base64", 400, "bad bytes: "),
        (&with_parameter(&back, "state", "YQ"), "one part", 400, "state malformed, size: 1"),
        (&with_parameter(&back, "state", &four), "not sealed", 400, "not genuine"),
        (&with_parameter(&back, "state", &old.seal(identity, "t")), "old", 400, "This request has expired"),
        (&with_parameter(&back, "state", &early.seal(identity, "t")), "early", 400, "This request has expired"),
        (&with_parameter(&back, "state", &foreign.seal(identity, "t")), "foreign", 400, "another host"),
        (&with_parameter(&back, "state", &unknown.seal(identity, "t")), "no secret", 400, "another browser"),
        (&with_parameter(&back, "iss", "https://evil.example"), "mix-up", 400, "another identity provider"),
        (&back, "replayed after the mix-up", 400, "used before"),
    ];
    for (url, name, status, part) in cases {
        let response = browser.get(&world, url).await;
        let page = text(&response);
        assert_eq!(response.status().as_u16(), status, "{name}: {page}");
        assert!(page.contains(part), "{name}: {page}");
        assert!(!has_session(&response), "{name}");
    }
    assert_eq!(world.provider.asked("token"), 0);
}

fn csrf_of(back: &Url) -> String {
    let state = URL_SAFE_NO_PAD.decode(parameter(back, "state").unwrap()).unwrap();
    String::from_utf8(state).unwrap().split('|').next().unwrap().to_owned()
}

#[tokio::test]
async fn another_browser_cannot_finish_a_sign_in() {
    let world = World::new(None).await;
    let (_, back) = returned(&world).await;
    let mut victim = Browser::default();
    let response = victim.get(&world, &back).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(text(&response).contains("invalid CSRF token"));
    // Not even one that has begun a sign-in of its own.
    victim.follow(&world, &world.sign_in_location(APP)).await;
    assert!(text(&victim.get(&world, &back).await).contains("invalid CSRF token"));
    // Nor one whose cookies a neighbour has planted.
    let planted = Request::get(back.as_str()).header("cookie", "_pomerium_csrf=AAAA; _pomerium_csrf=%%%");
    assert!(text(&victim.send(&world, planted, &back, Bytes::new()).await).contains("invalid CSRF token"));
}

#[tokio::test]
async fn planted_cookies_do_not_lock_anybody_out() {
    let world = World::new(None).await;
    let (mut browser, back) = returned(&world).await;
    let planted = Request::get(back.as_str()).header("cookie", "_pomerium_csrf=AAAA");
    assert!(has_session(&browser.send(&world, planted, &back, Bytes::new()).await));
}

#[tokio::test]
async fn a_reload_of_the_callback_goes_on_with_the_session() {
    let world = World::new(None).await;
    let (mut browser, back) = returned(&world).await;
    let inner = browser.follow(&world, &back).await;
    let again = browser.get(&world, &back).await;
    assert_eq!(again.status(), StatusCode::FOUND);
    assert!(!has_session(&again));
    assert_eq!(browser.follow(&world, &inner).await.as_str(), APP);
    assert_eq!(world.provider.asked("token"), 1);
}

#[tokio::test]
async fn an_answer_may_be_posted() {
    let world = World::new(None).await;
    let (mut browser, back) = returned(&world).await;
    let body = Bytes::from(back.query().unwrap().to_owned());
    let mut url = back.clone();
    url.set_query(None);
    let request = Request::post(url.as_str()).header("content-type", "application/x-www-form-urlencoded");
    assert!(has_session(&browser.send(&world, request, &url, body).await));
}

#[tokio::test]
async fn every_sign_in_has_a_session_id_of_its_own() {
    let (world, mut browser) = (World::new(None).await, Browser::default());
    let mut ids = std::collections::HashSet::new();
    for _ in 0..3 {
        browser.host(&Url::parse(APP).unwrap()).clear();
        browser.sign_in(&world, APP).await;
        let cookie = browser.host(&Url::parse(APP).unwrap())["_pomerium"].clone();
        ids.insert(world.plan.identity.open_session(cookie.as_bytes()).unwrap().session);
    }
    assert_eq!(ids.len(), 3);
    assert_eq!(world.revocations.epoch(), 2, "the first sign-in changes nobody's claims");
}
