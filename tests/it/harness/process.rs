//! A child process whose lines are collected and which ends with its owner.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{wait_for, wait_until};

/// Most lines that are kept of one child.
const LINES_MAX: usize = 400_000;
/// How many of the last lines are shown when a test fails.
const LINES_SHOWN: usize = 40;

/// A child. Dropping it kills this child, by its process id, and nothing else.
pub struct Process {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts `command` with both outputs collected.
    pub fn start(name: &str, command: &mut Command) -> Process {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}; run tests/run first"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        collect(child.stdout.take().expect("a pipe"), lines.clone());
        collect(child.stderr.take().expect("a pipe"), lines.clone());
        Process { name: name.to_owned(), child, lines }
    }

    /// Runs `command` to its end within `patience`.
    #[track_caller]
    pub fn run(name: &str, command: &mut Command, patience: Duration) -> (ExitStatus, Vec<String>) {
        let mut process = Process::start(name, command);
        let status = process.wait(patience);
        (status, process.final_lines())
    }

    /// The child's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child's standard input, when the command piped it.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("a piped standard input")
    }

    /// Every line so far, of both outputs.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The first of the lines from number `from` on in which `find` finds something.
    pub fn find_line<T>(&self, from: usize, mut find: impl FnMut(&str) -> Option<T>) -> Option<T> {
        self.lines.lock().unwrap().iter().skip(from).find_map(|line| find(line))
    }

    /// Waits for a line in which `find` finds something; panics when the child ends before.
    #[track_caller]
    pub fn wait_for_line<T>(&mut self, what: &str, mut find: impl FnMut(&str) -> Option<T>) -> T {
        wait_until(what, || {
            let ended = self.child.try_wait().expect("a child").filter(|_| Arc::strong_count(&self.lines) == 1);
            let found = self.find_line(0, &mut find);
            assert!(found.is_some() || ended.is_none(), "{} ended with {ended:?} before {what}", self.name);
            found
        })
    }

    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.child.id() as i32).expect("a process id");
        kill_process(id, signal).expect("a living child");
    }

    /// Kills the child and the children that it has now, as `kill -9` does.
    pub fn kill_with_children(&mut self) {
        let own = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        self.child.kill().ok();
        for id in children.split_whitespace().filter_map(|id| Pid::from_raw(id.parse().ok()?)) {
            kill_process(id, Signal::KILL).ok();
        }
        self.child.wait().ok();
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits for the end of the child.
    #[track_caller]
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        wait_for(&what, patience, || self.child.try_wait().expect("a child"))
    }

    /// The lines of a child that has ended, all of them.
    pub fn final_lines(&self) -> Vec<String> {
        wait_until("the last lines", || (Arc::strong_count(&self.lines) == 1).then(|| self.lines()))
    }

    /// The status of each thread, as /proc tells it.
    pub fn threads(&self) -> Vec<String> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("a living child");
        threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("status")).ok()).collect()
    }

    /// The id of the thread with this name.
    pub fn thread(&self, name: &str) -> i32 {
        let of = |status: &str, key: &str| status.lines().find_map(|l| Some(l.strip_prefix(key)?.trim().to_owned()));
        let named = self.threads().into_iter().find(|status| of(status, "Name:").as_deref() == Some(name));
        named.and_then(|status| of(&status, "Pid:")?.parse().ok()).expect("a thread of this name")
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a living child");
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number of KiB")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            let lines = self.lines();
            let from = lines.len().saturating_sub(LINES_SHOWN);
            eprintln!("--- the last lines of {} ---\n{}", self.name, lines[from..].join("\n"));
        }
    }
}

fn collect(output: impl Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let mut lines = lines.lock().unwrap();
            if lines.len() < LINES_MAX {
                lines.push(String::from_utf8_lossy(&line).into_owned());
            }
        }
    });
}
