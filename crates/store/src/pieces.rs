//! Joins the parts of one series, numbers with their starts and native histograms, into what a reader gets: each instant
//! once, as what takes precedence. Series of plain numbers never come here. It must never invent a start.

use crate::chunk::Chunk;
use crate::head::Piece;
use crate::histogram_chunk;
use model::{HistogramAt, Labels, SeriesData};
use stdx::{Error, Result};

/// Histograms of a series with their place among its numbers: before the piece of this index.
pub type Placed = Vec<(usize, Piece)>;

/// Takes histograms out of pieces that follow `pieces`, which get the rest.
pub fn add(pieces: &mut Vec<Piece>, histograms: &mut Option<Box<Placed>>, more: Vec<Piece>) {
    if !more.iter().any(Piece::is_histograms) {
        pieces.extend(more);
        return;
    }
    let placed = histograms.get_or_insert_default();
    for piece in more {
        match piece.is_histograms() {
            true => placed.push((pieces.len(), piece)),
            false => pieces.push(piece),
        }
    }
}

/// One sample, whatever it is.
enum One {
    Number(f64, i64),
    Histogram(HistogramAt),
}

/// Everything in `start_ms..=end_ms`, in order of time.
///
/// # Errors
/// `Corrupt` if a chunk does not decode.
pub fn data(
    labels: Labels,
    numbers: &[Piece],
    histograms: &[(usize, Piece)],
    start_ms: i64,
    end_ms: i64,
) -> Result<SeriesData> {
    let mut all = Vec::new();
    let mut histograms = histograms.iter().peekable();
    for (i, piece) in numbers.iter().enumerate() {
        while let Some((_, piece)) = histograms.next_if(|(place, _)| *place <= i) {
            decode(piece, &mut all)?;
        }
        decode(piece, &mut all)?;
    }
    histograms.try_for_each(|(_, piece)| decode(piece, &mut all))?;
    if all.windows(2).any(|w| w[0].0 >= w[1].0) {
        all.sort_by_key(|(t, _)| *t);
        all.dedup_by_key(|(t, _)| *t);
    }
    let mut out = SeriesData { labels, ..SeriesData::default() };
    for (t, one) in all {
        match one {
            _ if t < start_ms || t > end_ms => {}
            One::Histogram(at) => out.histograms.push(at),
            One::Number(value, start_ms) => {
                out.timestamps_ms.push(t);
                out.values.push(value);
                out.starts_ms.push(start_ms);
            }
        }
    }
    if out.starts_ms.iter().all(|start| *start == 0) {
        out.starts_ms = Vec::new();
    }
    Ok(out)
}

fn decode(piece: &Piece, all: &mut Vec<(i64, One)>) -> Result<()> {
    let mut numbers = |t: &[i64], v: &[f64], s: &[i64]| {
        let starts = s.iter().copied().chain(std::iter::repeat(0));
        all.extend(t.iter().zip(v).zip(starts).map(|((t, v), s)| (*t, One::Number(*v, s))));
    };
    match piece {
        Piece::Open(coded) => {
            let (mut t, mut v) = (Vec::new(), Vec::new());
            coded.decode_into(&mut t, &mut v)?;
            numbers(&t, &v, &[]);
        }
        Piece::Plain(t, v) => numbers(t, v, &[]),
        Piece::Started(t, v, s) => numbers(t, v, s),
        Piece::Sealed(chunk) if !chunk.is_histograms() => {
            let (mut t, mut v, mut s) = (Vec::new(), Vec::new(), Vec::new());
            chunk.decode_started(&mut t, &mut v, &mut s)?;
            if t.len() != v.len() || t.len() != s.len() {
                return Err(Error::corrupt("times, values and starts differ in number"));
            }
            numbers(&t, &v, &s);
        }
        Piece::Sealed(chunk) => {
            let mut found = Vec::with_capacity(chunk.summary.count.min(1024) as usize);
            histogram_chunk::decode(chunk, &mut found)?;
            all.extend(found.into_iter().map(|at| (at.timestamp_ms, One::Histogram(at))));
        }
        Piece::Histograms(found) => {
            all.extend(found.iter().map(|at| (at.timestamp_ms, One::Histogram(at.clone()))));
        }
    }
    Ok(())
}

/// How many samples a piece counts for: a histogram as many as its numbers would be.
pub fn weight(piece: &Piece) -> usize {
    const NUMBERS_PER_SAMPLE: usize = 2;
    match piece {
        Piece::Sealed(chunk) => weight_of_chunk(chunk),
        Piece::Open(coded) => coded.len(),
        Piece::Plain(t, _) | Piece::Started(t, ..) => t.len(),
        Piece::Histograms(all) => {
            let numbers = |at: &HistogramAt| {
                let h = &at.histogram;
                1 + (h.positive.counts.len() + h.negative.counts.len() + 3) / NUMBERS_PER_SAMPLE
            };
            all.iter().map(numbers).sum()
        }
    }
}

fn weight_of_chunk(chunk: &Chunk) -> usize {
    let count = chunk.summary.count as usize;
    if chunk.is_histograms() { count + histogram_chunk::numbers(chunk) / 2 } else { count }
}
