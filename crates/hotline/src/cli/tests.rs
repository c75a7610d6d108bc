//! What may be typed, and what `init` and `check` do to a folder.

use std::fs;

use clap::CommandFactory;

use super::*;

/// A folder of its own that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("hotline-cli-{name}-{}", std::process::id()));
        // Left by a process of the same number, if at all.
        let _ = fs::remove_dir_all(&path);
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn global() -> Global {
    Global { config: None, json: true, tenant: model::TenantId::DEFAULT.to_owned() }
}

#[test]
fn the_command_line_contradicts_itself_nowhere() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_of_the_readme_can_be_typed() {
    for line in [
        "hotline run --config configs/bench",
        "hotline check configs/bench",
        "hotline init here",
        "hotline schema",
        "hotline calls list --config configs/bench --json",
        "hotline calls show 0sxw0x8002000",
        "hotline calls export --format csv --from 2026-11-01 --result 已接听",
        "hotline calls explain 0sxw0x8002000",
        "hotline calls trace 0sxw0x8002000",
        "hotline calls trace 0sxw0x8002000 --pcap call.pcap",
        "hotline calls trace 0sxw0x8002000 --events --json",
        "hotline calls live",
        "hotline calls hangup 0sxw0x8002000",
        "hotline calls transfer 0sxw0x8002000 --to 8002",
        "hotline recordings fsck --json",
        "hotline recordings rescue /mnt/second --into rescued",
        "hotline recordings pause 0sxw0x8002000",
        "hotline recordings resume 0sxw0x8002000",
        "hotline prompts list --lang en",
        "hotline prompts import welcome.mp3 --name welcome --lang zh-CN --replace",
        "hotline prompts import song.m4a --music",
        "hotline prompts check",
        "hotline prompts play welcome number:12 --out out.wav",
        "hotline agents",
        "hotline agents set 9001 break --reason 用餐",
        "hotline queues --json",
        "hotline phones",
        "hotline trunks",
        "hotline hours",
        "hotline hours 4008001234 --at 20:00",
        "hotline region 13800138000 65551234 --home-area 010",
        "hotline doctor --config configs/bench --json",
        "hotline bans",
        "hotline bans remove 192.0.2.9",
        "hotline explain 0sxw0x8002000",
    ] {
        assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
    }
}

#[test]
fn a_break_needs_its_reason_and_an_unknown_state_is_refused() {
    for line in ["hotline agents set 9001 break", "hotline agents set 9001 asleep"] {
        assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
}

#[test]
fn init_writes_a_folder_that_check_finds_fine_and_never_overwrites_it() {
    let folder = Folder::new("init");
    assert_eq!(check::init(&global(), Some(folder.0.clone())).unwrap(), Answer::Yes);
    assert_eq!(check::check(&global(), Some(folder.0.clone())).unwrap(), Answer::Yes);
    let path = folder.0.join("hotline.toml");
    fs::write(&path, "# mine").unwrap();
    assert_eq!(check::init(&global(), Some(folder.0.clone())).unwrap(), Answer::No);
    assert_eq!(fs::read_to_string(&path).unwrap(), "# mine");
}

#[test]
fn check_says_no_to_a_folder_with_a_mistake_and_cannot_run_without_one() {
    let folder = Folder::new("check");
    assert_eq!(check::init(&global(), Some(folder.0.clone())).unwrap(), Answer::Yes);
    let path = folder.0.join("hotline.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("nonsense = 1\n{text}")).unwrap();
    assert_eq!(check::check(&global(), Some(folder.0.clone())).unwrap(), Answer::No);
    assert!(check::check(&global(), Some(folder.0.join("nowhere"))).is_err());
}
