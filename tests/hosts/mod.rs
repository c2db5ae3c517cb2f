//! `caligo-run alice` and `caligo-run bob` as processes.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A process hangs if it is not over by then.
const HANG: Duration = Duration::from_secs(60);

pub(crate) struct Party {
    pub(crate) child: Child,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: Box<dyn BufRead>,
}

/// A process that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Party {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { stdout: child.stdout.take().unwrap(), child, stderr: Box::new(stderr) }
    }

    /// Where Alice says that she listens.
    pub(crate) fn address(&mut self) -> String {
        let mut first = String::new();
        self.stderr.read_line(&mut first).unwrap();
        let address = first.trim().strip_prefix("caligo-run: listening at ");
        address.unwrap_or_else(|| panic!("{first}")).to_owned()
    }

    pub(crate) fn end(mut self) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > HANG {
                self.child.kill().unwrap();
                panic!("a process hangs");
            }
            thread::sleep(Duration::from_millis(5));
        };
        let mut ended = Ended { code: status.code(), stdout: String::new(), stderr: String::new() };
        self.stdout.read_to_string(&mut ended.stdout).unwrap();
        self.stderr.read_to_string(&mut ended.stderr).unwrap();
        ended
    }
}

impl Ended {
    /// The one line of a failure. Who greets wrongly is only turned away, which is a line of its own.
    pub(crate) fn error(&self) -> String {
        let lines: Vec<&str> = self.stderr.lines().filter(|l| !l.contains(" turned away: ")).collect();
        assert_eq!((self.code, self.stdout.as_str(), lines.len()), (Some(1), "", 1), "{}", self.stderr);
        assert!(lines[0].starts_with("caligo-run: ") && !self.stderr.contains("panicked"), "{}", self.stderr);
        lines[0].to_owned()
    }
}
