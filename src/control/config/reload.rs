//! Loading again while running: the new plan whole, or the old one kept.

use std::path::{Path, PathBuf};

use super::check::Fallback;
use super::layers::Environment;
use super::problem::{Finding, Problem, Problems, Spot};
use super::section::Desk;
use super::{Loaded, load_with, text_with};
use crate::plan::listener::Listener;

/// What stands for the file in problems of the last good configuration.
const LAST_GOOD: &str = "the last good configuration";

/// Remembers what a reload must not change: the file, the environment, the secrets made up at the start, the listener.
#[derive(Debug)]
pub struct Reloader {
    file: Option<PathBuf>,
    env: Environment,
    fallback: Fallback,
    listener: Listener,
    generation: u64,
    checksum: u64,
}

impl Reloader {
    /// Loads the first generation.
    pub fn start(file: Option<&Path>, env: Environment) -> Result<(Reloader, Loaded), Problems> {
        let fallback = Fallback::random();
        let loaded = load_with(file, &env, 1, &fallback)?;
        Ok((Reloader::after(&loaded, file, env, fallback), loaded))
    }

    /// Loads the first generation from `text`, which served once, because `file` is bad now; reloads read the file.
    pub fn resort(text: &str, file: &Path, env: Environment) -> Result<(Reloader, Loaded), Problems> {
        let fallback = Fallback::random();
        let loaded = text_with(text, Path::new(LAST_GOOD), &env, 1, &fallback)?;
        Ok((Reloader::after(&loaded, Some(file), env, fallback), loaded))
    }

    fn after(loaded: &Loaded, file: Option<&Path>, env: Environment, fallback: Fallback) -> Reloader {
        Reloader {
            file: file.map(Path::to_owned),
            env,
            fallback,
            listener: loaded.plan.listener.clone(),
            generation: 1,
            checksum: loaded.plan.checksum,
        }
    }

    /// Loads the next generation. What needs a restart keeps its old value and is named in the warnings. On an error
    /// nothing changes: the caller goes on with the plan that it has.
    pub fn reload(&mut self) -> Result<Loaded, Problems> {
        let mut loaded = load_with(self.file.as_deref(), &self.env, self.generation + 1, &self.fallback)?;
        let kept = self.keep(&mut loaded.plan.listener);
        loaded.warnings.extend(kept);
        self.generation = loaded.plan.generation;
        self.checksum = loaded.plan.checksum;
        self.listener = loaded.plan.listener.clone();
        Ok(loaded)
    }

    /// Where the configuration comes from, for people.
    pub fn source(&self) -> String {
        self.file.as_ref().map_or_else(|| "the environment".to_owned(), |file| file.display().to_string())
    }

    /// The number of the plan in force.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The checksum of the plan in force.
    pub fn checksum(&self) -> u64 {
        self.checksum
    }

    /// Puts the old values back where a change needs a restart.
    fn keep(&self, new: &mut Listener) -> Vec<Problem> {
        let desk = Desk::default();
        let old = &self.listener;
        let needs_restart = |key: &str| {
            let message = format!("`{key}` has changed, which needs a restart; the old value stays in force");
            desk.problems.add(Finding::warning(&Spot::default(), key, message));
        };
        keep_value(&old.address, &mut new.address, || needs_restart("address"));
        keep_value(&old.insecure, &mut new.insecure, || needs_restart("insecure_server"));
        keep_value(&old.codec, &mut new.codec, || needs_restart("codec_type"));
        keep_value(&old.redirect, &mut new.redirect, || needs_restart("http_redirect_addr"));
        keep_value(&old.metrics, &mut new.metrics, || needs_restart("metrics_address"));
        keep_value(&old.health, &mut new.health, || needs_restart("health_check_addr"));
        keep_value(&old.admin, &mut new.admin, || needs_restart("admin_address"));
        keep_value(&old.admin_socket, &mut new.admin_socket, || needs_restart("admin_socket"));
        keep_value(&old.workers, &mut new.workers, || needs_restart("workers"));
        if old.proxy_protocol.is_some() != new.proxy_protocol.is_some() {
            needs_restart("use_proxy_protocol");
            new.proxy_protocol.clone_from(&old.proxy_protocol);
        }
        desk.problems.finish(None, "").list
    }
}

fn keep_value<T: PartialEq + Clone>(old: &T, new: &mut T, changed: impl FnOnce()) {
    if old != new {
        changed();
        new.clone_from(old);
    }
}
