//! Cookies that somebody else put beside ours: a neighbour under the same domain, or whoever can write into a browser.

use serde_json::json;

use crate::harness::request::Request;
use crate::harness::vallum::get;
use crate::signin::{Place, Site};

const HOST: &str = "app.example.com";
const NAME: &str = "_pomerium";

/// Asks with these cookie lines; the status, and what the upstream saw.
fn ask(site: &Site, cookies: &[String]) -> (u16, Option<Request>) {
    let before = site.upstream.requests().len();
    let lines: String = cookies.iter().map(|cookie| format!("Cookie: {cookie}\r\n")).collect();
    let answer = site.vallum.connect_tls(HOST).ask(get(HOST, "/tossed", &lines));
    (answer.status, site.upstream.requests().get(before).cloned())
}

#[test]
fn a_session_is_found_among_forgeries_and_none_of_them_goes_on() {
    let site = Site::start(Place::RouteHost, json!({}));
    let visitor = site.signed_in("alice");
    let good = format!("{NAME}={}", visitor.cookie(HOST, NAME).expect("a session").value);
    let forged = |value: &str| format!("{NAME}={value}");
    let (long, cut) = (forged(&"A".repeat(4000)), good[..good.len() - 1].to_owned());
    let flipped = format!("{}{}", &good[..good.len() - 1], if good.ends_with('A') { 'B' } else { 'A' });
    let jwt = forged("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.");
    let bad = [forged("forged"), forged(""), long, cut, flipped, jwt, forged("\"forged\"")];
    for one in &bad {
        for cookies in [
            vec![format!("{one}; {good}; theme=dark")],
            vec![format!("{good}; {one}; theme=dark")],
            vec![one.clone(), good.clone(), "theme=dark".to_owned()],
            vec![format!("theme=dark;{one};{good}")],
        ] {
            let (status, request) = ask(&site, &cookies);
            let request = request.unwrap_or_else(|| panic!("{status} for {cookies:?}"));
            assert_eq!(request.header("x-pomerium-claim-email"), "alice@example.com", "{cookies:?}");
            assert_eq!(request.all("cookie"), ["theme=dark"], "{cookies:?}");
        }
    }
    let (status, request) = ask(&site, &[bad.join("; "), good.clone()]);
    assert!(request.is_some(), "{status}: all of them at once");
    for one in &bad {
        let (status, request) = ask(&site, std::slice::from_ref(one));
        assert!(status == 401 && request.is_none(), "{status} for {one}");
    }
    for spelt in [good.to_uppercase(), good.replacen('_', "%5F", 1), good.replacen(NAME, "_pomerium_csrf", 1)] {
        let (status, request) = ask(&site, std::slice::from_ref(&spelt));
        assert!(status == 401 && request.is_none(), "{status} for {spelt}");
    }
}

#[test]
fn more_cookies_than_anybody_has_are_no_error_of_ours() {
    let site = Site::start(Place::RouteHost, json!({}));
    for (cookies, expected) in [
        (vec![vec![format!("{NAME}=x"); 500].join("; ")], 401),
        (vec![format!("{NAME}=x"); 500], 401),
        (vec![format!("{NAME}={}", "x".repeat(60_000))], 401),
        (vec![format!("{NAME}={}", "x".repeat(140_000))], 431),
        (vec![format!("{NAME}=x"); 1_100], 431),
        (vec![";".repeat(5_000)], 401),
        (vec!["=".repeat(5_000)], 401),
    ] {
        let (status, request) = ask(&site, &cookies);
        assert!(status == expected && request.is_none(), "{status} instead of {expected}");
    }
    assert_eq!(site.vallum.panics(), [""; 0]);
}
