//! The control plane: everything that may wait.

pub mod admin;
pub mod config;
pub mod dns;
