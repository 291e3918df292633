//! Where lists of targets come from besides the configuration: files and HTTP endpoints. Files are looked at often and
//! read when they changed; a list that cannot be read leaves the last good one in force. It must never start a target.

use super::manager::{Shared, WeakShared};
use crate::client::Ask;
use crate::settings::{FileSd, HttpSd, ScrapeConfig, TargetGroup};
use reqwest::Url;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::JoinHandle;

/// The most bytes of one list.
const LIST_BYTES_MAX: usize = 16 << 20;
/// The most files of one pattern.
const FILES_MAX: usize = 1_000;
/// Files are looked at this often at least.
const FILE_PERIOD_MS_MAX: u64 = 5_000;
/// An endpoint that does not answer within this time has failed.
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts a task for each source of a job; they end with the manager.
pub(super) fn spawn(shared: &Arc<Shared>, job: usize, config: &Arc<ScrapeConfig>) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::new();
    for (index, sd) in config.file_sd.iter().enumerate() {
        tasks.push(tokio::spawn(watch_files(Arc::downgrade(shared), job, index, sd.clone())));
    }
    for sd in &config.http_sd {
        tasks.push(tokio::spawn(poll_http(Arc::downgrade(shared), job, sd.clone())));
    }
    tasks
}

/// When a file was changed, and its size.
type Stamp = (Option<SystemTime>, u64);
type Listed = Result<Vec<TargetGroup>, String>;

async fn watch_files(shared: WeakShared, job: usize, index: usize, sd: FileSd) {
    let period = Duration::from_millis(sd.refresh_ms.clamp(1, FILE_PERIOD_MS_MAX));
    let prefix = format!("file {index} ");
    let mut known: BTreeMap<PathBuf, Stamp> = BTreeMap::new();
    loop {
        let (sd, before) = (sd.clone(), known.clone());
        let Ok((paths, changed)) = tokio::task::spawn_blocking(move || look(&sd, before)).await else {
            return;
        };
        let Some(shared) = shared.upgrade() else { return };
        let name = |path: &Path| format!("{prefix}{}", path.display());
        let names: Vec<String> = paths.keys().map(|p| name(p)).collect();
        if known.keys().any(|path| !paths.contains_key(path)) {
            shared.retain_sources(job, |n| !n.starts_with(&prefix) || names.iter().any(|known| known == n));
        }
        for (path, listed) in changed {
            shared.listed(job, &name(&path), listed);
        }
        known = paths;
        drop(shared);
        tokio::time::sleep(period).await;
    }
}

/// All files of the patterns with their stamps, and what those that changed hold.
fn look(sd: &FileSd, known: BTreeMap<PathBuf, Stamp>) -> (BTreeMap<PathBuf, Stamp>, Vec<(PathBuf, Listed)>) {
    let mut paths = BTreeMap::new();
    let mut changed = Vec::new();
    for path in sd.files.iter().flat_map(|pattern| expand(pattern)).take(FILES_MAX) {
        let stamp = match std::fs::metadata(&path) {
            Ok(m) => (m.modified().ok(), m.len()),
            // A file that is gone has no targets; one that never was is told once.
            Err(_) if known.get(&path).is_some_and(|s| s.0.is_some()) => continue,
            Err(_) => (None, 0),
        };
        if known.get(&path) != Some(&stamp) {
            changed.push((path.clone(), read(&path, sd)));
        }
        paths.insert(path, stamp);
    }
    (paths, changed)
}

fn read(path: &Path, sd: &FileSd) -> Listed {
    let shown = path.display();
    let metadata = std::fs::metadata(path).map_err(|e| format!("{shown}: {e}"))?;
    if !metadata.is_file() || metadata.len() > LIST_BYTES_MAX as u64 {
        return Err(format!("{shown} is no file of at most {LIST_BYTES_MAX} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| format!("{shown}: {e}"))?;
    let mut groups = (sd.parse)(&text).map_err(|e| format!("{shown}: {e}; its last good list stands"))?;
    groups.iter_mut().for_each(|g| g.labels.push(("__meta_filepath".into(), shown.to_string())));
    Ok(groups)
}

/// The files that a pattern means: its last part may hold one `*`.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let last = pattern.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let Some((before, after)) = last.split_once('*') else { return vec![pattern.to_path_buf()] };
    let folder = match pattern.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let fits = |name: &str| {
        name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
    };
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .filter(|e| e.file_name().to_str().is_some_and(|n| fits(n) && !n.starts_with('.')))
        .map(|e| e.path())
        .take(FILES_MAX)
        .collect();
    paths.sort();
    paths
}

async fn poll_http(shared: WeakShared, job: usize, sd: HttpSd) {
    let period = Duration::from_millis(sd.refresh_ms.max(1));
    let source = format!("http {}", sd.url);
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let engine = Arc::clone(strong.engine());
        drop(strong);
        let listed = ask(&engine.clients, &sd).await;
        let Some(strong) = shared.upgrade() else { return };
        strong.listed(job, &source, listed);
        drop(strong);
        tokio::time::sleep(period).await;
    }
}

async fn ask(clients: &crate::client::Clients, sd: &HttpSd) -> Listed {
    // The query of the URL may hold a secret: it is not shown.
    let shown = sd.url.split(['?', '#']).next().unwrap_or_default().to_string();
    let fail =
        |e: &dyn std::fmt::Display| format!("the list of targets at {shown}: {e}; its last good list stands");
    let url = Url::parse(&sd.url).map_err(|e| fail(&e))?;
    let refresh_s = sd.refresh_ms as f64 / 1_000.0;
    let headers = [
        ("accept", "application/json".to_string()),
        ("x-prometheus-refresh-interval-seconds", refresh_s.to_string()),
    ];
    let ask = Ask {
        url: &url,
        client: &sd.client,
        headers: &headers,
        timeout: HTTP_TIMEOUT,
        body_bytes_max: LIST_BYTES_MAX,
        cut: false,
        follow_redirects: true,
    };
    let answer = clients.get(ask).await.map_err(|e| fail(&e))?;
    let media = answer.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media != "application/json" {
        return Err(fail(&format!("the answer is {:?}, not application/json", answer.content_type)));
    }
    parse_json(&answer.body, &sd.url).map_err(|e| fail(&e))
}

#[derive(Deserialize)]
struct Group {
    targets: Vec<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

fn parse_json(body: &[u8], url: &str) -> Result<Vec<TargetGroup>, String> {
    let groups: Vec<Group> = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let group = |group: Group| {
        let mut labels: Vec<_> = group.labels.unwrap_or_default().into_iter().collect();
        labels.push(("__meta_url".into(), url.to_string()));
        TargetGroup { targets: group.targets, labels }
    };
    Ok(groups.into_iter().map(group).collect())
}
