//! What a person sees of a command that takes long: how far it is, on a terminal; and Ctrl-C, which ends it where
//! nothing is left half done. It must never print into what a script reads.

use crate::units::{Unit, show};
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};
use store::Progress;

/// Lines a second are no help.
const EVERY: Duration = Duration::from_millis(200);

/// A line on standard error that is written over.
pub struct Working {
    verb: &'static str,
    stop: Arc<AtomicBool>,
    terminal: bool,
    shown: Option<Instant>,
}

impl Working {
    /// Listens for Ctrl-C from now on.
    pub fn new(verb: &'static str) -> Working {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        // Without signals it works all the same; Ctrl-C then ends it as it ends any program.
        std::thread::spawn(move || listen(&told));
        Working { verb, stop, terminal: std::io::stderr().is_terminal(), shown: None }
    }

    /// Shows how far it is; false once it should end.
    pub fn go_on(&mut self, p: &Progress) -> bool {
        let done =
            format!("{} of {}", show(p.bytes as f64, Unit::Bytes), show(p.bytes_total as f64, Unit::Bytes));
        self.tell(&format!("{} of {} files, {done}", p.files, p.files_total))
    }

    /// Shows a text; false once it should end.
    pub fn tell(&mut self, text: &str) -> bool {
        if self.terminal && self.shown.is_none_or(|t| t.elapsed() >= EVERY) {
            self.shown = Some(Instant::now());
            let _ = write!(std::io::stderr(), "\r\x1b[K{} {text}", self.verb);
        }
        !self.stop.load(SeqCst)
    }

    /// Whether the next text would be shown: it need not be made before.
    pub fn is_due(&self) -> bool {
        self.stop.load(SeqCst) || (self.terminal && self.shown.is_none_or(|t| t.elapsed() >= EVERY))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// The first signal asks for an end, the second is one.
fn listen(told: &AtomicBool) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if told.swap(true, SeqCst) {
                std::process::exit(130);
            }
        }
    });
}
