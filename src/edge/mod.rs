//! The data plane: one copy per core, on io_uring; it never blocks.

pub mod deadline;
pub mod wire;
