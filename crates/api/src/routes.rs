//! Owns the paths of the server, who may ask for them, and live state and wishes. Does not own past calls and events
//! (see [`crate::records`]).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, Request, State};
use axum::http::{Method, StatusCode, header, request::Parts};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use ledger::Exporter;
use model::command::{Command, ConferenceWish, First, Originate};
use model::event::{AgentState, Event, RecordingFact};
use model::supervision::Verb;
use model::{AgentId, CallId, ConferenceName, RecordingId, TenantId};
use serde_json::{Value, json};
use store::{EventJournal, Store};
use tokio::sync::watch;

use crate::console;
use crate::error::Problem;
use crate::events::Recent;
use crate::metrics::Metrics;
use crate::numbers;
use crate::recordings;
use crate::records;
use crate::said::{Asked, Body, Field, InPath};
use crate::server::{Closing, Limits, Server};
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
    pub(crate) limits: Limits,
    journal: EventJournal,
    token: Token,
    metrics: Metrics,
}

impl Shared {
    /// The sound of a recording is handed out.
    pub(crate) fn listened(&self, tenant: TenantId, call: CallId, recording: RecordingId) {
        let fact = RecordingFact::Listened { by: "API".into() };
        self.journal.append(Event::Recording { tenant, call, recording, fact });
    }
}

pub(crate) fn router(server: Server, recent: Recent, closed: watch::Receiver<Closing>) -> Router {
    let body = DefaultBodyLimit::max(server.limits.body_bytes);
    let shared = Shared {
        switch: server.switch,
        store: server.store,
        recent,
        exporter: Arc::new(server.exporter),
        closed,
        limits: server.limits,
        journal: server.journal,
        token: server.token,
        metrics: server.metrics,
    };
    Router::new()
        .route("/", get(console::page))
        .route("/console.css", get(console::style))
        .route("/console.js", get(console::script))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .route("/v1/calls", get(live_calls).post(originate))
        .route("/v1/calls/{id}", get(live_call))
        .route("/v1/calls/{id}/messages", get(messages))
        .route("/v1/calls/{id}/hangup", post(hang_up))
        .route("/v1/calls/{id}/recording/pause", post(pause_recording))
        .route("/v1/calls/{id}/recording/resume", post(resume_recording))
        .route("/v1/recordings/{id}/audio", get(recordings::audio))
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
        .method_not_allowed_fallback(async |method: Method| {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("这个地址不支持 {method}, 可用的见 Allow"),
                format!("{method} is not supported here; Allow says what is"),
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
        path if console::PATHS.contains(&path) => true,
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
            "没有留存这个通话的信令 (多久见 [trace], 呼叫太多时只留存其中一部分; 事件日志用 --events)",
            "no message of this call is kept (for how long: [trace], of too many calls only some; its events: --events)",
        )),
        false => Ok(Json(found)),
    }
}

async fn originate(
    State(shared): State<Shared>,
    tenant: Tenant,
    Body(mut said): Body,
) -> Result<Json<Value>, Problem> {
    let agent = AgentId::new(&tenant.0, &said.text(&AGENT)?);
    let to = said.text(&TO)?.into();
    let first = said.one_of_if(&FIRST, &[First::Agent, First::Number])?.unwrap_or_default();
    said.end()?;
    let wish = Originate { agent, to, first };
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

async fn transfer(
    State(shared): State<Shared>,
    tenant: Tenant,
    id: Id,
    Body(mut said): Body,
) -> Result<Json<Value>, Problem> {
    let to = said.text(&TO)?.into();
    said.end()?;
    find_live(&shared, &tenant.0, id.0).await?;
    command(&shared, Command::Transfer { call: id.0, to }).await
}

async fn note(
    State(shared): State<Shared>,
    tenant: Tenant,
    id: Id,
    Body(mut said): Body,
) -> Result<Json<Value>, Problem> {
    let text = said.text(&NOTE)?.into();
    let by = said.text_if(&WRITER)?.map(|number| AgentId::new(&tenant.0, &number));
    said.end()?;
    find_live(&shared, &tenant.0, id.0).await?;
    command(&shared, Command::Note { call: id.0, by, text }).await
}

async fn supervise(
    State(shared): State<Shared>,
    tenant: Tenant,
    id: Id,
    Body(mut said): Body,
) -> Result<Json<Value>, Problem> {
    let verb = said.one_of(&VERB, &Verb::ALL)?;
    let by = AgentId::new(&tenant.0, &said.text(&SUPERVISOR)?);
    said.end()?;
    find_live(&shared, &tenant.0, id.0).await?;
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
    InPath(id): InPath<String>,
    Body(mut said): Body,
) -> Result<Json<Value>, Problem> {
    let agent = AgentId::new(&tenant.0, &AGENT.checked(&id)?);
    let state = match said.word(&STATE, &["offline", "ready", "busy", "break"])? {
        0 => AgentState::Offline,
        1 => AgentState::Ready,
        2 => AgentState::Busy,
        _ => AgentState::Break { reason: said.text(&REASON)?.into() },
    };
    said.end()?;
    command(&shared, Command::SetAgentState { agent, state }).await
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
    InPath(name): InPath<String>,
    Body(mut said): Body,
) -> Result<Json<Value>, Problem> {
    let name = ConferenceName::new(&tenant.0, &ROOM.checked(&name)?);
    let wish = match said.word(&WISH, &["mute", "unmute", "remove", "lock", "unlock", "end"])? {
        0 => ConferenceWish::Mute(said.parsed(&PARTICIPANT)?),
        1 => ConferenceWish::Unmute(said.parsed(&PARTICIPANT)?),
        2 => ConferenceWish::Remove(said.parsed(&PARTICIPANT)?),
        3 => ConferenceWish::Lock,
        4 => ConferenceWish::Unlock,
        _ => ConferenceWish::End,
    };
    said.end()?;
    command(&shared, Command::Conference { name, wish }).await
}

async fn phones(State(shared): State<Shared>, tenant: Tenant) -> Json<Vec<PhoneView>> {
    Json(shared.switch.phones(tenant.0).await)
}

async fn trunks(State(shared): State<Shared>, _: Tenant) -> Json<Vec<TrunkView>> {
    Json(shared.switch.trunks().await)
}

async fn bans(State(shared): State<Shared>, _: Tenant) -> Json<Vec<BanView>> {
    Json(shared.switch.bans().await)
}

async fn lift_ban(
    State(shared): State<Shared>,
    _: Tenant,
    InPath(source): InPath<String>,
) -> Result<Json<Value>, Problem> {
    let no_address = |_| SOURCE.wrong("不是 IP 地址", "is no IP address");
    let source: IpAddr = SOURCE.checked(&source)?.parse().map_err(no_address)?;
    command(&shared, Command::LiftBan { source }).await
}

async fn reload(State(shared): State<Shared>, _: Tenant) -> Result<Json<Value>, Problem> {
    command(&shared, Command::Reload).await
}

pub(crate) async fn command(shared: &Shared, command: Command) -> Result<Json<Value>, Problem> {
    shared.switch.command(command).await?;
    Ok(Json(json!({ "ok": true })))
}

/// The tenant that a request is about, where its query says nothing else. What the node has is no tenant's: there it says
/// nothing.
pub(crate) struct Tenant(pub(crate) TenantId);

impl<S: Send + Sync> FromRequestParts<S> for Tenant {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Tenant, Problem> {
        let Asked(mut said) = Asked::from_request_parts(parts, state).await?;
        let tenant = said.tenant()?;
        said.end()?;
        Ok(Tenant(tenant))
    }
}

/// The call in a path.
pub(crate) struct Id(pub(crate) CallId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Id, Problem> {
        let InPath(text) = InPath::<String>::from_request_parts(parts, state).await?;
        CALL.parse(&text).map(Id)
    }
}

const CALL: Field = Field::named("id", "通话编号");
const AGENT: Field = Field::named("agent", "工号");
const SUPERVISOR: Field = Field::named("as", "班长席工号");
const WRITER: Field = Field::named("by", "备注人工号");
const VERB: Field = Field::named("verb", "监听方式");
const TO: Field = Field::line("to", "去向", 128);
const FIRST: Field = Field::named("first", "先呼谁");
const NOTE: Field = Field::lines("text", "备注", 2_000);
const STATE: Field = Field::named("state", "坐席状态");
const REASON: Field = Field::named("reason", "小休原因");
const ROOM: Field = Field::named("name", "会议室");
const WISH: Field = Field::named("wish", "会议请求");
const PARTICIPANT: Field = Field::named("call", "与会者的通话编号");
const SOURCE: Field = Field::named("source", "封禁的地址");
