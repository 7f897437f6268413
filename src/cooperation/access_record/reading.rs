//! The access record as it is read: in its order, from a place on, in parts.

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use super::{AccessEntry, JOURNAL, block};
use crate::model::limits::ACCESS_ENTRIES_LOOKED_AT_MAX;
use crate::model::{Id, Instant};
use crate::store::{JournalEntry, Snapshot, StoreError};

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

/// The place of an entry: later ones have larger places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccessPlace {
    /// Of the journal.
    row: Id,
    /// The number of the entry in its row.
    index: u32,
}

impl fmt::Display for AccessPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.row, self.index)
    }
}

impl FromStr for AccessPlace {
    type Err = ();

    /// Takes exactly what [`Display`](fmt::Display) prints.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (row, index) = text.split_once('-').ok_or(())?;
        let place = Self { row: row.parse()?, index: index.parse().map_err(|_| ())? };
        if place.to_string() == text { Ok(place) } else { Err(()) }
    }
}

/// Part of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessEntries {
    /// The entries, each with its place, in their order.
    pub items: Vec<(AccessPlace, AccessEntry)>,
    /// The place to go on from; `None` where nothing is left for now.
    pub next: Option<AccessPlace>,
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
    after: Option<AccessPlace>,
    limit: usize,
    mut shows: impl FnMut(&AccessEntry) -> Result<bool, E>,
) -> Result<AccessEntries, E> {
    // A row is added after its checks, never before.
    let start = filter.from.map(|from| Id::from_parts(from.unix_millis(), 0));
    // There may be more behind a place in its own row.
    let before = after.map(|place| Id::from_bits(place.row.bits().saturating_sub(1)));
    let last = filter.to.map(|to| to.saturating_add_micros(ADDED_WITHIN_MICROS));
    let mut found = AccessEntries { items: Vec::new(), next: None };
    let (mut looked_at, mut reached, mut failed) = (0_usize, None, None);
    let mut look = |row: JournalEntry| -> Result<ControlFlow<()>, E> {
        let entries = block::entries(&row.value)
            .map_err(|reason| StoreError::Corrupt { what: "entry of the access record", reason })?;
        for (index, entry) in (0..).zip(entries) {
            let place = AccessPlace { row: row.id, index };
            if after.is_some_and(|after| place <= after) {
                continue;
            }
            if found.items.len() >= limit || looked_at >= ACCESS_ENTRIES_LOOKED_AT_MAX {
                found.next = reached;
                return Ok(ControlFlow::Break(()));
            }
            looked_at += 1;
            reached = Some(place);
            if filter.matches(&entry) && shows(&entry)? {
                found.items.push((place, entry));
            }
        }
        Ok(ControlFlow::Continue(()))
    };
    snapshot.journal(JOURNAL, before.max(start), &mut |row| {
        if last.is_some_and(|last| row.at >= last) {
            return ControlFlow::Break(());
        }
        look(row).unwrap_or_else(|error| {
            failed = Some(error);
            ControlFlow::Break(())
        })
    })?;
    failed.map_or(Ok(found), Err)
}
