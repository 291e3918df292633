//! Reads one file of a table: which of its granules may have wanted rows, and these rows, the columns that decide first.
//! It must never give a row that is not as it was written: what fails a checksum is an error.

use super::checked::{Checked, read_error};
use super::evaluate::{PROMOTED, select};
use super::header::{FileEntry, Header};
use super::index::{Clauses, candidates};
use super::predicate::Prepared;
use super::promote;
use super::rows::wrong;
use super::schema::Table;
use crate::objects::Objects;
use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat_batches;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowFilter,
    RowSelection, RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};
use stdx::{ErrorKind, Result};

/// What a scan wants of every piece.
pub struct Plan {
    pub table: Table,
    pub from_ns: i64,
    pub to_ns: i64,
    pub predicates: Vec<Prepared>,
    /// What the predicates need of the index.
    pub clauses: Clauses,
    /// Columns of the table's schema that are given, rising; `time` is one.
    pub columns: Vec<usize>,
    /// These columns.
    pub schema: SchemaRef,
}

/// A file that the manifest names.
pub struct TableFile {
    pub entry: FileEntry,
    pub table: Table,
    objects: Objects,
    opened: Mutex<Option<Arc<Opened>>>,
    /// Why it cannot be read.
    damaged: OnceLock<String>,
}

/// What is kept in memory of a file that was read.
pub struct Opened {
    pub header: Header,
    metadata: ArrowReaderMetadata,
    rows: Checked,
    words: Checked,
    /// Rows before each granule.
    starts: Vec<u64>,
}

impl TableFile {
    pub fn new(entry: FileEntry, table: Table, objects: Objects) -> TableFile {
        TableFile { entry, table, objects, opened: Mutex::default(), damaged: OnceLock::new() }
    }

    /// Why it cannot be read, if that was found.
    pub fn damage(&self) -> Option<&str> {
        self.damaged.get().map(String::as_str)
    }

    /// Notes that it cannot be read; what passes by itself is not noted.
    pub fn note(&self, e: &stdx::Error) {
        if matches!(e.kind, ErrorKind::Corrupt | ErrorKind::NotFound) {
            let _ = self.damaged.set(e.to_string());
        }
    }

    /// Memory that is taken by what is known of it, bytes.
    pub fn memory_bytes(&self) -> usize {
        let opened = self.opened.lock().unwrap_or_else(|e| e.into_inner());
        opened.as_ref().map_or(0, |o| {
            let words = o.header.granules.len() * 40 + o.rows.memory_bytes() * 2 + o.words.memory_bytes() * 2;
            words + o.metadata.metadata().memory_size()
        })
    }

    /// Forgets what is known of it until it is read again.
    pub fn forget(&self) {
        *self.opened.lock().unwrap_or_else(|e| e.into_inner()) = None;
    }

    /// What is known of it.
    ///
    /// # Errors
    /// `Corrupt`, `NotFound`, `Unavailable`.
    pub fn open(&self) -> Result<Arc<Opened>> {
        let mut opened = self.opened.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(opened) = &*opened {
            return Ok(opened.clone());
        }
        let header = Header::read(&self.objects, &self.entry)?;
        let [rows, words] = header.parts(&self.objects, &self.entry);
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let path = &self.entry.paths()[0];
        let metadata = ArrowReaderMetadata::load(&rows, options).map_err(|e| read_error(path, &e))?;
        let mut starts = vec![0];
        starts.extend(header.granules.iter().scan(0, |at, g| {
            *at += u64::from(g.rows);
            Some(*at)
        }));
        let new = Arc::new(Opened { header, metadata, rows, words, starts });
        *opened = Some(new.clone());
        Ok(new)
    }
}

impl Opened {
    /// Bytes that were read of it so far.
    pub fn bytes_read(&self) -> u64 {
        self.rows.bytes_read() + self.words.bytes_read()
    }

    /// The granules that may have wanted rows.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub fn candidates(&self, plan: &Plan) -> Result<Vec<u32>> {
        let granules = &self.header.granules;
        let in_time = |g: &super::header::Granule| g.max_ns >= plan.from_ns && g.min_ns <= plan.to_ns;
        if !granules.iter().any(in_time) {
            return Ok(Vec::new());
        }
        let header_bytes = super::header::MAGIC.len() as u64;
        let may = candidates(&plan.clauses, granules.len(), |hash| {
            let range = self.header.words.bucket(hash);
            let bucket = self.words.get(header_bytes + range.start, range.end - range.start)?;
            self.header.words.look_up(hash, &bucket)
        })?;
        let is_wanted = |i: &usize| in_time(&granules[*i]) && may.as_ref().is_none_or(|may| may[*i]);
        Ok((0..granules.len()).filter(is_wanted).map(|i| i as u32).collect())
    }

    /// The wanted rows of some granules, which are given in rising order.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    pub fn read(&self, path: &str, plan: &Arc<Plan>, granules: &[u32]) -> Result<RecordBatch> {
        let schema = self.metadata.schema().clone();
        let all = &self.header.granules;
        let groups: BTreeSet<u32> = granules.iter().map(|g| all[*g as usize].group).collect();
        let wanted: BTreeSet<u32> = granules.iter().copied().collect();
        let selectors: Vec<RowSelector> = all
            .iter()
            .enumerate()
            .filter(|(_, g)| groups.contains(&g.group))
            .map(|(i, g)| match wanted.contains(&(i as u32)) {
                true => RowSelector::select(g.rows as usize),
                false => RowSelector::skip(g.rows as usize),
            })
            .collect();
        let rows: usize = granules.iter().map(|g| all[*g as usize].rows as usize).sum();
        let parquet = self.metadata.metadata().file_metadata().schema_descr();
        let given = plan.columns.iter().map(|i| plan.table.schema().field(*i).name().clone());
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.rows.clone(), self.metadata.clone())
                .with_row_groups(groups.into_iter().map(|g| g as usize).collect())
                .with_row_selection(RowSelection::from(selectors))
                .with_projection(ProjectionMask::roots(parquet, roots(&schema, given)))
                .with_batch_size(rows.max(1));
        let is_inside = granules.iter().all(|g| {
            let g = &all[*g as usize];
            g.min_ns >= plan.from_ns && g.max_ns <= plan.to_ns
        });
        if !is_inside || !plan.predicates.is_empty() {
            let mask = ProjectionMask::roots(parquet, self.deciding(&schema, plan));
            let plan = plan.clone();
            let decide = ArrowPredicateFn::new(mask, move |rows: RecordBatch| {
                Ok(select(plan.table, &rows, plan.from_ns, plan.to_ns, &plan.predicates))
            });
            builder = builder.with_row_filter(RowFilter::new(vec![Box::new(decide)]));
        }
        let failed = |e: ArrowError| read_error(path, &e);
        let reader = builder.build().map_err(|e| read_error(path, &e))?;
        let read_schema = arrow_array::RecordBatchReader::schema(&reader);
        let batches = reader.collect::<Result<Vec<_>, ArrowError>>().map_err(failed)?;
        let found = match batches.as_slice() {
            [one] => one.clone(),
            all => concat_batches(&read_schema, all).map_err(wrong)?,
        };
        as_table(&found, plan)
    }

    /// Columns of the file that the predicates look at, and `time`.
    fn deciding(&self, schema: &SchemaRef, plan: &Plan) -> Vec<usize> {
        let mut names: BTreeSet<String> = BTreeSet::from(["time".to_string()]);
        let mut roots: BTreeSet<usize> = BTreeSet::new();
        for predicate in &plan.predicates {
            match predicate.attribute() {
                // Its own column will do where no map has it as well.
                Some(attribute) => {
                    for (map, prefix) in ["attributes", "resource"].into_iter().zip(PROMOTED) {
                        let column = format!("{prefix}{attribute}");
                        let own = self.header.promoted.iter().find(|p| p.name == column);
                        roots.extend(own.and_then(|p| schema.index_of(&p.name).ok()));
                        if own.is_none_or(|p| !p.is_whole) {
                            roots.extend(schema.index_of(map));
                        }
                    }
                }
                None => predicate.columns(plan.table, &mut |name| {
                    names.insert(name.to_string());
                }),
            }
        }
        roots.extend(self::roots(schema, names.into_iter()));
        roots.into_iter().collect()
    }

    /// Granules of the file as pieces of at most `at_once`, each within one row group.
    pub fn pieces(&self, granules: &[u32], at_once: usize) -> Vec<Vec<u32>> {
        let group = |g: &u32| self.header.granules[*g as usize].group;
        granules
            .chunk_by(|a, b| group(a) == group(b))
            .flat_map(|c| c.chunks(at_once))
            .map(<[u32]>::to_vec)
            .collect()
    }

    /// Number of rows of granules.
    pub fn rows(&self, granules: &[u32]) -> u64 {
        granules.iter().map(|g| self.starts[*g as usize + 1] - self.starts[*g as usize]).sum()
    }

    /// First and last time of granules.
    pub fn range_ns(&self, granules: &[u32]) -> (i64, i64) {
        let of = granules.iter().map(|g| self.header.granules[*g as usize]);
        of.fold((i64::MAX, i64::MIN), |(min, max), g| (min.min(g.min_ns), max.max(g.max_ns)))
    }
}

/// Indices in a file's schema of columns of the table, with those of the attributes of a map.
fn roots(schema: &SchemaRef, names: impl Iterator<Item = String>) -> Vec<usize> {
    let mut out = BTreeSet::new();
    for name in names {
        out.extend(schema.index_of(&name));
        if let Some(prefix) = PROMOTED.iter().find(|p| p.strip_suffix('.') == Some(name.as_str())) {
            let own = schema.fields().iter().enumerate().filter(|(_, f)| f.name().starts_with(prefix));
            out.extend(own.map(|(i, _)| i));
        }
    }
    out.into_iter().collect()
}

/// Rows of a file as rows of the table: attributes in their maps, a column that the file lacks without values.
fn as_table(rows: &RecordBatch, plan: &Plan) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(plan.columns.len());
    for field in plan.schema.fields() {
        let joined = match field.name().as_str() {
            "attributes" => promote::join(rows, 0)?,
            "resource" => promote::join(rows, 1)?,
            name => rows.column_by_name(name).cloned(),
        };
        columns.push(joined.unwrap_or_else(|| new_null_array(field.data_type(), rows.num_rows())));
    }
    RecordBatch::try_new(plan.schema.clone(), columns).map_err(wrong)
}
