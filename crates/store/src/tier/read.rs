//! Reading buckets instead of samples where a tier has all of a time, and samples where not. It must never use a window
//! that lacks samples which a reader of the blocks would see, as long as these are there.

use super::bucket::{Bucket, Folder, Grid};
use super::{KINDS, Tier, codec};
use crate::block::too_many_samples;
use crate::chunk::Chunk;
use crate::head::Piece;
use crate::view::{self, SeriesPieces, View, too_many_series};
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use model::{Labels, Matcher};
use std::sync::Arc;
use stdx::Result;

/// What is asked of the tiers.
#[derive(Clone, Copy)]
pub struct SummaryQuery<'a> {
    /// Which series.
    pub matchers: &'a [Matcher],
    /// Samples of `start_ms < t <= end_ms`. An edge inside a bucket is taken for the bucket's start.
    pub start_ms: i64,
    /// See `start_ms`.
    pub end_ms: i64,
    /// Which tiers may stand for samples, best first, as lengths of their buckets in milliseconds.
    pub resolutions: &'a [i64],
    /// Where samples were removed by retention, any tier may stand for them.
    pub any_for_removed: bool,
    /// The most series.
    pub series_max: usize,
    /// The most buckets and samples.
    pub samples_max: usize,
}

/// A stretch of time that was read from a tier: `from_ms < t <= to_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Length of the buckets, milliseconds.
    pub resolution_ms: i64,
    /// Begin.
    pub from_ms: i64,
    /// End.
    pub to_ms: i64,
}

/// The answer: series whose parts are buckets or samples.
pub struct Summarised {
    /// Not yet decoded, in no particular order.
    pub series: Vec<SummarisedSeries>,
    /// What was read from tiers, in order of time; never empty.
    pub used: Vec<Used>,
}

/// One series.
pub struct SummarisedSeries {
    /// Its labels.
    pub labels: Labels,
    /// In order of time, from and to when each reaches.
    parts: Vec<(i64, i64, Part)>,
}

enum Part {
    Rows(Vec<Chunk>),
    Samples(SeriesPieces),
}

impl SummarisedSeries {
    /// Buckets in order of time: those of tiers as they are, samples on `grid`.
    ///
    /// # Errors
    /// `Corrupt` if something does not decode.
    pub fn buckets(&self, grid: Grid) -> Result<Vec<Bucket>> {
        let mut out = Vec::new();
        for (from_ms, to_ms, part) in &self.parts {
            match part {
                Part::Rows(rows) => decode(rows, *from_ms, *to_ms, &mut out)?,
                Part::Samples(pieces) => {
                    let mut folder = Folder::new(grid, *to_ms);
                    let (t, v) = pieces.samples(from_ms.saturating_add(1), *to_ms)?;
                    t.iter().zip(&v).for_each(|(t, v)| folder.sample(*t, *v));
                    out.append(&mut folder.finish());
                }
            }
        }
        Ok(out)
    }

    /// Samples in order of time; where there are only buckets, the last of each.
    ///
    /// # Errors
    /// As [`SummarisedSeries::buckets`].
    pub fn samples(&self) -> Result<(Vec<i64>, Vec<f64>)> {
        let (mut t, mut v) = (Vec::new(), Vec::new());
        for (from_ms, to_ms, part) in &self.parts {
            match part {
                Part::Rows(rows) => {
                    let mut buckets = Vec::new();
                    decode(rows, *from_ms, *to_ms, &mut buckets)?;
                    for b in buckets {
                        let last = (b.count > 0).then_some((b.last_ms, b.last));
                        let marker = b.stale_ms.map(|t| (t, f64::from_bits(model::STALE_NAN_BITS)));
                        for (time, value) in last.into_iter().chain(marker) {
                            t.push(time);
                            v.push(value);
                        }
                    }
                }
                Part::Samples(pieces) => {
                    let (times, values) = pieces.samples(from_ms.saturating_add(1), *to_ms)?;
                    t.extend(times);
                    v.extend(values);
                }
            }
        }
        Ok((t, v))
    }
}

fn sealed(piece: Piece) -> Option<Chunk> {
    match piece {
        Piece::Sealed(row) => Some(row),
        Piece::Open(_) | Piece::Plain(..) | Piece::Started(..) | Piece::Histograms(_) => None,
    }
}

/// Samples in all parts, those that are there twice counted twice.
fn samples(pieces: &SeriesPieces) -> usize {
    let length = |part| match part {
        view::Part::Summary(summary) => summary.count as usize,
        view::Part::Open(coded) => coded.len(),
        view::Part::Samples(t, _) => t.len(),
    };
    pieces.parts().map(length).sum()
}

fn decode(rows: &[Chunk], from_ms: i64, to_ms: i64, out: &mut Vec<Bucket>) -> Result<()> {
    let before = out.len();
    for row in rows {
        out.extend(codec::decode(row)?.into_iter().filter(|b| b.end_ms > from_ms && b.end_ms <= to_ms));
    }
    // Rows of one series are written in order of time.
    if out[before..].windows(2).any(|w| w[0].end_ms >= w[1].end_ms) {
        return Err(stdx::Error::corrupt("the rows of a series in a tier are not in order of time"));
    }
    Ok(())
}

/// What is not yet assigned to a source: `from < t <= to`, in order of time.
struct Free(Vec<(i64, i64)>);

impl Free {
    /// Takes away a stretch; what of it was there.
    fn take(&mut self, from_ms: i64, to_ms: i64) -> Vec<(i64, i64)> {
        let (mut taken, mut rest) = (Vec::new(), Vec::new());
        for (a, b) in self.0.drain(..) {
            let (from, to) = (a.max(from_ms), b.min(to_ms));
            if from >= to {
                rest.push((a, b));
                continue;
            }
            taken.push((from, to));
            rest.extend([(a, from), (to, b)].into_iter().filter(|(a, b)| a < b));
        }
        self.0 = rest;
        taken
    }

    fn give_back(&mut self, spans: Vec<(i64, i64)>) {
        self.0.extend(spans);
        self.0.sort_unstable();
    }
}

impl View {
    /// Series that pass the matchers, from tiers where they may be used and have all that the blocks have. `None` if
    /// no tier can be used, or one of the series has native histograms, which no tier has: then the samples are to be read.
    ///
    /// # Errors
    /// As [`View::pieces`]. A damaged window is told by [`View::warnings`], and read from the blocks if these are there.
    pub fn summaries(&self, query: &SummaryQuery<'_>) -> Result<Option<Summarised>> {
        let mut free = Free(vec![(query.start_ms, query.end_ms)]);
        let chosen = self.choose(query, &mut free);
        if chosen.is_empty() || self.has_histograms(query) {
            return Ok(None);
        }
        let mut found = Collected::default();
        let mut read = Vec::with_capacity(chosen.len());
        for (tier, spans) in chosen {
            if self.read_tier(&tier, &spans, query, &mut found) {
                read.push((tier, spans));
            } else {
                free.give_back(spans);
            }
            found.check(query)?;
        }
        for (from_ms, to_ms) in std::mem::take(&mut free.0) {
            let room = query.samples_max.saturating_sub(found.samples);
            let from = from_ms.saturating_add(1);
            for pieces in self.pieces(query.matchers, from, to_ms, query.series_max, room)? {
                found.samples += samples(&pieces);
                let labels = pieces.labels.clone();
                found.add(labels, (from_ms, to_ms, Part::Samples(pieces)));
            }
            found.check(query)?;
        }
        let mut used: Vec<Used> = read
            .iter()
            .flat_map(|(tier, spans)| {
                let resolution_ms = tier.entry.resolution_ms;
                spans.iter().map(move |(from_ms, to_ms)| Used {
                    resolution_ms,
                    from_ms: *from_ms,
                    to_ms: *to_ms,
                })
            })
            .collect();
        used.sort_by_key(|u| u.from_ms);
        used.dedup_by(|next, kept| {
            let joins = next.resolution_ms == kept.resolution_ms && next.from_ms == kept.to_ms;
            if joins {
                kept.to_ms = next.to_ms;
            }
            joins
        });
        let mut series = found.series;
        series.iter_mut().for_each(|s| s.parts.sort_by_key(|p| p.0));
        Ok((!used.is_empty()).then_some(Summarised { series, used }))
    }

    /// Whether a series that is asked for has native histograms. A block that cannot be read is told when it is read.
    fn has_histograms(&self, query: &SummaryQuery<'_>) -> bool {
        let (start_ms, end_ms) = (query.start_ms.saturating_add(1), query.end_ms);
        let with_some = self.blocks.iter().filter(|b| b.entry.histograms > 0 && b.overlaps(start_ms, end_ms));
        let in_blocks = with_some.flat_map(|b| b.index()).any(|index| {
            let mut ids = index.labels.select(query.matchers).into_iter();
            ids.any(|id| index.has_histograms(id, start_ms, end_ms))
        });
        in_blocks
            || self.heads.iter().any(|head| {
                let head = head.read().unwrap_or_else(|e| e.into_inner());
                head.may_have_histograms()
                    && head
                        .index()
                        .select(query.matchers)
                        .into_iter()
                        .any(|id| head.has_histograms(id, start_ms, end_ms))
            })
    }

    /// Which windows stand for which stretches.
    #[allow(clippy::type_complexity)]
    fn choose(&self, query: &SummaryQuery<'_>, free: &mut Free) -> Vec<(Arc<Tier>, Vec<(i64, i64)>)> {
        let removed_through_ms = self.tiers.removed_through_ms;
        let overlapping = |t: &&Arc<Tier>| t.entry.start_ms < query.end_ms && t.entry.end_ms > query.start_ms;
        let windows: Vec<&Arc<Tier>> = self.tiers.windows.iter().filter(overlapping).collect();
        let Some(newest_ms) = windows.iter().map(|t| t.entry.end_ms).max() else { return Vec::new() };
        let late = self.late(query, newest_ms);
        let is_whole = |tier: &Tier| {
            // Of the window only whole buckets that are asked for matter.
            let start_of = |t: i64| t - t.rem_euclid(tier.entry.resolution_ms);
            let from = tier.entry.start_ms.max(start_of(query.start_ms)).saturating_add(1);
            let to = tier.entry.end_ms.min(start_of(query.end_ms));
            !late.iter().any(|(first, last)| *first <= to && *last >= from)
                && !self
                    .blocks
                    .iter()
                    .any(|b| b.overlaps(from, to) && b.entry.newest_source() > tier.entry.sources_through)
        };
        let mut chosen = Vec::new();
        let mut take = |tier: &Arc<Tier>, free: &mut Free| {
            let spans = free.take(tier.entry.start_ms, tier.entry.end_ms);
            if !spans.is_empty() {
                chosen.push((tier.clone(), spans));
            }
        };
        let gone = |tier: &Tier| tier.entry.start_ms < removed_through_ms;
        for resolution in query.resolutions {
            for tier in windows.iter().filter(|t| t.entry.resolution_ms == *resolution) {
                if gone(tier) || is_whole(tier) {
                    take(tier, free);
                }
            }
        }
        for kind in KINDS.iter().filter(|_| query.any_for_removed) {
            for tier in windows.iter().filter(|t| t.entry.resolution_ms == kind.resolution_ms && gone(t)) {
                take(tier, free);
            }
        }
        chosen
    }

    /// When samples lie in memory that are older than the end of the newest window: no window has them.
    fn late(&self, query: &SummaryQuery<'_>, newest_ms: i64) -> HashSet<(i64, i64)> {
        let mut found = HashSet::new();
        let minute = |t: i64| Grid::of(super::MINUTE_MS).end_of(t);
        for head in &self.heads {
            let head = head.read().unwrap_or_else(|e| e.into_inner());
            if head.range_ms.is_none_or(|(first, _)| first > newest_ms) {
                continue;
            }
            for id in head.index().select(query.matchers) {
                if let Some(life) = head.lifetime(id, query.start_ms, newest_ms) {
                    found.insert((minute(life.first_ms), minute(life.last_ms)));
                }
            }
        }
        found
    }

    /// Reads the rows of one window. False if it is damaged and its samples are still there: then they are to be read.
    fn read_tier(
        &self,
        tier: &Tier,
        spans: &[(i64, i64)],
        query: &SummaryQuery<'_>,
        found: &mut Collected,
    ) -> bool {
        let (mut warnings, mut read) = (Vec::new(), Vec::new());
        for part in &tier.parts {
            let (first, last) = (spans[0].0, spans[spans.len() - 1].1);
            // A bucket counts by its end; its samples may lie before the edge that is asked for.
            let first = first.saturating_sub(tier.entry.resolution_ms);
            match part.read(query.matchers, first, last, usize::MAX, &mut warnings) {
                Ok(rows) => read.extend(rows),
                Err(e) => warnings.push(format!("{}: {e}", part.paths[1])),
            }
        }
        let is_damaged = !warnings.is_empty();
        if is_damaged {
            super::upkeep::mark_damaged(tier);
            self.warn(warnings);
            if tier.entry.start_ms >= self.tiers.removed_through_ms {
                return false;
            }
        }
        if tier.entry.is_partial {
            let from = model::time::format_rfc3339_ms(tier.entry.start_ms);
            self.warn(vec![format!(
                "some samples of the {} h from {from} on could not be read or were gone when they were summarised",
                (tier.entry.end_ms - tier.entry.start_ms) / super::HOUR_MS
            )]);
        }
        for (labels, pieces) in read {
            let rows: Vec<Chunk> = pieces.into_iter().filter_map(sealed).collect();
            found.samples += rows.iter().map(codec::len).sum::<usize>();
            for (from_ms, to_ms) in spans {
                found.add(labels.clone(), (*from_ms, *to_ms, Part::Rows(rows.clone())));
            }
        }
        true
    }
}

#[derive(Default)]
struct Collected {
    series: Vec<SummarisedSeries>,
    positions: Option<HashMap<Labels, usize>>,
    /// Buckets and samples.
    samples: usize,
}

impl Collected {
    fn add(&mut self, labels: Labels, part: (i64, i64, Part)) {
        let positions = self.positions.get_or_insert_with(HashMap::new);
        match positions.get(&labels) {
            Some(at) => self.series[*at].parts.push(part),
            None => {
                positions.insert(labels.clone(), self.series.len());
                self.series.push(SummarisedSeries { labels, parts: vec![part] });
            }
        }
    }

    fn check(&self, query: &SummaryQuery<'_>) -> Result<()> {
        if self.series.len() > query.series_max {
            return Err(too_many_series(query.series_max));
        }
        if self.samples > query.samples_max {
            return Err(too_many_samples(query.samples_max));
        }
        Ok(())
    }
}
