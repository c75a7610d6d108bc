//! Owns whether the data folder can be written, how fast, and for how long it suffices.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clock::SystemClock;
use media_net::RecordingLimits;
use routing::RecordPolicy;

use super::Patient;
use super::finding::{Check, Finding};
use crate::node::settings;

/// The data folder and its disk.
pub(super) fn findings(patient: &Patient) -> Vec<Finding> {
    let plan = &patient.loaded.plan;
    let recorded = match plan.numbers.iter().any(|number| number.record != RecordPolicy::Off) {
        true => plan.limits.max_calls as u64,
        false => 0,
    };
    let limits = settings::recording_limits(&patient.loaded);
    // What is not there yet is made below what is.
    let folder = existing(&patient.data);
    let mut found = vec![writable(&patient.data, &folder)];
    if found.iter().any(|finding| finding.verdict != super::finding::Verdict::Fault) {
        let name = folder.display().to_string();
        found.extend(owner(&folder, patient.running.as_ref().and_then(|running| running.pid)));
        found.push(match measure(&folder) {
            Ok(speed) => judge_speed(&name, speed, recorded),
            Err(error) => {
                Finding::fault((Check::Disk, &name), format!("写不了: {error}"), "cannot be written")
            }
        });
        found.push(match media_net::free_bytes(&folder) {
            Ok(free) => judge_room(&name, free, recorded, limits),
            Err(error) => Finding::warning(
                (Check::Disk, &name),
                format!("剩余空间查不到: {error}"),
                "its room cannot be told",
            ),
        });
    }
    found
}

/// The nearest folder on the way to `path` that exists.
fn existing(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/")).to_owned()
}

/// Whether files can be made in the data folder and those of recordings and events.
fn writable(data: &Path, existing: &Path) -> Finding {
    let name = data.display().to_string();
    let of = (Check::Data, name.as_str());
    let below = ["", "recordings", "journal", "events"].map(|part| data.join(part));
    let mut folders: Vec<PathBuf> = below.into_iter().filter(|folder| folder.exists()).collect();
    if folders.is_empty() {
        folders.push(existing.to_owned());
    }
    for folder in &folders {
        let tried = match folder.is_dir() {
            true => Scratch::new(folder).map(drop),
            false => Err(io::ErrorKind::NotADirectory.into()),
        };
        if let Err(error) = tried {
            let at = folder.display();
            return Finding::fault(of, format!("{at} 写不了: {error}"), format!("{at} cannot be written"))
                .fix(
                    format!("chown -R 给运行 hotline 的用户 ({at}), 或改 [node] data"),
                    "give the folder to the user that hotline runs as, or change [node] data",
                );
        }
    }
    match data.exists() {
        true => Finding::fine(of, "录音, 日志目录可写", "recordings and journals can be written"),
        false => Finding::fine(of, "尚未创建, 启动时创建", "not there yet; made at start"),
    }
}

/// Who looks may not be who runs.
fn owner(folder: &Path, pid: Option<u32>) -> Option<Finding> {
    let of_switch = match pid {
        Some(pid) => fs::metadata(format!("/proc/{pid}")).ok()?.uid(),
        None => fs::metadata(folder).ok()?.uid(),
    };
    // SAFETY: a plain query.
    let ours = unsafe { libc::geteuid() };
    (of_switch != ours).then(|| {
        let name = folder.display().to_string();
        Finding::warning(
            (Check::Data, &name),
            format!("doctor 以用户 {ours} 运行, hotline 是用户 {of_switch}, 可写与否只对前者成立"),
            format!("the doctor runs as user {ours}, hotline as {of_switch}: what can be written was tried as the former"),
        )
        .fix(format!("sudo -u '#{of_switch}' hotline doctor"), format!("sudo -u '#{of_switch}' hotline doctor"))
    })
}

/// How fast a disk is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Speed {
    /// Written and on disk, per second.
    bytes: u64,
    /// The longest of a few waits for the disk.
    sync: Duration,
}

fn measure(folder: &Path) -> io::Result<Speed> {
    let clock = SystemClock::start();
    let mut scratch = Scratch::new(folder)?;
    let block: Vec<u8> = (0..=250u8).cycle().take(1 << 20).collect();
    let began = clock.now();
    let mut written = 0;
    while written < MEASURED && clock.now().since(began) < PATIENCE {
        scratch.file.write_all(&block)?;
        scratch.file.sync_data()?;
        written += block.len() as u64;
    }
    let took = clock.now().since(began).max(Duration::from_micros(1));
    let mut sync = Duration::ZERO;
    for _ in 0..SYNCS {
        let before = clock.now();
        scratch.file.write_all(&block[..4_096])?;
        scratch.file.sync_data()?;
        sync = sync.max(clock.now().since(before));
    }
    Ok(Speed { bytes: (written as f64 / took.as_secs_f64()) as u64, sync })
}

/// `recorded`: calls that may be recorded at a time.
fn judge_speed(folder: &str, speed: Speed, recorded: u64) -> Finding {
    let of = (Check::Disk, folder);
    let needed = recorded * WRITTEN_PER_CALL;
    let told = format!("{} MB/s, fdatasync {} ms", speed.bytes / MB, speed.sync.as_millis());
    if speed.bytes < needed {
        let carries = speed.bytes / WRITTEN_PER_CALL;
        return Finding::warning(
            of,
            format!("{told}, {recorded} 路录音需要 {} MB/s, 约够 {carries} 路", needed.div_ceil(MB)),
            format!(
                "recording {recorded} calls needs {} MB/s; it carries about {carries}",
                needed.div_ceil(MB)
            ),
        )
        .fix(
            format!("换更快的磁盘 ([node] data), 或把 [limits] max_calls 改为 {carries}"),
            format!("a faster disk ([node] data), or max_calls = {carries} in [limits]"),
        );
    }
    if speed.sync > SLOW_SYNC {
        return Finding::warning(of, format!("{told}, 写盘等待太久"), "the disk keeps writers waiting").fix(
            "检查磁盘是否繁忙 (iostat -x 1), 数据目录不要放在网络盘上",
            "see whether it is busy (iostat -x 1); keep the data folder off network disks",
        );
    }
    Finding::fine(of, told, format!("needed at full load {} MB/s", needed.div_ceil(MB)))
}

fn judge_room(folder: &str, free: u64, recorded: u64, limits: RecordingLimits) -> Finding {
    let of = (Check::Disk, folder);
    let free_mib = free >> 20;
    let told = format!("剩余 {free_mib} MiB");
    let fix = |finding: Finding| {
        finding.fix(
            "清理磁盘, 或用 [recordings] keep_days 自动删除旧录音",
            "free some, or let [recordings] keep_days delete old recordings",
        )
    };
    if free < limits.limit_free.max(LEAST_FREE) {
        return fix(Finding::fault(
            of,
            format!("{told}, 已不再开始录音"),
            format!("{free_mib} MiB free: no recording begins"),
        ));
    }
    let hours = free.checked_div(recorded * KEPT_PER_CALL * 3_600);
    match hours {
        _ if free < limits.warn_free => {
            fix(Finding::warning(of, format!("{told}, 低于 warn_free_mib"), "less than warn_free_mib"))
        }
        Some(hours) if hours < 24 => fix(Finding::warning(
            of,
            format!("{told}, 满负荷只够录 {hours} 小时"),
            format!("{free_mib} MiB free: {hours} h of recordings at full load"),
        )),
        Some(hours) => Finding::fine(
            of,
            format!("{told}, 满负荷够录 {hours} 小时"),
            format!("{free_mib} MiB free: {hours} h of recordings at full load"),
        ),
        None => Finding::fine(
            of,
            format!("{told}, 没有号码录音"),
            format!("{free_mib} MiB free; no number records"),
        ),
    }
}

/// A file that is gone at the end.
struct Scratch {
    path: PathBuf,
    file: File,
}

impl Scratch {
    fn new(folder: &Path) -> io::Result<Scratch> {
        let path = folder.join(format!(".doctor-{}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Scratch { path, file })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is told by nobody: it is empty or 32 MiB, and named after us.
        let _ = fs::remove_file(&self.path);
    }
}

const MB: u64 = 1_000_000;
/// Bytes per second that a recorded call writes: both directions of G.711 to the journal, then to its file.
const WRITTEN_PER_CALL: u64 = 2 * KEPT_PER_CALL;
/// Bytes per second of a recording.
const KEPT_PER_CALL: u64 = 16_000;
const MEASURED: u64 = 32 << 20;
const PATIENCE: Duration = Duration::from_secs(2);
const SYNCS: u32 = 5;
const SLOW_SYNC: Duration = Duration::from_millis(200);
/// A journal's segment.
const LEAST_FREE: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn speed_and_room_are_held_against_full_load() {
        let speed = |bytes, sync| Speed { bytes, sync: Duration::from_millis(sync) };
        for (speed, recorded, verdict) in [
            (speed(32_000_000, 5), 1_000, Verdict::Fine),
            (speed(31_000_000, 5), 1_000, Verdict::Warning),
            (speed(31_000_000, 5), 0, Verdict::Fine),
            (speed(31_000_000, 300), 0, Verdict::Warning),
        ] {
            assert_eq!(judge_speed("/data", speed, recorded).verdict, verdict, "{speed:?} {recorded}");
        }
        let limits =
            RecordingLimits { warn_free: 10 << 30, limit_free: 1 << 30, ..RecordingLimits::default() };
        let day = 24 * 3_600 * KEPT_PER_CALL;
        for (free, recorded, verdict) in [
            (1 << 29, 0, Verdict::Fault),
            (5 << 30, 0, Verdict::Warning),
            (20 << 30, 0, Verdict::Fine),
            (100 * day - 1, 100, Verdict::Warning),
            (100 * day, 100, Verdict::Fine),
        ] {
            assert_eq!(judge_room("/data", free, recorded, limits).verdict, verdict, "{free} {recorded}");
        }
        assert_eq!(judge_room("/data", 1 << 20, 0, RecordingLimits::default()).verdict, Verdict::Fault);
    }

    #[test]
    fn a_folder_is_tried_and_left_as_it_was() {
        let folder = std::env::temp_dir().join(format!("hotline-doctor-{}", std::process::id()));
        fs::create_dir_all(folder.join("recordings")).unwrap();
        assert_eq!(writable(&folder, &folder).verdict, Verdict::Fine);
        assert!(measure(&folder).unwrap().bytes > 0);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        assert_eq!(existing(&folder.join("a/b")), folder);
        // A file where a folder is meant: nobody can write below it.
        let file = folder.join("file");
        fs::write(&file, "").unwrap();
        let found = writable(&file, &existing(&file));
        assert!(found.verdict == Verdict::Fault && found.fix.is_some(), "{found:?}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
