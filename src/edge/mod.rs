//! The data plane: one copy per core, on io_uring; it never blocks.
//!
//! [`street`] is the place to start reading: it knows the order of the stations.

pub mod accept;
pub mod authorities;
pub mod authorize;
pub mod balance;
pub mod body;
pub mod buffers;
pub mod client_certificate;
pub mod clock;
pub mod codec;
pub mod deadline;
pub mod drain;
pub mod exchange;
pub mod failure;
pub mod flow;
pub mod gate;
pub mod limits;
pub mod message;
pub mod oversight;
pub mod pace;
pub mod portal;
pub mod preface;
pub mod race;
pub mod record;
pub mod relay;
pub mod request_id;
pub mod residuals;
pub mod respond;
pub mod rewrite;
pub mod route;
pub mod sanitize;
pub mod session;
pub mod street;
pub mod tls;
pub mod trailers;
pub mod tunnel;
pub mod upstream;
pub mod vouch;
pub mod websocket;
pub mod wire;
pub mod worker;

#[cfg(test)]
mod tests;
