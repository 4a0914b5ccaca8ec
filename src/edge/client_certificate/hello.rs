//! The server name in a ClientHello, read ahead of the session: what is asked of the client depends on it, and rustls'
//! unbuffered interface wants to know that before the first byte.

use rustls::server::Acceptor;

use crate::edge::wire::{READ_BYTES, Reader, TlsError};

/// Reads into `early` until the ClientHello is whole; returns its server name in lower case, without a last dot. What is no
/// ClientHello has none: the session itself will say what is wrong with it, by an alert.
pub async fn server_name(reader: &mut Reader, early: &mut Vec<u8>) -> Result<Option<String>, TlsError> {
    let mut acceptor = Acceptor::default();
    let mut taken = 0;
    loop {
        while taken < early.len() {
            let mut rest = &early[taken..];
            let before = rest.len();
            // A handshake message that is too long is refused by the acceptor, which bounds `early`.
            let count = acceptor.read_tls(&mut rest).unwrap_or(0);
            taken += before - rest.len();
            match acceptor.accept() {
                Ok(Some(accepted)) => {
                    let name = accepted.client_hello().server_name().map(str::to_ascii_lowercase);
                    return Ok(name.map(|name| name.trim_end_matches('.').to_owned()));
                }
                Ok(None) if count > 0 => {}
                Ok(None) | Err(_) => return Ok(None),
            }
        }
        if reader.read(early, READ_BYTES).await? == 0 {
            return Err(TlsError::Closed);
        }
    }
}
