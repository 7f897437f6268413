//! The thread that records checks.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant as Stopwatch};

use hashbrown::HashMap;
use tracing::{error, warn};

use super::super::command::JOURNAL_OF_COMMANDS;
use super::super::pinned::is_cooperation_model;
use super::super::sharing::Sharing;
use super::block::{Blocks, Checked, Filed};
use super::concern::Concern;
use super::queue::{Brief, Put, Queue, Taken};
use super::{JOURNAL, concern};
use crate::engine::{
    CheckObserver, CheckRequest, DecidedCheck, Engine, EngineError, Grounding, Remark, Told,
};
use crate::model::limits::ACCESS_ENTRIES_PER_COMMIT_MAX;
use crate::model::{Instant, ModelId, Revision, StoreId, Subject, TupleKey};
use crate::store::{Batch, Database, JournalAddition, Snapshot};

/// How often entries that are too old are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// Models of which it is known whether they are the one of the cooperations, before all are forgotten.
const MODELS_KNOWN_MAX: usize = 10_000;
/// Stores of which something is known, before all are forgotten.
const STORES_KNOWN_MAX: usize = 64;
/// Findings about checks that are remembered where no remark can be left, before all are forgotten: some 300 bytes each.
const FINDINGS_KNOWN_MAX: usize = 65_536;
/// Fewer remarks than these are not worth a look.
const REMARKED_ENOUGH_MIN: usize = 1024;
/// Stores that are asked for at once.
const STORES_PER_PAGE: usize = 100;

/// What an operator may tune.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessRecordOptions {
    /// How much may be lost in a crash: checks of so long before it. What a longer one saves is synced writes.
    pub delay: Duration,
    /// Entries older than this are forgotten.
    pub retention: Duration,
    /// Records of commands (R47) older than this are forgotten; `None`: none ever.
    pub command_retention: Option<Duration>,
}

impl Default for AccessRecordOptions {
    fn default() -> Self {
        // 18 months.
        let retention = Duration::from_secs(548 * 24 * 3600);
        Self { delay: Duration::from_millis(1_000), retention, command_retention: None }
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

/// The code of the remark that a check concerns no cooperation.
const OF_NO_CONCERN: u64 = 0;

impl<S: Snapshot> CheckObserver<S> for Shared<S> {
    fn wants(&self, check: &CheckRequest) -> bool {
        let of_a_user = matches!(&check.subject, Subject::Object(subject) if *subject.type_name == *"user");
        of_a_user && matches!(&*check.object.type_name, "park" | "portfolio")
    }

    fn has_room(&self) -> bool {
        self.queue.waits_for_nobody()
    }

    fn remarked(&self, code: u64, at: Instant, revision: Revision) -> Told {
        let told = code == OF_NO_CONCERN || self.queue.put_brief(Brief { code, at, revision });
        if told { Told::All } else { Told::Nothing }
    }

    fn checked(&self, check: DecidedCheck<S>) {
        match self.queue.put(check) {
            Put::Taken => {}
            Put::Closed => warn!("a check was not recorded: it was asked after the record was closed"),
            Put::NoRoom { first: true } => {
                error!("checks are not recorded for now: what was asked before cannot be stored");
            }
            // They are counted.
            Put::NoRoom { first: false } => {}
        }
    }

    fn settle(&self) {
        self.queue.settle();
    }
}

impl<D: Database> AccessRecorder<D> {
    /// Begins to record the checks of `engine`. Fails where no thread can be started.
    pub fn start(engine: &Arc<Engine<D>>, options: AccessRecordOptions) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { queue: Queue::new() });
        let recording = Recording::new(Arc::clone(engine), options);
        let own = Arc::clone(&shared);
        engine.observe_checks(Arc::clone(&shared) as _);
        let recording = thread::Builder::new().name("tenure-access".into()).spawn(move || {
            // However it ends, no check waits for it.
            let mut recording = Ends { queue: &own.queue, recording };
            recording.recording.run(&own.queue);
        });
        let thread = recording.inspect_err(|_| engine.observe_no_checks())?;
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

/// Ends a queue when it goes away, and has nobody put anything in any more.
struct Ends<'q, D: Database> {
    queue: &'q Queue<DecidedCheck<D::Snapshot>>,
    recording: Recording<D>,
}

impl<D: Database> Drop for Ends<'_, D> {
    fn drop(&mut self) {
        let checks = self.queue.end();
        self.recording.engine.observe_no_checks();
        if checks > 0 {
            error!(checks, "checks were not recorded: the record ended");
        }
    }
}

/// What was remarked with a decision, and what is recorded when it is made again.
struct Remarked {
    store: StoreId,
    filed: Filed,
    /// The cache holds it too as long as it may be told of again.
    remark: Arc<Remark>,
}

/// What a check that was looked at before came to.
struct Seen {
    model: ModelId,
    allowed: bool,
    found_at: Instant,
    holds_until: Option<Instant>,
    filed: Option<Filed>,
}

/// What is known of a store at a revision.
struct Known {
    revision: Revision,
    sharing: Sharing,
    /// By question.
    seen: HashMap<Box<str>, Seen>,
}

/// What the thread has in its hands.
struct Recording<D: Database> {
    engine: Arc<Engine<D>>,
    options: AccessRecordOptions,
    known: HashMap<StoreId, Known>,
    /// Whether a model is the one of the cooperations.
    models: HashMap<(StoreId, ModelId), bool>,
    /// By code.
    remarked: HashMap<u64, Remarked>,
    last_code: u64,
    /// So many remarks make it worth a look which of them the cache does not hold any more.
    remarked_enough: usize,
    /// What is to be committed, and since when.
    blocks: HashMap<StoreId, Blocks>,
    last_block: u64,
    since: Option<Stopwatch>,
    forgotten: Option<Stopwatch>,
}

impl<D: Database> Recording<D> {
    fn new(engine: Arc<Engine<D>>, options: AccessRecordOptions) -> Self {
        Self {
            engine,
            options,
            known: HashMap::new(),
            models: HashMap::new(),
            remarked: HashMap::new(),
            last_code: OF_NO_CONCERN,
            remarked_enough: REMARKED_ENOUGH_MIN,
            blocks: HashMap::new(),
            last_block: 0,
            since: None,
            forgotten: None,
        }
    }

    fn run(&mut self, queue: &Queue<DecidedCheck<D::Snapshot>>) {
        let mut taken = Taken::default();
        loop {
            if self.forgotten.is_none_or(|last| last.elapsed() >= FORGET_EVERY) {
                self.forgotten = Some(Stopwatch::now());
                self.forget().unwrap_or_else(|error| {
                    warn!(%error, "cannot forget old entries of the records");
                });
            }
            // Of these nobody tells any more, and what was told of them before is in the queue by now.
            let done_with = self.remarks_done_with();
            queue.take(&mut taken, self.since.is_some(), FORGET_EVERY);
            if taken.missed > 0 {
                error!(
                    checks = taken.missed,
                    "checks were not recorded: what was asked before could not be stored"
                );
            }
            self.look_at_all(&mut taken.items);
            for briefs in &mut taken.briefs {
                self.file_all(briefs);
            }
            for code in done_with {
                self.remarked.remove(&code);
            }
            let is_due = self.since.is_some_and(|since| since.elapsed() >= self.options.delay);
            if taken.hurry || taken.closed || is_due {
                self.commit();
            }
            queue.settled(&taken);
            if taken.closed {
                return;
            }
        }
    }

    /// The codes of the remarks that nobody but this holds.
    fn remarks_done_with(&mut self) -> Vec<u64> {
        if self.remarked.len() < self.remarked_enough {
            return Vec::new();
        }
        // With this order: whoever let go of it last did so after everything was told of it.
        let done_with = |(code, remarked): (&u64, &mut Remarked)| {
            Arc::get_mut(&mut remarked.remark).is_some().then_some(*code)
        };
        let codes: Vec<u64> = self.remarked.iter_mut().filter_map(done_with).collect();
        self.remarked_enough = (2 * (self.remarked.len() - codes.len())).max(REMARKED_ENOUGH_MIN);
        codes
    }

    /// Files what was told in short.
    fn file_all(&mut self, briefs: &mut Vec<Brief>) {
        for Brief { code, at, revision } in briefs.drain(..) {
            let Some(Remarked { store, filed, .. }) = self.remarked.get_mut(&code) else {
                error!("a check was not recorded: nothing is known of its remark");
                continue;
            };
            self.blocks.entry(*store).or_default().add(filed, at, revision, &mut self.last_block);
            self.since.get_or_insert_with(Stopwatch::now);
        }
        self.commit_if_many();
    }

    fn look_at_all(&mut self, checks: &mut Vec<DecidedCheck<D::Snapshot>>) {
        // What is known of a revision is forgotten with the next.
        checks.sort_by_key(|check| (check.moment.store(), check.moment.revision()));
        for check in checks.drain(..) {
            // What is wrong with one must not end the record.
            if catch_unwind(AssertUnwindSafe(|| self.look_at(&check))).is_err() {
                error!("a check was not recorded: looking at it ended in a panic");
                self.known.clear();
            }
        }
        let findings: usize = self.known.values().map(|known| known.seen.len()).sum();
        // Where decisions are kept, they are told in short from now on.
        if self.engine.keeps_decisions() || findings > FINDINGS_KNOWN_MAX {
            self.known.values_mut().for_each(|known| known.seen.clear());
        }
        self.commit_if_many();
    }

    /// Notes what is to be recorded of a check.
    fn look_at(&mut self, check: &DecidedCheck<D::Snapshot>) {
        let moment = &check.moment;
        let (store, at, revision) = (moment.store(), moment.at(), moment.revision());
        let Some(mut filed) = self.filed(check) else { return };
        self.blocks.entry(store).or_default().add(&mut filed, at, revision, &mut self.last_block);
        self.since.get_or_insert_with(Stopwatch::now);
    }

    /// What is to be recorded of a check, if anything; leaves a remark with its decision.
    fn filed(&mut self, check: &DecidedCheck<D::Snapshot>) -> Option<Filed> {
        let moment = &check.moment;
        let (store, revision, model) = (moment.store(), moment.revision(), moment.model_id());
        if self.known.len() > STORES_KNOWN_MAX {
            self.known.clear();
        }
        let known = self.known.entry(store).or_insert_with(|| Known::new(&self.engine, store, revision));
        if known.revision != revision {
            *known = Known::new(&self.engine, store, revision);
        }
        if let Some(seen) = known.seen.get(check.question()).filter(|seen| seen.holds(check)) {
            return seen.filed.clone();
        }
        if self.models.len() > MODELS_KNOWN_MAX {
            self.models.clear();
        }
        let of_cooperations =
            *self.models.entry((store, model)).or_insert_with(|| is_cooperation_model(moment.model()));
        let asked = check.asked()?;
        let mut grounding = known.sharing.grounding();
        let concern = if of_cooperations {
            match concern::of(check, &asked, &mut known.sharing, &mut grounding) {
                Ok(concern) => concern,
                Err(error) => {
                    error!(%error, "a check was not recorded");
                    return None;
                }
            }
        } else {
            None
        };
        let filed = concern.and_then(|concern| Some(Filed::new(checked(check, &asked, concern)?)));
        if check.contextual_tuples.is_empty() {
            let seen = Seen {
                model,
                allowed: check.allowed,
                found_at: moment.at(),
                holds_until: grounding.holds_until(),
                filed: filed.clone(),
            };
            known.seen.insert(check.question().into(), seen);
            self.remark(check, &asked, filed.as_ref(), grounding);
        }
        filed
    }

    /// Leaves a remark with a decision, so that it is told in short from now on.
    fn remark(
        &mut self,
        check: &DecidedCheck<D::Snapshot>,
        asked: &TupleKey,
        filed: Option<&Filed>,
        grounding: Grounding,
    ) {
        let asked = asked.as_ref();
        let Some(filed) = filed else {
            self.engine.remark(check, asked, OF_NO_CONCERN, grounding, 0);
            return;
        };
        self.last_code += 1;
        let code = self.last_code;
        // Twice, as a table has room to spare.
        let bytes = 2 * size_of::<(u64, Remarked)>() + size_of::<Checked>() + 4 * check.question().len();
        if let Some(remark) = self.engine.remark(check, asked, code, grounding, bytes) {
            let store = check.moment.store();
            self.remarked.insert(code, Remarked { store, filed: filed.clone(), remark });
        }
    }

    fn commit_if_many(&mut self) {
        if self.blocks.values().map(Blocks::entries).sum::<usize>() >= ACCESS_ENTRIES_PER_COMMIT_MAX {
            self.commit();
        }
    }

    /// Commits what was noted.
    fn commit(&mut self) {
        for (store, blocks) in self.blocks.drain() {
            let entries = blocks.entries();
            let rows: Result<Vec<_>, _> = blocks.rows().collect();
            let rows = match rows {
                Ok(rows) => rows,
                Err(error) => {
                    error!(%error, entries, "checks were not recorded");
                    continue;
                }
            };
            let addition = |value| JournalAddition { journal: JOURNAL.into(), value };
            let journals = rows.into_iter().map(addition).collect();
            match self.engine.commit(store, Batch { journals, ..Batch::default() }) {
                Ok(_) => {}
                // Its record went with it.
                Err(EngineError::StoreNotFound { .. }) => drop(self.known.remove(&store)),
                Err(error) => error!(%error, entries, "checks were not recorded"),
            }
        }
        self.since = None;
    }

    /// Forgets the entries that are too old.
    fn forget(&self) -> Result<(), EngineError> {
        let now = self.engine.now();
        let before = |retention: Duration| {
            let micros = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
            now.saturating_add_micros(micros.saturating_neg())
        };
        let of_commands = self.options.command_retention.map(|kept| (JOURNAL_OF_COMMANDS, before(kept)));
        let journals: Vec<_> =
            [Some((JOURNAL, before(self.options.retention))), of_commands].into_iter().flatten().collect();
        let mut after = None;
        loop {
            let page = self.engine.stores(None, after, STORES_PER_PAGE)?;
            for store in &page.items {
                self.forget_of(store.id, &journals)?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Forgets what was added to journals of a store before an instant each.
    fn forget_of(&self, store: StoreId, journals: &[(&str, Instant)]) -> Result<(), EngineError> {
        let Some(snapshot) = self.engine.database().snapshot(store)? else { return Ok(()) };
        let mut forget = Vec::new();
        for (journal, before) in journals {
            snapshot.journal(journal, None, &mut |entry| {
                if entry.at < *before {
                    forget.push(((*journal).into(), *before));
                }
                ControlFlow::Break(())
            })?;
        }
        if !forget.is_empty() {
            self.engine.commit(store, Batch { forget, ..Batch::default() })?;
        }
        Ok(())
    }
}

impl Known {
    fn new<D: Database>(engine: &Engine<D>, store: StoreId, revision: Revision) -> Self {
        Self { revision, sharing: Sharing::new(engine.grounding(store)), seen: HashMap::new() }
    }
}

impl Seen {
    /// Whether it holds for another check of the same question on the same revision.
    fn holds<S: Snapshot>(&self, check: &DecidedCheck<S>) -> bool {
        let at = check.moment.at();
        self.model == check.moment.model_id()
            && self.allowed == check.allowed
            && check.contextual_tuples.is_empty()
            && self.found_at <= at
            && self.holds_until.is_none_or(|end| at < end)
    }
}

/// All of an entry but when.
fn checked<S: Snapshot>(check: &DecidedCheck<S>, asked: &TupleKey, concern: Concern) -> Option<Checked> {
    let Subject::Object(user) = &asked.subject else { return None };
    Some(Checked {
        user: user.id.clone(),
        resource: asked.object.to_string().into(),
        role: asked.relation.clone(),
        allowed: check.allowed,
        reason: concern.reason.into(),
        cooperation: concern.cooperation,
    })
}
