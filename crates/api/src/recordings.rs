//! Owns the routes of what lies beside a recording's sound: what happened in it, and its waveform. Does not own how they
//! are made (see `media`).

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use model::RecordingId;
use model::recording::{PEAKS, TIMELINE};

use crate::error::Problem;
use crate::routes::{Shared, Tenant};
use crate::said::{Field, InPath};

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
    let none =
        || Problem::not_found("没有这个录音,或者它的文件不在", "there is no such recording, or no such file");
    let id: RecordingId = RECORDING.parse(id)?;
    let path = shared.store.recording_path(&tenant.0, id).await?.ok_or_else(none)?;
    let path = shared.exporter.data_dir.join(path).with_extension(kind);
    match tokio::task::spawn_blocking(move || std::fs::read(path)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // Deleted by its time, or made by an earlier version.
        _ => Err(none()),
    }
}

const RECORDING: Field = Field::named("id", "录音编号");
