//! Vallum: an identity-aware edge load balancer.
//!
//! The modules in street order, from the ground up. A module may name only those above it in this
//! list (`boot` may name all of them); `tests/it/layering.rs` keeps that true.
//!
//! | module      | what it is                                                              |
//! |-------------|-------------------------------------------------------------------------|
//! | `net`       | the io_uring runtime and the only place with `unsafe`                   |
//! | `http`      | what HTTP means, shared by every codec; no I/O                          |
//! | `crypto`    | sealing, signing, key derivation: thin wrappers                         |
//! | `telemetry` | metrics, access log, authorize log, tracing                             |
//! | `plan`      | the compiled, immutable configuration and the pure decisions upon it    |
//! | `link`      | the only door between the planes                                        |
//! | `edge`      | the data plane: one copy per core, never blocks                         |
//! | `control`   | the control plane: configuration, sign-in, sessions, names, pages       |
//! | `boot`      | the composition root: command line, workers, signals                    |

#![deny(unsafe_code)]

pub mod net;

pub mod http;

pub mod crypto;

pub mod telemetry;

pub mod plan;

pub mod link;

pub mod edge;

pub mod control;

pub mod boot;
