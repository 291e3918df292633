//! Random operations on a store and on a naive model of it, and the same answers from both: batches with what senders
//! get wrong (repeats, other values for the same instant, late samples), cuts, merges, retention, the archive, backups,
//! closing, and crashes.
//! The rule for two values at one instant is docs/decisions/first-value-wins.md. The model must never know how the store
//! does anything.

mod elsewhere;

use crate::arguments::{Arguments, copy};
use crate::random::Random;
use crate::report::{FAILURES_MAX, Progress, Row};
use crate::stop;
use model::batch::STALE_NAN_BITS;
use model::histogram::Buckets;
use model::{Batch, Histogram, HistogramAt, HistogramSample, Labels, MatchOp, Matcher, SeriesData};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use stdx::metrics::Registry;
use store::{Settings, Store};

/// Operations in one world; then a new one, from a seed of its own.
const OPERATIONS_PER_WORLD: u64 = 4_000;
const START_MS: i64 = 1_700_000_000_000;
const STEP_MS: i64 = 1000;
const RETENTION_MS: i64 = 200 * STEP_MS;
/// Samples this old are of no interest to anybody any more.
const FORGET_MS: i64 = 3 * RETENTION_MS;

/// Worlds at one time: each waits for its own writer most of the time.
const WORLDS: u64 = 4;

/// What all worlds together have done.
struct Done {
    row: Row,
    progress: Progress,
    counts: BTreeMap<&'static str, u64>,
}

/// Tries so many operations.
///
/// # Errors
/// If somebody stopped it, or a folder cannot be made.
pub fn run(arguments: &Arguments) -> Result<Row, String> {
    let row = Row::new("operations against a model", arguments.seed);
    let progress = Progress::new("operations", arguments.operations);
    let done = Mutex::new(Done { row, progress, counts: BTreeMap::new() });
    let worlds = arguments.operations.div_ceil(OPERATIONS_PER_WORLD);
    std::thread::scope(|scope| {
        let live = |first: u64| -> Result<(), String> {
            let mut mine = (first..worlds).step_by(WORLDS as usize);
            mine.try_for_each(|world| {
                let operations =
                    (arguments.operations - world * OPERATIONS_PER_WORLD).min(OPERATIONS_PER_WORLD);
                live(arguments, arguments.seed + world, operations, &done)
            })
        };
        let threads: Vec<_> = (0..WORLDS).map(|first| scope.spawn(move || live(first))).collect();
        let ends = threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err("a world panicked".into())));
        ends.fold(Ok(()), Result::and)
    })?;
    let Done { mut row, progress, counts } = done.into_inner().unwrap_or_else(|e| e.into_inner());
    row.took = progress.took();
    row.notes.push(counts.iter().map(|(kind, n)| format!("{kind} {n}")).collect::<Vec<_>>().join(", "));
    Ok(row)
}

/// The life of one world, to its end or its first failure.
fn live(arguments: &Arguments, seed: u64, operations: u64, done: &Mutex<Done>) -> Result<(), String> {
    let mut world = World::new(seed, arguments)?;
    for _ in 0..operations {
        stop::check()?;
        let outcome = world.step();
        let mut done = done.lock().unwrap_or_else(|e| e.into_inner());
        done.row.run += 1;
        let run = done.row.run;
        done.progress.at(run);
        if done.row.failures.len() >= FAILURES_MAX {
            return Ok(());
        }
        match outcome {
            Ok(kind) => *done.counts.entry(kind).or_default() += 1,
            Err(e) => {
                if let Some(keep) = &arguments.keep {
                    let _ = copy(&world.path, &keep.join(format!("model-{seed}")));
                }
                done.row.fail(format!("operation {} of seed {seed}: {e}", world.steps));
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What was sent for an instant: the first counts, the others are other values that were refused or stored in vain.
type Values = Vec<u64>;

struct World {
    random: Random,
    folder: tempfile::TempDir,
    path: PathBuf,
    generation: u64,
    settings: Settings,
    store: Option<Store>,
    series: Vec<Labels>,
    naive: Vec<BTreeMap<i64, Values>>,
    /// The clock, in steps since the start.
    now: i64,
    /// Retention has been let go up to here.
    removed_until_ms: i64,
    /// Lines of backups so far.
    backups: u64,
    steps: u64,
}

impl World {
    fn new(seed: u64, arguments: &Arguments) -> Result<World, String> {
        let mut random = Random::new(seed);
        let folder = arguments.folder()?;
        let archive = random.percent(50).then(|| folder.path().join("archive"));
        let settings = Settings {
            archive_after_ms: (40 + random.below(120) as i64) * STEP_MS,
            archive,
            retention_ms: RETENTION_MS,
            head_age_ms: (20 + random.below(200) as i64) * STEP_MS,
            head_bytes_max: if random.percent(30) { 40_000 } else { 1 << 30 },
            merge_blocks: 2 + random.index(4),
            merge_bytes_max: 4_000 << random.below(8),
            index_bytes_max: 10_000,
            ..Settings::default()
        };
        let series: Vec<Labels> = (0..6 + random.below(20)).map(|n| labels(n, &mut random)).collect();
        let mut distinct = series;
        distinct.sort();
        distinct.dedup();
        let path = folder.path().join("0");
        let mut world = World {
            random,
            folder,
            path,
            generation: 0,
            settings,
            store: None,
            naive: vec![BTreeMap::new(); distinct.len()],
            series: distinct,
            now: 0,
            removed_until_ms: i64::MIN,
            backups: 0,
            steps: 0,
        };
        world.open()?;
        Ok(world)
    }

    fn open(&mut self) -> Result<(), String> {
        let store = Store::open(&self.path, self.settings.clone(), &Registry::default());
        self.store = Some(store.map_err(|e| format!("it does not open: {e}"))?);
        Ok(())
    }

    fn store(&self) -> Result<&Store, String> {
        self.store.as_ref().ok_or_else(|| "no store".to_string())
    }

    fn now_ms(&self) -> i64 {
        START_MS + self.now * STEP_MS
    }

    /// One operation. Which it was, or what was wrong.
    fn step(&mut self) -> Result<&'static str, String> {
        self.steps += 1;
        match self.random.below(1000) {
            0..480 => self.append().map(|()| "appends"),
            480..900 => self.select().map(|()| "reads"),
            900..960 => self.maintain().map(|()| "maintenance"),
            960..966 if self.settings.archive.is_some() => self.archive().map(|()| "passes of the archive"),
            966..968 if self.settings.archive.is_some() => self.bring_back().map(|()| "brought back"),
            968..970 => self.back_up().map(|()| "backups"),
            970..978 => {
                self.store()?.flush_head().map_err(|e| format!("a cut fails: {e}"))?;
                Ok("cuts")
            }
            978..981 => {
                self.store = None;
                self.open()?;
                self.all().map(|()| "closed and opened")
            }
            981..985 => self.crash().map(|()| "crashes"),
            985..988 => self.all().map(|()| "reads of everything"),
            _ => self.append().map(|()| "appends"),
        }
    }

    /// A few batches, most of them at once, so that some share a sync.
    fn append(&mut self) -> Result<(), String> {
        self.now += self.random.below(3) as i64;
        let mut waiting = Vec::new();
        for _ in 0..1 + self.random.below(3) {
            let mut samples = self.samples();
            // Of a batch numbers are taken first.
            samples.sort_by_key(|(_, _, bits)| is_histogram(*bits));
            let mut batch = Batch::default();
            let mut conflicts = 0;
            for (series, t, bits) in &samples {
                push(&mut batch, &self.series[*series], *t, *bits);
                let values = self.naive[*series].entry(*t).or_default();
                if !values.contains(bits) {
                    values.push(*bits);
                }
                // Where there are two values, which of them is refused may depend on cuts; what is read may not.
                conflicts += u64::from(values.len() > 1);
            }
            let pending = self.store()?.append(batch).map_err(|e| format!("a batch is refused: {e}"))?;
            waiting.push((pending, samples.len() as u64, conflicts));
        }
        for (pending, samples, conflicts) in waiting {
            let outcome = pending.wait_blocking().map_err(|e| format!("a batch fails: {e}"))?;
            let refused: u64 = outcome.rejects.iter().map(|r| r.samples).sum();
            if outcome.accepted + refused != samples || refused > conflicts {
                let accepted = outcome.accepted;
                return Err(format!(
                    "of {samples} samples, {conflicts} of them in conflict, {accepted} were taken and {refused} refused: {:?}",
                    outcome.rejects
                ));
            }
        }
        Ok(())
    }

    /// Series, time, bits: in order mostly, some late, some sent before, some sent before with another value.
    fn samples(&mut self) -> Vec<(usize, i64, u64)> {
        let now_ms = self.now_ms();
        let mut out = Vec::new();
        if self.random.percent(60) {
            // As a scrape: one instant, many series.
            for series in 0..self.series.len() {
                if self.random.percent(70) {
                    out.push((series, now_ms, value_of(series, &mut self.random)));
                }
            }
        }
        for _ in 0..self.random.below(12) {
            let series = self.random.index(self.series.len());
            let back = if self.random.percent(70) { 20 } else { RETENTION_MS / STEP_MS - 5 };
            let mut t = now_ms - self.random.below(back as u64) as i64 * STEP_MS;
            if self.random.percent(10) {
                t += self.random.below(STEP_MS as u64) as i64;
            }
            let known = self.naive[series].get(&t).and_then(|values| values.first()).copied();
            let bits = match known {
                Some(first) if self.random.percent(60) => first,
                _ => value_of(series, &mut self.random),
            };
            out.push((series, t, bits));
        }
        out
    }

    fn maintain(&mut self) -> Result<(), String> {
        self.now += self.random.below(8) as i64;
        let now_ms = self.now_ms();
        self.removed_until_ms = now_ms - RETENTION_MS;
        let uptime_ms = (self.now * STEP_MS) as u64;
        self.store()?.maintain(now_ms, uptime_ms).map_err(|e| format!("maintenance fails: {e}"))?;
        let forget_ms = now_ms - FORGET_MS;
        self.naive.iter_mut().for_each(|series| *series = series.split_off(&forget_ms));
        Ok(())
    }

    /// The process is gone at once, and the folder is as it is: the store that is open never closes it. What an
    /// unfinished write leaves at the end of the log may be there as well.
    fn crash(&mut self) -> Result<(), String> {
        self.generation += 1;
        let next = self.folder.path().join(self.generation.to_string());
        let failed = |e: std::io::Error| format!("a folder for temporary files: {e}");
        copy(&self.path, &next).map_err(failed)?;
        self.store = None;
        std::fs::remove_dir_all(&self.path).map_err(failed)?;
        self.path = next;
        if self.random.percent(40) {
            let folder = self.path.join("wal");
            let mut logs: Vec<PathBuf> =
                std::fs::read_dir(folder).map_err(failed)?.flatten().map(|entry| entry.path()).collect();
            logs.sort();
            if let Some(last) = logs.last() {
                let mut bytes = std::fs::read(last).map_err(failed)?;
                let length = 9 + self.random.below(200);
                bytes.extend(u32::try_from(length * 2).unwrap_or_default().to_le_bytes());
                bytes.extend((0..length).map(|_| self.random.number() as u8));
                std::fs::write(last, bytes).map_err(failed)?;
            }
            std::fs::write(self.path.join("blocks/000000009999.chunks.parquet"), b"half").map_err(failed)?;
            std::fs::write(self.path.join("manifest/000000099999.json#0"), b"half").map_err(failed)?;
        }
        self.open()?;
        self.all()
    }

    fn all(&mut self) -> Result<(), String> {
        self.compare(&[], START_MS - FORGET_MS, i64::MAX)
    }

    fn select(&mut self) -> Result<(), String> {
        let matchers: Vec<Matcher> = (0..self.random.below(3)).filter_map(|_| self.matcher()).collect();
        let now_ms = self.now_ms();
        let start = now_ms - self.random.below((RETENTION_MS + 50 * STEP_MS) as u64) as i64;
        let length = if self.random.percent(85) { 20 * STEP_MS } else { RETENTION_MS };
        let end = start + self.random.below(length as u64) as i64;
        self.compare(&matchers, start, end)
    }

    fn matcher(&mut self) -> Option<Matcher> {
        let name = *self.random.pick(&["__name__", "a", "b", "only", "none"]);
        let (op, value) = match self.random.below(9) {
            0..3 => (MatchOp::Equal, *self.random.pick(&["m0", "m1", "x", "y", "1", "12", ""])),
            3 => (MatchOp::NotEqual, *self.random.pick(&["m0", "x", "1", ""])),
            4..7 => (
                MatchOp::Regex,
                *self.random.pick(&[
                    "m.*",
                    "m0|m2",
                    "x|y|z",
                    "1.*",
                    ".+",
                    ".*",
                    "(1|2)[0-9]",
                    "x.*|",
                    "(?i)X",
                ]),
            ),
            _ => (MatchOp::NotRegex, *self.random.pick(&["m0|m1", "x.*", ".+", "", "[0-9]+"])),
        };
        Matcher::new(name, op, value).ok()
    }

    /// Whether both give the same. Below what retention has been let go, and where archived blocks are away, a sample may
    /// be gone, and then another value for its instant may stand in its place.
    fn compare(&self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Result<(), String> {
        let start_ms = start_ms.max(self.now_ms() - FORGET_MS);
        let away = self.away()?;
        let view = self.store()?.view();
        let found = view.select(matchers, start_ms, end_ms, 10_000, 1 << 30);
        let found = found.map_err(|e| format!("no answer: {e}"))?;
        let lacks =
            start_ms <= end_ms && away.iter().any(|(first, last)| *first <= end_ms && *last >= start_ms);
        match view.warnings().as_slice() {
            [] if !lacks => {}
            [one] if lacks && one.contains("archived blocks of this range") => {}
            [] => return Err("the answer does not say that archived blocks were left out".to_string()),
            [warning, ..] => return Err(format!("the answer is partial: {warning}")),
        }
        let mut answers: BTreeMap<&Labels, BTreeMap<i64, u64>> = BTreeMap::new();
        for series in &found {
            let samples = samples(series)?;
            let is_ordered = series.timestamps_ms.windows(2).all(|w| w[0] < w[1])
                && series.histograms.windows(2).all(|w| w[0].timestamp_ms < w[1].timestamp_ms)
                && samples.len() == series.values.len() + series.histograms.len();
            if !is_ordered || samples.is_empty() || answers.insert(&series.labels, samples).is_some() {
                return Err(format!("{} comes twice, or empty, or out of order", series.labels));
            }
        }
        let is_all = matchers.is_empty();
        for (labels, naive) in self.series.iter().zip(&self.naive) {
            let answer = answers.remove(labels).unwrap_or_default();
            if !is_all && !Matcher::all(matchers, labels) {
                if !answer.is_empty() {
                    return Err(format!("{labels} was not asked for by {matchers:?}"));
                }
                continue;
            }
            if end_ms < start_ms {
                continue;
            }
            let may_lack = |t: i64| {
                t < self.removed_until_ms || away.iter().any(|(first, last)| (*first..=*last).contains(&t))
            };
            same(labels, naive.range(start_ms..=end_ms), &answer, may_lack)?;
        }
        match answers.keys().next() {
            Some(labels) => Err(format!("{labels} was never sent")),
            None => Ok(()),
        }
    }
}

/// Bits that stand for a native histogram; the low half says which.
const HISTOGRAM: u64 = 0x7ff9_7777_0000_0000;

fn is_histogram(bits: u64) -> bool {
    bits & !0xffff_ffff == HISTOGRAM
}

/// The histogram that these bits stand for: of several scales, and the marker.
fn histogram(bits: u64) -> Histogram {
    let n = bits as u32;
    let count = f64::from(n % 1000 + 1);
    let positive = [(-3, count), ((n % 7) as i32, 2.0 * count), (50, f64::from(n % 2))];
    match n {
        0 => Histogram::stale(),
        n => Histogram {
            schema: if n.is_multiple_of(5) { 2 } else { 3 },
            count: 3.0 * count + f64::from(n % 2),
            sum: f64::from(n),
            zero_threshold: 0.001,
            positive: Buckets::from_pairs(positive.into_iter().filter(|(_, count)| *count > 0.0)),
            ..Histogram::default()
        },
    }
}

/// Since when a sample at this time counts, if it says so: always the same.
fn start_ms(labels: &Labels, t: i64) -> i64 {
    let every = labels.get("b").len() as i64;
    if t.rem_euclid(3) < every - 1 { t - t.rem_euclid(20 * STEP_MS) } else { 0 }
}

fn push(batch: &mut Batch, labels: &Labels, t: i64, bits: u64) {
    let start_ms = start_ms(labels, t);
    if is_histogram(bits) {
        let at = HistogramAt { timestamp_ms: t, start_ms, histogram: histogram(bits).into() };
        batch.histograms.push(HistogramSample { series: batch.series.len() as u32, at });
        batch.series.push(labels.clone());
        return;
    }
    if start_ms != 0 {
        batch.starts.push((batch.samples.len() as u32, start_ms));
    }
    batch.push(labels, t, f64::from_bits(bits));
}

/// What an answer holds, numbers and histograms, as bits.
fn samples(series: &SeriesData) -> Result<BTreeMap<i64, u64>, String> {
    let mut all: BTreeMap<i64, u64> = BTreeMap::new();
    for (i, (t, v)) in series.timestamps_ms.iter().zip(&series.values).enumerate() {
        let start = series.starts_ms.get(i).copied().unwrap_or(0);
        if start != start_ms(&series.labels, *t) {
            return Err(format!("{} at {t} counts since {start}, which was not sent", series.labels));
        }
        all.insert(*t, v.to_bits());
    }
    for at in &series.histograms {
        let n = if at.histogram.is_stale() { 0 } else { at.histogram.sum as u64 };
        let bits = HISTOGRAM | n;
        let start = start_ms(&series.labels, at.timestamp_ms);
        if *at.histogram != histogram(bits) && n > 0 || at.start_ms != start {
            return Err(format!("{} has a histogram that was never sent: {at:?}", series.labels));
        }
        all.insert(at.timestamp_ms, bits);
    }
    Ok(all)
}

fn same<'a>(
    labels: &Labels,
    want: impl Iterator<Item = (&'a i64, &'a Values)>,
    have: &BTreeMap<i64, u64>,
    may_lack: impl Fn(i64) -> bool,
) -> Result<(), String> {
    let mut known = 0;
    for (t, values) in want {
        let Some(bits) = have.get(t) else {
            if !may_lack(*t) {
                return Err(format!("{labels} at {t} is lost"));
            }
            continue;
        };
        known += 1;
        let is_right = values.first() == Some(bits) || (may_lack(*t) && values.contains(bits));
        if !is_right {
            let texts: Vec<f64> = values.iter().map(|b| f64::from_bits(*b)).collect();
            return Err(format!("{labels} at {t} is {} and was sent as {texts:?}", f64::from_bits(*bits)));
        }
    }
    if known == have.len() { Ok(()) } else { Err(format!("{labels} has times that were never sent")) }
}

/// Few names and values, so that matchers find several; some labels are absent, some texts odd.
fn labels(n: u64, random: &mut Random) -> Labels {
    let mut pairs = vec![("__name__", format!("m{}", n % 3)), ("b", (n % 25).to_string())];
    if random.percent(60) {
        pairs.push(("a", random.pick(&["x", "y", "z", "ä\n\"", "xx"]).to_string()));
    }
    if n == 7 {
        pairs.push(("only", "1".into()));
    }
    Labels::from_pairs(pairs).unwrap_or_default()
}

/// A third of the series are histograms mostly.
fn value_of(series: usize, random: &mut Random) -> u64 {
    if !series.is_multiple_of(3) || random.percent(20) {
        return value(random);
    }
    HISTOGRAM | if random.percent(10) { 0 } else { 1 + random.below(60) * random.below(60) }
}

fn value(random: &mut Random) -> u64 {
    let value = match random.below(10) {
        0..4 => random.below(5) as f64,
        4..6 => random.number() as f64 / 7.0,
        6 => return STALE_NAN_BITS,
        7 => return *random.pick(&[f64::NAN.to_bits(), 0x7ff8_0000_0000_beef, (-0.0f64).to_bits()]),
        8 => f64::INFINITY,
        _ => (random.below(1 << 50)) as f64,
    };
    value.to_bits()
}
