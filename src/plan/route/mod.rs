//! Routes: which one a request belongs to, and what is done with it. The route is chosen once, here.

pub mod action;
pub mod mcp;
pub mod rewrite;
pub mod template;
pub mod upgrades;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use super::client_certificate::Terms;
use super::policy::Policy;
pub use action::Action;
use rewrite::{HostRewrite, PathRewrite};
use template::Template;
use upgrades::Upgrades;

/// One route, compiled.
#[derive(Debug)]
pub struct Route {
    /// Position in the table; fixed for the life of a plan.
    pub index: usize,
    /// Stable over reloads: a hash of from, prefix, path, regex and to, redirect or response.
    pub id: u64,
    /// As in logs and metrics: the configured `name`, else a slug of `from` and six hex digits of the id.
    pub name: Box<str>,
    pub from: From,
    pub path: PathRule,
    pub action: Action,
    pub policy: Policy,
    /// On which terms a client certificate is valid here: `tls_downstream_client_ca`, else `downstream_mtls`. `None`: none is
    /// asked for, and none is invalid.
    pub client_terms: Option<Arc<Terms>>,
    /// `None`: the path is forwarded as it was asked for.
    pub path_rewrite: Option<PathRewrite>,
    pub host_rewrite: HostRewrite,
    /// `set_request_headers`: names in lower case.
    pub request_headers_set: Vec<(Box<str>, Template)>,
    /// `remove_request_headers`: names in lower case; applied after the set ones.
    pub request_headers_removed: Vec<Box<str>>,
    /// Defaults, global and route `set_response_headers`, merged: names in lower case. They replace the upstream's.
    pub response_headers: Vec<(Box<str>, Box<str>)>,
    /// `rewrite_response_headers`: for each field of the upstream's the first that fits.
    pub response_rewrites: Vec<ResponseRewrite>,
    /// `pass_identity_headers`.
    pub pass_identity: bool,
    /// `allow_websockets`, `allow_spdy`, `allow_upgrades`.
    pub upgrades: Upgrades,
    /// From the end of the request to the end of the response; `None`: no limit.
    pub timeout: Option<Duration>,
    /// `max_request_body_bytes` (ours): largest request body; `None`: no limit.
    pub request_body_max: Option<u64>,
    /// The timeout is that of every route, not this one's own: it does not cut event streams.
    pub timeout_is_default: bool,
    /// Between two reads of a response or, either way, of an upgraded connection; `None`: no limit.
    pub idle_timeout: Option<Duration>,
    /// `mcp.server`.
    pub mcp: Option<mcp::Server>,
    /// `show_error_details`.
    pub show_error_details: bool,
}

impl Route {
    /// Whether requests carry an assertion: among the identity fields, or where `set_request_headers` refers to it.
    pub fn vouches(&self) -> bool {
        self.pass_identity || self.request_headers_set.iter().any(|(_, value)| value.vouches())
    }

    /// Whether it matters who is asking.
    pub fn asks_who(&self) -> bool {
        self.policy.needs_session() || self.vouches()
    }
}

/// One entry of `rewrite_response_headers`: a value that begins with `prefix` begins with `value` instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseRewrite {
    /// In lower case.
    pub name: Box<str>,
    pub prefix: Box<str>,
    pub value: Box<str>,
}

/// `from`, taken apart.
#[derive(Debug, Clone)]
pub struct From {
    /// As written.
    pub url: Box<str>,
    pub host: HostRule,
    /// `None`: any port.
    pub port: Option<u16>,
    /// The scheme's own port, which is meant where a client names none.
    pub default_port: u16,
}

#[derive(Debug, Clone)]
pub enum HostRule {
    /// In normal form.
    Exact(Box<str>),
    /// A host with `*` in it: the anchored pattern.
    Wildcard(Regex),
}

/// `prefix`, `path`, `regex`: within one route, regex wins over path over prefix.
#[derive(Debug, Clone)]
pub enum PathRule {
    All,
    Prefix(Box<str>),
    Exact(Box<str>),
    /// Anchored at both ends.
    Regex(Regex),
}

impl PathRule {
    pub fn matches(&self, path: &str) -> bool {
        match self {
            PathRule::All => true,
            PathRule::Prefix(prefix) => path.starts_with(&**prefix),
            PathRule::Exact(exact) => path == &**exact,
            PathRule::Regex(regex) => regex.is_match(path),
        }
    }
}

/// All routes, indexed by host: exact hosts first, then wildcard hosts in the order of the configuration.
#[derive(Debug, Default)]
pub struct Table {
    routes: Vec<Arc<Route>>,
    exact: HashMap<Box<str>, Vec<usize>, foldhash::fast::RandomState>,
    wildcard: Vec<usize>,
}

/// What the table says about a request.
#[derive(Debug)]
pub enum Found<'a> {
    Route(&'a Arc<Route>),
    /// The host is ours but no route takes the path.
    NoPath,
    /// Nobody here answers for the host.
    NoHost,
}

impl Table {
    /// Builds the table; `index` of each route is set to its position.
    pub fn new(routes: Vec<Route>) -> Self {
        let mut table = Table::default();
        for (index, mut route) in routes.into_iter().enumerate() {
            route.index = index;
            match &route.from.host {
                HostRule::Exact(host) => table.exact.entry(host.clone()).or_default().push(index),
                HostRule::Wildcard(_) => table.wildcard.push(index),
            }
            table.routes.push(Arc::new(route));
        }
        table
    }

    /// The route at a position.
    pub fn at(&self, index: usize) -> Option<&Route> {
        self.routes.get(index).map(|route| &**route)
    }

    /// The routes in the order of the configuration.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Route>> {
        self.routes.iter()
    }

    pub fn len(&self) -> usize {
        self.routes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Whether any route answers for this authority (host in normal form, port if one was named).
    pub fn knows_host(&self, host: &str, port: Option<u16>) -> bool {
        self.of_host(host, port).next().is_some()
    }

    /// Chooses the route: the first whose host, port and path (normal form, without query) match.
    pub fn find<'a>(&'a self, host: &'a str, port: Option<u16>, path: &str) -> Found<'a> {
        let mut of_host = self.of_host(host, port).peekable();
        if of_host.peek().is_none() {
            return Found::NoHost;
        }
        match of_host.find(|route| route.path.matches(path)) {
            Some(route) => Found::Route(route),
            None => Found::NoPath,
        }
    }

    /// The port on which `host` is to be asked over TLS: `None` when no route answers for it on any port, `Some(None)` when
    /// one does on every port.
    pub fn port_of(&self, host: &str) -> Option<Option<u16>> {
        let first = self.of_name(host).next()?;
        Some(if self.of_name(host).any(|route| route.from.port.is_none()) { None } else { first.from.port })
    }

    fn of_host<'a>(&'a self, host: &'a str, port: Option<u16>) -> impl Iterator<Item = &'a Arc<Route>> + 'a {
        self.of_name(host).filter(move |route| {
            let from = &route.from;
            from.port.is_none_or(|wanted| port.unwrap_or(from.default_port) == wanted)
        })
    }

    /// Exact hosts shadow wildcard hosts altogether, as virtual hosts do in Pomerium.
    fn of_name<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Arc<Route>> + 'a {
        let exact = self.exact.get(host).map(Vec::as_slice).unwrap_or_default();
        let wildcard = if exact.is_empty() { self.wildcard.as_slice() } else { &[] };
        exact.iter().chain(wildcard).map(|&index| &self.routes[index]).filter(move |route| match &route.from.host {
            HostRule::Exact(_) => true,
            HostRule::Wildcard(pattern) => pattern.is_match(host),
        })
    }
}
