//! Owns the commands about conferences in progress: who is in, mute, remove, lock, end. Does not own what a conference
//! does (see `call::Conferences`).

use model::CallId;
use model::command::ConferenceWish;

use super::output::{self, Table};
use super::switch_client::speak;
use super::{Answer, Conferences, Global, live};

/// Carries out what is asked of conferences.
pub(crate) fn run(global: &Global, asked: Conferences) -> anyhow::Result<Answer> {
    let call = |text: &str| Ok::<CallId, anyhow::Error>(text.parse()?);
    let (name, wish) = match asked {
        Conferences::List => return list(global),
        Conferences::Mute { name, call: text } => (name, ConferenceWish::Mute(call(&text)?)),
        Conferences::Unmute { name, call: text } => (name, ConferenceWish::Unmute(call(&text)?)),
        Conferences::Remove { name, call: text } => (name, ConferenceWish::Remove(call(&text)?)),
        Conferences::Lock { name } => (name, ConferenceWish::Lock),
        Conferences::Unlock { name } => (name, ConferenceWish::Unlock),
        Conferences::End { name } => (name, ConferenceWish::End),
    };
    match speak(global, |client| async move { client.confer(&name, &wish).await }) {
        Ok(()) => {
            match global.json {
                true => output::json(&serde_json::json!({ "ok": true }))?,
                false => output::lines(["已执行 / done".to_owned()])?,
            }
            Ok(Answer::Yes)
        }
        Err(error) => live::refused(error),
    }
}

fn list(global: &Global) -> anyhow::Result<Answer> {
    let conferences = speak(global, |client| async move { client.conferences().await })?;
    if global.json {
        output::json(&conferences)?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(["会议室", "锁定", "录音", "与会者", "通话", "主持", "静音"]);
    let yes = |is: bool| if is { "是" } else { "–" }.to_owned();
    for conference in conferences {
        for one in conference.participants {
            table.row([
                conference.name.clone(),
                yes(conference.locked),
                yes(conference.recorded),
                one.who,
                one.call,
                yes(one.moderator),
                yes(one.muted),
            ]);
        }
    }
    table.print()?;
    Ok(Answer::Yes)
}
