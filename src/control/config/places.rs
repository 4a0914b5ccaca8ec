//! Where routes, their rules and criteria were written: from the places that a policy knows (steps from its route on) to
//! lines of the file.

use std::path::{Path, PathBuf};

use super::problem::{Place, Spot};
use super::sections::Sections;
use super::text::{self, tree::Value};
use super::written;
use crate::plan::policy::Step;

/// The places of a configuration's routes.
#[derive(Debug, Default)]
pub struct Places {
    file: Option<PathBuf>,
    routes: Vec<OfRoute>,
}

/// What is known of one route.
#[derive(Debug)]
pub(super) struct OfRoute {
    /// `routes[3]`.
    path: String,
    spot: Spot,
    /// Path and place of each rule and criterion.
    written: Vec<(String, Spot)>,
}

/// The places of every route, in the order of the configuration.
pub(super) fn of_routes(sections: &Sections) -> Vec<OfRoute> {
    let one = |section: &super::sections::route::Route| {
        let policy = section.access.policy.as_ref();
        let document = policy.and_then(|typed| match &typed.value.value {
            // Problems of the text were told when it was compiled.
            Value::Text(text) => text::parse_at(text, &typed.spot, &super::problem::Collector::default()).ok(),
            _ => Some(typed.value.clone()),
        });
        let rules = written::rules(&section.access, document.as_ref(), &section.path_of_route);
        let written = rules.into_iter().flat_map(|rule| {
            let criteria = rule.criteria.into_iter().map(|criterion| (criterion.path, criterion.spot));
            std::iter::once((rule.path, rule.spot)).chain(criteria)
        });
        OfRoute { path: section.path_of_route.clone(), spot: section.spot.clone(), written: written.collect() }
    };
    sections.routes.iter().map(one).collect()
}

impl Places {
    pub(super) fn new(file: Option<&Path>, routes: Vec<OfRoute>) -> Self {
        Places { file: file.map(Path::to_owned), routes }
    }

    /// Where the route at `index` begins; `None` when it came from the environment.
    pub fn route(&self, index: usize) -> Option<Place> {
        self.place(&self.routes.get(index)?.spot)
    }

    /// Where a part of the route at `index` was written: what is nearest to `steps`, and at the furthest the route.
    pub fn within(&self, index: usize, steps: &[Step]) -> Option<Place> {
        let route = self.routes.get(index)?;
        let mut path = route.path.clone();
        let mut best = &route.spot;
        for step in steps {
            match step {
                Step::Key(key) => path.push_str(&format!(".{key}")),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
            let known = route.written.iter().find(|(known, _)| {
                // The legacy fields are known by their values, and asked for as a whole.
                known.strip_prefix(&*path).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
            });
            best = known.map_or(best, |(_, spot)| spot);
        }
        self.place(best)
    }

    fn place(&self, spot: &Spot) -> Option<Place> {
        let file = self.file.clone().filter(|_| spot.is_known())?;
        Some(Place { file, line: spot.line, column: spot.column })
    }
}
