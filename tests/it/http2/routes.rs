//! Routes do over HTTP/2 what they do over HTTP/1.1.

use serde_json::json;

use super::client::Client;
use crate::harness::vallum::{HOST, and, public_route};
use crate::harness::{Upstream, Vallum};

#[test]
fn actions_and_rewriting_are_those_of_http_1() {
    let upstream = Upstream::with(|served| {
        while let Some(request) = served.request()? {
            let fields =
                format!("Location: http://internal/x\r\nX-Target: {}\r\nX-Frame-Options: no\r\n", request.target);
            served.answer(302, &fields, request.header("x-set").as_bytes())?;
        }
        Ok(())
    });
    let fixed =
        |more| and(json!({"from": format!("https://{HOST}"), "allow_public_unauthenticated_access": true}), more);
    let vallum = Vallum::start(json!({"routes": [
        fixed(json!({"prefix": "/away", "redirect": {"host_redirect": "other.test", "prefix_rewrite": "/there"}})),
        fixed(json!({"prefix": "/fixed", "response": {"status": 203, "body": "as it is"}})),
        and(public_route(HOST, json!(upstream.url())), json!({
            "prefix": "/api",
            "prefix_rewrite": "/v1/",
            "set_request_headers": {"X-Set": "[${pomerium.request.headers[\"X-Asked\"]}]"},
            "rewrite_response_headers": [{"header": "Location", "prefix": "http://internal/", "value": "/api/"}],
        })),
    ]}));
    let mut client = Client::connect(vallum.address);

    let reply = client.get("/away/x?y=z");
    assert_eq!((reply.status, reply.header("location")), (301, "https://other.test/there/x?y=z"));

    let reply = client.get("/fixed");
    assert_eq!((reply.status, reply.body.as_slice()), (203, &b"as it is"[..]));
    assert_eq!(reply.header("x-frame-options"), "SAMEORIGIN");

    let id = client.request("GET", "/api/x?y=z", &[("x-asked", "over two")], true);
    let reply = client.finish(id);
    assert_eq!((reply.status, reply.body.as_slice()), (302, &b"[over two]"[..]));
    assert_eq!((reply.header("location"), reply.header("x-target")), ("/api/x", "/v1/x?y=z"));
    assert_eq!(reply.header("x-frame-options"), "SAMEORIGIN");

    assert_eq!(client.get("/api../secret").status, 400, "nobody climbs out of /v1");
    assert_eq!((client.goaway, upstream.requests().len()), (None, 1));
}
