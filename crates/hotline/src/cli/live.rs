//! Owns the commands about what is now: agents, queues, trunks, bans. They speak to the running switch.

use std::sync::Arc;

use api::view::TrunkError;
use model::event::{AgentActivity, AgentState};

use super::output::{self, Table};
use super::switch_client::speak;
use super::{Agents, Answer, Bans, Global, State};

/// Agents: who they are and what they do, or a new state for one.
pub(crate) fn agents(global: &Global, command: Agents) -> anyhow::Result<Answer> {
    match command {
        Agents::List => list_agents(global),
        Agents::Set { agent, state, reason } => {
            let state = match state {
                State::Offline => AgentState::Offline,
                State::Ready => AgentState::Ready,
                State::Busy => AgentState::Busy,
                State::Break => AgentState::Break { reason: Arc::from(reason.unwrap_or_default()) },
            };
            let (asked, chosen) = (agent.clone(), state.clone());
            let done = speak(global, |client| async move { client.set_agent_state(&asked, &chosen).await });
            if let Err(error) = done {
                return refused(error);
            }
            match global.json {
                true => output::json(&serde_json::json!({ "ok": true }))?,
                false => output::lines([format!("{agent}: {}", state_zh(&state))])?,
            }
            Ok(Answer::Yes)
        }
    }
}

/// A refusal of the switch is an answer (exit code 1); everything else kept the command from running.
pub(crate) fn refused(error: anyhow::Error) -> anyhow::Result<Answer> {
    match error.downcast_ref::<api::ClientError>() {
        Some(api::ClientError::Refused { zh, en, .. }) => {
            eprintln!("{zh} / {en}");
            Ok(Answer::No)
        }
        _ => Err(error),
    }
}

fn list_agents(global: &Global) -> anyhow::Result<Answer> {
    let agents = speak(global, |client| async move { client.agents().await })?;
    if global.json {
        output::json(&agents)?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(["工号", "姓名", "状态", "活动", "自", "电话", "通话", "队列"]);
    for agent in agents {
        table.row([
            agent.id,
            agent.name,
            state_zh(&agent.state),
            activity_zh(agent.activity).to_owned(),
            short(&agent.since),
            agent.phone.unwrap_or_default(),
            agent.call.unwrap_or_default(),
            agent.queues.join(" "),
        ]);
    }
    table.print()?;
    Ok(Answer::Yes)
}

/// Queues and who waits in them.
pub(crate) fn queues(global: &Global) -> anyhow::Result<Answer> {
    let queues = speak(global, |client| async move { client.queues().await })?;
    if global.json {
        output::json(&queues)?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(["队列", "等待", "最长等待 (秒)", "空闲坐席", "坐席"]);
    for queue in queues {
        table.row([
            queue.name,
            queue.waiting.to_string(),
            queue.longest_wait_seconds.to_string(),
            queue.agents_free.to_string(),
            queue.agents.len().to_string(),
        ]);
    }
    table.print()?;
    Ok(Answer::Yes)
}

/// Banned sources, and the end of a ban.
pub(crate) fn bans(global: &Global, command: Bans) -> anyhow::Result<Answer> {
    if let Bans::Remove { source } = command {
        speak(global, |client| async move { client.lift_ban(&source).await })?;
        return Ok(Answer::Yes);
    }
    let bans = speak(global, |client| async move { client.bans().await })?;
    if global.json {
        output::json(&bans)?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(["来源", "原因", "至"]);
    for ban in bans {
        let cause = match ban.cause.as_str() {
            "flood" => "请求过快",
            "logins" => "密码错误过多",
            "scanner" => "扫描",
            other => other,
        };
        table.row([ban.source, cause.to_owned(), short(&ban.until)]);
    }
    table.print()?;
    Ok(Answer::Yes)
}

/// Trunks and how busy they are.
pub(crate) fn trunks(global: &Global) -> anyhow::Result<Answer> {
    let trunks = speak(global, |client| async move { client.trunks().await })?;
    if global.json {
        output::json(&trunks)?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(["中继", "状态", "注册", "自", "通话", "上限", "最近的错误"]);
    for trunk in trunks {
        let up = match trunk.up {
            Some(true) => "正常",
            Some(false) => "中断",
            None => "–",
        };
        let most = trunk.max_calls.map_or_else(|| "–".to_owned(), |most| most.to_string());
        let registered = match trunk.registered {
            Some(true) => "已注册",
            Some(false) => "未注册",
            None => "–",
        };
        table.row([
            trunk.name,
            up.to_owned(),
            registered.to_owned(),
            trunk.since.as_deref().map_or_else(|| "–".to_owned(), short),
            trunk.calls.to_string(),
            most,
            trouble(trunk.error, trunk.last_error),
        ]);
    }
    table.print()?;
    Ok(Answer::Yes)
}

/// What ails a trunk, or did last.
fn trouble(lasting: Option<String>, last: Option<TrunkError>) -> String {
    match (lasting, last) {
        (Some(words), _) => words,
        (None, Some(over)) => format!("{} 已恢复 / over: {}", short(&over.at), over.words),
        (None, None) => String::new(),
    }
}

fn state_zh(state: &AgentState) -> String {
    match state {
        AgentState::Offline => "离线".to_owned(),
        AgentState::Ready => "空闲".to_owned(),
        AgentState::Busy => "示忙".to_owned(),
        AgentState::Break { reason } => format!("小休 ({reason})"),
    }
}

fn activity_zh(activity: AgentActivity) -> &'static str {
    match activity {
        AgentActivity::Idle => "–",
        AgentActivity::Ringing => "振铃",
        AgentActivity::Talking => "通话中",
        AgentActivity::Held => "保持",
        AgentActivity::Supervising => "监听中",
        AgentActivity::WrapUp => "话后整理",
        AgentActivity::Unreachable => "异常",
    }
}

/// `2026-11-22T21:38:27.250+08:00` as people at one place read it.
pub(crate) fn short(time: &str) -> String {
    time.get(..19).map_or_else(|| time.to_owned(), |seconds| seconds.replacen('T', " ", 1))
}
