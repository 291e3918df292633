//! The one writer: takes batches from a bounded queue, writes them to the log as a group, makes the group
//! durable with one fsync, applies it to the head, and only then acknowledges.
//! It must never apply or acknowledge what the log has not taken.

use crate::head::Head;
use crate::maintenance::SILENT_MS;
use crate::planted::{self, Bug};
use crate::series_counts::SeriesCounts;
use crate::wal::{Frame, Wal};
use crate::writer_histograms::Histograms;
use crate::{Shared, Stats};
use foldhash::HashMap;
use model::batch::count_reject;
use model::{Batch, HistogramAt, Labels, Metadata, Reject, RejectReason};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, RwLock};
use stdx::{Error, Result};

/// What the writer is asked to do.
pub(crate) enum Command {
    Append(Batch, Reply<Appended>),
    /// Start a new head, with an index of its own if so asked; the answer is the cut one, and the first log segment that is
    /// not in it.
    Cut(NewIndex, Reply<(Arc<RwLock<Head>>, u64)>),
}

/// Whether the next head has to begin a new index.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum NewIndex {
    /// If that pays.
    IfWorn,
    /// What the old one has of series may not stay.
    Now,
}

pub(crate) type Reply<T> = tokio::sync::oneshot::Sender<Result<T>>;

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Appended {
    /// Samples that are durable now, those included that were there already.
    pub accepted: u64,
    /// How many of them are native histograms.
    pub histograms: u64,
    /// Samples that were refused.
    pub rejects: Vec<Reject>,
    /// The batch, to be emptied and used again. Its metadata is gone.
    pub batch: Batch,
}

/// Stands for a series without samples. A sample of that very instant counts as new each time.
pub const NEVER: (i64, u64) = (i64::MIN, 0);

/// Samples and bytes written under one fsync at the most, unless one batch alone is larger.
const GROUP_SAMPLES: usize = 500_000;
const GROUP_BYTES: usize = 64 << 20;
/// Samples applied to the head under one lock, so that readers wait little.
const APPLY_SAMPLES: usize = 512;

pub(crate) struct Writer {
    pub shared: Arc<Shared>,
    pub wal: Wal,
    /// For each id, time and bits of the newest in-order sample that was given to the log; [`NEVER`] before the first.
    pub newest: Vec<(i64, u64)>,
    /// The samples of the present group by id and time, which the head does not have yet; made when the first late
    /// sample of the group asks for it.
    pub group: Option<HashMap<(u32, i64), u64>>,
    /// The native histograms of the present group.
    pub histograms: Histograms,
    /// How many series there are, against the limits.
    pub counts: SeriesCounts,
    pub metadata_max: usize,
}

/// About what a batch takes in memory while it waits, in bytes; its labels are shared with others.
pub(crate) fn queue_bytes(batch: &Batch) -> usize {
    let starts = size_of_val(&*batch.starts);
    size_of_val(&*batch.samples) + size_of_val(&*batch.series) + starts + Histograms::bytes_of(batch)
}

/// Samples that one sync makes durable.
#[derive(Default)]
pub(crate) struct Group {
    /// Id, time, bits.
    pub samples: Vec<(u32, i64, u64)>,
    /// Starts of some of them, by their place.
    pub starts: Vec<(u32, i64)>,
    pub histograms: Vec<(u32, HistogramAt)>,
}

struct Pending {
    reply: Reply<Appended>,
    outcome: Appended,
}

impl Writer {
    pub fn run(mut self, commands: Receiver<Command>) {
        while let Ok(first) = commands.recv() {
            let (mut pending, mut group) = (Vec::new(), Group::default());
            let mut next = Some(first);
            while let Some(command) = next.take() {
                match command {
                    Command::Append(batch, reply) => self.take(batch, reply, &mut pending, &mut group),
                    Command::Cut(index, reply) => {
                        self.commit(&mut pending, &mut group);
                        let _ = reply.send(Ok(self.cut(index)));
                    }
                }
                if group.samples.len() < GROUP_SAMPLES && self.wal.pending_bytes() < GROUP_BYTES {
                    next = commands.try_recv().ok();
                }
            }
            self.commit(&mut pending, &mut group);
        }
    }

    /// Checks a batch and adds it to the group.
    fn take(
        &mut self,
        mut batch: Batch,
        reply: Reply<Appended>,
        pending: &mut Vec<Pending>,
        group: &mut Group,
    ) {
        self.shared.queued_bytes.fetch_sub(queue_bytes(&batch), Relaxed);
        if let Err(e) = self.open_segment() {
            let _ = reply.send(Err(e));
            return;
        }
        let mut outcome = Appended::default();
        let Group { samples, starts, histograms } = group;
        let first = (samples.len(), starts.len(), histograms.len());
        let mut started = batch.starts.iter().copied().peekable();
        let ids = self.resolve(&batch.series);
        let head = self.shared.active();
        let head = head.read().unwrap_or_else(|e| e.into_inner());
        for (place, sample) in batch.samples.iter().enumerate() {
            let start = started.next_if(|(of, _)| *of as usize == place);
            let id = match ids.get(sample.series as usize) {
                Some(Ok(id)) => id,
                refused => {
                    let reason = refused.and_then(|r| r.err()).unwrap_or(RejectReason::Malformed);
                    count_reject(&mut outcome.rejects, reason, 1, || {
                        self.counts.message(reason, batch.series.get(sample.series as usize))
                    });
                    continue;
                }
            };
            let bits = sample.value.to_bits();
            let newest = &mut self.newest[*id as usize];
            if sample.timestamp_ms > newest.0 || *newest == NEVER {
                *newest = (sample.timestamp_ms, bits);
            } else {
                if let Some(known) = self.histograms.known(&head, *id, *newest, sample.timestamp_ms) {
                    count_reject(&mut outcome.rejects, RejectReason::DuplicateTimestamp, 1, || {
                        let (series, t) = (&batch.series[sample.series as usize], sample.timestamp_ms);
                        format!(
                            "{series} has a native histogram {known}at {t} ms already; {} was not taken",
                            sample.value
                        )
                    });
                    continue;
                }
                let known = match newest {
                    (t, bits) if *t == sample.timestamp_ms => Some(*bits),
                    _ => head.recent_value(*id, sample.timestamp_ms).or_else(|| {
                        let of_group = || samples.iter().map(|(id, t, bits)| ((*id, *t), *bits)).collect();
                        self.group.get_or_insert_with(of_group).get(&(*id, sample.timestamp_ms)).copied()
                    }),
                };
                match known {
                    Some(known) if known == bits => {
                        outcome.accepted += 1;
                        continue;
                    }
                    Some(known) => {
                        count_reject(&mut outcome.rejects, RejectReason::DuplicateTimestamp, 1, || {
                            let (series, t) = (&batch.series[sample.series as usize], sample.timestamp_ms);
                            let (had, new) = (f64::from_bits(known), sample.value);
                            format!("{series} has the value {had} at {t} ms already; {new} was not taken")
                        });
                        continue;
                    }
                    None => self.shared.stats.late.inc(),
                }
            }
            if let Some((_, start_ms)) = start.filter(|(_, start_ms)| *start_ms != 0) {
                starts.push((samples.len() as u32, start_ms));
            }
            samples.push((*id, sample.timestamp_ms, bits));
            if let Some(group) = &mut self.group {
                group.insert((*id, sample.timestamp_ms), bits);
            }
            outcome.accepted += 1;
        }
        if !batch.histograms.is_empty() {
            let numbers = outcome.accepted;
            self.take_histograms(&batch, &ids, &head, &mut outcome, group);
            outcome.histograms = outcome.accepted - numbers;
        }
        let Group { samples, starts, histograms } = group;
        let metadata = self.shared.new_metadata(std::mem::take(&mut batch.metadata), self.metadata_max);
        if samples.len() > first.0 || histograms.len() > first.2 || !metadata.is_empty() {
            let frame = Frame {
                samples: &samples[first.0..],
                starts: &starts[first.1..],
                samples_before: first.0 as u32,
                histograms: &histograms[first.2..],
                metadata: &metadata,
            };
            let index = head.index();
            self.wal.add_frame(frame, |id| index.labels(id));
        }
        // Whoever waits for it drops or empties it: this thread has more urgent things to do.
        outcome.batch = batch;
        pending.push(Pending { reply, outcome });
    }

    /// Ids of label sets in the present head, or why there can be none.
    fn resolve(&mut self, series: &[Labels]) -> Vec<Result<u32, RejectReason>> {
        let active = self.shared.active();
        let head = active.read().unwrap_or_else(|e| e.into_inner());
        let mut ids: Vec<Result<u32, RejectReason>> = {
            let index = head.index();
            series.iter().map(|l| index.find(l).ok_or(RejectReason::TooManySeries)).collect()
        };
        if ids.iter().all(Result::is_ok) {
            return ids;
        }
        let mut index = head.index_to_change();
        let mut new = Vec::new();
        for (labels, id) in series.iter().zip(&mut ids).filter(|(_, id)| id.is_err()) {
            if let Some(known) = index.find(labels) {
                *id = Ok(known);
                continue;
            }
            match self.counts.admit(labels) {
                Err(limit) => *id = Err(limit),
                Ok(()) => {
                    let fresh = index.push(labels.clone());
                    self.newest.push(NEVER);
                    new.push(labels.clone());
                    *id = Ok(fresh);
                }
            }
        }
        drop(index);
        self.counts.tell(&self.shared.stats);
        self.shared.announce(new);
        ids
    }

    fn open_segment(&mut self) -> Result<()> {
        let result = self.wal.open_segment();
        match &result {
            Ok(false) => {}
            Ok(true) => {
                self.shared.stats.set_problem(None);
                let known: Vec<Metadata> = self.shared.metadata().into_values().collect();
                if !known.is_empty() {
                    let frame = Frame { metadata: &known, ..Frame::default() };
                    self.wal.add_frame(frame, |_| unreachable!("no samples"));
                }
            }
            Err(e) => {
                self.shared.stats.wal_errors.inc();
                self.shared.stats.set_problem(Some(e.to_string()));
            }
        }
        result.map(|_| ())
    }

    /// Makes the group durable, applies it, and answers.
    fn commit(&mut self, pending: &mut Vec<Pending>, group: &mut Group) {
        if pending.is_empty() {
            return;
        }
        let stats = &self.shared.stats;
        if planted::is(Bug::AcknowledgeFirst) {
            for Pending { reply, outcome } in pending.drain(..) {
                let _ = reply.send(Ok(outcome));
            }
        }
        match self.wal.flush() {
            Ok(bytes) => {
                stats.wal_bytes.add(bytes as f64);
                stats.fsyncs.inc();
                self.apply(group);
                for Pending { reply, outcome } in pending.drain(..) {
                    stats.appended.add(outcome.accepted as f64);
                    let _ = reply.send(Ok(outcome));
                }
            }
            Err(e) => {
                stats.wal_errors.inc();
                stats.set_problem(Some(e.to_string()));
                for Pending { reply, .. } in pending.drain(..) {
                    let _ = reply.send(Err(Error::new(e.kind, e.to_string())));
                }
                // What was noted for the samples that are lost now must not make us take a retry for a
                // sample that is there already.
                let head = self.shared.active();
                let head = head.read().unwrap_or_else(|e| e.into_inner());
                for (id, newest) in self.newest.iter_mut().enumerate() {
                    *newest = head.newest(id as u32).unwrap_or(NEVER);
                }
            }
        }
        *group = Group { samples: std::mem::take(&mut group.samples), ..Group::default() };
        group.samples.clear();
        self.group = None;
        self.histograms.clear();
    }

    fn apply(&self, group: &Group) {
        let head = self.shared.active();
        let told = |result: Result<()>| {
            if result.is_err() {
                self.shared.stats.internal_errors.inc();
            }
        };
        let mut starts = group.starts.iter().copied().peekable();
        for (part, samples) in group.samples.chunks(APPLY_SAMPLES).enumerate() {
            let mut head = head.write().unwrap_or_else(|e| e.into_inner());
            let end = ((part + 1) * APPLY_SAMPLES) as u32;
            if starts.peek().is_none_or(|(place, _)| *place >= end) {
                for (id, timestamp_ms, bits) in samples {
                    told(head.push(*id, *timestamp_ms, f64::from_bits(*bits)));
                }
                continue;
            }
            for (i, (id, timestamp_ms, bits)) in samples.iter().enumerate() {
                let start = starts.next_if(|(place, _)| *place as usize == part * APPLY_SAMPLES + i);
                let start_ms = start.map_or(0, |(_, start_ms)| start_ms);
                told(head.push_started(*id, *timestamp_ms, f64::from_bits(*bits), start_ms));
            }
        }
        for part in group.histograms.chunks(APPLY_SAMPLES) {
            let mut head = head.write().unwrap_or_else(|e| e.into_inner());
            for (id, at) in part {
                told(head.push_histogram(*id, at.clone()));
            }
        }
    }

    /// A new, empty head takes over; the log goes on in a new segment.
    fn cut(&mut self, index: NewIndex) -> (Arc<RwLock<Head>>, u64) {
        let floor = self.wal.rotate();
        // What is known of metrics is in the log alone: it goes on into the new segment before the old ones go.
        if !self.shared.metadata().is_empty() && self.open_segment().is_ok() && self.wal.flush().is_err() {
            self.shared.stats.wal_errors.inc();
        }
        let head = self.shared.active();
        let head = head.read().unwrap_or_else(|e| e.into_inner());
        let next = if index == NewIndex::Now || head.is_worn(SILENT_MS) {
            self.counts.clear();
            self.newest = Vec::new();
            Head::default()
        } else {
            // What the old head knows of instants does not bind the new one: its block does.
            self.newest.fill(NEVER);
            head.next()
        };
        drop(head);
        (self.shared.push_head(next), floor)
    }
}

impl Stats {
    fn set_problem(&self, text: Option<String>) {
        *self.problem.lock().unwrap_or_else(|e| e.into_inner()) = text;
    }
}
