//! What is seen from outside: metrics, the access log, the authorize log, tracing.

pub mod access_log;
pub mod authorize_log;
pub mod build;
pub mod logging;
pub mod metrics;
