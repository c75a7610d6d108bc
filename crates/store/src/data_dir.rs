//! Owns the data folder: its layout, its format number, and that one switch at most owns it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The newest layout this program knows.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "FORMAT";
const FORMAT_WORD: &str = "hotline-data";

/// A data folder. One made by [`DataDir::own`] keeps other switches out until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: Option<File>,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It is not there.
    #[error("没有数据目录 {} / there is no data folder", .0.display())]
    Missing(PathBuf),
    /// It was written by a newer program.
    #[error(
        "数据目录 {path} 的格式是 {found}，本程序只认到 {known}；请用更新的 hotline 打开 / the data folder has format \
         {found}, this program knows up to {known}: open it with a newer hotline", path = path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest known.
        known: u32,
    },
    /// Its format file is not ours.
    #[error("{} 不是 hotline 的格式文件 / is not a format file of hotline", .0.display())]
    NotOurs(PathBuf),
    /// Another switch runs on it.
    #[error("数据目录 {} 正被另一个 hotline 使用 / another hotline runs on this data folder", .0.display())]
    Owned(PathBuf),
    /// The system refuses.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

impl DataDir {
    /// Takes `path` over for one switch, making it when it is not there. Only owner and group may enter.
    pub fn own(path: &Path) -> Result<DataDir, DataDirError> {
        make(path)?;
        check_format(path)?;
        let lock_path = path.join("lock");
        let failed = |source| DataDirError::Io { path: lock_path.clone(), source };
        let lock =
            OpenOptions::new().create(true).append(true).mode(0o640).open(&lock_path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataDirError::Owned(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        write_format(path)?;
        make(&path.join("events"))?;
        Ok(DataDir { path: path.to_owned(), _lock: Some(lock) })
    }

    /// Looks into `path` without owning it.
    pub fn look(path: &Path) -> Result<DataDir, DataDirError> {
        if !path.join("hotline.db").exists() {
            return Err(DataDirError::Missing(path.to_owned()));
        }
        check_format(path)?;
        Ok(DataDir { path: path.to_owned(), _lock: None })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database's file.
    pub fn database(&self) -> PathBuf {
        self.path.join("hotline.db")
    }

    /// The event journal's folder.
    pub fn events(&self) -> PathBuf {
        self.path.join("events")
    }
}

fn make(path: &Path) -> Result<(), DataDirError> {
    let made = DirBuilder::new().recursive(true).mode(0o750).create(path);
    made.map_err(|source| DataDirError::Io { path: path.to_owned(), source })
}

fn check_format(path: &Path) -> Result<(), DataDirError> {
    let file = path.join(FORMAT_FILE);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(DataDirError::Io { path: file, source }),
    };
    let number = text.trim().strip_prefix(FORMAT_WORD).map(str::trim).and_then(|n| n.parse::<u32>().ok());
    match number {
        None => Err(DataDirError::NotOurs(file)),
        Some(found) if found > FORMAT => {
            Err(DataDirError::Newer { path: path.to_owned(), found, known: FORMAT })
        }
        Some(_) => Ok(()),
    }
}

fn write_format(path: &Path) -> Result<(), DataDirError> {
    let file = path.join(FORMAT_FILE);
    if file.exists() {
        return Ok(());
    }
    // Written aside and renamed: a crash leaves either no format file or a whole one.
    let aside = path.join("FORMAT.new");
    let write = || {
        let mut new = File::create(&aside)?;
        writeln!(new, "{FORMAT_WORD} {FORMAT}")?;
        new.sync_all()?;
        fs::rename(&aside, &file)
    };
    write().map_err(|source| DataDirError::Io { path: file.clone(), source })
}

#[cfg(test)]
mod tests;
