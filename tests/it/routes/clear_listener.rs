//! `http_redirect_addr`: the listener for people who typed no `https`.

use serde_json::{Value, json};

use crate::harness::vallum::{get, with_defaults, write_config};
use crate::harness::{Vallum, Wire};

fn settings(more: Value) -> Value {
    let public =
        |from: &str| json!({"from": from, "response": {"status": 200}, "allow_public_unauthenticated_access": true});
    let mut settings = json!({
        "http_redirect_addr": "127.0.0.1:0",
        "routes": [public("https://app.example.com"), public("https://*.wild.test"), public("https://port.test:9443")],
    });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    settings
}

#[test]
fn hosts_of_ours_are_sent_to_https_and_no_others() {
    let vallum = Vallum::start(settings(json!({})));
    let listener = vallum.listener("redirect");
    let main = vallum.address.port();
    let mut wire = Wire::clear(listener);
    for (host, target, location) in [
        ("app.example.com", "/a/b?c=d", "https://app.example.com/a/b?c=d".to_owned()),
        ("APP.example.com.:80", "/", "https://app.example.com/".to_owned()),
        (&format!("app.example.com:{}", listener.port()), "/x", format!("https://app.example.com:{main}/x")),
        ("x.wild.test", "/x/../y", "https://x.wild.test/y".to_owned()),
        ("port.test", "/", "https://port.test:9443/".to_owned()),
        ("app.example.com", "//evil.test/%0d%0a", String::new()),
        ("app.example.com", "//evil.test/", "https://app.example.com/evil.test/".to_owned()),
        ("evil.test", "/", String::new()),
        ("app.example.com.evil.test", "/", String::new()),
        ("app.example.com@evil.test", "/", String::new()),
    ] {
        let answer = wire.ask(get(host, target, ""));
        let redirected = !location.is_empty();
        assert_eq!(answer.header("location"), location, "{host} {target}");
        assert_eq!(answer.status == 301, redirected, "{host} {target}: {}", answer.status);
        assert!(!answer.text().contains("evil"), "{host} {target}");
    }
    for request in ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: app.example.com\r\nHost: evil.test\r\n\r\n"] {
        assert_eq!(Wire::clear(listener).ask(request).status, 400, "{request}");
    }
}

#[test]
fn probes_are_answered_for_every_host() {
    let vallum = Vallum::start(settings(json!({})));
    let mut wire = Wire::clear(vallum.listener("redirect"));
    for path in ["/ping", "/healthz"] {
        let answer = wire.ask(get("whatever", path, ""));
        assert_eq!((answer.status, answer.text().as_str()), (200, "OK\n"), "{path}");
    }
}

#[test]
fn new_routes_are_known_after_a_reload_and_a_new_address_needs_a_restart() {
    let vallum = Vallum::start(settings(json!({})));
    let listener = vallum.listener("redirect");
    let ask = |host: &str| Wire::clear(listener).ask(get(host, "/", "")).status;
    assert_eq!((ask("app.example.com"), ask("new.test")), (301, 404));
    let only =
        json!({"from": "https://new.test", "response": {"status": 200}, "allow_public_unauthenticated_access": true});
    assert!(vallum.reload(settings(json!({"routes": [only], "http_redirect_addr": "127.0.0.1:1"}))));
    assert_eq!((ask("app.example.com"), ask("new.test")), (404, 301));
    let named = |line: &Value| line["key"] == "http_redirect_addr" || line.to_string().contains("http_redirect_addr");
    assert!(vallum.log().iter().any(|line| named(line) && line.to_string().contains("restart")));
}

#[test]
fn silent_connections_do_not_keep_others_out() {
    let vallum = Vallum::start(settings(json!({})));
    let listener = vallum.listener("redirect");
    let silent: Vec<Wire> = (0..200).map(|_| Wire::clear(listener)).collect();
    assert_eq!(Wire::clear(listener).ask(get("app.example.com", "/", "")).status, 301);
    drop(silent);
}

#[test]
fn an_address_that_cannot_be_had_stops_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = settings(json!({"http_redirect_addr": taken.local_addr().unwrap().to_string()}));
    let file = write_config(folder.path(), &with_defaults(&text));
    let mut command = crate::harness::vallum::command();
    command.arg("run").arg("--config").arg(file);
    let patience = std::time::Duration::from_secs(20);
    let (status, lines) = crate::harness::process::Process::run("vallum", &mut command, patience);
    assert!(!status.success() && lines.join(" ").contains("http_redirect_addr"), "{lines:?}");
}
