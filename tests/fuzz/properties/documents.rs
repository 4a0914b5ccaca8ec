//! What operators write: policies and configurations.

use std::cell::OnceCell;

use serde_json::Value;
use tempfile::TempDir;
use vallum::control::config::{self, Environment, PROBLEMS_KEPT_MAX};
use vallum::plan::policy::{Facts, Legacy, Policy};

const METHODS: [&str; 3] = ["GET", "POST", ""];
const SOURCES: [&str; 3] = ["192.0.2.1", "::1", "::ffff:10.0.0.1"];

/// A policy compiles to one meaning or to errors that can be shown, and decides on anybody.
pub fn policy(data: &[u8]) {
    let Ok(document) = serde_json::from_slice::<Value>(data) else { return };
    let compile = || Policy::compile(&Legacy::default(), Some(&document));
    match compile() {
        Ok(policy) => {
            assert_eq!(compile().as_ref(), Ok(&policy));
            for (method, source) in METHODS.into_iter().zip(SOURCES) {
                let source = source.parse().unwrap();
                let facts = Facts { method, path: "/a", source, ..Facts::default() };
                assert_eq!(policy.decide(&facts), policy.decide(&facts));
            }
        }
        Err(errors) => assert!(!errors.is_empty() && errors.iter().all(|error| !error.to_string().is_empty())),
    }
}

/// A configuration loads or is refused with reasons, each at a place within the text, and the same way every time.
pub fn config(data: &[u8]) {
    thread_local!(static FOLDER: OnceCell<TempDir> = const { OnceCell::new() });
    // Names of files are for the system to judge, not for this property.
    let names_files = data.windows(5).any(|word| word.eq_ignore_ascii_case(b"_file")) || data.contains(&b'/');
    if names_files {
        return;
    }
    FOLDER.with(|folder| {
        let file = folder.get_or_init(|| TempDir::new().expect("a folder")).path().join("config.yaml");
        std::fs::write(&file, data).expect("a file");
        let lines = data.iter().filter(|b| **b == b'\n').count() + 2;
        let load = || config::load(Some(&file), &Environment::new(), 1);
        let problems = match load() {
            Ok(loaded) => {
                assert_eq!(load().expect("the same again").plan.checksum, loaded.plan.checksum);
                loaded.warnings
            }
            Err(problems) => {
                assert!(!problems.list.is_empty());
                problems.list
            }
        };
        assert!(problems.len() <= PROBLEMS_KEPT_MAX + 1, "{} problems", problems.len());
        for problem in &problems {
            assert!(problem.place.as_ref().is_none_or(|place| place.line as usize <= lines), "{problem:?}");
        }
    });
}
