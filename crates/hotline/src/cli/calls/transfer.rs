//! Owns the command that sends a caller elsewhere (转接).

use super::super::switch_client::speak;
use super::super::{Answer, Global, live, output};
use super::call_id;

/// Sends whom the agent of `call` talks with to `to`.
pub(super) fn transfer(global: &Global, call: &str, to: &str) -> anyhow::Result<Answer> {
    let id = call_id(call)?.to_string();
    let wanted = to.to_owned();
    match speak(global, |client| async move { client.transfer(&id, &wanted).await }) {
        Ok(()) => {
            match global.json {
                true => output::json(&serde_json::json!({ "ok": true }))?,
                false => output::lines([format!("{call}: 正在转到 {to} / is being transferred")])?,
            }
            Ok(Answer::Yes)
        }
        Err(error) => live::refused(error),
    }
}
