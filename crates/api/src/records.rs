//! Owns the routes of what is past: call records, figures, events.

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State, rejection::QueryRejection};
use ledger::{Day, ExportedCdr};
use model::TenantId;
use model::outcome::CallResult;
use serde::Deserialize;
use serde_json::{Value, json};
use store::CallFilter;

use crate::error::Problem;
use crate::routes::{Id, Shared, Tenant, bad_query};
use crate::server::ending;

/// The most records that one answer holds.
const MOST_RECORDS: u32 = 10_000;
/// The most events that one answer holds.
const MOST_EVENTS: usize = 1_000;
/// The longest an answer waits for an event.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CdrQuery {
    tenant: Option<String>,
    number: Option<String>,
    caller: Option<String>,
    agent: Option<String>,
    queue: Option<String>,
    result: Option<CallResult>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

/// The records that a query wants, newest last.
pub(crate) async fn cdrs(
    State(shared): State<Shared>,
    query: Result<Query<CdrQuery>, QueryRejection>,
) -> Result<Json<Vec<ExportedCdr>>, Problem> {
    let Query(query) = query.map_err(bad_query)?;
    let limit = query.limit.unwrap_or(CallFilter::LIMIT);
    if limit > MOST_RECORDS {
        return Err(Problem::bad_request(
            format!("limit 最多 {MOST_RECORDS}"),
            format!("limit is at most {MOST_RECORDS}"),
        ));
    }
    let after = query.after.map(|id| id.parse::<model::CallId>()).transpose();
    let time = |text: Option<String>| {
        let parsed = text.map(|text| shared.exporter.offset.parse(&text)).transpose();
        parsed.map_err(|error| Problem::in_words(axum::http::StatusCode::BAD_REQUEST, &error.to_string()))
    };
    let filter = CallFilter {
        tenant: Some(TenantId::new(query.tenant.as_deref().unwrap_or(TenantId::DEFAULT))),
        number: query.number,
        caller: query.caller,
        agent: query.agent,
        queue: query.queue,
        result: query.result,
        from: time(query.from)?,
        to: time(query.to)?,
        limit: Some(limit),
        after: after.map_err(|error| Problem::bad_request("after 不是通话编号", error.to_string()))?,
    };
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FigureQuery {
    tenant: Option<String>,
    from: Day,
    to: Day,
}

/// The sums per day of each number, queue and agent.
pub(crate) async fn figures(
    State(shared): State<Shared>,
    query: Result<Query<FigureQuery>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(FigureQuery { tenant, from, to }) = query.map_err(bad_query)?;
    let tenant = TenantId::new(tenant.as_deref().unwrap_or(TenantId::DEFAULT));
    let numbers = shared.store.number_figures(&tenant, from, to).await?;
    let queues = shared.store.queue_figures(&tenant, from, to).await?;
    let agents = shared.store.agent_figures(&tenant, from, to).await?;
    Ok(Json(json!({ "numbers": rows(&numbers), "queues": rows(&queues), "agents": rows(&agents) })))
}

fn rows<F: serde::Serialize>(figures: &[(Day, String, F)]) -> Vec<Value> {
    figures.iter().map(|(day, name, sums)| json!({ "day": day, "name": name, "sums": sums })).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventQuery {
    tenant: Option<String>,
    after: Option<u64>,
    wait_seconds: Option<u64>,
    limit: Option<usize>,
}

/// The events behind `after` (else those to come), waiting for one at most `wait_seconds`.
pub(crate) async fn events(
    State(shared): State<Shared>,
    query: Result<Query<EventQuery>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(query) = query.map_err(bad_query)?;
    let tenant = TenantId::new(query.tenant.as_deref().unwrap_or(TenantId::DEFAULT));
    let after = query.after.unwrap_or_else(|| shared.recent.last_seq());
    let limit = query.limit.unwrap_or(MOST_EVENTS).clamp(1, MOST_EVENTS);
    let wait = Duration::from_secs(query.wait_seconds.unwrap_or(25)).min(LONGEST_WAIT);
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
