//! Owns what is kept on disk of calls: the event journal's files and the rows folded from them. Does not own audio
//! (see `media-net`) or what the rows mean (see `ledger`). No other crate knows SQL.
//!
//! A switch calls [`start`]; the command line, with the switch running or stopped, [`Store::open_read_only`].

mod calls;
mod data_dir;
mod folder;
pub mod journal;
mod messages;
mod recordings;
mod rows;
mod schema;
#[cfg(test)]
mod scratch;
mod snapshots;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqlitePool};

pub use calls::CallFilter;
pub use data_dir::{DataDir, DataDirError};
pub use folder::{Folder, FolderConfig, StartConfig, StartError, Started, Totals, Written, start};
pub use journal::{EventJournal, JournalConfig, JournalError, Recovered};
pub use recordings::{RecordingRow, Standing};
pub use rows::FoldPosition;
pub use schema::SchemaError;
pub use snapshots::{Kind, Snapshot};

/// The database of a data folder: SQLite, many readers, one writer.
#[derive(Clone)]
pub struct Store {
    read: SqlitePool,
    write: Option<SqlitePool>,
    /// Held as long as the switch that owns the folder.
    data: Arc<DataDir>,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] DataDirError),
    /// The schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The database.
    #[error("数据库 {path} 打不开: {source} / cannot open the database", path = path.display())]
    Database {
        /// Its file.
        path: PathBuf,
        /// SQLite's words.
        source: sqlx::Error,
    },
}

/// Why rows cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite's words.
    #[error("数据库出错: {0} / the database failed")]
    Database(#[from] sqlx::Error),
    /// A row's JSON is not what this program writes.
    #[error("数据库中 {what} 的内容无法解读: {source} / the content of {what} cannot be read")]
    Content {
        /// Which row.
        what: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The store was opened for reading.
    #[error("数据库以只读方式打开 / the database was opened for reading only")]
    ReadOnly,
}

/// Pages of the write-ahead log from which its content goes to the main file: 32 MB.
const WAL_PAGES: &str = "8192";

impl Store {
    /// Opens or makes the database of `data_dir` for the one switch that owns the folder, and brings its schema up to
    /// date.
    ///
    /// # Errors
    /// In words, when another switch owns the folder, it is newer than this program, or the disk refuses.
    pub async fn open(data_dir: &Path) -> Result<Store, OpenError> {
        let data = DataDir::own(data_dir)?;
        let path = data.database();
        let failed = |source| OpenError::Database { path: path.clone(), source };
        let options = options(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            // Indexes' pages are written again and again: they reach the main file once for many transactions.
            .pragma("wal_autocheckpoint", WAL_PAGES);
        let write = pool(1).connect_with(options.clone()).await.map_err(failed)?;
        schema::migrate(&write).await?;
        let read = pool(READERS).connect_with(options.read_only(true).create_if_missing(false));
        let read = read.await.map_err(failed)?;
        Ok(Store { read, write: Some(write), data: Arc::new(data) })
    }

    /// Opens the database of `data_dir` for reading, whether a switch runs on it or not.
    ///
    /// # Errors
    /// In words, when there is none, it is newer than this program, or the disk refuses.
    pub async fn open_read_only(data_dir: &Path) -> Result<Store, OpenError> {
        let data = DataDir::look(data_dir)?;
        let path = data.database();
        let failed = |source| OpenError::Database { path: path.clone(), source };
        let read = match pool(1).connect_with(options(&path).read_only(true)).await {
            Ok(read) => read,
            // A folder on a read-only disk cannot take the shared-memory file that WAL needs.
            Err(_) => {
                pool(1).connect_with(options(&path).read_only(true).immutable(true)).await.map_err(failed)?
            }
        };
        schema::check_readable(&read).await?;
        Ok(Store { read, write: None, data: Arc::new(data) })
    }

    /// The folder.
    pub fn data_dir(&self) -> &DataDir {
        &self.data
    }

    /// Closes the database in order: what is committed is in its main file.
    pub async fn close(&self) {
        self.read.close().await;
        if let Some(write) = &self.write {
            write.close().await;
        }
    }

    fn writer(&self) -> Result<&SqlitePool, StoreError> {
        self.write.as_ref().ok_or(StoreError::ReadOnly)
    }
}

/// How many questions are answered at once.
const READERS: u32 = 3;
/// How long a statement waits for the other process's lock.
const BUSY: Duration = Duration::from_secs(5);

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(BUSY).foreign_keys(true)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(0)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false)
        // A full disk makes SQLite roll back by itself; a connection that believes to be in a transaction still could
        // never begin another, and is replaced by a fresh one.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
}
