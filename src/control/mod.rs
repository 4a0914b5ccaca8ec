//! The control plane: everything that may wait.

pub mod admin;
pub mod clock;
pub mod config;
pub mod databroker;
pub mod dev;
pub mod dns;
pub mod health;
pub mod identity;
pub mod oidc;
pub mod plain;
pub mod portal;
pub mod redirect;
pub mod scrape;
pub mod sessions;
pub mod setup;
