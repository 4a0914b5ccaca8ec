//! What a route does with a request that its policy allows: forward it, or answer it by itself.

use std::fmt::Write;
use std::sync::Arc;

use super::PathRule;
use super::rewrite::replace_prefix;
use crate::plan::cluster::Cluster;

/// One of `to`, `redirect`, `response`.
#[derive(Debug)]
pub enum Action {
    Forward(Arc<Cluster>),
    Redirect(Redirect),
    Respond(Reply),
}

impl Action {
    /// The upstream, if there is one.
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        match self {
            Action::Forward(cluster) => Some(cluster),
            Action::Redirect(_) | Action::Respond(_) => None,
        }
    }
}

/// `redirect`: which parts of the URL change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `response_code`: 301, 302, 303, 307 or 308.
    pub status: u16,
    /// `https_redirect` or `scheme_redirect`.
    pub scheme: Option<Box<str>>,
    /// `host_redirect`; the port that the client named goes with the host that it named.
    pub host: Option<Box<str>>,
    /// `port_redirect`.
    pub port: Option<u16>,
    pub path: NewPath,
    /// `strip_query`; the query of a [`NewPath::Whole`] stays.
    pub strip_query: bool,
}

/// The path of a redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewPath {
    AsAsked,
    /// `path_redirect`, which may hold a query; that one then stands in the place of the client's.
    Whole(Box<str>),
    /// `prefix_rewrite`: in the place of what the route's path rule matched.
    Prefix(Box<str>),
}

/// `response`: a fixed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub status: u16,
    pub body: Box<str>,
}

/// The URL that was asked for, in normal form.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub scheme: &'a str,
    pub host: &'a str,
    /// As the client named it.
    pub port: Option<u16>,
    pub path: &'a str,
    /// Without `?`.
    pub query: Option<&'a str>,
}

impl Redirect {
    /// The absolute URL to send the client to. A port that was the old scheme's own goes with the old scheme.
    pub fn location(&self, rule: &PathRule, asked: Asked<'_>) -> String {
        let scheme = self.scheme.as_deref().unwrap_or(asked.scheme);
        let mut url = format!("{scheme}://{}", self.host.as_deref().unwrap_or(asked.host));
        let own = asked.port.filter(|port| scheme == asked.scheme || default_port(asked.scheme) != Some(*port));
        if let Some(port) = self.port.or(own.filter(|_| self.host.is_none())) {
            // Writing to a string cannot fail.
            let _ = write!(url, ":{port}");
        }
        match &self.path {
            NewPath::AsAsked => url.push_str(asked.path),
            NewPath::Whole(path) => url.push_str(path),
            NewPath::Prefix(replacement) => url.push_str(&replace_prefix(rule, replacement, asked.path)),
        }
        let has_query = matches!(&self.path, NewPath::Whole(path) if path.contains('?'));
        if let Some(query) = asked.query.filter(|_| !has_query && !self.strip_query) {
            url.push('?');
            url.push_str(query);
        }
        url
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'static> =
        Asked { scheme: "http", host: "a.example", port: None, path: "/x/y", query: Some("q=1") };

    fn redirect() -> Redirect {
        Redirect { status: 301, scheme: None, host: None, port: None, path: NewPath::AsAsked, strip_query: false }
    }

    fn location(redirect: Redirect, asked: Asked<'_>) -> String {
        redirect.location(&PathRule::Prefix("/x".into()), asked)
    }

    #[test]
    fn each_part_changes_alone() {
        for (redirect, expected) in [
            (redirect(), "http://a.example/x/y?q=1"),
            (Redirect { scheme: Some("https".into()), ..redirect() }, "https://a.example/x/y?q=1"),
            (Redirect { host: Some("b.example".into()), ..redirect() }, "http://b.example/x/y?q=1"),
            (Redirect { port: Some(8443), ..redirect() }, "http://a.example:8443/x/y?q=1"),
            (Redirect { path: NewPath::Whole("/z".into()), ..redirect() }, "http://a.example/z?q=1"),
            (Redirect { path: NewPath::Whole("/z?r=2".into()), ..redirect() }, "http://a.example/z?r=2"),
            (Redirect { path: NewPath::Prefix("/z".into()), ..redirect() }, "http://a.example/z/y?q=1"),
            (Redirect { strip_query: true, ..redirect() }, "http://a.example/x/y"),
            (
                Redirect { path: NewPath::Whole("/z?r=2".into()), strip_query: true, ..redirect() },
                "http://a.example/z?r=2",
            ),
        ] {
            assert_eq!(location(redirect.clone(), ASKED), expected, "{redirect:?}");
        }
    }

    #[test]
    fn ports_follow_scheme_and_host() {
        let https = Redirect { scheme: Some("https".into()), ..redirect() };
        let host = Redirect { host: Some("b.example".into()), ..redirect() };
        for (redirect, scheme, port, expected) in [
            (&https, "http", Some(80), "https://a.example/x/y"),
            (&https, "http", Some(8080), "https://a.example:8080/x/y"),
            (&https, "https", Some(443), "https://a.example:443/x/y"),
            (&host, "http", Some(8080), "http://b.example/x/y"),
            (&Redirect { port: Some(81), ..host.clone() }, "http", Some(8080), "http://b.example:81/x/y"),
            (&Redirect { port: Some(81), ..redirect() }, "http", Some(8080), "http://a.example:81/x/y"),
        ] {
            let asked = Asked { scheme, port, query: None, ..ASKED };
            assert_eq!(location(redirect.clone(), asked), expected, "{redirect:?} {port:?}");
        }
    }
}
