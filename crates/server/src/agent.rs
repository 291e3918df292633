//! The agent: records this machine as the server does, and sends it to a server elsewhere. What is read goes to a buffer on
//! disk first and is sent from there, so that a lost link loses nothing within the buffer's bound. The agent connects; nobody
//! connects to it. It must never listen, nor keep anything for longer than it takes to send it and to capture it.

mod asks;
mod backoff;
mod capture;
mod changes;
mod confine;
mod folder;
mod link;
mod reading;
mod record;
mod sender;

use crate::clock::now_ms;
use crate::host::Host;
use crate::settings::{CaptureSettings, ChangesSettings, ClientConfig};
use ::capture::Ring;
use link::Link;
use reading::Reading;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use stdx::metrics::{Registry, Value};
use stdx::{Error, ErrorKind, Result};
use store::buffer::Buffer;
use store::captures::Captures;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub use confine::Confinement;
pub use folder::{check_name, claim};

/// How often the agent records itself.
const OWN_PERIOD: Duration = Duration::from_secs(5);
/// How long what is buffered may be sent on when the agent ends.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// What is recorded and where it goes.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// The server: `http://host:port`, or `https://`, perhaps with a path before the API's own.
    pub to: String,
    /// Credentials and TLS.
    pub client: ClientConfig,
    /// The folder of the buffer.
    pub data: PathBuf,
    /// The name of this host: the label `instance`.
    pub hostname: String,
    /// The recorder.
    pub host: recorder::Settings,
    /// Bytes of the buffer.
    pub buffer_bytes_max: u64,
    /// At most one request in this time, while the server keeps up.
    pub every: Duration,
    /// The ring of the last minutes, and how many captures stay here until the server has them.
    pub captures: CaptureSettings,
    /// How changes are found out.
    pub changes: ChangesSettings,
}

/// Where lines for people go.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// What the parts of the agent share.
struct Shared {
    settings: AgentSettings,
    /// Tells the server two agents of one name apart.
    id: String,
    link: Link,
    buffer: Mutex<Buffer>,
    /// The last minutes.
    ring: Arc<Mutex<Ring>>,
    /// Captures that the server does not have yet.
    kept: Captures,
    /// Reads this machine for others.
    reading: Reading,
    confinement: Arc<Confinement>,
    /// One capture is sent at a time.
    sending: tokio::sync::Mutex<()>,
    /// Something was pushed into the buffer.
    pushed: Notify,
    say: Say,
    registry: Registry,
    counters: Counters,
    started_ms: i64,
}

struct Counters {
    sent: Value,
    refused: Value,
    requests: Value,
    failed: Value,
    dropped: Value,
    unwritten: Value,
    buffered_bytes: Value,
    buffered_samples: Value,
    behind_seconds: Value,
    captures: Value,
    captures_sent: Value,
    captures_failed: Value,
}

/// A running agent.
pub struct Agent {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    /// Later than `stop`: what the others leave is sent.
    stop_sending: watch::Sender<bool>,
    host: Host,
    own: JoinHandle<()>,
    sender: JoinHandle<()>,
    others: Vec<JoinHandle<()>>,
}

impl Agent {
    /// Starts to record and to send, and confines the calling thread. That the server cannot be reached is said, and no error.
    ///
    /// # Errors
    /// A sentence that says what to do: an address that is none, a folder that is not an agent's or that another one uses.
    pub async fn start(settings: AgentSettings, confinement: Arc<Confinement>, say: Say) -> Result<Agent> {
        confinement.told().iter().for_each(|text| say(text));
        // Before this thread is confined: what it starts then would be as well.
        let reading = Reading::start(confinement.clone())?;
        let registry = Registry::default();
        let link = Link::new(&settings.to, &settings.client)?;
        let inside = settings.clone();
        let open = move || {
            let id = folder::claim(&inside.data)?;
            let buffer = store::buffer::Settings {
                bytes_max: inside.buffer_bytes_max,
                keep_ms: inside.captures.before_ms,
            };
            let (buffer, mut problems) = Buffer::open(&inside.data.join("buffer"), buffer)?;
            let (kept, collected) = Captures::open(&inside.data)?;
            problems.extend(collected);
            Ok::<_, Error>((id, buffer, kept, problems))
        };
        let (id, buffer, kept, problems) = blocking(open).await??;
        problems.iter().for_each(|p| say(p));
        let waiting = buffer.read();
        if waiting.waiting_samples > 0 {
            say(&format!("{} samples of before wait to be sent.", waiting.waiting_samples));
        }
        let (span_ms, memory_bytes) = (settings.captures.before_ms, settings.captures.memory_bytes);
        let ring = Arc::new(Mutex::new(Ring::new(::capture::Settings { span_ms, memory_bytes })));
        let counters = Counters::new(&registry);
        let shared = Arc::new(Shared {
            settings,
            id,
            link,
            buffer: Mutex::new(buffer),
            ring: ring.clone(),
            kept,
            reading,
            confinement: confinement.clone(),
            sending: tokio::sync::Mutex::default(),
            pushed: Notify::new(),
            say,
            registry,
            counters,
            started_ms: now_ms(),
        });
        let (stop, stopping) = watch::channel(false);
        let host = shared.settings.host.clone();
        let begin = {
            let confinement = confinement.clone();
            move || confinement.read()
        };
        let host = Host::start(host, begin, record::into_buffer(shared.clone()), ring, &shared.registry)?;
        confinement.talk();
        let own = tokio::spawn(record::own(shared.clone(), stopping.clone()));
        let (stop_sending, last) = watch::channel(false);
        let sender = tokio::spawn(sender::run(shared.clone(), last));
        let mut others = vec![tokio::spawn(asks::run(shared.clone(), stopping.clone()))];
        if shared.settings.changes.enabled {
            others.push(tokio::spawn(changes::run(shared.clone(), stopping)));
        }
        Ok(Agent { shared, stop, stop_sending, host, own, sender, others })
    }

    /// Where it sends to, as it may be shown.
    pub fn server(&self) -> String {
        self.shared.link.shown()
    }

    /// Stops to record, and sends what is buffered if the server takes it at once. Returns what is left, in words.
    pub async fn stop(self) -> Vec<String> {
        let host = self.host;
        let _ = blocking(move || drop(host)).await;
        let _ = self.stop.send(true);
        let _ = self.own.await;
        let _ = self.stop_sending.send(true);
        let _ = self.sender.await;
        for task in self.others {
            let _ = task.await;
        }
        let shared = self.shared;
        let left = blocking(move || {
            let mut buffer = shared.buffer();
            (buffer.sync(), buffer.read())
        });
        match left.await {
            Ok((Err(e), _)) | Err(e) => vec![format!("What is buffered may not outlive a power cut: {e}")],
            Ok((Ok(()), reading)) if reading.waiting_samples > 0 => {
                vec![format!(
                    "{} samples are buffered and will be sent when the agent is started again.",
                    reading.waiting_samples
                )]
            }
            Ok(_) => Vec::new(),
        }
    }
}

impl Shared {
    /// The buffer; a panic elsewhere does not take it away.
    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// What cannot be read, in words.
    fn problems(&self) -> Vec<String> {
        let ring = self.ring.lock().unwrap_or_else(|e| e.into_inner());
        let told = ring.read().into_iter().filter(|r| !r.told.problem.is_empty());
        let told = told.map(|r| format!("{}: {}", r.class.name, r.told.problem));
        told.chain(self.confinement.told().iter().cloned())
            .chain(self.confinement.problem().map(str::to_string))
            .collect()
    }

    /// Brings the gauges up to date.
    fn measure(&self) -> store::buffer::Reading {
        let reading = self.buffer().read();
        let c = &self.counters;
        c.buffered_bytes.set(reading.bytes as f64);
        c.buffered_samples.set(reading.waiting_samples as f64);
        c.dropped.set(reading.dropped_samples as f64);
        let behind_ms = reading.oldest_ms.map_or(0, |oldest_ms| (now_ms() - oldest_ms).max(0));
        c.behind_seconds.set(behind_ms as f64 / 1000.0);
        reading
    }
}

impl Counters {
    fn new(r: &Registry) -> Counters {
        Counters {
            sent: r.counter("midwatch_agent_sent_samples_total", "Samples that the server took."),
            refused: r.counter("midwatch_agent_refused_samples_total", "Samples that the server refused."),
            requests: r.counter("midwatch_agent_requests_total", "Requests with samples to the server."),
            failed: r.counter(
                "midwatch_agent_failed_requests_total",
                "Requests with samples that did not arrive, and are sent again.",
            ),
            dropped: r.counter(
                "midwatch_agent_dropped_samples_total",
                "Samples that went because the buffer was full, the oldest first, since the buffer was made.",
            ),
            unwritten: r.counter(
                "midwatch_agent_unwritten_samples_total",
                "Samples that could not be written to the buffer.",
            ),
            buffered_bytes: r.gauge(
                "midwatch_agent_buffer_bytes",
                "Size of the buffer, with what was sent already and is kept for captures.",
            ),
            buffered_samples: r
                .gauge("midwatch_agent_buffered_samples", "Samples that wait in the buffer to be sent."),
            captures: r.counter(
                "midwatch_agent_captures_total",
                "Captures that were taken because the server asked.",
            ),
            captures_sent: r
                .counter("midwatch_agent_capture_parts_sent_total", "Parts of captures that the server has."),
            captures_failed: r.counter(
                "midwatch_agent_captures_failed_total",
                "Captures, or parts of them, that could not be taken or that the server refused.",
            ),
            behind_seconds: r.gauge("midwatch_agent_behind_seconds", "About how old the oldest of them is."),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::new(ErrorKind::Internal, "a part of the agent failed inside; this is a bug"))
}

/// Returns when the agent stops.
async fn stop_of(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An agent of this machine that sends to nobody.
    pub(super) fn settings(data: &std::path::Path) -> AgentSettings {
        AgentSettings {
            to: "http://127.0.0.1:9".into(),
            client: ClientConfig::default(),
            data: data.into(),
            hostname: "web-1".into(),
            host: recorder::Settings::default(),
            buffer_bytes_max: 4 << 20,
            every: Duration::from_secs(1),
            captures: CaptureSettings::default(),
            changes: ChangesSettings::default(),
        }
    }
}
