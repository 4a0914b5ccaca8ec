//! The control plane: everything that may wait.

pub mod config;
pub mod dev;
