//! What was acknowledged, and the judgement of what is found: every acknowledged sample is there with exactly its value,
//! and every row, and nothing that was never sent. It must never excuse a sample for any reason but retention.

use crate::rows;
use crate::stream::{METRIC, SERIES, Stream};
use model::{Matcher, SeriesData};
use std::path::Path;
use stdx::metrics::Registry;
use store::{Settings, Store};

/// What is to be found.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Of each writer: batches below this number were acknowledged.
    pub acknowledged: Vec<u64>,
    /// Of each writer: batches below this number may have been sent.
    pub sent: Vec<u64>,
    /// Samples from this time on have to be there, older ones may be; milliseconds since 1970.
    pub oldest_ms: i64,
}

impl Ledger {
    /// Nothing was sent yet.
    pub fn new(writers: usize) -> Ledger {
        Ledger { acknowledged: vec![0; writers], sent: vec![0; writers], oldest_ms: i64::MIN }
    }

    /// Acknowledged samples that have to be there.
    ///
    /// # Errors
    /// Says in words what is lost, wrong, or was never sent.
    pub fn check(&self, stream: &Stream, found: &[SeriesData]) -> Result<u64, String> {
        let numbers = self.sent.iter().copied().max().unwrap_or_default() as usize;
        let mut there = vec![(0u64, false); numbers * stream.writers];
        for series in found {
            if series.timestamps_ms.windows(2).any(|pair| pair[0] >= pair[1]) {
                return Err(format!("{} has times out of order", series.labels));
            }
            let place = stream.series(&series.labels);
            for (t, value) in series.timestamps_ms.iter().zip(&series.values) {
                let place = place.as_ref().and_then(|series| series.place(*t));
                let Some(place) = place.filter(|p| p.number < self.sent[p.writer]) else {
                    return Err(format!("{} at {t} was never sent", series.labels));
                };
                if place.bits != value.to_bits() {
                    return Err(format!("{} at {t} has the wrong value {value}", series.labels));
                }
                let entry = &mut there[place.writer * numbers + place.number as usize];
                if place.is_late {
                    entry.1 = true;
                } else {
                    entry.0 += 1;
                }
            }
        }
        let mut samples = 0;
        for (writer, end) in self.acknowledged.iter().enumerate() {
            for number in 0..*end {
                let (in_order, late) = there[writer * numbers + number as usize];
                if stream.time_ms(number) >= self.oldest_ms {
                    samples += SERIES;
                    if in_order != SERIES {
                        let lost = SERIES - in_order;
                        return Err(format!(
                            "{lost} acknowledged samples of batch {number} of writer {writer} are lost (acknowledged: below {end})"
                        ));
                    }
                }
                if stream.late_ms(number) >= self.oldest_ms {
                    samples += 1;
                    if !late {
                        return Err(format!(
                            "the acknowledged late sample of batch {number} of writer {writer} is lost (acknowledged: below {end})"
                        ));
                    }
                }
            }
        }
        Ok(samples)
    }

    /// Opens the folder and checks it, and once more: what the first opening left has to be whole as well. Returns the
    /// samples that had to be there, and what the store said at the first opening.
    ///
    /// # Errors
    /// As [`Ledger::check`], and if it does not open or the answer is partial.
    pub fn check_folder(
        &self,
        stream: &Stream,
        folder: &Path,
        settings: &Settings,
    ) -> Result<(u64, Vec<String>), String> {
        let (samples, messages) = self.check_once(stream, folder, settings)?;
        self.check_once(stream, folder, settings).map_err(|e| format!("at the second opening: {e}"))?;
        Ok((samples, messages))
    }

    fn check_once(
        &self,
        stream: &Stream,
        folder: &Path,
        settings: &Settings,
    ) -> Result<(u64, Vec<String>), String> {
        let store = Store::open(folder, settings.clone(), &Registry::default())
            .map_err(|e| format!("it does not open: {e}"))?;
        let (found, warnings) = read(&store)?;
        if !warnings.is_empty() {
            return Err(format!("the answer is partial: {}", warnings.join("; ")));
        }
        let messages = store.status().messages;
        let checked = self.check(stream, &found);
        let checked = checked.and_then(|samples| rows::check(self, stream, &store).map(|()| samples));
        let samples = checked.map_err(|e| match messages.is_empty() {
            true => e,
            false => format!("{e}; the store says: {}", messages.join("; ")),
        })?;
        Ok((samples, messages))
    }
}

/// All samples of the stream, and what was left out.
///
/// # Errors
/// If the store gives no answer.
pub fn read(store: &Store) -> Result<(Vec<SeriesData>, Vec<String>), String> {
    let view = store.view();
    let all = [Matcher::equal("__name__", METRIC)];
    let found = view.select(&all, i64::MIN, i64::MAX, usize::MAX, usize::MAX);
    Ok((found.map_err(|e| format!("no answer: {e}"))?, view.warnings()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_is_lost_wrong_or_invented() {
        let stream = Stream { seed: 3, writers: 1, start_ms: 0, step_ms: 10 };
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Settings::default(), &Registry::default()).unwrap();
        for number in 0..20 {
            store.append(stream.batch(0, number)).unwrap().wait_blocking().unwrap();
        }
        let (mut whole, _) = read(&store).unwrap();
        whole.sort_by(|a, b| a.labels.cmp(&b.labels));
        let counting = whole.iter().position(|s| s.labels.get("i") == "8").unwrap();
        let ledger = Ledger { acknowledged: vec![20], sent: vec![21], oldest_ms: i64::MIN };
        let check = |change: &dyn Fn(&mut Vec<SeriesData>)| {
            let mut found = whole.clone();
            change(&mut found);
            ledger.check(&stream, &found)
        };
        assert_eq!(check(&|_| {}), Ok(20 * 17));
        let lost = check(&|found| {
            found[counting].timestamps_ms.pop();
            found[counting].values.pop();
        });
        assert!(lost.unwrap_err().contains("lost"));
        assert!(check(&|found| found[counting].values[0] += 1.0).unwrap_err().contains("wrong value"));
        assert!(check(&|found| found[counting].timestamps_ms[0] -= 10).unwrap_err().contains("never sent"));
        // Retention excuses what is old, and nothing else.
        let drop_first = |found: &mut Vec<SeriesData>| {
            found.iter_mut().for_each(|s| {
                s.timestamps_ms.remove(0);
                s.values.remove(0);
            });
        };
        let mut found = whole.clone();
        drop_first(&mut found);
        assert!(Ledger { oldest_ms: 10, ..ledger.clone() }.check(&stream, &found).is_ok());
        drop_first(&mut found);
        assert!(Ledger { oldest_ms: 10, ..ledger.clone() }.check(&stream, &found).is_err());
        let nothing_sent = Ledger { acknowledged: vec![0], sent: vec![19], oldest_ms: i64::MIN };
        assert!(nothing_sent.check(&stream, &whole).unwrap_err().contains("never sent"));
    }
}
