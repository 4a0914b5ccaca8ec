//! Client certificates: who is asked for one, and on which terms it is valid.
//!
//! A client is asked by the name it connects to ([`Index`]), before anything of its requests is known; what was shown is
//! judged for each request by the [`Terms`] of its route, since a reload may have changed them in between.

mod flaw;
mod index;
mod leaf;
mod terms;

#[cfg(test)]
mod tests;

pub use flaw::{Flaw, Standing};
pub use index::{Ask, Index, IndexError, TERMS_MAX};
pub use leaf::{Leaf, Names, hexadecimal};
pub use terms::{Digest, Enforcement, NameKind, NamePattern, Parts, Terms, TermsError};
