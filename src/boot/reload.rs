//! Signals while running: adopting a new configuration, and stopping.

use std::sync::Arc;

use super::signals::{Signal, Signals};
use super::{launch, report, systemd};
use crate::control::config::{Problems, Reloader};
use crate::control::dns;
use crate::link::feed::Feed;
use crate::telemetry::logging;
use crate::telemetry::metrics::Catalogue;

/// What a reload works on.
pub struct Reloading {
    pub reloader: Reloader,
    pub feed: Feed,
    pub metrics: Arc<Catalogue>,
    pub resolver: dns::Resolver,
}

impl Reloading {
    /// Attends to signals until told to stop; a second stop ends the process at once.
    pub async fn attend(mut self, mut signals: Signals, stop: impl Fn()) {
        let mut stopping = false;
        loop {
            match signals.next().await {
                Signal::Reload => self.reload().await,
                Signal::Stop if stopping => {
                    tracing::warn!("stopped at once");
                    std::process::exit(0);
                }
                Signal::Stop => {
                    stopping = true;
                    tracing::info!("draining");
                    systemd::stopping();
                    stop();
                }
            }
        }
    }

    /// Builds the new plan whole, resolves its names, then publishes it to every worker; on failure the old one stays.
    async fn reload(&mut self) {
        systemd::reloading();
        match self.reloader.reload() {
            Ok(loaded) => {
                report::warn(&loaded.warnings);
                logging::set_level(launch::level(loaded.log_level));
                self.resolver.resolve(&loaded.plan).await;
                let (generation, checksum) = (loaded.plan.generation, loaded.plan.checksum);
                self.feed.publish(Arc::new(loaded.plan));
                self.metrics.config_adopted(generation, checksum);
                tracing::info!(generation, checksum, "configuration adopted");
            }
            Err(problems) => {
                self.metrics.config_refused();
                refuse(&problems, self.reloader.generation());
            }
        }
        systemd::ready(&format!("configuration generation {}", self.reloader.generation()));
    }
}

fn refuse(problems: &Problems, generation: u64) {
    for problem in &problems.list {
        tracing::error!(
            place = problem.place.as_ref().map(ToString::to_string).unwrap_or_default(),
            key = problem.key,
            help = problem.help.as_deref().unwrap_or_default(),
            "{}",
            problem.message
        );
    }
    tracing::error!(generation, "configuration refused; the old one stays in force");
}
