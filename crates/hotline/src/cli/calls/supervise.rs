//! Owns the commands of supervisors: listen, whisper, barge, take, hangup. Does not own whether they may (see
//! `routing::Supervision`).

use model::supervision::Verb;

use super::super::output;
use super::super::switch_client::speak;
use super::super::{Answer, Global, live};
use super::call_id;

/// Asks the running switch for `verb` with a call, by a supervisor.
pub(super) fn run(global: &Global, (call, by): (&str, &str), verb: Verb) -> anyhow::Result<Answer> {
    let (id, who) = (call_id(call)?.to_string(), by.to_owned());
    match speak(global, |client| async move { client.supervise(&id, &who, verb).await }) {
        Ok(()) => {
            let words = match verb {
                Verb::Hangup => format!("{call}: 已结束 / ended"),
                _ => format!("{call}: {} {by}, 话机振铃 / the phone rings", verb.zh()),
            };
            match global.json {
                true => output::json(&serde_json::json!({ "ok": true }))?,
                false => output::lines([words])?,
            }
            Ok(Answer::Yes)
        }
        Err(error) => live::refused(error),
    }
}
