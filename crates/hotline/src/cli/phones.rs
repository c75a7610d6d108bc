//! Owns `phones`: each phone with its agent, where it is registered, and when it was seen last. Does not own
//! registrations (see `node::registrar`).

use std::sync::Arc;

use api::view::{BindingView, PhoneView};
use model::diversion::{Disturb, Diversion};

use super::live::short;
use super::output::{self, Table};
use super::switch_client::speak;
use super::{Answer, Global};

/// Shows the phones of a tenant.
pub(crate) fn phones(global: &Global) -> anyhow::Result<Answer> {
    let phones = speak(global, |client| async move { client.phones().await })?;
    if global.json {
        output::json(&phones)?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(["话机", "工号", "来源", "状态", "转移", "最近注册", "到期", "型号"]);
    rows(phones).into_iter().for_each(|row| table.row(row));
    table.print()?;
    Ok(Answer::Yes)
}

/// A row for each binding, and one for each phone without.
fn rows(phones: Vec<PhoneView>) -> Vec<[String; 8]> {
    let mut rows = Vec::new();
    for phone in phones {
        let agent = phone.agent.unwrap_or_default();
        let diverted = diverted(&phone.diversion);
        if phone.bindings.is_empty() {
            let seen = phone.last_seen.as_deref().map_or_else(|| "–".to_owned(), short);
            let nowhere = "未注册 / not registered".to_owned();
            rows.push([
                phone.aor,
                agent,
                String::new(),
                nowhere,
                diverted,
                seen,
                String::new(),
                String::new(),
            ]);
            continue;
        }
        let row = |binding: BindingView| {
            [
                phone.aor.clone(),
                agent.clone(),
                format!("{} {}", binding.transport, binding.source),
                standing(&binding.state).to_owned(),
                diverted.clone(),
                short(&binding.registered),
                short(&binding.expires),
                binding.user_agent.unwrap_or_default(),
            ]
        };
        rows.extend(phone.bindings.into_iter().map(row));
    }
    rows
}

/// Where calls to the phone go, and whether it rings for them at all.
fn diverted(diversion: &Diversion) -> String {
    let forward = |words: &str, to: &Option<Arc<str>>| to.as_ref().map(|to| format!("{words} {to}"));
    let quiet = (diversion.disturb == Disturb::No).then(|| "免打扰 / do not disturb".to_owned());
    let all = [
        quiet,
        forward("全部 / all →", &diversion.always),
        forward("遇忙 / busy →", &diversion.busy),
        forward("无应答 / no answer →", &diversion.no_answer),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn standing(state: &str) -> &'static str {
    match state {
        "stands_by" => "备用 / stands by",
        "unreachable" => "无应答 / does not answer",
        _ => "可振铃 / rings",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_that_left_is_shown_with_when_it_was_seen() {
        let time = |second: u8| format!("2026-11-22T21:38:{second:02}.250+08:00");
        let binding = BindingView {
            contact: "sip:8001@192.0.2.5".into(),
            source: "192.0.2.5:5060".into(),
            transport: "tls".into(),
            user_agent: Some("Yealink".into()),
            state: "unreachable".into(),
            registered: time(1),
            expires: time(59),
        };
        let phone = |user: &str, bindings: Vec<BindingView>| PhoneView {
            aor: format!("{user}@pbx"),
            tenant: "default".into(),
            agent: (user == "8001").then(|| "6001".into()),
            last_seen: (user != "8003").then(|| time(1)),
            bindings,
            diversion: match user {
                "8002" => {
                    Diversion { always: Some("8003".into()), disturb: Disturb::No, ..Diversion::default() }
                }
                _ => Diversion::default(),
            },
        };
        let rows =
            rows(vec![phone("8001", vec![binding]), phone("8002", Vec::new()), phone("8003", Vec::new())]);
        let shown = |row: &[String; 8]| row.join("|");
        assert_eq!(
            rows.iter().map(shown).collect::<Vec<_>>(),
            [
                "8001@pbx|6001|tls 192.0.2.5:5060|无应答 / does not answer||2026-11-22 21:38:01|2026-11-22 21:38:59|Yealink",
                "8002@pbx|||未注册 / not registered|免打扰 / do not disturb, 全部 / all → 8003|2026-11-22 21:38:01||",
                "8003@pbx|||未注册 / not registered||–||",
            ]
        );
    }
}
