use serde_json::json;

use super::*;
use crate::story::Story;
use crate::{Ledger, Update};

fn exported(data_dir: &str) -> serde_json::Value {
    let mut story = Story::default();
    story.answered_call("13800138000", "8001");
    let mut ledger = Ledger::default();
    let mut made: Option<Cdr> = None;
    for stamped in &story.events {
        match ledger.fold(stamped) {
            Some(Update::Closed(cdr)) => made = Some(*cdr),
            Some(Update::Amended { amendment, .. }) => amendment.apply(made.as_mut().unwrap()),
            None => {}
        }
    }
    let region_of = |number: &str| format!("归属 {number}");
    let exporter = Exporter { data_dir: data_dir.into(), region_of: Some(region_of), ..Exporter::default() };
    serde_json::to_value(exporter.cdr(&made.unwrap())).unwrap()
}

#[test]
fn a_record_is_shown_flat_with_civil_times_and_both_words() {
    let shown = exported("");
    for (field, value) in [
        ("tenant", json!("default")),
        ("direction", json!("in")),
        ("direction_zh", json!("呼入")),
        ("number", json!("4008001234")),
        ("caller", json!("13800138000")),
        // R9: 呼入地区.
        ("caller_region", json!("归属 13800138000")),
        ("agent", json!("8001")),
        ("queue", json!("sales")),
        ("began", json!("2026-11-22T09:30:00.000+08:00")),
        ("agent_answered", json!("2026-11-22T09:30:08.000+08:00")),
        ("ended", json!("2026-11-22T09:30:40.000+08:00")),
        ("duration_ms", json!(40_000)),
        ("wait_ms", json!(5_000)),
        ("ring_ms", json!(3_000)),
        ("talk_ms", json!(20_000)),
        ("hold_ms", json!(4_000)),
        ("keys", json!("1")),
        ("notice_played", json!(true)),
        ("result", json!("answered")),
        ("result_zh", json!("已接听")),
        ("hung_up_by", json!("switch")),
        ("hung_up_by_zh", json!("系统")),
        ("termination", json!("normal")),
        ("recording_ms", json!(24_000)),
        ("recording_state", json!("finished")),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    assert_eq!(shown["survey"]["label"], "满意");
    assert_eq!(shown["segments"][0]["outcome"], json!({ "how": "left", "by": "agent", "cause": "normal" }));
    assert_eq!(shown["queues"][0]["outcome"], "answered");
    assert_eq!(shown["flow_path"][0]["node"], "menu");
}

#[test]
fn a_recording_is_a_path_that_can_be_opened() {
    let below = exported("")["recording"].as_str().unwrap().to_owned();
    assert!(below.starts_with("recordings/2026/11/22/"));
    let absolute = exported("/srv/hotline/data");
    assert_eq!(absolute["recording"], format!("/srv/hotline/data/{below}"));
    assert_eq!(absolute["recordings"][0]["path"], absolute["recording"]);
}

#[test]
fn what_is_exported_as_it_is_written_leaves_no_field_out() {
    let quality: Quality =
        serde_json::from_str(r#"{"leg":"0sz7c5r004000","received":0,"lost":0,"jitter_us":0}"#).unwrap();
    assert_eq!(serde_json::to_string(&quality).unwrap(), r#"{"leg":"0sz7c5r004000"}"#, "a row is short");
    let quality = serde_json::to_value(ExportedQuality::of(&quality)).unwrap();
    assert_eq!((&quality["silent"], &quality["went_silent"]), (&false.into(), &false.into()), "{quality}");
    let shown = ["received", "lost", "jitter_us", "round_trip_us", "mos_centi", "dropped", "unauthentic"];
    assert!(shown.iter().all(|name| quality.get(name).is_some()), "{quality}");
    let way: crate::Way = serde_json::from_str(r#"{"trunk":"main"}"#).unwrap();
    let way = serde_json::to_value(way).unwrap();
    assert!(["to", "status", "failed"].iter().all(|name| way.get(name).is_some()), "{way}");
}
