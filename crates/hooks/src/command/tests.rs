use std::os::unix::process::ExitStatusExt;

use super::*;

fn hook(argv: &[&str]) -> CommandHook {
    CommandHook {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        folder: "/".into(),
        limits: CommandLimits { time: Duration::from_secs(20), ..CommandLimits::default() },
    }
}

#[tokio::test]
async fn a_command_reads_the_event_on_its_standard_input() {
    assert_eq!(hook(&["cat"]).run("call_ended", "{\"主叫\":1}".as_bytes()).await.unwrap(), "{\"主叫\":1}");
}

#[tokio::test]
async fn no_shell_reads_the_arguments() {
    let argv = ["printf", "%s|", "$(id)", "a b", ";", "`x`"];
    assert_eq!(hook(&argv).run("call_ended", b"").await.unwrap(), "$(id)|a b|;|`x`|");
}

#[tokio::test]
async fn a_command_sees_the_trigger_and_nothing_else_of_our_environment() {
    let seen = hook(&["env"]).run("call_ended", b"").await.unwrap();
    let mut names: Vec<&str> = seen.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOTLINE_EVENT", "LANG", "PATH"]);
    assert!(seen.contains("HOTLINE_EVENT=call_ended"));
}

#[tokio::test]
async fn a_failure_tells_its_exit_code_and_words() {
    let error = hook(&["sh", "-c", "echo 坏了 >&2; exit 7"]).run("call_ended", b"").await.unwrap_err();
    let CommandError::Failed { status, stderr } = error else { panic!("{error}") };
    assert_eq!((status.code(), stderr.as_str()), (Some(7), "坏了"));
    let error = hook(&["sh", "-c", "kill -9 $$"]).run("call_ended", b"").await.unwrap_err();
    let CommandError::Failed { status, .. } = error else { panic!("{error}") };
    assert_eq!(status.signal(), Some(9));
}

#[tokio::test]
async fn a_command_that_runs_too_long_is_killed_with_all_it_started() {
    let mut slow = hook(&["sh", "-c", "sleep 1000 & echo $! > \"$0\"; wait", ""]);
    let pid_file = std::env::temp_dir().join(format!("hotline-hook-{}", std::process::id()));
    slow.argv[3] = pid_file.display().to_string();
    slow.limits.time = Duration::from_millis(500);
    assert!(matches!(slow.run("call_ended", b"").await, Err(CommandError::TooSlow(_))));
    let child = std::fs::read_to_string(&pid_file).unwrap().trim().to_owned();
    std::fs::remove_file(&pid_file).unwrap();
    let gone = async {
        // Gone, or dead and not yet collected by its new parent.
        let state = || std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        while state().rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X'])) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
}

#[tokio::test]
async fn an_endless_output_neither_blocks_nor_fills_the_memory() {
    let much = hook(&["sh", "-c", "yes 很长 | head -c 3000000; yes x | head -c 3000000 >&2"]);
    let output = much.run("call_ended", b"").await.unwrap();
    assert!(output.len() <= much.limits.output_bytes && output.starts_with("很长"));
}

#[tokio::test]
async fn a_command_need_not_read_its_input() {
    let input = vec![b'x'; 1 << 20];
    assert!(hook(&["true"]).run("call_ended", &input).await.is_ok());
}

#[tokio::test]
async fn what_cannot_start_says_so() {
    assert!(matches!(hook(&[]).run("call_ended", b"").await, Err(CommandError::Empty)));
    let error = hook(&["/no/such/program"]).run("call_ended", b"").await.unwrap_err();
    assert!(matches!(error, CommandError::Start { .. }) && error.to_string().contains("/no/such/program"));
}

#[test]
fn pauses_double_up_to_five_minutes() {
    let limits = CommandLimits::default();
    assert_eq!([0, 1, 2, 8, 9, 200].map(|n| limits.pause(n).as_secs()), [1, 2, 4, 256, 300, 300]);
}
