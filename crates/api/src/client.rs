//! Owns the client that the command line speaks to a running switch with.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use model::TenantId;
use model::command::ConferenceWish;
use model::command::First;
use model::event::AgentState;
use model::night::Turn;
use model::supervision::Verb;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::token::Token;
use crate::view::{
    AgentView, BanView, ConferenceView, LiveCall, MailboxView, MessageView, NumberView, PhoneView, QueueView,
    TrunkView,
};

/// Speaks to one switch for one tenant.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    token: Token,
    tenant: TenantId,
    limit: Duration,
}

/// Why there is no answer, or not the wanted one.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("{0} 没有运行中的 hotline / no hotline runs at {0}")]
    NotRunning(SocketAddr),
    /// The switch says no.
    #[error("{zh} / {en}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its words.
        zh: String,
        /// Its words.
        en: String,
    },
    /// The answer took too long.
    #[error("{0} 没有及时回答 / did not answer in time")]
    TooSlow(SocketAddr),
    /// The connection or the answer is broken.
    #[error("与 {address} 通讯出错: {words} / talking to it failed")]
    Broken {
        /// Whom it was spoken to.
        address: SocketAddr,
        /// What happened.
        words: String,
    },
}

/// The longest answer, in bytes.
const LONGEST_ANSWER: usize = 64 << 20;

impl Client {
    /// A client of the switch whose API listens on `address`.
    pub fn new(address: SocketAddr, token: Token) -> Client {
        Client { address, token, tenant: TenantId::default(), limit: Duration::from_secs(10) }
    }

    /// The same for another tenant.
    pub fn for_tenant(self, tenant: TenantId) -> Client {
        Client { tenant, ..self }
    }

    /// The same with another limit of time per answer.
    pub fn with_limit(self, limit: Duration) -> Client {
        Client { limit, ..self }
    }

    /// The calls that are up.
    pub async fn live_calls(&self) -> Result<Vec<LiveCall>, ClientError> {
        self.get("/v1/calls", &[]).await
    }

    /// The agents.
    pub async fn agents(&self) -> Result<Vec<AgentView>, ClientError> {
        self.get("/v1/agents", &[]).await
    }

    /// The queues.
    pub async fn queues(&self) -> Result<Vec<QueueView>, ClientError> {
        self.get("/v1/queues", &[]).await
    }

    /// The trunks.
    pub async fn trunks(&self) -> Result<Vec<TrunkView>, ClientError> {
        self.get("/v1/trunks", &[]).await
    }

    /// Banned sources.
    pub async fn bans(&self) -> Result<Vec<BanView>, ClientError> {
        self.get("/v1/bans", &[]).await
    }

    /// Ends the ban of a source.
    pub async fn lift_ban(&self, source: &str) -> Result<(), ClientError> {
        self.post(&format!("/v1/bans/{}/lift", escaped(source)), &Value::Null).await
    }

    /// The conferences in progress.
    pub async fn conferences(&self) -> Result<Vec<ConferenceView>, ClientError> {
        self.get("/v1/conferences", &[]).await
    }

    /// Asks something of a conference.
    pub async fn confer(&self, name: &str, wish: &ConferenceWish) -> Result<(), ClientError> {
        self.post(&format!("/v1/conferences/{}", escaped(name)), wish).await
    }

    /// The phones.
    pub async fn phones(&self) -> Result<Vec<PhoneView>, ClientError> {
        self.get("/v1/phones", &[]).await
    }

    /// The mailboxes and their messages.
    pub async fn mailboxes(&self) -> Result<Vec<MailboxView>, ClientError> {
        self.get("/v1/mailboxes", &[]).await
    }

    /// Takes a message out of its mailbox.
    pub async fn delete_message(&self, mailbox: &str, message: &str) -> Result<(), ClientError> {
        let path = format!("/v1/mailboxes/{}/messages/{}", escaped(mailbox), escaped(message));
        self.ask::<Value>(Method::DELETE, &path, &[], Bytes::new()).await.map(drop)
    }

    /// A message counts as heard.
    pub async fn message_heard(&self, mailbox: &str, message: &str) -> Result<(), ClientError> {
        let path = format!("/v1/mailboxes/{}/messages/{}/heard", escaped(mailbox), escaped(message));
        self.post(&path, &Value::Null).await
    }

    /// The hotline numbers.
    pub async fn numbers(&self) -> Result<Vec<NumberView>, ClientError> {
        self.get("/v1/numbers", &[]).await
    }

    /// Turns the night switch of a number.
    pub async fn turn_night(&self, number: &str, turn: Turn) -> Result<(), ClientError> {
        let body =
            serde_json::to_vec(&serde_json::json!({ "turn": turn })).map_err(|error| self.broken(error))?;
        let path = format!("/v1/numbers/{}/night", escaped(number));
        self.ask::<Value>(Method::PUT, &path, &[], body.into()).await.map(drop)
    }

    /// The messages kept of a call, oldest first.
    pub async fn messages(&self, call: &str) -> Result<Vec<MessageView>, ClientError> {
        self.get(&format!("/v1/calls/{}/messages", escaped(call)), &[]).await
    }

    /// Sends whom the agent of a call talks with to `to`.
    pub async fn transfer(&self, call: &str, to: &str) -> Result<(), ClientError> {
        let body = serde_json::json!({ "to": to });
        self.post(&format!("/v1/calls/{}/transfer", escaped(call)), &body).await
    }

    /// Writes a note on a call that is up, in the name of agent `by` where there is one.
    pub async fn note(&self, call: &str, by: Option<&str>, text: &str) -> Result<(), ClientError> {
        let body = serde_json::json!({ "text": text, "by": by });
        self.post(&format!("/v1/calls/{}/notes", escaped(call)), &body).await
    }

    /// Joins an agent with a number; returns the call.
    pub async fn originate(&self, agent: &str, to: &str, first: First) -> Result<String, ClientError> {
        let body = serde_json::json!({ "agent": agent, "to": to, "first": first });
        let body = serde_json::to_vec(&body).map_err(|error| self.broken(error))?;
        let made: Made = self.ask(Method::POST, "/v1/calls", &[], body.into()).await?;
        Ok(made.id)
    }

    /// Ends a call.
    pub async fn hang_up(&self, call: &str) -> Result<(), ClientError> {
        self.post(&format!("/v1/calls/{}/hangup", escaped(call)), &Value::Null).await
    }

    /// Keeps nothing of a call in its recording for a while.
    pub async fn pause_recording(&self, call: &str) -> Result<(), ClientError> {
        self.post(&format!("/v1/calls/{}/recording/pause", escaped(call)), &Value::Null).await
    }

    /// Keeps it again.
    pub async fn resume_recording(&self, call: &str) -> Result<(), ClientError> {
        self.post(&format!("/v1/calls/{}/recording/resume", escaped(call)), &Value::Null).await
    }

    /// A supervisor does something with somebody else's call.
    pub async fn supervise(&self, call: &str, by: &str, verb: Verb) -> Result<(), ClientError> {
        let wish = serde_json::json!({ "as": by, "verb": verb });
        self.post(&format!("/v1/calls/{}/supervise", escaped(call)), &wish).await
    }

    /// Chooses a state for an agent.
    pub async fn set_agent_state(&self, agent: &str, state: &AgentState) -> Result<(), ClientError> {
        self.post(&format!("/v1/agents/{}/state", escaped(agent)), state).await
    }

    /// Has the configuration read again.
    pub async fn reload(&self) -> Result<(), ClientError> {
        self.post("/v1/reload", &Value::Null).await
    }

    /// Asks `path` with a query of `keys`; the tenant is added.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        keys: &[(&str, &str)],
    ) -> Result<T, ClientError> {
        self.ask(Method::GET, path, keys, Bytes::new()).await
    }

    async fn post<B: Serialize>(&self, path: &str, body: &B) -> Result<(), ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.broken(error))?;
        self.ask::<Value>(Method::POST, path, &[], body.into()).await.map(drop)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        keys: &[(&str, &str)],
        body: Bytes,
    ) -> Result<T, ClientError> {
        let mut target = format!("{path}?tenant={}", escaped(self.tenant.as_str()));
        for (key, value) in keys {
            target.push_str(&format!("&{}={}", escaped(key), escaped(value)));
        }
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, self.address.to_string())
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token.expose()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| self.broken(error))?;
        let (status, bytes) = match tokio::time::timeout(self.limit, self.exchange(request)).await {
            Ok(answered) => answered?,
            Err(_) => return Err(ClientError::TooSlow(self.address)),
        };
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|error| self.broken(error));
        }
        let words: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let word = |language: &str| {
            let said = words["error"][language].as_str();
            said.map_or_else(|| format!("HTTP {status}"), str::to_owned)
        };
        Err(ClientError::Refused { status: status.as_u16(), zh: word("zh"), en: word("en") })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), ClientError> {
        let stream = match TcpStream::connect(self.address).await {
            Ok(stream) => stream,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                return Err(ClientError::NotRunning(self.address));
            }
            Err(error) => return Err(self.broken(error)),
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(error))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| self.broken(error))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, LONGEST_ANSWER).collect().await;
            Ok((parts.status, body.map_err(|error| self.broken(error))?.to_bytes()))
        };
        // The connection moves the bytes as long as the answer is awaited.
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            answered = &mut answer => answered,
            ended = connection => {
                ended.map_err(|error| self.broken(error))?;
                answer.await
            }
        }
    }

    fn broken(&self, error: impl std::fmt::Display) -> ClientError {
        ClientError::Broken { address: self.address, words: error.to_string() }
    }
}

/// Percent-encodes all but unreserved characters (RFC 3986 §2.3).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A call that was made.
#[derive(serde::Deserialize)]
struct Made {
    id: String,
}
