//! Hosts: in `Host`, in the target, in `:authority`.

use serde_json::json;

use super::Outcome::{self, Denied, Passed, Refused, Unknown};
use super::Way::{Clear, Http2, Tls};
use super::{Edge, HOST, SECRET};
use crate::http2::client::Client;

const PATH: &str = "/public/a";
const HERE: Outcome = Passed(PATH);

/// Values of `Host` or `:authority`.
const HOSTS: &[(&str, Outcome)] = &[
    (HOST, HERE),
    ("APP.example.COM", HERE),
    ("app.example.com.", HERE),
    ("app.example.com:443", HERE),
    ("app.example.com:8443", HERE),
    ("app.example.com.:1", HERE),
    ("app.example.com:", HERE),
    ("app.example.com:65535", HERE),
    (SECRET, Denied),
    ("SECRET.example.com", Denied),
    ("secret.example.com.", Denied),
    ("secret.example.com:8443", Denied),
    ("secret.example.com.:", Denied),
    ("a.wild.example.com", HERE),
    ("a.b.wild.example.com", HERE),
    ("A.WILD.example.com.:80", HERE),
    ("wild.example.com", Unknown),
    ("awild.example.com", Unknown),
    ("a.wild.example.com.evil.example", Unknown),
    ("other.example.com", Unknown),
    ("app.example.com.evil.example", Unknown),
    ("xapp.example.com", Unknown),
    ("localhost", Unknown),
    ("127.0.0.1", Unknown),
    ("[::1]", Unknown),
    ("[::1]:443", Unknown),
    ("xn--pp-fka.example.com", Unknown),
    ("app_example.com", Unknown),
    ("app.example.com:0", Refused),
    ("app.example.com:00443", Refused),
    ("app.example.com:65536", Refused),
    ("app.example.com:4294967739", Refused),
    ("app.example.com:+443", Refused),
    ("app.example.com:-1", Refused),
    ("app.example.com:443:443", Refused),
    ("app.example.com:x", Refused),
    ("app.example.com..", Refused),
    (".app.example.com", Refused),
    ("app..example.com", Refused),
    (":443", Refused),
    (".", Refused),
    ("user@app.example.com", Refused),
    ("app.example.com@secret.example.com", Refused),
    ("secret.example.com:443@app.example.com", Refused),
    ("app.example.com/", Refused),
    ("app.example.com/public", Refused),
    ("app.example.com?x", Refused),
    ("app.example.com#x", Refused),
    ("app.example.com\\x", Refused),
    ("app.example.com,secret.example.com", Refused),
    ("app.example.com;x", Refused),
    ("app%2eexample.com", Refused),
    ("app.example.com%00", Refused),
    ("app.example.com%20", Refused),
    ("*.wild.example.com", Refused),
    ("a*.wild.example.com", Refused),
    ("b\u{fc}cher.example.com", Refused),
    ("app\u{3002}example.com", Refused),
    ("\u{ff41}pp.example.com", Refused),
    ("https://app.example.com", Refused),
    ("//app.example.com", Refused),
    ("127.1", Refused),
    ("2130706433", Refused),
    ("0x7f000001", Refused),
    ("127.0.0.01", Refused),
    ("[::1", Refused),
    ("::1", Refused),
    ("[::1%25lo]", Refused),
    ("[::1%lo]", Refused),
    ("[v1.x]", Refused),
    ("[127.0.0.1]", Refused),
    ("[app.example.com]", Refused),
    ("\"app.example.com\"", Refused),
    ("'app.example.com'", Refused),
    ("(app.example.com)", Refused),
    ("app.example.com|x", Refused),
    ("app.example.com&x", Refused),
    ("app.example.com$", Refused),
    ("app.example.com~", Refused),
];

/// Values of `Host` that a field of HTTP/1.1 can hold and `:authority` cannot, or not in the same way.
const HOSTS_OF_HTTP1: &[(&str, Outcome)] = &[
    ("app.example.com secret.example.com", Refused),
    ("app.example.com, secret.example.com", Refused),
    ("app.example.com\tsecret.example.com", Refused),
    ("  app.example.com\t", HERE),
    ("app.example.com\r\nHost: secret.example.com", Refused),
    ("app.example.com\r\nHost: app.example.com", Refused),
    ("app.example.com\r\n secret.example.com", Refused),
    ("app.example.com\0", Refused),
    ("", Refused),
];

/// Absolute targets: their authority decides, and `Host` must name the same.
const ABSOLUTE: &[(&str, &str, Outcome)] = &[
    (HOST, "http://app.example.com/public/a", HERE),
    (HOST, "https://app.example.com/public/a", HERE),
    (HOST, "HTTPS://APP.example.com./public/a", HERE),
    ("APP.example.com.", "https://app.example.com/public/a", HERE),
    (HOST, "https://app.example.com/public/../admin", Denied),
    (HOST, "https://app.example.com", Unknown),
    (HOST, "https://app.example.com?x=/public/", Unknown),
    (HOST, "https://app.example.com/public/a?b", Passed("/public/a?b")),
    (SECRET, "https://secret.example.com/public/a", Denied),
    (HOST, "https://secret.example.com/public/a", Refused),
    (SECRET, "https://app.example.com/public/a", Refused),
    (HOST, "https://app.example.com:/public/a", HERE),
    (HOST, "https://app.example.com:8443/public/a", Refused),
    ("app.example.com:8443", "https://app.example.com:8443/public/a", HERE),
    ("app.example.com:8443", "https://app.example.com/public/a", Refused),
    (HOST, "https://app.example.com@secret.example.com/public/a", Refused),
    (HOST, "https://user:password@app.example.com/public/a", Refused),
    (HOST, "https://secret.example.com#@app.example.com/public/a", Refused),
    (HOST, "https://app.example.com\\@secret.example.com/public/a", Refused),
    (HOST, "https://app.example.com,secret.example.com/public/a", Refused),
    (HOST, "https:///public/a", Refused),
    (HOST, "https://", Refused),
    (HOST, "https:/app.example.com/public/a", Refused),
    (HOST, "https:app.example.com/public/a", Refused),
    (HOST, "https://app.example.com#/public/a", Refused),
    (HOST, "https://app.example.com:x/public/a", Refused),
    (HOST, "https://app.example.com%2fpublic/a", Refused),
    (HOST, "ftp://app.example.com/public/a", Refused),
    (HOST, "ws://app.example.com/public/a", Refused),
    (HOST, "httpx://app.example.com/public/a", Refused),
    (HOST, "://app.example.com/public/a", Refused),
    (HOST, "app.example.com/public/a", Refused),
    (HOST, "app.example.com:443", Refused),
    ("", "https://app.example.com/public/a", Refused),
    ("x y", "https://app.example.com/public/a", Refused),
];

fn cases(list: &[(&'static str, Outcome)]) -> Vec<(&'static str, &'static str, Outcome)> {
    list.iter().map(|(host, outcome)| (*host, PATH, *outcome)).collect()
}

#[test]
fn a_host_has_one_reading() {
    let edge = Edge::start(json!({}));
    edge.check_all(&[Clear, Tls, Http2], &cases(HOSTS));
    edge.check_all(&[Clear, Tls], &cases(HOSTS_OF_HTTP1));
}

#[test]
fn the_authority_of_an_absolute_target_decides() {
    let edge = Edge::start(json!({}));
    edge.check_all(&[Clear, Tls], ABSOLUTE);
    // A target of HTTP/2 is a path, whatever else the request says.
    let none: Vec<_> =
        ABSOLUTE.iter().filter(|(host, ..)| !host.is_empty()).map(|(h, t, _)| (*h, *t, Refused)).collect();
    edge.check_all(&[Http2], &none);
}

#[test]
fn the_server_name_grants_nothing() {
    let edge = Edge::start(json!({}));
    let ask =
        |name: &str, host: &str| edge.secure.connect_tls(name).ask(crate::harness::vallum::get(host, PATH, "")).status;
    assert_eq!((ask(HOST, SECRET), ask(SECRET, SECRET), ask("other.example.com", SECRET)), (403, 403, 403));
    assert_eq!(edge.upstream.requests().len(), 0);
}

#[test]
fn authority_and_host_of_http2_are_one() {
    let edge = Edge::start(json!({}));
    for (authority, hosts, passes) in [
        (Some(HOST), &[][..], true),
        (Some(HOST), &[HOST], true),
        (None, &[HOST], true),
        (Some(HOST), &[SECRET], false),
        (Some(SECRET), &[HOST], false),
        (Some(HOST), &[HOST, HOST], false),
        (None, &[HOST, HOST], false),
        (None, &[HOST, SECRET], false),
        (Some(""), &[HOST], false),
        (Some(HOST), &[""], false),
        (None, &[""], false),
        (None, &[], false),
    ] {
        let mut fields = vec![(":method", "GET"), (":scheme", "https"), (":path", PATH)];
        fields.extend(authority.map(|authority| (":authority", authority)));
        fields.extend(hosts.iter().map(|host| ("host", *host)));
        let mut client = Client::connect(edge.secure.address);
        let id = client.open(&fields, true);
        assert_eq!(client.finish(id).status == 200, passes, "{authority:?} {hosts:?}");
    }
    assert_eq!(edge.upstream.requests().len(), 3);
}
