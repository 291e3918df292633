//! Finds services of this host that already expose metrics: looks at the listening ports, asks each candidate once for
//! `GET /metrics`, and gives what answers with metrics to the [`ScrapeManager`]. It must never ask two ports at one
//! time, nor one again that did not answer with metrics before its time; [`plan`] decides, this file performs.

mod plan;
mod probe;
mod well_known;

pub use plan::{PortState, PortStatus};

use crate::client::Clients;
use crate::clock::now_ms;
use crate::scrape::{ScrapeManager, TargetSpec};
use crate::settings::DiscoverySettings;
use plan::{Action, Found, Plan, Probe};
use recorder::ListeningPort;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use stdx::metrics::{Kind, Registry, Value};
use tokio::sync::watch;

/// Where the listening ports are read from.
pub(crate) type Ports = Arc<dyn Fn() -> Vec<ListeningPort> + Send + Sync>;

/// Looks for services until it is dropped or told to stop.
pub struct Discovery {
    plan: Arc<Mutex<Plan>>,
    task: tokio::task::JoinHandle<()>,
}

/// What a discovery needs to know of its surroundings.
pub struct Surroundings {
    /// The ports that this process listens on.
    pub own_ports: Vec<u16>,
    /// The name of this host, for the label `instance`.
    pub hostname: String,
    /// Where procfs is.
    pub proc_root: PathBuf,
}

impl Discovery {
    /// Starts on the present runtime; ends when `shutdown` becomes true or is dropped.
    pub fn start(
        settings: DiscoverySettings,
        surroundings: Surroundings,
        manager: Arc<ScrapeManager>,
        registry: &Registry,
        shutdown: watch::Receiver<bool>,
    ) -> Discovery {
        let proc_root = surroundings.proc_root.clone();
        let ports: Ports = Arc::new(move || recorder::listening_ports(&proc_root));
        Discovery::start_with(settings, surroundings, ports, manager, registry, shutdown)
    }

    fn start_with(
        settings: DiscoverySettings,
        surroundings: Surroundings,
        ports: Ports,
        manager: Arc<ScrapeManager>,
        registry: &Registry,
        mut shutdown: watch::Receiver<bool>,
    ) -> Discovery {
        // The seed only spreads the first requests; it need not be random.
        let plan = Plan::new(settings.clone(), surroundings.own_ports.clone(), now_ms() as u64);
        let plan = Arc::new(Mutex::new(plan));
        let clients = Clients::new(settings.probe_bytes_max.max(1 << 20));
        let seeker = Seeker {
            settings,
            hostname: surroundings.hostname,
            ports,
            manager,
            clients,
            plan: Arc::clone(&plan),
            targets: HashMap::new(),
            probes: ["metrics", "other", "failed"].map(|result| {
                let help = "Ports that were asked for metrics, by what they answered.";
                let labels = vec![("result", result.to_string())];
                registry.value(Kind::Counter, "midwatch_discovery_probes_total", help, labels)
            }),
        };
        let task = tokio::spawn(async move {
            tokio::select! {
                () = seeker.run() => {}
                _ = shutdown.wait_for(|stop| *stop) => {}
            }
        });
        Discovery { plan, task }
    }

    /// Every port that is known, by number.
    pub fn snapshot(&self) -> Vec<PortStatus> {
        lock(&self.plan).snapshot()
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(|e| e.into_inner())
}

/// The task.
struct Seeker {
    settings: DiscoverySettings,
    hostname: String,
    ports: Ports,
    manager: Arc<ScrapeManager>,
    clients: Clients,
    plan: Arc<Mutex<Plan>>,
    /// What was given to the manager, by port.
    targets: HashMap<u16, TargetSpec>,
    /// Answers with metrics, other answers, no answers.
    probes: [Value; 3],
}

impl Seeker {
    async fn run(mut self) {
        let mut look_ms = 0;
        loop {
            if now_ms() >= look_ms {
                self.look().await;
                look_ms = now_ms() + self.settings.period_ms as i64;
            }
            let next_ms = match lock(&self.plan).next_probe_ms() {
                Some(probe_ms) => probe_ms.min(look_ms),
                None => look_ms,
            };
            // At least a millisecond, so that nothing can make this loop spin; at most a period, so that a clock that
            // was set back cannot stop it.
            let wait_ms = (next_ms - now_ms()).clamp(1, self.settings.period_ms.max(1) as i64);
            tokio::time::sleep(Duration::from_millis(wait_ms as u64)).await;
            if look_ms - now_ms() > self.settings.period_ms as i64 {
                look_ms = 0;
            }
            let due = lock(&self.plan).take_due(now_ms());
            if let Some(probe) = due {
                self.ask(probe).await;
            }
        }
    }

    /// Looks at the ports and ends what is gone.
    async fn look(&mut self) {
        let read = Arc::clone(&self.ports);
        let Ok(ports) = tokio::task::spawn_blocking(move || read()).await else { return };
        let actions = lock(&self.plan).step(&ports, now_ms(), |port| self.manager.configured_job(port));
        for Action::Stop(port) in actions {
            if let Some(spec) = self.targets.remove(&port) {
                self.manager.remove_discovered(&spec);
            }
        }
    }

    async fn ask(&mut self, probe: Probe) {
        let found = probe::ask(&self.clients, &self.settings, &probe).await;
        let counter = match &found {
            Found::Metrics => 0,
            Found::Other(_) => 1,
            Found::Nothing(_) => 2,
        };
        self.probes[counter].inc();
        let found = match found {
            Found::Metrics => self.scrape(&probe),
            other => other,
        };
        lock(&self.plan).answered(&probe, found, now_ms());
    }

    /// Hands a port that answered with metrics over to be scraped.
    fn scrape(&mut self, probe: &Probe) -> Found {
        let interval_ms = self.settings.scrape_interval_ms.max(1);
        let instance = format!("{}:{}", self.hostname, probe.address.port());
        let address = probe.address.to_string();
        let spec = TargetSpec::plain(&probe.job, &address, &instance, interval_ms, interval_ms.min(10_000));
        match spec {
            Ok(spec) if self.manager.add_discovered(spec.clone()) => {
                self.targets.insert(probe.address.port(), spec);
                Found::Metrics
            }
            Ok(_) => Found::Other("metrics, but there are too many targets already".into()),
            Err(why) => Found::Other(format!("metrics, but it cannot be scraped: {why}")),
        }
    }
}

#[cfg(test)]
mod tests;
