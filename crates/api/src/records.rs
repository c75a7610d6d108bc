//! Owns the routes of what is past: call records, figures, events.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use ledger::{Day, ExportedCdr};
use model::outcome::CallResult;
use serde_json::{Value, json};
use store::CallFilter;

use crate::error::Problem;
use crate::routes::{Id, Shared, Tenant};
use crate::said::{Asked, Field};
use crate::server::ending;

/// The most records that one answer holds.
const MOST_RECORDS: u64 = 10_000;
/// The most days that figures are asked for at once.
const MOST_DAYS: i32 = 1_100;
/// The most events that one answer holds.
const MOST_EVENTS: u64 = 1_000;
/// The longest an answer waits for an event, in seconds.
const LONGEST_WAIT: u64 = 60;
/// How long it waits unless another time is asked for, in seconds.
const USUAL_WAIT: u64 = 25;

/// The records that a query wants, newest last.
pub(crate) async fn cdrs(
    State(shared): State<Shared>,
    Asked(mut said): Asked,
) -> Result<Json<Vec<ExportedCdr>>, Problem> {
    let time = |field: &Field, text: Option<String>| {
        let parsed = text.map(|text| shared.exporter.offset.parse(&text)).transpose();
        parsed.map_err(|error| field.refused(&error))
    };
    let filter = CallFilter {
        tenant: Some(said.tenant()?),
        number: said.text_if(&NUMBER)?,
        caller: said.text_if(&CALLER)?,
        agent: said.text_if(&AGENT)?,
        queue: said.text_if(&QUEUE)?,
        result: said.one_of_if(&RESULT, &CallResult::ALL)?,
        from: time(&FROM, said.text_if(&FROM)?)?,
        to: time(&TO, said.text_if(&TO)?)?,
        limit: said.number_if(&LIMIT, 1..=MOST_RECORDS)?.and_then(|limit| u32::try_from(limit).ok()),
        after: said.parsed_if(&AFTER_CALL)?,
    };
    said.end()?;
    let found = shared.store.calls(&filter).await?;
    Ok(Json(found.iter().map(|cdr| shared.exporter.cdr(cdr)).collect()))
}

/// One record.
pub(crate) async fn cdr(
    State(shared): State<Shared>,
    tenant: Tenant,
    id: Id,
) -> Result<Json<ExportedCdr>, Problem> {
    let found = shared.store.call(id.0).await?.filter(|cdr| cdr.tenant == tenant.0);
    let cdr = found.ok_or_else(|| Problem::not_found("没有这张话单", "there is no such record"))?;
    Ok(Json(shared.exporter.cdr(&cdr)))
}

/// The sums per day of each number, queue and agent.
pub(crate) async fn figures(
    State(shared): State<Shared>,
    Asked(mut said): Asked,
) -> Result<Json<Value>, Problem> {
    let tenant = said.tenant()?;
    let (from, to): (Day, Day) = (said.parsed(&FROM)?, said.parsed(&TO)?);
    said.end()?;
    if to.0.saturating_sub(from.0) >= MOST_DAYS {
        return Err(TO.wrong(
            format!("与 from 相隔太久, 一次最多 {MOST_DAYS} 天"),
            format!("is too far from `from`: {MOST_DAYS} days at a time"),
        ));
    }
    let numbers = shared.store.number_figures(&tenant, from, to).await?;
    let queues = shared.store.queue_figures(&tenant, from, to).await?;
    let agents = shared.store.agent_figures(&tenant, from, to).await?;
    Ok(Json(json!({ "numbers": rows(&numbers), "queues": rows(&queues), "agents": rows(&agents) })))
}

fn rows<F: serde::Serialize>(figures: &[(Day, String, F)]) -> Vec<Value> {
    figures.iter().map(|(day, name, sums)| json!({ "day": day, "name": name, "sums": sums })).collect()
}

/// The events behind `after` (else those to come), waiting for one at most `wait_seconds`.
pub(crate) async fn events(
    State(shared): State<Shared>,
    Asked(mut said): Asked,
) -> Result<Json<Value>, Problem> {
    let tenant = said.tenant()?;
    let after = said.number_if(&AFTER_EVENT, 0..=u64::MAX)?.unwrap_or_else(|| shared.recent.last_seq());
    let limit = said.number_if(&LIMIT, 1..=MOST_EVENTS)?.unwrap_or(MOST_EVENTS);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let wait = Duration::from_secs(said.number_if(&WAIT, 0..=LONGEST_WAIT)?.unwrap_or(USUAL_WAIT));
    said.end()?;
    let mut closed = shared.closed.clone();
    let found = tokio::select! {
        found = shared.recent.after(after, &tenant, limit, wait) => found,
        () = ending(&mut closed) => Ok((Vec::new(), after)),
    };
    let (events, last_seq) = found.map_err(|error| {
        tracing::error!(%error, "api");
        Problem::new(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            "事件日志读不出",
            "the journal cannot be read",
        )
    })?;
    Ok(Json(json!({ "events": events, "last_seq": last_seq })))
}

const NUMBER: Field = Field::named("number", "热线号码");
const CALLER: Field = Field::named("caller", "呼入号码");
const AGENT: Field = Field::named("agent", "工号");
const QUEUE: Field = Field::named("queue", "队列");
const RESULT: Field = Field::named("result", "结果");
const FROM: Field = Field::named("from", "起始时间");
const TO: Field = Field::named("to", "截止时间");
const LIMIT: Field = Field::named("limit", "条数");
const AFTER_CALL: Field = Field::named("after", "通话编号");
const AFTER_EVENT: Field = Field::named("after", "事件序号");
const WAIT: Field = Field::named("wait_seconds", "等待秒数");
