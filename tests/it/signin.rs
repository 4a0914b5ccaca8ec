//! Signing in at a real OpenID provider without a browser, and what follows from it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::peers::{Provider, verify_by_jose};
use crate::harness::request::Request;
use crate::harness::vallum::{and, get};
use crate::harness::visitor::{HTML, Visitor};
use crate::harness::{Answer, Upstream, Vallum, wait_for};

const APP: &str = "https://app.example.com/";
const AUTHENTICATE: &str = "https://authenticate.example.com";

/// Everything that a sign-in needs.
pub(crate) struct Site {
    pub vallum: Vallum,
    pub upstream: Upstream,
    provider: Provider,
}

/// Where people sign in.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Place {
    /// `authenticate_service_url` is set.
    OwnHost,
    /// It is not: on each route's own host.
    RouteHost,
}

impl Site {
    pub fn start(place: Place, more: Value) -> Site {
        let (provider, upstream) = (Provider::start(), Upstream::echo());
        let route = |host: &str, access: Value| {
            let base = json!({"from": format!("https://{host}"), "to": upstream.url(), "pass_identity_headers": true});
            and(base, access)
        };
        let routes = json!([
            route("app.example.com", json!({"allow_any_authenticated_user": true})),
            route("users.example.com", json!({"policy": [{"allow": {"or": [{"domain": {"is": "example.com"}}]}}]})),
            route(
                "admins.example.com",
                json!({"policy": [{"allow": {"and": [
                    {"claim/groups": "admins"}, {"http_method": {"is": "GET"}},
                ]}}]})
            ),
            route(
                "not-bob.example.com",
                json!({"policy": [
                    {"allow": {"or": [{"authenticated_user": true}]}, "deny": {"or": [{"user": {"is": "bob"}}]}},
                ]})
            ),
            route("open.example.com", json!({"allow_public_unauthenticated_access": true})),
        ]);
        let claims =
            json!({"X-Pomerium-Claim-Email": "email", "X-Our-Groups": "groups", "X-Pomerium-Claim-Nothing": "nothing"});
        let mut settings = and(provider.settings(), json!({"routes": routes, "jwt_claims_headers": claims}));
        if place == Place::OwnHost {
            settings["authenticate_service_url"] = json!(AUTHENTICATE);
        }
        Site { vallum: Vallum::start(and(settings, more)), upstream, provider }
    }

    fn visitor(&self) -> Visitor {
        Visitor::new(self.vallum.address)
    }

    /// Somebody who has signed in at the app.
    pub fn signed_in(&self, who: &str) -> Visitor {
        let mut visitor = self.visitor();
        let answer = visitor.sign_in(APP, who);
        assert_eq!((answer.status, visitor.here().as_str()), (200, APP), "{}", answer.text());
        visitor
    }

    fn last_request(&self) -> Request {
        self.upstream.requests().pop().expect("a request")
    }
}

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

/// The URL to which a confirmation page posts, and the fields that it posts.
pub(crate) fn confirmation(page: &str, visitor: &Visitor) -> (String, String) {
    let form = page.split("<form").nth(1).unwrap_or_else(|| panic!("no form: {page}"));
    let form = form.split("</form>").next().unwrap_or_default();
    let action = attribute(form.split('>').next().unwrap_or_default(), "action");
    let inputs = form.split("<input").skip(1).map(|i| i.split('>').next().unwrap_or_default());
    let mut fields = url::form_urlencoded::Serializer::new(String::new());
    for input in inputs {
        fields.append_pair(&attribute(input, "name"), &attribute(input, "value"));
    }
    (visitor.here().join(&action).expect("an action").to_string(), fields.finish())
}

/// The value of an attribute in a tag, empty when it is not there.
fn attribute(tag: &str, name: &str) -> String {
    let value =
        tag.split_once(&format!("{name}=\"")).map_or("", |(_, rest)| rest.split('"').next().unwrap_or_default());
    value.replace("&quot;", "\"").replace("&amp;", "&")
}

impl Visitor {
    /// The status of a visit to the app with the session cookie `value` alone.
    fn visit_with(&self, value: &str, site: &Site) -> u16 {
        let mut other = site.visitor();
        other.set_cookie("app.example.com", "_pomerium", value);
        other.get(APP).status
    }
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
