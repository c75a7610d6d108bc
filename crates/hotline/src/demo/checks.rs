//! Owns the demonstration's verdicts: what was heard, what was recorded, what the record says.

use std::path::Path;
use std::time::Duration;

use ledger::ExportedCdr;
use media::g711::{self, Law};
use model::outcome::{CallResult, HungUpBy};

use super::story::{AGENT, AGENT_HZ, CALLER, CALLER_HZ, HOLD, NUMBER, TALK, Told};

/// One verdict.
#[derive(Debug, serde::Serialize)]
pub(super) struct Check {
    pub name: &'static str,
    pub ok: bool,
    pub detail: String,
}

fn check(name: &'static str, ok: bool, detail: String) -> Check {
    Check { name, ok, detail }
}

/// All verdicts, in the order of the call.
pub(super) fn all(
    told: &Told,
    calls: &[ExportedCdr],
    recorded: Option<Result<Recorded, String>>,
) -> Vec<Check> {
    let mut checks = heard(told);
    checks.extend(record(told, calls));
    checks.extend(match recorded {
        Some(Ok(recorded)) => recorded.checks(told),
        Some(Err(error)) => vec![check("recording", false, error)],
        None => vec![check("recording", false, "没有录音 / there is none".to_owned())],
    });
    checks
}

fn heard(told: &Told) -> Vec<Check> {
    let ms = |length: Duration| length.as_millis();
    let most = TALK.mul_f64(0.8);
    let shown = told.shown_name.as_deref().unwrap_or_default();
    vec![
        check("greeting", told.greeting > Duration::from_secs(3), format!("{} ms", ms(told.greeting))),
        check(
            "phone_shows_caller_and_queue",
            told.shown_number == CALLER && shown.contains(CALLER) && shown.contains("业务咨询"),
            format!("«{shown}» <{}>", told.shown_number),
        ),
        check(
            "agent_number_spoken",
            told.agent_number > Duration::from_millis(1_500),
            format!("{} ms", ms(told.agent_number)),
        ),
        check(
            "caller_heard_agent",
            told.caller_heard[0] >= most && told.caller_heard[2] >= most,
            format!("{} + {} ms, 660 Hz", ms(told.caller_heard[0]), ms(told.caller_heard[2])),
        ),
        check(
            "agent_heard_caller",
            told.agent_heard[0] >= most && told.agent_heard[2] >= most,
            format!("{} + {} ms, 440 Hz", ms(told.agent_heard[0]), ms(told.agent_heard[2])),
        ),
        check(
            "hold_is_private",
            told.caller_heard[1].is_zero() && told.agent_heard[1].is_zero(),
            format!("{} / {} ms", ms(told.caller_heard[1]), ms(told.agent_heard[1])),
        ),
        check("hold_music", told.hold_music > HOLD.mul_f64(0.4), format!("{} ms", ms(told.hold_music))),
        check("no_packet_lost", told.lost == 0, format!("{} lost", told.lost)),
        check("wrap_up", told.wrap_up_seen, format!("坐席 / agent {AGENT}")),
    ]
}

fn record(told: &Told, calls: &[ExportedCdr]) -> Vec<Check> {
    let count = check("one_call_record", calls.len() == 1, format!("{} 条 / rows", calls.len()));
    let Some(call) = calls.first() else { return vec![count] };
    let survey = call.survey.as_ref().and_then(|survey| survey.label.as_deref());
    let hold = Duration::from_millis(call.hold_ms);
    let talked = Duration::from_millis(call.talk_ms) + hold;
    // The conversation on the record begins behind the answer and ends before the BYE's answer is read here.
    let near = |a: Duration, b: Duration, by: u64| a.abs_diff(b) <= Duration::from_millis(by);
    vec![
        count,
        check(
            "record_parties",
            call.caller == CALLER
                && call.number.as_deref() == Some(NUMBER)
                && call.agent.as_deref() == Some(AGENT)
                && call.queue.as_deref() == Some("sales"),
            format!("{} → {:?} → {:?} → {:?}", call.caller, call.number, call.queue, call.agent),
        ),
        check(
            "record_result",
            call.result == CallResult::Answered && call.hung_up_by == HungUpBy::Switch,
            format!("{}, {}", call.result_zh, call.hung_up_by_zh),
        ),
        check("record_keys", call.keys.starts_with('1'), call.keys.clone()),
        check("record_notice", call.notice_played, call.notice_played.to_string()),
        check("record_survey", survey == Some("满意"), format!("{survey:?}")),
        check(
            "record_times",
            near(talked, told.conversation, 700) && near(hold, HOLD, 700),
            format!("通话 / talk {} ms, 保持 / hold {} ms", call.talk_ms, call.hold_ms),
        ),
        check(
            "record_one_segment",
            call.segments.len() == 1,
            format!("{} 段 / segments", call.segments.len()),
        ),
    ]
}

/// A stereo recording.
pub(super) struct Recorded {
    left: Vec<i16>,
    right: Vec<i16>,
    millis: u64,
}

impl Recorded {
    /// Reads a G.711 or PCM file.
    pub fn open(path: &Path) -> Result<Recorded, String> {
        let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let (format, data) =
            chunks(&bytes).ok_or_else(|| format!("{}: 不是 WAV / no WAV", path.display()))?;
        let samples: Vec<i16> = match format {
            6 => data.iter().map(|code| g711::decode(Law::Pcma, *code)).collect(),
            7 => data.iter().map(|code| g711::decode(Law::Pcmu, *code)).collect(),
            1 => data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect(),
            other => return Err(format!("WAV format {other}")),
        };
        let side = |at: usize| samples.iter().skip(at).step_by(2).copied().collect::<Vec<i16>>();
        let (left, right) = (side(0), side(1));
        Ok(Recorded { millis: left.len() as u64 / 8, left, right })
    }

    fn checks(&self, told: &Told) -> Vec<Check> {
        let length = Duration::from_millis(self.millis);
        let (left, right) = (tone(&self.left, CALLER_HZ), tone(&self.right, AGENT_HZ));
        let crossed = tone(&self.left, AGENT_HZ) + tone(&self.right, CALLER_HZ);
        let ms = |length: Duration| length.as_millis();
        // The caller is recorded all the time, the agent while the caller can hear it.
        let agent_spoke = told.conversation.saturating_sub(told.agent_number + HOLD);
        vec![
            check(
                "recording_length",
                length.abs_diff(told.conversation) < Duration::from_secs(1),
                format!("{} ms, 通话 / conversation {} ms", ms(length), ms(told.conversation)),
            ),
            check(
                "recording_left_is_caller",
                left >= told.conversation.mul_f64(0.8),
                format!("440 Hz {} ms", ms(left)),
            ),
            check(
                "recording_right_is_agent",
                right >= agent_spoke.mul_f64(0.75) && right <= agent_spoke + Duration::from_secs(1),
                format!("660 Hz {} ms", ms(right)),
            ),
            check("recording_channels_apart", crossed.is_zero(), format!("{} ms", ms(crossed))),
        ]
    }
}

/// The format and data of a WAV file.
fn chunks(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let mut rest = bytes.get(12..)?;
    let mut format = None;
    while let Some((head, behind)) = rest.split_at_checked(8) {
        let size = u32::from_le_bytes(head[4..8].try_into().ok()?) as usize;
        match &head[..4] {
            b"fmt " => format = Some(u16::from_le_bytes(behind.get(..2)?.try_into().ok()?)),
            b"data" => return Some((format?, behind.get(..size.min(behind.len()))?)),
            _ => {}
        }
        rest = behind.get(size + (size & 1)..)?;
    }
    None
}

/// How long `hz` is heard, in windows of 100 ms.
fn tone(samples: &[i16], hz: f64) -> Duration {
    let windows = samples.chunks_exact(800).filter(|window| peers::tone_share(window, hz) > 0.7);
    Duration::from_millis(100) * u32::try_from(windows.count()).unwrap_or(0)
}
