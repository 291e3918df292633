//! `midwatch backup`, `restore` and `verify`: what the store does with whole folders, told to a person. It must never
//! decide what is whole.

use crate::cli::{BackupArgs, RestoreArgs, VerifyArgs};
use crate::text::clean;
use crate::units::{Unit, show};
use crate::working::Working;
use anyhow::{anyhow, bail};
use model::time::format_rfc3339_ms;
use std::process::ExitCode;
use stdx::ErrorKind;
use store::BackupOptions;

/// `midwatch backup`.
///
/// # Errors
/// One sentence with what to do next.
pub fn backup(args: &BackupArgs, now_ms: i64) -> anyhow::Result<ExitCode> {
    let (data, dest) = (&args.data, &args.dest);
    let mut working = Working::new("backup:");
    let made =
        store::backup(data, dest, BackupOptions { copy: args.copy }, now_ms, &mut |p| working.go_on(p));
    drop(working);
    let made = made.map_err(|e| match e.kind {
        ErrorKind::Cancelled => {
            anyhow!("stopped; the backup is not whole yet: run the same command again, what is there is kept")
        }
        _ => anyhow!("{e}"),
    })?;
    println!(
        "{} holds a backup of {}: {} files, {}, {} blocks and {} segments of the log",
        dest.display(),
        data.display(),
        made.files,
        show(made.bytes as f64, Unit::Bytes),
        made.blocks,
        made.segments,
    );
    println!(
        "{} files were there already, {} were linked, {} were copied",
        made.kept,
        made.linked,
        show(made.copied_bytes as f64, Unit::Bytes),
    );
    if made.linked > 0 {
        println!(
            "Linked files take no space, and are lost with the disk: for a backup that outlives it, name a folder on another."
        );
    }
    if !made.problems.is_empty() {
        made.problems.iter().for_each(|p| eprintln!("{}", clean(p)));
        bail!("the data folder is damaged; the backup holds all of it that could be read");
    }
    Ok(ExitCode::SUCCESS)
}

/// `midwatch restore`.
///
/// # Errors
/// One sentence with what to do next.
pub fn restore(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let (source, data) = (&args.source, &args.data);
    let mut working = Working::new("restore:");
    let restored = store::restore(source, data, args.partial, &mut |p| working.go_on(p));
    drop(working);
    let restored = restored.map_err(|e| match e.kind {
        ErrorKind::Cancelled => {
            anyhow!("stopped; {} is not whole: run the same command again, or remove it", data.display())
        }
        _ => anyhow!("{e}"),
    })?;
    println!(
        "{} is as it was at {}: {} files, {}",
        data.display(),
        format_rfc3339_ms(restored.made_ms),
        restored.files,
        show(restored.bytes as f64, Unit::Bytes),
    );
    println!("Go on with it: midwatch serve --data {}", data.display());
    if !restored.problems.is_empty() {
        restored.problems.iter().for_each(|p| eprintln!("{}", clean(p)));
        bail!("the backup is damaged; what is whole of it was restored");
    }
    Ok(ExitCode::SUCCESS)
}

/// `midwatch verify`. Success only if nothing is damaged or doubtful.
///
/// # Errors
/// If the folder cannot be checked at all.
pub fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let mut working = Working::new("verify:");
    let report = store::verify(&args.folder, &mut |p| working.go_on(p));
    drop(working);
    let report = report.map_err(|e| match e.kind {
        ErrorKind::Cancelled => anyhow!("stopped; nothing is known of what was not read"),
        _ => anyhow!("{e}"),
    })?;
    let code = if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if args.json {
        let mut value = serde_json::to_value(&report)?;
        value["whole"] = report.is_whole().into();
        println!("{value:#}");
        return Ok(code);
    }
    for finding in &report.findings {
        // Names in it may come from anywhere; its own line ends stay.
        finding.to_string().lines().for_each(|line| println!("{}", clean(line)));
    }
    println!(
        "{} {}: {} blocks with {} chunks, {} segments of the log; {} samples in {}",
        args.folder.display(),
        if report.is_whole() { "is whole" } else { "is not whole" },
        report.blocks,
        report.chunks,
        report.segments,
        report.samples,
        show(report.bytes as f64, Unit::Bytes),
    );
    Ok(code)
}
