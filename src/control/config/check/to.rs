//! `to`: the targets of a route, and the cluster that they make.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::super::hash::Fnv;
use super::super::section::{Desk, Typed};
use super::super::sections::route::{Route as Section, Target as Typing};
use super::upstream_tls::Clients;
use super::url::{self, Parts};
use crate::plan::cluster::{Cluster, Endpoint, Endpoints, Protocol, Target};
use crate::plan::route::upgrades::Upgrades;

/// Most URLs in one `to`.
pub const TARGETS_MAX: usize = 1024;

/// What `to` says.
pub(super) struct To {
    pub(super) targets: Vec<Target>,
    /// The path that stands in the first URL, if one does.
    pub(super) path: Option<Typed<String>>,
    /// The URLs are `h2c://`.
    is_h2c: bool,
}

/// The targets of a route; problems are collected.
pub(super) fn targets(section: &Section, desk: &Desk) -> Option<To> {
    let typed = section.to.as_ref()?;
    if typed.value.is_empty() {
        desk.problems.add(typed.error("url list is empty"));
        return None;
    }
    if typed.value.len() > TARGETS_MAX {
        desk.problems.add(typed.error(format!("`{}`: more than {TARGETS_MAX} urls", typed.path)));
        return None;
    }
    let parsed: Vec<Option<Parts>> = typed.value.iter().map(|target| parts(&target.url, desk)).collect();
    let parsed: Vec<Parts> = parsed.into_iter().collect::<Option<_>>()?;
    let weights = weights(typed, desk)?;
    if let Some(message) = mixture(&parsed) {
        desk.problems.add(typed.error(message));
        return None;
    }
    let path = common_path(&parsed, &typed.value, desk);
    let is_h2c = parsed.iter().any(|parts| parts.scheme == "h2c");
    let mut targets = Vec::with_capacity(parsed.len());
    for ((parts, weight), typing) in parsed.into_iter().zip(weights).zip(&typed.value) {
        targets.push(target(section, parts, weight, typing, desk)?);
    }
    Some(To { targets, path, is_h2c })
}

/// The path of the first URL, which is that of all.
fn common_path(parsed: &[Parts], typing: &[Typing], desk: &Desk) -> Option<Typed<String>> {
    let (first, typed) = parsed.first().zip(typing.first())?;
    let other = parsed.iter().zip(typing).find(|(parts, _)| parts.path != first.path);
    if let Some((_, other)) = other {
        let message = format!("`{}`: the path of the first URL is used for all", other.url.path);
        desk.problems.add(other.url.warning(message).help("give each URL of one `to` the same path"));
    }
    first.has_path().then(|| typed.url.with(first.path.clone()))
}

fn parts(typed: &Typed<String>, desk: &Desk) -> Option<Parts> {
    let text = typed.value.trim();
    let error = if !text.contains("://") {
        "url scheme must be provided".to_owned()
    } else if text.split_once("://").is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with(['/', ':']))
        && !text.starts_with("unix")
    {
        "endpoint hostname must be specified".to_owned()
    } else {
        match url::split(text) {
            Ok(parts) => return Some(parts),
            Err(error) => error,
        }
    };
    desk.problems.add(typed.error(format!("`{}`: {error}", typed.path)));
    None
}

/// One weight per target; 1 each when none is given.
fn weights(typed: &Typed<Vec<Typing>>, desk: &Desk) -> Option<Vec<u32>> {
    let given: Vec<Option<u64>> = typed.value.iter().map(|target| target.weight).collect();
    if given.iter().all(Option::is_none) {
        return Some(vec![1; given.len()]);
    }
    let error = if given.contains(&Some(0)) {
        "zero load balancing weight not permitted"
    } else if given.contains(&None) {
        "either no weights should be provided, or all endpoints must have non-zero weight specified"
    } else if given.iter().flatten().any(|weight| u32::try_from(*weight).is_err()) {
        "a load balancing weight is larger than 4294967295"
    } else {
        return Some(given.into_iter().flatten().filter_map(|weight| u32::try_from(weight).ok()).collect());
    };
    desk.problems.add(typed.error(format!("`{}`: {error}", typed.path)));
    None
}

/// Schemes that cannot stand in one `to`.
fn mixture(parsed: &[Parts]) -> Option<String> {
    let of =
        |scheme: &str| parsed.iter().filter(|p| p.scheme == scheme || p.scheme == format!("https+{scheme}")).count();
    for scheme in ["tcp", "udp", "unix"] {
        if (1..parsed.len()).contains(&of(scheme)) {
            return Some(format!("config: cannot mix {scheme} and non-{scheme} To URLs"));
        }
    }
    if of("ssh") > 1 {
        return Some("only one 'to' entry allowed for ssh routes".to_owned());
    }
    let mut named = ["http", "https", "h2c"].into_iter().filter(|scheme| parsed.iter().any(|p| p.scheme == *scheme));
    let (first, second) = named.next().zip(named.next())?;
    Some(format!("{first} and {second} in one `to` are not supported by this version yet"))
}

fn target(section: &Section, parts: Parts, weight: u32, typing: &Typing, desk: &Desk) -> Option<Target> {
    let refuse = |message: String| {
        desk.problems.add(typing.url.error(message));
        None
    };
    let tls = match parts.scheme.as_str() {
        "http" | "h2c" => false,
        "https" => true,
        "tcp" | "udp" | "ssh" | "unix" | "https+unix" => {
            return refuse(format!("`to` with {}:// is not supported by this version yet", parts.scheme));
        }
        other => return refuse(format!("`to`: unknown scheme {other}://, expected http, https or h2c")),
    };
    if parts.host.contains('*') {
        return refuse(format!("`to`: the host {} holds a wildcard", parts.host));
    }
    let configured = section.upstream.server_name.as_ref().map(|typed| typed.value.trim()).filter(|n| !n.is_empty());
    let server_name = configured.filter(|_| tls).map(Into::into);
    let port = parts.port.unwrap_or(if tls { 443 } else { 80 });
    let target = Target { tls, host: parts.host.into(), port, weight, server_name };
    if tls && target.verified_name().is_none() {
        let name = target.server_name.as_deref().unwrap_or(&target.host);
        return refuse(format!("{name:?} is no name that a certificate could carry"));
    }
    Some(target)
}

/// The cluster of a route. Literal addresses and `localhost` are endpoints at once; names wait for the resolver.
pub(super) fn cluster(
    section: &Section,
    name: &str,
    to: To,
    upgrades: &Upgrades,
    clients: &mut Clients,
    desk: &Desk,
) -> Option<Cluster> {
    let To { targets, is_h2c, .. } = to;
    let tls = targets.iter().any(|t| t.tls);
    // What is upgraded is upgraded from HTTP/1.1, so routes that allow it agree on nothing else over TLS (as in Pomerium): few
    // servers that prefer HTTP/2 take WebSockets over it. In clear text nothing is agreed on; there RFC 8441 is the way.
    let protocol = match (is_h2c, tls && upgrades.is_empty()) {
        (true, _) => Protocol::Http2,
        (false, true) => Protocol::Negotiated,
        (false, false) => Protocol::Http1,
    };
    if let Some(typed) = section.to.as_ref().filter(|_| is_h2c && upgrades.allows_others()) {
        let message = format!(
            "`{}`: h2c upstreams take no upgrades but WebSockets; other requests to upgrade are refused",
            typed.path
        );
        desk.problems
            .add(typed.warning(message).help("give what is upgraded a route of its own, with an http:// upstream"));
    }
    let (client, settings) = if tls {
        let (client, settings) = clients.config(&section.upstream, protocol == Protocol::Negotiated, desk)?;
        (Some(client), settings)
    } else {
        (None, 0)
    };
    let endpoints = targets.iter().filter_map(endpoint).map(Arc::new).collect();
    Some(Cluster {
        name: name.into(),
        protocol,
        tls: client,
        tls_key: if tls { tls_key(settings, &targets) } else { 0 },
        endpoints: ArcSwap::from_pointee(Endpoints::new(endpoints)),
        targets,
    })
}

/// Settings and verified names: a connection verified for one name is never used for another. Never 0.
fn tls_key(settings: u64, targets: &[Target]) -> u64 {
    let names = targets.iter().map(|t| t.server_name.as_deref().unwrap_or(&t.host));
    let sum = names.fold(Fnv::new().part(&settings.to_le_bytes()), |sum, name| sum.part(name.as_bytes())).sum();
    sum.max(1)
}

/// The endpoint of a target that names its address itself.
fn endpoint(target: &Target) -> Option<Endpoint> {
    let address = SocketAddr::new(target.literal()?, target.port);
    Some(Endpoint::new(address, &target.authority(), target.verified_name(), target.weight))
}
