//! The API by requests to its router.

use super::*;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::control::config;
use crate::link::board::Board;

const CONFIGURATION: &str = "\
insecure_server: true
shared_secret: dGhlIHNoYXJlZCBzZWNyZXQgb2YgYWxsIHRlc3RzISE=
cookie_secret: dGhlIGNvb2tpZSBzZWNyZXQgb2YgYWxsIHRlc3RzISE=
routes:
  - {from: https://app.example.com, to: http://127.0.0.1:81, prefix: /a, allow_public_unauthenticated_access: true}
";

fn office() -> (Arc<Office>, mpsc::Receiver<ReloadRequest>) {
    let loaded = config::load_text(CONFIGURATION, "c.yaml".as_ref(), &Environment::new(), 1).unwrap();
    let (reloads, requests) = mpsc::channel(RELOADS_MAX);
    let about = About {
        address: "127.0.0.1:443".into(),
        driver: "epoll",
        workers: 1,
        configuration: "c.yaml".into(),
        started: Instant::now(),
    };
    let office = Office {
        about,
        health: Arc::new(Health::new(Board::new(1))),
        feed: Feed::new(Arc::new(loaded.plan)),
        log: Ring::default(),
        reloads,
        environment: Environment::new(),
        appliance: Appliance::default(),
    };
    (Arc::new(office), requests)
}

async fn ask(office: &Arc<Office>, method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path).body(Body::from(body.to_owned())).unwrap();
    let response = router(office.clone()).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

#[tokio::test]
async fn the_process_is_described_without_its_secrets() {
    let (office, _requests) = office();
    office.health.adopted(3, 4);
    let (status, described) = ask(&office, "GET", "/v1/status", "").await;
    assert_eq!((status, &described["generation"], &described["routes"]), (200, &json!(3), &json!(1)));
    assert_eq!(described["last_error"], Value::Null);
    office.health.refused("line 3: no".into());
    assert_eq!(ask(&office, "GET", "/v1/status", "").await.1["last_error"]["why"], "line 3: no");
    let (_, routes) = ask(&office, "GET", "/v1/routes", "").await;
    let route = &routes["routes"][0];
    assert_eq!((&route["from"], &route["match"]["prefix"]), (&json!("https://app.example.com"), &json!("/a")));
    assert_eq!(route["action"]["to"], json!(["http://127.0.0.1:81"]));
    assert_eq!(route["endpoints"], json!([{"address": "127.0.0.1:81", "weight": 1}]));
    assert_eq!(ask(&office, "GET", "/v1/health", "").await.1["checks"][0], "proxy.service");
    for answer in [described, routes] {
        assert!(!answer.to_string().contains("dGhl"), "{answer}");
    }
}

#[tokio::test]
async fn a_reload_is_answered_by_what_came_of_it() {
    let (office, mut requests) = office();
    let loader = tokio::spawn(async move {
        for adopted in [true, false] {
            let request = requests.recv().await.unwrap();
            request.answer.send(Reloaded { adopted, generation: 2, problems: Vec::new() }).unwrap();
        }
    });
    let (status, answer) = ask(&office, "POST", "/v1/reload", "").await;
    assert_eq!((status, &answer["adopted"], &answer["generation"]), (200, &json!(true), &json!(2)));
    assert_eq!(ask(&office, "POST", "/v1/reload", "").await.0, 422);
    loader.await.unwrap();
    assert_eq!(ask(&office, "POST", "/v1/reload", "").await.0, 503, "nobody loads any more");
    assert_eq!(ask(&office, "GET", "/v1/reload", "").await.0, 405);
}

#[tokio::test]
async fn a_configuration_is_judged_and_not_adopted() {
    let (office, _requests) = office();
    let good = CONFIGURATION;
    let (status, verdict) = ask(&office, "POST", "/v1/validate", good).await;
    assert_eq!((status, &verdict["valid"], &verdict["errors"]), (200, &json!(true), &json!(0)));
    let (status, verdict) = ask(&office, "POST", "/v1/validate", &good.replace("https://app", "app")).await;
    assert_eq!((status, &verdict["valid"]), (422, &json!(false)));
    assert!(verdict["report"].as_str().unwrap().contains("config.yaml:5:"), "{verdict}");
    assert_eq!(office.feed.current().generation, 1);
}

#[tokio::test]
async fn the_image_verbs_say_that_there_is_no_image() {
    let (office, _requests) = office();
    for (method, path, expected) in [
        ("GET", "/v1/image", 501),
        ("POST", "/v1/image/upgrade", 501),
        ("POST", "/v1/image/rollback", 501),
        ("POST", "/v1/image/explode", 404),
        ("GET", "/v1/nothing", 404),
    ] {
        let (status, answer) = ask(&office, method, path, "").await;
        assert_eq!(status, expected, "{path}");
        assert!(answer["error"].is_string(), "{answer}");
    }
}

#[tokio::test]
async fn too_much_is_refused() {
    let (office, _requests) = office();
    assert_eq!(ask(&office, "POST", "/v1/validate", &"#".repeat(CONFIG_BYTES_MAX as usize + 1)).await.0, 413);
    assert_eq!(ask(&office, "GET", "/v1/logs?lines=5001", "").await.0, 400);
    assert_eq!(ask(&office, "GET", "/v1/logs?lines=x", "").await.0, 400);
}
