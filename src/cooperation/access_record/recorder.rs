//! The thread that records checks.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant as Stopwatch};

use tracing::{error, warn};

use super::super::pinned::is_cooperation_model;
use super::super::sharing::Sharing;
use super::queue::{Queue, Taken};
use super::{AccessEntry, JOURNAL, concern};
use crate::engine::{CheckObserver, CheckRequest, DecidedCheck, Engine, EngineError};
use crate::model::limits::{ACCESS_ENTRIES_PER_COMMIT_MAX, CHECKS_UNRECORDED_MAX};
use crate::model::{ModelId, Revision, StoreId, Subject};
use crate::store::{Batch, Database, JournalAddition, Snapshot};
use std::ops::ControlFlow;

/// How often entries that are too old are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// Models of which it is known whether they are the one of the cooperations, before all are forgotten.
const MODELS_KNOWN_MAX: usize = 10_000;
/// Stores of which something is known, before all are forgotten.
const STORES_KNOWN_MAX: usize = 64;
/// Stores that are asked for at once.
const STORES_PER_PAGE: usize = 100;

/// What an operator may tune.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessRecordOptions {
    /// How much may be lost in a crash: checks of so long before it. What a longer one saves is synced writes.
    pub delay: Duration,
    /// Entries older than this are forgotten.
    pub retention: Duration,
}

impl Default for AccessRecordOptions {
    fn default() -> Self {
        // 18 months.
        Self { delay: Duration::from_millis(1_000), retention: Duration::from_secs(548 * 24 * 3600) }
    }
}

/// Records the checks of an engine for as long as it is held; letting go of it records what is left.
pub struct AccessRecorder<D: Database> {
    shared: Arc<Shared<D::Snapshot>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What checks and the thread share.
struct Shared<S: Snapshot> {
    queue: Queue<DecidedCheck<S>>,
}

impl<S: Snapshot> CheckObserver<S> for Shared<S> {
    fn wants(&self, check: &CheckRequest) -> bool {
        let of_a_user = matches!(&check.subject, Subject::Object(subject) if *subject.type_name == *"user");
        of_a_user && matches!(&*check.object.type_name, "park" | "portfolio")
    }

    fn checked(&self, check: DecidedCheck<S>) {
        if !self.queue.put(check) {
            warn!("a check was not recorded: it was asked after the record was closed");
        }
    }

    fn settle(&self) {
        self.queue.settle();
    }
}

impl<D: Database> AccessRecorder<D> {
    /// Begins to record the checks of `engine`. Fails where no thread can be started.
    pub fn start(engine: &Arc<Engine<D>>, options: AccessRecordOptions) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { queue: Queue::new(CHECKS_UNRECORDED_MAX) });
        let observer: Weak<Shared<D::Snapshot>> = Arc::downgrade(&shared);
        let mut recording = Recording::new(Arc::clone(engine), options);
        let queue = Arc::clone(&shared);
        let thread = thread::Builder::new().name("tenure-access".into()).spawn(move || {
            // However it ends, no check waits for it.
            let _ends = Ends(&queue.queue);
            recording.run(&queue.queue);
        })?;
        engine.observe_checks(observer);
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Records what is left, and nothing from then on.
    pub fn stop(&self) {
        self.shared.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            drop(thread.join());
        }
    }
}

impl<D: Database> Drop for AccessRecorder<D> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Ends a queue when it goes away.
struct Ends<'q, T>(&'q Queue<T>);

impl<T> Drop for Ends<'_, T> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What the thread has in its hands.
struct Recording<D: Database> {
    engine: Arc<Engine<D>>,
    options: AccessRecordOptions,
    /// What is known of a store at a revision.
    known: HashMap<StoreId, (Revision, Sharing)>,
    /// Whether a model is the one of the cooperations.
    models: HashMap<(StoreId, ModelId), bool>,
    /// What is to be committed, since when, and for how many checks.
    entries: HashMap<StoreId, Vec<JournalAddition>>,
    count: usize,
    since: Option<Stopwatch>,
    unsettled: u64,
    forgotten: Option<Stopwatch>,
}

impl<D: Database> Recording<D> {
    fn new(engine: Arc<Engine<D>>, options: AccessRecordOptions) -> Self {
        Self {
            engine,
            options,
            known: HashMap::new(),
            models: HashMap::new(),
            entries: HashMap::new(),
            count: 0,
            since: None,
            unsettled: 0,
            forgotten: None,
        }
    }

    fn run(&mut self, queue: &Queue<DecidedCheck<D::Snapshot>>) {
        let mut spare = Vec::new();
        loop {
            if self.forgotten.is_none_or(|last| last.elapsed() >= FORGET_EVERY) {
                self.forgotten = Some(Stopwatch::now());
                self.forget().unwrap_or_else(|error| {
                    warn!(%error, "cannot forget old entries of the access record");
                });
            }
            let Taken { mut items, hurry, closed } = queue.take(spare, self.since.is_some(), FORGET_EVERY);
            self.unsettled += u64::try_from(items.len()).unwrap_or(u64::MAX);
            let is_last = closed && items.is_empty();
            // What is known of a revision is forgotten with the next.
            items.sort_by_key(|check| (check.moment.store(), check.moment.revision()));
            for check in items.drain(..) {
                // What is wrong with one must not end the record.
                if catch_unwind(AssertUnwindSafe(|| self.look_at(&check))).is_err() {
                    error!("a check was not recorded: looking at it ended in a panic");
                    self.known.clear();
                }
                if self.count >= ACCESS_ENTRIES_PER_COMMIT_MAX {
                    self.commit();
                }
            }
            let is_due = self.since.is_some_and(|since| since.elapsed() >= self.options.delay);
            if hurry || closed || is_due {
                self.commit();
            }
            if self.entries.is_empty() {
                queue.dealt_with(std::mem::take(&mut self.unsettled));
            }
            if is_last {
                return;
            }
            spare = items;
        }
    }

    /// Notes what is to be recorded of a check.
    fn look_at(&mut self, check: &DecidedCheck<D::Snapshot>) {
        let moment = &check.moment;
        let model = (moment.store(), moment.model_id());
        if self.models.len() > MODELS_KNOWN_MAX {
            self.models.clear();
        }
        if !*self.models.entry(model).or_insert_with(|| is_cooperation_model(moment.model())) {
            return;
        }
        if self.known.len() > STORES_KNOWN_MAX {
            self.known.clear();
        }
        let known = self.known.entry(moment.store()).or_default();
        if known.0 != moment.revision() {
            *known = (moment.revision(), Sharing::default());
        }
        let Some(asked) = check.asked() else { return };
        let concern = match concern::of(check, &asked, &mut known.1) {
            Ok(None) => return,
            Ok(Some(concern)) => concern,
            Err(error) => {
                error!(%error, "a check was not recorded");
                return;
            }
        };
        let Subject::Object(user) = &asked.subject else { return };
        let entry = AccessEntry {
            at: moment.at(),
            revision: moment.revision(),
            user: user.id.clone(),
            resource: asked.object.to_string().into(),
            role: asked.relation.clone(),
            allowed: check.allowed,
            reason: concern.reason.into(),
            cooperation: concern.cooperation,
        };
        match serde_json::to_vec(&entry) {
            Ok(value) => {
                let addition = JournalAddition { journal: JOURNAL.into(), value: value.into() };
                self.entries.entry(moment.store()).or_default().push(addition);
                self.count += 1;
                self.since.get_or_insert_with(Stopwatch::now);
            }
            Err(error) => error!(%error, "a check was not recorded"),
        }
    }

    /// Commits what was noted.
    fn commit(&mut self) {
        for (store, journals) in self.entries.drain() {
            let entries = journals.len();
            match self.engine.commit(store, Batch { journals, ..Batch::default() }) {
                Ok(_) => {}
                // Its record went with it.
                Err(EngineError::StoreNotFound { .. }) => drop(self.known.remove(&store)),
                Err(error) => error!(%error, entries, "checks were not recorded"),
            }
        }
        self.count = 0;
        self.since = None;
    }

    /// Forgets the entries that are too old.
    fn forget(&self) -> Result<(), EngineError> {
        let micros = i64::try_from(self.options.retention.as_micros()).unwrap_or(i64::MAX);
        let before = self.engine.now().saturating_add_micros(micros.saturating_neg());
        let mut after = None;
        loop {
            let page = self.engine.stores(None, after, STORES_PER_PAGE)?;
            for store in &page.items {
                let Some(snapshot) = self.engine.database().snapshot(store.id)? else { continue };
                let mut has_old = false;
                snapshot.journal(JOURNAL, None, &mut |entry| {
                    has_old = entry.at < before;
                    ControlFlow::Break(())
                })?;
                if has_old {
                    let forget = vec![(JOURNAL.into(), before)];
                    self.engine.commit(store.id, Batch { forget, ..Batch::default() })?;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}
