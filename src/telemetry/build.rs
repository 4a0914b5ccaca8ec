//! What was built.

/// The package's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The source revision, `unknown` when the build did not say (`VALLUM_REVISION`).
pub const REVISION: &str = match option_env!("VALLUM_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
