//! Whole sign-ins, with and without an authenticate host, and where they may lead.

use ::http::{Request, StatusCode};
use bytes::Bytes;
use url::Url;

use super::provider::Mischief;
use super::{APP, Browser, World, location_of, parameter, set_cookies, strict, text};
use crate::control::clock::unix_now;
use crate::plan::session::Session;
use std::sync::Arc;

const AUTHENTICATE: &str = "https://auth.example:8443";

async fn session(world: &World, browser: &mut Browser, url: &str) -> Option<Arc<Session>> {
    let text = browser.host(&Url::parse(url).unwrap()).get("_pomerium")?.clone();
    let handle = world.plan.identity.open_session(text.as_bytes()).expect("a sealed handle");
    world.databroker.joined(&handle.session, unix_now()).await.unwrap()
}

#[tokio::test]
async fn somebody_signs_in_on_the_routes_own_host() {
    let (world, mut browser) = (World::new(None).await, Browser::default());
    let start = world.sign_in_location(APP);
    assert_eq!(start.origin().ascii_serialization(), "https://app.example");
    let begun = browser.get(&world, &start).await;
    let to_provider = location_of(&begun);
    assert_eq!(parameter(&to_provider, "redirect_uri").unwrap(), "https://app.example/oauth2/callback");
    assert_eq!(parameter(&to_provider, "scope").unwrap(), "openid profile email");
    assert_eq!(parameter(&to_provider, "prompt").unwrap(), "select_account");
    let cookies = set_cookies(&begun);
    let find = |name: &str| cookies.iter().find(|cookie| cookie.starts_with(name)).unwrap().clone();
    for (name, path) in [("_pomerium_csrf=", "Path=/;"), ("_pomerium_pkce_", "Path=/oauth2/callback;")] {
        let cookie = find(name);
        for part in [path, "Secure", "HttpOnly", "SameSite=Lax", "Expires="] {
            assert!(cookie.contains(part), "{part}: {cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
    let back = world.provider.authorize(&to_provider, "alice");
    let answer = browser.get(&world, &back).await;
    let cookie = set_cookies(&answer).into_iter().find(|cookie| cookie.starts_with("_pomerium=")).unwrap();
    for part in ["; Path=/;", "; Secure", "; HttpOnly", "; Expires="] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    let removed = set_cookies(&answer).into_iter().find(|cookie| cookie.starts_with("_pomerium_pkce_")).unwrap();
    assert!(removed.contains("=; Path=/oauth2/callback; Expires=Thu, 01 Jan 1970"), "{removed}");
    let inner = location_of(&answer);
    assert_eq!(browser.follow(&world, &inner).await.as_str(), APP);
    let session = session(&world, &mut browser, APP).await.expect("a session");
    assert_eq!((&*session.user_id, &*session.email, &*session.name), ("alice", "alice@example.com", "Alice <Liddell>"));
    assert_eq!(session.claims["department"], ["sales", "support"]);
    assert_eq!(session.user_claims["groups"], ["admins"]);
    assert_eq!(session.expires_at - session.issued_at, 14 * 3600);
}

#[tokio::test]
async fn the_authenticate_host_hands_the_session_over() {
    let (world, mut browser) = (World::new(Some(AUTHENTICATE)).await, Browser::default());
    assert_eq!(world.sign_in_location(APP).origin().ascii_serialization(), AUTHENTICATE);
    assert_eq!(browser.sign_in(&world, APP).await.as_str(), APP);
    let here = session(&world, &mut browser, APP).await.expect("a session on the route's host");
    let there = session(&world, &mut browser, AUTHENTICATE).await.expect("a session on the authenticate host");
    assert_eq!(here.id, there.id);
    // The next host needs no provider.
    let codes = world.provider.asked("token");
    let link = browser.follow(&world, &world.sign_in_location("https://x.wild.example/deep")).await;
    assert_eq!(link.as_str().split('?').next(), Some("https://x.wild.example/.pomerium/callback/"));
    assert_eq!(browser.follow(&world, &link).await.as_str(), "https://x.wild.example/deep");
    assert_eq!(world.provider.asked("token"), codes);
    // A sign-in page exists on the authenticate host alone.
    let mut elsewhere = world.sign_in_location(APP);
    elsewhere.set_host(Some("app.example")).unwrap();
    elsewhere.set_port(None).unwrap();
    assert_eq!(browser.get(&world, &elsewhere).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_handover_is_good_for_one_host_and_one_use() {
    let (world, mut browser) = (World::new(Some(AUTHENTICATE)).await, Browser::default());
    browser.sign_in(&world, APP).await;
    let link = browser.follow(&world, &world.sign_in_location("https://x.wild.example/deep")).await;
    // Another host: a new signature by us, even, does not make the sealed handle fit.
    let mut elsewhere = link.clone();
    elsewhere.set_host(Some("y.wild.example")).unwrap();
    let refused = Browser::default().get(&world, &elsewhere).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let elsewhere = super::with_parameter(&elsewhere, "pomerium_redirect_uri", "https://y.wild.example/deep");
    let resigned = world.plan.identity.url_signer.sign(&elsewhere, unix_now());
    let refused = Browser::default().get(&world, &resigned).await;
    assert!(text(&refused).contains("not genuine"), "{}", text(&refused));
    let stale = world.plan.identity.url_signer.sign(&link, unix_now() - 400);
    assert!(text(&Browser::default().get(&world, &stale).await).contains("expired"));
    assert_eq!(browser.get(&world, &link).await.status(), StatusCode::FOUND);
    let again = Browser::default().get(&world, &link).await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
    assert!(set_cookies(&again).is_empty());
    // The same browser that reloads is let on by the cookie it has.
    assert_eq!(browser.follow(&world, &link).await.as_str(), "https://x.wild.example/deep");
}

#[tokio::test]
async fn flows_in_several_tabs_do_not_disturb_each_other() {
    let (world, mut browser) = (World::new(None).await, Browser::default());
    let mut backs = Vec::new();
    for page in ["https://app.example/1", "https://app.example/2", "https://app.example/3"] {
        let to_provider = browser.follow(&world, &world.sign_in_location(page)).await;
        backs.push((page, world.provider.authorize(&to_provider, "alice")));
    }
    for (page, back) in backs.into_iter().rev() {
        let inner = browser.follow(&world, &back).await;
        assert_eq!(browser.follow(&world, &inner).await.as_str(), page);
    }
}

#[tokio::test]
async fn strict_cookies_break_the_chain_of_redirects() {
    let (world, mut browser) = (World::with(None, strict).await, Browser::default());
    let to_provider = browser.follow(&world, &world.sign_in_location(APP)).await;
    let answer = browser.get(&world, &world.provider.authorize(&to_provider, "alice")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers()["refresh"].to_str().unwrap().starts_with("0;url=https://app.example/.pomerium/sign_in?"));
    assert!(
        set_cookies(&answer)
            .iter()
            .any(|cookie| cookie.starts_with("_pomerium=") && cookie.contains("SameSite=Strict"))
    );
}

#[tokio::test]
async fn a_cookie_domain_is_set_where_it_covers_the_host() {
    let change = |plan: &mut crate::plan::Plan| plan.identity.cookie.domain = Some("example".into());
    let (world, mut browser) = (World::with(None, change).await, Browser::default());
    let to_provider = browser.follow(&world, &world.sign_in_location(APP)).await;
    let answer = browser.get(&world, &world.provider.authorize(&to_provider, "alice")).await;
    let cookies = set_cookies(&answer);
    assert!(
        cookies.iter().any(|cookie| cookie.starts_with("_pomerium=") && cookie.contains("; Domain=example")),
        "{cookies:?}"
    );
}

#[tokio::test]
async fn scripts_are_not_sent_to_the_provider() {
    let world = World::new(None).await;
    let start = world.sign_in_location(APP);
    for (name, value) in [("x-requested-with", "XMLHttpRequest"), ("sec-fetch-mode", "cors")] {
        let request = Request::get(start.as_str()).header(name, value);
        let response = Browser::default().send(&world, request, &start, Bytes::new()).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name}");
        assert!(set_cookies(&response).is_empty());
    }
}

#[tokio::test]
async fn sign_ins_lead_to_our_own_hosts_alone() {
    let world = World::new(Some(AUTHENTICATE)).await;
    let mut browser = Browser::default();
    browser.sign_in(&world, APP).await;
    for target in [
        "//evil.example/",
        "///evil.example",
        "\\\\evil.example",
        "/\\evil.example",
        "https:\\\\evil.example",
        "https:evil.example",
        "https:app.example",
        "https:///\\app.example",
        " https://app.example/",
        "https://app.exa\tmple/",
        "https://app.example@evil.example/",
        "https://app.example:pw@evil.example/",
        "https://user@app.example/",
        "https://evil.example/",
        "https://app.example.evil.example/",
        "https://evilapp.example/",
        "https://app.example\\.evil.example",
        "https://app.example%2eevil.example/",
        "https://app.example%00.evil.example/",
        "https://evil.example#app.example",
        "https://evil.example?app.example",
        "https://a.b.wild.example/",
        "https://wild.example/",
        "http://app.example/",
        "ftp://app.example/",
        "javascript:alert(1)//app.example",
        "data:text/html,x",
        "https://other.example/",
        "https://other.example:9999/",
        "https://[::2]/",
        "https://",
        "",
        "app.example",
    ] {
        let mut link = Url::parse(AUTHENTICATE).unwrap().join("/.pomerium/sign_in").unwrap();
        link.query_pairs_mut().append_pair("pomerium_redirect_uri", target);
        let unsigned = browser.get(&world, &link).await;
        assert_eq!(unsigned.status(), StatusCode::BAD_REQUEST, "unsigned {target:?}");
        let signed = world.plan.identity.url_signer.sign(&link, unix_now());
        let response = browser.get(&world, &signed).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "signed {target:?}");
        assert!(!response.headers().contains_key("location"), "{target:?}");
        let stale = world.plan.identity.url_signer.sign(&link, unix_now() - 400);
        let page = text(&browser.get(&world, &stale).await);
        assert!(!page.contains("Begin again"), "{target:?} is offered: {page}");
    }
    for target in
        ["https://other.example:8443/x", "https://a.wild.example/", "https://[::1]/", "https://APP.example:443/"]
    {
        let link = world.sign_in_location(target);
        assert_eq!(browser.get(&world, &link).await.status(), StatusCode::FOUND, "{target}");
    }
}

#[tokio::test]
async fn late_links_offer_to_begin_again() {
    let world = World::new(None).await;
    let late = world.plan.identity.url_signer.sign(&world.sign_in_location(APP), unix_now() - 400);
    let response = Browser::default().get(&world, &late).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(text(&response).contains("href=\"https://app.example/page?x=1&amp;y=two%20words\""), "{}", text(&response));
}

#[tokio::test]
async fn a_provider_that_is_down_is_named_and_asked_again() {
    let (world, mut browser) = (World::new(None).await, Browser::default());
    world.provider.misbehave(Mischief::DiscoveryDown);
    let response = browser.get(&world, &world.sign_in_location(APP)).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = text(&response);
    assert!(page.contains("Your sign-in provider does not answer") && page.contains("request-1"), "{page}");
    browser.get(&world, &world.sign_in_location(APP)).await;
    assert_eq!(world.provider.asked("discovery"), 1, "not asked again at once");
}

#[tokio::test]
async fn a_provider_with_a_foreign_issuer_is_refused() {
    let world = World::new(None).await;
    world.provider.misbehave(Mischief::ForeignDiscovery);
    let response = Browser::default().get(&world, &world.sign_in_location(APP)).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text(&response).contains("evil.example"));
}

#[tokio::test]
async fn a_tool_gets_a_session_of_its_own() {
    let (world, mut browser) = (World::new(Some(AUTHENTICATE)).await, Browser::default());
    let api = "https://app.example/.pomerium/api/v1/login?pomerium_redirect_uri=http%3A%2F%2Flocalhost%3A8000%2F";
    let answer = browser.get(&world, &Url::parse(api).unwrap()).await;
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    let link = Url::parse(&text(&answer)).unwrap();
    let to_provider = browser.follow(&world, &link).await;
    let inner = browser.follow(&world, &world.provider.authorize(&to_provider, "alice")).await;
    let handover = browser.follow(&world, &inner).await;
    assert_eq!(handover.host_str(), Some("app.example"));
    let receiver = browser.follow(&world, &handover).await;
    assert_eq!(receiver.origin().ascii_serialization(), "http://localhost:8000");
    let handle = world.plan.identity.open_session(parameter(&receiver, "pomerium_jwt").unwrap().as_bytes()).unwrap();
    assert_eq!(handle.user, "alice");
    for (query, status) in [
        ("", 404),
        ("?pomerium_redirect_uri=http%3A%2F%2Fevil.example%2F", 400),
        ("?pomerium_redirect_uri=http%3A%2F%2Flocalhost%40evil.example%2F", 400),
        ("?pomerium_redirect_uri=http%3A%2F%2Flocalhost.evil.example%2F", 400),
        ("?pomerium_redirect_uri=javascript%3Aalert(1)", 400),
        ("?pomerium_redirect_uri=%2F%2Flocalhost%2F", 400),
    ] {
        let url = Url::parse(&format!("https://app.example/.pomerium/api/v1/login{query}")).unwrap();
        assert_eq!(browser.get(&world, &url).await.status(), status, "{query}");
    }
}
