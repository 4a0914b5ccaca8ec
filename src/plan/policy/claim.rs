//! Where a claim is found: by its exact name, else by descending along a dotted or slashed path.

use std::slice;

use serde_json::Value;

use crate::plan::session::Session;

/// The longest path that is descended, in segments; longer ones are names only, as in Pomerium.
const SEGMENTS_MAX: usize = 5;

/// The path of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath {
    /// As written, behind `claim/`.
    pub(super) name: Box<str>,
    /// 2 to [`SEGMENTS_MAX`] segments; else empty.
    segments: Box<[Box<str>]>,
}

impl ClaimPath {
    pub(super) fn new(name: &str) -> ClaimPath {
        let segments: Box<[Box<str>]> = name.split(['.', '/']).map(Box::from).collect();
        let descends = (2..=SEGMENTS_MAX).contains(&segments.len());
        ClaimPath { name: name.into(), segments: if descends { segments } else { Box::default() } }
    }

    /// The values of the claim; empty when it is missing.
    pub(super) fn values<'a>(&self, session: &'a Session) -> &'a [Value] {
        match claim(session, &self.name) {
            Some(values) => values,
            None => self.descend(session).unwrap_or_default(),
        }
    }

    /// A nested claim is held by the session as a list of one object.
    fn descend<'a>(&self, session: &'a Session) -> Option<&'a [Value]> {
        let (first, rest) = self.segments.split_first()?;
        let [root] = claim(session, first)? else { return None };
        let value = rest.iter().try_fold(root, |here, segment| here.as_object()?.get(&**segment))?;
        Some(match value {
            Value::Array(values) => values,
            one => slice::from_ref(one),
        })
    }
}

/// The user's claim if there is one, even an empty one; else the session's.
fn claim<'a>(session: &'a Session, name: &str) -> Option<&'a [Value]> {
    session.user_claims.get(name).or_else(|| session.claims.get(name)).map(Vec::as_slice)
}
