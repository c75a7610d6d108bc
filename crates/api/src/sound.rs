//! Owns how the sound of a recording is handed out: in pieces, so that a long one takes no memory. Does not own which
//! recordings there are (see `store`).

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use tokio::task::JoinHandle;

/// The WAV file at `path`; `None` when there is none any more.
pub(crate) async fn of_file(path: PathBuf) -> Option<Response> {
    let opened = tokio::task::spawn_blocking(move || {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok::<_, io::Error>((file, length))
    });
    let (file, left) = opened.await.ok()?.ok()?;
    let pieces = Pieces { left, next: (left > 0).then(|| read(file, left)) };
    Some(([(header::CONTENT_TYPE, "audio/wav")], Body::new(pieces)).into_response())
}

/// A file, and a piece of it.
type Piece = io::Result<(File, Vec<u8>)>;

/// What is left of a file.
struct Pieces {
    left: u64,
    next: Option<JoinHandle<Piece>>,
}

fn read(mut file: File, left: u64) -> JoinHandle<Piece> {
    tokio::task::spawn_blocking(move || {
        let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let mut piece = vec![0; length];
        file.read_exact(&mut piece)?;
        Ok((file, piece))
    })
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(next) = self.next.as_mut() else { return Poll::Ready(None) };
        let came = ready!(Pin::new(next).poll(context));
        self.next = None;
        let (file, piece) = came.map_err(io::Error::other).and_then(|piece| piece)?;
        self.left = self.left.saturating_sub(piece.len() as u64);
        if self.left > 0 {
            self.next = Some(read(file, self.left));
        }
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// So much of a file is in memory at a time, in bytes.
const PIECE: usize = 256 << 10;
