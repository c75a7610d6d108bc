//! Owns how a recording's timeline is shown: what happened in it, and who spoke for how long. Does not own the file (see
//! `media::finisher`).

use std::path::Path;

use model::recording::TIMELINE;
use serde_json::Value;

/// Puts the `timeline` of each recording of the record `cdr` beside it, where its file is; the same as lines of text.
pub(super) fn of(cdr: &mut Value) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(recordings) = cdr.get_mut("recordings").and_then(Value::as_array_mut) else { return lines };
    for recording in recordings {
        let Some(path) = recording["path"].as_str().map(|path| Path::new(path).with_extension(TIMELINE))
        else {
            continue;
        };
        // Made by an earlier version, or deleted meanwhile.
        let Ok(content) = std::fs::read(path) else { continue };
        let Ok(told) = serde_json::from_slice::<Value>(&content) else { continue };
        lines.push(format!("录音 {} 时间线 / timeline", recording["id"].as_str().unwrap_or_default()));
        lines.extend(told["events"].as_array().into_iter().flatten().map(line));
        lines.push(shares(&told["shares"]));
        recording["timeline"] = told["events"].clone();
        recording["legs"] = told["legs"].clone();
    }
    lines
}

fn line(happening: &Value) -> String {
    let millis = happening["at_ms"].as_u64().unwrap_or_default();
    let (minutes, seconds) = (millis / 60_000, millis % 60_000);
    let event = happening["event"].as_str().unwrap_or_default();
    let cause = happening["cause"].as_str();
    let mut text =
        format!("  {minutes:02}:{:02}.{:03}  {}", seconds / 1_000, seconds % 1_000, words(event, cause));
    if let Some(leg) = happening["leg"].as_str() {
        text.push_str(&format!(" ({leg})"));
    }
    text
}

/// What a mark says to a person.
fn words(event: &str, cause: Option<&str>) -> String {
    let known = match (event, cause) {
        ("started", _) => "录音开始 / recording begins",
        ("ended", _) => "录音结束 / recording ends",
        ("hold", _) => "保持 / on hold",
        ("resume", _) => "恢复通话 / hold over",
        ("mask", Some("secret")) => "按键保密, 不录音 / a secret is keyed, nothing is kept",
        ("unmask", Some("secret")) => "保密结束 / the secret was keyed",
        ("mask", Some("paused")) => "录音暂停 / paused",
        ("unmask", Some("paused")) => "录音继续 / goes on",
        ("party_joined", _) => "加入 / joined",
        ("party_left", _) => "离开 / left",
        ("caller_became", _) => "客户一侧换为 / the left channel is now",
        ("transferred", _) => "转接至 / transferred to",
        ("listened", _) => "监听 / a supervisor listens",
        ("whispered", _) => "耳语 / a supervisor whispers",
        ("barged", _) => "强插 / a supervisor barges in",
        ("took_over", _) => "接管 / a supervisor takes over",
        ("fax", _) => "传真 (T.38), 不录音 / fax, nothing is kept",
        ("fax_ended", _) => "传真结束 / fax over",
        ("guest_left", _) => "监听者离开 / the supervisor left",
        (other, _) => return other.to_owned(),
    };
    known.to_owned()
}

fn shares(shares: &Value) -> String {
    let seconds = |part: &str| format!("{:.1}", shares[part].as_u64().unwrap_or_default() as f64 / 1_000.0);
    format!(
        "  客户 / caller {} s, 坐席 / persons {} s, 同时 / both {} s, 静音 / silence {} s, 保持 / held {} s, 屏蔽 / masked {} s",
        seconds("caller_ms"),
        seconds("persons_ms"),
        seconds("both_ms"),
        seconds("silence_ms"),
        seconds("held_ms"),
        seconds("masked_ms"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_has_words_in_both_languages() {
        use media::command::{Mark, MaskCause};
        let leg = model::LegId::from(1);
        let all = [
            Mark::Hold,
            Mark::Resume,
            Mark::Mask(MaskCause::Secret),
            Mark::Unmask(MaskCause::Secret),
            Mark::Mask(MaskCause::Paused),
            Mark::Unmask(MaskCause::Paused),
            Mark::PartyJoined(leg),
            Mark::PartyLeft(leg),
            Mark::CallerBecame(leg),
            Mark::Transferred(leg),
            Mark::Listened(leg),
            Mark::Whispered(leg),
            Mark::Barged(leg),
            Mark::TookOver(leg),
            Mark::GuestLeft(leg),
            Mark::FaxBegan,
            Mark::FaxEnded,
        ];
        for mark in all {
            let cause = match mark {
                Mark::Mask(cause) | Mark::Unmask(cause) => Some(cause.word()),
                _ => None,
            };
            assert!(words(mark.word(), cause).contains(" / "), "{mark:?}");
        }
    }

    #[test]
    fn a_moment_is_told_by_its_minute() {
        let happening = serde_json::json!({ "at_ms": 61_005, "event": "mask", "cause": "paused" });
        assert_eq!(line(&happening), "  01:01.005  录音暂停 / paused");
    }
}
