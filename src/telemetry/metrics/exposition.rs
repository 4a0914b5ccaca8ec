//! The totals as metric families: the one place where names, labels and help texts stand.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::family::Family;
use super::tally::{Event, REQUEST_CELLS, request_cell, request_labels};
use super::totals::{self, SERIES_MAX, Totals};
use super::{OVERFLOW, Shared, process};
use crate::telemetry::access_log::Source;
use crate::telemetry::{build, logging};

/// Shows the totals to a registry.
pub(super) struct Exposition {
    totals: Shared,
    /// One name stands for all: the registry only wants to know that nobody else has them.
    describers: Vec<Desc>,
    started_at: f64,
}

impl Exposition {
    pub(super) fn new(totals: Shared) -> Exposition {
        let described = Desc::new(BUILD_INFO.into(), "What was built.".into(), Vec::new(), Default::default());
        let started_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Exposition { totals, describers: described.into_iter().collect(), started_at }
    }
}

const BUILD_INFO: &str = "vallum_build_info";

impl Collector for Exposition {
    fn desc(&self) -> Vec<&Desc> {
        self.describers.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = process::families(self.started_at);
        families.extend(about_itself());
        let mut totals = self.totals.lock();
        totals.sweep();
        families.extend(about_requests(&totals));
        families.extend(about_latency(&totals));
        families.extend(about_route_events(&totals));
        families.extend(about_connections(&totals));
        families.extend(about_upstreams(&totals));
        families.extend(about_workers(&totals));
        families.extend(about_config(&totals));
        drop(totals);
        families.into_iter().map(Family::finish).collect()
    }
}

fn about_itself() -> Vec<Family> {
    let mut built = Family::gauge(BUILD_INFO, "What was built: version and source revision. Always 1.");
    built.sample(&[("version", build::VERSION), ("revision", build::REVISION)], 1.0);
    let dropped = Family::counter(
        "vallum_log_records_dropped_total",
        "Log lines dropped because the queue to standard output was full.",
    );
    vec![built, dropped.of(logging::dropped() as f64)]
}

fn about_requests(totals: &Totals) -> Vec<Family> {
    let mut requests = Family::counter(
        "vallum_http_requests_total",
        "Requests answered, by route, status class and who made the answer.",
    );
    let mut open = Family::gauge("vallum_http_streams_open", "Open streams: upgraded connections such as WebSockets.");
    let mut retries = Family::counter("vallum_upstream_retries_total", "Requests sent again to another endpoint.");
    let always = request_cell(200, Source::Upstream);
    for (route, tally) in totals::shown(totals) {
        for cell in (0..REQUEST_CELLS).filter(|&cell| tally.requests[cell] > 0 || cell == always) {
            let (class, source) = request_labels(cell);
            let labels = [("route", route), ("code_class", class), ("source", source)];
            requests.sample(&labels, tally.requests[cell] as f64);
        }
        open.sample(&[("route", route)], tally.streams_open as f64);
        retries.sample(&[("route", route)], tally.retries as f64);
    }
    let folded = Family::counter(
        "vallum_metrics_series_dropped_total",
        "Times that counts went to the route `_overflow` because there are too many series.",
    );
    vec![requests, open, retries, folded.of(totals.folded as f64)]
}

fn about_latency(totals: &Totals) -> Vec<Family> {
    let mut duration = Family::histogram(
        "vallum_http_request_duration_seconds",
        "Time from the first byte of a request to the last byte of its response; streams are not in it.",
    );
    let mut first_byte = Family::histogram(
        "vallum_http_response_first_byte_seconds",
        "Time from the first byte of a request to the first byte of its response.",
    );
    for (route, tally) in totals::shown(totals) {
        for (family, histogram) in [(&mut duration, &tally.duration), (&mut first_byte, &tally.first_byte)] {
            if histogram.count() > 0 {
                family.observations(&[("route", route)], histogram);
            }
        }
    }
    vec![duration, first_byte]
}

fn about_route_events(totals: &Totals) -> Vec<Family> {
    let mut closed = Family::counter(
        "vallum_http_streams_closed_total",
        "Streams that ended, by what ended them; also other answers that were cut because they might not go on.",
    );
    let mut failures = Family::counter(
        "vallum_upstream_connect_failures_total",
        "Connections to an endpoint that could not be made, by cause.",
    );
    let mut decisions = Family::counter(
        "vallum_authz_decisions_total",
        "Policy decisions, by result (allow, deny, sign_in) and the reason that decided.",
    );
    for (route, tally) in totals::shown(totals) {
        for (event, count) in tally.events.iter() {
            let count = count as f64;
            match event {
                Event::StreamClosed { cause } => closed.sample(&[("route", route), ("cause", cause)], count),
                Event::ConnectFailure { cause } => failures.sample(&[("route", route), ("cause", cause)], count),
                Event::Decision { result, reason } => {
                    decisions.sample(&[("route", route), ("result", result), ("reason", reason)], count)
                }
                Event::Rejected { .. } | Event::Handshake { .. } | Event::ProxyReject { .. } | Event::Limit { .. } => {}
            }
        }
    }
    vec![closed, failures, decisions]
}

fn about_connections(totals: &Totals) -> Vec<Family> {
    let open: i64 = totals.workers.values().map(|worker| worker.connections_open).sum();
    let in_flight: i64 = totals.workers.values().map(|worker| worker.requests_in_flight).sum();
    let mut rejected =
        Family::counter("vallum_connections_rejected_total", "Connections turned away before they were opened.");
    let mut handshakes =
        Family::counter("vallum_tls_handshakes_total", "TLS handshakes with clients, by version and result.");
    let mut proxy = Family::counter(
        "vallum_proxy_protocol_rejects_total",
        "Connections closed for want of a good PROXY header, by cause.",
    );
    let mut limits = Family::counter(
        "vallum_limits_total",
        "Times that a limit ended or refused something, by the limit's name as in the log.",
    );
    for (event, count) in totals.process.events.iter() {
        let count = count as f64;
        match event {
            Event::Rejected { cause } => rejected.sample(&[("cause", cause)], count),
            Event::Handshake { version, result } => {
                handshakes.sample(&[("version", version), ("result", result)], count)
            }
            Event::ProxyReject { cause } => proxy.sample(&[("cause", cause)], count),
            Event::Limit { limit } => limits.sample(&[("limit", limit)], count),
            Event::StreamClosed { .. } | Event::ConnectFailure { .. } | Event::Decision { .. } => {}
        }
    }
    let opened = totals.process.connections_opened as f64;
    vec![
        Family::gauge("vallum_connections_open", "Open connections from clients.").of(open as f64),
        Family::counter("vallum_connections_opened_total", "Connections taken from clients.").of(opened),
        Family::gauge("vallum_http_requests_in_flight", "Requests that are not answered yet.").of(in_flight as f64),
        rejected,
        handshakes,
        proxy,
        limits,
    ]
}

fn about_upstreams(totals: &Totals) -> Vec<Family> {
    let mut endpoints = Family::gauge(
        "vallum_upstream_endpoints",
        "Addresses behind a route: up ones take requests, down ones are passed over.",
    );
    let mut folded = (0, 0);
    for (position, (route, (up, down))) in totals.endpoints.iter().enumerate() {
        if position >= SERIES_MAX / 4 {
            folded = (folded.0 + up, folded.1 + down);
            continue;
        }
        endpoints.sample(&[("route", route), ("state", "up")], *up as f64);
        endpoints.sample(&[("route", route), ("state", "down")], *down as f64);
    }
    if folded != (0, 0) {
        endpoints.sample(&[("route", OVERFLOW), ("state", "up")], folded.0 as f64);
        endpoints.sample(&[("route", OVERFLOW), ("state", "down")], folded.1 as f64);
    }
    let open: i64 = totals.workers.values().map(|worker| worker.pool_open).sum();
    let idle: i64 = totals.workers.values().map(|worker| worker.pool_idle).sum();
    let mut pool = Family::gauge("vallum_upstream_pool_connections", "Connections to endpoints, by state.");
    pool.sample(&[("state", "idle")], idle as f64);
    pool.sample(&[("state", "in_use")], (open - idle) as f64);
    vec![endpoints, pool]
}

fn about_workers(totals: &Totals) -> Vec<Family> {
    let mut busy =
        Family::gauge("vallum_worker_busy_ratio", "Share of its time that a worker was busy, between 0 and 1.");
    for (index, worker) in &totals.workers {
        busy.sample(&[("worker", &index.to_string())], worker.busy_ratio);
    }
    let panics = Family::counter("vallum_worker_panics_total", "Connections closed because their task panicked.");
    vec![busy, panics.of(totals.process.panics as f64)]
}

fn about_config(totals: &Totals) -> Vec<Family> {
    let config = &totals.config;
    let mut info = Family::gauge("vallum_config_info", "The configuration in force: checksum, generation. Always 1.");
    if let Some((generation, checksum)) = config.current {
        let labels = [("checksum", &*format!("{checksum:016x}")), ("generation", &*generation.to_string())];
        info.sample(&labels, 1.0);
    }
    let mut reloads = Family::counter("vallum_config_reloads_total", "Configurations read again, by result.");
    reloads.sample(&[("result", "adopted")], config.reloads_adopted as f64);
    reloads.sample(&[("result", "refused")], config.reloads_refused as f64);
    let mut certificates = Family::gauge(
        "vallum_tls_certificate_not_after_timestamp_seconds",
        "End of a certificate's validity, in seconds since the Unix epoch.",
    );
    for certificate in &totals.certificates {
        certificates.sample(&[("cert", &certificate.name)], certificate.not_after as f64);
    }
    vec![
        info,
        reloads,
        certificates,
        Family::gauge(
            "vallum_config_last_reload_successful",
            "Whether the configuration that was read last was adopted: 1 or 0.",
        )
        .of(f64::from(u8::from(config.successful))),
        Family::gauge(
            "vallum_config_last_reload_success_timestamp_seconds",
            "When a configuration was adopted last, in seconds since the Unix epoch.",
        )
        .of(config.adopted_at.as_secs_f64()),
    ]
}
