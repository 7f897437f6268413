//! What a consistency check found, for a program and for a reader.

use std::fmt;

use crate::model::StoreId;
use crate::model::limits::DIFFERENCES_LISTED_MAX;

/// What a consistency check found. Printed, it tells what was read and lists the differences.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Stores checked.
    pub stores: u64,
    /// Commits replayed.
    pub commits: u64,
    /// Tuples compared.
    pub tuples: u64,
    /// Models compared.
    pub models: u64,
    /// How many differences there are.
    pub difference_count: u64,
    /// The first of them, [`DIFFERENCES_LISTED_MAX`] at most.
    pub differences: Vec<Difference>,
}

/// A place where a table is not what the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// In which store; all zero where that cannot be told.
    pub store: StoreId,
    /// In which table.
    pub table: &'static str,
    /// Which row.
    pub row: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// It should be there and is not.
    Missing,
    /// It is there and the log does not have it.
    Unlogged,
    /// It is not as the log has it.
    Differs,
    /// It is not behind the one before it.
    OutOfOrder,
    /// It cannot be read.
    Unreadable,
    /// It belongs to no store.
    Stray,
}

impl Report {
    /// Whether there is no difference.
    pub fn is_consistent(&self) -> bool {
        self.difference_count == 0
    }

    pub(super) fn add(&mut self, store: StoreId, table: &'static str, row: String, problem: Problem) {
        self.difference_count += 1;
        if self.differences.len() < DIFFERENCES_LISTED_MAX {
            self.differences.push(Difference { store, table, row, problem });
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stores, commits, tuples, models, difference_count, differences } = self;
        writeln!(f, "stores: {stores}, commits: {commits}, tuples: {tuples}, models: {models}")?;
        writeln!(f, "differences: {difference_count}")?;
        for difference in differences {
            writeln!(f, "  {difference}")?;
        }
        let listed = u64::try_from(differences.len()).unwrap_or(u64::MAX);
        match difference_count.saturating_sub(listed) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, table, row, problem } = self;
        write!(f, "store {store}, {table}: {row}: {problem}")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::Unlogged => "is not in the log",
            Self::Differs => "differs from the log",
            Self::OutOfOrder => "is out of order",
            Self::Unreadable => "cannot be read",
            Self::Stray => "belongs to no store",
        })
    }
}
