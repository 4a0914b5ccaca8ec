//! However a client spells what it asks for, there is one reading of it: what the policy judged, what is logged and what
//! the upstream gets are the same, and no upstream can read more into it.

mod fields;
mod hosts;
mod loose;
mod paths;

use serde_json::{Value, json};

use crate::harness::request::Request;
use crate::harness::vallum::{HOST, and, clear, public_route};
use crate::harness::{Upstream, Vallum, Wire};
use crate::http2::client::{Client, line};
use Outcome::{Denied, Passed, Refused, Unknown};

/// A host from which nothing may be had.
const SECRET: &str = "secret.example.com";

/// What must become of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    /// An error of the client's (or a stream reset).
    Refused,
    /// The policy says no.
    Denied,
    /// No route.
    Unknown,
    /// It reaches the upstream with this target.
    Passed(&'static str),
}

/// How a client speaks.
#[derive(Debug, Clone, Copy)]
enum Way {
    Clear,
    Tls,
    Http2,
}

/// The edge, clear and over TLS: `/public/` of [`HOST`] is for everybody, `/admin` and [`SECRET`] are for nobody.
struct Edge {
    upstream: Upstream,
    clear: Vallum,
    secure: Vallum,
}

impl Edge {
    fn start(settings: Value) -> Edge {
        let upstream = Upstream::echo();
        let to = json!(upstream.url());
        let routes = json!([
            and(public_route(HOST, to.clone()), json!({"prefix": "/public/"})),
            {"from": format!("https://{HOST}"), "to": to, "prefix": "/admin"},
            {"from": format!("https://{SECRET}"), "to": to},
            public_route("*.wild.example.com", to.clone()),
        ]);
        let clear = Vallum::start(and(clear(routes.clone()), settings.clone()));
        let secure = Vallum::start(and(json!({"routes": routes}), settings));
        Edge { upstream, clear, secure }
    }

    fn vallum(&self, way: Way) -> &Vallum {
        match way {
            Way::Clear => &self.clear,
            Way::Tls | Way::Http2 => &self.secure,
        }
    }

    /// The status of the answer; 0 when the connection or the stream just ended.
    fn ask(&self, way: Way, host: &str, target: &str) -> u16 {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let status = |mut wire: Wire| wire.send(&request).try_answer("GET").map_or(0, |answer| answer.status);
        match way {
            Way::Clear => status(self.clear.connect()),
            Way::Tls => status(self.secure.connect_tls(HOST)),
            Way::Http2 => {
                let mut client = Client::connect(self.secure.address);
                let id = client.open(&line("GET", host, target), true);
                client.finish(id).status
            }
        }
    }

    /// Checks one request, and that it was read in one way only.
    fn check(&self, way: Way, host: &str, target: &str, outcome: Outcome) -> Result<(), String> {
        let before = self.upstream.requests().len();
        let status = self.ask(way, host, target);
        let seen = self.upstream.requests()[before..].to_vec();
        let targets: Vec<&str> = seen.iter().map(|request| request.target.as_str()).collect();
        let good = match outcome {
            Refused => matches!(status, 0 | 400..=402 | 405..=499) && seen.is_empty(),
            Denied => status == 403 && seen.is_empty(),
            Unknown => status == 404 && seen.is_empty(),
            Passed(expected) => status == 200 && targets == [expected],
        };
        if !good {
            return Err(format!("{way:?} {host} {target:?}: {status}, {targets:?} instead of {outcome:?}"));
        }
        seen.iter().try_for_each(|request| self.agrees(way, request))
    }

    /// What the upstream got is what is logged and what was judged.
    fn agrees(&self, way: Way, request: &Request) -> Result<(), String> {
        let path = request.target.split('?').next().unwrap_or_default();
        let id = json!(request.header("x-request-id"));
        for (message, host) in [("http-request", "authority"), ("authorize check", "host")] {
            let line = self.vallum(way).wait_for_log(&[("message", json!(message)), ("request-id", id.clone())]);
            let asked = request.header("x-forwarded-host").split(':').next().unwrap_or_default();
            let logged = line[host].as_str().unwrap_or_default().split(':').next().unwrap_or_default();
            if line["path"] != path || logged != asked {
                return Err(format!(
                    "{message} says {} {}, the upstream got {path} of {asked}",
                    line["path"], line[host]
                ));
            }
        }
        Ok(())
    }

    fn check_all(&self, ways: &[Way], cases: &[(&str, &str, Outcome)]) {
        let all = ways.iter().flat_map(|way| cases.iter().map(move |case| (*way, case)));
        let mut failures: Vec<String> =
            all.filter_map(|(way, (host, target, outcome))| self.check(way, host, target, *outcome).err()).collect();
        failures.extend(self.clear.panics().into_iter().chain(self.secure.panics()));
        assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    }
}
