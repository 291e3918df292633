//! How the program measures itself: counters and gauges that cost one atomic each, and a registry
//! that lists them. It must never allocate or lock when a counter is incremented.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// What a metric's value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, but for a restart.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// A value shared between the code that changes it and the registry. Holds an `f64`.
#[derive(Clone, Debug, Default)]
pub struct Value(Arc<AtomicU64>);

impl Value {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// Adds `n` (atomic, lock-free).
    pub fn add(&self, n: f64) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |bits| Some((f64::from_bits(bits) + n).to_bits()));
    }

    /// Replaces the value.
    pub fn set(&self, v: f64) {
        self.0.store(v.to_bits(), Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }
}

/// Label names and values of one value of a family, sorted by name.
pub type LabelPairs = Vec<(&'static str, String)>;

/// The most label combinations one family may have; more are counted under `other`.
pub const VALUES_PER_FAMILY_MAX: usize = 1_000;

struct Family {
    kind: Kind,
    help: &'static str,
    values: BTreeMap<LabelPairs, Value>,
}

/// One family as it is read out: name, kind, help, and every label combination with its value.
pub struct FamilyReading {
    /// Metric name.
    pub name: &'static str,
    /// Counter or gauge.
    pub kind: Kind,
    /// One sentence.
    pub help: &'static str,
    /// Label pairs and the value.
    pub values: Vec<(LabelPairs, f64)>,
}

/// Every metric of this process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Registry(Arc<Mutex<BTreeMap<&'static str, Family>>>);

impl Registry {
    /// A counter without labels.
    pub fn counter(&self, name: &'static str, help: &'static str) -> Value {
        self.value(Kind::Counter, name, help, Vec::new())
    }

    /// A gauge without labels.
    pub fn gauge(&self, name: &'static str, help: &'static str) -> Value {
        self.value(Kind::Gauge, name, help, Vec::new())
    }

    /// The value for one combination of labels; made on first use. Past
    /// [`VALUES_PER_FAMILY_MAX`] combinations every label value becomes `other`.
    pub fn value(&self, kind: Kind, name: &'static str, help: &'static str, mut labels: LabelPairs) -> Value {
        labels.sort();
        let mut families = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let family = families.entry(name).or_insert_with(|| Family { kind, help, values: BTreeMap::new() });
        if family.values.len() >= VALUES_PER_FAMILY_MAX && !family.values.contains_key(&labels) {
            labels.iter_mut().for_each(|(_, v)| *v = "other".to_string());
        }
        family.values.entry(labels).or_default().clone()
    }

    /// Every family, sorted by name.
    pub fn read(&self) -> Vec<FamilyReading> {
        let families = self.0.lock().unwrap_or_else(|e| e.into_inner());
        families
            .iter()
            .map(|(name, f)| FamilyReading {
                name,
                kind: f.kind,
                help: f.help,
                values: f.values.iter().map(|(l, v)| (l.clone(), v.get())).collect(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_labels_give_the_same_value() {
        let r = Registry::default();
        r.value(Kind::Counter, "x_total", "X.", vec![("b", "2".into()), ("a", "1".into())]).inc();
        r.value(Kind::Counter, "x_total", "X.", vec![("a", "1".into()), ("b", "2".into())]).add(2.0);
        let families = r.read();
        assert_eq!(families.len(), 1);
        assert_eq!(families[0].values.len(), 1);
        assert_eq!(families[0].values[0].1, 3.0);
    }

    #[test]
    fn combinations_are_bounded() {
        let r = Registry::default();
        for i in 0..2 * VALUES_PER_FAMILY_MAX {
            r.value(Kind::Counter, "x_total", "X.", vec![("id", i.to_string())]).inc();
        }
        let values = &r.read()[0].values;
        assert_eq!(values.len(), VALUES_PER_FAMILY_MAX + 1);
        assert_eq!(values.iter().map(|(_, v)| v).sum::<f64>(), 2.0 * VALUES_PER_FAMILY_MAX as f64);
    }
}
