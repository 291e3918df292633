//! Stack traces are one record: which lines continue the one before, for Java, Python, Go, Rust, Node and .NET. It never holds
//! more than its bounds, and never joins a line that begins with a time or is an object.

/// Lines that are joined at most.
const LINES_MAX: usize = 1_000;
/// How long a line waits for what belongs to it, in nanoseconds.
pub const WAIT_NS: i64 = 1_000_000_000;

/// What is being told, line by line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Story {
    /// One line, so far.
    #[default]
    Line,
    /// Python's, until its last line, which is not indented.
    Python,
    /// Python's last line came: only what was raised meanwhile goes on.
    PythonEnd,
    /// Go's panic.
    Go,
    /// Rust's panic: its message is the next line.
    Rust,
    /// Indented lines came, of anything.
    Frames,
}

/// Joins lines. The first line waits until one comes that does not belong to it.
#[derive(Clone, Debug)]
pub struct Joiner {
    held: Vec<u8>,
    lines: usize,
    story: Story,
    since_ns: i64,
    bytes_max: usize,
}

impl Joiner {
    /// Joined lines get at most so long.
    pub fn new(bytes_max: usize) -> Joiner {
        Joiner { held: Vec::new(), lines: 0, story: Story::Line, since_ns: 0, bytes_max }
    }

    /// Takes a line, without its end. Returns what is complete now.
    pub fn push(&mut self, line: &[u8], now_ns: i64) -> Option<Vec<u8>> {
        if self.lines > 0
            && self.lines < LINES_MAX
            && self.held.len() < self.bytes_max
            && self.continues(line)
        {
            self.held.push(b'\n');
            let room = self.bytes_max.saturating_sub(self.held.len());
            self.held.extend(&line[..line.len().min(room.max(1))]);
            self.lines += 1;
            self.since_ns = now_ns;
            return None;
        }
        let done = self.flush();
        self.held.extend(line);
        self.lines = 1;
        self.since_ns = now_ns;
        self.story = begins(line);
        done
    }

    /// What is held, complete or not.
    pub fn flush(&mut self) -> Option<Vec<u8>> {
        (std::mem::take(&mut self.lines) > 0).then(|| std::mem::take(&mut self.held))
    }

    /// Whether something is held.
    pub fn is_holding(&self) -> bool {
        self.lines > 0
    }

    /// Whether what is held has waited long enough.
    pub fn is_due(&self, now_ns: i64) -> bool {
        self.lines > 0 && now_ns.saturating_sub(self.since_ns) >= WAIT_NS
    }

    /// Whether the last line says that another trace follows.
    fn is_chained(&self) -> bool {
        let start = memchr::memrchr(b'\n', &self.held).map_or(0, |at| at + 1);
        [&b"During handling of"[..], b"The above exception was"]
            .iter()
            .any(|w| self.held[start..].starts_with(w))
    }

    fn continues(&mut self, line: &[u8]) -> bool {
        let is_indented = matches!(line.first(), Some(b' ' | b'\t'));
        if is_indented {
            if self.story == Story::Line {
                self.story = Story::Frames;
            }
            return true;
        }
        let starts = |words: &[&str]| words.iter().any(|w| line.starts_with(w.as_bytes()));
        let (joins, next) = match self.story {
            Story::Python | Story::PythonEnd
                if starts(&[
                    "Traceback (most recent call last)",
                    "During handling of",
                    "The above exception was",
                ]) && (!line.starts_with(b"Tr") || self.is_chained()) =>
            {
                (true, Story::Python)
            }
            // The one line that says what was raised ends it.
            Story::Python if is_python_end(line) => (true, Story::PythonEnd),
            Story::Go if is_go(line) => (true, Story::Go),
            Story::Rust => {
                let is_end = starts(&["note: "]);
                let is_part =
                    self.lines == 1 && !looks_like_new(line) || starts(&["stack backtrace:"]) || is_end;
                (is_part, Story::Rust)
            }
            story => (false, story),
        };
        if joins {
            self.story = next;
            return true;
        }
        if starts(&["Traceback (most recent call last)"]) && is_error(&self.held) {
            self.story = Story::Python;
            return true;
        }
        if starts(&["goroutine "]) && is_error(&self.held) {
            self.story = Story::Go;
            return true;
        }
        if starts(&["Caused by: ", "Suppressed: ", "--- End of "]) {
            self.story = Story::Frames;
            return true;
        }
        // `java.lang.IllegalStateException: boom` behind the line that logs it.
        if is_java_exception(line) && is_error(&self.held) && self.lines == 1 {
            self.story = Story::Frames;
            return true;
        }
        self.story == Story::Frames && self.lines > 1 && matches!(line, b"}" | b"]" | b")" | b"};" | b"})")
    }
}

fn begins(line: &[u8]) -> Story {
    let starts = |words: &str| line.starts_with(words.as_bytes());
    match () {
        () if starts("Traceback (most recent call last)") => Story::Python,
        () if starts("panic: ") || starts("fatal error: ") || starts("goroutine ") => Story::Go,
        () if starts("thread '") && contains(line, b"panicked at") => Story::Rust,
        () => Story::Line,
    }
}

fn contains(line: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(&line[..line.len().min(4_096)], what).is_some()
}

/// Whether what is held tells of something that went wrong: only then a trace behind it belongs to it.
fn is_error(held: &[u8]) -> bool {
    [
        &b"ERROR"[..],
        b"Error",
        b"error",
        b"xception",
        b"EXCEPTION",
        b"CRIT",
        b"crit",
        b"FATAL",
        b"atal",
        b"WARN",
        b"panic",
        b"ailed",
    ]
    .iter()
    .any(|word| contains(held, word))
}

/// A line that begins a record for sure: a time, an object, a priority.
fn looks_like_new(line: &[u8]) -> bool {
    matches!(line.first(), Some(b'{' | b'<' | b'['))
        || line.len() > 8 && line[..4].iter().all(u8::is_ascii_digit)
}

/// `ValueError: text`, `app.errors.Broken`, `KeyboardInterrupt`.
fn is_python_end(line: &[u8]) -> bool {
    let end =
        line.iter().position(|b| !(b.is_ascii_alphanumeric() || b"._".contains(b))).unwrap_or(line.len());
    let name = &line[..end];
    let last = name.rsplit(|b| *b == b'.').next().unwrap_or(b"");
    end > 0 && last.first().is_some_and(u8::is_ascii_uppercase) && matches!(line.get(end), None | Some(b':'))
}

/// `main.main()`, `created by net/http.(*Server).Serve in goroutine 1`, `[signal SIGSEGV ...`, `exit status 2`.
fn is_go(line: &[u8]) -> bool {
    let starts = |words: &str| line.starts_with(words.as_bytes());
    let is_call =
        line.ends_with(b")") && line.contains(&b'(') && line.contains(&b'.') && !looks_like_new(line);
    starts("goroutine ")
        || starts("created by ")
        || starts("[signal ")
        || starts("exit status ")
        || starts("panic: ")
        || starts("main.")
        || is_call
}

/// `java.lang.IllegalStateException: boom`: names with dots, the last of which says that it is one.
fn is_java_exception(line: &[u8]) -> bool {
    let end =
        line.iter().position(|b| !(b.is_ascii_alphanumeric() || b"._$".contains(b))).unwrap_or(line.len());
    let name = &line[..end];
    name.contains(&b'.')
        && name.first().is_some_and(u8::is_ascii_lowercase)
        && [&b"Exception"[..], b"Error", b"Throwable"].iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records are separated by `===` in the text.
    fn check(text: &str) {
        let mut joiner = Joiner::new(1 << 20);
        let mut got = Vec::new();
        let lines = text.lines().filter(|l| *l != "===" && !l.is_empty());
        for line in lines {
            got.extend(joiner.push(line.as_bytes(), 0));
        }
        got.extend(joiner.flush());
        let got: Vec<String> = got.into_iter().map(|r| String::from_utf8(r).unwrap()).collect();
        let want: Vec<String> = text
            .split("===\n")
            .map(|record| record.lines().filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n"))
            .collect();
        assert_eq!(got, want);
    }

    #[test]
    fn java() {
        check(
            "2026-11-20 05:06:07 ERROR [main] App - request failed\n\
             java.lang.IllegalStateException: boom\n\
             \tat com.example.App.run(App.java:12)\n\
             \tat com.example.App.main(App.java:5)\n\
             Caused by: java.io.IOException: closed\n\
             \tat com.example.Io.read(Io.java:7)\n\
             \t... 2 more\n\
             ===\n\
             2026-11-20 05:06:08 INFO  [main] App - next\n\
             ===\n\
             Exception in thread \"main\" java.lang.NullPointerException\n\
             \tat A.b(A.java:1)\n",
        );
    }

    #[test]
    fn python() {
        check(
            "ERROR:app:request failed\n\
             Traceback (most recent call last):\n\
             \x20 File \"a.py\", line 3, in f\n\
             \x20   g()\n\
             KeyError: 'x'\n\
             During handling of the above exception, another exception occurred:\n\
             Traceback (most recent call last):\n\
             \x20 File \"a.py\", line 5, in h\n\
             ValueError: bad\n\
             ===\n\
             INFO:app:next\n\
             ===\n\
             Traceback (most recent call last):\n\
             \x20 File \"a.py\", line 1\n\
             app.errors.Broken\n",
        );
    }

    #[test]
    fn go_rust_node_and_net() {
        check(
            "panic: runtime error: index out of range [3] with length 2\n\
             \n\
             goroutine 1 [running]:\n\
             main.main()\n\
             \t/src/a.go:7 +0x1d\n\
             exit status 2\n\
             ===\n\
             2026/11/20 05:06:07 next\n\
             ===\n\
             thread 'main' panicked at src/main.rs:2:5:\n\
             called `Option::unwrap()` on a `None` value\n\
             stack backtrace:\n\
             \x20  0: std::panicking::begin_panic\n\
             note: run with `RUST_BACKTRACE=full`\n\
             ===\n\
             started again\n\
             ===\n\
             TypeError: x is not a function\n\
             \x20   at f (/app/a.js:1:2)\n\
             \x20   at Object.<anonymous> (/app/b.js:3:4) {\n\
             \x20 code: 'E'\n\
             }\n\
             ===\n\
             listening\n\
             ===\n\
             Unhandled exception. System.InvalidOperationException: no\n\
             \x20---> System.IO.IOException: closed\n\
             \x20  at A.B() in /src/A.cs:line 3\n\
             \x20  --- End of inner exception stack trace ---\n\
             ===\n\
             done\n",
        );
    }

    #[test]
    fn lines_that_stand_for_themselves_stay_alone() {
        check("one\n===\ntwo\n===\n{\"a\":1}\n===\n{\"b\":2}\n===\n}\n===\njava.util.List loaded\n");
        check("Started\n===\nTraceback (most recent call last):\n  File \"x\"\nE: y\n");
    }

    #[test]
    fn what_is_held_is_bounded_in_lines_bytes_and_time() {
        let mut joiner = Joiner::new(100);
        assert_eq!(joiner.push(b"first", 0), None);
        let done: Vec<Vec<u8>> = (0..3_000).filter_map(|_| joiner.push(b"  indented", 5)).collect();
        assert!(done.len() > 200 && done.iter().all(|r| r.len() <= 101), "{}", done.len());
        let mut joiner = Joiner::new(1 << 20);
        let done: Vec<Vec<u8>> = (0..2_500).filter_map(|_| joiner.push(b" x", 5)).collect();
        assert_eq!(done.len(), 2);
        assert!(!joiner.is_due(5 + WAIT_NS - 1) && joiner.is_due(5 + WAIT_NS));
        assert!(joiner.flush().is_some() && !joiner.is_due(i64::MAX) && !joiner.is_holding());
    }
}
