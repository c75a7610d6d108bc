//! Owns the paths about mailboxes and the messages in them. Does not own what lies there (see `call`) nor the sound of a
//! message, which is a recording (see `media`).

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use model::command::{Command, MessageDeed};
use model::{MailboxName, RecordingId, TenantId};
use serde_json::Value;

use crate::error::Problem;
use crate::routes::{Shared, Tenant, command};
use crate::said::{Field, InPath};
use crate::sound;
use crate::view::MailboxView;

pub(crate) async fn mailboxes(State(shared): State<Shared>, tenant: Tenant) -> Json<Vec<MailboxView>> {
    Json(shared.switch.mailboxes(tenant.0).await)
}

pub(crate) async fn delete(
    State(shared): State<Shared>,
    tenant: Tenant,
    asked: InPath<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let (mailbox, message) = meant(&tenant.0, asked)?;
    command(&shared, Command::Message { mailbox, message, deed: MessageDeed::Delete }).await
}

pub(crate) async fn heard(
    State(shared): State<Shared>,
    tenant: Tenant,
    asked: InPath<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let (mailbox, message) = meant(&tenant.0, asked)?;
    command(&shared, Command::Message { mailbox, message, deed: MessageDeed::Heard }).await
}

/// The sound of a message, as WAV.
pub(crate) async fn audio(
    State(shared): State<Shared>,
    tenant: Tenant,
    asked: InPath<(String, String)>,
) -> Result<Response, Problem> {
    let (mailbox, message) = meant(&tenant.0, asked)?;
    let none = || Problem::not_found("没有这个留言,或者它的文件还没有", "no such message, or no file yet");
    let id = message.to_string();
    let boxes = shared.switch.mailboxes(tenant.0.clone()).await;
    let of_box = boxes.iter().filter(|one| one.name == mailbox.as_str());
    if !of_box.flat_map(|one| &one.messages).any(|one| one.id == id) {
        return Err(none());
    }
    let (path, call) = shared.store.recording_path(&tenant.0, message).await?.ok_or_else(none)?;
    // Deleted by its time.
    let response = sound::of_file(shared.exporter.data_dir.join(path)).await.ok_or_else(none)?;
    shared.listened(tenant.0, call, message);
    Ok(response)
}

fn meant(tenant: &TenantId, asked: InPath<(String, String)>) -> Result<(MailboxName, RecordingId), Problem> {
    let InPath((mailbox, message)) = asked;
    Ok((MailboxName::new(tenant, &MAILBOX.checked(&mailbox)?), MESSAGE.parse(&message)?))
}

const MAILBOX: Field = Field::named("name", "信箱");
const MESSAGE: Field = Field::named("id", "留言编号");
