//! The control plane: everything that may wait.

pub mod clock;
pub mod config;
pub mod databroker;
pub mod dev;
pub mod sessions;
