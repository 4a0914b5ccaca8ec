//! Whole updates, on a disk that is a file.

pub mod disk;
mod hostile;
mod power;
pub mod publisher;
mod signed;
mod web;
mod whole;
