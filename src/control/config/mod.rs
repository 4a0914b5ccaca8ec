//! The configuration: file text → sections → check → plan.
