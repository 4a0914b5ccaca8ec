//! The data plane: one copy per core, never blocks.

pub mod preface;
