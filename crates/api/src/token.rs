//! Owns the token that the server asks for: a file made at the first start, readable by its owner alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;

/// A token: 64 hexadecimal digits. Its text never appears in logs.
#[derive(Clone)]
pub struct Token(String);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Others may read it.
    #[error(
        "令牌文件 {} 可被他人读取，请执行 chmod 600 / the token file can be read by others: chmod 600 it", .0.display()
    )]
    Exposed(PathBuf),
    /// It is not one of ours.
    #[error("{} 不是令牌文件 / is no token file", .0.display())]
    NotOurs(PathBuf),
    /// The system refuses.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The system has no random numbers.
    #[error("系统没有随机数 / the system has no random numbers")]
    Random,
}

const DIGITS: usize = 64;

impl Token {
    /// The token's file in a data folder.
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("api.token")
    }

    /// Reads the token in `path`, or makes one when there is no such file.
    pub fn load_or_make(path: &Path) -> Result<Token, TokenError> {
        match Token::load(path) {
            Err(TokenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Token::make(path)
            }
            other => other,
        }
    }

    /// Reads the token in `path`.
    pub fn load(path: &Path) -> Result<Token, TokenError> {
        let failed = |source| TokenError::Io { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(failed)?;
        if fs::metadata(path).map_err(failed)?.mode() & 0o077 != 0 {
            return Err(TokenError::Exposed(path.to_owned()));
        }
        let text = text.trim();
        if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(TokenError::NotOurs(path.to_owned()));
        }
        Ok(Token(text.to_owned()))
    }

    /// The token's text, for a client's request.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `offered` is this token; the time does not tell how much of it is right.
    pub fn matches(&self, offered: &str) -> bool {
        self.0.as_bytes().ct_eq(offered.as_bytes()).into()
    }

    fn make(path: &Path) -> Result<Token, TokenError> {
        let mut random = [0u8; DIGITS / 2];
        getrandom::fill(&mut random).map_err(|_| TokenError::Random)?;
        let token = Token(random.iter().map(|byte| format!("{byte:02x}")).collect());
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            writeln!(file, "{}", token.0)?;
            file.sync_all()
        };
        match write() {
            Ok(()) => Ok(token),
            Err(source) => Err(TokenError::Io { path: path.to_owned(), source }),
        }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests;
