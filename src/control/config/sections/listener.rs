//! Listeners, timeouts, path rules and log levels, as typed.

use std::time::Duration;

use super::super::section::{Opt, Section, Typed};
use crate::http::framing::MAX_CONTENT_LENGTH;
use crate::plan::limits::CONNECTIONS_MAX;
use crate::plan::timeouts::{BODY_RATE_MAX, COALESCE_MAX_US};

/// Most data-plane threads.
pub const WORKERS_MAX: u64 = 1024;

#[derive(Debug, Default)]
pub(in super::super) struct Listener {
    pub(in super::super) services: Opt<Vec<Typed<String>>>,
    pub(in super::super) address: Opt<String>,
    pub(in super::super) insecure_server: Opt<bool>,
    pub(in super::super) codec: Opt<String>,
    pub(in super::super) use_proxy_protocol: Opt<bool>,
    pub(in super::super) trusted_cidrs: Opt<Vec<Typed<String>>>,
    pub(in super::super) redirect_address: Opt<String>,
    pub(in super::super) metrics_address: Opt<String>,
    pub(in super::super) health_address: Opt<String>,
    pub(in super::super) admin_address: Opt<String>,
    pub(in super::super) admin_client_ca: Opt<String>,
    pub(in super::super) admin_socket: Opt<String>,
    pub(in super::super) drain_notice: Opt<Duration>,
    pub(in super::super) workers: Opt<u64>,
    pub(in super::super) timeout_read: Opt<Duration>,
    pub(in super::super) timeout_write: Opt<Duration>,
    pub(in super::super) timeout_idle: Opt<Duration>,
    pub(in super::super) timeout_head: Opt<Duration>,
    pub(in super::super) timeout_ping: Opt<Duration>,
    pub(in super::super) coalesce: Opt<u64>,
    pub(in super::super) limits: Limits,
    pub(in super::super) default_upstream_timeout: Opt<Duration>,
    pub(in super::super) normalize_path: Opt<bool>,
    pub(in super::super) merge_slashes: Opt<bool>,
    pub(in super::super) escaped_slashes: Opt<String>,
    pub(in super::super) underscores: Opt<String>,
    pub(in super::super) trusted_hops: Opt<u64>,
    pub(in super::super) skip_xff_append: Opt<bool>,
    pub(in super::super) allow_upgrades: Opt<Vec<Typed<String>>>,
    pub(in super::super) log_level: Opt<String>,
    pub(in super::super) proxy_log_level: Opt<String>,
    pub(in super::super) storage_type: Opt<String>,
}

/// What one client, and all of them together, may take; 0 stands for no limit.
#[derive(Debug, Default)]
pub(in super::super) struct Limits {
    pub(in super::super) connections: Opt<u64>,
    pub(in super::super) connections_per_source: Opt<u64>,
    pub(in super::super) request_body: Opt<u64>,
    pub(in super::super) body_rate: Opt<u64>,
}

pub(super) fn read(section: &Section<'_>) -> Listener {
    Listener {
        services: section.list("services"),
        address: section.text("address"),
        insecure_server: section.flag("insecure_server"),
        codec: section.text("codec_type"),
        use_proxy_protocol: section.flag("use_proxy_protocol"),
        trusted_cidrs: section.list("proxy_protocol_trusted_cidrs"),
        redirect_address: section.text("http_redirect_addr"),
        metrics_address: section.text("metrics_address"),
        health_address: section.text("health_check_addr"),
        admin_address: section.text("admin_address"),
        admin_client_ca: section.text("admin_client_ca_file"),
        admin_socket: section.text("admin_socket"),
        drain_notice: section.duration("drain_notice"),
        workers: section.whole("workers", 1..=WORKERS_MAX),
        timeout_read: section.duration("timeout_read"),
        timeout_write: section.duration("timeout_write"),
        timeout_idle: section.duration("timeout_idle"),
        timeout_head: section.duration("timeout_head"),
        timeout_ping: section.duration("timeout_ping"),
        coalesce: section.whole("coalesce_us", 0..=COALESCE_MAX_US),
        limits: Limits {
            connections: section.whole("max_connections", 0..=CONNECTIONS_MAX),
            connections_per_source: section.whole("max_connections_per_source", 0..=CONNECTIONS_MAX),
            request_body: section.whole("max_request_body_bytes", 0..=MAX_CONTENT_LENGTH),
            body_rate: section.whole("min_request_body_rate", 0..=BODY_RATE_MAX),
        },
        default_upstream_timeout: section.duration("default_upstream_timeout"),
        normalize_path: section.flag("normalize_path"),
        merge_slashes: section.flag("merge_slashes"),
        escaped_slashes: section.text("path_with_escaped_slashes_action"),
        underscores: section.text("headers_with_underscores_action"),
        trusted_hops: section.whole("xff_num_trusted_hops", 0..=u64::from(u32::MAX)),
        skip_xff_append: section.flag("skip_xff_append"),
        allow_upgrades: section.list("allow_upgrades"),
        log_level: section.text("log_level"),
        proxy_log_level: section.text("proxy_log_level"),
        storage_type: section.text("databroker_storage_type"),
    }
}
