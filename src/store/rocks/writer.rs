//! The writer: the one thread of a database that writes.
//!
//! It takes all commits that wait, up to a bound, and makes them durable in one synced write (group commit). Only then
//! it publishes them, together, and answers. It must never answer before, nor go on after a write that failed: what
//! such a write left on the disk is unknown until the database is opened again, which is `mend`'s part.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant as Stopwatch};

use arc_swap::{ArcSwap, ArcSwapOption};
use rocksdb::{WriteBatch, WriteOptions};

use super::super::error::{CommitError, StoreError};
use super::super::observe::Observers;
use super::super::{Batch, Committed, StoreInfo, keys};
use super::acknowledged::Note;
use super::group::{Decided, Group};
use super::mend::Mend;
use super::records;
use super::statistics::WriterCounts;
use super::storage::{Storage, View};
use crate::model::limits::{COMMITS_PER_GROUP_MAX, GROUP_BYTES_MAX};
use crate::model::{Clock, Id, Instant, MonotonicClock, StoreId};

/// How often the clock's high-water mark is stored while it is asked and nothing is committed.
const CLOCK_STORED_EVERY: Duration = Duration::from_secs(1);

/// What it does with commits.
const COMMITTING: &str = "committing";

/// What comes to the writer.
pub(super) enum Message {
    Request(Request),
    /// Nothing behind it is served.
    Stop,
}

/// What the writer is asked for.
pub(super) enum Request {
    Commit { store: StoreId, batch: Box<Batch>, done: Pending<Committed> },
    Create { name: Box<str>, done: Pending<StoreInfo> },
    Delete { store: StoreId, done: Pending<bool> },
    Credential { id: Id, value: Option<Box<[u8]>>, done: Pending<()> },
}

/// Who waits for an answer. One is given in any case: if the writer is gone, that the database is closed.
pub(super) struct Pending<T>(Option<Done<T>>);

type Done<T> = Box<dyn FnOnce(Result<T, CommitError>) + Send>;

impl<T> Pending<T> {
    pub(super) fn new(done: Done<T>) -> Self {
        Self(Some(done))
    }

    fn complete(mut self, outcome: Result<T, CommitError>) {
        if let Some(done) = self.0.take() {
            done(outcome);
        }
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(StoreError::Closed.into()));
        }
    }
}

/// An outcome that is held back until the group's fate is known: its own, or the failure of the group.
type Answer = Box<dyn FnOnce(Option<&StoreError>)>;

fn answer<T: 'static>(done: Pending<T>, outcome: Result<T, CommitError>) -> Answer {
    Box::new(move |failure| {
        done.complete(match failure {
            None => outcome,
            Some(error) => Err(error.clone().into()),
        });
    })
}

/// Writes rows so that they outlast a crash, or says why it did not. A test's may fail.
pub(super) type WriteRows = Box<dyn FnMut(&Storage, WriteBatch) -> Result<(), String> + Send>;

/// What writes to the disk.
pub(super) fn durably(delay: Duration) -> WriteRows {
    let mut synced = WriteOptions::default();
    synced.set_sync(true);
    Box::new(move |storage, rows| {
        storage.db.write_opt(rows, &synced).map_err(rocksdb::Error::into_string)?;
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        Ok(())
    })
}

/// How a write failed, for as long as none is accepted since.
#[derive(Default)]
pub(super) struct Failed(ArcSwapOption<String>);

impl Failed {
    /// Whether writes are accepted.
    pub(super) fn accepting(&self) -> Result<(), StoreError> {
        match &*self.0.load() {
            None => Ok(()),
            Some(reason) => Err(StoreError::WritesRefused { reason: reason.to_string() }),
        }
    }

    /// No write will be accepted, for this reason.
    pub(super) fn lost(&self, reason: &str) {
        self.0.store(Some(Arc::new(reason.to_owned())));
    }

    /// Has writes accepted again.
    pub(super) fn mended(&self) {
        self.0.store(None);
    }

    fn fail(&self, reason: &str) {
        // The first failure is the one to tell.
        if self.0.load().is_none() {
            self.0.store(Some(Arc::new(reason.to_owned())));
        }
    }
}

/// The state of the writer's thread.
pub(super) struct Writer {
    pub(super) storage: Arc<Storage>,
    pub(super) view: Arc<ArcSwap<View>>,
    pub(super) clock: Arc<MonotonicClock>,
    /// The clock's mark that is stored.
    pub(super) stored_clock: Instant,
    pub(super) write: WriteRows,
    pub(super) note: Note,
    pub(super) failed: Arc<Failed>,
    pub(super) observers: Arc<Observers>,
    pub(super) mend: Mend,
    pub(super) counts: Arc<WriterCounts>,
}

/// Whether the writer goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Stop,
}

impl Writer {
    /// Serves `queue` until it is told to stop.
    pub(super) fn run(mut self, queue: &Receiver<Message>) {
        loop {
            match queue.recv_timeout(CLOCK_STORED_EVERY) {
                Ok(message) => {
                    if self.serve(message, queue) == Next::Stop {
                        break;
                    }
                    let moved = self.clock.high_water().unix_micros() - self.stored_clock.unix_micros();
                    // Commits store it; refusals do not.
                    if u128::try_from(moved).is_ok_and(|moved| moved >= CLOCK_STORED_EVERY.as_micros()) {
                        self.store_clock();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.store_clock();
                    // What it says holds without, until the power fails.
                    drop(self.note.sync_in_time());
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.mend_in_time();
        }
        self.store_clock();
    }

    /// Serves one group: `first` and what waits behind it, up to the bounds of a group.
    fn serve(&mut self, first: Message, queue: &Receiver<Message>) -> Next {
        let view = self.view.load_full();
        let mut group = Group::new(&view);
        let mut answers: Vec<Answer> = Vec::new();
        let mut next = Next::Go;
        let mut message = Some(first);
        while let Some(taken) = message {
            let Message::Request(request) = taken else {
                next = Next::Stop;
                break;
            };
            answers.push(self.take(&mut group, request));
            let full = answers.len() >= COMMITS_PER_GROUP_MAX || group.bytes() >= GROUP_BYTES_MAX;
            message = if full { None } else { queue.try_recv().ok() };
        }
        self.counts.group_commits.observe(answers.len() as u64);
        let failure = self.finish(group).err();
        for answer in answers {
            // A caller's panic must not end the writer.
            drop(catch_unwind(AssertUnwindSafe(|| answer(failure.as_ref()))));
        }
        next
    }

    fn take(&self, group: &mut Group<'_>, request: Request) -> Answer {
        let at = self.clock.now();
        match request {
            Request::Commit { store, batch, done } => {
                let outcome = self.accepting().and_then(|()| group.commit(store, *batch, at));
                answer(done, outcome)
            }
            Request::Create { name, done } => {
                let outcome = self.accepting().and_then(|()| group.create(&name, at));
                answer(done, outcome)
            }
            Request::Delete { store, done } => {
                let outcome = self.accepting().and_then(|()| group.delete(store));
                answer(done, outcome)
            }
            Request::Credential { id, value, done } => {
                let outcome = self.accepting().and_then(|()| group.credential(id, value.as_deref()));
                answer(done, outcome)
            }
        }
    }

    fn accepting(&self) -> Result<(), CommitError> {
        Ok(self.failed.accepting()?)
    }

    /// Makes a group durable, then visible, and tells who observes.
    fn finish(&mut self, group: Group<'_>) -> Result<(), StoreError> {
        let clock = self.clock.high_water();
        let Decided { rows, states, counters, publication } = group.decided(clock)?;
        if rows.is_empty() {
            return Ok(());
        }
        self.write(COMMITTING, rows)?;
        self.stored_clock = clock;
        // What is durable but cannot be shown is a failure too: later commits would be decided on an old view. And it is
        // there, so that nobody may be told that it is not.
        let view = View::new(self.storage.clone(), states, counters);
        let shown = view.and_then(|mut view| {
            self.observers.publish(&publication, |sequence| {
                view.sequence = sequence;
                self.view.store(Arc::new(view));
            })
        });
        shown.map_err(|error| {
            let reason = error.to_string();
            self.fail(&reason);
            StoreError::Unsure { doing: COMMITTING, reason }
        })
    }

    /// Stores the clock's mark if it moved. A failure shows at the next commit.
    fn store_clock(&mut self) {
        let clock = self.clock.high_water();
        if clock <= self.stored_clock || self.failed.accepting().is_err() {
            return;
        }
        let rows = self.storage.tables().and_then(|tables| {
            let mut rows = WriteBatch::default();
            rows.put_cf(&tables.meta, keys::CLOCK, records::encode_clock(clock)?);
            Ok(rows)
        });
        if rows.and_then(|rows| self.write("storing the clock", rows)).is_ok() {
            self.stored_clock = clock;
        }
    }

    /// Writes rows; after a failure nothing is written any more.
    fn write(&mut self, doing: &'static str, rows: WriteBatch) -> Result<(), StoreError> {
        let began = Stopwatch::now();
        let written = (self.write)(&self.storage, rows).and_then(|()| {
            let acknowledged = self.storage.db.latest_sequence_number();
            self.note.put(acknowledged).map_err(|e| format!("cannot note what is durable: {e}"))
        });
        self.counts.group_write_ns.observe(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        written.map_err(|reason| {
            self.fail(&reason);
            StoreError::Unsure { doing, reason }
        })
    }

    fn fail(&mut self, reason: &str) {
        self.failed.fail(reason);
        self.mend.begin();
    }
}
