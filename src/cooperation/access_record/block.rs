//! Entries of the record as the journal keeps them: many in one row, and what they have in common once.
//!
//! A row is JSON. Its entries name one of its checks by number, and their instants and revisions are told from the row's own,
//! since what is checked is mostly what was checked before.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::AccessEntry;
use crate::model::limits::ACCESS_ENTRIES_PER_ROW_MAX;
use crate::model::{Instant, Revision};

/// What a check was about, what it came to, and why: all of an entry but when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checked {
    pub(super) user: Box<str>,
    pub(super) resource: Box<str>,
    pub(super) role: Box<str>,
    pub(super) allowed: bool,
    pub(super) reason: Box<str>,
    pub(super) cooperation: Box<str>,
}

/// Something that was checked, perhaps again and again, and where it stands in the block that it was last put into.
#[derive(Debug, Clone)]
pub(super) struct Filed {
    pub(super) checked: Arc<Checked>,
    /// Which block, and which of its checks.
    place: Option<(u64, u32)>,
}

impl Filed {
    pub(super) fn new(checked: Checked) -> Self {
        Self { checked: Arc::new(checked), place: None }
    }
}

/// Entries of one store that are to be committed.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Each full but the last.
    blocks: Vec<Block>,
    entries: usize,
}

#[derive(Debug)]
struct Block {
    /// No other one has it, as long as the process lives.
    number: u64,
    checks: Vec<Arc<Checked>>,
    /// Which check, when, and on which revision.
    entries: Vec<(u32, Instant, Revision)>,
}

impl Blocks {
    /// Adds an entry. `number` gives new blocks theirs.
    pub(super) fn add(&mut self, filed: &mut Filed, at: Instant, revision: Revision, number: &mut u64) {
        if self.blocks.last().is_none_or(|block| block.entries.len() >= ACCESS_ENTRIES_PER_ROW_MAX) {
            *number += 1;
            self.blocks.push(Block { number: *number, checks: Vec::new(), entries: Vec::new() });
        }
        let Some(block) = self.blocks.last_mut() else { return };
        let index = match filed.place {
            Some((number, index)) if number == block.number => index,
            _ => {
                let index = u32::try_from(block.checks.len()).unwrap_or(u32::MAX);
                block.checks.push(Arc::clone(&filed.checked));
                filed.place = Some((block.number, index));
                index
            }
        };
        block.entries.push((index, at, revision));
        self.entries += 1;
    }

    /// How many there are.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// The rows.
    pub(super) fn rows(self) -> impl Iterator<Item = serde_json::Result<Box<[u8]>>> {
        self.blocks.into_iter().map(|block| block.row().map(Into::into))
    }
}

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
struct Row<C> {
    at: i64,
    revision: u64,
    checks: Vec<C>,
    entries: Vec<(u32, i64, i64)>,
}

impl Block {
    fn row(mut self) -> serde_json::Result<Vec<u8>> {
        // Those of one thread are in their order already.
        self.entries.sort_by_key(|(_, at, _)| *at);
        let first = self.entries.first();
        let (at, revision) = first.map_or((0, 0), |(_, at, revision)| (at.unix_micros(), revision.0));
        let entries = self.entries.iter().map(|(index, own_at, own_revision)| {
            (
                *index,
                own_at.unix_micros().wrapping_sub(at),
                own_revision.0.wrapping_sub(revision).cast_signed(),
            )
        });
        let checks: Vec<&Checked> = self.checks.iter().map(|checked| &**checked).collect();
        serde_json::to_vec(&Row { at, revision, checks, entries: entries.collect() })
    }
}

/// The entries of a row, in their order.
pub(super) fn entries(row: &[u8]) -> Result<Vec<AccessEntry>, String> {
    let Row { at, revision, checks, entries }: Row<Checked> =
        serde_json::from_slice(row).map_err(|error| error.to_string())?;
    let entry = |(index, own_at, own_revision): (u32, i64, i64)| {
        let Checked { user, resource, role, allowed, reason, cooperation } =
            checks.get(index as usize).cloned().ok_or("an entry of no check")?;
        let at = Instant::from_unix_micros(at.wrapping_add(own_at)).ok_or("an instant out of range")?;
        let revision = Revision(revision.wrapping_add_signed(own_revision));
        Ok(AccessEntry { at, revision, user, resource, role, allowed, reason, cooperation })
    };
    entries.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filed(user: &str) -> Filed {
        Filed::new(Checked {
            user: user.into(),
            resource: "park:p".into(),
            role: "viewer".into(),
            allowed: true,
            reason: "delegation".into(),
            cooperation: "c".into(),
        })
    }

    #[test]
    fn what_is_put_into_blocks_comes_out_of_their_rows_in_the_order_of_time() {
        let at = |micros| Instant::from_unix_micros(1_800_000_000_000_000 + micros).unwrap();
        let (mut ann, mut bob, mut number) = (filed("ann"), filed("bob"), 0);
        let mut blocks = Blocks::default();
        let mut expected = Vec::new();
        let count = i64::try_from(ACCESS_ENTRIES_PER_ROW_MAX).unwrap() + 3;
        for micros in 0..count {
            let filed = if micros % 3 == 0 { &mut ann } else { &mut bob };
            // The first comes last within its row, and an older revision after a newer one.
            let (at, revision) = (at(if micros == 0 { 50 } else { micros }), Revision(u64::from(micros < 9)));
            blocks.add(filed, at, revision, &mut number);
            expected.push((filed.checked.user.clone(), at, revision));
        }
        expected.sort_by_key(|(_, at, _)| *at);
        assert_eq!(blocks.entries(), expected.len());
        let rows: Vec<_> = blocks.rows().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        let read: Vec<_> = rows.iter().flat_map(|row| entries(row).unwrap()).collect();
        let read: Vec<_> = read.into_iter().map(|entry| (entry.user, entry.at, entry.revision)).collect();
        assert_eq!(read, expected);
        let each = rows[0].len() / ACCESS_ENTRIES_PER_ROW_MAX;
        assert!(each <= 16, "{each} bytes for an entry");
    }

    #[test]
    fn a_row_that_is_none_is_an_error() {
        for row in ["", "{}", r#"{"at":0,"revision":0,"checks":[],"entries":[[0,0,0]]}"#] {
            assert!(entries(row.as_bytes()).is_err(), "{row}");
        }
    }
}
