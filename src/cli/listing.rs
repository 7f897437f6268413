//! Lists of the server, printed page after page as they come: as a table, or as its answers are.

use std::io::Write;

use super::client::{Answer, ClientError, Page, each_page};
use super::failure::Failure;
use super::output::{self, Table};

/// How a list is printed.
pub struct Listing<const N: usize> {
    /// The server's answers, as they are, in the place of the table.
    pub json: bool,
    /// A table that nothing was printed of.
    pub table: Table<N>,
    /// What is said where the list is empty.
    pub nothing: &'static str,
}

impl<const N: usize> Listing<N> {
    /// Prints all pages that `ask` gets by their tokens, the first by an empty one, each by its `rows`.
    pub fn print<P: Page>(
        self,
        out: &mut impl Write,
        ask: impl FnMut(&str) -> Result<Answer, ClientError>,
        rows: impl Fn(&P) -> Vec<[String; N]>,
    ) -> Result<(), Failure> {
        let Self { json, mut table, nothing } = self;
        each_page(ask, |answer, page: P| {
            if json {
                return Ok(output::raw(out, answer)?);
            }
            Ok::<_, Failure>(table.print(out, &rows(&page))?)
        })?;
        if !json && table.is_empty() {
            writeln!(out, "{nothing}")?;
        }
        Ok(())
    }
}
