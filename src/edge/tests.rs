//! A whole worker in this process, with a plan made by hand, between real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::crypto::jws::Signer;
use crate::crypto::secret::Secret;
use crate::edge::gate::Gate;
use crate::edge::{tls, worker};
use crate::link;
use crate::net::{driver::Driver, listen};
use crate::plan::cluster::{Cluster, Endpoint, Endpoints, Protocol, Target};
use crate::plan::identity::{Cookie, Identity};
use crate::plan::listener::{Codec, Listener};
use crate::plan::policy::{Legacy, Policy};
use crate::plan::route::rewrite::HostRewrite;
use crate::plan::route::upgrades::Upgrades;
use crate::plan::route::{Action, From, HostRule, PathRule, Route, Table};
use crate::plan::{Logs, Plan};
use crate::telemetry::metrics::Catalogue;

/// A worker on a thread of its own, stopped when dropped.
struct Edge {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _control: link::ControlDoor,
}

impl Edge {
    fn start(driver: Driver, insecure: bool, upstreams: &[SocketAddr]) -> Edge {
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (door, control) = link::door(Arc::new(plan(insecure, upstreams)));
        let stop = Arc::new(AtomicBool::new(false));
        let setup = worker::Setup {
            index: 0,
            cpu: None,
            driver,
            listeners: vec![listener],
            tls: Arc::new(tls::Tls::new(door.feed.clone()).unwrap()),
            door,
            metrics: Catalogue::new(),
            gate: Arc::new(Gate::new(1024)),
            stop: stop.clone(),
        };
        let thread = std::thread::spawn(move || worker::run(setup).unwrap());
        Edge { address, stop, thread: Some(thread), _control: control }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// Sends bytes and reads to the end of the connection.
    fn talk(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

fn plan(insecure: bool, upstreams: &[SocketAddr]) -> Plan {
    let shared_secret = Secret::random();
    let (session_sealer, url_signer) = Identity::tools(&shared_secret);
    let endpoints = upstreams.iter().map(|a| Arc::new(Endpoint::new(*a, &a.to_string(), None, 1))).collect();
    let cluster = Cluster {
        name: "app".into(),
        protocol: Protocol::Http1,
        targets: vec![Target { tls: false, host: "127.0.0.1".into(), port: 1, weight: 1, server_name: None }],
        tls: None,
        tls_key: 0,
        endpoints: arc_swap::ArcSwap::from_pointee(Endpoints::new(endpoints)),
    };
    let route = Route {
        index: 0,
        id: 1,
        name: "app".into(),
        from: From {
            url: "https://app.test".into(),
            host: HostRule::Exact("app.test".into()),
            port: None,
            default_port: 443,
        },
        path: PathRule::All,
        action: Action::Forward(Arc::new(cluster)),
        path_rewrite: None,
        host_rewrite: HostRewrite::Client,
        client_terms: None,
        policy: Policy::compile(&Legacy { public: true, ..Legacy::default() }, None).unwrap(),
        request_headers_set: vec![],
        request_headers_removed: vec![],
        response_headers: vec![],
        response_rewrites: vec![],
        pass_identity: false,
        upgrades: Upgrades::new(["websocket"]),
        timeout: Some(Duration::from_secs(5)),
        request_body_max: None,
        timeout_is_default: false,
        idle_timeout: None,
        mcp: None,
        show_error_details: false,
    };
    Plan {
        generation: 1,
        checksum: 1,
        listener: Listener {
            address: "127.0.0.1:0".parse().unwrap(),
            insecure,
            codec: Codec::Auto,
            proxy_protocol: None,
            redirect: None,
            metrics: None,
            health: crate::plan::listener::Health::default(),
            admin: None,
            admin_socket: None,
            drain_notice: std::time::Duration::ZERO,
            workers: 1,
        },
        certificates: Default::default(),
        client_certificates: Default::default(),
        routes: Table::new(vec![route]),
        identity: Identity {
            signer: Signer::derived(&shared_secret).unwrap(),
            cookie_secret: Secret::random(),
            shared_secret,
            cookie: Cookie {
                name: "_pomerium".into(),
                domain: None,
                http_only: true,
                expire: Duration::from_secs(3600),
                same_site: None,
            },
            authenticate: None,
            provider: None,
            claim_headers: vec![],
            signout_redirect: None,
            programmatic_domains: vec![],
            session_sealer,
            url_signer,
        },
        timeouts: Default::default(),
        limits: Default::default(),
        path_rules: Default::default(),
        field_rules: Default::default(),
        logs: Logs { access: false, authorize: false },
    }
}

/// Answers every request head with the head itself as a body, one connection after the other in threads.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(64) {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut buffer = Vec::new();
                let mut chunk = [0u8; 4096];
                loop {
                    while let Some(end) = memchr::memmem::find(&buffer, b"\r\n\r\n") {
                        let head: Vec<u8> = buffer.drain(..end + 4).collect();
                        let mut answer =
                            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", head.len()).into_bytes();
                        answer.extend_from_slice(&head);
                        if stream.write_all(&answer).is_err() {
                            return;
                        }
                    }
                    match stream.read(&mut chunk) {
                        Ok(count @ 1..) => buffer.extend_from_slice(&chunk[..count]),
                        _ => return,
                    }
                }
            });
        }
    });
    address
}

#[test]
fn requests_pass_on_both_drivers() {
    for driver in [Driver::IoUring, Driver::Epoll] {
        let edge = Edge::start(driver, true, &[echo()]);
        let answer = edge.talk(
            b"GET /a HTTP/1.1\r\nHost: app.test\r\n\r\nGET /b HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n",
        );
        assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{driver:?} {answer}");
        let (a, b) = (answer.find("GET /a").unwrap(), answer.find("GET /b").unwrap());
        assert!(a < b, "{answer}");
        assert!(answer.contains("x-forwarded-for: 127.0.0.1\r\n"), "{answer}");
        let pong = edge.talk(b"GET /ping HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n");
        assert!(pong.ends_with("\r\n\r\nOK\n"), "{pong}");
        let unknown = edge.talk(b"GET / HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n");
        assert!(unknown.starts_with("HTTP/1.1 404"), "{unknown}");
    }
}

/// An upstream that answers before it has the request's body, and echoes each piece as it comes.
fn early_echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0u8; 4096];
        let mut seen = Vec::new();
        while memchr::memmem::find(&seen, b"\r\n\r\n").is_none() {
            let count = stream.read(&mut buffer).unwrap();
            seen.extend_from_slice(&buffer[..count]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
        let end = memchr::memmem::find(&seen, b"\r\n\r\n").unwrap() + 4;
        let mut body = seen.split_off(end);
        // The chunks come in canonical form, so that they can be sent back as they are.
        loop {
            stream.write_all(&body).unwrap();
            if body.ends_with(b"0\r\n\r\n") {
                return;
            }
            let count = stream.read(&mut buffer).unwrap();
            body = buffer[..count].to_vec();
        }
    });
    address
}

fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0u8; 4096];
    while !text.contains(wanted) {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "closed before {wanted:?}: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    text
}

#[test]
fn a_body_and_its_answer_flow_at_the_same_time() {
    let edge = Edge::start(Driver::IoUring, true, &[early_echo()]);
    let mut client = edge.connect();
    client.write_all(b"POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").unwrap();
    read_until(&mut client, "one");
    client.write_all(b"3\r\ntwo\r\n").unwrap();
    read_until(&mut client, "two");
    client.write_all(b"0\r\n\r\n").unwrap();
    read_until(&mut client, "0\r\n\r\n");
}
