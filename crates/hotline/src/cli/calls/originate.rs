//! Owns `calls originate`: an agent is joined with a number (双线外呼). Does not own how (see `call::originated`).

use model::command::First;

use super::super::{Answer, CallFirst, Global, live, output, switch_client::speak};

/// Joins an agent with a number, and names the call.
pub(crate) fn originate(global: &Global, agent: &str, to: &str, first: CallFirst) -> anyhow::Result<Answer> {
    let first = match first {
        CallFirst::Agent => First::Agent,
        CallFirst::Number => First::Number,
    };
    let (for_whom, whom) = (agent.to_owned(), to.to_owned());
    match speak(global, |client| async move { client.originate(&for_whom, &whom, first).await }) {
        Ok(id) => {
            match global.json {
                true => output::json(&serde_json::json!({ "id": id }))?,
                false => output::lines([format!("{id}: {agent} → {to}")])?,
            }
            Ok(Answer::Yes)
        }
        Err(error) => live::refused(error),
    }
}
