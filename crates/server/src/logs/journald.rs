//! systemd's journal, followed: `journalctl` writes its entries in the export format, and each is written once, also when the
//! program is killed in between. How once is kept is how files have it (`follow`): the journal's own name of the last entry of a
//! part is noted durably before the part is written, and stands on its last record. It must never believe a name that a message
//! made up, nor hold more than one part.

use super::follow::{PERIOD, POSITION, deliver, was_written};
use super::{JournalSettings, Logs};
use ingest::logs::journal::{decode_export, whole_entries};
use model::{Reject, RejectReason};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;
use stdx::metrics::Value;
use stdx::{Error, ErrorKind, Result};

const FILE: &str = "log-journal.json";
const FORMAT: u32 = 1;
/// The name in the books.
const SOURCE: &str = "journal";
/// Bytes that are read at a time: what a pipe holds.
const READ_BYTES: usize = 64 << 10;
/// An entry that is longer is passed over; the journal has cores of crashed programs in it.
const ENTRY_BYTES_MAX: usize = 16 << 20;
/// How long is waited before `journalctl` is started again, at the most.
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// Where the journal was left.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Place {
    format: u32,
    /// Everything until here was written; empty: nothing yet, and the journal is read from its beginning.
    cursor: String,
    /// What ends here was being written when this was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<String>,
}

/// The running thread and its `journalctl`. Dropping it ends both; what is not written is read again at the next start.
pub struct JournalFollower {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_stopping: AtomicBool,
    child: Mutex<Option<Child>>,
}

impl Shared {
    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Ends what runs.
    fn end_child(&self) {
        if let Some(mut child) = self.child().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl JournalFollower {
    /// Starts to follow.
    ///
    /// # Errors
    /// `Unavailable` if there can be no more threads.
    pub fn start(logs: Arc<Logs>, settings: JournalSettings) -> Result<JournalFollower> {
        let shared = Arc::new(Shared::default());
        let inside = shared.clone();
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || Following::new(&logs, settings, &inside).run())
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "cannot start a thread", e))?;
        Ok(JournalFollower { shared, thread: Some(thread) })
    }
}

impl Drop for JournalFollower {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Relaxed);
        self.shared.end_child();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Following<'a> {
    logs: &'a Logs,
    settings: JournalSettings,
    shared: &'a Shared,
    path: PathBuf,
    place: Option<Place>,
    is_reading: Value,
}

impl Following<'_> {
    fn new<'a>(logs: &'a Logs, settings: JournalSettings, shared: &'a Shared) -> Following<'a> {
        let path = logs.store().folder().join(FILE);
        let help =
            "1 while systemd's journal is read; 0 while journalctl cannot be started, or ends by itself.";
        let is_reading = logs.registry.gauge("midwatch_journal_followed", help);
        Following { logs, settings, shared, path, place: None, is_reading }
    }

    fn is_stopping(&self) -> bool {
        self.shared.is_stopping.load(Relaxed)
    }

    fn run(&mut self) {
        self.place = self.settled();
        let mut wait = Duration::from_secs(1);
        while !self.is_stopping() {
            if self.follow() {
                wait = Duration::from_secs(1);
            }
            self.shared.end_child();
            self.is_reading.set(0.0);
            let mut waited = Duration::ZERO;
            while waited < wait && !self.is_stopping() {
                std::thread::sleep(PERIOD);
                waited += PERIOD;
            }
            wait = (wait * 2).min(AGAIN_MAX);
        }
    }

    /// Where it was left. After a crash: was what was noted last written or not?
    fn settled(&self) -> Option<Place> {
        let bytes = std::fs::read(&self.path).ok()?;
        let mut place: Place = serde_json::from_slice(&bytes).ok().filter(|p: &Place| p.format == FORMAT)?;
        if let Some(pending) = place.pending.take()
            && was_written(self.logs, &position(&pending))
        {
            place.cursor = pending;
        }
        Some(place)
    }

    fn note(&mut self, place: Place) -> bool {
        let bytes = serde_json::to_vec_pretty(&place).unwrap_or_default();
        self.place = Some(place);
        store::durable::replace(&self.path, &bytes).is_ok()
    }

    fn command(&self) -> Command {
        let mut command = Command::new("journalctl");
        command.args(["--output=export", "--quiet"]);
        if let Some(folder) = &self.settings.folder {
            command.arg(format!("--directory={}", folder.display()));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    /// The first time: from the beginning of a folder that was named, from now on of the machine's own journal.
    fn first_place(&self) -> Option<Place> {
        let mut place = Place { format: FORMAT, ..Place::default() };
        if self.settings.folder.is_none() {
            let newest = self.command().arg("--lines=1").output().ok().filter(|out| out.status.success())?;
            place.cursor = as_text(whole_entries(&newest.stdout).cursor);
        }
        Some(place)
    }

    /// Until journalctl ends. Whether it gave anything.
    fn follow(&mut self) -> bool {
        if self.place.is_none() {
            let Some(first) = self.first_place() else { return false };
            // Noted before anything is read: what comes while the program is down is not passed over.
            self.note(first);
        }
        let cursor = self.place.as_ref().map(|p| p.cursor.clone()).unwrap_or_default();
        let mut command = self.command();
        command.args(["--follow", "--no-tail"]);
        if !cursor.is_empty() {
            command.arg(format!("--after-cursor={cursor}"));
        }
        let Ok(mut child) = command.spawn() else { return false };
        let Some(mut out) = child.stdout.take() else { return false };
        *self.shared.child() = Some(child);
        if self.is_stopping() {
            return false;
        }
        self.is_reading.set(1.0);
        let (mut stream, mut chunk, mut has_given) = (Vec::new(), vec![0; READ_BYTES], false);
        while let Ok(read @ 1..) = out.read(&mut chunk) {
            stream.extend_from_slice(&chunk[..read]);
            let whole = whole_entries(&stream);
            if whole.bytes == 0 && stream.len() > ENTRY_BYTES_MAX {
                let begun = as_text(whole.begun);
                self.pass_over(begun);
                return true;
            }
            if whole.bytes == 0 {
                continue;
            }
            has_given = true;
            let (bytes, cursor) = (whole.bytes, as_text(whole.cursor));
            if !self.write(&stream[..bytes], cursor) {
                return true;
            }
            stream.drain(..bytes);
        }
        has_given
    }

    /// Writes whole entries; false when the program ends before, or the place cannot be noted.
    fn write(&mut self, entries: &[u8], cursor: String) -> bool {
        let before = self.place.clone().unwrap_or_default();
        if !self.note(Place { pending: Some(cursor.clone()), ..before.clone() }) {
            self.place = Some(before);
            return false;
        }
        // The empty line that ends the last entry comes after the place.
        let mut body = entries[..entries.len() - 1].to_vec();
        body.extend_from_slice(format!("{POSITION}={}\n\n", position(&cursor)).as_bytes());
        let decoded = decode_export(&body, &self.logs.origin(""), self.logs.context());
        if !deliver(self.logs, SOURCE, &decoded, &self.shared.is_stopping) {
            return false;
        }
        // Confirmed with the next note, or found among the records.
        self.place = Some(Place { format: FORMAT, cursor, pending: None });
        true
    }

    fn pass_over(&mut self, cursor: String) {
        let message = format!("an entry of the journal is longer than {ENTRY_BYTES_MAX} bytes");
        self.logs.refuse(SOURCE, Reject { reason: RejectReason::TooLarge, samples: 1, message });
        if !cursor.is_empty() {
            self.note(Place { format: FORMAT, cursor, pending: None });
        }
    }
}

impl Drop for Following<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.note(place);
        }
    }
}

/// As the attribute of a record has it.
fn position(cursor: &str) -> String {
    format!("journal:{cursor}")
}

fn as_text(cursor: Option<&[u8]>) -> String {
    String::from_utf8_lossy(cursor.unwrap_or_default()).into_owned()
}
