//! One `lobby` in a process of its own.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const LOBBY: &str = env!("CARGO_BIN_EXE_lobby");

/// For whatever takes no time unless something is wrong.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Variables of a process.
pub(crate) type Variables = Vec<(&'static str, String)>;

/// Killed when it is dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    said: Arc<Said>,
}

/// What it has said so far, on both outputs.
#[derive(Default)]
struct Said {
    state: Mutex<(Vec<String>, usize)>,
    changed: Condvar,
}

/// Of the two outputs, how many are at their end when it has ended.
const OUTPUTS: usize = 2;

impl Process {
    /// Waits until it says that it is up.
    pub(crate) fn start(args: &[&str], variables: &Variables) -> Self {
        let process = Self::spawn(args, variables);
        process.wait_for(|line| line.ends_with("is up; Ctrl-C stops"), 1);
        process
    }

    fn spawn(args: &[&str], variables: &Variables) -> Self {
        let mut command = Command::new(LOBBY);
        command.args(args).envs(variables.iter().map(|(name, value)| (name, value)));
        command.env("RUST_LOG", "due=debug,lobby=info").env("RUST_BACKTRACE", "0");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Said::default());
        said.listen(child.stdout.take().unwrap());
        said.listen(child.stderr.take().unwrap());
        Self { name: args.join(" "), child, said }
    }

    /// Where it serves; `scheme` is `ws://` or `tcp://`. One for each gate.
    pub(crate) fn urls(&self, scheme: &str) -> Vec<String> {
        let said = &self.said.state.lock().unwrap_or_else(PoisonError::into_inner).0;
        let urls = said.iter().filter_map(|line| line.strip_prefix("serving "));
        urls.filter(|url| url.starts_with(scheme)).map(str::to_owned).collect()
    }

    /// What comes behind `marker` in the first line that has it.
    pub(crate) fn behind(&self, marker: &str) -> Option<String> {
        let said = &self.said.state.lock().unwrap_or_else(PoisonError::into_inner).0;
        said.iter().find_map(|line| line.split_once(marker)).map(|(_, rest)| rest.to_owned())
    }

    /// How many lines are so.
    pub(crate) fn count(&self, is_so: impl Fn(&str) -> bool) -> usize {
        let said = &self.said.state.lock().unwrap_or_else(PoisonError::into_inner).0;
        said.iter().filter(|line| is_so(line)).count()
    }

    /// Waits until so many lines are so.
    pub(crate) fn wait_for(&self, is_so: impl Fn(&str) -> bool, many: usize) {
        let enough = |said: &[String]| said.iter().filter(|line| is_so(line)).count() >= many;
        let state = self.said.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |(said, ended): &mut (Vec<String>, usize)| !enough(said) && *ended < OUTPUTS;
        let (state, _) = self.said.changed.wait_timeout_while(state, DEADLINE, waits).unwrap();
        assert!(enough(&state.0), "`lobby {}` does not say it:\n{}", self.name, state.0.join("\n"));
    }

    pub(crate) fn signal(&self, signal: &str) {
        let (signal, pid) = (format!("-{signal}"), self.child.id().to_string());
        assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
    }

    /// Without a chance to say anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until a process that was told to stop has done so.
    pub(crate) fn ended_well(mut self) {
        self.wait_for(|line| line == "stopped", 1);
        let status = self.wait();
        assert!(status.success(), "{}: {status}", self.name);
    }

    fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None if began.elapsed() < DEADLINE => thread::yield_now(),
                None => panic!("{} does not end", self.name),
            }
        }
    }
}

impl Said {
    fn listen(self: &Arc<Self>, output: impl Read + Send + 'static) {
        let said = Arc::clone(self);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                said.state.lock().unwrap_or_else(PoisonError::into_inner).0.push(line);
                said.changed.notify_all();
            }
            said.state.lock().unwrap_or_else(PoisonError::into_inner).1 += 1;
            said.changed.notify_all();
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, as it should.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let said = &self.said.state.lock().unwrap_or_else(PoisonError::into_inner).0;
            let mut text = format!("-- lobby {} (process {})", self.name, self.child.id());
            for line in said {
                let _ = write!(text, "\n{line}");
            }
            eprintln!("{text}");
        }
    }
}
