//! Lists of the server, printed page after page as they come: as a table, or as its answers are.

use std::io::Write;

use super::client::{Answer, Client, ClientError, Page, StoreArgs, each_page};
use super::failure::Failure;
use super::output::{self, Table};

/// How a list is printed.
pub struct Listing<'a, const N: usize> {
    /// The server's answers, as they are, in the place of the table.
    pub json: bool,
    /// A table that nothing was printed of.
    pub table: Table<N>,
    /// What is said where the list is empty.
    pub nothing: &'static str,
    /// The store that is listed, if it is one that is. The API says of one that does not exist that nothing is in it.
    pub store: Option<&'a StoreArgs>,
}

impl<const N: usize> Listing<'_, N> {
    /// Prints all pages that `ask` gets by their tokens, the first by an empty one, each by its `rows`.
    pub fn print<P: Page>(
        self,
        out: &mut impl Write,
        ask: impl FnMut(&str) -> Result<Answer, ClientError>,
        rows: impl Fn(&P) -> Vec<[String; N]>,
    ) -> Result<(), Failure> {
        let Self { json, mut table, nothing, store } = self;
        let mut is_empty = true;
        each_page(ask, |answer, page: P| {
            let rows = rows(&page);
            is_empty &= rows.is_empty();
            if json {
                return Ok(output::raw(out, answer)?);
            }
            Ok::<_, Failure>(table.print(out, &rows)?)
        })?;
        if is_empty && let Some(store) = store {
            must_exist(store)?;
        }
        if is_empty && !json {
            writeln!(out, "{nothing}")?;
        }
        Ok(())
    }
}

/// Fails where the store does not exist. Who may not ask is not told.
fn must_exist(store: &StoreArgs) -> Result<(), ClientError> {
    match Client::new(&store.server).get(&format!("/stores/{}", store.store), &[]) {
        Err(error @ ClientError::Refused { status: 404, .. }) => Err(error),
        _ => Ok(()),
    }
}
