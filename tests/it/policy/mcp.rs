//! Messages to MCP servers: what is called decides, and what cannot be read is refused.

use serde_json::{Value, json};

use crate::harness::vallum::{HOST, and, clear};
use crate::harness::{Answer, Upstream, Vallum, Wire};
use crate::http2::client::Client;

const QUERY: &str =
    "{ \"jsonrpc\":\"2.0\",\r\n\"id\" : 7, \"method\":\"tools\\/call\",\t\"params\":{\"name\":\"query\"} }\n";
const DROP: &str = r#"{"jsonrpc":"2.0","id":"a-1","method":"tools/call","params":{"name":"drop"}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const TYPE: &str = "Content-Type: application/json\r\n";

/// A public route on which no tool but `query` may be called.
fn route(upstream: &Upstream, more: Value) -> Value {
    let policy = json!([{"allow": {"or": [{"accept": 1}]}, "deny": {"or": [{"mcp_tool": {"not_in": ["query"]}}]}}]);
    and(json!({"from": format!("https://{HOST}"), "to": upstream.url(), "policy": policy}), more)
}

fn post(wire: &mut Wire, fields: &str, body: impl AsRef<[u8]>) -> Answer {
    let body = body.as_ref();
    let head = format!("POST /mcp HTTP/1.1\r\nHost: {HOST}\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    wire.send([head.as_bytes(), body].concat()).answer()
}

fn chunked(body: &str) -> String {
    let (start, end) = body.split_at(body.len() / 2);
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {HOST}\r\n{TYPE}Transfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{start}\r\n{:x};ext=1\r\n{end}\r\n0\r\n\r\n",
        start.len(),
        end.len()
    )
}

#[track_caller]
fn assert_refused(answer: &Answer, id: Value) {
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_refusal(&answer.json(), id, answer.header("x-request-id"));
}

#[track_caller]
fn assert_refusal(body: &Value, id: Value, request_id: &str) {
    let message = format!("access denied, please see the authorization log for the request {request_id} for details");
    let error = json!({"code": -32602, "message": message, "data": {"request_id": request_id}});
    assert_eq!(*body, json!({"jsonrpc": "2.0", "id": id, "error": error}));
}

#[test]
fn allowed_messages_pass_byte_for_byte_and_refused_ones_do_not() {
    let upstream = Upstream::echo();
    let vallum = Vallum::start(clear(json!([route(&upstream, json!({}))])));
    let mut wire = vallum.connect();
    assert_eq!(post(&mut wire, TYPE, QUERY).status, 200);
    assert_eq!(upstream.only_request().body, QUERY.as_bytes());
    // One connection serves them all: a refusal ends nothing.
    assert_refused(&post(&mut wire, TYPE, DROP), json!("a-1"));
    assert_eq!(post(&mut wire, TYPE, LIST).status, 200);
    assert_eq!(wire.send(chunked(QUERY)).answer().status, 200);
    assert_refused(&wire.send(chunked(DROP)).answer(), json!("a-1"));
    let notification = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"drop"}}"#;
    assert_refused(&post(&mut wire, TYPE, notification), Value::Null);
    assert_eq!(post(&mut wire, "Content-Type: application/json; charset=utf-8\r\n", LIST).status, 200);
    // Several at once, one behind the other.
    wire.send([chunked(QUERY), chunked(DROP), chunked(LIST)].concat());
    assert_eq!(wire.answer().status, 200);
    assert_refused(&wire.answer(), json!("a-1"));
    assert_eq!(wire.answer().status, 200);
    // What has no body asks nothing of a tool.
    assert_eq!(wire.ask(format!("GET /mcp HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).status, 200);

    let bodies: Vec<_> = upstream.requests().into_iter().map(|r| String::from_utf8(r.body).unwrap()).collect();
    assert_eq!(bodies, [QUERY, LIST, QUERY, LIST, QUERY, LIST, ""]);
    let lines = vallum.wait_for_log(&[("deny-why-true", json!(["mcp-tool-match"]))]);
    assert_eq!(lines["deny"], true);
}

#[test]
fn whatever_is_no_message_is_refused() {
    let upstream = Upstream::echo();
    let vallum = Vallum::start(clear(json!([route(&upstream, json!({}))])));
    let padded = |length: usize| format!("{QUERY}{}", " ".repeat(length - QUERY.len()));
    let deep = format!(r#"{{"jsonrpc":"2.0","method":"x","params":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    for (fields, body) in [
        (TYPE, "{"),
        (TYPE, ""),
        (TYPE, "null"),
        (TYPE, &format!("[{QUERY}]")),
        (TYPE, &format!("{QUERY}{QUERY}")),
        (TYPE, &DROP.replace("\"drop\"", "\"query\",\"name\":\"drop\"")),
        (TYPE, &DROP.replace("\"params\"", "\"params\":{\"name\":\"query\"},\"Params\"")),
        (TYPE, &padded(4097)),
        (TYPE, &deep),
        ("", QUERY),
        ("Content-Type: text/plain\r\n", QUERY),
        ("Content-Type: application/json; charset=utf-16\r\n", QUERY),
        ("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", QUERY),
    ] {
        let answer = post(&mut vallum.connect(), fields, body);
        assert_eq!(answer.status, 403, "{fields}{}", body.chars().take(60).collect::<String>());
    }
    let mut wire = vallum.connect();
    assert_eq!(wire.send(chunked(&padded(5000))).answer().status, 403);
    assert!(upstream.requests().is_empty());
    assert_eq!(post(&mut vallum.connect(), TYPE, padded(4096)).status, 200);
    let line = vallum.wait_for_log(&[("message", json!("authorize check"))]);
    assert_eq!((&line["allow"], &line["deny"]), (&json!(false), &json!(false)), "{line}");
    assert_eq!(line["allow-why-false"], json!(["mcp-not-a-tool-call"]), "{line}");
    let labels = [("result", "deny"), ("reason", "mcp-not-a-tool-call")];
    vallum.wait_for_metric("vallum_authz_decisions_total", &labels, 14.0);
}

#[test]
fn the_same_over_http_2() {
    let upstream = Upstream::echo();
    let vallum = Vallum::start(json!({"routes": [route(&upstream, json!({}))]}));
    let mut client = Client::connect(vallum.address);
    let mut ask = |body: &str| {
        let id = client.request("POST", "/mcp", &[("content-type", "application/json")], false);
        client.body(id, body.as_bytes());
        client.finish(id)
    };
    assert_eq!(ask(QUERY).status, 200);
    let refused = ask(DROP);
    assert_eq!(refused.status, 200);
    assert_refusal(&refused.json(), json!("a-1"), refused.header("x-request-id"));
    assert_eq!(ask("{}").status, 403);
    assert_eq!(ask(&format!("{QUERY}{}", " ".repeat(8000))).status, 403);
    assert_eq!(ask(LIST).status, 200);
    let bodies: Vec<_> = upstream.requests().into_iter().map(|r| String::from_utf8(r.body).unwrap()).collect();
    assert_eq!(bodies, [QUERY, LIST]);
}

#[test]
fn a_client_that_waits_is_invited_and_more_may_be_read() {
    let upstream = Upstream::echo();
    let more = json!({"mcp": {"server": {"max_request_bytes": 20_000}}});
    let vallum = Vallum::start(clear(json!([route(&upstream, more)])));
    let mut wire = vallum.connect();
    let body = format!("{QUERY}{}", " ".repeat(10_000));
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\n{TYPE}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    wire.send(head);
    assert_eq!(wire.take(25).expect("an interim answer"), b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(wire.send(&body).answer().status, 200);
    assert_eq!(upstream.only_request().body, body.as_bytes());
}

#[test]
fn a_server_says_where_to_sign_in() {
    let upstream = Upstream::echo();
    let server = |policy: Value, more: Value| {
        let from = json!({"from": format!("https://{HOST}"), "to": upstream.url(), "policy": policy});
        Vallum::start(clear(json!([and(from, json!({"mcp": {"server": more}}))])))
    };
    let challenge =
        |path: &str| format!("Bearer resource_metadata=\"https://{HOST}/.well-known/oauth-protected-resource{path}\"");
    let named = server(json!([{"allow": {"or": [{"authenticated_user": 1}]}}]), json!({"path": "/mcp/"}));
    for fields in ["Accept: text/html\r\n", "Accept: application/json, text/event-stream\r\n"] {
        let answer = named.connect().ask(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n"));
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, challenge("/mcp").as_str()));
    }
    let closed = server(json!([{"allow": {"or": [{"http_path": "/none"}]}}]), Value::Null);
    assert_refused(&post(&mut closed.connect(), TYPE, LIST), json!(1));
    for body in ["x", ""] {
        let answer = post(&mut closed.connect(), TYPE, body);
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, challenge("").as_str()));
    }
    assert!(upstream.requests().is_empty());
}
