//! Owns one run of an external command: argv without a shell, JSON on its standard input, limits of time and output.

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// A command to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandHook {
    /// The program and its arguments, as they are: no shell reads them.
    pub argv: Vec<String>,
    /// Where it runs; a relative program is looked for from here.
    pub folder: PathBuf,
    /// Its limits.
    pub limits: CommandLimits,
}

/// Limits of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandLimits {
    /// It and all it started are killed after this time.
    pub time: Duration,
    /// So much of each of its outputs is kept for the log, in bytes; the rest is read and forgotten.
    pub output_bytes: usize,
    /// How often it is tried again after a failure.
    pub retries: u32,
    /// The pause before the first retry; each further one is twice as long.
    pub first_pause: Duration,
}

impl Default for CommandLimits {
    fn default() -> CommandLimits {
        CommandLimits {
            time: Duration::from_secs(10),
            output_bytes: 4_096,
            retries: 3,
            first_pause: Duration::from_secs(1),
        }
    }
}

impl CommandLimits {
    /// The longest pause between two tries.
    pub const LONGEST_PAUSE: Duration = Duration::from_secs(300);

    /// The pause before retry `number`, counted from 0.
    pub fn pause(&self, number: u32) -> Duration {
        self.first_pause.saturating_mul(2u32.saturating_pow(number)).min(CommandLimits::LONGEST_PAUSE)
    }
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no program to run.
    #[error("钩子没有命令 / the hook has no command")]
    Empty,
    /// It could not be started.
    #[error("{program} 启动失败: {source} / could not be started")]
    Start {
        /// The program.
        program: String,
        /// The system's words.
        source: io::Error,
    },
    /// It ran too long and was killed.
    #[error("超过 {0:?} 被终止 / killed after that time")]
    TooSlow(Duration),
    /// It ended with a failure.
    #[error("失败: {status} {stderr} / failed")]
    Failed {
        /// Its exit code or signal.
        status: ExitStatus,
        /// The begin of its error output.
        stderr: String,
    },
    /// The system refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl CommandHook {
    /// Runs it once with `input` on its standard input; gives the begin of its output.
    ///
    /// # Errors
    /// When it cannot start, runs too long, or ends with another code than 0.
    pub async fn run(&self, trigger: &str, input: &[u8]) -> Result<String, CommandError> {
        let mut child = self.start(trigger)?;
        let group = ProcessGroup(child.id());
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program need not read its input.
                let _ = stdin.write_all(input).await;
            }
        };
        let most = self.limits.output_bytes;
        let all = async { tokio::join!(feed, begin_of(stdout, most), begin_of(stderr, most), child.wait()) };
        let Ok(((), stdout, stderr, status)) = tokio::time::timeout(self.limits.time, all).await else {
            drop(group);
            // Killed: it ends at once. Waiting leaves no zombie behind.
            child.wait().await?;
            return Err(CommandError::TooSlow(self.limits.time));
        };
        let status = status?;
        if status.success() { Ok(stdout) } else { Err(CommandError::Failed { status, stderr }) }
    }

    fn start(&self, trigger: &str) -> Result<Child, CommandError> {
        let (program, arguments) = self.argv.split_first().ok_or(CommandError::Empty)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&self.folder)
            // The switch's own environment may hold secrets.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()))
            .env("LANG", "C.UTF-8")
            .env("HOTLINE_EVENT", trigger)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command.spawn().map_err(|source| CommandError::Start { program: program.clone(), source })
    }
}

/// The processes that a command started; killed when dropped.
struct ProcessGroup(Option<u32>);

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        let Some(leader) = self.0.and_then(|id| i32::try_from(id).ok()).filter(|id| *id > 1) else { return };
        // SAFETY: `kill` reads no memory of ours. The group is one that `process_group(0)` made for this child, whose
        // id is not given to another group while a process of it lives; when none does, ESRCH is no harm.
        unsafe {
            libc::kill(-leader, libc::SIGKILL);
        }
    }
}

/// Reads `output` to its end and keeps its first `most` bytes.
async fn begin_of(output: Option<impl AsyncRead + Unpin>, most: usize) -> String {
    let Some(mut output) = output else { return String::new() };
    let mut kept = Vec::new();
    let mut piece = [0u8; 1024];
    // An output that fails has ended.
    while let Ok(read) = output.read(&mut piece).await {
        if read == 0 {
            break;
        }
        kept.extend_from_slice(&piece[..read.min(most - kept.len())]);
    }
    // The limit may have cut a character in two.
    if let Err(error) = std::str::from_utf8(&kept)
        && error.error_len().is_none()
    {
        kept.truncate(error.valid_up_to());
    }
    String::from_utf8_lossy(&kept).trim_end().to_owned()
}

#[cfg(test)]
mod tests;
