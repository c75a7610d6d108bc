//! Owns snapshots: what a restart must know, one JSON value per (kind, tenant, key). What the values mean is their
//! writers' business.

use clock::WallTime;
use model::TenantId;
use serde_json::Value;

use crate::{Store, StoreError, rows};

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An agent's chosen state.
    Agent,
    /// An agent's counters of the day.
    Counter,
    /// A phone's binding.
    Registration,
    /// A phone's subscription.
    Subscription,
    /// What a phone has set for calls that come to it.
    Diversion,
    /// Who called a phone last.
    LastCaller,
    /// A hotline number's night switch that is on.
    Night,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Kind::Agent => "agent",
            Kind::Counter => "counter",
            Kind::Registration => "registration",
            Kind::Subscription => "subscription",
            Kind::Diversion => "diversion",
            Kind::LastCaller => "last-caller",
            Kind::Night => "night",
        }
    }
}

/// One value, with what it is known by.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Whose.
    pub tenant: TenantId,
    /// Of what: an agent's number, an address of record with its contact.
    pub key: String,
    /// Its owner's epoch; 1 on a single node.
    pub epoch: u64,
    /// When it was true.
    pub at: WallTime,
    /// What.
    pub value: Value,
}

impl Store {
    /// Writes `changed` and removes the keys in `gone`, in one transaction. A row of a later epoch stays as it is.
    ///
    /// # Errors
    /// When the database fails or was opened for reading.
    pub async fn save_snapshots(
        &self,
        kind: Kind,
        changed: &[Snapshot],
        gone: &[(TenantId, String)],
    ) -> Result<(), StoreError> {
        let mut transaction = self.writer()?.begin_with("BEGIN IMMEDIATE").await?;
        for snapshot in changed {
            sqlx::query(
                "INSERT INTO snapshot (kind, tenant, key, epoch, at, json) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT \
                 (kind, tenant, key) DO UPDATE SET epoch = excluded.epoch, at = excluded.at, json = excluded.json \
                 WHERE excluded.epoch >= snapshot.epoch",
            )
            .bind(kind.word())
            .bind(snapshot.tenant.to_string())
            .bind(&snapshot.key)
            .bind(snapshot.epoch.cast_signed())
            .bind(snapshot.at.0)
            .bind(rows::json("snapshot", &snapshot.value)?)
            .execute(&mut *transaction)
            .await?;
        }
        for (tenant, key) in gone {
            sqlx::query("DELETE FROM snapshot WHERE kind = ? AND tenant = ? AND key = ?")
                .bind(kind.word())
                .bind(tenant.to_string())
                .bind(key)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// All snapshots of a kind, in order of tenant and key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn snapshots(&self, kind: Kind) -> Result<Vec<Snapshot>, StoreError> {
        let question =
            "SELECT tenant, key, epoch, at, json FROM snapshot WHERE kind = ? ORDER BY tenant, key";
        let rows: Vec<(String, String, i64, i64, String)> =
            sqlx::query_as(question).bind(kind.word()).fetch_all(&self.read).await?;
        let read = |(tenant, key, epoch, at, json): (String, String, i64, i64, String)| {
            Ok(Snapshot {
                tenant: TenantId::new(&tenant),
                key,
                epoch: epoch.cast_unsigned(),
                at: WallTime(at),
                value: rows::parse("snapshot", &json)?,
            })
        };
        rows.into_iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests;
