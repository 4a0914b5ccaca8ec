//! Signals while running: adopting a new configuration, and stopping.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::managed::keeping::Keeping;
use super::signals::{Signal, Signals};
use super::{launch, report, systemd};
use crate::control::admin::{ReloadRequest, Reloaded};
use crate::control::config::{Problems, Reloader, Severity};
use crate::control::dns;
use crate::control::health::{Health, Phase};
use crate::link::feed::Feed;
use crate::telemetry::logging;
use crate::telemetry::metrics::Catalogue;

/// What a reload works on.
pub struct Reloading {
    pub reloader: Reloader,
    pub feed: Feed,
    pub metrics: Arc<Catalogue>,
    pub resolver: dns::Resolver,
    pub health: Arc<Health>,
    pub keeping: Keeping,
}

impl Reloading {
    /// Attends to signals until told to stop; a second stop ends the process at once.
    pub async fn attend(mut self, mut signals: Signals, mut requests: mpsc::Receiver<ReloadRequest>, stop: impl Fn()) {
        let mut stopping = false;
        loop {
            let signal = tokio::select! {
                biased;
                signal = signals.next() => signal,
                Some(request) = requests.recv(), if !stopping => {
                    let reloaded = self.reload().await;
                    // Who asked may have gone away.
                    let _ = request.answer.send(reloaded);
                    continue;
                }
            };
            match signal {
                Signal::Reload => drop(self.reload().await),
                Signal::Stop if stopping => {
                    tracing::warn!("stopped at once");
                    std::process::exit(0);
                }
                Signal::Stop => {
                    stopping = true;
                    self.health.enter(Phase::Terminating);
                    systemd::stopping();
                    self.notice(&mut signals).await;
                    tracing::info!("draining");
                    stop();
                }
            }
        }
    }

    /// Gives load balancers the time to see that we are not ready any more, while every client is still served. A second
    /// stop cuts it short.
    async fn notice(&self, signals: &mut Signals) {
        let notice = self.feed.current().listener.drain_notice;
        if notice.is_zero() {
            return;
        }
        tracing::info!(notice_ms = notice.as_millis() as u64, "not ready any more; serving on for a while");
        let stopped = async { while signals.next().await != Signal::Stop {} };
        let _ = tokio::time::timeout(notice, stopped).await;
    }

    /// Builds the new plan whole, resolves its names, then publishes it to every worker; on failure the old one stays.
    async fn reload(&mut self) -> Reloaded {
        systemd::reloading();
        let (adopted, problems) = match self.reloader.reload() {
            Ok(loaded) => {
                report::warn(&loaded.warnings);
                logging::set_level(launch::level(loaded.log_level));
                self.resolver.resolve(&loaded.plan).await;
                let (generation, checksum) = (loaded.plan.generation, loaded.plan.checksum);
                self.feed.publish(Arc::new(loaded.plan));
                self.metrics.config_adopted(generation, checksum);
                self.health.adopted(generation, checksum);
                self.keeping.keep(loaded.text);
                tracing::info!(generation, checksum, "configuration adopted");
                (true, loaded.warnings)
            }
            Err(problems) => {
                self.metrics.config_refused();
                self.health.refused(summary(&problems));
                refuse(&problems, self.reloader.generation());
                (false, problems.list)
            }
        };
        systemd::ready(&format!("configuration generation {}", self.reloader.generation()));
        Reloaded { adopted, generation: self.reloader.generation(), problems }
    }
}

/// The first error in one line, and how many more there are.
pub(super) fn summary(problems: &Problems) -> String {
    let mut errors = problems.list.iter().filter(|problem| problem.severity == Severity::Error);
    let Some(first) = errors.next() else { return "the configuration was refused".to_owned() };
    let place = first.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    match errors.count() {
        0 => format!("{place}{}", first.message),
        more => format!("{place}{} (and {more} more)", first.message),
    }
}

pub(super) fn refuse(problems: &Problems, generation: u64) {
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
