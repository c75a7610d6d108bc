//! Owns what the system tells of a process: the CPU time of its threads, and its memory. Counts nothing itself.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use clock::{Instant, SystemClock};
use serde::Serialize;

use super::post::checked;

/// CPU times of a process's threads at one moment.
pub(super) struct Usage {
    pid: Option<u32>,
    clock: SystemClock,
    at: Instant,
    /// By thread: its name and nanoseconds on a CPU.
    threads: BTreeMap<u32, (String, u64)>,
    resident_kb: Option<u64>,
}

/// What a process used in a time.
pub(super) struct Used {
    lasted: Duration,
    by_name: BTreeMap<String, Duration>,
    resident_kb: Option<[u64; 3]>,
}

/// The same, for each call.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct UsedPerCall {
    /// CPU, in microseconds.
    pub cpu_micros: f64,
    /// Of one CPU, in hundredths.
    pub cpu_percent: f64,
    /// By threads of one name, in microseconds.
    pub threads: BTreeMap<String, f64>,
    /// Resident memory in KB: before, while most calls talked, after.
    pub resident_kb: Option<[u64; 3]>,
}

impl UsedPerCall {
    /// Forgets all threads but those called `name`.
    pub fn keep_only(&mut self, name: &str) {
        let all = self.cpu_micros;
        self.threads.retain(|known, _| known == name);
        self.cpu_micros = self.threads.values().sum();
        self.cpu_percent *= self.cpu_micros / all.max(f64::MIN_POSITIVE);
    }

    /// The threads' shares in words.
    pub fn by_thread(&self) -> String {
        let threads = self.threads.iter().filter(|(_, micros)| **micros >= 0.05);
        threads.map(|(name, micros)| format!("{name} {micros:.1}")).collect::<Vec<_>>().join(", ")
    }
}

impl Usage {
    /// Reads process `pid`; without one, nothing.
    pub fn read(pid: Option<u32>) -> Usage {
        let clock = SystemClock::start();
        let threads = pid.map(threads).unwrap_or_default();
        Usage { pid, at: clock.now(), clock, threads, resident_kb: pid.and_then(resident_kb) }
    }

    /// What was used since; `most` is the memory while most calls talked, in KB. `None` without a process.
    pub fn until_now(self, most: Option<u64>) -> Option<Used> {
        let pid = self.pid?;
        let mut by_name: BTreeMap<String, Duration> = BTreeMap::new();
        for (thread, (name, nanos)) in threads(pid) {
            let before = self.threads.get(&thread).map_or(0, |(_, nanos)| *nanos);
            *by_name.entry(name).or_default() += Duration::from_nanos(nanos.saturating_sub(before));
        }
        let resident_kb = self
            .resident_kb
            .zip(resident_kb(pid))
            .map(|(before, after)| [before, most.unwrap_or(after), after]);
        Some(Used { lasted: self.clock.now().since(self.at), by_name, resident_kb })
    }
}

impl Used {
    /// One thread's CPU time.
    pub fn of_one(name: &str, cpu: Duration, lasted: Duration) -> Used {
        Used { lasted, by_name: BTreeMap::from([(name.to_owned(), cpu)]), resident_kb: None }
    }

    pub fn per_call(&self, calls: u32) -> UsedPerCall {
        self.per(f64::from(calls.max(1)))
    }

    /// What `calls` of something used, for each of them.
    pub fn per(&self, calls: f64) -> UsedPerCall {
        let all: Duration = self.by_name.values().sum();
        let micros = |cpu: &Duration| cpu.as_secs_f64() * 1e6 / calls;
        UsedPerCall {
            cpu_micros: micros(&all),
            cpu_percent: 100.0 * all.as_secs_f64() / self.lasted.as_secs_f64().max(1e-9),
            threads: self.by_name.iter().map(|(name, cpu)| (name.clone(), micros(cpu))).collect(),
            resident_kb: self.resident_kb,
        }
    }
}

/// Threads of a process: names and nanoseconds on a CPU. Empty when there is no such process.
fn threads(pid: u32) -> BTreeMap<u32, (String, u64)> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return BTreeMap::new() };
    let read = |task: std::fs::DirEntry| {
        let thread = task.file_name().to_str()?.parse().ok()?;
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?.trim_end().to_owned();
        let schedule = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        let nanos = schedule.split_ascii_whitespace().next()?.parse().ok()?;
        Some((thread, (name, nanos)))
    };
    tasks.flatten().filter_map(read).collect()
}

/// Resident memory of a process in KB.
pub(super) fn resident_kb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// CPU time of this process.
pub(super) fn own_cpu() -> Duration {
    cpu_of(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// CPU time of this thread.
pub(super) fn own_thread_cpu() -> Duration {
    cpu_of(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn cpu_of(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a place the call may write one timespec to.
    unsafe { libc::clock_gettime(clock, &mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Binds the calling thread to `cpu`.
///
/// # Errors
/// When there is no such CPU.
pub(super) fn keep_to(cpu: usize) -> io::Result<()> {
    // SAFETY: `set` is plain data that these calls fill and read; pid 0 is the calling thread.
    let done = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu.min(libc::CPU_SETSIZE as usize - 1), &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    checked(done)
}

/// Lets the calling thread go before those of ordinary priority; threads that it starts are ordinary.
///
/// # Errors
/// When the system does not grant it.
pub(super) fn run_first() -> io::Result<()> {
    // SAFETY: `lowest` is plain data that the call reads; pid 0 is the calling thread.
    let done = unsafe {
        let mut lowest: libc::sched_param = std::mem::zeroed();
        lowest.sched_priority = 1;
        libc::sched_setscheduler(0, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &lowest)
    };
    checked(done)
}
