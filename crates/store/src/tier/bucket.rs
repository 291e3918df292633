//! What is known of the samples of one series in a short stretch of time, and how samples become that. It must never
//! know less than a function over whole buckets needs to give what it gives over the samples themselves.

use model::is_stale;

/// The samples of one series in a stretch of time that ends at `end_ms`, inclusive. Stale markers are no samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// End of the stretch, milliseconds since 1970.
    pub end_ms: i64,
    /// Time of the first sample; of the marker if there is no sample.
    pub first_ms: i64,
    /// Time of the last sample; of the marker if there is no sample.
    pub last_ms: i64,
    /// Number of samples; 0 if there is only a stale marker.
    pub count: u64,
    /// Sum of the values; NaN if any is.
    pub sum: f64,
    /// Smallest value that is not NaN; NaN if there is none.
    pub min: f64,
    /// Largest value that is not NaN; NaN if there is none.
    pub max: f64,
    /// First value.
    pub first: f64,
    /// Last value.
    pub last: f64,
    /// Sum of the values before each fall. A counter's increase from the first to the last sample is
    /// `last - first + falls`, since a fall is a restart from zero.
    pub falls: f64,
    /// Time of the stale marker, if one came after the last sample.
    pub stale_ms: Option<i64>,
}

impl Bucket {
    fn of_sample(end_ms: i64, t: i64, v: f64) -> Bucket {
        let (first_ms, last_ms) = (t, t);
        let numbers = Bucket { end_ms, first_ms, last_ms, count: 1, ..Bucket::EMPTY };
        Bucket { sum: v, min: v, max: v, first: v, last: v, ..numbers }
    }

    fn of_marker(end_ms: i64, t: i64) -> Bucket {
        Bucket { end_ms, first_ms: t, last_ms: t, stale_ms: Some(t), ..Bucket::EMPTY }
    }

    const EMPTY: Bucket = Bucket {
        end_ms: 0,
        first_ms: 0,
        last_ms: 0,
        count: 0,
        sum: 0.0,
        min: f64::NAN,
        max: f64::NAN,
        first: f64::NAN,
        last: f64::NAN,
        falls: 0.0,
        stale_ms: None,
    };

    /// What a counter lost between this bucket and the next: its last value, if the next begins below it.
    pub fn fall_to(&self, next: &Bucket) -> f64 {
        if next.first < self.last { self.last } else { 0.0 }
    }
}

/// Stretches of one length: each ends at `phase_ms` and a whole number of `width_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Where one stretch ends.
    pub phase_ms: i64,
    /// Length, over zero.
    pub width_ms: i64,
}

impl Grid {
    /// Stretches that end at whole numbers of `width_ms` since 1970.
    pub fn of(width_ms: i64) -> Grid {
        Grid { phase_ms: 0, width_ms }
    }

    /// The end of the stretch that holds `t`.
    pub fn end_of(&self, t: i64) -> i64 {
        let over = t.wrapping_sub(self.phase_ms).rem_euclid(self.width_ms.max(1));
        if over == 0 { t } else { t.saturating_add(self.width_ms - over) }
    }
}

/// Makes buckets of samples, or longer buckets of shorter ones, both given in order of time.
pub struct Folder {
    grid: Grid,
    /// No bucket ends later than this.
    end_max_ms: i64,
    done: Vec<Bucket>,
    open: Option<Bucket>,
    /// What plain addition lost of `open.sum` (Neumaier).
    compensation: f64,
}

impl Folder {
    /// Buckets on a grid, cut off at `end_max_ms`: no sample may be later.
    pub fn new(grid: Grid, end_max_ms: i64) -> Folder {
        Folder { grid, end_max_ms, done: Vec::new(), open: None, compensation: 0.0 }
    }

    /// Adds a sample or a stale marker.
    pub fn sample(&mut self, t: i64, v: f64) {
        let end_ms = self.end_of(t);
        self.bucket(&if is_stale(v) {
            Bucket::of_marker(end_ms, t)
        } else {
            Bucket::of_sample(end_ms, t, v)
        });
    }

    /// Adds a bucket of a finer grid.
    pub fn bucket(&mut self, b: &Bucket) {
        let end_ms = self.end_of(b.end_ms);
        match &mut self.open {
            Some(open) if open.end_ms == end_ms && b.count == 0 => open.stale_ms = b.stale_ms,
            Some(open) if open.end_ms == end_ms && open.count > 0 => {
                open.falls += open.fall_to(b) + b.falls;
                let sum = open.sum + b.sum;
                if sum.is_finite() {
                    let (large, small) =
                        if open.sum.abs() >= b.sum.abs() { (open.sum, b.sum) } else { (b.sum, open.sum) };
                    self.compensation += (large - sum) + small;
                } else {
                    self.compensation = 0.0;
                }
                open.sum = sum;
                open.min = open.min.min(b.min);
                open.max = open.max.max(b.max);
                open.count += b.count;
                (open.last, open.last_ms, open.stale_ms) = (b.last, b.last_ms, b.stale_ms);
            }
            Some(open) if open.end_ms == end_ms => *open = Bucket { end_ms, ..*b },
            _ => {
                self.close();
                self.open = Some(Bucket { end_ms, ..*b });
            }
        }
    }

    fn end_of(&self, t: i64) -> i64 {
        self.grid.end_of(t).min(self.end_max_ms)
    }

    fn close(&mut self) {
        if let Some(mut open) = self.open.take() {
            open.sum += std::mem::take(&mut self.compensation);
            self.done.push(open);
        }
    }

    /// The buckets, in order of time.
    pub fn finish(mut self) -> Vec<Bucket> {
        self.close();
        self.done
    }
}
