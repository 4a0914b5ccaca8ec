//! Caps on connections, bodies and their pace.

use std::time::Duration;

use super::*;
use crate::plan::limits::Limits;

fn body_max(text: &str) -> Option<u64> {
    plan(text).routes.at(0).unwrap().request_body_max
}

#[test]
fn limits_have_defaults_and_zero_means_none() {
    assert_eq!(plan("").limits, Limits::default());
    let text = "max_connections: 100\nmax_connections_per_source: '7'\nmin_request_body_rate: 0\n";
    assert_eq!(plan(text).limits, Limits { connections: 100, connections_per_source: 7 });
    assert_eq!((plan("").timeouts.body_rate_min, plan(text).timeouts.body_rate_min), (500, 0));
    let none = plan("max_connections: 0\nmax_connections_per_source: 0\n").limits;
    assert!(none.connections >= 10_000_000 && none.connections_per_source >= 10_000_000);
    assert_eq!(plan("timeout_head: 2s\n").timeouts.head, Duration::from_secs(2));
    assert_eq!(plan("timeout_ping: 2s\n").timeouts.ping, Duration::from_secs(2));
    assert_eq!(
        ["", "coalesce_us: 0\n", "coalesce_us: 1000\n"].map(|text| plan(text).timeouts.coalesce.as_micros()),
        [100, 0, 1000]
    );
    assert!(plan("timeout_ping: 0\n").timeouts.ping > Duration::from_secs(3600), "never asked");
}

#[test]
fn a_route_may_have_a_body_limit_of_its_own() {
    let route = "to: http://127.0.0.1:1";
    assert_eq!(body_max(&self::route(route)), None);
    let own = format!("{route}\nmax_request_body_bytes: 10");
    let none = format!("{route}\nmax_request_body_bytes: 0");
    let global = "max_request_body_bytes: 1000\n";
    assert_eq!(body_max(&format!("{global}{}", self::route(route))), Some(1000));
    assert_eq!(body_max(&format!("{global}{}", self::route(&own))), Some(10));
    assert_eq!(body_max(&format!("{global}{}", self::route(&none))), None);
    assert_eq!(body_max(&self::route(&own)), Some(10));
}

#[test]
fn limits_that_are_none_are_told() {
    for (text, error) in [
        ("max_connections: -1", "`max_connections`: expected a whole number from 0 to 10000000, found a number"),
        ("coalesce_us: 1001", "`coalesce_us`: expected a whole number from 0 to 1000, found a number"),
        (
            "min_request_body_rate: 1s",
            "`min_request_body_rate`: expected a whole number from 0 to 1048576, found a string",
        ),
        ("timeout_head: 5", "`timeout_head`: the duration 5 has no unit"),
    ] {
        assert_eq!(errors(text), [error], "{text}");
    }
    assert_eq!(
        warnings("max_connections: 5\nmax_connections_per_source: 6"),
        ["`max_connections_per_source` is above `max_connections` and has no effect"]
    );
}
