//! Owns the paths of the server, who may ask for them, and live state and wishes. Does not own past calls and events
//! (see [`crate::records`]).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, Path, Query, Request, State};
use axum::http::{StatusCode, header, request::Parts};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use ledger::Exporter;
use model::command::{Command, ConferenceWish, First, Originate};
use model::event::AgentState;
use model::supervision::Verb;
use model::{AgentId, CallId, ConferenceName, TenantId};
use serde::Deserialize;
use serde_json::{Value, json};
use store::Store;
use tokio::sync::watch;

use crate::error::{Problem, read};
use crate::events::Recent;
use crate::metrics::Metrics;
use crate::numbers;
use crate::recordings;
use crate::records;
use crate::server::{Closing, Server};
use crate::switch::Switch;
use crate::token::Token;
use crate::view::{
    AgentView, BanView, ConferenceView, LiveCall, MessageView, PhoneView, QueueView, TrunkView,
};
use crate::voicemail;

/// What every route answers from.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) switch: Arc<dyn Switch>,
    pub(crate) store: Store,
    pub(crate) recent: Recent,
    pub(crate) exporter: Arc<Exporter>,
    pub(crate) closed: watch::Receiver<Closing>,
    token: Token,
    metrics: Metrics,
}

pub(crate) fn router(server: Server, recent: Recent, closed: watch::Receiver<Closing>) -> Router {
    let body = DefaultBodyLimit::max(server.limits.body_bytes);
    let shared = Shared {
        switch: server.switch,
        store: server.store,
        recent,
        exporter: Arc::new(server.exporter),
        closed,
        token: server.token,
        metrics: server.metrics,
    };
    Router::new()
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .route("/v1/calls", get(live_calls).post(originate))
        .route("/v1/calls/{id}", get(live_call))
        .route("/v1/calls/{id}/messages", get(messages))
        .route("/v1/calls/{id}/hangup", post(hang_up))
        .route("/v1/calls/{id}/recording/pause", post(pause_recording))
        .route("/v1/calls/{id}/recording/resume", post(resume_recording))
        .route("/v1/recordings/{id}/timeline", get(recordings::timeline))
        .route("/v1/recordings/{id}/peaks", get(recordings::peaks))
        .route("/v1/calls/{id}/transfer", post(transfer))
        .route("/v1/calls/{id}/notes", post(note))
        .route("/v1/calls/{id}/supervise", post(supervise))
        .route("/v1/cdrs", get(records::cdrs))
        .route("/v1/cdrs/{id}", get(records::cdr))
        .route("/v1/figures", get(records::figures))
        .route("/v1/events", get(records::events))
        .route("/v1/agents", get(agents))
        .route("/v1/agents/{id}/state", post(set_agent_state))
        .route("/v1/queues", get(queues))
        .route("/v1/conferences", get(conferences))
        .route("/v1/conferences/{name}", post(confer))
        .route("/v1/trunks", get(trunks))
        .route("/v1/bans", get(bans))
        .route("/v1/bans/{source}/lift", post(lift_ban))
        .route("/v1/phones", get(phones))
        .route("/v1/mailboxes", get(voicemail::mailboxes))
        .route("/v1/mailboxes/{name}/messages/{id}", delete(voicemail::delete))
        .route("/v1/mailboxes/{name}/messages/{id}/heard", post(voicemail::heard))
        .route("/v1/mailboxes/{name}/messages/{id}/audio", get(voicemail::audio))
        .route("/v1/numbers", get(numbers::numbers))
        .route("/v1/numbers/{number}/night", put(numbers::turn_night))
        .route("/v1/reload", post(reload))
        .fallback(async || Problem::not_found("没有这个地址", "there is no such path"))
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "不支持这个方法",
                "this method is not supported here",
            )
        })
        .layer(body)
        .layer(middleware::from_fn_with_state(shared.clone(), authorize))
        .with_state(shared)
}

/// Lets those pass who carry the token.
async fn authorize(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let open = match request.uri().path() {
        "/healthz" => true,
        "/metrics" => peer.ip().to_canonical().is_loopback(),
        _ => false,
    };
    let offered = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = offered
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if open || bearer.is_some_and(|(_, offered)| shared.token.matches(offered.trim())) {
        next.run(request).await
    } else {
        Problem::unauthorized().into_response()
    }
}

async fn healthz(State(shared): State<Shared>) -> Response {
    match shared.switch.unhealthy() {
        None => Json(json!({ "ok": true })).into_response(),
        Some(words) => Problem::in_words(StatusCode::SERVICE_UNAVAILABLE, &words).into_response(),
    }
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shared.metrics.text())
}

async fn live_calls(State(shared): State<Shared>, tenant: Tenant) -> Json<Vec<LiveCall>> {
    Json(shared.switch.live_calls(tenant.0).await)
}

async fn live_call(State(shared): State<Shared>, tenant: Tenant, id: Id) -> Result<Json<LiveCall>, Problem> {
    find_live(&shared, &tenant.0, id.0).await.map(Json)
}

async fn messages(
    State(shared): State<Shared>,
    tenant: Tenant,
    id: Id,
) -> Result<Json<Vec<MessageView>>, Problem> {
    let found = shared.switch.messages(tenant.0, id.0).await;
    match found.is_empty() {
        true => Err(Problem::not_found(
            "没有留存这个通话的信令 (多久见 [trace]; 事件日志用 --events)",
            "no message of this call is kept (for how long: [trace]; its events: --events)",
        )),
        false => Ok(Json(found)),
    }
}

/// Whom to join, as a client writes it.
#[derive(Deserialize)]
struct Join {
    agent: String,
    to: Arc<str>,
    #[serde(default)]
    first: First,
}

async fn originate(
    State(shared): State<Shared>,
    tenant: Tenant,
    body: Result<Json<Join>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Join { agent, to, first } = read(body, "呼叫写得不对")?;
    let wish = Originate { agent: AgentId::new(&tenant.0, &agent), to, first };
    let call = shared.switch.originate(wish).await?;
    Ok(Json(json!({ "id": call.to_string() })))
}

async fn hang_up(State(shared): State<Shared>, tenant: Tenant, id: Id) -> Result<Json<Value>, Problem> {
    find_live(&shared, &tenant.0, id.0).await?;
    command(&shared, Command::HangUp { call: id.0 }).await
}

async fn pause_recording(
    State(shared): State<Shared>,
    tenant: Tenant,
    id: Id,
) -> Result<Json<Value>, Problem> {
    find_live(&shared, &tenant.0, id.0).await?;
    command(&shared, Command::PauseRecording { call: id.0 }).await
}

async fn resume_recording(
    State(shared): State<Shared>,
    tenant: Tenant,
    id: Id,
) -> Result<Json<Value>, Problem> {
    find_live(&shared, &tenant.0, id.0).await?;
    command(&shared, Command::ResumeRecording { call: id.0 }).await
}

/// Where a call is to be sent.
#[derive(Deserialize)]
struct To {
    to: Arc<str>,
}

async fn transfer(
    State(shared): State<Shared>,
    tenant: Tenant,
    id: Id,
    body: Result<Json<To>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let To { to } = read(body, "去向写得不对")?;
    find_live(&shared, &tenant.0, id.0).await?;
    command(&shared, Command::Transfer { call: id.0, to }).await
}

/// A note on a call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    text: String,
    /// Whose note, an agent's number.
    #[serde(default)]
    by: Option<String>,
}

/// The longest note, in characters.
const LONGEST_NOTE: usize = 2_000;

async fn note(
    State(shared): State<Shared>,
    tenant: Tenant,
    id: Id,
    body: Result<Json<Note>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Note { text, by } = read(body, "备注写得不对")?;
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST_NOTE {
        let (zh, en) = ("备注为空或超过 2000 字", "the note is empty or has more than 2,000 characters");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, zh, en));
    }
    find_live(&shared, &tenant.0, id.0).await?;
    let by = by.map(|number| AgentId::new(&tenant.0, &number));
    command(&shared, Command::Note { call: id.0, by, text: text.into() }).await
}

/// What a supervisor asks of a call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Supervise {
    verb: Verb,
    /// The supervisor's number; that agent's phone is called.
    #[serde(rename = "as")]
    by: String,
}

async fn supervise(
    State(shared): State<Shared>,
    tenant: Tenant,
    id: Id,
    wish: Result<Json<Supervise>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Supervise { verb, by } = read(wish, "监听请求写得不对")?;
    find_live(&shared, &tenant.0, id.0).await?;
    let by = AgentId::new(&tenant.0, &by);
    command(&shared, Command::Supervise { call: id.0, by, verb }).await
}

async fn find_live(shared: &Shared, tenant: &TenantId, call: CallId) -> Result<LiveCall, Problem> {
    let found = shared.switch.live_call(call).await.filter(|live| live.tenant == tenant.as_str());
    found.ok_or_else(|| Problem::not_found("没有这个进行中的通话", "no such call is up"))
}

async fn agents(State(shared): State<Shared>, tenant: Tenant) -> Json<Vec<AgentView>> {
    Json(shared.switch.agents(tenant.0).await)
}

async fn set_agent_state(
    State(shared): State<Shared>,
    tenant: Tenant,
    id: Result<Path<String>, PathRejection>,
    state: Result<Json<AgentState>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Path(id) = id.map_err(|error| Problem::bad_request("工号不对", error.body_text()))?;
    let state = read(state, "状态写得不对")?;
    command(&shared, Command::SetAgentState { agent: AgentId::new(&tenant.0, &id), state }).await
}

async fn queues(State(shared): State<Shared>, tenant: Tenant) -> Json<Vec<QueueView>> {
    Json(shared.switch.queues(tenant.0).await)
}

async fn conferences(State(shared): State<Shared>, tenant: Tenant) -> Json<Vec<ConferenceView>> {
    Json(shared.switch.conferences(tenant.0).await)
}

async fn confer(
    State(shared): State<Shared>,
    tenant: Tenant,
    name: Result<Path<String>, PathRejection>,
    wish: Result<Json<ConferenceWish>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Path(name) = name.map_err(|error| Problem::bad_request("会议室不对", error.body_text()))?;
    let wish = read(wish, "会议请求写得不对")?;
    command(&shared, Command::Conference { name: ConferenceName::new(&tenant.0, &name), wish }).await
}

async fn phones(State(shared): State<Shared>, tenant: Tenant) -> Json<Vec<PhoneView>> {
    Json(shared.switch.phones(tenant.0).await)
}

async fn trunks(State(shared): State<Shared>) -> Json<Vec<TrunkView>> {
    Json(shared.switch.trunks().await)
}

async fn bans(State(shared): State<Shared>) -> Json<Vec<BanView>> {
    Json(shared.switch.bans().await)
}

async fn lift_ban(
    State(shared): State<Shared>,
    source: Result<Path<IpAddr>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let Path(source) = source.map_err(|error| Problem::bad_request("地址不对", error.body_text()))?;
    command(&shared, Command::LiftBan { source }).await
}

async fn reload(State(shared): State<Shared>) -> Result<Json<Value>, Problem> {
    command(&shared, Command::Reload).await
}

pub(crate) async fn command(shared: &Shared, command: Command) -> Result<Json<Value>, Problem> {
    shared.switch.command(command).await?;
    Ok(Json(json!({ "ok": true })))
}

/// The tenant that a request is about; other keys of the query are those of its route.
pub(crate) struct Tenant(pub(crate) TenantId);

#[derive(Deserialize)]
struct TenantQuery {
    tenant: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Tenant {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Tenant, Problem> {
        let query = Query::<TenantQuery>::from_request_parts(parts, state).await.map_err(bad_query)?;
        Ok(Tenant(query.0.tenant.map_or_else(TenantId::default, |tenant| TenantId::new(&tenant))))
    }
}

/// The call in a path.
pub(crate) struct Id(pub(crate) CallId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Id, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|error| Problem::bad_request("通话编号不对", error.body_text()))?;
        let id = text.parse().map_err(|error: model::ParseIdError| {
            Problem::in_words(StatusCode::BAD_REQUEST, &error.to_string())
        })?;
        Ok(Id(id))
    }
}

pub(crate) fn bad_query(error: QueryRejection) -> Problem {
    Problem::bad_request("查询条件写得不对", error.body_text())
}
