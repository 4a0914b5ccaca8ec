//! The page by requests to its router.

use super::*;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

const GOOD: &str = "\
insecure_server: true
shared_secret: dGhlIHNoYXJlZCBzZWNyZXQgb2YgYWxsIHRlc3RzISE=
cookie_secret: dGhlIGNvb2tpZSBzZWNyZXQgb2YgYWxsIHRlc3RzISE=
";

fn setup() -> (Arc<Setup>, mpsc::Receiver<Accepted>) {
    let (accepted, inbox) = mpsc::channel(1);
    (Arc::new(Setup { token: Token::random(), environment: Environment::new(), accepted }), inbox)
}

async fn submit(setup: &Arc<Setup>, token: &str, configuration: &str) -> (u16, String) {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("token", token)
        .append_pair("configuration", configuration)
        .finish();
    let request = Request::post("/").header("content-type", "application/x-www-form-urlencoded");
    let response = router(setup.clone()).oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn a_valid_configuration_with_the_right_token_is_stored() {
    let (setup, mut inbox) = setup();
    let keeper = tokio::spawn(async move {
        let first = inbox.recv().await.unwrap();
        first.stored.send(Err("the disk is full".into())).unwrap();
        let second = inbox.recv().await.unwrap();
        second.stored.send(Ok(())).unwrap();
        (first.text, second.text)
    });
    let token = setup.token.shown();
    let (status, page) = submit(&setup, &token, GOOD).await;
    assert_eq!((status, page.contains("the disk is full")), (500, true));
    assert_eq!(submit(&setup, &token, GOOD).await.0, 200);
    assert_eq!(keeper.await.unwrap(), (GOOD.to_owned(), GOOD.to_owned()));
}

#[tokio::test]
async fn nothing_is_stored_otherwise() {
    let (setup, mut inbox) = setup();
    let (status, page) = submit(&setup, "wrong", "a: <script>").await;
    assert_eq!(status, 403);
    assert!(page.contains("a: &lt;script&gt;") && !page.contains("<script>"), "{page}");
    let (status, page) = submit(&setup, &setup.token.shown(), "routes: none\n").await;
    assert_eq!(status, 422);
    assert!(page.contains("config.yaml:1:"), "{page}");
    for _ in 1..TRIES_MAX {
        assert_eq!(submit(&setup, "wrong", GOOD).await.0, 403);
    }
    assert_eq!(submit(&setup, &setup.token.shown(), GOOD).await.0, 403, "closed");
    assert!(inbox.try_recv().is_err());
}

#[tokio::test]
async fn the_form_is_shown_to_everybody_and_takes_only_so_much() {
    let (setup, _inbox) = setup();
    let response = router(setup.clone()).oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(submit(&setup, "x", &"a".repeat(FORM_BYTES_MAX)).await.0, 413);
}
