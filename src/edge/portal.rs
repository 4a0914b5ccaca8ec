//! Requests for our own pages: handed to control as one message, answered with one response.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::codec::Client;
use super::codec::h1::After;
use super::exchange::Exchange;
use super::failure::Failure;
use super::respond;
use super::worker::Worker;
use crate::http::fields::FieldKind;
use crate::http::framing::BodyLength;
use crate::link::portal::{PortalError, VISIT_BODY_BYTES_MAX, Visit};
use crate::net::timer;

/// How long control may take for a page (it may have to ask the identity provider).
const PAGE_DEADLINE: Duration = Duration::from_secs(20);

/// Asks control for the page and answers with it.
pub async fn visit(worker: &Worker, client: &mut Client<'_>, exchange: &mut Exchange) -> Result<After, Failure> {
    let body = read_body(worker, client, exchange).await?;
    let request = request(exchange, body)?;
    let (answer, response) = oneshot::channel();
    let visit = Visit {
        request,
        client: SocketAddr::new(exchange.source, exchange.client.address.port()),
        request_id: (*exchange.request_id).into(),
        session: exchange.session.known.as_ref().map(|known| known.session.clone()),
        plan: (*exchange.plan).clone(),
        answer,
    };
    worker.door.portal.send(visit).map_err(|error| match error {
        PortalError::Busy => Failure::ControlBusy,
        PortalError::Closed => Failure::ControlSilent,
    })?;
    let response = match timer::timeout(PAGE_DEADLINE, response).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) | Err(_) => return Err(Failure::ControlSilent),
    };
    respond::page(worker, client, exchange, response).await
}

/// Our pages take small forms only.
async fn read_body(worker: &Worker, client: &mut Client<'_>, exchange: &mut Exchange) -> Result<Bytes, Failure> {
    if matches!(exchange.normal.body, BodyLength::None | BodyLength::Fixed(0)) {
        return Ok(Bytes::new());
    }
    if exchange.normal.expects_continue {
        client.invite().await?;
    }
    let timeouts = &exchange.plan.timeouts;
    let body = client.collect(worker, timeouts, exchange.normal.body, VISIT_BODY_BYTES_MAX).await?;
    // The body was read to its end, so the connection may go on.
    exchange.normal.body = BodyLength::None;
    Ok(body)
}

/// The request in absolute form, without hop-by-hop, identity and forwarding fields.
fn request(exchange: &Exchange, body: Bytes) -> Result<::http::Request<Bytes>, Failure> {
    let mut request = ::http::Request::builder().method(exchange.method()).uri(exchange.url());
    for field in exchange.head.fields() {
        let passes = matches!(
            field.kind,
            FieldKind::Other
                | FieldKind::Cookie
                | FieldKind::Accept
                | FieldKind::UserAgent
                | FieldKind::Referer
                | FieldKind::Origin
                | FieldKind::SecFetchMode
                | FieldKind::AccessControlRequestMethod
                | FieldKind::Authorization
        );
        if passes {
            request = request.header(exchange.head.bytes(field.name), exchange.head.bytes(field.value));
        }
    }
    request.body(body).map_err(|_| Failure::Internal("the request could not be handed to its page"))
}
