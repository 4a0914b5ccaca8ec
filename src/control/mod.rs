//! The control plane: everything that may wait.

pub mod config;
pub mod databroker;
pub mod dev;
pub mod oidc;
