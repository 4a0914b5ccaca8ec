//! Signing out: never by accident, never by another site, and for good.

use ::http::{Request, StatusCode};
use bytes::Bytes;
use url::Url;

use super::{APP, Browser, World, location_of, parameter, set_cookies, text};
use crate::control::clock::unix_now;

const SIGN_OUT: &str = "https://app.example/.pomerium/sign_out";

fn token_of(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"token\" value=\"").expect("a form");
    rest.split('"').next().unwrap().to_owned()
}

fn form(token: &str) -> Bytes {
    Bytes::from(format!("token={token}"))
}

async fn is_signed_in(world: &World, browser: &mut Browser) -> bool {
    let Some(cookie) = browser.host(&Url::parse(APP).unwrap()).get("_pomerium").cloned() else { return false };
    let handle = world.plan.identity.open_session(cookie.as_bytes()).unwrap();
    world.databroker.session(&handle.session, unix_now()).await.unwrap().is_some()
}

#[tokio::test]
async fn a_form_of_ours_signs_out_and_nothing_else_does() {
    let (world, mut browser, url) = (World::new(None).await, Browser::default(), Url::parse(SIGN_OUT).unwrap());
    browser.sign_in(&world, APP).await;
    let page = browser.get(&world, &url).await;
    assert!(text(&page).contains("alice@example.com"));
    browser.get(&world, &world.plan.identity.url_signer.sign(&url, unix_now())).await;
    assert!(is_signed_in(&world, &mut browser).await, "a GET, even a signed one, only asks");
    let token = token_of(&text(&page));
    let stranger = token_of(&text(&Browser::default().get(&world, &url).await));
    let good = [("origin", "https://app.example"), ("sec-fetch-site", "same-origin")];
    let cases: [(&str, &[(&str, &str)]); 7] = [
        ("", &good),
        ("AAAA", &good),
        (&stranger, &good),
        (&token, &[("origin", "https://evil.example")]),
        (&token, &[("origin", "null")]),
        (&token, &[("origin", "https://app.example"), ("sec-fetch-site", "cross-site")]),
        (&token, &[("sec-fetch-site", "same-site")]),
    ];
    for (token, fields) in cases {
        let request =
            fields.iter().fold(Request::post(SIGN_OUT), |request, (name, value)| request.header(*name, *value));
        let response = browser.send(&world, request, &url, form(token)).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{fields:?}");
        assert!(is_signed_in(&world, &mut browser).await, "{fields:?}");
    }
    let epoch = world.revocations.epoch();
    let request = good.iter().fold(Request::post(SIGN_OUT), |request, (name, value)| request.header(*name, *value));
    let response = browser.send(&world, request, &url, form(&token)).await;
    assert_eq!(response.status(), StatusCode::FOUND);
    let location = location_of(&response);
    assert_eq!(location.path(), "/end");
    assert!(parameter(&location, "id_token_hint").unwrap().split('.').count() == 3);
    assert_eq!(parameter(&location, "post_logout_redirect_uri").unwrap(), "https://app.example/.pomerium/signed_out");
    let cookie = set_cookies(&response).remove(0);
    assert!(cookie.starts_with("_pomerium=; Path=/; Expires=Thu, 01 Jan 1970"), "{cookie}");
    assert!(world.revocations.epoch() > epoch);
    assert!(world.databroker.user("idp-1", "alice").await.unwrap().is_none());
    let done = browser.get(&world, &Url::parse("https://app.example/.pomerium/signed_out").unwrap()).await;
    assert!(text(&done).contains("You are signed out"));
}

#[tokio::test]
async fn after_signing_out_people_stay_with_us() {
    let (world, mut browser) = (World::new(None).await, Browser::default());
    for (next, expected) in [
        ("https://app.example/bye", "https://app.example/bye"),
        ("https://evil.example/", "https://app.example/.pomerium/signed_out"),
        ("//evil.example/", "https://app.example/.pomerium/signed_out"),
        ("https://a.wild.example/", "https://app.example/.pomerium/signed_out"),
        ("javascript:alert(1)", "https://app.example/.pomerium/signed_out"),
    ] {
        let mut url = Url::parse(SIGN_OUT).unwrap();
        url.query_pairs_mut().append_pair("pomerium_redirect_uri", next);
        // Nobody is signed in, so no provider is involved.
        let token = token_of(&text(&browser.get(&world, &url).await));
        let response = browser.send(&world, Request::post(SIGN_OUT), &url, form(&token)).await;
        assert_eq!(location_of(&response).as_str(), expected, "{next}");
    }
}

#[tokio::test]
async fn the_configured_place_wins() {
    let there = Url::parse("https://www.example/bye").unwrap();
    let world = World::with(None, |plan| plan.identity.signout_redirect = Some(there.clone())).await;
    let mut browser = Browser::default();
    let done = Url::parse("https://app.example/.pomerium/signed_out").unwrap();
    assert_eq!(browser.follow(&world, &done).await, there);
}
