//! The integration tests: the real binary, real peers, badly behaved clients and upstreams.
//!
//! Every test starts its own processes on ports that the system chooses and ends them by itself. Nothing sleeps to
//! wait for something: `harness::wait_until` polls with a deadline.

// A test that cannot go on says where and fails: that is what `unwrap` does.
#![allow(clippy::unwrap_used)]

mod harness;

mod admin;
mod appliance;
mod config;
mod confusion;
mod copies;
mod e2e;
mod errors;
mod fuzz;
mod grpc;
mod health;
mod hostile_upstream;
mod http1;
mod http2;
mod layering;
mod limits;
mod load;
mod managed;
mod metrics;
mod mtls;
mod oversight;
mod policy;
mod proxy_protocol;
mod release_profile;
mod routes;
mod signin;
mod smuggling;
mod spoofing;
mod systemd;
mod tls;
mod tossing;
mod tunnels;
mod why;
