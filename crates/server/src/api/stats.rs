//! What a query cost, as Prometheus tells it for `stats=`: samples that were read, and where the time went. Counting
//! must not change what is read.

use crate::counted::Counted;
use serde_json::{Value as Json, json};
use std::time::Instant;

/// Instants of one query.
pub struct Clock {
    asked: Instant,
    began: Option<Instant>,
}

impl Clock {
    /// The query was asked now.
    pub fn start() -> Clock {
        Clock { asked: Instant::now(), began: None }
    }

    /// Its turn has come.
    pub fn begin(&mut self) {
        self.began = Some(Instant::now());
    }

    /// The object `stats` of an answer; the query ends now.
    pub fn read(&self, counted: &Counted<'_>) -> Json {
        let began = self.began.unwrap_or(self.asked);
        let (evaluated, total) = (began.elapsed().as_secs_f64(), self.asked.elapsed().as_secs_f64());
        json!({
            "timings": {
                "evalTotalTime": evaluated,
                // Reading, computing and sorting go through each other: there is no time of one alone.
                "resultSortTime": 0,
                "queryPreparationTime": 0,
                "innerEvalTime": evaluated,
                "execQueueTime": began.duration_since(self.asked).as_secs_f64(),
                "execTotalTime": total,
            },
            "samples": {
                "totalQueryableSamples": counted.samples(),
                "peakSamples": counted.samples_most(),
            },
        })
    }
}
