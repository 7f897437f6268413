//! The decision log: a line of JSON for every check, or for a sample of them, in a file.
//!
//! A thread of its own writes it. What is decided goes to it through a bounded queue, and no check waits for it: where the thread
//! or the disk cannot follow, decisions are left out, counted, and told in the log itself by a line with `dropped`. It is no
//! record to rely on for what has to be complete: that is the access record of cooperations, and the log of changes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant as Stopwatch};

use axum::http::HeaderValue;
use serde::Serialize;
use tracing::{error, info};

use crate::engine::{CheckRequest, Witnessed};
use crate::model::limits::DECISIONS_WAITING_MAX;
use crate::model::{Instant, ModelId, Revision, StoreId};
use crate::server::error::ApiError;
use crate::server::wire;
use crate::store::Snapshot;

/// Who may read the file: its owner, and the owner's group. It says who may do what.
const FILE_MODE: u32 = 0o640;
/// How long the thread waits for a decision before it looks whether it is to do something else.
const LOOKS_EVERY: Duration = Duration::from_millis(100);
/// So much is written at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;
/// How often a failure is told in the server's own log.
const COMPLAINS_EVERY: Duration = Duration::from_secs(60);
/// The step by which the sample goes through all numbers, 2⁶⁴ by the golden ratio: what is taken is spread evenly.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Where decisions are logged. What is cloned is the same log.
#[derive(Debug, Clone)]
pub struct DecisionLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: SyncSender<Decision>,
    /// A decision is logged if its number, among numbers spread evenly, is at most this.
    sample: u64,
    number: AtomicU64,
    state: Arc<State>,
    /// Taken by the one who waits for its end.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread shares with the others.
#[derive(Debug, Default)]
struct State {
    written: AtomicU64,
    dropped: AtomicU64,
    reopen: AtomicBool,
    stop: AtomicBool,
}

impl PartialEq for DecisionLog {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for DecisionLog {}

/// A decision as it is handed over: in few pieces, since it is made while somebody waits.
#[derive(Debug)]
pub(super) struct Decision {
    at: Instant,
    request_id: Option<HeaderValue>,
    store: StoreId,
    model: ModelId,
    revision: Revision,
    /// Subject, relation and object, with 0x00 between them, which none of them contains.
    asked: String,
    contextual_tuples: usize,
    outcome: Result<bool, &'static str>,
    cached: bool,
    reads: u64,
    took: Duration,
}

impl Decision {
    pub(super) fn new<S: Snapshot>(
        check: &Witnessed<'_, S>,
        took: Duration,
        request_id: Option<HeaderValue>,
    ) -> Self {
        let CheckRequest { object, relation, subject } = check.check;
        let outcome = match check.outcome {
            Ok(answer) => Ok(answer.allowed),
            Err(error) => Err(ApiError::from(error.clone()).code.name()),
        };
        Self {
            at: check.at,
            request_id,
            store: check.store,
            model: check.model(),
            revision: check.revision(),
            asked: format!("{subject}\0{relation}\0{object}"),
            contextual_tuples: check.contextual_tuples.len(),
            outcome,
            cached: check.counts.is_kept(),
            reads: check.counts.made(),
            took,
        }
    }
}

/// A line of the log.
#[derive(Serialize)]
struct Line<'a> {
    at: String,
    request_id: Option<&'a str>,
    store: String,
    model: String,
    revision: u64,
    subject: &'a str,
    relation: &'a str,
    object: &'a str,
    /// How many tuples were given with the question.
    contextual_tuples: usize,
    /// `null` where there is no decision.
    allowed: Option<bool>,
    /// Why there is none: the code that the client was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    cached: bool,
    reads: u64,
    duration_us: u128,
}

/// A line that says how many are missing.
#[derive(Serialize)]
struct Missing {
    dropped: u64,
}

impl DecisionLog {
    /// Logs a part of the decisions, from 0 (none) to 1 (all), to the end of a file, which is made if it does not exist.
    ///
    /// Errors: where the file cannot be opened, or no thread can be started.
    pub fn open(path: &Path, sample: f64) -> io::Result<Self> {
        let file = open(path)?;
        let (queue, waiting) = sync_channel(DECISIONS_WAITING_MAX);
        let state = Arc::<State>::default();
        let writer = Writer {
            path: path.to_owned(),
            file,
            state: Arc::clone(&state),
            chunk: Vec::with_capacity(CHUNK_BYTES),
            lines: 0,
            torn: false,
            told: 0,
            telling: 0,
            complained: None,
        };
        let thread = thread::Builder::new().name("tenure-decisions".into()).spawn(|| writer.run(waiting))?;
        // Beyond the largest number it is the largest number.
        let sample = (sample * u64::MAX as f64) as u64;
        let (number, thread) = (AtomicU64::new(0), Mutex::new(Some(thread)));
        Ok(Self(Arc::new(Shared { queue, sample, number, state, thread })))
    }

    /// Whether the next decision is one of the sample.
    pub(super) fn wants_one(&self) -> bool {
        let Shared { sample, number, .. } = &*self.0;
        *sample == u64::MAX || number.fetch_add(STEP, Ordering::Relaxed) < *sample
    }

    /// Hands over a decision, or leaves it out and counts it.
    pub(super) fn take(&self, decision: Decision) {
        if self.0.queue.try_send(decision).is_err() {
            self.0.state.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines written so far, and decisions that should have been logged and were not.
    pub(in crate::server) fn counts(&self) -> (u64, u64) {
        let State { written, dropped, .. } = &*self.0.state;
        (written.load(Ordering::Relaxed), dropped.load(Ordering::Relaxed))
    }

    /// Has the file opened anew by its name, soon: after somebody moved it away.
    pub fn reopen(&self) {
        self.0.state.reopen.store(true, Ordering::Release);
    }

    /// Ends the log once everything that was handed over is written.
    pub fn close(&self) {
        self.0.state.stop.store(true, Ordering::Release);
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            drop(thread.join());
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(path)
}

/// The state of the thread.
struct Writer {
    path: PathBuf,
    file: File,
    state: Arc<State>,
    /// Whole lines that are not written yet.
    chunk: Vec<u8>,
    lines: u64,
    /// Whether the file ends within a line.
    torn: bool,
    /// Of the dropped ones those that the log tells of, and those that it will once the chunk is written.
    told: u64,
    telling: u64,
    complained: Option<Stopwatch>,
}

impl Writer {
    fn run(mut self, waiting: Receiver<Decision>) {
        loop {
            // Asked before the queue is: what was handed over before that is written.
            let last = self.state.stop.load(Ordering::Acquire);
            match waiting.recv_timeout(if last { Duration::ZERO } else { LOOKS_EVERY }) {
                Ok(decision) => {
                    self.add(&decision);
                    while self.chunk.len() < CHUNK_BYTES
                        && let Ok(decision) = waiting.try_recv()
                    {
                        self.add(&decision);
                    }
                }
                Err(RecvTimeoutError::Timeout) if !last => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
            self.tell_dropped();
            self.write();
            if self.state.reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
        }
        self.tell_dropped();
        self.write();
    }

    fn add(&mut self, decision: &Decision) {
        let mut parts = decision.asked.split('\0');
        let mut part = || parts.next().unwrap_or_default();
        let line = Line {
            at: wire::instant(decision.at),
            request_id: decision.request_id.as_ref().and_then(|id| id.to_str().ok()),
            store: decision.store.to_string(),
            model: decision.model.to_string(),
            revision: decision.revision.0,
            subject: part(),
            relation: part(),
            object: part(),
            contextual_tuples: decision.contextual_tuples,
            allowed: decision.outcome.ok(),
            error: decision.outcome.err(),
            cached: decision.cached,
            reads: decision.reads,
            duration_us: decision.took.as_micros(),
        };
        self.line(&line);
        self.lines += 1;
    }

    fn line(&mut self, line: &impl Serialize) {
        // Into memory it does not fail.
        if serde_json::to_writer(&mut self.chunk, line).is_ok() {
            self.chunk.push(b'\n');
        }
    }

    /// Says in the log how many decisions are missing in it.
    fn tell_dropped(&mut self) {
        let dropped = self.state.dropped.load(Ordering::Relaxed);
        if dropped > self.told {
            self.line(&Missing { dropped: dropped - self.told });
            self.telling = dropped;
        }
    }

    /// Writes what there is. What cannot be written is lost and counted.
    fn write(&mut self) {
        if self.chunk.is_empty() {
            return;
        }
        let begin: &[u8] = if self.torn { b"\n" } else { b"" };
        let outcome = self.file.write_all(begin).and_then(|()| self.file.write_all(&self.chunk));
        match outcome {
            Ok(()) => {
                (self.torn, self.told) = (false, self.telling);
                self.state.written.fetch_add(self.lines, Ordering::Relaxed);
            }
            Err(reason) => {
                (self.torn, self.telling) = (true, self.told);
                self.state.dropped.fetch_add(self.lines, Ordering::Relaxed);
                self.complain("decisions cannot be logged and are left out", &reason);
            }
        }
        self.chunk.clear();
        self.lines = 0;
    }

    fn reopen(&mut self) {
        match open(&self.path) {
            Ok(file) => {
                (self.file, self.torn) = (file, false);
                info!(path = %self.path.display(), "the decision log was opened anew");
            }
            Err(reason) => {
                self.complain("the decision log cannot be opened anew and goes on in the old file", &reason)
            }
        }
    }

    fn complain(&mut self, what: &str, reason: &io::Error) {
        if self.complained.is_none_or(|before| before.elapsed() >= COMPLAINS_EVERY) {
            self.complained = Some(Stopwatch::now());
            error!(path = %self.path.display(), %reason, "{what}");
        }
    }
}
