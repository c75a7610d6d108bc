//! Owns how one call's record reads in a terminal: sections and tables under Chinese names, the field's own name beside.
//! Does not own what is in it (see `ledger`).

use ledger::SegmentOutcome;
use model::outcome::Termination;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::explain::{refusal_zh, withdrawn_zh};
use crate::cli::output::Table;

/// Fields in the order in which they are told, and what people call them. One that is not here is told last, under its
/// own name.
const NAMES: &[(&str, &str)] = &[
    ("id", "通话编号"),
    ("tenant", "租户"),
    ("direction", "方向"),
    ("trunk", "中继"),
    ("number", "热线号码"),
    ("caller", "呼入号码"),
    ("caller_region", "呼入地区"),
    ("caller_raw", "原始主叫"),
    ("called", "被叫"),
    ("answered_by", "接听号码"),
    ("agent", "工号"),
    ("queue", "队列"),
    ("result", "接听状况"),
    ("hung_up_by", "挂机方"),
    ("termination", "结束原因"),
    ("reason", "对方原因"),
    ("flow_error", "流程错误"),
    ("began", "起始时间"),
    ("switch_answered", "系统应答"),
    ("queued", "进入队列"),
    ("first_ring", "振铃时间"),
    ("agent_answered", "接听时间"),
    ("ended", "结束时间"),
    ("duration_ms", "总时长"),
    ("wait_ms", "等待"),
    ("ring_ms", "振铃"),
    ("talk_ms", "通话"),
    ("hold_ms", "保持"),
    ("keys", "按键"),
    ("notice_played", "已播录音告知"),
    ("survey", "满意度"),
    ("recording", "录音文件"),
    ("recording_id", "录音编号"),
    ("recording_ms", "录音时长"),
    ("recording_state", "录音状态"),
    ("not_recorded", "未录音"),
    ("fax", "传真"),
    ("flow_path", "流程经过"),
    ("flow", "流程"),
    ("node", "节点"),
    ("queues", "排队经过"),
    ("segments", "派单分段"),
    ("transfers", "转接"),
    ("notes", "备注"),
    ("text", "内容"),
    ("by", "由谁"),
    ("to", "去向"),
    ("recordings", "录音"),
    ("shares", "各方占比"),
    ("quality", "语音质量"),
    ("sip_call_id", "Call-ID"),
    ("source", "来源地址"),
    ("entry", "排队编号"),
    ("priority", "优先级"),
    ("joined", "进入"),
    ("left", "离开"),
    ("outcome", "结果"),
    ("offer", "派单编号"),
    ("party", "号码"),
    ("offered", "派单"),
    ("rang", "开始振铃"),
    ("answered", "接听"),
    ("bridged", "接通"),
    ("holds", "保持次数"),
    ("ways", "中继尝试"),
    ("state", "状态"),
    ("path", "文件"),
    ("millis", "时长"),
    ("bytes", "字节"),
    ("error", "错误"),
    ("sha256", "SHA-256"),
    ("leg", "通道"),
    ("received", "收包"),
    ("lost", "丢包"),
    ("jitter_us", "抖动"),
    ("round_trip_us", "往返"),
    ("mos_centi", "MOS"),
    ("silent", "全程无声"),
    ("dropped", "弃包"),
    ("unauthentic", "验证失败"),
    ("went_silent", "中途无声"),
    ("asked", "询问"),
    ("key", "按键"),
    ("label", "选择"),
    ("at", "时间"),
];

/// The record as lines.
pub(super) fn lines(record: &Map<String, Value>) -> Vec<String> {
    let told = told(record);
    let heads: Vec<(String, &str, &Value)> = told
        .iter()
        .filter(|(_, value)| !value.is_array())
        .map(|(key, value)| (head(key), *key, *value))
        .collect();
    let mut facts = Table::new(["", ""]);
    for (head, key, value) in &heads {
        let zh = record.get(&format!("{key}_zh")).and_then(Value::as_str).or_else(|| word(key, value));
        let text = text(key, value);
        facts.row([head.clone(), zh.map_or(text.clone(), |zh| format!("{zh} ({text})"))]);
    }
    let mut lines: Vec<String> = facts.lines().into_iter().filter(|line| !line.is_empty()).collect();
    for (key, value) in &told {
        if let Some(rows) = value.as_array() {
            lines.push(String::new());
            lines.push(head(key));
            lines.extend(rows_of(rows).into_iter().map(|line| format!("  {line}")));
        }
    }
    lines
}

/// Fields that say something, in the order of their names; `_zh` ones are told with what they translate.
fn told(object: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let says = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(rows) => !rows.is_empty(),
        _ => true,
    };
    let fields = object.iter().map(|(key, value)| (key.as_str(), value));
    let mut told: Vec<(&str, &Value)> =
        fields.filter(|(key, value)| says(value) && !key.ends_with("_zh")).collect();
    told.sort_by_key(|(key, _)| place(key));
    told
}

/// Rows of one kind as a table; a column in which no row says anything is left out.
fn rows_of(rows: &[Value]) -> Vec<String> {
    let objects: Vec<&Map<String, Value>> = rows.iter().filter_map(Value::as_object).collect();
    if objects.len() != rows.len() {
        return rows.iter().map(|row| text("", row)).collect();
    }
    let mut columns: Vec<&str> = Vec::new();
    for (key, _) in objects.iter().flat_map(|object| told(object)) {
        if !columns.contains(&key) {
            columns.push(key);
        }
    }
    columns.sort_by_key(|key| place(key));
    let mut table = Table::of(columns.iter().map(|key| name(key).unwrap_or(key).to_owned()).collect());
    for object in objects {
        let cell = |key: &&str| object.get(*key).map_or("–".to_owned(), |value| text(key, value));
        table.add(columns.iter().map(cell).collect());
    }
    table.lines()
}

/// Where a field stands among the known ones; the others come last.
fn place(key: &str) -> usize {
    NAMES.iter().position(|(known, _)| *known == key).unwrap_or(NAMES.len())
}

/// What people call a field.
fn name(key: &str) -> Option<&'static str> {
    NAMES.get(place(key)).map(|(_, zh)| *zh)
}

fn head(key: &str) -> String {
    name(key).map_or_else(|| key.to_owned(), |zh| format!("{zh} / {key}"))
}

/// A value in its unit.
fn text(key: &str, value: &Value) -> String {
    let number = value.as_f64().unwrap_or_default();
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(yes) => if *yes { "是" } else { "否" }.to_owned(),
        Value::Number(_) if key.ends_with("_ms") || key == "millis" => format!("{:.1} s", number / 1e3),
        Value::Number(_) if key.ends_with("_us") => format!("{:.1} ms", number / 1e3),
        Value::Number(_) if key.ends_with("_centi") => format!("{:.2}", number / 100.0),
        Value::String(text) => time(text).unwrap_or_else(|| text.clone()),
        Value::Object(object) => {
            if let Ok(outcome) = SegmentOutcome::deserialize(value) {
                return ended(outcome);
            }
            let one = |(key, value): (&str, &Value)| format!("{key} {}", text(key, value));
            told(object).into_iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Value::Array(rows) => rows.iter().map(|row| text("", row)).collect::<Vec<_>>().join("; "),
        Value::Number(number) => number.to_string(),
    }
}

/// The Chinese word for a value that comes without one.
fn word(key: &str, value: &Value) -> Option<&'static str> {
    (key == "termination").then(|| Termination::deserialize(value).ok().map(Termination::zh))?
}

/// How a segment ended.
fn ended(outcome: SegmentOutcome) -> String {
    match outcome {
        SegmentOutcome::Refused { cause, status: Some(status) } => {
            format!("未接: {} ({status})", refusal_zh(cause))
        }
        SegmentOutcome::Refused { cause, status: None } => format!("未接: {}", refusal_zh(cause)),
        SegmentOutcome::Withdrawn { cause } => format!("收回: {}", withdrawn_zh(cause)),
        SegmentOutcome::BecameCaller => "先接听, 成为主叫一方".to_owned(),
        SegmentOutcome::Left { by, cause: Termination::Normal } => format!("{}挂机", by.zh()),
        SegmentOutcome::Left { by, cause } => format!("{}: {}", by.zh(), cause.zh()),
    }
}

/// An RFC 3339 time as people write it: its offset is the node's, and goes without saying.
fn time(text: &str) -> Option<String> {
    let (date, rest) = text.split_once('T')?;
    let is_date = date.len() == 10 && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let clock = rest.get(..12).filter(|clock| clock.contains(':') && is_date)?;
    Some(format!("{date} {clock}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_facts_in_their_order_and_tables_below() {
        let record = serde_json::json!({
            "id": "0abc", "caller": "13800138000", "direction": "in", "direction_zh": "呼入", "talk_ms": 61_500,
            "began": "2026-11-27T00:18:27.199+08:00", "notice_played": true, "agent": null, "newly_made": 7,
            "segments": [
                { "agent": "8001", "talk_ms": 60_000, "left": null },
                { "agent": "8002", "talk_ms": 1_500, "left": null },
            ],
        });
        let lines = lines(record.as_object().unwrap());
        assert_eq!(
            lines,
            [
                "通话编号 / id                 0abc",
                "方向 / direction              呼入 (in)",
                "呼入号码 / caller             13800138000",
                "起始时间 / began              2026-11-27 00:18:27.199",
                "通话 / talk_ms                61.5 s",
                "已播录音告知 / notice_played  是",
                "newly_made                    7",
                "",
                "派单分段 / segments",
                "  工号  通话",
                "  8001  60.0 s",
                "  8002  1.5 s",
            ]
        );
    }

    #[test]
    fn how_a_segment_or_call_ended_is_said_in_words() {
        let record = serde_json::json!({
            "termination": "media_timeout",
            "segments": [
                { "agent": "8001", "left": ["2026-11-27T00:18:27.199+08:00", { "how": "became_caller" }] },
                { "agent": "8002", "left": ["2026-11-27T00:18:28.199+08:00", { "how": "refused", "cause": "busy", "status": 486 }] },
                { "agent": "8003", "left": ["2026-11-27T00:18:29.199+08:00", { "how": "withdrawn", "cause": "ring_timeout" }] },
                { "agent": "8004", "left": ["2026-11-27T00:18:30.199+08:00", { "how": "left", "by": "caller", "cause": "normal" }] },
                { "agent": "8005", "left": ["2026-11-27T00:18:31.199+08:00", { "how": "left", "by": "switch", "cause": "shutdown" }] },
            ],
        });
        let lines = lines(record.as_object().unwrap());
        assert_eq!(lines[0], "结束原因 / termination  长时间没有语音包 (media_timeout)");
        let says = ["先接听, 成为主叫一方", "未接: 忙 (486)", "收回: 振铃未接", "客户挂机", "系统: 系统停机"];
        for (line, says) in lines[4..].iter().zip(says) {
            assert!(line.ends_with(says), "{line}");
        }
    }

    #[test]
    fn no_field_has_two_names() {
        for (at, (key, _)) in NAMES.iter().enumerate() {
            assert!(NAMES[..at].iter().all(|(other, _)| other != key), "{key}");
        }
    }
}
