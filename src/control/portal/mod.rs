//! Our own pages: signing in and out, the user page, the well-known documents.
//!
//! Every visit runs in a task of its own, within [`VISIT_TIME_MAX`]; a panic costs that visit alone. All state of a
//! sign-in travels sealed through the browser, so that it survives a restart and ends on any node.

mod answer;
mod callback;
mod cookies;
mod device;
mod flow;
mod guest;
mod handover;
mod login_api;
mod refusal;
mod replay;
mod sign_in;
mod sign_out;
mod target;
#[cfg(test)]
mod tests;
mod user;
mod well_known;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ::http::{Method, Response, StatusCode};
use bytes::Bytes;
use tokio::sync::Semaphore;

use answer::Answered;
use guest::Guest;
use refusal::Refusal;
use replay::Replays;

use super::databroker::Databroker;
use super::oidc::Providers;
use crate::link::portal::{PortalInbox, Visit};
use crate::link::revocations::Revocations;
use crate::plan::sign_in::{DEVICE_PATH, SIGN_IN_PATH};

/// Longest life of a visit; the provider may have to be asked meanwhile.
pub const VISIT_TIME_MAX: Duration = Duration::from_secs(15);
/// Most visits at work at one time; further ones wait in the inbox.
pub const VISITS_AT_WORK_MAX: usize = 256;

/// What the pages work with. Cheap to clone.
#[derive(Clone)]
pub struct PortalState {
    databroker: Databroker,
    providers: Providers,
    revocations: Revocations,
    replays: Arc<Replays>,
}

impl PortalState {
    pub fn new(databroker: Databroker, providers: Providers, revocations: Revocations) -> Self {
        PortalState { databroker, providers, revocations, replays: Arc::default() }
    }
}

/// Serves visits until the edge is gone.
pub async fn serve(mut inbox: PortalInbox, state: PortalState) {
    let room = Arc::new(Semaphore::new(VISITS_AT_WORK_MAX));
    while let Some(visit) = inbox.recv().await {
        // The semaphore is never closed.
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let state = state.clone();
        tokio::spawn(async move {
            attend(visit, state).await;
            drop(permit);
        });
    }
}

/// Answers one visit, whatever becomes of the page.
async fn attend(visit: Visit, state: PortalState) {
    let Visit { request, request_id, session, plan, answer, client: _ } = visit;
    let response = match Guest::new(request, request_id, session, plan).map(Arc::new) {
        Some(guest) => {
            let page = guest.clone();
            bounded(&guest, async move { respond(&state, &page).await }).await
        }
        None => answer::finish(answer::bare(StatusCode::BAD_REQUEST)),
    };
    // The client may have gone.
    let _ = answer.send(response);
}

/// What `work` answers; a page of ours when it panics or takes too long.
async fn bounded(guest: &Guest, work: impl Future<Output = Response<Bytes>> + Send + 'static) -> Response<Bytes> {
    let task = tokio::spawn(work);
    let abort = task.abort_handle();
    match tokio::time::timeout(VISIT_TIME_MAX, task).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => answer::finish(Refusal::internal("This page failed.").into_response(guest)),
        Err(_) => {
            abort.abort();
            answer::finish(Refusal::silent_provider().into_response(guest))
        }
    }
}

async fn respond(state: &PortalState, guest: &Guest) -> Response<Bytes> {
    let response = match dispatch(state, guest).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(guest),
    };
    answer::finish(response)
}

/// Which page a path is. Pages of signing in exist on the host that signs in alone.
async fn dispatch(state: &PortalState, guest: &Guest) -> Answered {
    let is_get = [Method::GET, Method::HEAD].contains(guest.method());
    let is_post = guest.method() == Method::POST;
    let only_get = || if is_get { Ok(()) } else { Err(Refusal::method("GET, HEAD")) };
    let signs_in = guest.is_sign_in_host();
    match guest.url.path() {
        SIGN_IN_PATH if signs_in => {
            only_get()?;
            sign_in::page(state, guest).await
        }
        callback::PATH if signs_in && (is_get || is_post) => callback::page(state, guest).await,
        callback::PATH if signs_in => Err(Refusal::method("GET, POST")),
        handover::PATH | "/.pomerium/callback" => {
            only_get()?;
            handover::page(state, guest).await
        }
        "/.pomerium" | "/.pomerium/" => {
            only_get()?;
            user::page(guest)
        }
        "/.pomerium/user" => {
            only_get()?;
            user::json(guest)
        }
        DEVICE_PATH => {
            only_get()?;
            device::page(guest)
        }
        sign_out::PATH if is_get => sign_out::confirm(guest),
        sign_out::PATH if is_post => sign_out::perform(state, guest).await,
        sign_out::PATH => Err(Refusal::method("GET, HEAD, POST")),
        sign_out::DONE_PATH if signs_in => {
            only_get()?;
            sign_out::done(guest)
        }
        login_api::PATH => {
            only_get()?;
            login_api::answer(guest)
        }
        well_known::PATH => {
            only_get()?;
            Ok(well_known::document(guest))
        }
        well_known::KEYS_PATH => {
            only_get()?;
            Ok(well_known::keys(guest))
        }
        "/robots.txt" if guest.is_authenticate_host() => Ok(answer::text("User-agent: *\nDisallow: /\n")),
        "/" if guest.is_authenticate_host() => Ok(answer::redirect("/.pomerium/")),
        "/ping" | "/healthz" if guest.is_authenticate_host() => {
            only_get()?;
            Ok(answer::text("OK\n"))
        }
        _ => Err(Refusal::not_found()),
    }
}
