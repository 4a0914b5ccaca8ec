//! gRPC end to end, with a stock client and a stock server (grpc-js), and HTTP/2 towards upstreams.

mod hostile;
mod oracle;
pub mod raw;
mod silence;
mod trailers;
mod upstreams;
mod websocket;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::{ChildStdin, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::certificates::{Authority, Leaf};
use crate::harness::peers::node;
use crate::harness::process::Process;
use crate::harness::vallum::{HOST, and, get, public_route};
use crate::harness::{Upstream, Vallum, wait_until};

/// Status codes of gRPC.
const OK: u64 = 0;
const CANCELLED: u64 = 1;
const DEADLINE_EXCEEDED: u64 = 4;
const NOT_FOUND: u64 = 5;
const PERMISSION_DENIED: u64 = 7;
const FAILED_PRECONDITION: u64 = 9;
const UNAVAILABLE: u64 = 14;
pub const UNAUTHENTICATED: u64 = 16;

/// `tests/npm/grpc.mjs server`.
pub struct Server {
    address: SocketAddr,
    process: Process,
    _stdin: ChildStdin,
}

impl Server {
    pub fn start() -> Server {
        Server::with(None)
    }

    /// With TLS when there is a certificate.
    fn with(leaf: Option<&Leaf>) -> Server {
        let mut command = node("grpc.mjs");
        command.arg("server");
        if let Some(leaf) = leaf {
            command.arg(&leaf.cert).arg(&leaf.key);
        }
        let mut process = Process::start("the gRPC server", command.stdin(Stdio::piped()));
        let address = process.wait_for_line("its address", |line| {
            serde_json::from_str::<Value>(line).ok()?["address"].as_str()?.parse().ok()
        });
        let stdin = process.take_stdin();
        Server { address, process, _stdin: stdin }
    }

    pub fn url(&self) -> String {
        format!("h2c://{}", self.address)
    }

    /// Waits until it has heard that a client gave up a call of `method`.
    #[track_caller]
    pub fn wait_for_cancelled(&self, method: &str) {
        let line = json!({"cancelled": method}).to_string();
        wait_until("the server to hear of the cancelled call", || self.process.lines().contains(&line).then_some(()));
    }
}

/// `tests/npm/grpc.mjs client SCENE`, begun.
pub fn client(vallum: &Vallum, host: &str, scene: &str, more: Value) -> Process {
    let settings = and(json!({"target": vallum.address.to_string(), "authority": host}), more);
    let mut command = node("grpc.mjs");
    command.args(["client", scene]).arg(settings.to_string());
    Process::start("the gRPC client", command.stdin(Stdio::piped()))
}

#[track_caller]
pub fn report(mut client: Process) -> Value {
    let status = client.wait(Duration::from_secs(100));
    let lines = client.final_lines();
    let report = lines.iter().rev().find_map(|line| line.strip_prefix("REPORT "));
    let report = report.unwrap_or_else(|| panic!("no report, {status}:\n{}", lines.join("\n")));
    serde_json::from_str(report).expect("a report in JSON")
}

#[track_caller]
fn call(vallum: &Vallum, scene: &str) -> Value {
    report(client(vallum, HOST, scene, json!({})))
}

fn public(server: &Server) -> Vallum {
    Vallum::start(json!({"routes": [public_route(HOST, json!(server.url()))]}))
}

#[test]
fn the_four_kinds_of_calls() {
    let server = Server::start();
    let vallum = public(&server);
    let report = call(&vallum, "calls");

    let unary = &report["unary"];
    assert_eq!((&unary["code"], &unary["sizes"]), (&json!(OK), &json!([5])), "{report}");
    assert_eq!(unary["trailers"]["x-sum"], "5", "{report}");
    let seen: Value = serde_json::from_str(unary["metadata"]["x-seen"].as_str().unwrap()).unwrap();
    assert_eq!((&seen["x-ask"], &seen["x-raw-bin"]), (&json!("yes"), &json!("0102fe")), "{seen}");
    assert_eq!(seen["x-forwarded-for"], "127.0.0.1", "{seen}");
    assert_eq!(seen.get("x-pomerium-claim-email"), None, "nobody vouches for himself: {seen}");

    let many = &report["clientStream"];
    assert_eq!((&many["code"], &many["answer"]), (&json!(OK), &json!("100 5050")), "{report}");
    let many = &report["serverStream"];
    assert_eq!((&many["code"], &many["sizes"]), (&json!(OK), &json!(vec![1000; 50])), "{report}");
    assert_eq!(many["trailers"]["x-sum"], "50000", "{report}");
    let both = &report["bidi"];
    assert_eq!((&both["code"], &both["sizes"]), (&json!(OK), &json!((1..=20).collect::<Vec<_>>())), "{report}");

    let fail = &report["fail"];
    assert_eq!((&fail["code"], &fail["details"]), (&json!(FAILED_PRECONDITION), &json!("not ready: ä %")), "{report}");
    assert_eq!(fail["trailers"]["x-why-bin"], "0001ff", "{report}");

    let line = vallum.wait_for_log(&[("message", json!("http-request")), ("path", json!("/test.Echo/Fail"))]);
    assert_eq!((&line["response-code"], &line["source"]), (&json!(200), &json!("upstream")), "{line}");
    assert_eq!(vallum.panics(), [""; 0]);
}

#[test]
fn large_messages_both_ways_with_back_pressure() {
    let server = Server::start();
    let vallum = public(&server);
    let report = call(&vallum, "large");
    assert_eq!(report, json!({"code": OK, "same": true, "bidi": OK, "received": 40, "echoed": true}));
}

#[test]
fn a_call_that_its_client_gives_up_ends_at_the_server() {
    let server = Server::start();
    let vallum = public(&server);
    assert_eq!(call(&vallum, "cancel")["code"], CANCELLED);
    server.wait_for_cancelled("Bidi");
    let ended = report(client(&vallum, HOST, "deadline", json!({"milliseconds": 400})));
    assert_eq!(ended["code"], DEADLINE_EXCEEDED);
    server.wait_for_cancelled("Silent");
    // The connections go on.
    assert_eq!(call(&vallum, "unary")["code"], OK);
}

#[test]
fn the_health_service_works() {
    let server = Server::start();
    let report = call(&public(&server), "health");
    assert_eq!(
        (&report["all"]["status"], &report["one"]["status"]),
        (&json!("SERVING"), &json!("NOT_SERVING")),
        "{report}"
    );
    assert_eq!(
        (&report["none"]["code"], &report["watched"]["status"]),
        (&json!(NOT_FOUND), &json!("NOT_SERVING")),
        "{report}"
    );
}

#[test]
fn a_stream_goes_on_through_a_reload() {
    let server = Server::start();
    // What other bodies must not do: pause for longer than this.
    let mut settings = json!({"timeout_read": "100ms", "routes": [public_route(HOST, json!(server.url()))]});
    let vallum = Vallum::start(settings.clone());
    let mut running = client(&vallum, HOST, "across", json!({}));
    running.wait_for_line("a stream that runs", |line| line.contains("\"begun\":true").then_some(()));
    settings["routes"][0]["set_request_headers"] = json!({"X-New": "1"});
    assert!(vallum.reload(settings));
    // It is silent for as long as another client takes to start and end.
    assert_eq!(call(&vallum, "unary")["code"], OK);
    running.take_stdin().write_all(b"go on\n").unwrap();
    let report = report(running);
    assert_eq!((&report["code"], &report["text"]), (&json!(OK), &json!("one two")), "{report}");
}

#[test]
fn our_own_errors_are_grpc_errors() {
    let good = Server::start();
    let silent = Upstream::with(|served| {
        served.stay_silent();
        Ok(())
    });
    let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let private =
        |host: &str, policy: Value| json!({"from": format!("https://{host}"), "to": good.url(), "policy": [policy]});
    let vallum = Vallum::start(json!({"routes": [
        private("denied.example.com", json!({"deny": {"and": [{"accept": true}]}})),
        private("known.example.com", json!({"allow": {"and": [{"authenticated_user": true}]}})),
        public_route("absent.example.com", json!(format!("h2c://{absent}"))),
        and(public_route("silent.example.com", json!(format!("h2c://{}", silent.address))), json!({"timeout": "300ms"})),
    ]}));
    for (host, code) in [
        ("denied.example.com", PERMISSION_DENIED),
        ("known.example.com", UNAUTHENTICATED),
        ("absent.example.com", UNAVAILABLE),
        ("silent.example.com", DEADLINE_EXCEEDED),
        ("nowhere.example.com", NOT_FOUND),
    ] {
        let report = report(client(&vallum, host, "unary", json!({})));
        assert_eq!(report["code"], code, "{host}: {report}");
        assert!(report["details"].as_str().unwrap().contains("request id"), "{host}: {report}");
        assert_eq!(report["trailers"]["x-pomerium-intercepted-response"], "true", "trailers-only: {report}");
    }
}

#[test]
fn https_upstreams_choose_http_2() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new();
    let leaf = authority.issue(folder.path(), "server", &["localhost"]);
    let server = Server::with(Some(&leaf));
    let to = format!("https://localhost:{}", server.address.port());
    let route = and(public_route(HOST, json!(to)), json!({"tls_custom_ca_file": authority.write_to(folder.path())}));
    let vallum = Vallum::start(json!({"routes": [route]}));
    let report = call(&vallum, "calls");
    for kind in ["unary", "clientStream", "serverStream", "bidi"] {
        assert_eq!(report[kind]["code"], OK, "{kind}: {report}");
    }
}

#[test]
fn grpc_web_passes_and_is_never_sent_to_sign_in() {
    let upstream = Upstream::with(|served| {
        while let Some(request) = served.request()? {
            let fields = format!("Content-Type: {}\r\n", request.header("content-type"));
            served.answer(200, &fields, &request.body)?;
        }
        Ok(())
    });
    let known =
        json!({"from": "https://known.example.com", "to": upstream.url(), "allow_any_authenticated_user": true});
    let vallum = Vallum::start(json!({
        "insecure_server": true,
        "routes": [public_route(HOST, json!(upstream.url())), known],
    }));
    let frames: [(&str, &[u8]); 3] = [
        ("application/grpc-web+proto", b"\0\0\0\0\x02hi\x80\0\0\0\x0fgrpc-status:0\r\n"),
        ("application/grpc-web", b"\0\0\0\0\0"),
        ("application/grpc-web-text", b"AAAAAAJoaQ=="),
    ];
    for (content_type, body) in frames {
        let ask = |host: &str| {
            let mut bytes = get(host, "/test.Echo/Unary", "").replace("GET", "POST");
            let more =
                format!("Content-Type: {content_type}\r\nAccept: text/html\r\nContent-Length: {}\r\n\r\n", body.len());
            bytes.truncate(bytes.len() - 2);
            vallum.connect().ask([(bytes + &more).as_bytes(), body].concat())
        };
        let answer = ask(HOST);
        assert_eq!((answer.status, answer.header("content-type")), (200, content_type));
        assert_eq!(answer.body, body, "untouched");
        let refused = ask("known.example.com");
        assert_eq!((refused.status, refused.header("grpc-status")), (401, "16"), "{content_type}: {refused:?}");
        assert!(refused.header("content-type").starts_with("application/grpc-web"), "{refused:?}");
        assert!(refused.all("location").is_empty() && refused.body.is_empty(), "{refused:?}");
    }
}
