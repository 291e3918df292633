//! A capture of this machine, when the server asks for one: taken as the server takes its own, with the samples of the
//! buffer, and handed over part by part until the server has read every checksum back. Then it goes from here. It must never
//! remove what the server does not have, but for age and size.

use super::asks::Ask;
use super::backoff::{Backoff, random};
use super::link::{retry_after, said};
use super::{STOP_TIMEOUT, Shared, blocking, stop_of};
use crate::captures::part::{Place, read_now};
use crate::clock::now_ms;
use bytes::Bytes;
use ingest::{KnownLabels, Limits};
use model::SeriesData;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};
use store::captures::{Draft, Part, export_part};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes of the buffer of which samples are read.
const SAMPLES_BYTES_MAX: u64 = 128 << 20;
/// Different series of them.
const SERIES_MAX: usize = 1 << 20;
/// How far two clocks may be apart before it is worth a word.
const APART_MS: i64 = 1_500;
/// From the first byte of a part to the server's word that it has it.
const SEND_TIMEOUT: Duration = Duration::from_secs(120);
const ANSWER_BYTES_MAX: usize = 4 << 10;

/// Takes what the server asks for, and hands it over. `ahead_ms`: by how much our clock is ahead of the server's.
pub(super) async fn take(shared: Arc<Shared>, ask: Ask, ahead_ms: i64, mut stopping: watch::Receiver<bool>) {
    let is_apart = ahead_ms.abs() > APART_MS;
    let trigger_ms = ask.trigger_ms.saturating_add(if is_apart { ahead_ms } else { 0 });
    let note = is_apart.then(|| {
        let (seconds, way) = (ahead_ms.abs() as f64 / 1000.0, if ahead_ms > 0 { "ahead" } else { "behind" });
        format!(
            "the clock of this host was {seconds:.1} s {way} of the server's; times are those of this host"
        )
    });
    let (inside, asked) = (shared.clone(), ask.clone());
    let before = blocking(move || write(&inside, &asked, Part::Before, trigger_ms, note)).await;
    match before.and_then(|done| done) {
        Err(e) if e.kind != ErrorKind::Conflict => {
            shared.counters.captures_failed.inc();
            (shared.say)(&format!("The capture {} cannot be taken: {e}", ask.name));
            return;
        }
        _ => shared.counters.captures.inc(),
    }
    // While the seconds after the trigger pass, the minutes before it are on their way.
    let sending = tokio::spawn(hand_over(shared.clone(), ask.name.clone(), Part::Before, stopping.clone()));
    let left_ms =
        trigger_ms.saturating_add(ask.after_ms).saturating_sub(now_ms()).clamp(0, ask.after_ms.max(0));
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(left_ms as u64)) => {}
        () = stop_of(&mut stopping) => {}
    }
    let (inside, asked) = (shared.clone(), ask.clone());
    let after = blocking(move || write(&inside, &asked, Part::After, trigger_ms, None)).await;
    let has_after = after.and_then(|done| done).is_ok();
    if !sending.await.unwrap_or(false) {
        return;
    }
    if !has_after {
        shared.counters.captures_failed.inc();
    } else if !hand_over(shared.clone(), ask.name.clone(), Part::After, stopping).await {
        return;
    }
    let (inside, name) = (shared.clone(), ask.name.clone());
    let _ = blocking(move || inside.kept.delete(&name)).await;
    (shared.say)(&format!("The capture {} is at the server, every checksum read back there.", ask.name));
}

/// Hands over what was taken before the agent was started.
pub(super) async fn resume(shared: &Arc<Shared>, taking: &mut JoinSet<()>, stopping: &watch::Receiver<bool>) {
    let inside = shared.clone();
    let all = blocking(move || {
        inside.kept.retain(&inside.settings.captures.retention, now_ms())?;
        inside.kept.list()
    });
    for capture in all.await.and_then(|all| all).unwrap_or_default() {
        let (shared, stopping) = (shared.clone(), stopping.clone());
        let parts: Vec<Part> =
            [Part::Before].into_iter().chain(capture.after.is_some().then_some(Part::After)).collect();
        taking.spawn(async move {
            for part in parts {
                if !hand_over(shared.clone(), capture.id.clone(), part, stopping.clone()).await {
                    return;
                }
            }
            let _ = blocking(move || shared.kept.delete(&capture.id)).await;
        });
    }
}

fn write(shared: &Shared, ask: &Ask, part: Part, trigger_ms: i64, note: Option<String>) -> Result<()> {
    let settings = &shared.settings;
    let now_ms = now_ms();
    shared.kept.retain(&settings.captures.retention, now_ms)?;
    let place = Place {
        kept: &shared.kept,
        ring: &shared.ring,
        host: &settings.hostname,
        before_ms: settings.captures.before_ms,
        now: &|class, to_ms| {
            let root = settings.host.proc_root.clone();
            shared.reading.run(move || read_now(&root, class, to_ms))
        },
    };
    let causes = if part == Part::Before { vec![ask.cause.clone()] } else { Vec::new() };
    let samples = |draft: &Draft, from_ms, to_ms| samples(shared, draft, from_ms, to_ms);
    let rest = |_: &Draft, _: i64, _: i64, notes: &mut Vec<String>| {
        notes.extend(note);
        Ok(())
    };
    place.write(&ask.name, (part, trigger_ms, now_ms), causes, samples, rest).map(drop)
}

/// Samples of the buffer, those too that were sent; returns what is missing, in words.
fn samples(shared: &Shared, draft: &Draft, from_ms: i64, to_ms: i64) -> Result<Option<String>> {
    let (frames, is_cut) = shared.buffer().since(from_ms, SAMPLES_BYTES_MAX)?;
    let (limits, known) = (Limits::default(), KnownLabels::new(SERIES_MAX));
    let decoded = frames
        .iter()
        .filter(|f| f.first_ms <= to_ms)
        .map(|f| ingest::remote_write::decode(&f.payload, &limits, &known).map(|decoded| decoded.batch));
    let batches = decoded.collect::<Result<Vec<_>>>()?;
    let series = ingest::remote_write::series_of(&batches);
    let series: Vec<SeriesData> = series.into_iter().filter_map(|s| within(&s, from_ms, to_ms)).collect();
    if !series.is_empty() {
        draft.metrics(|push| series.iter().try_for_each(push))?;
    }
    Ok(is_cut.then(|| "there are so many samples that only the newest were kept".into()))
}

/// The samples of a time, in order, the first of each instant.
fn within(series: &SeriesData, from_ms: i64, to_ms: i64) -> Option<SeriesData> {
    let all = series.timestamps_ms.iter().copied().zip(series.values.iter().copied());
    let mut all: Vec<(i64, f64)> = all.filter(|(t, _)| (from_ms..=to_ms).contains(t)).collect();
    all.sort_by_key(|(t, _)| *t);
    all.dedup_by_key(|(t, _)| *t);
    let (times, values) = all.into_iter().unzip();
    let series = SeriesData::numbers(series.labels.clone(), times, values);
    (!series.timestamps_ms.is_empty()).then_some(series)
}

/// Sends a part until the server has it; false if it does not want it, or the agent stops.
async fn hand_over(
    shared: Arc<Shared>,
    name: String,
    part: Part,
    mut stopping: watch::Receiver<bool>,
) -> bool {
    let mut backoff = Backoff::default();
    loop {
        let mut stopped = stopping.clone();
        let too_late = async {
            stop_of(&mut stopped).await;
            tokio::time::sleep(STOP_TIMEOUT).await;
        };
        let sent = tokio::select! {
            sent = send(&shared, &name, part) => Ok(sent),
            () = too_late => Err(()),
        };
        let told = match sent {
            Ok(Ok(())) => {
                shared.counters.captures_sent.inc();
                return true;
            }
            Ok(Err((_, e))) if e.kind == ErrorKind::Invalid => {
                shared.counters.captures_failed.inc();
                (shared.say)(&format!("The capture {name} stays here, the server does not take it: {e}"));
                return false;
            }
            Ok(Err((told, _))) => told,
            Err(()) => None,
        };
        if *stopping.borrow() {
            return false;
        }
        let pause = backoff.failed(told, random());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop_of(&mut stopping) => {}
        }
    }
}

async fn send(shared: &Arc<Shared>, name: &str, part: Part) -> Result<(), (Option<Duration>, Error)> {
    // One at a time: it is in memory while it is sent.
    let _turn = shared.sending.lock().await;
    let (inside, of) = (shared.clone(), name.to_string());
    let packed = blocking(move || {
        let mut out = Bounded(Vec::new());
        match export_part(&inside.kept, &of, part, &mut out) {
            Ok(_) => Ok(out.0),
            // Trying again cannot help.
            Err(e) => Err(Error::invalid(e.to_string())),
        }
    });
    let packed = packed.await.and_then(|done| done).map_err(|e| (None, e))?;
    let path = format!("/api/v1/agents/captures/{name}?agent={}", shared.id);
    let message = ("application/zip", Vec::new(), Bytes::from(packed));
    let sent = shared.link.send(&path, message, SEND_TIMEOUT, ANSWER_BYTES_MAX).await;
    let sent = sent.map_err(|e| (None, e))?;
    match sent.status.as_u16() {
        200 => Ok(()),
        // The server was started anew and hears of this agent with its next question.
        404 if said(&sent.body).contains("not heard of") => {
            Err((None, Error::new(ErrorKind::Unavailable, said(&sent.body))))
        }
        400 | 404 | 409 | 413 | 422 => Err((None, Error::invalid(said(&sent.body)))),
        status => {
            let text = format!("the server answered {status}: {}", said(&sent.body));
            Err((retry_after(&sent.headers), Error::new(ErrorKind::Unavailable, text)))
        }
    }
}

/// Takes as much as the server takes.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > crate::agents::UPLOAD_BYTES_MAX {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_a_time_come_in_order_and_once() {
        let labels = model::Labels::from_pairs([("__name__", "a")]).unwrap();
        let series = SeriesData::numbers(labels, vec![5, 1, 2, 2, 9, 3], vec![5.0, 1.0, 2.0, 7.0, 9.0, 3.0]);
        let found = within(&series, 2, 5).unwrap();
        assert_eq!((found.timestamps_ms, found.values), (vec![2, 3, 5], vec![2.0, 3.0, 5.0]));
        assert_eq!(within(&series, 10, 20), None);
    }
}
