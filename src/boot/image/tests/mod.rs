//! Whole updates, on a disk that is a file.

pub mod disk;
mod hostile;
mod power;
mod publisher;
mod web;
mod whole;
