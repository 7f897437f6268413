//! The workload *hierarchy*: rows of folders within each other, and documents in the innermost ones. Each row is seen
//! by one user through its outermost folder.

use super::random::{Draw, Random};
use super::{Question, Tuple, Workload, object, question, tuple, user};
use crate::model::{Object, Subject};

/// The model, in the DSL.
pub(super) const MODEL: &str = "model
  schema 1.1

type user

type folder
  relations
    define parent: [folder]
    define viewer: [user] or viewer from parent

type document
  relations
    define parent: [folder]
    define viewer: [user] or viewer from parent
";

/// Folders in a row.
const DEPTH: u32 = 20;
const ROWS: u32 = 500;
const DOCUMENTS: u32 = 100_000;
const DOCUMENTS_PER_ROW: u32 = DOCUMENTS / ROWS;

/// The workload, drawn from a seed.
#[derive(Debug, Clone)]
pub struct Hierarchy {
    rows: u32,
    /// The row of each document.
    documents: Vec<u32>,
}

/// 500 rows of 20 folders within each other and 100,000 documents in the innermost ones.
pub fn hierarchy(seed: u64) -> Workload {
    let whole = Hierarchy::new(ROWS, DOCUMENTS, seed);
    let number = DOCUMENTS / 2;
    let questions = vec![
        ("folders, depth 20", whole.ask(number, 0, true)),
        ("folders, depth 20, denied", whole.ask(number, 1, false)),
    ];
    Workload { model: MODEL, tuples: whole.tuples().collect(), questions }
}

impl Hierarchy {
    fn new(rows: u32, documents: u32, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self { rows, documents: (0..documents).map(|_| random.below(rows)).collect() }
    }

    /// As many rows as come to about so many tuples, each with as many documents as in the one that is measured.
    pub fn about(tuples: u64, seed: u64) -> Self {
        let rows = u32::try_from(tuples / u64::from(DEPTH + DOCUMENTS_PER_ROW)).unwrap_or(u32::MAX);
        let rows = rows.clamp(2, u32::MAX / DOCUMENTS_PER_ROW);
        Self::new(rows, rows * DOCUMENTS_PER_ROW, seed)
    }

    /// The tuples, no key twice.
    pub fn tuples(&self) -> impl Iterator<Item = Tuple> {
        let rows = (0..self.rows).flat_map(|row| {
            let within = (1..DEPTH).map(move |depth| {
                tuple(folder(row, depth), "parent", Subject::Object(folder(row, depth - 1)))
            });
            [tuple(folder(row, 0), "viewer", viewer(row))].into_iter().chain(within)
        });
        let documents = (0..)
            .zip(&self.documents)
            .map(|(number, row)| tuple(document(number), "parent", Subject::Object(folder(*row, DEPTH - 1))));
        rows.chain(documents)
    }

    /// A question with this answer.
    pub fn question(&self, allowed: bool, draw: &mut Draw) -> Question {
        let number = draw.below(u32::try_from(self.documents.len()).unwrap_or(u32::MAX));
        let offset = if allowed { 0 } else { 1 + draw.below(self.rows - 1) };
        self.ask(number, offset, allowed)
    }

    /// The viewer of the row that lies so many behind the document's asks for it.
    fn ask(&self, number: u32, offset: u32, allowed: bool) -> Question {
        let row = self.documents.get(number as usize).copied().unwrap_or(0);
        question(document(number), "viewer", viewer((row + offset) % self.rows), allowed)
    }
}

/// A tuple of no question.
pub(super) fn unrelated(id: &str) -> Tuple {
    tuple(object("document", id.to_owned()), "viewer", viewer(0))
}

fn folder(row: u32, depth: u32) -> Object {
    object("folder", format!("{row}-{depth}"))
}

fn document(number: u32) -> Object {
    object("document", number.to_string())
}

fn viewer(row: u32) -> Subject {
    user(&format!("row-{row}"))
}
