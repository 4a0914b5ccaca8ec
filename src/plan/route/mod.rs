//! Routes: which one a request belongs to, and what is done with it. The route is chosen once, here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use super::cluster::Cluster;
use super::policy::Policy;

/// One route, compiled.
#[derive(Debug)]
pub struct Route {
    /// Position in the table; fixed for the life of a plan.
    pub index: usize,
    /// Stable over reloads: a hash of from, prefix, path, regex and to.
    pub id: u64,
    /// As in logs and metrics: the configured `name`, else a slug of `from` and six hex digits of the id.
    pub name: Box<str>,
    pub from: From,
    pub path: PathRule,
    pub cluster: Arc<Cluster>,
    pub policy: Policy,
    /// `set_request_headers`: names in lower case.
    pub request_headers_set: Vec<(Box<str>, Box<str>)>,
    /// `remove_request_headers`: names in lower case; applied after the set ones.
    pub request_headers_removed: Vec<Box<str>>,
    /// Defaults, global and route `set_response_headers`, merged: names in lower case. They replace the upstream's.
    pub response_headers: Vec<(Box<str>, Box<str>)>,
    /// `pass_identity_headers`.
    pub pass_identity: bool,
    /// `preserve_host_header`.
    pub preserve_host: bool,
    /// `allow_websockets`.
    pub websockets: bool,
    /// From the end of the request to the end of the response; `None`: no limit.
    pub timeout: Option<Duration>,
    /// `max_request_body_bytes` (ours): largest request body; `None`: no limit.
    pub request_body_max: Option<u64>,
    /// `show_error_details`.
    pub show_error_details: bool,
}

/// `from`, taken apart.
#[derive(Debug, Clone)]
pub struct From {
    /// As written.
    pub url: Box<str>,
    pub host: HostRule,
    /// `None`: any port.
    pub port: Option<u16>,
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

    /// Whether any route answers for this authority (host in normal form, port if the client named one).
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

    /// Exact hosts shadow wildcard hosts altogether, as virtual hosts do in Pomerium.
    fn of_host<'a>(&'a self, host: &'a str, port: Option<u16>) -> impl Iterator<Item = &'a Arc<Route>> + 'a {
        let exact = self.exact.get(host).map(Vec::as_slice).unwrap_or_default();
        let wildcard = if exact.is_empty() { self.wildcard.as_slice() } else { &[] };
        exact.iter().chain(wildcard).map(|&index| &self.routes[index]).filter(move |route| {
            let port_fits = route.from.port.is_none_or(|wanted| port.unwrap_or(443) == wanted);
            port_fits
                && match &route.from.host {
                    HostRule::Exact(_) => true,
                    HostRule::Wildcard(pattern) => pattern.is_match(host),
                }
        })
    }
}
