//! Drives the portal by visits, as the edge does, with a browser's cookie jar and a small provider on loopback that can
//! be told to misbehave.

mod callback;
mod pages;
mod provider;
mod sign_in;
mod sign_out;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{COOKIE, LOCATION, SET_COOKIE};
use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use tokio::sync::oneshot;
use url::Url;

use super::{PortalState, serve};
use crate::control::clock::unix_now;
use crate::control::databroker::{Databroker, Limits};
use crate::control::oidc::{Pace, Providers};
use crate::crypto::jws::Signer;
use crate::crypto::secret::Secret;
use crate::link::portal::{self, Portal, Visit};
use crate::link::revocations::Revocations;
use crate::plan::identity::{ClientSecret, Cookie, Identity, Provider, SameSite};
use crate::plan::policy::Policy;
use crate::plan::route::action::{Action, Reply};
use crate::plan::route::rewrite::HostRewrite;
use crate::plan::route::upgrades::Upgrades;
use crate::plan::route::{From, HostRule, PathRule, Route, Table};
use crate::plan::session::Session;
use crate::plan::{Logs, Plan, certificate, listener, sign_in as location, timeouts};
use provider::FakeProvider;

const CLIENT_ID: &str = "vallum";
const CLIENT_SECRET: &str = "a client secret of some length";
const APP: &str = "https://app.example/page?x=1&y=two%20words";

/// A plan with the hosts `app.example`, `other.example:8443` and `*.wild.example`, whose provider nobody answers for.
pub(in super::super) fn plan(authenticate: Option<&str>) -> Plan {
    plan_with(authenticate, "http://127.0.0.1:9")
}

fn plan_with(authenticate: Option<&str>, issuer: &str) -> Plan {
    let shared_secret = Secret::random();
    let (session_sealer, url_signer) = Identity::tools(&shared_secret);
    Plan {
        generation: 1,
        checksum: 0,
        listener: listener::Listener {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            insecure: false,
            codec: listener::Codec::Auto,
            proxy_protocol: None,
            redirect: None,
            metrics: None,
            health: listener::Health::default(),
            admin: None,
            admin_socket: None,
            drain_notice: std::time::Duration::ZERO,
            workers: 1,
        },
        client_certificates: Default::default(),
        certificates: certificate::Index::default(),
        routes: Table::new(vec![
            route(HostRule::Exact("app.example".into()), None),
            route(HostRule::Exact("other.example".into()), Some(8443)),
            route(HostRule::Exact("[::1]".into()), None),
            route(HostRule::Wildcard(regex::Regex::new(r"^[^.]+\.wild\.example$").unwrap()), None),
        ]),
        identity: Identity {
            signer: Signer::derived(&shared_secret).unwrap(),
            shared_secret,
            cookie_secret: Secret::random(),
            cookie: Cookie {
                name: "_pomerium".into(),
                domain: None,
                http_only: true,
                expire: Duration::from_secs(14 * 3600),
                same_site: None,
            },
            authenticate: authenticate.map(|url| Url::parse(url).unwrap()),
            provider: Some(Arc::new(Provider {
                id: "idp-1".into(),
                issuer: Url::parse(issuer).unwrap(),
                client_id: CLIENT_ID.into(),
                client_secret: ClientSecret(CLIENT_SECRET.into()),
                scopes: ["openid", "profile", "email"].map(str::to_owned).into(),
                request_params: vec![("prompt".into(), "select_account".into())],
            })),
            claim_headers: vec![("x-pomerium-claim-department".into(), "department".into())],
            signout_redirect: None,
            programmatic_domains: vec!["localhost".into()],
            session_sealer,
            url_signer,
        },
        timeouts: timeouts::Timeouts::default(),
        limits: Default::default(),
        path_rules: crate::http::path::PathRules::default(),
        field_rules: Default::default(),
        logs: Logs { access: false, authorize: false },
    }
}

fn route(host: HostRule, port: Option<u16>) -> Route {
    Route {
        index: 0,
        id: 1,
        name: "app".into(),
        from: From { url: "https://app.example".into(), host, port, default_port: 443 },
        path: PathRule::All,
        action: Action::Respond(Reply { status: 200, body: "".into() }),
        client_terms: None,
        policy: Policy::default(),
        path_rewrite: None,
        host_rewrite: HostRewrite::Endpoint,
        request_headers_set: Vec::new(),
        request_headers_removed: Vec::new(),
        response_headers: Vec::new(),
        response_rewrites: Vec::new(),
        pass_identity: false,
        upgrades: Upgrades::default(),
        timeout: None,
        request_body_max: None,
        timeout_is_default: false,
        idle_timeout: None,
        mcp: None,
        show_error_details: false,
    }
}

/// One installation, its provider, and the edge's side of the door.
struct World {
    plan: Arc<Plan>,
    provider: FakeProvider,
    databroker: Databroker,
    revocations: Revocations,
    portal: Portal,
}

impl World {
    async fn new(authenticate: Option<&str>) -> Self {
        Self::with(authenticate, |_| ()).await
    }

    /// `change` may alter the plan.
    async fn with(authenticate: Option<&str>, change: impl FnOnce(&mut Plan)) -> Self {
        // Generous, but short enough for the one test whose provider never answers.
        let pace = Pace { answer: Duration::from_secs(2), ..Pace::default() };
        Self::at_pace(pace, authenticate, change).await
    }

    async fn at_pace(pace: Pace, authenticate: Option<&str>, change: impl FnOnce(&mut Plan)) -> Self {
        let provider = FakeProvider::start().await;
        let mut plan = plan_with(authenticate, &provider.issuer);
        change(&mut plan);
        let (portal, inbox) = portal::portal();
        let (databroker, revocations) = (Databroker::memory(Limits::default()), Revocations::default());
        let providers = Providers::new(pace);
        tokio::spawn(serve(inbox, PortalState::new(databroker.clone(), providers, revocations.clone())));
        World { plan: Arc::new(plan), provider, databroker, revocations, portal }
    }

    fn sign_in_location(&self, visited: &str) -> Url {
        location::location(&self.plan, &Url::parse(visited).unwrap(), unix_now())
    }

    /// Sends a request as it is; the session cookie in it is looked up as the edge does.
    async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        let session = self.session_of(&request).await;
        let (answer, response) = oneshot::channel();
        let visit = Visit {
            request,
            client: SocketAddr::from(([192, 0, 2, 1], 4711)),
            request_id: "request-1".into(),
            session,
            plan: self.plan.clone(),
            answer,
        };
        self.portal.send(visit).unwrap();
        response.await.unwrap()
    }

    async fn session_of(&self, request: &Request<Bytes>) -> Option<Arc<Session>> {
        let cookies = request.headers().get(COOKIE)?.as_bytes();
        let text = crate::http::cookie::find_all(cookies, b"_pomerium").next()?;
        let handle = self.plan.identity.open_session(text)?;
        self.databroker.joined(&handle.session, unix_now()).await.unwrap()
    }
}

/// A browser: cookies by host, following nothing by itself.
#[derive(Default)]
struct Browser {
    jar: HashMap<String, HashMap<String, String>>,
}

impl Browser {
    async fn get(&mut self, world: &World, url: &Url) -> Response<Bytes> {
        self.send(world, Request::get(url.as_str()), url, Bytes::new()).await
    }

    async fn send(
        &mut self,
        world: &World,
        mut request: ::http::request::Builder,
        url: &Url,
        body: Bytes,
    ) -> Response<Bytes> {
        let cookies: Vec<String> = self.host(url).iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        let response = world.send(request.header("accept", "text/html").body(body).unwrap()).await;
        for cookie in set_cookies(&response) {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            let jar = self.host(url);
            match value {
                "" => jar.remove(name),
                value => jar.insert(name.into(), value.into()),
            };
        }
        response
    }

    fn host(&mut self, url: &Url) -> &mut HashMap<String, String> {
        self.jar.entry(url.host_str().unwrap().to_owned()).or_default()
    }

    /// Signs in at the provider from `visited` on; returns where the browser stands at the end.
    async fn sign_in(&mut self, world: &World, visited: &str) -> Url {
        let start = world.sign_in_location(visited);
        let to_provider = self.follow(world, &start).await;
        let mut url = world.provider.authorize(&to_provider, "alice");
        // At most: callback, sign_in, handover.
        for _ in 0..3 {
            url = self.follow(world, &url).await;
            if !url.path().starts_with("/.pomerium/") {
                break;
            }
        }
        url
    }

    /// The address that `url` redirects to.
    async fn follow(&mut self, world: &World, url: &Url) -> Url {
        let response = self.get(world, url).await;
        assert_eq!(response.status(), StatusCode::FOUND, "{url}: {}", text(&response));
        location_of(&response)
    }
}

fn location_of(response: &Response<Bytes>) -> Url {
    Url::parse(response.headers().get(LOCATION).expect("a Location").to_str().unwrap()).unwrap()
}

fn set_cookies(response: &Response<Bytes>) -> Vec<String> {
    response.headers().get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// The body; of a page, what follows the head.
fn text(response: &Response<Bytes>) -> String {
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    body.split_once("</head>").map(|(_, rest)| rest.to_owned()).unwrap_or(body)
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

/// `url` with the parameter `name` set to `value`.
fn with_parameter(url: &Url, name: &str, value: &str) -> Url {
    let pairs: Vec<(String, String)> =
        url.query_pairs().filter(|(n, _)| n != name).map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
    let mut changed = url.clone();
    changed.query_pairs_mut().clear().extend_pairs(pairs).append_pair(name, value);
    changed
}

/// `cookie_same_site: strict`.
fn strict(plan: &mut Plan) {
    plan.identity.cookie.same_site = Some(SameSite::Strict);
}
