//! The tiers' own measurements.

use super::KINDS;
use stdx::metrics::{Kind, Registry, Value};

/// One tier's measurements.
pub(crate) struct TierStats {
    pub behind: Value,
    pub windows: Value,
    pub rows: Value,
    pub bytes: Value,
    pub built: Value,
}

impl TierStats {
    /// One for each tier, finest first.
    pub fn all(registry: &Registry) -> Vec<TierStats> {
        KINDS.iter().map(|kind| TierStats::new(registry, kind.name)).collect()
    }

    fn new(registry: &Registry, tier: &'static str) -> TierStats {
        let value = |kind, name, help| registry.value(kind, name, help, vec![("tier", tier.to_string())]);
        let gauge = |name, help| value(Kind::Gauge, name, help);
        TierStats {
            behind: gauge(
                "midwatch_store_tier_behind_seconds",
                "How long ago the oldest window ended that is still to be summarised.",
            ),
            windows: gauge("midwatch_store_tier_windows", "Windows that are summarised."),
            rows: gauge("midwatch_store_tier_series", "Series of all windows, each counted in each."),
            bytes: gauge("midwatch_store_tier_bytes", "Size of the summaries."),
            built: value(
                Kind::Counter,
                "midwatch_store_tier_windows_built_total",
                "Windows summarised, those made again for late samples included.",
            ),
        }
    }
}
