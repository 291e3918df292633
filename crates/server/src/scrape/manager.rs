//! Which targets there are: the configured ones, as their sources list them now, and those that discovery found. It
//! starts a task for each that appears, and stops it when it disappears. It must never fetch itself.

use super::run::{LastScrape, TargetStatus, TargetTask};
use super::target::{self, Outcome, Pairs, TargetSpec};
use super::{Engine, TARGETS_MAX, sources};
use crate::settings::{ScrapeConfig, TargetGroup};
use crate::sink::Sink;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;
use stdx::metrics::Registry;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Dropped targets that are remembered per job.
const DROPPED_MAX: usize = 1_000;
/// Problems that are remembered per job.
const PROBLEMS_MAX: usize = 20;

/// How often to look whether every task is still there.
const REVIVE_PERIOD: Duration = Duration::from_secs(10);

/// Scrapes everything. When it is dropped, all scraping ends, and no stale markers are written.
pub struct ScrapeManager {
    shared: Arc<Shared>,
}

/// A target that relabelling dropped.
#[derive(Clone, Debug)]
pub struct DroppedTarget {
    /// The name of its job.
    pub pool: String,
    /// Labels before relabelling.
    pub discovered_labels: Pairs,
}

pub(super) struct Shared {
    engine: Arc<Engine>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    jobs: Vec<Job>,
    /// By the key of the target.
    running: BTreeMap<String, Running>,
    /// Tasks of sources of targets.
    sources: Vec<JoinHandle<()>>,
    stopped: bool,
}

struct Job {
    config: Arc<ScrapeConfig>,
    /// What each source listed last.
    groups: BTreeMap<String, Vec<TargetGroup>>,
    /// What is wrong with each source now.
    source_problems: BTreeMap<String, String>,
    target_problems: Vec<String>,
    dropped: Vec<Pairs>,
}

struct Running {
    spec: Arc<TargetSpec>,
    /// The job that wants it; none for what discovery found.
    job: Option<usize>,
    last: Arc<Mutex<LastScrape>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl ScrapeManager {
    /// Starts scraping on the present runtime. `hostname` is used in URLs for people on other hosts; `shutdown`
    /// ends everything when it becomes true or is dropped.
    pub fn start(
        configs: Vec<ScrapeConfig>,
        sink: Sink,
        registry: &Registry,
        hostname: &str,
        mut shutdown: watch::Receiver<bool>,
    ) -> ScrapeManager {
        let engine = Engine::new(sink, registry, hostname.to_string());
        let shared = Arc::new(Shared { engine, state: Mutex::default() });
        for (index, config) in configs.into_iter().enumerate() {
            let config = Arc::new(config);
            let groups = BTreeMap::from([("static".to_string(), config.static_configs.clone())]);
            shared.state().jobs.push(Job {
                config: Arc::clone(&config),
                groups,
                source_problems: BTreeMap::new(),
                target_problems: Vec::new(),
                dropped: Vec::new(),
            });
            shared.sync(index);
            let tasks = sources::spawn(&shared, index, &config);
            shared.state().sources.extend(tasks);
        }
        let weak = Arc::downgrade(&shared);
        tokio::spawn(async move {
            let mut ended = std::pin::pin!(shutdown.wait_for(|stop| *stop));
            while tokio::time::timeout(REVIVE_PERIOD, &mut ended).await.is_err() {
                let Some(shared) = weak.upgrade() else { return };
                shared.revive();
            }
            if let Some(shared) = weak.upgrade() {
                shared.stop();
            }
        });
        ScrapeManager { shared }
    }

    /// Scrapes a target that was found; false if it cannot be, because there are too many or it is scraped already.
    pub fn add_discovered(&self, spec: TargetSpec) -> bool {
        let mut state = self.shared.state();
        let key = spec.key();
        let room = !state.stopped && state.running.len() < TARGETS_MAX && !state.running.contains_key(&key);
        if room {
            self.shared.run(&mut state, key, Arc::new(spec), None);
        }
        room
    }

    /// Ends what [`ScrapeManager::add_discovered`] began; its series get stale markers.
    pub fn remove_discovered(&self, spec: &TargetSpec) {
        let mut state = self.shared.state();
        let key = spec.key();
        if state.running.get(&key).is_some_and(|r| r.job.is_none()) {
            state.running.remove(&key).map(|r| r.stop.send(()));
            self.shared.engine.counters.targets.set(state.running.len() as f64);
        }
    }

    /// Every target with its last scrape, by job and URL.
    pub fn snapshot(&self) -> Vec<TargetStatus> {
        let state = self.shared.state();
        let status = |running: &Running| TargetStatus {
            pool: running.spec.config.job.clone(),
            found: running.job.is_none(),
            discovered_labels: running.spec.discovered.clone(),
            labels: running.spec.labels.clone(),
            scrape_url: running.spec.url.to_string(),
            global_url: global_url(&running.spec, &self.shared.engine.hostname),
            interval_ms: running.spec.interval_ms,
            timeout_ms: running.spec.timeout_ms,
            last: running.last.lock().unwrap_or_else(|e| e.into_inner()).clone(),
        };
        state.running.values().map(status).collect()
    }

    /// What relabelling dropped; at most some hundred of each job.
    pub fn dropped(&self) -> Vec<DroppedTarget> {
        let state = self.shared.state();
        let of_job = |job: &Job| {
            let pool = job.config.job.clone();
            let dropped = job.dropped.clone();
            dropped
                .into_iter()
                .map(move |labels| DroppedTarget { pool: pool.clone(), discovered_labels: labels })
        };
        state.jobs.iter().flat_map(of_job).collect()
    }

    /// What is wrong with the lists of targets now, in words: files and endpoints that cannot be read, addresses that
    /// cannot be scraped.
    pub fn problems(&self) -> Vec<String> {
        let state = self.shared.state();
        let of_job = |job: &Job| {
            let name = job.config.job.clone();
            let all = job.source_problems.values().chain(&job.target_problems);
            all.map(|p| format!("job {name:?}: {p}")).collect::<Vec<_>>()
        };
        state.jobs.iter().flat_map(of_job).collect()
    }

    /// The job of the configuration that scrapes `port` of this host, if there is one.
    pub fn configured_job(&self, port: u16) -> Option<String> {
        let state = self.shared.state();
        let here = |running: &&Running| {
            let url = &running.spec.url;
            running.job.is_some()
                && url.port_or_known_default() == Some(port)
                && url.host_str().is_some_and(|h| is_here(h, &self.shared.engine.hostname))
        };
        state.running.values().find(here).map(|r| r.spec.config.job.clone())
    }
}

impl Drop for ScrapeManager {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// What a source lists now, or why it cannot be read; then its last good list stands.
    pub fn listed(&self, job: usize, source: &str, listed: Result<Vec<TargetGroup>, String>) {
        {
            let mut state = self.state();
            let Some(job) = state.jobs.get_mut(job) else { return };
            match listed {
                Ok(groups) => {
                    job.source_problems.remove(source);
                    if job.groups.get(source) == Some(&groups) {
                        return;
                    }
                    job.groups.insert(source.into(), groups);
                }
                Err(problem) => {
                    job.source_problems.insert(source.into(), problem);
                    return;
                }
            }
        }
        self.sync(job);
    }

    /// Forgets the sources of a job of which `keep(name)` is false.
    pub fn retain_sources(&self, job: usize, keep: impl Fn(&str) -> bool) {
        if let Some(job) = self.state().jobs.get_mut(job) {
            job.groups.retain(|name, _| keep(name));
            job.source_problems.retain(|name, _| keep(name));
        }
        self.sync(job);
    }

    /// Starts again the targets whose task ended without being told to: a bug must not end a target for ever.
    fn revive(&self) {
        let mut state = self.state();
        let ended: Vec<_> =
            state.running.iter().filter(|(_, r)| r.task.is_finished()).map(|(key, _)| key.clone()).collect();
        for key in ended {
            if let Some(Running { spec, job, .. }) = state.running.remove(&key) {
                self.run(&mut state, key, spec, job);
            }
        }
    }

    /// Starts and stops targets of a job until they are what its sources list.
    pub fn sync(&self, index: usize) {
        let mut state = self.state();
        if state.stopped {
            return;
        }
        let Some(job) = state.jobs.get_mut(index) else { return };
        let mut wanted = job.resolve();
        let gone = |key: &str, running: &Running| running.job == Some(index) && !wanted.contains_key(key);
        let keys: Vec<_> = state.running.iter().filter(|(k, r)| gone(k, r)).map(|(k, _)| k.clone()).collect();
        for key in keys {
            state.running.remove(&key).map(|r| r.stop.send(()));
        }
        wanted.retain(|key, _| !state.running.contains_key(key));
        let mut left_out = 0;
        for (key, spec) in wanted {
            if state.running.len() < TARGETS_MAX {
                self.run(&mut state, key, Arc::new(spec), Some(index));
            } else {
                left_out += 1;
            }
        }
        if left_out > 0 {
            let problem = format!("{left_out} targets are not scraped: at most {TARGETS_MAX} can be");
            state.jobs[index].target_problems.push(problem);
        }
        self.engine.counters.targets.set(state.running.len() as f64);
    }

    fn run(&self, state: &mut State, key: String, spec: Arc<TargetSpec>, job: Option<usize>) {
        let last = Arc::<Mutex<LastScrape>>::default();
        let (stop, stopped) = oneshot::channel();
        let task = TargetTask::new(Arc::clone(&spec), Arc::clone(&self.engine), Arc::clone(&last));
        let task = tokio::spawn(task.run(stopped));
        state.running.insert(key, Running { spec, job, last, stop, task });
        self.engine.counters.targets.set(state.running.len() as f64);
    }

    fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        state.sources.drain(..).for_each(|task| task.abort());
        state.running.clear();
    }
}

impl Job {
    /// The targets that all groups together make, by key; notes what was dropped and what cannot be scraped.
    fn resolve(&mut self) -> BTreeMap<String, TargetSpec> {
        self.dropped.clear();
        self.target_problems.clear();
        let mut wanted = BTreeMap::new();
        for group in self.groups.values().flatten() {
            for (address, labels) in target::addresses(group) {
                match target::resolve(&self.config, address, labels) {
                    Outcome::Target(spec) => {
                        wanted.insert(spec.key(), *spec);
                    }
                    Outcome::Dropped(labels) if self.dropped.len() < DROPPED_MAX => self.dropped.push(labels),
                    Outcome::Broken(why) if self.target_problems.len() < PROBLEMS_MAX => {
                        self.target_problems.push(why);
                    }
                    Outcome::Dropped(_) | Outcome::Broken(_) => {}
                }
            }
        }
        wanted
    }
}

/// Whether a host of a URL is this host.
fn is_here(host: &str, hostname: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost")
        || host.eq_ignore_ascii_case(hostname)
        || address.is_ok_and(|a| a.is_loopback() || a.is_unspecified())
}

fn global_url(spec: &TargetSpec, hostname: &str) -> String {
    let mut url = spec.url.clone();
    if url.host_str().is_some_and(|h| is_here(h, hostname)) {
        let _ = url.set_host(Some(hostname));
    }
    url.to_string()
}

/// What a task of a source holds, so that it ends with the manager.
pub(super) type WeakShared = Weak<Shared>;
