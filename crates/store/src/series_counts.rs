//! How many series the newest head has, of each metric and of each source, against the limits: one metric that goes
//! wrong must leave room for the others. Only new series are counted, so that samples of known ones cost nothing.
//! It must never refuse a series that is in the head already.

use crate::Stats;
use crate::settings::Settings;
use foldhash::{HashMap, HashMapExt};
use model::labels::NAME;
use model::{Labels, RejectReason};

/// The label that says which source a series is of.
const SOURCE: &str = "job";

/// The counts of one head.
pub struct SeriesCounts {
    all: Group,
    of_metric: Groups,
    of_source: Groups,
}

struct Group {
    series: usize,
    max: usize,
}

struct Groups {
    label: &'static str,
    series: HashMap<Box<str>, usize>,
    largest: usize,
    max: usize,
}

impl SeriesCounts {
    /// None yet.
    pub fn new(settings: &Settings) -> SeriesCounts {
        let groups = |label, max| Groups { label, series: HashMap::new(), largest: 0, max };
        SeriesCounts {
            all: Group { series: 0, max: settings.series_max },
            of_metric: groups(NAME, settings.series_per_metric_max),
            of_source: groups(SOURCE, settings.series_per_source_max),
        }
    }

    /// Counts a new series, or says which limit it is over.
    ///
    /// # Errors
    /// The limit.
    pub fn admit(&mut self, labels: &Labels) -> Result<(), RejectReason> {
        if self.all.series >= self.all.max {
            return Err(RejectReason::TooManySeries);
        }
        if self.of_metric.is_full(labels) {
            return Err(RejectReason::TooManySeriesOfMetric);
        }
        if self.of_source.is_full(labels) {
            return Err(RejectReason::TooManySeriesOfSource);
        }
        self.add(labels);
        Ok(())
    }

    /// Counts a series whatever the limits say: one that was acknowledged before.
    pub fn add(&mut self, labels: &Labels) {
        self.all.series += 1;
        self.of_metric.add(labels);
        self.of_source.add(labels);
    }

    /// The head is cut: it begins anew.
    pub fn clear(&mut self) {
        self.all.series = 0;
        for groups in [&mut self.of_metric, &mut self.of_source] {
            (groups.series, groups.largest) = (HashMap::new(), 0);
        }
    }

    /// Writes the largest ones down.
    pub fn tell(&self, stats: &Stats) {
        stats.metric_series.set(self.of_metric.largest as f64);
        stats.source_series.set(self.of_source.largest as f64);
    }

    /// What the limit is and what can be done about it.
    pub fn message(&self, reason: RejectReason, labels: Option<&Labels>) -> String {
        let of = |label: &str| -> String { labels.map_or("", |l| l.get(label)).chars().take(200).collect() };
        match reason {
            RejectReason::TooManySeries => format!(
                "there are {} series, and no more are taken; /cardinality shows where they come from; send fewer, or \
                 raise store.series_max",
                self.all.max
            ),
            RejectReason::TooManySeriesOfMetric => format!(
                "{} has {} series, and no more are taken; /cardinality shows which label they differ in; drop that \
                 label at the sender, or raise store.series_per_metric_max",
                of(NAME),
                self.of_metric.max
            ),
            RejectReason::TooManySeriesOfSource => {
                let source = match of(SOURCE) {
                    none if none.is_empty() => "what comes without a label job".to_string(),
                    job => format!("what comes with job={job:?}"),
                };
                format!(
                    "{source} has {} series, and no more are taken; /cardinality shows of which metrics; send fewer, \
                     or raise store.series_per_source_max",
                    self.of_source.max
                )
            }
            _ => "a sample without a series".into(),
        }
    }
}

impl Groups {
    fn is_full(&self, labels: &Labels) -> bool {
        // Below that no group can be full: most series are not looked up.
        self.largest >= self.max && self.series.get(labels.get(self.label)).is_some_and(|n| *n >= self.max)
    }

    fn add(&mut self, labels: &Labels) {
        let value = labels.get(self.label);
        let count = match self.series.get_mut(value) {
            Some(count) => {
                *count += 1;
                *count
            }
            None => {
                self.series.insert(value.into(), 1);
                1
            }
        };
        self.largest = self.largest.max(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_told_apart_and_leaves_room_for_the_others() {
        let settings = Settings {
            series_max: 6,
            series_per_metric_max: 2,
            series_per_source_max: 3,
            ..Settings::default()
        };
        let mut counts = SeriesCounts::new(&settings);
        let mut admit = |name: &str, job: &str| {
            let labels = Labels::from_pairs([(NAME, name), (SOURCE, job)]).unwrap();
            let admitted = counts.admit(&labels);
            admitted.map_err(|reason| (reason, counts.message(reason, Some(&labels))))
        };
        for (name, job) in [("a", "x"), ("a", "x"), ("b", "x")] {
            assert!(admit(name, job).is_ok());
        }
        let (reason, message) = admit("a", "y").unwrap_err();
        assert_eq!(reason, RejectReason::TooManySeriesOfMetric);
        assert!(message.starts_with("a has 2 series") && message.contains("store.series_per_metric_max"));
        let (reason, message) = admit("c", "x").unwrap_err();
        assert_eq!(reason, RejectReason::TooManySeriesOfSource);
        assert!(
            message.contains("job=\"x\"") && message.contains("store.series_per_source_max"),
            "{message}"
        );
        for (name, job) in [("c", "y"), ("c", "z"), ("d", "")] {
            assert!(admit(name, job).is_ok());
        }
        assert_eq!(admit("e", "e").unwrap_err().0, RejectReason::TooManySeries);
        counts.clear();
        let labels = Labels::from_pairs([(NAME, "a")]).unwrap();
        assert!(counts.admit(&labels).is_ok());
    }
}
