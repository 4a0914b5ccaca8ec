//! The control plane: everything that may wait.
