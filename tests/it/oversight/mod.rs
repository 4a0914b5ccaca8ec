//! What is on its way when it may not go on: answers, requests and calls that last, over both protocols, each cut where its
//! session ends or the plan does not let it pass any more, and no other with it.

mod calls;
mod reloads;
mod sessions;
mod uploads;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::peers::Provider;
use crate::harness::vallum::{HOST, and, get, public_route};
use crate::harness::visitor::Visitor;
use crate::harness::{Upstream, Vallum, Wire, wait_until};
use crate::http2::client::{Client, line};

const OPEN: &str = "open.example.com";
const SLOW: &str = "slow.example.com";
/// What a stream of HTTP/2 that is cut is reset with.
const INTERNAL_ERROR: u32 = 2;
const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// An upstream whose answers, by their path, last.
struct Origin {
    upstream: Upstream,
    arrived: Arc<Mutex<Vec<String>>>,
    /// The paths of exchanges that were given up.
    lost: Arc<Mutex<Vec<String>>>,
    gate: Sender<()>,
}

impl Origin {
    fn start() -> Origin {
        let (gate, opened) = channel::<()>();
        let opened = Mutex::new(opened);
        let (arrived, lost) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (arrivals, losses) = (arrived.clone(), lost.clone());
        let upstream = Upstream::with(move |served| {
            while let Some(request) = served.head()? {
                let path = request.target.clone();
                arrivals.lock().unwrap().push(path.clone());
                match path.as_str() {
                    // One event, and then silence.
                    "/events" | "/talk" => {
                        served.write(format!("{EVENTS}3\r\none\r\n"))?;
                        served.wait_for_close().ok();
                    }
                    // A second one, which is the last, once it may.
                    "/gated" => {
                        served.write(format!("{EVENTS}3\r\none\r\n"))?;
                        opened.lock().unwrap().recv().ok();
                        served.write("3\r\ntwo\r\n0\r\n\r\n")?;
                        continue;
                    }
                    // One after the other, at a pace.
                    "/busy" => {
                        served.write(EVENTS)?;
                        while served.write("4\r\nmore\r\n").is_ok() {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                    }
                    // More than any window or buffer holds.
                    "/download" => {
                        served.write("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")?;
                        while served.write([b'x'; 64 * 1024]).is_ok() {}
                    }
                    "/poll" | "/upload" => drop(served.wait_for_close()),
                    // Takes nothing for as long as it may not.
                    "/stuck" => {
                        opened.lock().unwrap().recv().ok();
                        served.wait_for_close().ok();
                    }
                    _ => {
                        served.body(request)?;
                        served.answer(200, "", b"here")?;
                        continue;
                    }
                }
                losses.lock().unwrap().push(path);
                return Ok(());
            }
            Ok(())
        });
        Origin { upstream, arrived, lost, gate }
    }

    #[track_caller]
    fn wait_for_arrivals(&self, path: &str, count: usize) {
        wait_until(&format!("{count} requests for {path}"), || has(&self.arrived, path, count));
    }

    /// Waits until the upstream has heard that so many exchanges were given up.
    #[track_caller]
    fn wait_for_losses(&self, path: &str, count: usize) {
        wait_until(&format!("{count} times {path} given up"), || has(&self.lost, path, count));
    }
}

fn has(paths: &Mutex<Vec<String>>, path: &str, count: usize) -> Option<()> {
    (paths.lock().unwrap().iter().filter(|seen| *seen == path).count() >= count).then_some(())
}

/// An instance with a private route and a public one to the same upstream.
struct Stage {
    vallum: Vallum,
    origin: Origin,
    provider: Provider,
}

impl Stage {
    fn start(more: Value) -> Stage {
        let (provider, origin) = (Provider::start(), Origin::start());
        let settings = settings(&provider, &origin, json!({"allow_any_authenticated_user": true}));
        Stage { vallum: Vallum::start(and(settings, more)), origin, provider }
    }

    fn signed_in(&self, who: &str) -> Person {
        let mut visitor = Visitor::new(self.vallum.address);
        assert_eq!(visitor.sign_in(&format!("https://{HOST}/"), who).status, 200);
        let cookie = format!("_pomerium={}", visitor.cookie(HOST, "_pomerium").expect("a session cookie").value);
        Person { visitor, cookie }
    }

    /// Reloads with another access to the private route.
    #[track_caller]
    fn reload(&self, access: Value) {
        assert!(self.vallum.reload(settings(&self.provider, &self.origin, access)));
    }

    /// Asks for `path` over HTTP/1.1; nothing is read yet.
    fn ask(&self, host: &str, path: &str, cookie: &str) -> Wire {
        let mut wire = self.vallum.connect_tls(host);
        wire.send(get(host, path, &format!("Cookie: {cookie}\r\n")));
        wire
    }

    /// The same, and reads the head of the answer.
    #[track_caller]
    fn begin(&self, host: &str, path: &str, cookie: &str) -> Wire {
        let mut wire = self.ask(host, path, cookie);
        assert_eq!(wire.head().status, 200);
        wire
    }

    /// Waits until so many answers that had begun were cut for `cause`, as metrics and log tell.
    #[track_caller]
    fn wait_for_cuts(&self, route: &str, cause: &str, count: f64) {
        let labels = [("route", route), ("cause", cause)];
        self.vallum.wait_for_metric("vallum_http_streams_closed_total", &labels, count);
        self.vallum.wait_for_log(&[("response-code-details", json!(cause)), ("response-code", json!(200))]);
        assert_eq!(self.vallum.panics(), [""; 0]);
    }

    /// Lets pass longer than anything goes without being looked at.
    fn wait_for_a_look(&self) {
        assert_eq!(self.ask(SLOW, "/poll", "").answer().status, 504);
    }
}

fn settings(provider: &Provider, origin: &Origin, access: Value) -> Value {
    let to = origin.upstream.url();
    let app = and(json!({"from": format!("https://{HOST}"), "to": to, "name": "app"}), access);
    let slow = and(public_route(SLOW, json!(to)), json!({"timeout": "1500ms"}));
    let routes = json!([app, and(public_route(OPEN, json!(to)), json!({"name": "open"})), slow]);
    and(provider.settings(), json!({"routes": routes, "default_upstream_timeout": "60s"}))
}

/// Somebody who is signed in.
struct Person {
    visitor: Visitor,
    cookie: String,
}

impl Person {
    #[track_caller]
    fn sign_out(&mut self) {
        crate::signin::sign_out(&mut self.visitor, HOST);
    }
}

/// Asks for `path` on a stream.
fn open(client: &mut Client, host: &str, path: &str, cookie: &str) -> u32 {
    client.open(&[&line("GET", host, path)[..], &[("cookie", cookie)]].concat(), true)
}

/// The same, and reads the head of the answer.
#[track_caller]
fn begin(client: &mut Client, host: &str, path: &str, cookie: &str) -> u32 {
    let id = open(client, host, path, cookie);
    assert_eq!(client.head(id), 200);
    id
}

/// A stream of HTTP/2 ends by a reset, and so is seen to be no whole answer.
#[track_caller]
fn assert_cut(client: &mut Client, id: u32) {
    let reply = client.finish(id);
    assert_eq!((reply.status, reply.ended, reply.reset), (200, false, Some(INTERNAL_ERROR)));
}

/// What came of a chunked answer over HTTP/1.1 until the connection broke off, which must not look whole.
#[track_caller]
fn cut_chunks(wire: &mut Wire) -> String {
    let rest = String::from_utf8(wire.drain()).unwrap();
    assert!(!rest.contains("0\r\n\r\n"), "it looks whole: {rest}");
    rest
}
