//! The access record as it is read: in its order, from a place on, in parts.

use std::ops::ControlFlow;

use super::{AccessEntry, JOURNAL};
use crate::model::limits::ACCESS_ENTRIES_LOOKED_AT_MAX;
use crate::model::{Id, Instant};
use crate::store::{Snapshot, StoreError};

/// How much later than its check an entry can be added to the record: long enough for any check that was not given up.
const ADDED_WITHIN_MICROS: i64 = 15 * 60 * 1_000_000;

/// Which entries to read. What is absent matches everything.
#[derive(Debug, Clone, Default)]
pub struct AccessFilter {
    /// Of this resource, `type:id`.
    pub resource: Option<Box<str>>,
    /// Of this user, by identifier.
    pub user: Option<Box<str>>,
    /// Of this cooperation, by identifier.
    pub cooperation: Option<Box<str>>,
    /// Of this instant or later.
    pub from: Option<Instant>,
    /// Of before this instant.
    pub to: Option<Instant>,
}

/// Part of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessEntries {
    /// The entries, each with its place, in their order.
    pub items: Vec<(Id, AccessEntry)>,
    /// The place to go on from; `None` where nothing is left for now.
    pub next: Option<Id>,
}

impl AccessFilter {
    fn matches(&self, entry: &AccessEntry) -> bool {
        let same = |wanted: &Option<Box<str>>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
        same(&self.resource, &entry.resource)
            && same(&self.user, &entry.user)
            && same(&self.cooperation, &entry.cooperation)
            && self.from.is_none_or(|from| from <= entry.at)
            && self.to.is_none_or(|to| entry.at < to)
    }
}

/// The entries behind `after` that match and that `shows` is true of, at most `limit`. It looks at a bounded number of
/// entries, so that a part may be short of entries though more are behind it.
pub fn read<S: Snapshot, E: From<StoreError>>(
    snapshot: &S,
    filter: &AccessFilter,
    after: Option<Id>,
    limit: usize,
    mut shows: impl FnMut(&AccessEntry) -> Result<bool, E>,
) -> Result<AccessEntries, E> {
    // An entry is added after its check, never before.
    let start = filter.from.map(|from| Id::from_parts(from.unix_millis(), 0));
    let last = filter.to.map(|to| to.saturating_add_micros(ADDED_WITHIN_MICROS));
    let mut found = AccessEntries { items: Vec::new(), next: None };
    let (mut looked_at, mut place, mut failed) = (0_usize, None, None);
    snapshot.journal(JOURNAL, after.max(start), &mut |row| {
        if last.is_some_and(|last| row.at >= last) {
            return ControlFlow::Break(());
        }
        if found.items.len() >= limit || looked_at >= ACCESS_ENTRIES_LOOKED_AT_MAX {
            found.next = place;
            return ControlFlow::Break(());
        }
        looked_at += 1;
        place = Some(row.id);
        let shown = serde_json::from_slice(&row.value)
            .map_err(|error| unreadable(&error).into())
            .and_then(|entry: AccessEntry| Ok((filter.matches(&entry) && shows(&entry)?).then_some(entry)));
        match shown {
            Ok(entry) => found.items.extend(entry.map(|entry| (row.id, entry))),
            Err(error) => failed = Some(error),
        }
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    failed.map_or(Ok(found), Err)
}

fn unreadable(error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt { what: "entry of the access record", reason: error.to_string() }
}
