//! Owns the story of one call in words: why it went where it went, told from its events.

use ledger::Exporter;
use model::event::{
    CallFact, ConferenceRole, Direction, Event, RecordingFact, Stamped, TransferKind, TransferOutcome,
};
use model::outcome::{EntryOutcome, HungUpBy, RefusalCause, Unheard, WithdrawCause};
use model::voicemail::MessageFate;

use super::{Records, call_id};
use crate::cli::{Answer, Global, live, output};

/// Tells why a call went where it went.
pub(crate) fn explain(global: &Global, call: &str) -> anyhow::Result<Answer> {
    let records = Records::open(global)?;
    let events = records.events(call_id(call)?)?;
    if events.is_empty() {
        eprintln!("事件日志中没有通话 {call} / the event journal does not know this call");
        return Ok(Answer::No);
    }
    let told: Vec<(String, String)> = events
        .iter()
        .filter_map(|stamped| {
            Some((live::short(&records.exporter.time(stamped.at)), sentence(&records.exporter, stamped)?))
        })
        .collect();
    if global.json {
        let lines: Vec<_> =
            told.iter().map(|(at, what)| serde_json::json!({ "at": at, "what": what })).collect();
        output::json(&lines)?;
    } else {
        output::lines(told.into_iter().map(|(at, what)| format!("{at}  {what}")))?;
    }
    Ok(Answer::Yes)
}

/// What an event says to somebody who asks why; `None` for what explains nothing.
fn sentence(exporter: &Exporter, stamped: &Stamped) -> Option<String> {
    match &stamped.event {
        Event::Call { fact, .. } => call_sentence(exporter, fact),
        Event::Recording { fact: RecordingFact::Finished { path, millis, .. }, .. } => {
            Some(format!("录音完成 / recording: {path} ({:.1} s)", *millis as f64 / 1_000.0))
        }
        Event::Recording { fact: RecordingFact::Expired { path, .. }, .. } => {
            Some(format!("录音到期删除 / recording deleted, its time was over: {path}"))
        }
        Event::Recording { fact: RecordingFact::Listened { by }, .. } => {
            Some(format!("录音被听取或下载, {by} / recording handed out, to {by}"))
        }
        Event::Recording { fact: RecordingFact::Failed { error }, .. } => {
            Some(format!("录音失败 / recording failed: {error}"))
        }
        _ => None,
    }
}

fn call_sentence(exporter: &Exporter, fact: &CallFact) -> Option<String> {
    let text = match fact {
        CallFact::Began { direction, trunk, caller, called, source, .. } => {
            let by =
                trunk.as_ref().map_or_else(|| source.to_string(), |trunk| format!("中继 {trunk} ({source})"));
            let way = match direction {
                Direction::In => "呼入 / in",
                Direction::Out => "呼出 / out",
                Direction::Internal => "内部 / internal",
            };
            format!("{way}: {caller} → {called}, {by}")
        }
        CallFact::Routed { number } => format!("号码归属 / number {number}, 租户 {}", number.tenant),
        CallFact::WentToNight { by, since } => {
            format!(
                "夜间模式已开, {by} 于 {} 打开 / night switch on, by {by}, since then",
                live::short(&exporter.time(*since))
            )
        }
        CallFact::OutOfHours => "不在号码的开放时段, 进入夜间流程 / out of the number's hours".to_owned(),
        CallFact::SwitchAnswered => "系统应答 / answered by the switch".to_owned(),
        CallFact::EarlyMediaBegan => "应答前放音 / early media".to_owned(),
        CallFact::NoticePlayed => "录音告知已播放 / recording notice played".to_owned(),
        CallFact::NodeEntered { flow, node } => format!("流程 {flow} 节点 {node} / flow node"),
        CallFact::KeyPressed { key, node } => format!("在 {node} 按键 {key} / key pressed"),
        CallFact::Queued { queue, priority, .. } => format!("进入队列 {queue}, 优先级 {priority} / queued"),
        CallFact::PositionTold { ahead, .. } => format!("播报前面还有 {ahead} 位 / position told"),
        CallFact::Dequeued { outcome, .. } => format!("离开队列: {} / left the queue", entry_zh(*outcome)),
        CallFact::Offered { party, reason, .. } => format!("分配给 {party}: {reason} / offered"),
        CallFact::WayTried { trunk, to, .. } => format!("经中继 {trunk} 呼出到 {to} / sent by trunk"),
        CallFact::WayFailed { trunk, to, status, why, .. } => {
            let to = to.map_or_else(String::new, |to| format!(" {to}"));
            let status = status.map_or_else(String::new, |status| format!(" (SIP {status})"));
            format!("中继 {trunk}{to} 未接续{status}: {why}")
        }
        CallFact::Ringing { .. } => "话机振铃 / ringing".to_owned(),
        CallFact::OfferRefused { cause, status, .. } => {
            let status = status.map_or_else(String::new, |status| format!(" (SIP {status})"));
            format!("未接: {}{status} / not taken", refusal_zh(*cause))
        }
        CallFact::OfferWithdrawn { cause, .. } => format!("收回: {} / withdrawn", withdrawn_zh(*cause)),
        CallFact::AgentAnswered { .. } => "坐席接听 / answered by the agent".to_owned(),
        CallFact::CallerReached { .. } => "先呼的一方接听 / who was called first answered".to_owned(),
        CallFact::Bridged { .. } => "双方通话 / talking".to_owned(),
        CallFact::HoldBegan { by } => format!("{}保持 / hold", by.zh()),
        CallFact::HoldEnded { by } => format!("{}恢复 / resumed", by.zh()),
        CallFact::AgentLeft { by, cause, .. } => format!("通话结束: {}挂机, {cause:?} / talk over", by.zh()),
        CallFact::LegReplaced { party, .. } => format!("{party} 接替 / took the place"),
        CallFact::Noted { by, text } => {
            let by = by.as_ref().map_or("系统", |agent| &*agent.name);
            format!("{by} 备注: {text} / note")
        }
        CallFact::TransferBegan { kind, by, to } => {
            let kind = match kind {
                TransferKind::Blind => "盲转",
                TransferKind::Attended => "咨询转",
            };
            let by = by.as_deref().unwrap_or("系统");
            format!("{by} {kind}到 {to} / transfer")
        }
        CallFact::TransferEnded { outcome } => match outcome {
            TransferOutcome::Done => "转接完成 / transferred".to_owned(),
            TransferOutcome::Failed { cause, .. } => {
                format!("转接未成: {} / the transfer failed", refusal_zh(*cause))
            }
            TransferOutcome::TakenBack => "取消转接 / the transfer was taken back".to_owned(),
            TransferOutcome::CallOver => "转接时通话结束 / the call ended meanwhile".to_owned(),
        },
        CallFact::ConsultationBegan { .. } => "开始咨询 / consultation".to_owned(),
        CallFact::ConsultationEnded => "咨询结束 / consultation over".to_owned(),
        CallFact::WentInto { call } => format!("并入通话 {call} / went into this call"),
        CallFact::MessageBegan { mailbox, .. } => format!("在信箱 {mailbox} 留言 / leaves a message"),
        CallFact::MessageEnded { fate, millis, .. } => {
            let fate = match fate {
                MessageFate::Kept => "已留言",
                MessageFate::TooShort => "太短, 未保留",
            };
            format!("{fate}, {:.1} s / message", *millis as f64 / 1_000.0)
        }
        CallFact::SurveyAsked { .. } => "询问满意度 / survey asked".to_owned(),
        CallFact::SurveyAnswered { key, label } => format!("满意度: {label} ({key}) / survey"),
        CallFact::ReasonGiven { by, reason } => format!("{}给出原因 / gave as its reason: {reason}", by.zh()),
        CallFact::FaxBegan => "双方传真 (T.38) / fax".to_owned(),
        CallFact::FaxEnded => "传真结束, 恢复语音 / audio again".to_owned(),
        CallFact::FaxRefused { by, status } => {
            format!("{}一侧不支持 T.38 ({status}), 继续用语音 / T.38 refused, audio goes on", by.zh())
        }
        CallFact::Unheard { leg, how } => {
            let en = match how {
                Unheard::NoPackets => "no packets",
                Unheard::NoSound => "no sound",
            };
            format!("听不到一方: {} / a party is not heard: {en} ({leg})", how.zh())
        }
        CallFact::HeardAgain { leg } => format!("又听得到了 / heard again ({leg})"),
        CallFact::MediaLost { .. } => "收不到对方语音 / no audio came".to_owned(),
        CallFact::Ended { result, by, cause } => {
            let by = if *by == HungUpBy::Switch {
                "系统结束".to_owned()
            } else {
                format!("{}挂机", by.zh())
            };
            format!("结束: {}, {by}, {cause:?} / ended", result.zh())
        }
        CallFact::NotRecorded => {
            "磁盘已满或出错,未录音 / not recorded: the disk is full or refuses".to_owned()
        }
        CallFact::RecordingPaused { .. } => "录音暂停 / recording paused".to_owned(),
        CallFact::RecordingResumed { .. } => "录音恢复 / recording goes on".to_owned(),
        CallFact::RecordingBegan { .. } | CallFact::RecordingEnded { .. } | CallFact::Quality { .. } => {
            return None;
        }
        other => supervision_sentence(other).unwrap_or_else(|| format!("{other:?}")),
    };
    Some(text)
}

/// The audit trail of supervisors and conferences.
fn supervision_sentence(fact: &CallFact) -> Option<String> {
    Some(match fact {
        CallFact::SupervisionBegan { by, verb, .. } => {
            format!("班长席 {by} 开始{} / supervisor: {}", verb.zh(), verb.as_str())
        }
        CallFact::SupervisionChanged { by, verb, .. } => {
            format!("班长席 {by} 改为{} / supervisor: {}", verb.zh(), verb.as_str())
        }
        CallFact::SupervisionEnded { by, .. } => format!("班长席 {by} 离开 / the supervisor left"),
        CallFact::SupervisionRefused { by, verb, why } => {
            let by = by.as_ref().map_or_else(|| "–".to_owned(), ToString::to_string);
            format!("{by} 要求{}被拒绝: {why}", verb.zh())
        }
        CallFact::TakenOver { by } => format!("班长席 {by} 接管 / taken over"),
        CallFact::EndedBySupervisor { by } => format!("班长席 {by} 结束通话 / ended by the supervisor"),
        CallFact::Visited { call } => format!("进入通话 {call} / went into the call"),
        CallFact::ConferenceJoined { conference } => format!("进入会议 {conference} / in the conference"),
        CallFact::ConferenceLeft { conference } => format!("离开会议 {conference} / left the conference"),
        CallFact::ParticipantJoined { call, who, role } => {
            let who =
                if *role == ConferenceRole::Moderator { format!("主持人 {who}") } else { who.to_string() };
            format!("{who} 进入会议 (通话 {call}) / came in")
        }
        CallFact::ParticipantMuted { call } => format!("通话 {call} 被静音 / muted"),
        CallFact::ParticipantUnmuted { call } => format!("通话 {call} 恢复发言 / unmuted"),
        CallFact::ConferenceLocked => "会议锁定 / locked".to_owned(),
        CallFact::ConferenceUnlocked => "会议解锁 / unlocked".to_owned(),
        CallFact::ParticipantLeft { call } => format!("通话 {call} 离开会议 / left"),
        _ => return None,
    })
}

fn entry_zh(outcome: EntryOutcome) -> String {
    match outcome {
        EntryOutcome::Answered => "已接听".to_owned(),
        EntryOutcome::Abandoned => "排队放弃".to_owned(),
        EntryOutcome::TimedOut => "排队超时".to_owned(),
        EntryOutcome::Full => "队列满".to_owned(),
        EntryOutcome::NoAgent => "无坐席".to_owned(),
        EntryOutcome::KeyPressed(key) => format!("按键 {key}"),
        EntryOutcome::Failed => "系统失败".to_owned(),
    }
}

pub(super) fn refusal_zh(cause: RefusalCause) -> &'static str {
    match cause {
        RefusalCause::Busy => "忙",
        RefusalCause::Rejected => "拒接",
        RefusalCause::NoAnswer => "无人接听",
        RefusalCause::Unreachable => "不可及",
        RefusalCause::Limit => "限制",
        RefusalCause::Incompatible => "媒体不兼容",
        RefusalCause::Barred => "无权呼出",
        RefusalCause::Forwarded => "无条件转移",
    }
}

pub(super) fn withdrawn_zh(cause: WithdrawCause) -> &'static str {
    match cause {
        WithdrawCause::RingTimeout => "振铃未接",
        WithdrawCause::CallerGone => "客户已离开",
        WithdrawCause::AnsweredElsewhere => "其他坐席已接听",
        WithdrawCause::QueueTimeout => "排队超时",
        WithdrawCause::AgentGone => "坐席离线",
    }
}
