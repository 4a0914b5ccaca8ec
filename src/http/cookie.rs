//! The `Cookie` field (RFC 6265): finding ours, removing ours.
