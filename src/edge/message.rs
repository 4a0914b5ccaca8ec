//! What is asked of an MCP server: read from the body before the policy that asks for it, and put back untouched.

use bytes::Bytes;

use super::codec::Client;
use super::exchange::{Exchange, Message};
use super::failure::Failure;
use super::worker::Worker;
use crate::http::framing::BodyLength;
use crate::plan::policy::mcp;
use crate::plan::route::mcp::BODY_BYTES_DEFAULT;

/// Sets `exchange.message` from the body, and returns the body where it was read to its end. A body that is too large, or
/// says that it is something else, is not: whoever asked for the message refuses the request.
pub async fn read(worker: &Worker, client: &mut Client<'_>, exchange: &mut Exchange) -> Result<Option<Bytes>, Failure> {
    let bytes_max =
        exchange.route().and_then(|route| route.mcp.as_ref()).map_or(BODY_BYTES_DEFAULT, |mcp| mcp.body_bytes_max);
    if says_nothing(exchange) {
        return Ok(None);
    }
    let is_empty = matches!(exchange.normal.body, BodyLength::None | BodyLength::Fixed(0));
    exchange.message = Message::Unreadable;
    if is_empty || !says_json(exchange) {
        return Ok(None);
    }
    if exchange.normal.expects_continue {
        client.invite().await?;
        exchange.normal.expects_continue = false;
    }
    let timeouts = &exchange.plan.timeouts;
    let body = match client.collect(worker, timeouts, exchange.normal.body, bytes_max).await {
        Ok(body) => body,
        Err(Failure::BodyTooLarge) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    // Nothing of it is left to be read, so that the connection may go on after a refusal.
    exchange.normal.body = BodyLength::None;
    match mcp::Message::parse(&body) {
        Ok(message) => exchange.message = Message::Read(message.into()),
        Err(error) => {
            tracing::info!("request-id" = %exchange.request_id, %error, "a body is no MCP message");
        }
    }
    Ok(Some(body))
}

/// Whether a request has no body, and need not have one.
fn says_nothing(exchange: &Exchange) -> bool {
    matches!(exchange.normal.body, BodyLength::None | BodyLength::Fixed(0)) && exchange.method() != "POST"
}

/// What a policy sees that comes later than the body: where nobody looked for a message in it, nobody knows what it says.
pub fn fact(exchange: &Exchange) -> mcp::Mcp<'_> {
    match &exchange.message {
        Message::None if !says_nothing(exchange) => mcp::Mcp::Unreadable,
        message => message.fact(),
    }
}

/// Puts back the body that was read, to be sent on byte for byte; its length is known now, however it was framed.
pub fn put_back(client: &mut Client<'_>, exchange: &mut Exchange, body: &[u8]) {
    if !body.is_empty() {
        exchange.normal.body = BodyLength::Fixed(body.len() as u64);
        client.unread(body);
    }
}

/// Whether the client says that its body is JSON in UTF-8, the only charset that JSON has between systems (RFC 8259
/// section 8.1), and not coded in another way.
fn says_json(exchange: &Exchange) -> bool {
    let named = |wanted: &'static [u8]| {
        exchange.head.pairs().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    let mut types = named(b"content-type");
    let is_json = types.next().is_some_and(is_json) && types.next().is_none();
    is_json && named(b"content-encoding").next().is_none()
}

fn is_json(media_type: &[u8]) -> bool {
    let mut parts = media_type.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let is_utf8 = |parameter: &[u8]| match memchr::memchr(b'=', parameter).map(|at| parameter.split_at(at)) {
        Some((name, value)) if name.trim_ascii().eq_ignore_ascii_case(b"charset") => {
            let value = value[1..].trim_ascii();
            value.eq_ignore_ascii_case(b"utf-8") || value.eq_ignore_ascii_case(b"\"utf-8\"")
        }
        _ => true,
    };
    parts.next().is_some_and(|media| media.eq_ignore_ascii_case(b"application/json")) && parts.all(is_utf8)
}

/// What a program of MCP is told instead of `failure`: an error of JSON-RPC for a message that has a method, and where
/// to sign in for everything else that it asks of an MCP server.
pub async fn refusal(worker: &Worker, client: &mut Client<'_>, exchange: &mut Exchange, failure: Failure) -> Failure {
    let is_server = exchange.route().is_some_and(|route| route.mcp.is_some());
    match failure {
        Failure::Denied { status: 403, .. } => {
            // The policy did not ask for the message; the answer does.
            if is_server && matches!(exchange.message, Message::None) && read(worker, client, exchange).await.is_err() {
                return Failure::ClientGone;
            }
            match &exchange.message {
                Message::Read(message) if message.method.is_some() => {
                    Failure::CallDenied { id: message.id.clone().into() }
                }
                _ if is_server => Failure::Challenge { metadata: metadata(exchange) },
                _ => failure,
            }
        }
        Failure::Unauthenticated if is_server => Failure::Challenge { metadata: metadata(exchange) },
        failure => failure,
    }
}

/// Where the metadata of the protected resource is (RFC 9728 section 3.1).
fn metadata(exchange: &Exchange) -> String {
    let path = exchange.route().and_then(|route| route.mcp.as_ref()).map_or("", |mcp| &mcp.path);
    let port = exchange.authority().port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("https://{}{port}/.well-known/oauth-protected-resource{path}", exchange.host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_utf_8() {
        let good = ["application/json", "Application/JSON ; charset=UTF-8", "application/json;charset=\"utf-8\";a=b"];
        for value in good {
            assert!(is_json(value.as_bytes()), "{value}");
        }
        let bad = ["", "text/json", "application/json+x", "application/json; charset=utf-16", "application/json, x"];
        for value in bad {
            assert!(!is_json(value.as_bytes()), "{value}");
        }
    }
}
