//! What came of the last update, for Prometheus.

use prometheus::IntGauge;

use super::Appliance;
use crate::telemetry::metrics::Catalogue;

/// Two numbers, read from the keeper's folder before each scrape.
pub struct Gauges {
    appliance: Appliance,
    failed: IntGauge,
    at: IntGauge,
}

impl Gauges {
    /// Elsewhere than in an appliance there is nothing to show, and nothing is registered.
    pub fn register(appliance: Appliance, metrics: &Catalogue) -> Result<Gauges, prometheus::Error> {
        let failed = IntGauge::new(
            "vallum_image_update_failed",
            "Whether the last update of the image failed (see `vallum status`).",
        )?;
        let at = IntGauge::new("vallum_image_update_timestamp_seconds", "When the last update of the image ended.")?;
        if appliance.folder.is_some() {
            metrics.registry().register(Box::new(failed.clone()))?;
            metrics.registry().register(Box::new(at.clone()))?;
        }
        Ok(Gauges { appliance, failed, at })
    }

    /// Brings them up to date.
    pub fn refresh(&self) {
        let Some(outcome) = self.appliance.outcome() else { return };
        self.failed.set(i64::from(outcome.error.is_some()));
        self.at.set(i64::try_from(outcome.at).unwrap_or(i64::MAX));
    }
}
