//! The same refusal, told to each kind of client in its own way.

use serde_json::{Value, json};

use crate::harness::vallum::{HOST, clear, get};
use crate::harness::{Answer, Upstream, Vallum};

/// A clear listener and one route with `policy`.
fn start(upstream: &Upstream, policy: Value) -> Vallum {
    Vallum::start(clear(json!([{"from": format!("https://{HOST}"), "to": upstream.url(), "policy": policy}])))
}

fn ask(vallum: &Vallum, path: &str, fields: &str) -> Answer {
    vallum.connect().ask(get(HOST, path, fields))
}

const KUBECTL: &str = "User-Agent: kubectl/v1.30 kubernetes/abc\r\n";
const JSON: &str = "Accept: application/json\r\n";
const GRPC: &str = "Content-Type: application/grpc\r\nTE: trailers\r\n";

#[test]
fn a_refusal_is_told_to_each_in_its_own_way() {
    let upstream = Upstream::echo();
    let vallum = start(&upstream, json!([{"allow": {"or": [{"http_method": "POST"}]}}]));

    let page = ask(&vallum, "/", "Accept: text/html\r\n");
    assert_eq!((page.status, page.header("content-type")), (403, "text/html; charset=utf-8"));
    assert!(page.text().contains(page.header("x-request-id")));

    let json_answer = ask(&vallum, "/", JSON);
    assert_eq!(json_answer.status, 403);
    assert_eq!(json_answer.json()["error"], "Forbidden");
    assert_eq!(json_answer.json()["request_id"], json_answer.header("x-request-id"));

    let status = ask(&vallum, "/", KUBECTL);
    assert_eq!(status.status, 403);
    let body = status.json();
    for (key, value) in [("kind", "Status"), ("apiVersion", "v1"), ("status", "Failure"), ("reason", "Forbidden")] {
        assert_eq!(body[key], value, "{body}");
    }
    assert_eq!(body["code"], 403);

    let grpc = ask(&vallum, "/", GRPC);
    assert_eq!((grpc.status, grpc.header("grpc-status")), (200, "7"));
    assert!(upstream.requests().is_empty());
}

#[test]
fn crawlers_are_told_to_stay_away() {
    let upstream = Upstream::echo();
    let vallum = start(&upstream, json!([{"allow": {"or": [{"authenticated_user": true}]}}]));
    for fields in ["", "Accept: text/html\r\n", JSON] {
        let answer = ask(&vallum, "/robots.txt", fields);
        assert_eq!((answer.status, answer.text().as_str()), (200, "User-agent: *\nDisallow: /"), "{fields}");
        assert!(answer.header("content-type").starts_with("text/plain"));
    }
    assert_eq!(ask(&vallum, "/robots.txt", KUBECTL).status, 401);
    assert_eq!(ask(&vallum, "/robots.txt/x", JSON).status, 401);
    let answer = ask(&vallum, "/", JSON);
    assert_eq!((answer.status, &answer.json()["error"]), (401, &json!("Unauthenticated")));
    assert_eq!(ask(&vallum, "/", GRPC).header("grpc-status"), "16");
    assert!(upstream.requests().is_empty());
}

#[test]
fn the_clock_decides() {
    let upstream = Upstream::echo();
    for (criterion, status, reason) in [
        (json!({"date": {"after": "2020-01-01"}}), 200, "date-ok"),
        (json!({"date": {"before": "2020-01-01"}}), 403, "date-unauthorized"),
        (json!({"day_of_week": "*"}), 200, "day-of-week-ok"),
        (json!({"time_of_day": {"timezone": "Asia/Tokyo", "before": "23:59:59.999"}}), 200, "time-of-day-ok"),
        (json!({"ssh_username": {"not": "root"}}), 403, "ssh-username-unauthorized"),
    ] {
        let vallum = start(&upstream, json!([{"allow": {"and": [criterion]}}]));
        assert_eq!(ask(&vallum, "/", "").status, status, "{criterion}");
        let line = vallum.wait_for_log(&[("message", json!("authorize check"))]);
        let key = if status == 200 { "allow-why-true" } else { "allow-why-false" };
        assert_eq!(line[key], json!([reason]), "{line}");
    }
}
