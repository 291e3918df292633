//! `midwatch export`: what a data folder holds, as files that other programs read. It works beside the program that
//! uses the folder. It must never leave half of a file under the name that was asked for.

use crate::cli::{ExportArgs, ExportFormat, TableName};
use crate::export_tables;
use crate::text::clean;
use crate::units::{Unit, show};
use crate::working::Working;
use anyhow::{Context, anyhow, bail};
use ingest::{json_lines, open_metrics};
use model::time::parse_time_ms;
use model::{Matcher, Metadata, SeriesData};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, ErrorKind as Io, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use stdx::{Error, ErrorKind};
use store::{ReadOnly, RowsWriter};

/// What is wanted: series that pass one of the sets, times in milliseconds since 1970.
struct Wanted {
    sets: Vec<Vec<Matcher>>,
    start_ms: i64,
    end_ms: i64,
}

/// Series and samples that were written.
#[derive(Default)]
struct Count {
    series: u64,
    samples: u64,
}

/// Writes what was asked for.
///
/// # Errors
/// One sentence with what to do next. A file that was to be made is then not there.
pub fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let wanted = wanted(args)?;
    if let Some(table) = args.table {
        return rows(args, table, &wanted);
    }
    let mut working = Working::new("export:");
    let data = ReadOnly::open(&args.data)?;
    let mut problems = data.messages().to_vec();
    let mut count = Count::default();
    let mut write = |out: &mut (dyn Write + Send)| -> anyhow::Result<()> {
        problems.extend(write_all(args.format, &data, &wanted, out, &mut working, &mut count)?);
        if !problems.is_empty() && !args.partial {
            problems.iter().for_each(|p| eprintln!("{}", clean(p)));
            bail!("the data is damaged, so this is not all of it; --partial exports the rest");
        }
        Ok(())
    };
    let written = match &args.out {
        Some(path) => into_file(path, write),
        None => write(&mut BufWriter::new(std::io::stdout())),
    };
    drop(working);
    match written {
        // That somebody stops reading (`| head`) is no error.
        Err(e) if is_broken_pipe(&e) => return Ok(ExitCode::SUCCESS),
        written => written?,
    }
    problems.iter().for_each(|p| eprintln!("{}", clean(p)));
    if count.samples == 0 {
        eprintln!("Nothing found: no series that was asked for has a sample there.");
    }
    if let Some(path) = &args.out {
        let size = std::fs::metadata(path).map_or(0, |m| m.len());
        let size = show(size as f64, Unit::Bytes);
        println!("{}: {} samples of {} series, {size}", path.display(), count.samples, count.series);
    }
    Ok(ExitCode::SUCCESS)
}

/// Rows of a table.
fn rows(args: &ExportArgs, table: TableName, wanted: &Wanted) -> anyhow::Result<ExitCode> {
    let mut count = 0;
    let mut write = |out: &mut (dyn Write + Send)| -> anyhow::Result<()> {
        let range = (wanted.start_ms, wanted.end_ms);
        let written = export_tables::write(&args.data, table, range, args.format, out)?;
        count = written.rows;
        written.problems.iter().for_each(|p| eprintln!("{}", clean(p)));
        if !written.problems.is_empty() && !args.partial {
            bail!("the data is damaged, so this is not all of it; --partial exports the rest");
        }
        Ok(())
    };
    let written = match &args.out {
        Some(path) => into_file(path, write),
        None => write(&mut BufWriter::new(std::io::stdout())),
    };
    match (written, &args.out) {
        (Err(e), _) if is_broken_pipe(&e) => {}
        (Err(e), _) => return Err(e),
        (Ok(()), Some(path)) => println!("{}: {count} rows", path.display()),
        (Ok(()), None) => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn wanted(args: &ExportArgs) -> anyhow::Result<Wanted> {
    let time = |flag: &'static str, text: &Option<String>, otherwise: i64| -> anyhow::Result<i64> {
        let ms = text.as_deref().map(parse_time_ms).transpose().map_err(anyhow::Error::msg).context(flag)?;
        Ok(ms.unwrap_or(otherwise))
    };
    let (start_ms, end_ms) = (time("--start", &args.start, i64::MIN)?, time("--end", &args.end, i64::MAX)?);
    if start_ms > end_ms {
        bail!("--start is after --end");
    }
    if args.format == ExportFormat::Parquet && args.out.is_none() {
        bail!("--format parquet makes a file: name it with --out");
    }
    let mut sets = Vec::new();
    for text in &args.selectors {
        sets.push(::query::parse_selector(text).map_err(|e| anyhow!("--match {text}: {e}"))?);
    }
    if sets.is_empty() {
        sets.push(Vec::new());
    }
    Ok(Wanted { sets, start_ms, end_ms })
}

/// Writes a file that is there only once it is whole and safe.
fn into_file(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let name =
        path.file_name().with_context(|| format!("--out {}: not the name of a file", path.display()))?;
    let mut part = name.to_owned();
    part.push(".part");
    let part = path.with_file_name(part);
    let cannot = || format!("cannot write {}", path.display());
    let result = (|| {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&part).with_context(cannot)?);
        write(&mut out)?;
        let file = out.into_inner().map_err(|e| e.into_error()).with_context(cannot)?;
        file.sync_all().with_context(cannot)?;
        std::fs::rename(&part, path).with_context(cannot)?;
        let folder =
            path.parent().filter(|p| !p.as_os_str().is_empty()).map_or(PathBuf::from("."), PathBuf::from);
        File::open(folder).and_then(|f| f.sync_all()).with_context(cannot)
    })();
    if result.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    result
}

/// Writes everything that is wanted, and returns what had to be left out.
fn write_all(
    format: ExportFormat,
    data: &ReadOnly,
    wanted: &Wanted,
    out: &mut (dyn Write + Send),
    working: &mut Working,
    count: &mut Count,
) -> anyhow::Result<Vec<String>> {
    let mut counted = |series: &SeriesData| -> stdx::Result<()> {
        count.series += 1;
        count.samples += (series.values.len() + series.histograms.len()) as u64;
        if working.is_due() && !working.tell(&format!("{} samples of {} series", count.samples, count.series))
        {
            return Err(Error::new(ErrorKind::Cancelled, "stopped; nothing was kept"));
        }
        Ok(())
    };
    let problems = match format {
        ExportFormat::Parquet => {
            let mut rows = RowsWriter::new(out)?;
            let problems = data.for_each_series(&wanted.sets, wanted.start_ms, wanted.end_ms, |series| {
                rows.push(&series)?;
                counted(&series)
            })?;
            rows.finish()?;
            problems
        }
        ExportFormat::Jsonl => {
            let mut line = Vec::new();
            let problems = data.for_each_series(&wanted.sets, wanted.start_ms, wanted.end_ms, |series| {
                line.clear();
                json_lines::write(&mut line, &series);
                out.write_all(&line).map_err(cannot_write)?;
                counted(&series)
            })?;
            out.flush().map_err(cannot_write)?;
            problems
        }
        ExportFormat::Openmetrics => {
            let mut histograms = 0;
            let mut problems = families(data, wanted, out, &mut |series| {
                histograms += series.histograms.len();
                counted(series)
            })?;
            if histograms > 0 {
                problems.push(format!(
                    "{histograms} native histograms were left out: OpenMetrics 1.0 has no form for them; \
                     use --format jsonl or parquet"
                ));
            }
            out.write_all(open_metrics::END).and_then(|()| out.flush()).map_err(cannot_write)?;
            problems
        }
    };
    Ok(problems)
}

/// All series of a name have to stand together. They come so, but for names that have series with labels that sort
/// before `__name__`: each of these has a turn of its own.
fn families(
    data: &ReadOnly,
    wanted: &Wanted,
    out: &mut (dyn Write + Send),
    counted: &mut dyn FnMut(&SeriesData) -> stdx::Result<()>,
) -> anyhow::Result<Vec<String>> {
    let (mut all, mut apart) = (BTreeSet::new(), BTreeSet::new());
    for name in data.names(&wanted.sets, wanted.start_ms, wanted.end_ms) {
        if !all.insert(name.clone()) {
            apart.insert(name);
        }
    }
    let mut text = Vec::new();
    let mut turn = |only: Option<&str>| {
        let sets = wanted.sets.iter().map(|set| {
            set.iter().cloned().chain(only.map(|name| Matcher::equal(model::NAME, name))).collect()
        });
        let sets: Vec<Vec<Matcher>> = sets.collect();
        let mut family: Option<String> = None;
        data.for_each_series(&sets, wanted.start_ms, wanted.end_ms, |series| {
            let name = series.labels.name();
            if only.is_none() && apart.contains(name) {
                return Ok(());
            }
            text.clear();
            if family.as_deref() != Some(name) {
                let known = metadata_of(data.metadata(), name);
                open_metrics::write_family(&mut text, name, known, |name| all.contains(name));
                family = Some(name.into());
            }
            open_metrics::write_series(&mut text, &series);
            out.write_all(&text).map_err(cannot_write)?;
            counted(&series)
        })
    };
    let mut problems = turn(None)?;
    for name in &apart {
        for problem in turn(Some(name))? {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    Ok(problems)
}

fn metadata_of<'a>(known: &'a BTreeMap<String, Metadata>, name: &str) -> Option<&'a Metadata> {
    model::metadata::family_names(name).find_map(|name| known.get(name))
}

fn cannot_write(e: std::io::Error) -> Error {
    Error::wrap(ErrorKind::Unavailable, "cannot write", e)
}

fn is_broken_pipe(e: &anyhow::Error) -> bool {
    e.chain().any(|e| e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == Io::BrokenPipe))
}
