//! An upstream of HTTP/2 in clear text made of the crate `h2`, which tells what it was asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::ext::Protocol;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::Barrier;

/// Answers with what it received, by path: `/together/N` waits until N requests are there; `/refuse` refuses the first
/// stream of each path; anything else answers at once. Trailers follow each answer. A WebSocket is opened, with what was
/// asked in the field `x-asked`, and every byte of it sent back; but `/no` opens none.
pub struct Oracle {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

struct Shared {
    connections: AtomicUsize,
    requests: AtomicUsize,
    refused: AtomicUsize,
    /// Most streams at once on one connection.
    crowd: AtomicUsize,
    together: Barrier,
}

impl Oracle {
    /// `streams`: SETTINGS_MAX_CONCURRENT_STREAMS; `together`: how many requests to `/together` wait for each other.
    pub fn start(streams: Option<u32>, together: usize) -> Oracle {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let shared = Arc::new(Shared {
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            crowd: AtomicUsize::new(0),
            together: Barrier::new(together),
        });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = shared.clone();
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let number = serving.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(socket, streams, number, serving.clone()));
            }
        });
        Oracle { address, shared, _runtime: runtime }
    }

    pub fn url(&self) -> String {
        format!("h2c://{}", self.address)
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    pub fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::SeqCst)
    }

    /// Most streams that were open at once on one connection.
    pub fn crowd(&self) -> usize {
        self.shared.crowd.load(Ordering::SeqCst)
    }
}

async fn serve(socket: TcpStream, streams: Option<u32>, number: usize, shared: Arc<Shared>) {
    let mut builder = Builder::new();
    builder.enable_connect_protocol();
    if let Some(streams) = streams {
        builder.max_concurrent_streams(streams);
    }
    let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else { return };
    let open = Arc::new(AtomicUsize::new(0));
    while let Some(Ok((request, reply))) = connection.accept().await {
        shared.crowd.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let (shared, open) = (shared.clone(), open.clone());
        tokio::spawn(async move {
            let _ = answer(request, reply, number, &shared).await;
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut reply: SendResponse<Bytes>,
    number: usize,
    shared: &Shared,
) -> Result<(), h2::Error> {
    let (parts, mut body) = request.into_parts();
    if parts.uri.path() == "/refuse" && shared.refused.fetch_add(1, Ordering::SeqCst) == 0 {
        reply.send_reset(Reason::REFUSED_STREAM);
        return Ok(());
    }
    if let Some(protocol) = parts.extensions.get::<Protocol>() {
        shared.requests.fetch_add(1, Ordering::SeqCst);
        let described = json!({
            "method": parts.method.as_str(),
            "protocol": protocol.as_str(),
            "uri": parts.uri.to_string(),
            "fields": in_json(&parts.headers),
        });
        return websocket(parts.uri.path(), &described, body, reply).await;
    }
    let mut size = 0;
    while let Some(data) = body.data().await {
        let data = data?;
        size += data.len();
        body.flow_control().release_capacity(data.len())?;
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    shared.requests.fetch_add(1, Ordering::SeqCst);
    if parts.uri.path() == "/together" {
        shared.together.wait().await;
    }
    let described = json!({
        "connection": number,
        "method": parts.method.as_str(),
        "uri": parts.uri.to_string(),
        "fields": in_json(&parts.headers),
        "size": size,
        "trailers": in_json(&trailers),
    });
    let response = Response::builder().status(200).header("content-type", "application/json").body(()).unwrap();
    let mut stream = reply.send_response(response, false)?;
    stream.send_data(Bytes::from(described.to_string()), false)?;
    let mut trailers = HeaderMap::new();
    for (name, value) in TRAILERS {
        trailers.insert(*name, HeaderValue::from_static(value));
    }
    stream.send_trailers(trailers)
}

async fn websocket(
    path: &str,
    described: &Value,
    mut body: RecvStream,
    mut reply: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    if path == "/no" {
        let response = Response::builder().status(403).header("content-length", "2").body(()).unwrap();
        return reply.send_response(response, false)?.send_data(Bytes::from_static(b"no"), true);
    }
    let response = Response::builder().header("x-asked", described.to_string());
    let response = response.header("sec-websocket-protocol", "chat").header("sec-websocket-accept", "none");
    let mut stream = reply.send_response(response.body(()).unwrap(), false)?;
    while let Some(data) = body.data().await {
        let mut data = data?;
        body.flow_control().release_capacity(data.len())?;
        while !data.is_empty() {
            stream.reserve_capacity(data.len());
            let Some(room) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else { return Ok(()) };
            let room = room?.min(data.len());
            stream.send_data(data.split_to(room), false)?;
        }
    }
    stream.send_data(Bytes::new(), true)
}

/// What follows each answer: of these the first two may pass.
pub const TRAILERS: &[(&str, &str)] = &[
    ("x-sum", "42"),
    ("grpc-status", "0"),
    ("set-cookie", "a=b"),
    ("content-type", "text/html"),
    ("x_pomerium_claim_email", "root"),
    ("x-frame-options", "none"),
];

fn in_json(fields: &HeaderMap) -> Value {
    let mut map = Map::new();
    for (name, value) in fields {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let list = map.entry(name.as_str()).or_insert_with(|| json!([]));
        list.as_array_mut().unwrap().push(json!(value));
    }
    Value::Object(map)
}
