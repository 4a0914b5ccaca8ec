//! The end of a session: by its person, by time, and not by its provider's.

use std::time::Duration;

use serde_json::json;

use super::{APP, Place, Site, confirmation};
use crate::harness::vallum::get;
use crate::harness::visitor::Visitor;
use crate::harness::wait_for;

fn sign_out(place: Place) {
    let site = Site::start(place, json!({}));
    let mut alice = site.signed_in("alice");
    let stolen = alice.cookie("app.example.com", "_pomerium").expect("a session cookie").value.clone();
    let url = "https://app.example.com/.pomerium/sign_out";

    let page = alice.follow(url);
    assert_eq!(page.status, 200, "a GET asks for confirmation: {}", page.text());
    assert_eq!(alice.visit_with(&stolen, &site), 200, "a GET alone signs nobody out");

    let (form, fields) = confirmation(&page.text(), &alice);
    let foreign = "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n\
                   Content-Type: application/x-www-form-urlencoded\r\n";
    let forged = alice.request("POST", &form, foreign, &fields);
    assert!(matches!(forged.status, 400 | 403), "{}", forged.status);
    assert_eq!(alice.visit_with(&stolen, &site), 200, "a foreign page's form signs nobody out");

    let origin = alice.here().origin().ascii_serialization();
    let own = format!(
        "Origin: {origin}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    );
    let done = alice.request("POST", &form, &own, &fields);
    assert!(matches!(done.status, 200 | 302 | 303), "{} {}", done.status, done.text());
    wait_for("the end of the session", Duration::from_secs(5), || {
        (alice.visit_with(&stolen, &site) != 200).then_some(())
    });
    let mut later = site.visitor();
    later.set_cookie("app.example.com", "_pomerium", &stolen);
    assert_eq!(later.get(APP).status, 302, "the session is gone, not only the cookie");
}

#[test]
fn sign_out_with_an_authenticate_host() {
    sign_out(Place::OwnHost);
}

#[test]
fn sign_out_on_the_routes_own_host() {
    sign_out(Place::RouteHost);
}

#[test]
fn sessions_expire() {
    let site = Site::start(Place::OwnHost, json!({"cookie_expire": "3s"}));
    let alice = site.signed_in("alice");
    let cookie = alice.cookie("app.example.com", "_pomerium").expect("a session cookie").value.clone();
    wait_for("the end of a session of three seconds", Duration::from_secs(15), || {
        (alice.visit_with(&cookie, &site) == 302).then_some(())
    });
}

#[test]
fn a_session_outlives_its_provider() {
    let site = Site::start(Place::OwnHost, json!({}));
    let mut alice = site.signed_in("alice");
    let Site { vallum, upstream, provider } = site;
    drop(provider);
    assert_eq!(alice.get(APP).status, 200);
    assert_eq!(Visitor::new(vallum.address).get(APP).status, 302, "a newcomer is still sent to sign in");
    assert_eq!(vallum.connect_tls("open.example.com").ask(get("open.example.com", "/", "")).status, 200);
    assert_eq!(upstream.complaints(), [""; 0]);
}
