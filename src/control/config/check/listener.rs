//! Listener, timeouts, path rules and logs: from what was typed to parts of the plan.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use tracing::level_filters::LevelFilter;

use super::super::section::{Desk, Opt, Typed};
use super::super::sections::listener::{Listener as Section, WORKERS_MAX};
use super::address::{self, AddressError};
use super::admin;
use crate::http::path::{EscapedSlashes, PathRules};
use crate::plan::Logs;
use crate::plan::field_rules::{FieldRules, Underscores};
use crate::plan::listener::{Codec, Health, Listener, ProxyProtocol};
use crate::plan::timeouts::Timeouts;

/// Stands for "no limit": longer than any connection lives.
pub(super) const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Longest path of a local socket.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Longest `drain_notice`: who stops a process does not wait for ever.
const DRAIN_NOTICE_MAX: Duration = Duration::from_secs(3600);

/// The default of `default_upstream_timeout`.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn listener(section: &Section, desk: &Desk) -> Listener {
    services(section, desk);
    storage(section, desk);
    Listener {
        address: listen_address(section, desk),
        insecure: on(&section.insecure_server, false),
        codec: section.codec.as_ref().map_or(Codec::Auto, |typed| codec(typed, desk)),
        proxy_protocol: proxy_protocol(section, desk),
        redirect: section.redirect_address.as_ref().and_then(|typed| redirect(typed, desk)),
        metrics: section.metrics_address.as_ref().and_then(|typed| metrics(typed, desk)),
        health: health(section, desk),
        admin: admin::admin(section, desk),
        admin_socket: admin_socket(section, desk),
        drain_notice: drain_notice(section, desk),
        workers: section.workers.as_ref().map_or_else(processors, |typed| typed.value as usize),
    }
}

/// The bool, or its default.
pub(super) fn on(flag: &Opt<bool>, default: bool) -> bool {
    flag.as_ref().map_or(default, |typed| typed.value)
}

fn listen_address(section: &Section, desk: &Desk) -> SocketAddr {
    let default = SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), 443);
    let Some(typed) = section.address.as_ref().filter(|typed| !typed.value.trim().is_empty()) else { return default };
    address::parse(&typed.value).unwrap_or_else(|_| {
        let message =
            format!("`address`: expected `:PORT`, `ADDRESS:PORT` or `localhost:PORT`, found {:?}", typed.value);
        desk.problems.add(typed.error(message));
        default
    })
}

/// `codec_type`.
fn codec(typed: &Typed<String>, desk: &Desk) -> Codec {
    match typed.value.trim().to_ascii_lowercase().as_str() {
        "" | "auto" => Codec::Auto,
        "http1" => Codec::Http1,
        "http2" => Codec::Http2,
        "http3" => {
            let message = "`codec_type`: http3 is not supported by this version yet; clients get `auto`";
            desk.problems.add(typed.warning(message));
            Codec::Auto
        }
        _ => {
            let message = format!("invalid codec type: {}", typed.value);
            desk.problems.add(typed.error(message).help("one of auto, http1, http2"));
            Codec::Auto
        }
    }
}

/// `http_redirect_addr`; port 0 lets the system choose.
fn redirect(typed: &Typed<String>, desk: &Desk) -> Option<SocketAddr> {
    if typed.value.trim().is_empty() {
        return None;
    }
    let refused = |_| {
        let expected = "expected `:PORT`, `ADDRESS:PORT` or `localhost:PORT`";
        desk.problems.add(typed.error(format!("`http_redirect_addr`: {expected}, found {:?}", typed.value)));
    };
    address::parse(&typed.value).map_err(refused).ok()
}

/// `metrics_address`; unlike Pomerium, port 0 is taken and lets the system choose.
fn metrics(typed: &Typed<String>, desk: &Desk) -> Option<SocketAddr> {
    if typed.value.trim().is_empty() {
        return None;
    }
    let refused = |error| desk.problems.add(typed.error(format!("config: invalid metrics_addr: {}", reason(error))));
    address::parse(&typed.value).map_err(refused).ok()
}

/// `health_check_addr`; port 0 lets the system choose.
fn health(section: &Section, desk: &Desk) -> Health {
    let Some(typed) = section.health_address.as_ref().filter(|typed| !typed.value.trim().is_empty()) else {
        return Health::default();
    };
    match address::parse(&typed.value) {
        Ok(address) => Health { address, is_default: false },
        Err(error) => {
            // The space before the colon is Pomerium's.
            desk.problems.add(typed.error(format!("config : invalid health_check_addr : {}", reason(error))));
            Health::default()
        }
    }
}

fn reason(error: AddressError) -> &'static str {
    match error {
        AddressError::Form => "expected host:port",
        AddressError::Port => "port must be a number",
        AddressError::Range => "expected positive port number",
    }
}

/// `admin_socket`: an absolute path that fits into an address (unix(7)).
fn admin_socket(section: &Section, desk: &Desk) -> Option<PathBuf> {
    let typed = section.admin_socket.as_ref().filter(|typed| !typed.value.trim().is_empty())?;
    let path = Path::new(typed.value.trim());
    if !path.is_absolute() || path.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        let expected = format!("expected an absolute path of at most {SOCKET_PATH_BYTES_MAX} bytes");
        desk.problems.add(typed.error(format!("`admin_socket`: {expected}, found {:?}", typed.value)));
        return None;
    }
    Some(path.to_owned())
}

fn drain_notice(section: &Section, desk: &Desk) -> Duration {
    let Some(typed) = &section.drain_notice else { return Duration::ZERO };
    if typed.value > DRAIN_NOTICE_MAX {
        let message = format!("`drain_notice`: at most {} s, found {:?}", DRAIN_NOTICE_MAX.as_secs(), typed.value);
        desk.problems.add(typed.error(message));
    }
    typed.value.min(DRAIN_NOTICE_MAX)
}

fn proxy_protocol(section: &Section, desk: &Desk) -> Option<ProxyProtocol> {
    let mut trusted = Vec::new();
    for typed in section.trusted_cidrs.iter().flat_map(|t| &t.value) {
        match network(&typed.value) {
            Some(net) => trusted.push(net),
            None => {
                let message = format!("expected an address or a network like `10.0.0.0/8`, found {:?}", typed.value);
                desk.problems.add(typed.error(format!("`{}`: {message}", typed.path)));
            }
        }
    }
    let enabled = on(&section.use_proxy_protocol, false);
    match &section.trusted_cidrs {
        Some(typed) if !enabled => {
            let message = "`proxy_protocol_trusted_cidrs` has no effect while `use_proxy_protocol` is off";
            desk.problems.add(typed.warning(message));
        }
        _ => {}
    }
    if let Some(typed) = section.use_proxy_protocol.as_ref().filter(|_| enabled && trusted.is_empty()) {
        let message = "`use_proxy_protocol` without `proxy_protocol_trusted_cidrs`: any client can claim any address";
        let help = "list the load balancers: `proxy_protocol_trusted_cidrs: [10.0.0.5/32]`";
        desk.problems.add(typed.warning(message).help(help));
    }
    enabled.then_some(ProxyProtocol { trusted })
}

/// A network, or an address as a network of one; IPv4 in IPv6 clothes is taken as IPv4.
fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Some(IpNet::from(address.to_canonical()));
    }
    let net: IpNet = text.parse().ok()?;
    match (net, net.addr().to_canonical()) {
        (IpNet::V6(v6), canonical @ std::net::IpAddr::V4(_)) if v6.prefix_len() >= 96 => {
            IpNet::new(canonical, v6.prefix_len() - 96).ok()
        }
        _ => Some(net),
    }
    .map(|net| net.trunc())
}

/// How many processors this process may run on.
fn processors() -> usize {
    let by_mask = rustix::thread::sched_getaffinity(None).map(|set| set.count() as usize);
    by_mask.unwrap_or(1).clamp(1, WORKERS_MAX as usize)
}

fn services(section: &Section, desk: &Desk) {
    let Some(typed) = &section.services else { return };
    let mut named: Vec<&str> = Vec::new();
    for service in &typed.value {
        match service.value.trim() {
            "all" => named.extend(["authenticate", "authorize", "databroker", "proxy"]),
            "cache" => named.push("databroker"),
            name @ ("authenticate" | "authorize" | "databroker" | "proxy") => named.push(name),
            other => desk.problems.add(service.error(format!("config: {other} is an invalid service type"))),
        }
    }
    named.sort_unstable();
    named.dedup();
    if !named.is_empty() && named.len() < 4 {
        let message = "`services` other than `all` are not supported by this version yet: one process does everything";
        desk.problems.add(typed.error(message));
    }
}

fn storage(section: &Section, desk: &Desk) {
    let Some(typed) = &section.storage_type else { return };
    match typed.value.trim().to_ascii_lowercase().as_str() {
        "" | "memory" => {}
        "file" | "postgres" => desk.problems.add(
            typed.warning("`databroker_storage_type`: this version keeps sessions in memory only; they end at restart"),
        ),
        _ => desk.problems.add(typed.error("config: unknown databroker storage backend type")),
    }
}

pub(super) fn timeouts(section: &Section) -> Timeouts {
    let default = Timeouts::default();
    let typed = |opt: &Opt<Duration>, default| opt.as_ref().map_or(default, |typed| limit(typed.value));
    Timeouts {
        read: typed(&section.timeout_read, default.read),
        write: typed(&section.timeout_write, default.write),
        idle: typed(&section.timeout_idle, default.idle),
        head: typed(&section.timeout_head, default.head),
        ping: typed(&section.timeout_ping, default.ping),
        coalesce: section.coalesce.as_ref().map_or(default.coalesce, |typed| Duration::from_micros(typed.value)),
        body_rate_min: section.limits.body_rate.as_ref().map_or(default.body_rate_min, |typed| typed.value),
        ..default
    }
}

/// 0 means no limit.
fn limit(duration: Duration) -> Duration {
    if duration.is_zero() { FOREVER } else { duration.min(FOREVER) }
}

/// The time that a route without one of its own gives its upstream; `None`: no limit.
pub(super) fn upstream_timeout(section: &Section) -> Option<Duration> {
    let typed = section.default_upstream_timeout.as_ref().map_or(UPSTREAM_TIMEOUT, |typed| typed.value);
    (!typed.is_zero()).then(|| typed.min(FOREVER))
}

pub(super) fn path_rules(section: &Section, desk: &Desk) -> PathRules {
    let escaped_slashes = section.escaped_slashes.as_ref().map_or(EscapedSlashes::Reject, |typed| {
        match typed.value.trim().to_ascii_lowercase().as_str() {
            // Empty is the first value of the enumeration, which leaves it to the default.
            "" | "reject_request" | "implementation_specific_default" => EscapedSlashes::Reject,
            "keep_unchanged" => EscapedSlashes::Keep,
            "unescape_and_redirect" => EscapedSlashes::UnescapeAndRedirect,
            "unescape_and_forward" => EscapedSlashes::UnescapeAndForward,
            _ => {
                let message = format!("unsupported enum value {} for path_with_escaped_slashes_action", typed.value);
                let help = "one of keep_unchanged, reject_request, unescape_and_redirect, unescape_and_forward";
                desk.problems.add(typed.error(message).help(help));
                EscapedSlashes::Reject
            }
        }
    });
    PathRules {
        normalize: on(&section.normalize_path, true),
        merge_slashes: on(&section.merge_slashes, true),
        escaped_slashes,
    }
}

pub(super) fn field_rules(section: &Section, desk: &Desk) -> FieldRules {
    let underscores = section.underscores.as_ref().map_or(Underscores::Reject, |typed| {
        match typed.value.trim().to_ascii_lowercase().as_str() {
            "allow" => Underscores::Allow,
            "" | "reject_request" => Underscores::Reject,
            "drop_header" => Underscores::Drop,
            _ => {
                let message = format!("unsupported enum value {} for headers_with_underscores_action", typed.value);
                desk.problems.add(typed.error(message).help("one of allow, reject_request, drop_header"));
                Underscores::Reject
            }
        }
    });
    FieldRules {
        underscores,
        trusted_hops: section.trusted_hops.as_ref().map_or(0, |typed| u32::try_from(typed.value).unwrap_or(u32::MAX)),
        skip_append: on(&section.skip_xff_append, false),
    }
}

/// What is logged about requests, and the level of everything else.
pub(super) fn logs(section: &Section, desk: &Desk) -> (Logs, LevelFilter) {
    let general = section.log_level.as_ref().map_or(LevelFilter::INFO, |typed| level(typed, desk));
    let proxy = section.proxy_log_level.as_ref().map_or(general, |typed| level(typed, desk));
    let logs = Logs { access: proxy >= LevelFilter::INFO, authorize: general >= LevelFilter::INFO };
    (logs, general)
}

fn level(typed: &Typed<String>, desk: &Desk) -> LevelFilter {
    match typed.value.trim().to_ascii_lowercase().as_str() {
        "trace" => LevelFilter::TRACE,
        "debug" => LevelFilter::DEBUG,
        "" | "info" => LevelFilter::INFO,
        "warn" | "warning" => LevelFilter::WARN,
        "error" | "critical" | "fatal" | "panic" => LevelFilter::ERROR,
        "off" | "none" | "disabled" => LevelFilter::OFF,
        _ => {
            let message = format!("config: invalid {}: unknown log level: {}", typed.path, typed.value);
            let help = "one of trace, debug, info, warn, error, critical, fatal, panic, off";
            desk.problems.add(typed.error(message).help(help));
            LevelFilter::INFO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_loosely() {
        for (text, expected) in [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("10.1.2.3/8", Some("10.0.0.0/8")),
            ("10.0.0.1", Some("10.0.0.1/32")),
            ("::1", Some("::1/128")),
            ("::ffff:10.0.0.0/104", Some("10.0.0.0/8")),
            ("10.0.0.0/33", None),
            ("lb.example", None),
        ] {
            assert_eq!(network(text), expected.map(|e| e.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn there_is_at_least_one_processor() {
        assert!((1..=WORKERS_MAX as usize).contains(&processors()));
    }
}
