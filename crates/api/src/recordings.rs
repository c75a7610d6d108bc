//! Owns the routes of what lies beside a recording's sound: what happened in it, and its waveform. Does not own how they
//! are made (see `media`).

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use model::RecordingId;
use model::recording::{PEAKS, TIMELINE};

use crate::error::Problem;
use crate::routes::{Shared, Tenant};

type Asked = Result<Path<String>, PathRejection>;

/// What happened in a recording, and who spoke for how long, as JSON.
pub(crate) async fn timeline(
    State(shared): State<Shared>,
    tenant: Tenant,
    id: Asked,
) -> Result<Response, Problem> {
    let bytes = beside(&shared, &tenant, id, TIMELINE).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

/// A recording's waveform, in the data format of BBC audiowaveform, version 2.
pub(crate) async fn peaks(
    State(shared): State<Shared>,
    tenant: Tenant,
    id: Asked,
) -> Result<Response, Problem> {
    let bytes = beside(&shared, &tenant, id, PEAKS).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

async fn beside(shared: &Shared, tenant: &Tenant, id: Asked, kind: &str) -> Result<Vec<u8>, Problem> {
    let none =
        || Problem::not_found("没有这个录音,或者它的文件不在", "there is no such recording, or no such file");
    let Path(id) = id.map_err(|error| Problem::bad_request("录音编号不对", error.body_text()))?;
    let id: RecordingId = id
        .parse()
        .map_err(|error: model::ParseIdError| Problem::bad_request("录音编号不对", error.to_string()))?;
    let path = shared.store.recording_path(&tenant.0, id).await?.ok_or_else(none)?;
    let path = shared.exporter.data_dir.join(path).with_extension(kind);
    match tokio::task::spawn_blocking(move || std::fs::read(path)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // Deleted by its time, or made by an earlier version.
        _ => Err(none()),
    }
}
