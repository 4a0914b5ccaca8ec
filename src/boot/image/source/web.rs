//! Files from a web server.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::Sink;
use crate::boot::image::UpdateError;
use crate::control::oidc::fetch::{HttpClient, chain, client};

/// Longest silence of a server, connecting included.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Longest time for all files of a release.
const TIME_MAX: Duration = Duration::from_secs(20 * 60);

/// A folder on a web server.
pub struct Web {
    base: String,
    client: HttpClient,
    runtime: tokio::runtime::Runtime,
    began: Instant,
}

impl Web {
    /// Its time begins now.
    pub(super) fn new(url: Url) -> Result<Web, UpdateError> {
        let base = url.as_str().trim_end_matches('/').to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(UpdateError::Start)?;
        Ok(Web { base, client: client(), runtime, began: Instant::now() })
    }

    pub(super) fn download(&self, name: &str, sink: Sink) -> Result<(), UpdateError> {
        let url = format!("{}/{name}", self.base);
        self.runtime.block_on(async {
            let whole = timeout(TIME_MAX.saturating_sub(self.began.elapsed()), self.exchange(&url, sink));
            whole.await.unwrap_or_else(|_| Err(late(&url, "all files", TIME_MAX)))
        })
    }

    async fn exchange(&self, url: &str, sink: Sink<'_>) -> Result<(), UpdateError> {
        let failed = |cause: String| UpdateError::Fetch(url.to_owned(), cause);
        let request = Request::get(url).body(Full::<Bytes>::default()).map_err(|error| failed(error.to_string()))?;
        let answer = timeout(SILENCE_MAX, self.client.request(request)).await;
        let answer = answer.map_err(|_| late(url, "an answer", SILENCE_MAX))?.map_err(|error| failed(chain(&error)))?;
        match answer.status() {
            StatusCode::OK => take(answer, url, sink).await,
            status if status.is_redirection() => {
                Err(failed(format!("the answer is {status}, and no redirect is followed: name the place itself")))
            }
            status => Err(failed(format!("the answer is {status}"))),
        }
    }
}

async fn take(answer: Response<Incoming>, url: &str, sink: Sink<'_>) -> Result<(), UpdateError> {
    let mut body = answer.into_body();
    while let Some(frame) = timeout(SILENCE_MAX, body.frame()).await.map_err(|_| late(url, "more", SILENCE_MAX))? {
        let frame = frame.map_err(|error| UpdateError::Fetch(url.to_owned(), chain(&error)))?;
        if let Some(data) = frame.data_ref() {
            sink(data)?;
        }
    }
    Ok(())
}

fn late(url: &str, what: &str, limit: Duration) -> UpdateError {
    UpdateError::Fetch(url.to_owned(), format!("it was waited {} s for {what}", limit.as_secs()))
}
