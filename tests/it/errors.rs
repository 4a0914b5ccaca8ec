//! Our own answers when something failed: in the language of the client, with the request id that the log has, and with
//! the source of the answer.
//!
//! gRPC clients get the same over HTTP/1.1 as over HTTP/2: status 200, and `grpc-status` and `grpc-message` beside the
//! head (trailers-only); those of gRPC-Web see the HTTP status, too. The log and the metrics keep the HTTP status.

use std::net::TcpListener;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::peers::program;
use crate::harness::vallum::{HOST, and, clear, get, public_route};
use crate::harness::{Answer, Upstream, Vallum};

/// One way to fail.
struct Failing {
    host: &'static str,
    path: &'static str,
    status: u16,
    source: &'static str,
    details: &'static str,
    grpc: u8,
    /// The upstream is to blame.
    is_upstream: bool,
}

const fn failing(host: &'static str, status: u16, source: &'static str, details: &'static str, grpc: u8) -> Failing {
    let is_upstream = matches!(status, 502..=504);
    Failing { host, path: "/", status, source, details, grpc, is_upstream }
}

const FAILINGS: &[Failing] = &[
    failing("nowhere.example.com", 404, "no_route", "route_not_found", 5),
    failing("denied.example.com", 403, "authz_deny", "denied", 7),
    failing("garbled.example.com", 502, "upstream_protocol", "upstream_protocol_error", 14),
    failing("closing.example.com", 502, "upstream_protocol", "upstream_closed", 14),
    failing("absent.example.com", 503, "upstream_connect", "upstream_connect_failure", 14),
    failing("silent.example.com", 504, "upstream_timeout", "upstream_response_timeout", 4),
    Failing { path: "/a%2fb", ..failing(HOST, 400, "bad_request", "path_normalization", 3) },
];

/// How clients say what they read, and the answer's content type.
const LANGUAGES: &[(&str, &str, &str)] = &[
    ("html", "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n", "text/html; charset=utf-8"),
    ("json", "Accept: application/json\r\n", "application/json"),
    ("plain", "Accept: */*\r\n", "text/plain; charset=utf-8"),
    ("kubernetes", "User-Agent: kubectl/v1.30 (linux/amd64) kubernetes/abc\r\n", "application/json"),
    ("grpc", "Content-Type: application/grpc\r\nTE: trailers\r\n", "application/grpc"),
    ("grpc-web", "Content-Type: application/grpc-web+proto\r\n", "application/grpc-web+proto"),
];

/// The upstreams of [`FAILINGS`], kept alive.
struct Upstreams {
    routes: Value,
    _kept: Vec<Upstream>,
}

fn upstreams() -> Upstreams {
    let good = Upstream::echo();
    let garbled = Upstream::answering("what?\r\n\r\n");
    let closing = Upstream::with(|served| served.request().map(drop));
    let silent = Upstream::with(|served| {
        served.request()?;
        served.stay_silent();
        Ok(())
    });
    let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = json!({"policy": [{"deny": {"and": [{"accept": true}]}}]});
    let mut denied = and(public_route("denied.example.com", json!(good.url())), nobody);
    denied.as_object_mut().unwrap().remove("allow_public_unauthenticated_access");
    let routes = json!([
        public_route(HOST, json!(good.url())),
        denied,
        public_route("garbled.example.com", json!(garbled.url())),
        public_route("closing.example.com", json!(closing.url())),
        public_route("absent.example.com", json!(format!("http://{absent}"))),
        and(public_route("silent.example.com", json!(silent.url())), json!({"timeout": "300ms"})),
    ]);
    Upstreams { routes, _kept: vec![good, garbled, closing, silent] }
}

/// The log line of a request.
#[track_caller]
fn logged(vallum: &Vallum, id: &str) -> Value {
    vallum.wait_for_log(&[("message", json!("http-request")), ("request-id", json!(id))])
}

#[track_caller]
fn check(failing: &Failing, language: &str, answer: &Answer) {
    let id = answer.header("x-request-id");
    let text = answer.text();
    let is_grpc = language.starts_with("grpc");
    let what = format!("{} {} in {language}: {answer:?}", failing.host, failing.status);
    assert!(!id.is_empty(), "{what}");
    assert_eq!(answer.status, if language == "grpc" { 200 } else { failing.status }, "{what}");
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    assert_eq!(answer.header("x-pomerium-intercepted-response"), "true", "{what}");
    if is_grpc {
        assert_eq!(answer.header("grpc-status"), failing.grpc.to_string(), "{what}");
        assert!(answer.header("grpc-message").contains(id) && text.is_empty(), "{what}");
        return;
    }
    assert!(text.contains(id) && answer.all("grpc-status").is_empty(), "{what}\n{text}");
    match language {
        "json" => {
            let body = answer.json();
            assert!(
                body["error"].is_string() && body["request_id"] == id && body["status"] == failing.status,
                "{text}"
            );
        }
        "kubernetes" => {
            let body = answer.json();
            assert_eq!((&body["kind"], &body["code"]), (&json!("Status"), &json!(failing.status)), "{text}");
        }
        "plain" => assert!(text.starts_with(&format!("{} ", failing.status)), "{text}"),
        _ => page(failing, answer, &text),
    }
}

/// A page works without script, in the dark, and says which hop failed.
#[track_caller]
fn page(failing: &Failing, answer: &Answer, text: &str) {
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(!text.contains("<script") && !text.contains("javascript:") && !text.contains(" onload="), "{text}");
    for part in ["<!DOCTYPE html>", "name=\"color-scheme\" content=\"light dark\"", "prefers-color-scheme:dark"] {
        assert!(text.replace(": ", ":").contains(&part.replace(": ", ":")), "{part} in {text}");
    }
    assert!(text.contains(&format!("Error {}", failing.status)), "{text}");
    assert_eq!(text.contains("failed here"), failing.is_upstream, "{text}");
    if failing.is_upstream {
        let broken = text.split("class=\"broken\"").nth(1).unwrap();
        assert!(broken.split("</li>").next().unwrap().contains("Upstream"), "{text}");
    }
}

#[test]
fn every_failure_in_every_language() {
    let upstreams = upstreams();
    let vallum = Vallum::start(clear(upstreams.routes.clone()));
    for failing in FAILINGS {
        for (language, fields, content_type) in LANGUAGES {
            let answer = vallum.connect().ask(get(failing.host, failing.path, fields));
            assert_eq!(answer.header("content-type"), *content_type, "{} {language}", failing.status);
            check(failing, language, &answer);
            let line = logged(&vallum, answer.header("x-request-id"));
            let found = (&line["source"], &line["response-code-details"], &line["response-code"]);
            assert_eq!(found, (&json!(failing.source), &json!(failing.details), &json!(failing.status)), "{line}");
        }
        vallum.wait_for_metric("vallum_http_requests_total", &[("source", failing.source)], 1.0);
    }
}

#[test]
fn the_connection_lives_on_after_a_failure_that_left_it_in_step() {
    let upstreams = upstreams();
    let vallum = Vallum::start(clear(upstreams.routes.clone()));
    let mut wire = vallum.connect();
    for failing in FAILINGS {
        let answer = wire.ask(get(failing.host, failing.path, ""));
        // Whoever sends what no honest client sends is not listened to any further.
        let connection = if failing.status == 400 { "close" } else { "" };
        assert_eq!((answer.status, answer.header("connection")), (failing.status, connection), "{}", failing.host);
        if failing.status == 400 {
            assert_eq!(wire.drain(), b"");
            wire = vallum.connect();
        }
    }
    assert_eq!(wire.ask(get(HOST, "/", "")).status, 200);
}

#[test]
fn a_head_that_is_none_is_answered_in_plain_words() {
    let upstreams = upstreams();
    let vallum = Vallum::start(clear(upstreams.routes.clone()));
    let answer = vallum.connect().ask("GET / HTTP/1.1\r\nHost : x\r\n\r\n");
    assert_eq!((answer.status, answer.header("connection")), (400, "close"));
    let id = answer.header("x-request-id");
    assert!(answer.text().starts_with("400 ") && answer.text().contains(id), "{}", answer.text());
    let line = logged(&vallum, id);
    assert_eq!((&line["source"], &line["response-code-details"]), (&json!("bad_request"), &json!("request_head")));
}

#[test]
fn an_answer_to_head_is_a_head() {
    let upstreams = upstreams();
    let vallum = Vallum::start(clear(upstreams.routes.clone()));
    let mut wire = vallum.connect();
    let answer = wire.send("HEAD / HTTP/1.1\r\nHost: nowhere.example.com\r\n\r\n").answer_to("HEAD");
    assert_eq!(answer.status, 404);
    assert_ne!(answer.header("content-length"), "0");
    assert_eq!(wire.ask(get(HOST, "/", "")).status, 200, "no body was sent");
}

/// What curl got over HTTP/2: the head as it shows it, and the body.
fn over_http2(vallum: &Vallum, failing: &Failing, fields: &str) -> (String, String) {
    let url = format!("https://{}:{}{}", failing.host, vallum.address.port(), failing.path);
    let mut command = program("curl");
    command.args([
        "--silent",
        "--insecure",
        "--http2",
        "--include",
        "--max-time",
        "15",
        "--request",
        "POST",
        "--path-as-is",
    ]);
    command.args(["--resolve", &format!("{}:{}:127.0.0.1", failing.host, vallum.address.port())]);
    for field in fields.lines() {
        command.args(["--header", field]);
    }
    let output = command.arg(url).stderr(Stdio::inherit()).output().expect("curl");
    assert!(output.status.success(), "{}: {:?}", failing.host, output.status);
    let text = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

#[test]
fn grpc_clients_get_trailers_alone_over_http2() {
    let upstreams = upstreams();
    let vallum = Vallum::start(json!({"routes": upstreams.routes}));
    let (_, fields, content_type) = LANGUAGES[4];
    for failing in FAILINGS {
        let (head, body) = over_http2(&vallum, failing, fields);
        assert!(head.starts_with("HTTP/2 200"), "{}: {head}", failing.host);
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        assert_eq!(field("content-type"), Some(content_type), "{head}");
        assert_eq!(field("grpc-status"), Some(&*failing.grpc.to_string()), "{}: {head}", failing.host);
        let id = field("x-request-id").expect("a request id");
        assert!(field("grpc-message").is_some_and(|message| message.contains(id)), "{head}");
        assert_eq!(body, "");
        assert_eq!(logged(&vallum, id)["response-code"], failing.status);
    }
}

#[test]
fn conditions_are_shown_where_the_route_says_so() {
    let route = |host: &str, shown: bool| {
        json!({
            "from": format!("https://{host}"),
            "to": "http://127.0.0.1:9",
            "show_error_details": shown,
            "policy": [{"allow": {"and": [{"source_ip": "192.0.2.0/24"}]}}],
        })
    };
    let vallum = Vallum::start(clear(json!([route("shown.test", true), route("hidden.test", false)])));
    for (host, shown) in [("shown.test", true), ("hidden.test", false)] {
        for accept in ["text/html", "application/json", "text/plain"] {
            let answer = vallum.connect().ask(get(host, "/", &format!("Accept: {accept}\r\n")));
            assert_eq!(answer.status, 403);
            assert_eq!(answer.text().contains("source_ip"), shown, "{host} {accept}: {}", answer.text());
        }
    }
}
