//! Owns the routes of a recording: its sound, what happened in it, and its waveform. Does not own how they are made (see
//! `media`).

use std::path::PathBuf;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use model::recording::{PEAKS, TIMELINE};
use model::{CallId, RecordingId};

use crate::error::Problem;
use crate::routes::{Shared, Tenant};
use crate::said::{Field, InPath};
use crate::sound;

/// The sound of a recording, as WAV. Who hears it is an event (R28).
pub(crate) async fn audio(
    State(shared): State<Shared>,
    tenant: Tenant,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let (path, call, recording) = kept(&shared, &tenant, &id).await?;
    let response = sound::of_file(path).await.ok_or_else(none)?;
    shared.listened(tenant.0, call, recording);
    Ok(response)
}

/// What happened in a recording, and who spoke for how long, as JSON.
pub(crate) async fn timeline(
    State(shared): State<Shared>,
    tenant: Tenant,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let bytes = beside(&shared, &tenant, &id, TIMELINE).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

/// A recording's waveform, in the data format of BBC audiowaveform, version 2.
pub(crate) async fn peaks(
    State(shared): State<Shared>,
    tenant: Tenant,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let bytes = beside(&shared, &tenant, &id, PEAKS).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

async fn beside(shared: &Shared, tenant: &Tenant, id: &str, kind: &str) -> Result<Vec<u8>, Problem> {
    let path = kept(shared, tenant, id).await?.0.with_extension(kind);
    match tokio::task::spawn_blocking(move || std::fs::read(path)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // Deleted by its time, or made by an earlier version.
        _ => Err(none()),
    }
}

/// Where the file of a recording is, its call, and which it is.
async fn kept(shared: &Shared, tenant: &Tenant, id: &str) -> Result<(PathBuf, CallId, RecordingId), Problem> {
    let recording: RecordingId = RECORDING.parse(id)?;
    let (path, call) = shared.store.recording_path(&tenant.0, recording).await?.ok_or_else(none)?;
    Ok((shared.exporter.data_dir.join(path), call, recording))
}

fn none() -> Problem {
    Problem::not_found("没有这个录音,或者它的文件不在", "there is no such recording, or no such file")
}

const RECORDING: Field = Field::named("id", "录音编号");
