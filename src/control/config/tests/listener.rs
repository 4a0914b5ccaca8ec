//! Listener, timeouts, path rules, logs.

use std::time::Duration;

use super::*;
use crate::http::path::{EscapedSlashes, PathRules};
use crate::plan::listener::Codec;

#[test]
fn the_listener_is_as_typed() {
    let listener = plan("address: localhost:0\nmetrics_address: ':9090'\nworkers: '3'\n").listener;
    assert_eq!(listener.address, "127.0.0.1:0".parse().unwrap());
    assert_eq!(listener.metrics, Some("[::]:9090".parse().unwrap()));
    assert_eq!((listener.workers, listener.insecure, listener.proxy_protocol), (3, true, None));
    assert!(plan("").listener.workers >= 1);
}

#[test]
fn the_codec_is_as_typed() {
    for (text, codec) in [
        ("", Codec::Auto),
        ("codec_type: ''", Codec::Auto),
        ("codec_type: HTTP1", Codec::Http1),
        ("codec_type: http2", Codec::Http2),
        ("codec_type: http3", Codec::Auto),
    ] {
        assert_eq!(plan(text).listener.codec, codec, "{text}");
    }
}

#[test]
fn wrong_addresses_are_errors() {
    for (text, error) in [
        ("address: nowhere", "`address`: expected `:PORT`, `ADDRESS:PORT` or `localhost:PORT`, found \"nowhere\""),
        (
            "http_redirect_addr: nowhere",
            "`http_redirect_addr`: expected `:PORT`, `ADDRESS:PORT` or `localhost:PORT`, found \"nowhere\"",
        ),
        ("metrics_address: nowhere", "config: invalid metrics_addr: expected host:port"),
        ("metrics_address: ':x'", "config: invalid metrics_addr: port must be a number"),
        ("metrics_address: ':-1'", "config: invalid metrics_addr: expected positive port number"),
        ("workers: 0", "`workers`: expected a whole number from 1 to 1024, found a number"),
        ("workers: 9999", "`workers`: expected a whole number from 1 to 1024, found a number"),
        (
            "use_proxy_protocol: true\nproxy_protocol_trusted_cidrs: [10.0.0.0/99]",
            "`proxy_protocol_trusted_cidrs[0]`: expected an address or a network like `10.0.0.0/8`, found \"10.0.0.0/99\"",
        ),
    ] {
        assert_eq!(errors(text), [error], "{text}");
    }
}

#[test]
fn proxy_headers_are_believed_from_the_listed_networks() {
    let text = "use_proxy_protocol: on\nproxy_protocol_trusted_cidrs: 10.0.0.0/8, ::1\n";
    let rules = plan(text).listener.proxy_protocol.unwrap();
    assert!(rules.trusts("10.1.2.3".parse().unwrap()) && rules.trusts("::1".parse().unwrap()));
    assert!(!rules.trusts("11.0.0.1".parse().unwrap()));
    assert_eq!(warnings(text), [""; 0]);
    assert!(warnings("use_proxy_protocol: true")[0].contains("any client can claim any address"));
    assert!(warnings("proxy_protocol_trusted_cidrs: [10.0.0.1]")[0].contains("has no effect"));
}

#[test]
fn timeouts_have_defaults_and_zero_means_none() {
    let default = plan("").timeouts;
    assert_eq!((default.read.as_secs(), default.idle.as_secs()), (30, 300));
    let typed = plan("timeout_read: 1m30s\ntimeout_write: 0\ntimeout_idle: 2500ms\n").timeouts;
    assert_eq!((typed.read, typed.idle), (Duration::from_secs(90), Duration::from_millis(2500)));
    assert!(typed.write >= Duration::from_secs(30 * 24 * 3600));
    assert_eq!(errors("timeout_read: 30"), ["`timeout_read`: the duration 30 has no unit"]);
}

#[test]
fn path_rules_are_as_typed() {
    assert_eq!(plan("").path_rules, PathRules::default());
    let rules = plan("normalize_path: 'false'\nmerge_slashes: no\npath_with_escaped_slashes_action: Keep_Unchanged\n");
    let expected = PathRules { normalize: false, merge_slashes: false, escaped_slashes: EscapedSlashes::Keep };
    assert_eq!(rules.path_rules, expected);
}

#[test]
fn log_levels_decide_what_is_logged() {
    for (text, access, authorize, level) in [
        ("", true, true, LevelFilter::INFO),
        ("proxy_log_level: error", false, true, LevelFilter::INFO),
        ("log_level: WARN", false, false, LevelFilter::WARN),
        ("log_level: panic\nproxy_log_level: debug", true, false, LevelFilter::ERROR),
        ("log_level: disabled", false, false, LevelFilter::OFF),
        ("log_level: trace", true, true, LevelFilter::TRACE),
    ] {
        let loaded = load_text(&format!("{BASE}{text}")).unwrap();
        let logs = loaded.plan.logs;
        assert_eq!((logs.access, logs.authorize, loaded.log_level), (access, authorize, level), "{text}");
    }
}
