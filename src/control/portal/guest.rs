//! Who visits: one request for one of our pages, with what the pages ask of it.

use std::sync::Arc;

use ::http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderName, USER_AGENT};
use ::http::{Method, Request, Response};
use bytes::Bytes;
use tokio::sync::oneshot;
use url::Url;

use crate::control::clock::unix_now;
use crate::http::cookie;
use crate::http::page::{Speaks, speaks};
use crate::link::portal::Visit;
use crate::plan::Plan;
use crate::plan::identity::Provider;
use crate::plan::session::Session;

/// Most cookies of one name that are looked at.
const CANDIDATES_MAX: usize = 16;

/// A visit, without the way back.
pub(super) struct Guest {
    pub(super) plan: Arc<Plan>,
    /// What is visited; always https, as browsers see us.
    pub(super) url: Url,
    /// The session that was presented, when it is good and of the provider that is configured now.
    pub(super) session: Option<Arc<Session>>,
    pub(super) request_id: Box<str>,
    /// Unix seconds.
    pub(super) now: i64,
    request: Request<Bytes>,
}

impl Guest {
    /// Takes a visit apart; a visit whose URL is none is given back unserved.
    pub(super) fn new(
        visit: Visit,
    ) -> Result<(Self, oneshot::Sender<Response<Bytes>>), oneshot::Sender<Response<Bytes>>> {
        let Visit { request, request_id, session, plan, answer, client: _ } = visit;
        let Some(url) = visited(&request) else { return Err(answer) };
        let now = unix_now();
        let idp_id = plan.identity.provider.as_ref().map(|provider| provider.id.clone());
        let session = session.filter(|session| {
            session.is_valid_at(now) && (session.service_account || Some(&session.idp_id) == idp_id.as_ref())
        });
        Ok((Guest { plan, url, session, request_id, now, request }, answer))
    }

    pub(super) fn method(&self) -> &Method {
        self.request.method()
    }

    pub(super) fn provider(&self) -> Option<&Arc<Provider>> {
        self.plan.identity.provider.as_ref()
    }

    /// A header field's value, when it is text.
    pub(super) fn field(&self, name: impl ::http::header::AsHeaderName) -> Option<&str> {
        self.request.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The first value of a query parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }

    /// The first value of a field of the form that was posted.
    pub(super) fn form_field(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.request.body())
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The values of every cookie called `name`: a neighbour may have planted others beside ours.
    pub(super) fn cookies<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.request
            .headers()
            .get_all(COOKIE)
            .iter()
            .flat_map(move |value| cookie::find_all(value.as_bytes(), name.as_bytes()))
            .take(CANDIDATES_MAX)
    }

    pub(super) fn speaks(&self) -> Speaks {
        let bytes = |name: HeaderName| self.request.headers().get(name).map(|value| value.as_bytes());
        speaks(bytes(ACCEPT), bytes(CONTENT_TYPE), bytes(USER_AGENT))
    }

    /// Whether a person navigates, who can be sent through a sign-in. A script cannot.
    pub(super) fn is_navigation(&self) -> bool {
        let is_script = self.field("x-requested-with").is_some_and(|with| with.eq_ignore_ascii_case("XMLHttpRequest"))
            || self.field("sec-fetch-mode").is_some_and(|mode| mode != "navigate");
        !is_script
    }

    /// `https://host[:port]` of what is visited.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    pub(super) fn is_authenticate_host(&self) -> bool {
        self.plan.identity.authenticate.as_ref().is_some_and(|url| is_same_host(url, &self.url))
    }

    /// Whether people sign in on this host: the authenticate host, or every host when there is none.
    pub(super) fn is_sign_in_host(&self) -> bool {
        self.plan.identity.authenticate.is_none() || self.is_authenticate_host()
    }

    /// `path` on the host that signs people in: the authenticate host, or this one.
    pub(super) fn sign_in_host_url(&self, path: &str) -> Url {
        let mut url = self.plan.identity.authenticate.clone().unwrap_or_else(|| self.url.clone());
        url.set_path(path);
        url.set_query(None);
        url.set_fragment(None);
        url
    }

    /// `path` on this host.
    pub(super) fn own_url(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url.set_query(None);
        url
    }
}

/// Whether two https URLs have one host and port.
pub(super) fn is_same_host(a: &Url, b: &Url) -> bool {
    a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

fn visited(request: &Request<Bytes>) -> Option<Url> {
    let authority = request.uri().authority()?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let url = Url::parse(&format!("https://{authority}{path}")).ok()?;
    (url.username().is_empty() && url.password().is_none()).then_some(url)
}
