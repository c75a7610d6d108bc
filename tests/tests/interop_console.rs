//! The console's page (R54, R9, R28), its script run as it is against a switch: what it shows of agents, queues and trunks, of a
//! call that was, and the recording that it plays.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hotline_tests::{AGENT_HZ, CALLER_HZ, Capture, Place, Sipp, Switch, may_use_raw_sockets, turn};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);

/// What the page shows.
fn page_of(switch: &Switch) -> Value {
    let token = std::fs::read_to_string(switch.folder.join("data/api.token")).expect("the token");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("js/console.js");
    let shown = Command::new("node")
        .arg(script)
        .args([format!("http://{}", switch.api()), token.trim().to_owned()])
        .output()
        .expect("node starts; Debian: nodejs");
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    serde_json::from_slice(&shown.stdout).expect("JSON")
}

#[test]
fn the_console_shows_agents_queues_trunks_and_a_call_and_plays_its_recording() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let switch = Switch::start(&[]);
    let phone = Place::free(Place::mine().phones);
    switch.register(phone, 9001..=9001);
    let answering = Sipp::new("phone_hangs_up", phone, &[])
        .speaking(&Capture::default().tone(AGENT_HZ, 10_000))
        .with(&["-d", "1500"])
        .answer(1);
    let calling = Sipp::at("carrier_stays", Place::mine().carrier, &[])
        .speaking(&Capture::default().silence(400).key(1).tone(CALLER_HZ, 10_000))
        .call(switch.sip, "4000000003", 1, 1);
    calling.succeed(SOON);
    answering.succeed(SOON);
    let call = &switch.wait_calls(1, SOON)[0];
    let page = page_of(&switch);
    assert_eq!(page["refused"], "令牌缺失或不对 / the token is missing or wrong");
    assert_eq!((&page["trouble"], &page["left_in_the_field"]), (&Value::Null, &"".into()), "{page:#}");
    let row = |table: &Value, first: &str| {
        let rows = table.as_array().expect("rows").iter();
        let is = |row: &&Value| row[0] == first;
        rows.clone().find(is).unwrap_or_else(|| panic!("no {first}: {page:#}")).clone()
    };
    let agent = row(&page["board"]["agents"], "9001");
    assert_eq!(agent[2], "空闲", "{agent}");
    assert_eq!(row(&page["board"]["agents"], "9002")[2], "离线");
    assert_eq!(row(&page["board"]["queues"], "bench")[1], "0");
    assert_eq!(row(&page["board"]["trunks"], "loopback")[1], "正常 / fine");
    assert!(page["figures"][0].as_str().is_some_and(|figure| figure.contains("在线通话")), "{page:#}");
    let record = &page["records"][1];
    let expected = ["呼入", "13800138000", "北京", "4000000003", "9001", "已接听"];
    assert_eq!(record.as_array().expect("cells")[1..7], expected.map(Value::from), "{page:#}");
    assert!(record[10].as_str().is_some_and(|cell| cell.starts_with('▶')), "{record}");
    let bytes = call["recordings"][0]["bytes"].as_u64().expect("a size");
    assert_eq!((page["heard"].as_u64(), &page["playing"]), (Some(bytes), &true.into()), "{page:#}");
    let story = switch.show(&["calls", "explain", call["id"].as_str().expect("an id")]);
    assert!(story.contains("录音被听取或下载, API"), "R28: {story}");
    switch.stop();
}
