//! A body of JSON lines that a synchronous computation writes while it goes on.
//!
//! The lines go through a short channel: a slow reader holds the computation up, one that goes away ends it, and so
//! does the deadline, whatever the reader does. Who reads to the end always learns how it ended: a body that was cut
//! off closes with a line that says so.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::{Duration, Instant as Stopwatch};

use axum::body::Bytes;
use hyper::body::{Body, Frame};
use serde::Serialize;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::error::ApiError;
use crate::eval::Wanted;

/// Chunks that wait for the reader at the most.
const CHUNKS_WAITING_MAX: usize = 4;
/// Size from which on a chunk is handed over, in bytes.
const CHUNK_BYTES: usize = 16 * 1024;
/// Longest time that a line waits for others to be handed over with.
const LINE_WAIT_MAX: Duration = Duration::from_millis(5);

/// How long the writer waits for a slow reader before it looks again.
const READER_WAIT: Duration = Duration::from_millis(1);

/// A body and what writes it, which may take `longest` from now on.
pub(super) fn lines(longest: Duration) -> (Writer, Lines) {
    let (chunks, received) = mpsc::channel(CHUNKS_WAITING_MAX);
    let (last, end) = oneshot::channel();
    let now = Stopwatch::now();
    let writer = Writer { chunks, last, buffer: Vec::new(), handed_over: now, deadline: now + longest };
    (writer, Lines { received, end: Some(end) })
}

/// Writes the lines. It blocks while the reader is slow, so it must not be used on the runtime's own threads.
pub(super) struct Writer {
    chunks: mpsc::Sender<Bytes>,
    last: oneshot::Sender<Bytes>,
    buffer: Vec<u8>,
    handed_over: Stopwatch,
    deadline: Stopwatch,
}

impl Writer {
    /// Writes a line. Breaks where nobody reads any more, or the time is over.
    pub(super) fn line(&mut self, line: &impl Serialize) -> ControlFlow<()> {
        push(&mut self.buffer, line);
        if self.buffer.len() >= CHUNK_BYTES { self.hand_over() } else { ControlFlow::Continue(()) }
    }

    /// To be called often: hands over what has waited long enough. Breaks as [`line`](Self::line) does.
    pub(super) fn go_on(&mut self) -> ControlFlow<()> {
        if self.is_late() || self.chunks.is_closed() {
            return ControlFlow::Break(());
        }
        if !self.buffer.is_empty() && self.handed_over.elapsed() >= LINE_WAIT_MAX {
            return self.hand_over();
        }
        ControlFlow::Continue(())
    }

    /// What is wanted until the time is over.
    pub(super) fn wanted(&self) -> Wanted {
        let deadline = self.deadline;
        Wanted::as_long_as(move || Stopwatch::now() < deadline)
    }

    /// Whether the time is over.
    pub(super) fn is_late(&self) -> bool {
        Stopwatch::now() >= self.deadline
    }

    fn hand_over(&mut self) -> ControlFlow<()> {
        let mut chunk = Bytes::from(std::mem::take(&mut self.buffer));
        loop {
            match self.chunks.try_send(chunk) {
                Ok(()) => {
                    self.handed_over = Stopwatch::now();
                    return ControlFlow::Continue(());
                }
                Err(TrySendError::Full(back)) if !self.is_late() => chunk = back,
                Err(_) => return ControlFlow::Break(()),
            }
            thread::sleep(READER_WAIT);
        }
    }

    /// Ends the body, with a last line if there is one. That is kept apart, so that it waits for nobody.
    pub(super) fn end(mut self, last: Option<&impl Serialize>) {
        let flow = if self.buffer.is_empty() { ControlFlow::Continue(()) } else { self.hand_over() };
        let mut line = Vec::new();
        if let Some(last) = last {
            push(&mut line, last);
        }
        if flow.is_continue() || !line.is_empty() {
            drop(self.last.send(line.into()));
        }
    }
}

fn push(buffer: &mut Vec<u8>, line: &impl Serialize) {
    // Nothing that is written here can fail to be JSON.
    if serde_json::to_writer(&mut *buffer, line).is_ok() {
        buffer.push(b'\n');
    }
}

/// The body.
pub(super) struct Lines {
    received: mpsc::Receiver<Bytes>,
    end: Option<oneshot::Receiver<Bytes>>,
}

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(chunk) = ready!(self.received.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        // The writer is gone, and has left its last line before; if not, it did not come to its end.
        let Some(mut end) = self.end.take() else { return Poll::Ready(None) };
        let last = end.try_recv().unwrap_or_else(|_| {
            let mut line = Vec::new();
            push(&mut line, &ErrorLine::new(&ApiError::internal("the list was cut off")));
            line.into()
        });
        Poll::Ready((!last.is_empty()).then(|| Ok(Frame::data(last))))
    }
}

/// A line that says that something failed, as the gateway of OpenFGA writes it.
#[derive(Serialize)]
pub(super) struct ErrorLine<'a> {
    error: Status<'a>,
}

#[derive(Serialize)]
struct Status<'a> {
    /// gRPC's number.
    code: u16,
    message: &'a str,
    details: [(); 0],
}

impl<'a> ErrorLine<'a> {
    pub(super) fn new(error: &'a ApiError) -> Self {
        Self { error: Status { code: error.code.grpc(), message: &error.message, details: [] } }
    }
}
