//! The catalogue as a scraper sees it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::*;
use crate::telemetry::access_log::Source;

/// A scrape taken apart: samples by `name{labels}`, types and helps by family.
struct Scrape {
    samples: BTreeMap<String, f64>,
    types: HashMap<String, String>,
    helps: HashMap<String, String>,
}

fn scrape(catalogue: &Catalogue) -> Scrape {
    let text = catalogue.render().unwrap();
    let mut scrape = Scrape { samples: BTreeMap::new(), types: HashMap::new(), helps: HashMap::new() };
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            assert!(scrape.types.insert(name.into(), kind.into()).is_none(), "{name} twice");
        } else if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            scrape.helps.insert(name.into(), help.into());
        } else {
            let (series, value) = line.rsplit_once(' ').expect(line);
            assert!(scrape.samples.insert(series.into(), value.parse().expect(line)).is_none(), "{series} twice");
        }
    }
    scrape
}

impl Scrape {
    #[track_caller]
    fn is(&self, series: &str, value: f64) {
        let near = self.samples.keys().filter(|key| key.split('{').next() == series.split('{').next());
        assert_eq!(self.samples.get(series), Some(&value), "{series}; there are {:?}", near.collect::<Vec<_>>());
    }

    fn has(&self, series: &str) -> bool {
        self.samples.contains_key(series)
    }

    /// Samples whose series contains `part`.
    fn count(&self, part: &str) -> usize {
        self.samples.keys().filter(|series| series.contains(part)).count()
    }
}

fn names(names: &[&str]) -> Vec<Box<str>> {
    names.iter().map(|name| Box::from(*name)).collect()
}

/// Counts one of everything.
fn count_all(cells: &WorkerCells) {
    cells.request_opened();
    cells.request(Some(0), 200, Source::Upstream, 1_500, Some(900));
    cells.request(Some(1), 503, Source::UpstreamConnect, 2_000_000, None);
    cells.request(None, 404, Source::NoRoute, 10, Some(10));
    cells.stream_opened(0);
    cells.stream_opened(0);
    cells.stream_closed(0, "client");
    cells.decision(0, "allow", "email-ok");
    cells.decision(0, "deny", "claim-unauthorized");
    cells.connection_opened();
    cells.connection_opened();
    cells.connection_closed();
    cells.connection_rejected("limit");
    cells.tls_handshake("1.3", "ok");
    cells.tls_handshake("1.3", "ok");
    cells.proxy_reject("malformed");
    cells.upstream_connect_failure(1, "refused");
    cells.upstream_retry(1);
    cells.pool(3, 1);
    cells.pool(-1, 1);
    cells.panic();
    cells.busy(0.25);
    cells.coalescing(Duration::from_micros(50));
}

#[test]
fn two_workers_are_one_sum() {
    let catalogue = Catalogue::new();
    let workers = [catalogue.worker(0), catalogue.worker(1)];
    for cells in &workers {
        cells.adopt(&names(&["app", "api"]));
        count_all(cells);
        cells.flush();
    }
    let seen = scrape(&catalogue);
    for (series, value) in [
        (r#"vallum_http_requests_total{route="app",code_class="2xx",source="upstream"}"#, 2.0),
        (r#"vallum_http_requests_total{route="api",code_class="2xx",source="upstream"}"#, 0.0),
        (r#"vallum_http_requests_total{route="api",code_class="5xx",source="upstream_connect"}"#, 2.0),
        (r#"vallum_http_requests_total{route="_none",code_class="4xx",source="no_route"}"#, 2.0),
        (r#"vallum_http_request_duration_seconds_bucket{route="app",le="0.001"}"#, 0.0),
        (r#"vallum_http_request_duration_seconds_bucket{route="app",le="0.0025"}"#, 2.0),
        (r#"vallum_http_request_duration_seconds_bucket{route="app",le="+Inf"}"#, 2.0),
        (r#"vallum_http_request_duration_seconds_sum{route="app"}"#, 0.003),
        (r#"vallum_http_request_duration_seconds_count{route="api"}"#, 2.0),
        (r#"vallum_http_response_first_byte_seconds_count{route="app"}"#, 2.0),
        ("vallum_http_requests_in_flight", 2.0),
        (r#"vallum_http_streams_open{route="app"}"#, 2.0),
        (r#"vallum_http_streams_closed_total{route="app",cause="client"}"#, 2.0),
        (r#"vallum_authz_decisions_total{route="app",result="allow",reason="email-ok"}"#, 2.0),
        (r#"vallum_authz_decisions_total{route="app",result="deny",reason="claim-unauthorized"}"#, 2.0),
        ("vallum_connections_open", 2.0),
        ("vallum_connections_opened_total", 4.0),
        (r#"vallum_connections_rejected_total{cause="limit"}"#, 2.0),
        (r#"vallum_tls_handshakes_total{version="1.3",result="ok"}"#, 4.0),
        (r#"vallum_proxy_protocol_rejects_total{cause="malformed"}"#, 2.0),
        (r#"vallum_upstream_connect_failures_total{route="api",cause="refused"}"#, 2.0),
        (r#"vallum_upstream_retries_total{route="api"}"#, 2.0),
        (r#"vallum_upstream_retries_total{route="app"}"#, 0.0),
        (r#"vallum_upstream_pool_connections{state="idle"}"#, 4.0),
        (r#"vallum_upstream_pool_connections{state="in_use"}"#, 0.0),
        ("vallum_worker_panics_total", 2.0),
        (r#"vallum_worker_busy_ratio{worker="1"}"#, 0.25),
        (r#"vallum_worker_coalescing_seconds{worker="1"}"#, 0.00005),
    ] {
        seen.is(series, value);
    }
    assert!(!seen.has(r#"vallum_http_response_first_byte_seconds_count{route="api"}"#), "nothing was observed");
}

#[test]
fn flushing_twice_counts_once_and_a_dead_worker_leaves_only_counters() {
    let catalogue = Catalogue::new();
    let cells = catalogue.worker(3);
    cells.adopt(&names(&["app", "api"]));
    count_all(&cells);
    cells.flush();
    cells.flush();
    scrape(&catalogue).is("vallum_connections_opened_total", 2.0);
    cells.connection_opened();
    drop(cells);
    let seen = scrape(&catalogue);
    seen.is("vallum_connections_opened_total", 3.0);
    seen.is("vallum_connections_open", 0.0);
    seen.is("vallum_http_requests_in_flight", 0.0);
    assert_eq!(seen.count("vallum_worker_busy_ratio"), 0);
}

#[test]
fn a_scrape_in_progress_only_delays() {
    let catalogue = Catalogue::new();
    let cells = catalogue.worker(0);
    cells.connection_opened();
    let scraping = catalogue.totals.lock();
    cells.flush();
    drop(scraping);
    scrape(&catalogue).is("vallum_connections_opened_total", 0.0);
    cells.flush();
    scrape(&catalogue).is("vallum_connections_opened_total", 1.0);
}

#[test]
fn positions_follow_the_plan_and_pinned_handles_keep_theirs() {
    let catalogue = Catalogue::new();
    let cells = catalogue.worker(0);
    cells.adopt(&names(&["a", "b"]));
    cells.request(Some(0), 200, Source::Upstream, 1, None);
    cells.stream_opened(0);
    let old = cells.pinned();
    cells.adopt(&names(&["b", "c", "a"]));
    cells.request(Some(0), 200, Source::Upstream, 1, None);
    cells.request(Some(2), 200, Source::Upstream, 1, None);
    cells.request(Some(99), 400, Source::BadRequest, 1, None);
    old.stream_closed(0, "drain");
    cells.flush();
    let seen = scrape(&catalogue);
    seen.is(r#"vallum_http_requests_total{route="a",code_class="2xx",source="upstream"}"#, 2.0);
    seen.is(r#"vallum_http_requests_total{route="b",code_class="2xx",source="upstream"}"#, 1.0);
    seen.is(r#"vallum_http_requests_total{route="_none",code_class="4xx",source="bad_request"}"#, 1.0);
    seen.is(r#"vallum_http_streams_open{route="a"}"#, 0.0);
    seen.is(r#"vallum_http_streams_open{route="b"}"#, 0.0);
    assert!(seen.has(r#"vallum_http_streams_open{route="c"}"#), "an unused route shows");
}

#[test]
fn routes_that_vanish_are_shown_once_more() {
    let catalogue = Catalogue::new();
    let cells = catalogue.worker(0);
    cells.adopt(&names(&["old", "kept"]));
    cells.upstream_retry(0);
    let streaming = cells.pinned();
    cells.adopt(&names(&["kept"]));
    let series = r#"vallum_upstream_retries_total{route="old"}"#;
    for _ in 0..3 {
        assert!(scrape(&catalogue).has(series), "a stream still runs");
    }
    streaming.upstream_retry(0);
    streaming.flush();
    drop(streaming);
    scrape(&catalogue).is(series, 2.0);
    let seen = scrape(&catalogue);
    assert_eq!(seen.count(r#"route="old""#), 0);
    assert!(seen.has(r#"vallum_upstream_retries_total{route="kept"}"#));
}

#[test]
fn a_route_that_returns_in_time_keeps_its_counts() {
    let catalogue = Catalogue::new();
    let cells = catalogue.worker(0);
    let series = r#"vallum_upstream_retries_total{route="a"}"#;
    cells.adopt(&names(&["a"]));
    cells.upstream_retry(0);
    cells.adopt(&[]);
    scrape(&catalogue).is(series, 1.0);
    cells.adopt(&names(&["a"]));
    for _ in 0..3 {
        scrape(&catalogue).is(series, 1.0);
    }
}

#[test]
fn too_many_series_are_folded_and_nothing_is_lost() {
    let catalogue = Catalogue::new();
    catalogue.totals.lock().limit_room(2000);
    let cells = catalogue.worker(0);
    let routes: Vec<Box<str>> = (0..1000).map(|n| format!("r{n:04}").into()).collect();
    cells.adopt(&routes);
    for route in 0..routes.len() {
        cells.request(Some(route), 200, Source::Upstream, 1_000, Some(500));
        cells.request(Some(route), 500, Source::Internal, 1_000, None);
        cells.stream_opened(route);
        cells.decision(route, "allow", "accept");
    }
    cells.flush();
    let seen = scrape(&catalogue);
    let of_routes = seen.count("route=\"r");
    assert!(of_routes <= 2000, "{of_routes}");
    let sum = |part: &str| -> f64 {
        seen.samples.iter().filter(|(series, _)| series.starts_with(part)).map(|(_, value)| value).sum()
    };
    assert_eq!(sum("vallum_http_requests_total"), 2000.0);
    assert_eq!(sum("vallum_http_request_duration_seconds_count"), 2000.0);
    assert_eq!(sum("vallum_http_streams_open"), 1000.0);
    assert_eq!(sum("vallum_authz_decisions_total"), 1000.0);
    assert!(seen.samples["vallum_metrics_series_dropped_total"] > 0.0);
    // Streams of a folded route close where they opened.
    for route in 0..routes.len() {
        cells.stream_closed(route, "client");
    }
    cells.flush();
    let seen = scrape(&catalogue);
    assert!(seen.samples.iter().filter(|(s, _)| s.starts_with("vallum_http_streams_open")).all(|(_, v)| *v == 0.0));
    // What goes makes room again.
    cells.adopt(&names(&["new"]));
    scrape(&catalogue);
    scrape(&catalogue);
    cells.request(Some(0), 500, Source::Internal, 1, None);
    cells.flush();
    scrape(&catalogue).is(r#"vallum_http_requests_total{route="new",code_class="5xx",source="internal"}"#, 1.0);
}

#[test]
fn control_sets_its_values() {
    let catalogue = Catalogue::new();
    catalogue.set_endpoints("a", 2, 1);
    catalogue.set_endpoints("b", 1, 0);
    catalogue.keep_endpoints(["a"]);
    let seen = scrape(&catalogue);
    seen.is(r#"vallum_upstream_endpoints{route="a",state="up"}"#, 2.0);
    seen.is(r#"vallum_upstream_endpoints{route="a",state="down"}"#, 1.0);
    assert_eq!(seen.count(r#"vallum_upstream_endpoints{route="b""#), 0);
    seen.is("vallum_config_last_reload_successful", 0.0);

    catalogue.config_adopted(1, 0xabc);
    let seen = scrape(&catalogue);
    seen.is(r#"vallum_config_info{checksum="0000000000000abc",generation="1"}"#, 1.0);
    seen.is(r#"vallum_config_reloads_total{result="adopted"}"#, 0.0);
    seen.is("vallum_config_last_reload_successful", 1.0);
    assert!(seen.samples["vallum_config_last_reload_success_timestamp_seconds"] > 1.6e9);

    catalogue.config_refused();
    catalogue.config_adopted(2, 0xdef);
    catalogue.config_refused();
    let seen = scrape(&catalogue);
    seen.is(r#"vallum_config_reloads_total{result="adopted"}"#, 1.0);
    seen.is(r#"vallum_config_reloads_total{result="refused"}"#, 2.0);
    seen.is("vallum_config_last_reload_successful", 0.0);
    seen.is(r#"vallum_config_info{checksum="0000000000000def",generation="2"}"#, 1.0);
    assert_eq!(seen.count("vallum_config_info"), 1);

    catalogue.set_certificates([("late", 30), ("early", 10), ("late", 20)]);
    let seen = scrape(&catalogue);
    seen.is(r#"vallum_tls_certificate_not_after_timestamp_seconds{cert="early"}"#, 10.0);
    seen.is(r#"vallum_tls_certificate_not_after_timestamp_seconds{cert="late"}"#, 20.0);
}

#[test]
fn names_keep_the_rules() {
    let catalogue = Catalogue::new();
    let cells = catalogue.worker(0);
    cells.adopt(&names(&["app", "api"]));
    count_all(&cells);
    cells.flush();
    catalogue.config_adopted(1, 1);
    catalogue.set_endpoints("app", 1, 0);
    catalogue.set_certificates([("a", 1)]);
    let seen = scrape(&catalogue);
    assert!(seen.types.len() > 25, "{:?}", seen.types.keys());
    for (name, kind) in &seen.types {
        assert!(seen.helps.get(name).is_some_and(|help| help.ends_with('.')), "{name} has no help");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
        assert!(name.starts_with("vallum_") || name.starts_with("process_"), "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
    }
    for name in ["process_open_fds", "process_resident_memory_bytes", "process_cpu_seconds_total"] {
        assert!(seen.samples[name] > 0.0, "{name}");
    }
    seen.is(
        &format!(
            "vallum_build_info{{version=\"{}\",revision=\"{}\"}}",
            crate::telemetry::build::VERSION,
            crate::telemetry::build::REVISION
        ),
        1.0,
    );
}

#[test]
fn hostile_names_are_escaped() {
    let catalogue = Catalogue::new();
    let cells = catalogue.worker(0);
    cells.adopt(&names(&["a\"} 1\nvallum_fake 1"]));
    cells.flush();
    assert!(!scrape(&catalogue).has("vallum_fake"));
}

#[test]
fn workers_count_on_their_own_threads() {
    let catalogue = Catalogue::new();
    std::thread::scope(|scope| {
        for index in 0..4 {
            let catalogue = &catalogue;
            scope.spawn(move || {
                let cells = catalogue.worker(index);
                cells.adopt(&names(&["app"]));
                for round in 0..1000 {
                    cells.request(Some(0), 200, Source::Upstream, round, None);
                    if round % 100 == 0 {
                        cells.flush();
                    }
                }
            });
        }
    });
    scrape(&catalogue).is(r#"vallum_http_requests_total{route="app",code_class="2xx",source="upstream"}"#, 4000.0);
}
