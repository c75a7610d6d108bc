//! Owns how call records and sums become rows. Does not own when (see [`crate::Folder`]) or how they are found (see
//! [`crate::CallFilter`]).

use ledger::{AgentFigures, Amendment, Cdr, FigureKey, NumberFigures, QueueFigures, RecordingState};
use model::recording::TalkShares;
use model::{CallId, RecordingId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::{Store, StoreError};

/// How far the event journal is folded into rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FoldPosition {
    /// All rows of events up to this sequence are written.
    pub folded: u64,
    /// A ledger that begins behind this sequence knows every call that was open at `folded`.
    pub low_water: u64,
}

impl Store {
    /// How far the event journal is folded into rows.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fold_position(&self) -> Result<FoldPosition, StoreError> {
        let row: Option<(i64, i64)> =
            sqlx::query_as("SELECT folded, low_water FROM fold_position").fetch_optional(&self.read).await?;
        let (folded, low_water) = row.unwrap_or_default();
        Ok(FoldPosition { folded: folded.cast_unsigned(), low_water: low_water.cast_unsigned() })
    }

    /// Writes records, replacing those of the same calls, in one transaction.
    ///
    /// # Errors
    /// When the database fails or was opened for reading.
    pub async fn upsert(&self, cdrs: &[Cdr]) -> Result<(), StoreError> {
        let mut transaction = self.writer()?.begin_with("BEGIN IMMEDIATE").await?;
        put_cdrs(&mut transaction, &cdrs.iter().collect::<Vec<_>>()).await?;
        transaction.commit().await?;
        Ok(())
    }
}

pub(crate) async fn put_position(
    to: &mut SqliteConnection,
    position: FoldPosition,
) -> Result<(), StoreError> {
    sqlx::query("INSERT OR REPLACE INTO fold_position (only, folded, low_water) VALUES (1, ?, ?)")
        .bind(position.folded.cast_signed())
        .bind(position.low_water.cast_signed())
        .execute(to)
        .await?;
    Ok(())
}

/// Rows per statement at most: beyond it a statement's own cost no longer shows.
const PORTION: usize = 64;

/// `rows` in portions of a power of two each, the largest first: so few lengths occur that each is a statement which
/// SQLite has prepared already.
fn portions<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let most = rest.len().min(PORTION);
        let (portion, behind) = rest.split_at(most.checked_ilog2().map(|power| 1 << power)?);
        rest = behind;
        Some(portion)
    })
}

/// Writes records with their recordings, replacing those of the same calls. Other columns, and segments, are views of
/// their JSON.
pub(crate) async fn put_cdrs(to: &mut SqliteConnection, cdrs: &[&Cdr]) -> Result<(), StoreError> {
    for chunk in portions(cdrs) {
        let mut rows = Vec::with_capacity(chunk.len());
        for cdr in chunk {
            rows.push((*cdr, json("cdr", cdr)?));
        }
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO cdr_row (id, tenant, number, caller, agent, queue, result, began, json) ",
        );
        insert.push_values(rows, |mut row, (cdr, json)| {
            let parties = &cdr.parties;
            row.push_bind(cdr.id.to_string())
                .push_bind(cdr.tenant.to_string())
                .push_bind(parties.number.as_ref().map(|n| n.as_str().to_owned()))
                .push_bind(parties.caller.to_string())
                .push_bind(parties.agent_of_record().map(|a| a.as_str().to_owned()))
                .push_bind(parties.queue.as_ref().map(|q| q.as_str().to_owned()))
                .push_bind(word(&cdr.ending.result))
                .push_bind(cdr.times.began.0)
                .push_bind(json);
        });
        insert.push(
            " ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant, number = excluded.number, caller = \
             excluded.caller, agent = excluded.agent, queue = excluded.queue, result = excluded.result, began = \
             excluded.began, json = excluded.json",
        );
        insert.build().execute(&mut *to).await?;
    }
    put_recordings(to, cdrs).await
}

async fn put_recordings(to: &mut SqliteConnection, cdrs: &[&Cdr]) -> Result<(), StoreError> {
    let recordings: Vec<(&Cdr, &ledger::Recording)> =
        cdrs.iter().flat_map(|cdr| cdr.recordings.iter().map(|recording| (*cdr, recording))).collect();
    for chunk in portions(&recordings) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT OR REPLACE INTO recording (id, tenant, call, began, state, path, millis, bytes, sha256) ",
        );
        insert.push_values(chunk, |mut row, (cdr, recording)| {
            let (state, path, millis, bytes, sha256) = match &recording.state {
                RecordingState::Running => ("running", None, None, None, None),
                RecordingState::Finishing => ("finishing", None, None, None, None),
                RecordingState::Finished { path, millis, bytes, sha256, .. } => {
                    ("finished", Some(path), Some(*millis), Some(*bytes), Some(sha256))
                }
                RecordingState::Failed { .. } => ("failed", None, None, None, None),
                RecordingState::Expired { path, sha256 } => ("expired", Some(path), None, None, Some(sha256)),
            };
            row.push_bind(recording.id.to_string())
                .push_bind(cdr.tenant.to_string())
                .push_bind(cdr.id.to_string())
                .push_bind(recording.began.0)
                .push_bind(state)
                .push_bind(path.map(ToString::to_string))
                .push_bind(millis.map(u64::cast_signed))
                .push_bind(bytes.map(u64::cast_signed))
                .push_bind(sha256.map(ToString::to_string));
        });
        insert.build().execute(&mut *to).await?;
    }
    put_shares(to, &recordings).await
}

async fn put_shares(
    to: &mut SqliteConnection,
    recordings: &[(&Cdr, &ledger::Recording)],
) -> Result<(), StoreError> {
    let known = recordings.iter().filter_map(|(_, recording)| match &recording.state {
        RecordingState::Finished { shares, .. } => Some((recording.id, (*shares)?)),
        _ => None,
    });
    for chunk in portions(&known.collect::<Vec<(RecordingId, TalkShares)>>()) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT OR REPLACE INTO recording_shares (recording, caller_ms, persons_ms, both_ms, silence_ms, held_ms, \
             masked_ms) ",
        );
        insert.push_values(chunk, |mut row, (recording, shares)| {
            row.push_bind(recording.to_string())
                .push_bind(shares.caller_ms.cast_signed())
                .push_bind(shares.persons_ms.cast_signed())
                .push_bind(shares.both_ms.cast_signed())
                .push_bind(shares.silence_ms.cast_signed())
                .push_bind(shares.held_ms.cast_signed())
                .push_bind(shares.masked_ms.cast_signed());
        });
        insert.build().execute(&mut *to).await?;
    }
    Ok(())
}

/// The record of `call` as `from` sees it.
pub(crate) async fn cdr(from: &mut SqliteConnection, call: CallId) -> Result<Option<Cdr>, StoreError> {
    let row: Option<String> = sqlx::query_scalar("SELECT json FROM cdr WHERE id = ?")
        .bind(call.to_string())
        .fetch_optional(from)
        .await?;
    row.map(|json| parse("cdr", &json)).transpose()
}

/// Writes what was learned of a call after its end; says whether there is a record to write it into.
pub(crate) async fn amend(
    to: &mut SqliteConnection,
    call: CallId,
    amendment: &Amendment,
) -> Result<bool, StoreError> {
    let Some(mut cdr) = cdr(to, call).await? else { return Ok(false) };
    amendment.apply(&mut cdr);
    put_cdrs(to, &[&cdr]).await?;
    Ok(true)
}

/// Sums that have a table row.
pub(crate) trait FigureRow: Serialize + DeserializeOwned {
    /// What they are sums of.
    const SCOPE: &'static str;
}

impl FigureRow for NumberFigures {
    const SCOPE: &'static str = "number";
}

impl FigureRow for QueueFigures {
    const SCOPE: &'static str = "queue";
}

impl FigureRow for AgentFigures {
    const SCOPE: &'static str = "agent";
}

pub(crate) async fn figure<F: FigureRow>(
    from: &mut SqliteConnection,
    key: &FigureKey,
) -> Result<Option<F>, StoreError> {
    let question = "SELECT json FROM figure WHERE tenant = ? AND scope = ? AND name = ? AND day = ?";
    let row: Option<String> = sqlx::query_scalar(question)
        .bind(key.tenant.to_string())
        .bind(F::SCOPE)
        .bind(key.name.to_string())
        .bind(key.day.to_string())
        .fetch_optional(from)
        .await?;
    row.map(|json| parse("figure", &json)).transpose()
}

pub(crate) async fn put_figure<F: FigureRow>(
    to: &mut SqliteConnection,
    key: &FigureKey,
    figure: &F,
) -> Result<(), StoreError> {
    sqlx::query("INSERT OR REPLACE INTO figure (tenant, scope, name, day, json) VALUES (?, ?, ?, ?, ?)")
        .bind(key.tenant.to_string())
        .bind(F::SCOPE)
        .bind(key.name.to_string())
        .bind(key.day.to_string())
        .bind(json("figure", figure)?)
        .execute(to)
        .await?;
    Ok(())
}

/// The one word that a plain enum is written as.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    // A variant with data is its whole JSON, so that nothing is lost.
    let json = serde_json::to_string(value).unwrap_or_default();
    json.strip_prefix('"').and_then(|word| word.strip_suffix('"')).map(str::to_owned).unwrap_or(json)
}

pub(crate) fn json<T: Serialize>(what: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Content { what: what.to_owned(), source })
}

pub(crate) fn parse<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|source| StoreError::Content { what: what.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_are_powers_of_two_in_order_and_nothing_is_left_out() {
        for length in [0, 1, 3, 64, 65, 200, 511] {
            let rows: Vec<usize> = (0..length).collect();
            let lengths: Vec<usize> = portions(&rows).map(<[usize]>::len).collect();
            assert!(lengths.iter().all(|length| length.is_power_of_two() && *length <= PORTION));
            assert_eq!(portions(&rows).flatten().copied().collect::<Vec<_>>(), rows);
        }
        assert_eq!(portions(&[(); 200]).map(<[()]>::len).collect::<Vec<_>>(), [64, 64, 64, 8]);
    }

    #[test]
    fn a_plain_variant_is_its_word_and_one_with_data_its_json() {
        assert_eq!(word(&"answered"), "answered");
        assert_eq!(word(&serde_json::json!({"refused": 486})), r#"{"refused":486}"#);
    }
}
