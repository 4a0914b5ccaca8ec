//! Signing in at a real OpenID provider without a browser, and what follows from it.

mod entering;
mod leaving;

use serde_json::{Value, json};

use crate::harness::peers::Provider;
use crate::harness::request::Request;
use crate::harness::vallum::and;
use crate::harness::visitor::Visitor;
use crate::harness::{Upstream, Vallum};

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

/// Signs out on a route's own host.
#[track_caller]
pub(crate) fn sign_out(visitor: &mut Visitor, host: &str) {
    let page = visitor.follow(&format!("https://{host}/.pomerium/sign_out"));
    let (form, fields) = confirmation(&page.text(), visitor);
    let own = format!(
        "Origin: https://{host}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    );
    assert!(matches!(visitor.request("POST", &form, &own, &fields).status, 200 | 302 | 303));
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
