//! `midwatch top`: this machine and what is busy on it, every second, from a running server. One thread asks, this one
//! draws and listens to keys. It must never leave the terminal other than it found it.

mod machine;
mod screen;
mod terminal;

pub use terminal::restore;

use crate::cli::{SortBy, TopArgs};
use crate::http::{Client, HttpError};
use crate::text::Look;
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use machine::Machine;
use screen::View;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use terminal::Terminal;

/// Between two readings.
const PERIOD: Duration = Duration::from_secs(1);
/// A server that takes longer is said not to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a key or a signal may wait.
const KEY_WAIT: Duration = Duration::from_millis(100);

/// Runs until `q`, Ctrl-C or a signal; where standard output is no terminal, prints one screen.
///
/// # Errors
/// The URL is none, or nobody answers at the start.
pub fn run(args: &TopArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.url, TIMEOUT)?;
    // At once, and before the screen is taken: whoever forgot to start the server reads it on the plain terminal.
    let first = machine::read(&client, server::now_ms(), None)?;
    let mut view = View { sort: args.sort, help: false, problem: None };
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let look = Look { width: 100, colour: false };
        let lines = screen::draw(&first, &view, &client.url, 40, &look);
        return crate::print(&(lines.join("\n") + "\n"));
    }
    let (sender, readings) = sync_channel(1);
    let asking = client.clone();
    let before = first.clone();
    std::thread::Builder::new()
        .name("midwatch-top".into())
        .spawn(move || keep_asking(&asking, before, &sender))?;
    let mut terminal = Terminal::enter()?;
    let shown = show(&mut terminal, &mut view, &client.url, first, &readings);
    drop(terminal);
    shown
}

/// Asks once a second until nobody listens. A question that takes longer delays the next one, never doubles it.
fn keep_asking(client: &Client, first: Machine, to: &SyncSender<Result<Machine, HttpError>>) {
    let mut before = first;
    loop {
        let began = Instant::now();
        let reading = machine::read(client, server::now_ms(), Some(&before));
        if let Ok(machine) = &reading {
            before = machine.clone();
        }
        if to.send(reading).is_err() {
            return;
        }
        std::thread::sleep(PERIOD.saturating_sub(began.elapsed()));
    }
}

fn show(
    terminal: &mut Terminal,
    view: &mut View,
    url: &str,
    mut machine: Machine,
    readings: &Receiver<Result<Machine, HttpError>>,
) -> anyhow::Result<ExitCode> {
    let mut changed = true;
    loop {
        if changed {
            let (look, height) = terminal.size();
            terminal.draw(&screen::draw(&machine, view, url, height, &look))?;
        }
        changed = false;
        if terminal.signalled() {
            return Ok(ExitCode::SUCCESS);
        }
        if event::poll(KEY_WAIT)? {
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => match act(key, view) {
                    Act::Quit => return Ok(ExitCode::SUCCESS),
                    Act::Draw => changed = true,
                    Act::Nothing => {}
                },
                Event::Resize(..) => changed = true,
                _ => {}
            }
        }
        match readings.recv_timeout(Duration::ZERO) {
            Ok(Ok(new)) => {
                (machine, view.problem, changed) = (new, None, true);
            }
            Ok(Err(problem)) => {
                (view.problem, changed) = (Some(problem.to_string()), true);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                anyhow::bail!("the part that asks the server failed; this is a bug")
            }
        }
    }
}

/// What a key does.
#[derive(Debug, PartialEq)]
enum Act {
    Quit,
    Draw,
    Nothing,
}

fn act(key: KeyEvent, view: &mut View) -> Act {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c' | 'd') if control => return Act::Quit,
        KeyCode::Char('q') => return Act::Quit,
        KeyCode::Esc if !view.help => return Act::Quit,
        KeyCode::Char('?' | 'h') => view.help = !view.help,
        KeyCode::Esc => view.help = false,
        KeyCode::Char('s') => {
            view.sort = match view.sort {
                SortBy::Cpu => SortBy::Memory,
                SortBy::Memory => SortBy::Io,
                SortBy::Io => SortBy::Cpu,
            }
        }
        KeyCode::Char('c') => view.sort = SortBy::Cpu,
        KeyCode::Char('m') => view.sort = SortBy::Memory,
        KeyCode::Char('i') => view.sort = SortBy::Io,
        _ => return Act::Nothing,
    }
    Act::Draw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        let mut view = View { sort: SortBy::Cpu, help: false, problem: None };
        let mut press =
            |code, modifiers| (act(KeyEvent::new(code, modifiers), &mut view), view.sort, view.help);
        let none = KeyModifiers::NONE;
        assert_eq!(press(KeyCode::Char('s'), none), (Act::Draw, SortBy::Memory, false));
        assert_eq!(press(KeyCode::Char('s'), none), (Act::Draw, SortBy::Io, false));
        assert_eq!(press(KeyCode::Char('s'), none), (Act::Draw, SortBy::Cpu, false));
        assert_eq!(press(KeyCode::Char('m'), none), (Act::Draw, SortBy::Memory, false));
        assert_eq!(press(KeyCode::Char('?'), none), (Act::Draw, SortBy::Memory, true));
        assert_eq!(press(KeyCode::Esc, none), (Act::Draw, SortBy::Memory, false));
        assert_eq!(press(KeyCode::Char('x'), none), (Act::Nothing, SortBy::Memory, false));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL).0, Act::Quit);
        assert_eq!(press(KeyCode::Char('q'), none).0, Act::Quit);
        assert_eq!(press(KeyCode::Esc, none).0, Act::Quit);
    }
}
