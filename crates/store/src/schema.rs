//! Owns the database's schema: numbered migrations, applied in order, each in a transaction of its own.

use sqlx::{Connection, SqliteConnection, SqlitePool};

/// A step from one schema to the next; its number is its place, from 1.
struct Migration {
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { name: "calls", sql: include_str!("../migrations/0001_calls.sql") },
    Migration { name: "snapshots", sql: include_str!("../migrations/0002_snapshots.sql") },
    Migration { name: "figures", sql: include_str!("../migrations/0003_figures.sql") },
    Migration { name: "shares", sql: include_str!("../migrations/0004_shares.sql") },
    Migration { name: "messages", sql: include_str!("../migrations/0005_messages.sql") },
    Migration { name: "once", sql: include_str!("../migrations/0006_once.sql") },
    Migration { name: "view", sql: include_str!("../migrations/0007_view.sql") },
];

/// Why a schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It was made by a newer program.
    #[error(
        "数据库的版本是 {found}，本程序只认到 {known}；请用更新的 hotline 打开 / the database has schema {found}, this \
         program knows up to {known}: open it with a newer hotline"
    )]
    Newer {
        /// Its version.
        found: i64,
        /// The newest known.
        known: i64,
    },
    /// It is older and may only be read.
    #[error(
        "数据库的版本是 {found}，需要 {known}；请先用 hotline run 启动一次以升级 / the database has schema {found}, \
         {known} is needed: start the switch once to bring it up to date"
    )]
    Older {
        /// Its version.
        found: i64,
        /// The needed one.
        known: i64,
    },
    /// A step failed; the database is as it was before that step.
    #[error("数据库升级到 {version} 失败: {source} / the step to schema {version} failed")]
    Step {
        /// The step.
        version: i64,
        /// SQLite's words.
        source: sqlx::Error,
    },
    /// The version cannot be read.
    #[error("数据库版本读不出: {0} / the schema's version cannot be read")]
    Unreadable(#[source] sqlx::Error),
}

/// Brings the schema up to date.
pub(crate) async fn migrate(pool: &SqlitePool) -> Result<(), SchemaError> {
    let mut connection = pool.acquire().await.map_err(SchemaError::Unreadable)?;
    migrate_to(&mut connection, known()).await
}

/// Refuses a schema that this program's questions do not fit.
pub(crate) async fn check_readable(pool: &SqlitePool) -> Result<(), SchemaError> {
    let mut connection = pool.acquire().await.map_err(SchemaError::Unreadable)?;
    let (found, known) = (version(&mut connection).await?, known());
    match found.cmp(&known) {
        std::cmp::Ordering::Less => Err(SchemaError::Older { found, known }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(SchemaError::Newer { found, known }),
    }
}

async fn migrate_to(connection: &mut SqliteConnection, target: i64) -> Result<(), SchemaError> {
    let found = version(connection).await?;
    if found > target {
        return Err(SchemaError::Newer { found, known: target });
    }
    for (migration, version) in MIGRATIONS.iter().zip(1..=target).filter(|(_, version)| *version > found) {
        step(connection, migration, version).await.map_err(|source| SchemaError::Step { version, source })?;
        tracing::info!(version, name = migration.name, "数据库已升级 / schema step applied");
    }
    Ok(())
}

async fn step(connection: &mut SqliteConnection, migration: &Migration, version: i64) -> sqlx::Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql(migration.sql).execute(&mut *transaction).await?;
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL)",
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query("INSERT INTO schema_version (version, name) VALUES (?, ?)")
        .bind(version)
        .bind(migration.name)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// The version of the database; 0 of an empty one.
async fn version(connection: &mut SqliteConnection) -> Result<i64, SchemaError> {
    let table = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'";
    let tables: i64 =
        sqlx::query_scalar(table).fetch_one(&mut *connection).await.map_err(SchemaError::Unreadable)?;
    if tables == 0 {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM schema_version")
        .fetch_one(connection)
        .await
        .map_err(SchemaError::Unreadable)
}

fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
