//! Owns the index of recordings as it is asked: which recording belongs to which call, and what became of it. Does not
//! own how it is written (see [`crate::rows`]).

use model::{CallId, RecordingId, TenantId};

use crate::{Store, StoreError};

/// A recording of a call that has its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingRow {
    /// Which.
    pub recording: RecordingId,
    /// The call it belongs to.
    pub call: CallId,
    /// What became of it.
    pub standing: Standing,
}

/// What the records say of a recording's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not made yet.
    Waiting,
    /// It is there.
    Kept {
        /// Path below the data folder.
        path: String,
        /// SHA-256, lower-case hex.
        sha256: String,
    },
    /// It could not be made.
    Failed,
    /// Its time was over and it was deleted.
    Expired,
}

impl Store {
    /// All recordings of all tenants.
    ///
    /// # Errors
    /// When the database fails or a row cannot be read.
    pub async fn recordings(&self) -> Result<Vec<RecordingRow>, StoreError> {
        type Row = (String, String, String, Option<String>, Option<String>);
        let rows: Vec<Row> =
            sqlx::query_as("SELECT id, call, state, path, sha256 FROM recording ORDER BY id")
                .fetch_all(&self.read)
                .await?;
        rows.into_iter().map(read).collect()
    }

    /// Where the file of a recording of `tenant` is, below the data folder, and whose call's it is; `None` when there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recording_path(
        &self,
        tenant: &TenantId,
        recording: RecordingId,
    ) -> Result<Option<(String, CallId)>, StoreError> {
        let kept = "SELECT path, call FROM recording WHERE id = ? AND tenant = ? AND state = 'finished' AND path IS NOT NULL";
        let found: Option<(String, String)> = sqlx::query_as(kept)
            .bind(recording.to_string())
            .bind(tenant.to_string())
            .fetch_optional(&self.read)
            .await?;
        let Some((path, call)) = found else { return Ok(None) };
        let call = call.parse().map_err(|error| no_id(&recording.to_string(), error))?;
        Ok(Some((path, call)))
    }
}

fn no_id(recording: &str, error: model::ParseIdError) -> StoreError {
    StoreError::Content { what: format!("recording {recording}"), source: serde::de::Error::custom(error) }
}

fn read(
    (id, call, state, path, sha256): (String, String, String, Option<String>, Option<String>),
) -> Result<RecordingRow, StoreError> {
    let content = |error| no_id(&id, error);
    let standing = match (&*state, path, sha256) {
        ("finished", Some(path), Some(sha256)) => Standing::Kept { path, sha256 },
        ("expired", ..) => Standing::Expired,
        ("running" | "finishing", ..) => Standing::Waiting,
        _ => Standing::Failed,
    };
    Ok(RecordingRow {
        recording: id.parse().map_err(content)?,
        call: call.parse().map_err(content)?,
        standing,
    })
}
