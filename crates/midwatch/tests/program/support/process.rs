//! One process of the program: its output is kept for the message of a failure, and it never outlives its test.

use rustix::process::{Pid, Signal, kill_process};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a process may take to end once it was told to.
const END_WITHIN: Duration = Duration::from_secs(60);

/// How a process ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// From the moment somebody began to wait for the end.
    pub took: Duration,
}

/// A process that runs.
pub struct Running {
    child: Child,
    streams: [Stream; 2],
}

struct Stream {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn of(mut from: impl Read + Send + 'static) -> Stream {
        let text = Arc::new(Mutex::new(String::new()));
        let to = text.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                to.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..n]));
            }
        });
        Stream { text, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// All of it; the process has to have ended.
    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.so_far()
    }
}

impl Running {
    pub fn start(mut command: Command) -> Running {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let streams = [Stream::of(child.stdout.take().unwrap()), Stream::of(child.stderr.take().unwrap())];
        Running { child, streams }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        self.streams[0].so_far()
    }

    /// Its errors so far.
    pub fn stderr(&self) -> String {
        self.streams[1].so_far()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Finished {
        let start = Instant::now();
        let status = loop {
            match self.ended() {
                Some(status) => break status,
                None => assert!(start.elapsed() < END_WITHIN, "it did not end within {END_WITHIN:?}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let [stdout, stderr] = &mut self.streams;
        Finished {
            code: status.code(),
            signal: status.signal(),
            stdout: stdout.all(),
            stderr: stderr.all(),
            took: start.elapsed(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let [out, err] = self.streams.each_mut().map(Stream::all);
        if std::thread::panicking() {
            eprintln!("--- standard output\n{out}--- standard error\n{err}---");
        } else {
            // A panic inside is a bug even if the program lives on.
            assert!(!err.contains("a bug:"), "it reported a bug of its own:\n{err}");
        }
    }
}
