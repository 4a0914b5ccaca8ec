//! The wire formats. They differ here and nowhere after.

pub mod h1;
pub mod h2;
