//! The README's first command, as a newcomer types it.

use std::process::Command;

#[test]
fn the_demo_plays_a_whole_call_and_finds_nothing_wrong() {
    let folder = std::env::temp_dir().join(format!("hotline-demo-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_hotline"))
        .args(["demo", "--json"])
        .current_dir(&folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}\n{words}");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["ok"], true, "{report:#}");
    assert!(report["checks"].as_array().unwrap().len() >= 20);
    assert_eq!(report["call"]["number"], "4008001234");
    let recording = report["recording"].as_str().unwrap();
    assert!(std::fs::metadata(recording).unwrap().len() > 50_000, "{recording}");
    std::fs::remove_dir_all(&folder).unwrap();
}
