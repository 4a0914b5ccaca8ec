//! Whole heads on their way: what goes to an upstream, and what comes back from one.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use vallum::control::config::{self, Environment};
use vallum::edge::authorities::Authorities;
use vallum::edge::codec::HeadSink;
use vallum::edge::exchange::{Client, Exchange, Upgrade};
use vallum::edge::request_id::RequestIds;
use vallum::edge::rewrite::Rewritten;
use vallum::edge::upstream::{request, response};
use vallum::edge::{sanitize, worker::Held};
use vallum::http::framing::{self, BodyLength};
use vallum::http::head::{End, RequestHead, find_end};
use vallum::http::{cookie, path};
use vallum::plan::cluster::Endpoint;
use vallum::telemetry::metrics::{Catalogue, WorkerCells};

use super::naive;

/// What an exchange needs around it.
struct Place {
    plan: Held,
    cells: WorkerCells,
    ids: RequestIds,
    authorities: Authorities,
    endpoint: Endpoint,
}

impl Place {
    fn new() -> Place {
        const ROUTES: &str = "[{from: https://app.test, to: http://127.0.0.1:1, allow_websockets: true, \
                              allow_public_unauthenticated_access: true}]";
        let variables = [("INSECURE_SERVER", "true".to_owned()), ("ROUTES", base64(ROUTES))];
        let environment: Environment = variables.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let loaded = config::load(None, &environment, 1).unwrap_or_else(|problems| panic!("{problems:?}"));
        Place {
            plan: Rc::new(Arc::new(loaded.plan)),
            cells: Catalogue::new().worker(0),
            ids: RequestIds::new(),
            authorities: Authorities::default(),
            endpoint: Endpoint::new("127.0.0.1:1".parse().unwrap(), "127.0.0.1:1", None, 1),
        }
    }

    fn exchange(&self, head: RequestHead) -> Exchange {
        let client = Client { secure: true, ..Client::at("192.0.2.1:1000".parse().unwrap()) };
        Exchange::new(self.plan.clone(), client.into(), head, None, self.cells.pinned())
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn with_place(run: impl FnOnce(&Place)) {
    thread_local!(static PLACE: OnceCell<Place> = const { OnceCell::new() });
    PLACE.with(|place| run(place.get_or_init(Place::new)));
}

fn values<'a>(head: &naive::Head<'a>, name: &str) -> Vec<&'a [u8]> {
    let same = head.fields.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
    same.map(|(_, value)| *value).collect()
}

/// Names as a server sees them that folds everything but letters and digits into one.
fn folded(name: &[u8]) -> String {
    name.iter().map(|b| if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() as char } else { '-' }).collect()
}

/// Whatever a client sends: what reaches the upstream is one canonical head that says of itself what it says to us, and
/// nothing in it claims to come from us.
pub fn forwarded(data: &[u8]) {
    with_place(|place| {
        let Ok(End::At(length)) = find_end(data, 0) else { return };
        let Ok(head) = RequestHead::parse(data[..length].to_vec(), Vec::new()) else { return };
        let mut exchange = place.exchange(head);
        if sanitize::request(&mut exchange, &place.ids, &place.authorities).is_err() {
            return;
        }
        if matches!(exchange.normal.upgrade, Some(Upgrade::Other(_))) {
            exchange.normal.upgrade = None;
        }
        let route = place.plan.routes.at(0).expect("the route");
        let mut out = Vec::new();
        request::write_head(&mut exchange, route, &Rewritten::default(), &place.endpoint, None, &mut out);
        let shown = String::from_utf8_lossy(&out);
        assert_eq!(find_end(&out, 0), Ok(End::At(out.len())), "{shown}");
        let sent = naive::head(&out).unwrap_or_else(|| panic!("not canonical: {shown}"));
        assert_eq!((sent.line[0], sent.line[2]), (exchange.method().as_bytes(), &b"HTTP/1.1"[..]), "{shown}");
        target_is_normal(&exchange, sent.line[1]);
        fields_are_ours_alone(&exchange, &sent, &shown);
    });
}

fn target_is_normal(exchange: &Exchange, target: &[u8]) {
    if target == b"*" {
        return assert_eq!(exchange.method(), "OPTIONS");
    }
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    assert_eq!(path, exchange.path().as_bytes());
    let again = path::normalize(path, &exchange.plan.path_rules).expect("a normal path");
    assert_eq!(again.as_str().as_bytes(), path);
}

fn fields_are_ours_alone(exchange: &Exchange, sent: &naive::Head<'_>, shown: &str) {
    assert_eq!(values(sent, "host").len(), 1, "{shown}");
    let body = framing::of_request(true, sent.fields.iter().copied()).expect("a clear length");
    // No body may be said to have no bytes.
    let same = body == exchange.normal.body || (body, exchange.normal.body) == (BodyLength::Fixed(0), BodyLength::None);
    assert!(same, "{body:?}: {shown}");
    assert_eq!(values(sent, "x-forwarded-proto"), [b"https"], "{shown}");
    assert_eq!(values(sent, "x-forwarded-for").len(), 1, "{shown}");
    assert!(values(sent, "x-forwarded-for")[0].ends_with(b"192.0.2.1"), "{shown}");
    for (name, value) in &sent.fields {
        let name = folded(name);
        assert!(!name.starts_with("x-pomerium-"), "{shown}");
        assert!(!matches!(&*name, "trailer" | "keep-alive" | "proxy-authorization" | "proxy-connection"), "{shown}");
        assert!(
            name != "cookie" || cookie::pairs(value).all(|(name, _)| !cookie::is_ours(name, "_pomerium")),
            "{shown}"
        );
        assert!(name != "authorization" || !value.to_ascii_lowercase().starts_with(b"pomerium "), "{shown}");
    }
    let upgrades = exchange.normal.upgrade.is_some();
    let te = values(sent, "te");
    assert!(te.is_empty() || te == [b"trailers"] && !upgrades, "{shown}");
    let options: &[&[u8]] = if upgrades { &[b"upgrade"] } else { &[b"te"] };
    assert_eq!(values(sent, "connection"), &options[..(upgrades || !te.is_empty()).into()], "{shown}");
    assert_eq!(values(sent, "upgrade").len(), usize::from(upgrades), "{shown}");
}

/// The first byte chooses the request. Whatever an upstream answers: what the client gets is one canonical head whose
/// framing is the one that we follow.
pub fn response_head(data: &[u8]) {
    let Some((choice, inbox)) = data.split_first() else { return };
    with_place(|place| {
        let method = if choice & 1 == 0 { "GET" } else { "HEAD" };
        let upgrade = if choice & 2 == 0 { "" } else { "connection: upgrade\r\nupgrade: websocket\r\n" };
        let text = format!("{method} / HTTP/1.1\r\nhost: app.test\r\n{upgrade}\r\n");
        let mut exchange = place.exchange(RequestHead::parse(text.into_bytes(), Vec::new()).expect("a head"));
        sanitize::request(&mut exchange, &place.ids, &place.authorities).expect("a good request");
        let route = place.plan.routes.at(0).expect("the route");
        let close = choice & 4 != 0;
        let mut out = Vec::new();
        let found = response::read_head(&exchange, route, inbox, 0, close, &mut HeadSink::H1(&mut out));
        match found {
            Ok(response::Found::Final(response, length)) => {
                assert!(naive::head(&inbox[..length]).is_some(), "taken for a head");
                given_to_client(&response, &out, method == "HEAD", close);
            }
            Ok(response::Found::Interim(length)) => assert!(length > 0 && length <= inbox.len() && out.is_empty()),
            Ok(response::Found::Incomplete(seen)) => assert!(seen <= inbox.len() && out.is_empty()),
            Err(_) => assert!(out.is_empty()),
        }
    });
}

fn given_to_client(response: &response::Response, out: &[u8], is_head: bool, close: bool) {
    let shown = String::from_utf8_lossy(out);
    let given = naive::head(out).unwrap_or_else(|| panic!("not canonical: {shown}"));
    assert_eq!((given.line[0], given.line[1]), (&b"HTTP/1.1"[..], response.status.to_string().as_bytes()), "{shown}");
    let body = framing::of_response(is_head, false, response.status, true, given.fields.iter().copied());
    // What ends with its connection is sent on in chunks.
    let expected = if response.body == BodyLength::UntilClose { BodyLength::Chunked } else { response.body };
    assert_eq!(body, Ok(expected), "{shown}");
    assert!(!response.keep_alive || response.body != BodyLength::UntilClose);
    let says_close = values(&given, "connection").iter().any(|value| value.eq_ignore_ascii_case(b"close"));
    assert_eq!(says_close, close && response.status != 101, "{shown}");
    assert!(values(&given, "keep-alive").is_empty() && values(&given, "proxy-connection").is_empty(), "{shown}");
}
