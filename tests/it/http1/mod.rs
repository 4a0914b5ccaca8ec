//! HTTP/1.1 as clients and upstreams speak it, on good days and bad ones.

mod bodies;
mod framing;
mod upstreams;
