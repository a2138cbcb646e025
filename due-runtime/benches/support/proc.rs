//! Processes: this program once more, and what Linux says of one: memory, time on a core, open files.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// `/proc` counts time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// Time on a core, of all threads of process `pid` or of those called one of `names`; zero where there is no `/proc`.
pub(crate) fn cpu_time(pid: u32, names: Option<&[&str]>) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Duration::ZERO };
    let times = threads.flatten().filter_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
        let (name, fields) = stat.split_once('(')?.1.rsplit_once(") ")?;
        if names.is_some_and(|names| !names.contains(&name)) {
            return None;
        }
        // Fields 14 and 15 of proc_pid_stat(5), user and system; the first here is field 3.
        fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u32>().ok()).sum::<Option<u32>>()
    });
    TICK * times.sum()
}

/// Resident bytes of a process.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("/proc is Linux");
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.map_or(0, |kib: u64| kib * 1024)
}

/// Resident bytes, once they stay the same.
pub(crate) fn at_rest(pid: u32) -> u64 {
    let mut last = 0;
    loop {
        sleep(Duration::from_millis(300));
        let now = resident(pid);
        if now == last {
            return now;
        }
        last = now;
    }
}

/// How many files a process [started again](again) may have open.
pub(crate) fn file_limit() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").expect("/proc is Linux");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(usize::MAX)
}

/// This program in a process of its own, with as many open files as the system grants. The two talk in lines, and the
/// process ends with the value.
pub(crate) struct Again {
    process: Child,
    tell: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
}

/// Starts this program again, with these arguments.
pub(crate) fn again(args: &[&str]) -> Again {
    let program = std::env::current_exe().expect("a program has a path");
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -n "$(ulimit -Hn)"; exec "$0" "$@""#]).arg(program).args(args);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
    let tell = process.stdin.take().expect("a pipe");
    let told = BufReader::new(process.stdout.take().expect("a pipe")).lines();
    Again { process, tell, told }
}

impl Again {
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.tell, "{line}").expect("it listens");
    }

    /// The next line that it prints.
    pub(crate) fn told(&mut self) -> String {
        self.told.next().expect("it has not ended").expect("it prints text")
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
