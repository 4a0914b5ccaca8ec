//! What we must know of WebSocket (RFC 6455): the handshake, where it is ours (RFC 8441), and where a frame ends.

pub mod frames;
pub mod handshake;
