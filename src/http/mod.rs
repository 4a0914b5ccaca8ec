//! What HTTP means, for every version of it, without I/O (RFC 9110, 9112).

pub mod authority;
pub mod cookie;
pub mod fields;
pub mod framing;
pub mod head;
pub mod page;
pub mod path;
pub mod trailers;
