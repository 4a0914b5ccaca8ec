//! The metric catalogue, and the cells in which each worker counts without sharing.
