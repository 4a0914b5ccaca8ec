//! How long is this body: one answer (RFC 9112 section 6).
