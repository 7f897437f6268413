//! Sends the requests: N connections, each with one request under way.
//!
//! Closed loop: a connection sends its next request when it has the answer to the one before. Open loop: requests are due
//! at fixed instants, whatever the server does; the next free connection sends the one that has waited longest, and its
//! latency counts from when it was due, so that a server that stands still is not asked less (no coordinated omission).
//!
//! Connections are divided among a few threads, each with a runtime of its own; they share two counters and nothing else.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hdrhistogram::CreationError;
use hyper::Uri;
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use super::connection::{Connection, SendError, Target};
use super::measure::{Measures, Span, Window};
use super::requests::{Dice, Operation, Outcome, Requests};
use crate::cli::interrupt::Interrupt;

/// How often progress is shown and an interruption looked for, where nothing else wakes.
const TICK: Duration = Duration::from_millis(100);
/// A connection that was refused is not tried again at once.
const REFUSED_WAIT: Duration = Duration::from_millis(10);

/// How requests are spread over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Connections.
    pub connections: usize,
    /// Threads that drive them.
    pub threads: usize,
    /// Requests a second in an open loop; `None` for a closed one.
    pub rate: Option<f64>,
    /// How long is not measured yet.
    pub warmup: Duration,
    /// How long is measured; `None` until `requests` are through.
    pub duration: Option<Duration>,
    /// Most requests that are measured.
    pub requests: Option<u64>,
}

/// Why nothing could be measured.
#[derive(Debug, Error)]
pub enum DriveError {
    /// The server could not be reached.
    #[error(transparent)]
    Send(#[from] SendError),
    /// A thread could not be made.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// A thread has ended unexpectedly.
    #[error("a thread of the load tester failed")]
    Lost,
    /// The histograms do not fit.
    #[error("cannot measure: {0}")]
    Histogram(#[from] CreationError),
}

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// What was measured.
    pub measures: Measures,
    /// How long was measured.
    pub measured: Duration,
    /// Whether Ctrl-C has ended it.
    pub interrupted: bool,
    /// Requests of an open loop that were due and have not been sent; they are in no latency.
    pub unsent: u64,
}

/// Where each operation is asked for.
#[derive(Debug, Clone)]
pub struct Paths([(Operation, Uri); 4]);

/// What all threads share.
struct Shared<'a> {
    requests: &'a Requests<'a>,
    paths: &'a Paths,
    target: Arc<Target>,
    pace: Pace,
    begin: OnceLock<Instant>,
    /// All connections are open, or have failed.
    ready: Barrier,
    failed: AtomicBool,
    /// Requests that were measured and are through, for the one who watches.
    done: AtomicU64,
    /// The number of the next request. In a closed loop only those behind the warm-up are numbered.
    next: AtomicU64,
    /// The requests of an open loop that are due.
    due: Semaphore,
    /// The requests of an open loop end before this number.
    end: AtomicU64,
    /// When the last request of an open loop was due.
    closed: OnceLock<Instant>,
    /// Requests of an open loop that were due and are given up.
    unsent: AtomicU64,
}

impl Paths {
    /// The routes of a store; `None` where the address cannot be one.
    pub fn new(prefix: &str, store: &str) -> Option<Self> {
        let path = |operation: Operation| {
            let path = format!("{prefix}/stores/{store}/{}", operation.name()).parse().ok();
            path.map(|path| (operation, path))
        };
        Some(Self([
            path(Operation::Check)?,
            path(Operation::BatchCheck)?,
            path(Operation::ListObjects)?,
            path(Operation::Write)?,
        ]))
    }

    fn of(&self, operation: Operation) -> &Uri {
        let [first, ..] = &self.0;
        let own = self.0.iter().find(|(own, _)| *own == operation);
        &own.unwrap_or(first).1
    }
}

/// Runs to the end, or until it is interrupted. `progress` is told from time to time how much of the run is behind it,
/// and how many requests were measured.
pub fn run(
    requests: &Requests<'_>,
    paths: &Paths,
    target: Target,
    pace: Pace,
    interrupt: &Interrupt,
    mut progress: impl FnMut(Duration, u64),
) -> Result<Run, DriveError> {
    let threads = pace.threads.clamp(1, pace.connections.max(1));
    let shared = Shared {
        requests,
        paths,
        target: Arc::new(target),
        pace,
        begin: OnceLock::new(),
        ready: Barrier::new(threads + 1),
        failed: AtomicBool::new(false),
        done: AtomicU64::new(0),
        next: AtomicU64::new(0),
        due: Semaphore::new(0),
        end: AtomicU64::new(u64::MAX),
        closed: OnceLock::new(),
        unsent: AtomicU64::new(0),
    };
    let shared = &shared;
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for worker in 0..threads {
            let own = (worker..pace.connections).step_by(threads);
            workers.push(scope.spawn(move || drive(shared, own, interrupt)));
        }
        shared.ready.wait();
        let begin = shared.begin();
        let failed = shared.failed.load(Ordering::Relaxed);
        let rate = pace.rate.filter(|_| !failed);
        let pacer = rate.map(|rate| scope.spawn(move || shared.release(rate, interrupt)));
        while workers.iter().any(|worker| !worker.is_finished()) {
            thread::sleep(TICK);
            progress(begin.elapsed(), shared.done.load(Ordering::Relaxed));
        }
        let mut measures = Measures::new()?;
        for worker in workers {
            measures.add(worker.join().map_err(|_| DriveError::Lost)??);
        }
        if let Some(pacer) = pacer {
            pacer.join().map_err(|_| DriveError::Lost)?;
        }
        Ok(shared.finish(measures, interrupt.has_come()))
    })
}

/// Drives some of the connections on this thread.
fn drive(
    shared: &Shared<'_>,
    numbers: impl Iterator<Item = usize>,
    interrupt: &Interrupt,
) -> Result<Measures, DriveError> {
    let opened = open(shared, numbers);
    if opened.is_err() {
        shared.failed.store(true, Ordering::Relaxed);
    }
    // Whoever waits is not left waiting.
    shared.ready.wait();
    let Opened { tasks, runtime, connections, measures } = opened?;
    if shared.failed.load(Ordering::Relaxed) {
        return Ok(measures);
    }
    let measures = Rc::new(RefCell::new(measures));
    // Each is woken for itself.
    let mut loops: FuturesUnordered<_> = connections
        .into_iter()
        .map(|(number, connection)| {
            let looping = Loop {
                shared,
                connection,
                dice: shared.requests.dice(number),
                measures: Rc::clone(&measures),
                window: shared.window(),
            };
            let mut interrupt = interrupt.clone();
            async move {
                tokio::select! {
                biased;
                    () = looping.run() => {}
                    // What is under way is given up.
                    () = interrupt.comes() => {}
                }
            }
        })
        .collect();
    runtime.block_on(tasks.run_until(async { while loops.next().await.is_some() {} }));
    drop(loops);
    Rc::into_inner(measures).map(RefCell::into_inner).ok_or(DriveError::Lost)
}

/// A thread's runtime and its open connections, by their numbers.
struct Opened {
    tasks: LocalSet,
    runtime: Runtime,
    connections: Vec<(usize, Connection)>,
    measures: Measures,
}

/// Makes the connections, so that no request waits for that.
fn open(shared: &Shared<'_>, numbers: impl Iterator<Item = usize>) -> Result<Opened, DriveError> {
    let (measures, tasks) = (Measures::new()?, LocalSet::new());
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut connections = Vec::new();
    for number in numbers {
        let mut connection = Connection::new(Arc::clone(&shared.target));
        runtime.block_on(tasks.run_until(connection.open()))?;
        connections.push((number, connection));
    }
    Ok(Opened { tasks, runtime, connections, measures })
}

/// One connection at work.
struct Loop<'a> {
    shared: &'a Shared<'a>,
    connection: Connection,
    dice: Dice,
    measures: Rc<RefCell<Measures>>,
    window: Window,
}

impl Loop<'_> {
    async fn run(mut self) {
        match self.shared.pace.rate {
            Some(rate) => while self.open_step(rate).await {},
            None => while self.closed_step().await {},
        }
    }

    /// Sends a request; answers whether there is more to do.
    async fn closed_step(&mut self) -> bool {
        let now = Instant::now();
        if self.window.end.is_some_and(|end| now >= end) {
            return false;
        }
        let limit = self.shared.pace.requests.filter(|_| now >= self.window.start);
        if limit.is_some_and(|limit| self.shared.next.fetch_add(1, Ordering::Relaxed) >= limit) {
            return false;
        }
        self.send(now).await;
        true
    }

    /// Waits until a request is due and sends it; answers whether there is more to do.
    async fn open_step(&mut self, rate: f64) -> bool {
        let Ok(due) = self.shared.due.acquire().await else { return false };
        due.forget();
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.shared.end.load(Ordering::Acquire) {
            return false;
        }
        // A server that does not keep up has had its time.
        if self.shared.closed.get().is_some_and(|closed| closed.elapsed() > self.shared.target.timeout) {
            self.shared.unsent.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        self.send(self.shared.begin() + due_after(number, rate)).await;
        true
    }

    async fn send(&mut self, intended: Instant) {
        let request = self.shared.requests.next(&mut self.dice);
        let path = self.shared.paths.of(request.operation);
        let answer = self.connection.post(path, request.body.clone()).await;
        let done = Instant::now();
        let outcome = match &answer {
            Ok(answer) => request.compare(answer),
            Err(error) => Outcome::Failed(error.to_string()),
        };
        self.measures.borrow_mut().record(self.window, request.operation, Span { intended, done }, outcome);
        if intended >= self.window.start {
            self.shared.done.fetch_add(1, Ordering::Relaxed);
        }
        if matches!(answer, Err(SendError::Connect(_))) {
            tokio::time::sleep(REFUSED_WAIT).await;
        }
    }
}

/// When the request of this number is due, from the beginning.
fn due_after(number: u64, rate: f64) -> Duration {
    Duration::try_from_secs_f64(number as f64 / rate).unwrap_or(Duration::MAX)
}

impl Shared<'_> {
    /// When the run begins: when it is first asked for, which is when all are ready.
    fn begin(&self) -> Instant {
        *self.begin.get_or_init(Instant::now)
    }

    fn window(&self) -> Window {
        let start = self.begin() + self.pace.warmup;
        Window { start, end: self.pace.duration.map(|duration| start + duration) }
    }

    /// How many requests an open loop has, as far as that is bounded.
    fn due_in_all(&self, rate: f64) -> u64 {
        let before = |span: Duration| (span.as_secs_f64() * rate).ceil() as u64;
        let warmup = before(self.pace.warmup);
        let by_time = self.pace.duration.map(|duration| before(self.pace.warmup.saturating_add(duration)));
        let by_count = self.pace.requests.map(|requests| warmup.saturating_add(requests));
        by_time.unwrap_or(u64::MAX).min(by_count.unwrap_or(u64::MAX))
    }

    /// Lets the requests of an open loop go when they are due. A thread of its own, since a runtime's timer has a grain of
    /// a millisecond.
    fn release(&self, rate: f64, interrupt: &Interrupt) {
        let begin = self.begin();
        let all = self.due_in_all(rate);
        let mut released = 0;
        while released < all && !interrupt.has_come() {
            let elapsed = begin.elapsed();
            let due = ((elapsed.as_secs_f64() * rate) as u64).saturating_add(1).min(all);
            if due > released {
                self.due.add_permits(usize::try_from(due - released).unwrap_or(1));
                released = due;
            }
            thread::sleep(due_after(released, rate).saturating_sub(begin.elapsed()).min(TICK));
        }
        self.closed.get_or_init(Instant::now);
        self.end.store(released, Ordering::Release);
        // One more for each connection, which finds that there is nothing more.
        self.due.add_permits(self.pace.connections);
    }

    fn finish(&self, measures: Measures, interrupted: bool) -> Run {
        let window = self.window();
        let last = measures.last.unwrap_or(window.start);
        let end = match window.end {
            Some(end) if !interrupted => end,
            Some(end) => end.min(last),
            None => last,
        };
        let taken = self.next.load(Ordering::Relaxed);
        let due = self.pace.rate.map_or(0, |_| self.end.load(Ordering::Relaxed));
        Run {
            measured: end.saturating_duration_since(window.start),
            interrupted,
            unsent: due.saturating_sub(taken) + self.unsent.load(Ordering::Relaxed),
            measures,
        }
    }
}
