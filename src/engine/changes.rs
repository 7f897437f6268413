//! The log of a store as its readers see it: in pages, for whoever asks now and then, and step by step, for whoever
//! watches.
//!
//! Nothing is kept between two calls: a reader comes with its place and goes with a new one, so that none of them can
//! hold anything up, however slow it is.

use std::ops::ControlFlow;

use super::{Changes, ChangesRequest, Engine, EngineError, WatchRequest, Watched};
use crate::model::{Revision, StoreId};
use crate::store::{Database, LogPosition, LoggedChange, Snapshot};

/// Commits scanned in one call at the most, those without a tuple included, so that neither a filter which matches little
/// nor a log of other things can make a request long; it then ends early with the place to go on from.
const COMMITS_SCANNED_MAX: u64 = 10_000;

/// What a scan of the log found.
struct Scan {
    items: Vec<LoggedChange>,
    /// Behind the last change that was looked at.
    position: LogPosition,
    end: End,
}

/// Where a scan ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nothing was left.
    OfLog,
    /// As many were found as were wanted.
    Full,
    /// All the commits were scanned that may be, of which `position` is the last.
    Scanned,
}

impl<D: Database> Engine<D> {
    /// Changes in the order of the log; none where there is no such store.
    pub fn changes(&self, store: StoreId, request: &ChangesRequest) -> Result<Changes, EngineError> {
        let Some(snapshot) = self.database.snapshot(store)? else {
            return Ok(Changes { items: Vec::new(), position: request.after.unwrap_or_default() });
        };
        let start = match (request.after, request.start) {
            (Some(position), _) => position,
            (None, Some(instant)) => LogPosition::behind(snapshot.revision_before(instant)?),
            (None, None) => LogPosition::default(),
        };
        let Scan { items, mut position, end } =
            scan(&snapshot, start, request.object_type.as_deref(), request.limit)?;
        if items.is_empty() && end != End::Scanned {
            // Nothing is new to this reader, who comes again with what there is.
            position = request.after.unwrap_or_default();
        }
        Ok(Changes { items, position })
    }

    /// Where a watch begins: behind `after`, or else behind what there is now.
    ///
    /// Errors: [`EngineError::StoreNotFound`], and [`EngineError::RevisionNotReached`] if `after` lies ahead.
    pub fn watch_start(
        &self,
        store: StoreId,
        after: Option<LogPosition>,
    ) -> Result<LogPosition, EngineError> {
        let newest = self.revision(store)?;
        match after {
            None => Ok(LogPosition::behind(newest)),
            Some(after) if after.revision > newest => {
                Err(EngineError::RevisionNotReached { asked: after.revision, newest })
            }
            Some(after) => Ok(after),
        }
    }

    /// What comes next for whoever watches a store; [`EngineError::StoreNotFound`] once it is deleted.
    pub fn watch(&self, store: StoreId, request: &WatchRequest) -> Result<Watched, EngineError> {
        let snapshot = self.database.snapshot(store)?.ok_or(EngineError::StoreNotFound { store })?;
        let Scan { items, position, end } =
            scan(&snapshot, request.after, request.object_type.as_deref(), request.limit)?;
        Ok(match end {
            // Behind the commits, too, that changed no tuple.
            End::OfLog => Watched {
                items,
                position: position.max(LogPosition::behind(snapshot.revision())),
                caught_up: true,
            },
            End::Full | End::Scanned => Watched { items, position, caught_up: false },
        })
    }
}

/// The changes behind `start`, `limit` at most, of the type where one is given.
fn scan(
    snapshot: &impl Snapshot,
    start: LogPosition,
    object_type: Option<&str>,
    limit: usize,
) -> Result<Scan, EngineError> {
    let last = Revision(start.revision.0.saturating_add(COMMITS_SCANNED_MAX));
    let mut found = Scan { items: Vec::new(), position: start, end: End::OfLog };
    snapshot.changes(start, last, &mut |change| {
        if found.items.len() >= limit {
            found.end = End::Full;
            return ControlFlow::Break(());
        }
        found.position = change.position;
        if object_type.is_none_or(|wanted| *wanted == *change.key.object.type_name) {
            found.items.push(change);
        }
        ControlFlow::Continue(())
    })?;
    if found.end == End::OfLog && last < snapshot.revision() {
        found.end = End::Scanned;
        // Commits without a tuple show nothing to move to.
        found.position = found.position.max(LogPosition::behind(last));
    }
    Ok(found)
}
