//! One request and its answer, bounded in time and size.

use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::transport::Target;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for an answer to begin: a reload may take a minute.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(75);
/// Largest answer.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Why nothing came of a question.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("{0}")]
    Usage(&'static str),
    #[error("{0:?} is no name that a certificate can carry; give one with `--server-name`")]
    Name(String),
    #[error("{path}: {1}", path = .0.display())]
    File(PathBuf, String),
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
    #[error("{0}: {1}{2}")]
    Connect(String, std::io::Error, &'static str),
    #[error("{0}: no answer within {1} s")]
    Late(String, u64),
    #[error("{0}: {1}")]
    Http(String, hyper::Error),
    #[error("{0}")]
    Refused(String),
    #[error("{0}: the answer ({1}) is not what this version expects")]
    Strange(String, StatusCode),
}

/// A target and what it takes to ask it.
pub(super) struct Asking {
    target: Target,
    runtime: tokio::runtime::Runtime,
}

impl Asking {
    pub(super) fn new(target: Target) -> Result<Asking, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Asking { target, runtime: runtime.map_err(ClientError::Runtime)? })
    }

    /// Asks, and reads the answer as JSON.
    pub(super) fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Value), ClientError> {
        self.runtime.block_on(async {
            let response = self.send(method, path, body).await?;
            let status = response.status();
            let mut bytes = BytesMut::new();
            let whole = async { each(response, |some| bytes.extend_from_slice(some)).await };
            tokio::time::timeout(ANSWER_TIMEOUT, whole).await.map_err(|_| self.late())?.map_err(|e| self.http(e))?;
            let value = serde_json::from_slice(&bytes).map_err(|_| self.strange(status))?;
            Ok((status, value))
        })
    }

    /// Asks, and gives each piece of the answer to `take` as it comes, until it ends.
    pub(super) fn follow(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        take: impl FnMut(&[u8]),
    ) -> Result<StatusCode, ClientError> {
        self.runtime.block_on(async {
            let response = self.send(method, path, body).await?;
            let status = response.status();
            each_unbounded(response, take).await.map_err(|error| self.http(error))?;
            Ok(status)
        })
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, ClientError> {
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, self.target.connect()).await.map_err(|_| self.late())?;
        let stream = connected.map_err(|error| self.unreachable(error))?;
        let handshake = hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.http(error))?;
        tokio::spawn(connection);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(|_| ClientError::Usage("the request cannot be written"))?;
        request.headers_mut().insert(header::HOST, header::HeaderValue::from_static("vallum"));
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, sender.send_request(request)).await;
        answer.map_err(|_| self.late())?.map_err(|error| self.http(error))
    }

    fn unreachable(&self, error: std::io::Error) -> ClientError {
        let help = match (&self.target, error.kind()) {
            (Target::Local(_), std::io::ErrorKind::NotFound) => {
                "; does Vallum run here? name its socket with `--socket`, or another machine with `--host`"
            }
            (Target::Local(_), std::io::ErrorKind::PermissionDenied) => "; the socket is its user's and root's alone",
            _ => "",
        };
        ClientError::Connect(self.target.to_string(), error, help)
    }

    fn late(&self) -> ClientError {
        ClientError::Late(self.target.to_string(), ANSWER_TIMEOUT.as_secs())
    }

    fn http(&self, error: hyper::Error) -> ClientError {
        ClientError::Http(self.target.to_string(), error)
    }

    /// Whether this is the health port, which knows nothing of the API.
    pub(super) fn is_probe(&self) -> bool {
        matches!(self.target, Target::Plain(_))
    }

    pub(super) fn strange(&self, status: StatusCode) -> ClientError {
        ClientError::Strange(self.target.to_string(), status)
    }
}

/// The pieces of a body up to [`ANSWER_BYTES_MAX`]; what is beyond is left out.
async fn each(response: Response<Incoming>, mut take: impl FnMut(&[u8])) -> Result<(), hyper::Error> {
    let mut room = ANSWER_BYTES_MAX;
    each_unbounded(response, |some| {
        take(&some[..some.len().min(room)]);
        room -= some.len().min(room);
    })
    .await
}

async fn each_unbounded(response: Response<Incoming>, mut take: impl FnMut(&[u8])) -> Result<(), hyper::Error> {
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            take(data);
        }
    }
    Ok(())
}
