//! Which route is meant: by its name, its id, its position or a URL, which is routed as the data plane would.

use crate::control::config::nearest;
use crate::http::{authority, path};
use crate::plan::Plan;
use crate::plan::route::{self, PathRule, Route};

/// How many names are listed when none fits.
const NAMES_SHOWN_MAX: usize = 8;

/// A route, and the path that is asked for.
#[derive(Debug)]
pub struct Found<'p> {
    pub route: &'p Route,
    /// Percent-decoded and normalised.
    pub path: String,
    /// The earlier route that takes requests for this path.
    pub shadowed_by: Option<&'p Route>,
    /// The route's own path rule does not take the path.
    pub outside: bool,
}

/// Why there is no route to ask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("no route is called {named:?}{help}")]
    NoSuchRoute { named: String, help: String },
    #[error("{0:?} is no URL: {1}")]
    Url(String, String),
    #[error("the path {0:?} is refused before any policy is asked: {1}")]
    Path(String, String),
    #[error("no route serves the host {0} (the answer is 404 before any policy is asked)")]
    NoHost(String),
    #[error("no route of the host {0} serves the path {1} (the answer is 404 before any policy is asked)")]
    NoPath(String, String),
    #[error("{0} is a page of Vallum's own: no policy is asked")]
    OwnPage(String),
}

/// The route that `text` means, with `path` (as typed, without query) instead of the one that `text` implies.
pub fn route<'p>(plan: &'p Plan, text: &str, path: Option<&str>) -> Result<Found<'p>, TargetError> {
    if text.contains("://") {
        return by_url(plan, text, path);
    }
    let route = named(plan, text)?;
    let path = decoded(plan, path.unwrap_or(default_path(route)))?;
    let shadowed_by = match &route.from.host {
        route::HostRule::Exact(host) => first(plan, host, route.from.port, &path.0).filter(|r| r.index != route.index),
        route::HostRule::Wildcard(_) => None,
    };
    let outside = !route.path.matches(&path.0);
    Ok(Found { route, path: path.1, shadowed_by: shadowed_by.filter(|_| !outside), outside })
}

/// A path that the route takes, where its rule names one.
fn default_path(route: &Route) -> &str {
    match &route.path {
        PathRule::Exact(path) | PathRule::Prefix(path) => path,
        PathRule::All | PathRule::Regex(_) => "/",
    }
}

/// By name, by id, by position (`3`, `routes[3]`).
fn named<'p>(plan: &'p Plan, text: &str) -> Result<&'p Route, TargetError> {
    let position = text.strip_prefix("routes[").and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let routes = || plan.routes.iter().map(|route| &**route);
    let found = routes()
        .find(|route| *route.name == *text)
        .or_else(|| routes().find(|route| route.id.to_string() == text))
        .or_else(|| plan.routes.at(position.parse().ok()?));
    found.ok_or_else(|| TargetError::NoSuchRoute { named: text.to_owned(), help: help(plan, text) })
}

fn help(plan: &Plan, text: &str) -> String {
    let names = || plan.routes.iter().map(|route| &*route.name);
    if let Some(name) = nearest(text, names()) {
        return format!("; did you mean {name:?}?");
    }
    let shown: Vec<&str> = names().take(NAMES_SHOWN_MAX).collect();
    match plan.routes.len() {
        0 => "; the configuration has no routes".to_owned(),
        all if all > shown.len() => format!("; there are {}, and {} more", shown.join(", "), all - shown.len()),
        _ => format!("; there are {}", shown.join(", ")),
    }
}

fn by_url<'p>(plan: &'p Plan, text: &str, path: Option<&str>) -> Result<Found<'p>, TargetError> {
    let bad = |why: String| TargetError::Url(text.to_owned(), why);
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    if !matches!(scheme, "https" | "http") {
        return Err(bad(format!("the scheme is {scheme:?}, expected https or http")));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, behind) = rest.split_at(end);
    let authority = authority::parse(host.as_bytes()).map_err(|error| bad(error.to_string()))?;
    let own = behind.split(['?', '#']).next().filter(|path| !path.is_empty()).unwrap_or("/");
    let (encoded, path) = decoded(plan, path.unwrap_or(own))?;
    if plan.identity.is_authenticate_host(&authority.host) || matches!(&*encoded, "/ping" | "/healthz") {
        return Err(TargetError::OwnPage(format!("https://{authority}{encoded}")));
    }
    match plan.routes.find(&authority.host, authority.port, &encoded) {
        route::Found::NoHost => Err(TargetError::NoHost(authority.to_string())),
        _ if plan.identity.is_own_page(&encoded) => Err(TargetError::OwnPage(format!("https://{authority}{encoded}"))),
        route::Found::NoPath => Err(TargetError::NoPath(authority.to_string(), encoded)),
        route::Found::Route(found) => {
            let route = plan.routes.at(found.index).ok_or_else(|| TargetError::NoHost(authority.to_string()))?;
            Ok(Found { route, path, shadowed_by: None, outside: false })
        }
    }
}

fn first<'p>(plan: &'p Plan, host: &str, port: Option<u16>, path: &str) -> Option<&'p Route> {
    match plan.routes.find(host, port, path) {
        route::Found::Route(found) => plan.routes.at(found.index),
        route::Found::NoPath | route::Found::NoHost => None,
    }
}

/// The path as it is matched, and as policies see it.
fn decoded(plan: &Plan, raw: &str) -> Result<(String, String), TargetError> {
    let refuse = |why: String| TargetError::Path(raw.to_owned(), why);
    let normal = path::normalize(raw.as_bytes(), &plan.path_rules).map_err(|error| refuse(error.to_string()))?;
    Ok((normal.as_str().to_owned(), normal.decoded().into_owned()))
}
