//! What monitors cost and achieve, as metrics of this process. It counts and does nothing else.

use stdx::metrics::{Kind, Registry, Value};

/// The metrics.
pub struct Counters {
    registry: Registry,
    pub evaluations: Value,
    pub failures: Value,
    pub seconds: Value,
    pub missed: Value,
    pub waiting: Value,
    pub keep_errors: Value,
}

impl Counters {
    /// All at zero.
    pub fn new(registry: &Registry) -> Counters {
        let c = |name, help| registry.counter(name, help);
        Counters {
            evaluations: c("midwatch_monitor_evaluations_total", "Rules evaluated."),
            failures: c("midwatch_monitor_evaluation_failures_total", "Rules that could not be evaluated."),
            seconds: c("midwatch_monitor_evaluation_seconds_total", "Time spent on evaluating rules."),
            missed: c(
                "midwatch_monitor_iterations_missed_total",
                "Instants at which a group of rules was due and not evaluated.",
            ),
            waiting: registry.gauge("midwatch_notifications_waiting", "Notifications not delivered yet."),
            keep_errors: c(
                "midwatch_monitor_keep_errors_total",
                "Times that alerts or notifications could not be written to disk.",
            ),
            registry: registry.clone(),
        }
    }

    /// How many monitors are in a state.
    pub fn monitors(&self, state: &'static str, count: usize) {
        let help = "Monitors, by how they are.";
        let labels = vec![("state", state.to_string())];
        self.registry.value(Kind::Gauge, "midwatch_monitors", help, labels).set(count as f64);
    }

    /// The longest delay of detection of all monitors, seconds.
    pub fn detection(&self, worst_s: f64) {
        let help = "The longest time from a sample to its judgement, of all monitors.";
        self.registry.gauge("midwatch_monitor_detection_seconds_max", help).set(worst_s);
    }

    /// A request to a receiver ended.
    pub fn sent(&self, kind: &'static str, how: &'static str) {
        let help = "Requests to receivers of notifications, by protocol and outcome.";
        let labels = vec![("kind", kind.to_string()), ("outcome", how.to_string())];
        self.registry.value(Kind::Counter, "midwatch_notification_requests_total", help, labels).inc();
    }

    /// Alerts that were not taken because there were too many.
    pub fn refused(&self, count: u64) {
        let help = "Alerts of which nobody is told because there are too many.";
        self.registry
            .value(Kind::Counter, "midwatch_alerts_refused_total", help, Vec::new())
            .set(count as f64);
    }

    /// Notifications that were given up.
    pub fn lost(&self, reason: &'static str, count: u64) {
        let help = "Notifications that were given up since the start, by reason.";
        let labels = vec![("reason", reason.to_string())];
        self.registry
            .value(Kind::Counter, "midwatch_notifications_lost_total", help, labels)
            .set(count as f64);
    }
}
