//! Batches as one request body: the samples of a series stand together, so that its labels are written once. It must never
//! change the order of a series' samples; native histograms, exemplars and starts are not written.

use super::encode_with_metadata;
use model::{Batch, Labels, Metadata, SeriesData};
use std::collections::HashMap;

/// Encodes the numbers and metadata of batches, which come in the order of their times, as a body of remote write 1.0.
pub fn encode_batches(batches: &[Batch]) -> Vec<u8> {
    let metadata: Vec<Metadata> = batches.iter().flat_map(|b| b.metadata.iter().cloned()).collect();
    encode_with_metadata(&series_of(batches), &metadata)
}

/// The numbers of batches by series, each in the order of the batches.
pub fn series_of(batches: &[Batch]) -> Vec<SeriesData> {
    let mut series: Vec<SeriesData> = Vec::new();
    let mut places: HashMap<&Labels, usize> = HashMap::new();
    for batch in batches {
        for sample in &batch.samples {
            let Some(labels) = batch.series.get(sample.series as usize) else { continue };
            let place = *places.entry(labels).or_insert_with(|| {
                series.push(SeriesData { labels: labels.clone(), ..SeriesData::default() });
                series.len() - 1
            });
            series[place].timestamps_ms.push(sample.timestamp_ms);
            series[place].values.push(sample.value);
        }
    }
    series
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KnownLabels, Limits};

    #[test]
    fn bodies_of_several_seconds_hold_each_sample_once_and_each_name_once() {
        let labels = |n: &str| Labels::from_pairs([("__name__", n), ("instance", "db-7")]).unwrap();
        let mut batches = vec![Batch::default(), Batch::default()];
        batches[0].push(&labels("a"), 1_000, 1.0);
        batches[0].push(&labels("b"), 1_000, f64::NAN);
        batches[1].push(&labels("a"), 2_000, -0.0);
        let body = encode_batches(&batches);
        let (limits, known) = (Limits::default(), KnownLabels::new(100));
        let back = super::super::decode(&body, &limits, &known).unwrap();
        assert!(back.rejects.is_empty());
        let got: Vec<(String, i64, u64)> = back
            .batch
            .samples
            .iter()
            .map(|s| (back.batch.series[s.series as usize].to_string(), s.timestamp_ms, s.value.to_bits()))
            .collect();
        let text = |n: &str| labels(n).to_string();
        assert_eq!(
            got,
            [
                (text("a"), 1_000, 1f64.to_bits()),
                (text("a"), 2_000, (-0f64).to_bits()),
                (text("b"), 1_000, f64::NAN.to_bits())
            ]
        );
        assert_eq!(back.batch.series.len(), 2);
    }
}
