//! The terminal as `top` takes it: raw, on the alternate screen, without a cursor; and given back whatever happens:
//! on return, on a panic, on a signal. It must never know what is drawn.

use crate::text::Look;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap, EndSynchronizedUpdate,
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue, style::Print};
use std::io::{Write, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};

/// True while the terminal is not as it was found.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A taken terminal; dropping it gives it back.
pub struct Terminal {
    signalled: Arc<AtomicBool>,
}

impl Terminal {
    /// Takes the terminal.
    ///
    /// # Errors
    /// It cannot be made raw.
    pub fn enter() -> std::io::Result<Terminal> {
        let signalled = Arc::new(AtomicBool::new(false));
        watch_signals(signalled.clone())?;
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let terminal = Terminal { signalled };
        execute!(stdout(), EnterAlternateScreen, cursor::Hide, DisableLineWrap)?;
        Ok(terminal)
    }

    /// Whether somebody wants this program to end.
    pub fn signalled(&self) -> bool {
        self.signalled.load(Ordering::SeqCst)
    }

    /// What it can show, and how many lines.
    pub fn size(&self) -> (Look, usize) {
        let (columns, lines) = crossterm::terminal::size().unwrap_or((80, 24));
        let colour = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        (Look { width: usize::from(columns).clamp(20, 400), colour }, usize::from(lines).clamp(5, 400))
    }

    /// Replaces the whole screen at once, without flicker.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, lines: &[String]) -> std::io::Result<()> {
        let mut out = stdout().lock();
        queue!(out, BeginSynchronizedUpdate, cursor::MoveTo(0, 0))?;
        for (i, line) in lines.iter().enumerate() {
            // Cleared first: a line that fills the width leaves the cursor on its last character.
            let row = u16::try_from(i).unwrap_or(u16::MAX);
            queue!(out, cursor::MoveTo(0, row), Clear(ClearType::UntilNewLine), Print(line))?;
        }
        queue!(out, Clear(ClearType::FromCursorDown), EndSynchronizedUpdate)?;
        out.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back, if it is taken; for the panic hook too.
pub fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Nothing can be done about a terminal that is gone.
        let _ = execute!(stdout(), EnableLineWrap, cursor::Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// Ctrl-C comes as a key in raw mode; these come from elsewhere (`kill`, a closed ssh connection).
fn watch_signals(seen: Arc<AtomicBool>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let wait = move || {
        runtime.block_on(async {
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
            if let [Ok(mut a), Ok(mut b), Ok(mut c)] = kinds.map(signal) {
                tokio::select! { _ = a.recv() => {}, _ = b.recv() => {}, _ = c.recv() => {} }
                seen.store(true, Ordering::SeqCst);
            }
        });
    };
    std::thread::Builder::new().name("midwatch-signals".into()).spawn(wait).map(|_| ())
}
