//! Policies that ask for a device, as long as none can be registered.

use serde_json::{Value, json};

use crate::harness::peers::Provider;
use crate::harness::vallum::and;
use crate::harness::visitor::{HTML, Visitor};
use crate::harness::{Upstream, Vallum};

const APP: &str = "https://app.example.com/";
const PAGE: &str = "/.pomerium/webauthn?pomerium_device_type=enclave_only";

fn start(provider: &Provider, upstream: &Upstream) -> Vallum {
    let route =
        |host: &str, policy: Value| json!({"from": format!("https://{host}"), "to": upstream.url(), "policy": policy});
    let routes = json!([
        route("app.example.com", json!([{"allow": {"and": [{"authenticated_user": 1}]}}])),
        route("device.example.com", json!([{"allow": {"and": [{"device": {"type": "enclave_only"}}]}}])),
        route(
            "denied.example.com",
            json!([{"allow": {"or": [{"accept": 1}]}, "deny": {"or": [{"device": {"is": "lost"}}]}}])
        ),
        route("either.example.com", json!([{"allow": {"or": [{"email": "alice@example.com"}, {"device": {}}]}}])),
    ]);
    Vallum::start(and(provider.settings(), json!({"routes": routes})))
}

#[test]
fn a_person_is_shown_a_page_that_says_what_is_missing() {
    let (provider, upstream) = (Provider::start(), Upstream::echo());
    let vallum = start(&provider, &upstream);
    let mut alice = Visitor::new(vallum.address);

    let nobody = alice.get("https://device.example.com/");
    assert_eq!(nobody.status, 302);
    assert!(nobody.header("location").contains("/.pomerium/sign_in?"), "{}", nobody.header("location"));

    assert_eq!(alice.sign_in(APP, "alice").status, 200);
    let page = alice.follow("https://device.example.com/");
    assert_eq!(page.status, 450, "{}", page.text());
    assert!(alice.here().as_str().ends_with(PAGE), "{}", alice.here());
    assert!(page.text().contains("devices cannot be registered here yet"));
    let redirect = alice.get("https://device.example.com/");
    assert_eq!((redirect.status, redirect.header("location")), (302, PAGE));

    let by_program = alice.request("GET", "https://device.example.com/", "Accept: application/json\r\n", "");
    assert_eq!((by_program.status, &by_program.json()["error"]), (401, &json!("Unauthenticated")));
    assert_eq!(alice.follow("https://either.example.com/").status, 200);

    // A lost device is not let in because nobody can show it.
    let denied = alice.follow("https://denied.example.com/");
    assert_eq!(denied.status, 450);

    let line = vallum.wait_for_log(&[("host", json!("device.example.com")), ("user", json!("alice"))]);
    assert_eq!(line["allow-why-false"], json!(["device-unauthenticated"]), "{line}");
    let labels = [("result", "show_device"), ("reason", "device-unauthenticated")];
    vallum.wait_for_metric("vallum_authz_decisions_total", &labels, 4.0);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn the_page_asks_for_a_person() {
    let (provider, upstream) = (Provider::start(), Upstream::echo());
    let vallum = start(&provider, &upstream);
    let mut stranger = Visitor::new(vallum.address);
    let page = "https://device.example.com/.pomerium/webauthn";
    let answer = stranger.get(page);
    assert_eq!(answer.status, 302);
    assert!(answer.header("location").contains("/.pomerium/sign_in?"));
    assert_eq!(stranger.request("GET", page, "", "").status, 401);
    assert_eq!(stranger.request("POST", page, HTML, "").status, 405);
}
