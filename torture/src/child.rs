//! The writer as a process: what it tells is noted while it runs, and to the last line after it was killed. It must
//! never end a process that it did not start, and ends those it did whatever happens.

use crate::stream::Stream;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What a writer has told so far.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Of each writer: the number after the last that was acknowledged.
    pub acknowledged: Vec<u64>,
    /// The store is open.
    pub is_ready: bool,
    /// Wrong answers that it got.
    pub wrong: Vec<String>,
    /// Errors that it got, the last of them.
    pub error: Option<String>,
}

/// A writer that runs.
pub struct Writer {
    child: Child,
    told: Arc<Mutex<Told>>,
    reader: Option<JoinHandle<()>>,
}

/// This program, or the one with planted bugs beside it.
///
/// # Errors
/// If it is not known where this program lies, or the other was not built.
pub fn program(is_planted: bool) -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|e| format!("where this program lies is not known: {e}"))?;
    if !is_planted {
        return Ok(this);
    }
    let planted = this.with_file_name("torture-planted");
    if planted.is_file() {
        return Ok(planted);
    }
    Err("it was not built: cargo build -p torture --features planted-bugs --bin torture-planted".into())
}

impl Writer {
    /// Starts one on a folder; the writers go on at `from`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(
        program: &Path,
        bug: Option<&str>,
        folder: &Path,
        stream: &Stream,
        from: &[u64],
    ) -> Result<Writer, String> {
        let from_text: Vec<String> = from.iter().map(u64::to_string).collect();
        let mut command = Command::new(program);
        command.arg("writer").arg("--data").arg(folder);
        command.args(["--from", &from_text.join(","), "--seed", &stream.seed.to_string()]);
        if let Some(bug) = bug {
            command.env("MIDWATCH_PLANTED_BUG", bug);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("cannot start {}: {e}", program.display()))?;
        let told = Arc::new(Mutex::new(Told { acknowledged: from.to_vec(), ..Told::default() }));
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let noted = told.clone();
        let read = move || {
            for line in out.into_iter().flat_map(|out| BufReader::new(out).lines()).map_while(Result::ok) {
                note(&mut noted.lock().unwrap_or_else(|e| e.into_inner()), &line);
            }
            // It says nothing there unless it does not open, or panics: that takes several lines, the first of them empty.
            let said: Vec<String> =
                err.into_iter().flat_map(|err| BufReader::new(err).lines()).map_while(Result::ok).collect();
            if !said.is_empty() {
                noted.lock().unwrap_or_else(|e| e.into_inner()).wrong.push(said.join(" "));
            }
        };
        let reader = std::thread::spawn(read);
        Ok(Writer { child, told, reader: Some(reader) })
    }

    /// What it has told until now.
    pub fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Kills it (SIGKILL) and reads to the end what it told.
    pub fn kill(mut self) -> Told {
        self.end();
        self.told()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

fn note(told: &mut Told, line: &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "ready" => told.is_ready = true,
        "ack" => {
            let mut numbers = rest.split(' ').map_while(|n| n.parse::<u64>().ok());
            if let (Some(writer), Some(number)) = (numbers.next(), numbers.next())
                && let Some(next) = told.acknowledged.get_mut(writer as usize)
            {
                *next = number + 1;
            }
        }
        "error" => told.error = Some(rest.to_string()),
        _ => told.wrong.push(line.to_string()),
    }
}
