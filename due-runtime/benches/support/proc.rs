//! What Linux says of a process: memory, time on a core, open files.

use std::fs;
use std::process;
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

/// How many files this process may have open.
pub(crate) fn file_limit() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").expect("/proc is Linux");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(usize::MAX)
}

/// A command that runs this program again, with as many open files as the system grants.
pub(crate) fn again() -> process::Command {
    let program = std::env::current_exe().expect("a program has a path");
    let mut command = process::Command::new("sh");
    command.args(["-c", r#"ulimit -n "$(ulimit -Hn)"; exec "$0" "$@""#]).arg(program);
    command
}
