use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;
use crate::command::CommandLimits;

/// A file of this test's own.
fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("hotline-hooks-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

fn shell(script: &str, file: &Path, retries: u32) -> (Trigger, CommandHook) {
    let argv = ["sh", "-c", script, &file.display().to_string()].map(str::to_owned).to_vec();
    let limits = CommandLimits {
        retries,
        first_pause: Duration::from_millis(1),
        time: Duration::from_secs(20),
        ..CommandLimits::default()
    };
    (Trigger::CallEnded, CommandHook { argv, folder: "/".into(), limits })
}

fn hooks(hooks: Vec<(Trigger, CommandHook)>, limits: QueueLimits) -> Hooks {
    Hooks::new(tokio::runtime::Handle::current(), hooks, limits)
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_hook_is_told_the_event_in_an_envelope() {
    let file = scratch("told");
    let hooks = hooks(vec![shell("cat > \"$0\"", &file, 0)], QueueLimits::default());
    hooks.fire(Trigger::RecordingFinished, || panic!("nobody asked for these"));
    hooks.fire(Trigger::CallEnded, || json!({ "id": "1" }));
    assert!(hooks.finish(LONG).await);
    let told: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(told, json!({ "event": "call_ended", "data": { "id": "1" } }));
}

#[tokio::test]
async fn a_hook_that_fails_is_tried_again_until_it_succeeds() {
    let file = scratch("again");
    let third_time = "echo x >> \"$0\"; [ $(wc -l < \"$0\") -ge 3 ]";
    let hooks = hooks(vec![shell(third_time, &file, 9)], QueueLimits::default());
    hooks.fire(Trigger::CallEnded, || json!({}));
    assert!(hooks.finish(LONG).await);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "x\nx\nx\n");
}

#[tokio::test]
async fn a_hook_that_always_fails_is_given_up() {
    let file = scratch("given-up");
    let hooks = hooks(vec![shell("echo x >> \"$0\"; exit 1", &file, 2)], QueueLimits::default());
    hooks.fire(Trigger::CallEnded, || json!({}));
    assert!(hooks.finish(LONG).await);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "x\nx\nx\n");
}

#[tokio::test]
async fn a_full_queue_drops_and_never_waits() {
    let file = scratch("full");
    let limits = QueueLimits { waiting: 2, running: 1 };
    let hooks = hooks(vec![shell("echo x >> \"$0\"", &file, 0)], limits);
    for _ in 0..10 {
        hooks.fire(Trigger::CallEnded, || json!({}));
    }
    assert!(hooks.finish(LONG).await);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "x\nx\n");
    hooks.fire(Trigger::CallEnded, || json!({}));
    assert!(hooks.finish(LONG).await);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "x\nx\nx\n");
}

#[tokio::test]
async fn replaced_hooks_are_no_longer_told() {
    let (old, new) = (scratch("old"), scratch("new"));
    let hooks = hooks(vec![shell("echo x >> \"$0\"", &old, 0)], QueueLimits::default());
    hooks.replace(vec![shell("echo x >> \"$0\"", &new, 0)]);
    hooks.fire(Trigger::CallEnded, || json!({}));
    assert!(hooks.finish(LONG).await);
    assert!(!old.exists() && new.exists());
}

#[tokio::test]
async fn without_a_hook_nothing_is_serialised() {
    hooks(Vec::new(), QueueLimits::default()).fire(Trigger::CallEnded, || panic!("made"));
}
