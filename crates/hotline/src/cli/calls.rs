//! Owns the commands about calls: records from the store, whether the switch runs or not; calls in progress from the
//! switch. Does not own how a record is shown outside (see `ledger`).

use anyhow::{Context, bail};
use clock::{SystemClock, WallTime};
use ledger::{Cdr, ExportedCdr, Exporter, UtcOffset};
use model::event::{Event, Stamped};
use model::outcome::CallResult;
use model::supervision::Verb;
use model::{CallId, TenantId};
use store::{CallFilter, Store};

use super::output::{self, Table};
use super::switch_client::{Place, small_runtime, speak};
use super::{Answer, Calls, Format, Global, Supervised, Wanted, live};
use crate::node::calendar::Calendar;

mod explain;
mod originate;
mod show;
mod supervise;
mod timeline;
mod transfer;

/// Carries out what is asked about calls.
pub(crate) fn run(global: &Global, asked: Calls) -> anyhow::Result<Answer> {
    match asked {
        Calls::List(wanted) => list(global, &wanted),
        Calls::Show { call } => show(global, &call),
        Calls::Export { wanted, format } => export(global, &wanted, format),
        Calls::Explain { call } => explain::explain(global, &call),
        Calls::Trace(wanted) if wanted.events => events(global, &wanted.call),
        Calls::Trace(wanted) => super::trace::trace(global, &wanted),
        Calls::Live => live_calls(global),
        Calls::Transfer { call, to } => transfer::transfer(global, &call, &to),
        Calls::Note { call, text, by } => note(global, &call, by.as_deref(), &text),
        Calls::Originate { agent, to, first } => originate::originate(global, &agent, &to, first),
        Calls::Hangup { call, by: None } => hang_up(global, &call),
        Calls::Hangup { call, by: Some(by) } => supervise::run(global, (&call, &by), Verb::Hangup),
        Calls::Listen(Supervised { call, by }) => supervise::run(global, (&call, &by), Verb::Listen),
        Calls::Whisper(Supervised { call, by }) => supervise::run(global, (&call, &by), Verb::Whisper),
        Calls::Barge(Supervised { call, by }) => supervise::run(global, (&call, &by), Verb::Barge),
        Calls::Take(Supervised { call, by }) => supervise::run(global, (&call, &by), Verb::Take),
    }
}

/// Past calls, read from the store.
pub(crate) struct Records {
    pub store: Store,
    pub exporter: Exporter,
    runtime: tokio::runtime::Runtime,
}

impl Records {
    pub fn open(global: &Global) -> anyhow::Result<Records> {
        let place = Place::of(global)?;
        let runtime = small_runtime()?;
        let calendar = Calendar::new(&place.loaded.node.time_zone)?;
        let offset = UtcOffset(calendar.offset_at(SystemClock::start().wall()));
        let store = runtime.block_on(Store::open_read_only(&place.data))?;
        Ok(Records { store, exporter: crate::node::settings::exporter(offset, place.data), runtime })
    }

    /// The record of a call that has ended; `None` when there is none.
    pub fn call(&self, id: CallId) -> anyhow::Result<Option<Cdr>> {
        Ok(self.runtime.block_on(self.store.call(id))?)
    }

    fn find(&self, global: &Global, wanted: &Wanted, limit: Option<u32>) -> anyhow::Result<Vec<Cdr>> {
        let time = |text: &Option<String>| -> anyhow::Result<Option<WallTime>> {
            Ok(text.as_deref().map(|text| self.exporter.offset.parse(text)).transpose()?)
        };
        let filter = CallFilter {
            tenant: Some(TenantId::new(&global.tenant)),
            number: wanted.number.clone(),
            caller: wanted.caller.clone(),
            agent: wanted.agent.clone(),
            queue: wanted.queue.clone(),
            result: wanted.result.as_deref().map(result).transpose()?,
            from: time(&wanted.from)?,
            to: time(&wanted.to)?,
            limit: wanted.limit.or(limit),
            after: None,
        };
        Ok(self.runtime.block_on(self.store.calls(&filter))?)
    }

    /// Every event of one call, from the journal's files.
    pub fn events(&self, id: CallId) -> anyhow::Result<Vec<Stamped>> {
        let about = |event: &Event| match event {
            Event::Call { call, .. } | Event::Recording { call, .. } => *call == id,
            _ => false,
        };
        let mut found = Vec::new();
        for stamped in store::journal::Reader::open(&self.store.data_dir().events(), 0) {
            let stamped = stamped?;
            if about(&stamped.event) {
                found.push(stamped);
            }
        }
        Ok(found)
    }
}

fn list(global: &Global, wanted: &Wanted) -> anyhow::Result<Answer> {
    let records = Records::open(global)?;
    // A program that reads JSON wants all of them, a person the latest.
    let found = records.find(global, wanted, global.json.then_some(u32::MAX))?;
    let exported: Vec<ExportedCdr> = found.iter().map(|cdr| records.exporter.cdr(cdr)).collect();
    if global.json {
        output::json(&exported)?;
        return Ok(Answer::Yes);
    }
    let mut table =
        Table::new(["编号", "开始", "呼入号码", "地区", "热线", "接听", "结果", "等待", "通话", "录音"]);
    for cdr in exported {
        table.row([
            cdr.id,
            live::short(&cdr.began),
            cdr.caller,
            cdr.caller_region.unwrap_or_default(),
            cdr.number.unwrap_or(cdr.called),
            cdr.answered_by.unwrap_or_default(),
            cdr.result_zh.to_owned(),
            seconds(cdr.wait_ms),
            seconds(cdr.talk_ms),
            cdr.recording.unwrap_or_default(),
        ]);
    }
    table.print()?;
    Ok(Answer::Yes)
}

fn show(global: &Global, call: &str) -> anyhow::Result<Answer> {
    let records = Records::open(global)?;
    let Some(cdr) = records.call(call_id(call)?)? else {
        eprintln!("没有通话 {call} 的记录 / no record of this call");
        return Ok(Answer::No);
    };
    let shown = serde_json::to_value(records.exporter.cdr(&cdr))?;
    let mut whole = shown.clone();
    let timelines = timeline::of(&mut whole);
    if global.json {
        output::json(&whole)?;
        return Ok(Answer::Yes);
    }
    let record = shown.as_object().context("a record is an object")?;
    output::lines(show::lines(record).into_iter().chain(timelines))?;
    Ok(Answer::Yes)
}

fn export(global: &Global, wanted: &Wanted, format: Format) -> anyhow::Result<Answer> {
    let records = Records::open(global)?;
    let found = records.find(global, wanted, Some(u32::MAX))?;
    let exported: Vec<ExportedCdr> = found.iter().map(|cdr| records.exporter.cdr(cdr)).collect();
    if global.json || format == Format::Json {
        output::json(&exported)?;
        return Ok(Answer::Yes);
    }
    // Spreadsheets take UTF-8 for what it is only behind this mark.
    let mut lines = vec![format!("\u{feff}{}", HEADS.join(","))];
    lines.extend(exported.iter().map(csv_line));
    output::lines(lines)?;
    Ok(Answer::Yes)
}

/// R9's fields, in its order.
const HEADS: [&str; 19] = [
    "通话编号",
    "热线号码",
    "呼入号码",
    "呼入地区",
    "接听号码",
    "工号",
    "队列",
    "起始时间",
    "系统应答",
    "振铃时间",
    "接听时间",
    "结束时间",
    "接听状况",
    "挂机方",
    "等待秒数",
    "通话秒数",
    "保持秒数",
    "满意度",
    "录音",
];

fn csv_line(cdr: &ExportedCdr) -> String {
    let maybe = |text: &Option<String>| text.clone().unwrap_or_default();
    let survey = cdr.survey.as_ref().and_then(|survey| survey.label.clone());
    let cells = [
        cdr.id.clone(),
        maybe(&cdr.number),
        cdr.caller.clone(),
        maybe(&cdr.caller_region),
        maybe(&cdr.answered_by),
        maybe(&cdr.agent),
        maybe(&cdr.queue),
        cdr.began.clone(),
        maybe(&cdr.switch_answered),
        maybe(&cdr.first_ring),
        maybe(&cdr.agent_answered),
        cdr.ended.clone(),
        cdr.result_zh.to_owned(),
        cdr.hung_up_by_zh.to_owned(),
        seconds(cdr.wait_ms),
        seconds(cdr.talk_ms),
        seconds(cdr.hold_ms),
        survey.unwrap_or_default(),
        maybe(&cdr.recording),
    ];
    cells.iter().map(|cell| csv_cell(cell)).collect::<Vec<_>>().join(",")
}

/// RFC 4180 §2; a cell that a spreadsheet would take for a formula is made a text.
fn csv_cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn events(global: &Global, call: &str) -> anyhow::Result<Answer> {
    let records = Records::open(global)?;
    let events = records.events(call_id(call)?)?;
    if events.is_empty() {
        eprintln!("事件日志中没有通话 {call} / the event journal does not know this call");
        return Ok(Answer::No);
    }
    if global.json {
        output::json(&events)?;
        return Ok(Answer::Yes);
    }
    let mut lines = Vec::with_capacity(events.len());
    for stamped in &events {
        lines.push(format!("{}  {}", records.exporter.time(stamped.at), fact_text(&stamped.event)?));
    }
    output::lines(lines)?;
    Ok(Answer::Yes)
}

/// A fact as `name key=value …`, without what every line would repeat.
fn fact_text(event: &Event) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(event)?;
    let mut fact = value.get_mut("fact").map(serde_json::Value::take).unwrap_or_default();
    let Some(fields) = fact.as_object_mut() else { return Ok(fact.to_string()) };
    let name = fields.remove("fact").unwrap_or_default();
    let mut text = name.as_str().unwrap_or_default().to_owned();
    for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.push_str(&format!(" {key}={value}"));
    }
    Ok(text)
}

fn live_calls(global: &Global) -> anyhow::Result<Answer> {
    let calls = speak(global, |client| async move { client.live_calls().await })?;
    if global.json {
        output::json(&calls)?;
        return Ok(Answer::Yes);
    }
    let mut table =
        Table::new(["编号", "开始", "呼入号码", "热线", "状态", "队列", "接听", "录音", "语音", "备注"]);
    for call in calls {
        table.row([
            call.id,
            live::short(&call.began),
            call.caller,
            call.number.unwrap_or(call.called),
            call.state.zh().to_owned(),
            call.queue.unwrap_or_default(),
            call.party.unwrap_or_default(),
            call.recording.zh().to_owned(),
            call.audio.zh().to_owned(),
            call.notes.join("; "),
        ]);
    }
    table.print()?;
    Ok(Answer::Yes)
}

fn note(global: &Global, call: &str, by: Option<&str>, text: &str) -> anyhow::Result<Answer> {
    let id = call_id(call)?.to_string();
    let (by, text) = (by.map(str::to_owned), text.to_owned());
    match speak(global, |client| async move { client.note(&id, by.as_deref(), &text).await }) {
        Ok(()) => {
            match global.json {
                true => output::json(&serde_json::json!({ "ok": true }))?,
                false => output::lines([format!("{call}: 已记下 / noted")])?,
            }
            Ok(Answer::Yes)
        }
        Err(error) => live::refused(error),
    }
}

fn hang_up(global: &Global, call: &str) -> anyhow::Result<Answer> {
    let id = call_id(call)?.to_string();
    match speak(global, |client| async move { client.hang_up(&id).await }) {
        Ok(()) => {
            match global.json {
                true => output::json(&serde_json::json!({ "ok": true }))?,
                false => output::lines([format!("{call}: 已结束 / ended")])?,
            }
            Ok(Answer::Yes)
        }
        Err(error) => live::refused(error),
    }
}

pub(super) fn call_id(text: &str) -> anyhow::Result<CallId> {
    Ok(text.parse::<CallId>()?)
}

/// A result by its word in either language.
fn result(word: &str) -> anyhow::Result<CallResult> {
    let known = |result: &&CallResult| {
        result.zh() == word || serde_json::to_value(result).is_ok_and(|name| name.as_str() == Some(word))
    };
    match CallResult::ALL.iter().find(known) {
        Some(result) => Ok(*result),
        None => {
            let words: Vec<&str> = CallResult::ALL.iter().map(|result| result.zh()).collect();
            bail!("没有结果「{word}」,可用 / no such result, there are: {}", words.join(" "))
        }
    }
}

fn seconds(millis: u64) -> String {
    format!("{:.1}", millis as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_known_by_both_words() {
        assert_eq!(result("已接听").unwrap(), CallResult::Answered);
        assert_eq!(result("abandoned_in_queue").unwrap(), CallResult::AbandonedInQueue);
        assert!(result("接").unwrap_err().to_string().contains("排队放弃"));
    }

    #[test]
    fn a_cell_cannot_become_a_formula_or_two_cells() {
        assert_eq!(csv_cell("+8613800138000"), "'+8613800138000");
        assert_eq!(csv_cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(csv_cell("已接听"), "已接听");
    }
}
