//! Keeps what serves, and says when it is not what it should be.

use std::sync::Arc;

use prometheus::IntGauge;

use super::last_good::LastGood;
use crate::boot::reload::{refuse, summary};
use crate::control::config::Problems;
use crate::control::health::Health;
use crate::telemetry::metrics::Catalogue;

/// What becomes of each configuration that was adopted.
pub struct Keeping {
    kept: Option<Arc<LastGood>>,
    /// 1 while the last good configuration serves because the one that was found is bad.
    resorted: IntGauge,
}

impl Keeping {
    /// At the start: keeps the `text` that serves, or says loudly why it is the last good one.
    pub fn begin(
        kept: Option<LastGood>,
        text: Option<String>,
        refused: Option<Problems>,
        metrics: &Catalogue,
        health: &Health,
    ) -> anyhow::Result<Keeping> {
        let help = "Whether the last good configuration serves because the newest one was bad at the start.";
        let resorted = IntGauge::new("vallum_config_last_good_in_force", help)?;
        metrics.registry().register(Box::new(resorted.clone()))?;
        let keeping = Keeping { kept: kept.map(Arc::new), resorted };
        match refused {
            Some(problems) => {
                keeping.resorted.set(1);
                metrics.config_refused();
                health.refused(format!("the last good configuration serves; {}", summary(&problems)));
                refuse(&problems, 1);
            }
            None => keeping.keep(text),
        }
        Ok(keeping)
    }

    /// A configuration was adopted. It is written beside the control plane's other work.
    pub fn keep(&self, text: Option<String>) {
        self.resorted.set(0);
        let (Some(kept), Some(text)) = (self.kept.clone(), text) else { return };
        tokio::task::spawn_blocking(move || {
            if let Err(error) = kept.keep(&text) {
                tracing::error!(%error, "the configuration could not be kept as the last good one");
            }
        });
    }
}
