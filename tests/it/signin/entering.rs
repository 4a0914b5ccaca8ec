//! The way in: what the provider is asked, what a session is worth, and who does not get one.

use serde_json::{Value, json};

use super::{APP, AUTHENTICATE, Place, Site};
use crate::harness::Answer;
use crate::harness::peers::verify_by_jose;
use crate::harness::visitor::{HTML, Visitor};

fn sign_in_and_be_vouched_for(place: Place) {
    let site = Site::start(place, json!({}));
    let mut alice = site.visitor();
    let answer = alice.sign_in("https://app.example.com/deep/page?with=query", "alice");
    assert_eq!(alice.here().as_str(), "https://app.example.com/deep/page?with=query");
    assert_eq!((answer.status, answer.json()["target"].as_str()), (200, Some("/deep/page?with=query")));

    let request = site.last_request();
    assert_eq!(request.header("x-pomerium-claim-email"), "alice@example.com");
    assert_eq!(request.header("x-our-groups"), "admins,users");
    assert!(request.has("x-pomerium-claim-nothing") && request.header("x-pomerium-claim-nothing").is_empty());
    assert!(!request.header("cookie").contains("_pomerium="), "{:?}", request.headers);

    let token = request.header("x-pomerium-jwt-assertion");
    let jwks = alice.get("https://app.example.com/.well-known/pomerium/jwks.json");
    assert_eq!(jwks.status, 200);
    let claims = verify_assertion(&jwks.text(), token, "app.example.com");
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("app.example.com"), &json!("app.example.com")));
    assert_eq!((&claims["sub"], &claims["email"]), (&json!("alice"), &json!("alice@example.com")));
    assert_eq!(claims["groups"], json!(["admins", "users"]));
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(life, 300);
    for claim in ["jti", "sid", "user"] {
        assert!(claims[claim].as_str().is_some_and(|c| !c.is_empty()), "{claim} of {claims}");
    }
    let by_jose = verify_by_jose(&jwks.text(), token, "app.example.com");
    assert_eq!(by_jose["header"]["alg"], "ES256");
    assert_eq!(by_jose["payload"], claims);

    // The session holds on the other routes, by whatever redirects it takes, without asking the person again.
    assert_eq!(alice.follow("https://users.example.com/").status, 200);
    let line = site.vallum.wait_for_log(&[
        ("message", json!("authorize check")),
        ("host", json!("app.example.com")),
        ("allow", json!(true)),
    ]);
    assert_eq!(line["email"], "alice@example.com");
}

/// Verifies by the `jsonwebtoken` crate with the key of the token's own `kid`.
fn verify_assertion(jwks: &str, token: &str, audience: &str) -> Value {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
    let keys: JwkSet = serde_json::from_str(jwks).expect("a key set");
    let header = decode_header(token).expect("a token");
    let key = keys.find(header.kid.as_deref().expect("a kid")).expect("the key of the token");
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[audience]);
    decode::<Value>(token, &DecodingKey::from_jwk(key).expect("a key"), &validation).expect("a good token").claims
}

#[test]
fn sign_in_with_an_authenticate_host() {
    sign_in_and_be_vouched_for(Place::OwnHost);
}

#[test]
fn sign_in_on_the_routes_own_host() {
    sign_in_and_be_vouched_for(Place::RouteHost);
}

#[test]
fn the_provider_is_asked_with_state_nonce_and_pkce() {
    for place in [Place::OwnHost, Place::RouteHost] {
        let site = Site::start(place, json!({}));
        let mut visitor = site.visitor();
        visitor.follow(APP);
        let asked = visitor.trail.iter().find(|u| u.as_str().starts_with(&format!("{}/auth", site.provider.issuer)));
        let asked = asked.unwrap_or_else(|| panic!("the provider was not asked: {:?}", visitor.trail));
        let value = |name: &str| asked.query_pairs().find(|(n, _)| n == name).map(|(_, v)| v.into_owned());
        let host = if place == Place::OwnHost { AUTHENTICATE } else { "https://app.example.com" };
        assert_eq!(value("redirect_uri").as_deref(), Some(&*format!("{host}/oauth2/callback")), "{place:?}");
        assert_eq!(value("response_type").as_deref(), Some("code"));
        assert_eq!(value("code_challenge_method").as_deref(), Some("S256"));
        for name in ["state", "nonce", "code_challenge"] {
            assert!(value(name).is_some_and(|v| v.len() >= 22), "{name} of {asked}");
        }
        let scope = value("scope").unwrap_or_default();
        assert!(scope.split(' ').any(|s| s == "openid"), "{scope}");
    }
}

#[test]
fn cookies_are_marked() {
    let site = Site::start(Place::OwnHost, json!({}));
    let alice = site.signed_in("alice");
    let cookie = alice.cookie("app.example.com", "_pomerium").expect("a session cookie");
    for flag in ["secure", "httponly"] {
        assert!(cookie.attribute(flag).is_some(), "{flag}: {cookie:?}");
    }
    assert_eq!(cookie.attribute("path").as_deref(), Some("/"));
    assert!(cookie.attribute("domain").is_none());
    assert!(cookie.attribute("expires").is_some() || cookie.attribute("max-age").is_some());
    assert!(!cookie.value.contains("alice"), "{cookie:?}");

    let named = json!({"cookie_name": "_ours", "cookie_same_site": "strict", "cookie_http_only": false});
    let site = Site::start(Place::OwnHost, named);
    let alice = site.signed_in("alice");
    let cookie = alice.cookie("app.example.com", "_ours").expect("a session cookie");
    assert_eq!(cookie.attribute("samesite").map(|s| s.to_ascii_lowercase()).as_deref(), Some("strict"));
    assert!(cookie.attribute("httponly").is_none() && cookie.attribute("secure").is_some());
}

#[test]
fn who_is_no_person_gets_401() {
    let site = Site::start(Place::OwnHost, json!({}));
    let cases = [
        ("nothing said", "", 302),
        ("a browser", HTML, 302),
        ("JSON", "Accept: application/json\r\n", 401),
        ("plain text", "Accept: text/plain\r\n", 401),
        ("a bad token", "Accept: text/html\r\nAuthorization: Pomerium nonsense\r\n", 401),
    ];
    for (name, fields, status) in cases {
        let answer = site.visitor().request("GET", APP, fields, "");
        if name == "nothing said" {
            assert!(matches!(answer.status, 302 | 401), "{name}: {}", answer.status);
        } else {
            assert_eq!(answer.status, status, "{name}: {}", answer.text());
        }
        if answer.status == 302 {
            assert!(answer.header("location").starts_with(&format!("{AUTHENTICATE}/.pomerium/sign_in?")));
        }
    }
    let grpc = site.visitor().request("GET", APP, "Content-Type: application/grpc\r\nTE: trailers\r\n", "");
    assert!(grpc.status == 401 || grpc.header("grpc-status") == "16", "{grpc:?}");
    assert!(site.upstream.requests().is_empty());
}

fn assert_denied(answer: &Answer, reason: &str, site: &Site) {
    assert_eq!(answer.status, 403, "{}", answer.text());
    let line = site.vallum.wait_for_log(&[
        ("message", json!("authorize check")),
        ("allow", json!(false)),
        ("user", json!("mallory")),
    ]);
    assert!(line["allow-why-false"].to_string().contains(reason), "{line}");
}

#[test]
fn policies_refuse_with_their_reasons() {
    let site = Site::start(Place::OwnHost, json!({}));
    let mut mallory = site.signed_in("mallory");
    assert_denied(&mallory.follow("https://users.example.com/"), "domain-unauthorized", &site);
    assert_eq!(mallory.follow("https://admins.example.com/").status, 403);
    assert_eq!(mallory.follow("https://open.example.com/").status, 200);

    let mut bob = site.signed_in("bob");
    assert_eq!(bob.follow("https://users.example.com/").status, 200);
    assert_eq!(bob.follow("https://not-bob.example.com/").status, 403);
    assert_eq!(bob.follow("https://admins.example.com/").status, 403);

    let mut alice = site.signed_in("alice");
    assert_eq!(alice.follow("https://not-bob.example.com/").status, 200);
    assert_eq!(alice.follow("https://admins.example.com/").status, 200);
    let post = alice.request("POST", "https://admins.example.com/", HTML, "x");
    assert_eq!(post.status, 403, "only GET is allowed there");
    let json = alice.request("POST", "https://admins.example.com/", "Accept: application/json\r\n", "x");
    assert_eq!(json.status, 403);
    assert!(json.json()["request_id"].is_string() && json.json()["error"].is_string(), "{}", json.text());

    let denials = [("result", "deny")];
    let decisions = site.vallum.wait_for_metric("vallum_authz_decisions_total", &denials, 6.0);
    assert_eq!(decisions.value("vallum_authz_decisions_total", &denials), 6.0);
    assert!(site.upstream.requests().iter().all(|r| r.method == "GET"));
}

#[test]
fn the_user_page_shows_who_one_is_and_no_token() {
    let site = Site::start(Place::OwnHost, json!({}));
    let mut alice = site.signed_in("alice");
    let page = alice.follow("https://app.example.com/.pomerium/");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("alice@example.com"));
    for word in ["access_token", "refresh_token", "id_token", "eyJ"] {
        assert!(!page.text().contains(word), "{word} on the user page");
    }
    assert_eq!(page.header("x-pomerium-intercepted-response"), "true");
    let known = alice.get("https://app.example.com/.well-known/pomerium").json();
    for key in ["issuer", "authentication_callback_endpoint", "jwks_uri", "frontchannel_logout_uri"] {
        assert!(known[key].is_string(), "{key} of {known}");
    }
    assert!(site.upstream.requests().iter().all(|r| !r.target.contains("pomerium")));
}

#[test]
fn a_callback_is_good_once_for_the_browser_that_began() {
    let site = Site::start(Place::OwnHost, json!({}));
    let mut mallory = site.visitor();
    mallory.sign_in(APP, "mallory");
    let callback = mallory.trail.iter().find(|u| u.path() == "/oauth2/callback").expect("a callback").to_string();

    let mut victim = site.visitor();
    let answer = victim.get(&callback);
    assert!(answer.status >= 400, "another browser was signed in by a link: {}", answer.status);
    assert!(victim.cookie("authenticate.example.com", "_pomerium").is_none());
    let session = |of: &Visitor| of.cookie("authenticate.example.com", "_pomerium").map(|c| c.value.clone());
    let before = session(&mallory);
    mallory.get(&callback);
    assert_eq!(session(&mallory), before, "a code is good for one session");

    for (name, query) in [
        ("no code", "?state=abc".to_owned()),
        ("no state", "?code=abc".to_owned()),
        ("a forged state", "?code=abc&state=Zm9yZ2Vk".to_owned()),
        ("an error", "?error=access_denied&state=abc".to_owned()),
        ("markup", "?error=%3Cscript%3E&error_description=%3Cscript%3E".to_owned()),
    ] {
        let answer = site.visitor().get(&format!("{AUTHENTICATE}/oauth2/callback{query}"));
        assert!((400..500).contains(&answer.status), "{name}: {}", answer.status);
        assert!(!answer.text().contains("<script>%3C") && !answer.text().contains("<script></"), "{name}");
        assert!(!answer.text().contains("error_description=<script>"), "{name}");
    }
}

#[test]
fn nobody_is_sent_elsewhere() {
    let site = Site::start(Place::OwnHost, json!({}));
    for url in [
        format!("{AUTHENTICATE}/.pomerium/sign_in?pomerium_redirect_uri=https://evil.example/"),
        format!("{AUTHENTICATE}/.pomerium/sign_in?pomerium_redirect_uri=https://app.example.com/"),
        "https://app.example.com/.pomerium/callback/?pomerium_redirect_uri=https://evil.example/".to_owned(),
        format!("{AUTHENTICATE}/.pomerium/sign_out?pomerium_redirect_uri=https://evil.example/"),
        "https://app.example.com/.pomerium/api/v1/login?pomerium_redirect_uri=https://evil.example/".to_owned(),
    ] {
        let answer = site.visitor().get(&url);
        let location = answer.header("location");
        assert!(
            !location.starts_with("https://evil.example") && !location.starts_with("//"),
            "{url} leads to {location}"
        );
        assert!(!answer.text().contains("href=\"https://evil.example"), "{url}");
        assert_ne!(answer.status / 100, 5, "{url}");
    }
}

#[test]
fn secrets_stay_out_of_the_log() {
    let site = Site::start(Place::OwnHost, json!({"log_level": "debug", "proxy_log_level": "debug"}));
    let alice = site.signed_in("alice");
    let cookie = alice.cookie("app.example.com", "_pomerium").expect("a session cookie").value.clone();
    let code = alice.trail.iter().find_map(|u| u.query_pairs().find(|(n, _)| n == "code").map(|(_, v)| v.into_owned()));
    let assertion = site.last_request().header("x-pomerium-jwt-assertion").to_owned();
    let log = site.vallum.process.lines().join("\n");
    for (name, secret) in [("cookie", cookie), ("code", code.expect("a code")), ("assertion", assertion)] {
        assert!(secret.len() > 10 && !log.contains(&secret), "the {name} is in the log");
    }
    assert!(!log.contains("the-client-secret-of-vallum"));
}
