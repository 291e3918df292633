//! Lines like one, over all series that are asked about: reads them, compares the shape of each with that of the one on all cores,
//! and keeps the nearest. How alike two lines are is for [`look::like`]; this must never hold more than the nearest few.

use crate::app::App;
use crate::changed::{constant, number, seconds, series_json, shown};
use crate::sweep::{Watch, on_all_cores, read};
use foldhash::{HashMap, HashMapExt};
use look::like::{ALIKE_MIN, Alike, POINTS, Shape, sentence};
use model::Matcher;
use serde_json::{Value as Json, json};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use stdx::{Error, ErrorKind, Result};
use store::SeriesPieces;

/// Lines in one answer.
pub const LIMIT_MAX: usize = 500;
/// Points of a picture, a divisor of those of a shape.
const PICTURE: usize = 48;
/// Series that are named where one was meant.
const NAMED_MAX: usize = 5;

/// What is asked.
pub struct Question {
    /// The one series, by labels.
    pub series: Vec<Matcher>,
    /// Where its shape is taken, milliseconds since 1970, ends included.
    pub window: (i64, i64),
    /// Which others; all when empty.
    pub matchers: Vec<Matcher>,
    /// Lines in the answer.
    pub limit: usize,
}

#[derive(Clone)]
struct Found {
    series: usize,
    alike: Alike,
    picture: Vec<f64>,
}

struct Worker<'a> {
    app: &'a App,
    is_rate: HashMap<String, bool>,
}

impl Worker<'_> {
    fn shape(&mut self, series: &SeriesPieces, window: (i64, i64)) -> Result<Option<Shape>> {
        let name = series.labels.name();
        let is_rate = match self.is_rate.get(name) {
            Some(known) => *known,
            None => {
                *self.is_rate.entry(name.into()).or_insert_with(|| shown(self.app, &series.labels).is_rate)
            }
        };
        let (times, values) = series.samples(window.0, window.1)?;
        Ok(Shape::of(&times, &values, window, is_rate))
    }
}

/// The answer as JSON.
///
/// # Errors
/// `NotFound` or `Invalid` if the one series is not one, or has no shape; `TooLarge` past a limit; `Cancelled` when the client has
/// left or the time is over.
pub fn answer(app: &App, question: &Question, watch: &Watch) -> Result<Json> {
    let view = app.store.view();
    let window = question.window;
    let target = the_one(read(app, &view, std::slice::from_ref(&question.series), window)?)?;
    let new_worker = || Worker { app, is_rate: HashMap::new() };
    let shape = new_worker().shape(&target, window)?.ok_or_else(|| {
        let text = format!("{} does not change in this time, or too little of it is known: take another time, or a longer one", target.labels);
        Error::invalid(text)
    })?;
    let mut series = read(app, &view, std::slice::from_ref(&question.matchers), window)?;
    // The buckets of a histogram say together what its sum and count say, hundreds of times over.
    series.retain(|s| s.labels.get("le").is_empty() && !s.has_histograms() && s.labels != target.labels);
    let (still, alike_count) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let one = |worker: &mut Worker<'_>, i: usize, found: &mut Vec<Found>| -> Result<()> {
        let other = match constant(&series[i]) {
            Some(_) => None,
            None => worker.shape(&series[i], window)?,
        };
        let Some(other) = other else {
            still.fetch_add(1, Relaxed);
            return Ok(());
        };
        if let Some(alike) = shape.alike(&other, window.1 - window.0) {
            alike_count.fetch_add(1, Relaxed);
            found.push(Found { series: i, alike, picture: picture(&other) });
        }
        Ok(())
    };
    let nearest = |found: &mut Vec<Found>| {
        let merit = |f: &Found| f.alike.correlation.abs();
        found.sort_by(|a, b| {
            let nearer = a.alike.lag_ms.abs().cmp(&b.alike.lag_ms.abs());
            merit(b).total_cmp(&merit(a)).then(nearer).then(a.series.cmp(&b.series))
        });
        found.truncate(question.limit);
    };
    let trim = |found: &mut Vec<Found>| {
        if found.len() > 4 * question.limit {
            nearest(found);
        }
    };
    let point_ms = ((window.1 - window.0) / POINTS as i64).max(1);
    let tell = |mut found: Vec<Found>| {
        nearest(&mut found);
        let one = |f: &Found| {
            let labels = &series[f.series].labels;
            let mut json = series_json(labels, &shown(app, labels).unit);
            json["correlation"] = json!((f.alike.correlation * 1000.0).round() / 1000.0);
            json["lag_s"] = json!(f.alike.lag_ms as f64 / 1000.0);
            json["sentence"] = sentence(&f.alike, point_ms).into();
            json["picture"] = f.picture.iter().map(|v| number(*v)).collect();
            json
        };
        let unit = shown(app, &target.labels).unit;
        let mut like = series_json(&target.labels, &unit);
        like["picture"] = picture(&shape).into_iter().map(number).collect();
        json!({
            "like": like,
            "window": seconds(window),
            "compared": series.len(),
            "still": still.load(Relaxed),
            "alike": found.iter().map(one).collect::<Vec<_>>(),
            "alike_total": alike_count.load(Relaxed),
            "correlation_min": ALIKE_MIN,
            "point_s": point_ms as f64 / 1000.0,
            "warnings": view.warnings(),
        })
    };
    let found = on_all_cores(series.len(), watch, new_worker, one, trim, tell)?;
    Ok(tell(found))
}

/// The series that is meant.
fn the_one(mut found: Vec<SeriesPieces>) -> Result<SeriesPieces> {
    found.retain(|s| !s.has_histograms());
    if found.len() > 1 {
        let names: Vec<String> = found.iter().take(NAMED_MAX).map(|s| s.labels.to_string()).collect();
        let more = if found.len() > NAMED_MAX { ", ..." } else { "" };
        let text = format!(
            "{} series match; name more labels of the one that is meant: {}{more}",
            found.len(),
            names.join(", ")
        );
        return Err(Error::invalid(text));
    }
    found.pop().ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            "no series of numbers matches in this time; look for its name on the page Look",
        )
    })
}

/// The shape as fewer means.
fn picture(shape: &Shape) -> Vec<f64> {
    let mean = |part: &[f64]| {
        let known: Vec<f64> = part.iter().copied().filter(|v| v.is_finite()).collect();
        // As halves of halves: it does not overflow.
        if known.is_empty() { f64::NAN } else { known.iter().map(|v| v / known.len() as f64).sum() }
    };
    shape.means().chunks(POINTS / PICTURE).map(mean).collect()
}
