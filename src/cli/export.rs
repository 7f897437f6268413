//! `tenure export`: all tuples of a store, as `tenure import` takes them.

use std::collections::BTreeSet;
use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Client, Page, TransferArgs, each_page};
use super::failure::Failure;
use super::progress;
use crate::model::limits::PAGE_SIZE_MAX;

/// Print all tuples of a store, with their lifetimes and conditions
///
/// Those that are paused or have expired, too. They are read page by page, so that a store of any size can be exported. A
/// server tells of each page of which revision it is; where they are of several, the tuples are not those of one moment, and
/// this is said on the standard error. Servers that know no revisions cannot tell.
///
/// Exit code: 0 done, 1 the store was changed meanwhile, 2 not done.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure export > tuples.ndjson
  tenure export --format csv > tuples.csv
  tenure export | gzip > tuples.ndjson.gz")]
pub struct ExportArgs {
    /// How to print them
    #[arg(long, value_name = "FORMAT", default_value = "ndjson")]
    format: ExportFormat,
    #[command(flatten)]
    from: TransferArgs,
}

/// How tuples are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// One tuple as JSON a line
    Ndjson,
    /// Comma-separated, with a header line
    Csv,
}

#[derive(Deserialize)]
struct TuplePage {
    tuples: Vec<StoredTuple>,
    continuation_token: String,
}

#[derive(Deserialize)]
struct StoredTuple {
    key: ExportedTuple,
}

/// A tuple as it is stored, and as it is printed: what it does not have is left out.
#[derive(Debug, Deserialize, Serialize)]
struct ExportedTuple {
    user: String,
    relation: String,
    object: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<ExportedCondition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    paused: bool,
}

#[derive(Debug, Deserialize, Serialize)]
struct ExportedCondition {
    name: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    context: Value,
}

impl Page for TuplePage {
    fn continuation_token(&self) -> &str {
        &self.continuation_token
    }
}

/// Prints tuples in a format.
enum Printer<W: Write> {
    Ndjson(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Printer<W> {
    fn new(format: ExportFormat, out: W) -> io::Result<Self> {
        if format == ExportFormat::Ndjson {
            return Ok(Self::Ndjson(out));
        }
        let mut rows = csv::Writer::from_writer(out);
        rows.write_record([
            "user",
            "relation",
            "object",
            "condition_name",
            "condition_context",
            "expires_at",
            "paused",
        ])?;
        Ok(Self::Csv(Box::new(rows)))
    }

    fn print(&mut self, tuple: &ExportedTuple) -> io::Result<()> {
        match self {
            Self::Ndjson(out) => {
                serde_json::to_writer(&mut *out, tuple)?;
                out.write_all(b"\n")
            }
            Self::Csv(rows) => {
                let condition = tuple.condition.as_ref();
                let context =
                    condition.map(|condition| &condition.context).filter(|context| !context.is_null());
                let context = context.map_or_else(String::new, Value::to_string);
                Ok(rows.write_record([
                    tuple.user.as_str(),
                    &tuple.relation,
                    &tuple.object,
                    condition.map_or("", |condition| &condition.name),
                    &context,
                    tuple.expires_at.as_deref().unwrap_or(""),
                    if tuple.paused { "true" } else { "" },
                ])?)
            }
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Ndjson(mut out) => out.flush(),
            Self::Csv(mut rows) => rows.flush(),
        }
    }
}

impl ExportArgs {
    /// Runs the command. Answers whether nothing says that the store was changed meanwhile.
    pub fn run(&self, out: &mut impl Write) -> Result<bool, Failure> {
        let client = Client::connecting(&self.from.connection);
        let path = format!("/stores/{}/read", self.from.store);
        // A read is the one question that is answered for a store that does not exist: with nothing.
        client.get(&format!("/stores/{}", self.from.store), &[])?;
        let bar = progress::bar("exporting", None);
        let mut printer = Printer::new(self.format, out)?;
        let mut revisions = BTreeSet::new();
        let ask = |token: &str| {
            let page = json!({
                "include_inactive": true, "page_size": PAGE_SIZE_MAX, "continuation_token": token,
            });
            client.post(&path, &page)
        };
        each_page(ask, |answer, page: TuplePage| {
            revisions.insert(answer.revision);
            bar.inc(page.tuples.len() as u64);
            Ok::<_, Failure>(page.tuples.iter().try_for_each(|tuple| printer.print(&tuple.key))?)
        })?;
        printer.finish()?;
        bar.finish_and_clear();
        Ok(is_of_one_moment(&revisions))
    }
}

/// Says so where the pages are not of one moment, or nobody knows.
fn is_of_one_moment(revisions: &BTreeSet<Option<u64>>) -> bool {
    match (revisions.first(), revisions.last()) {
        (Some(Some(first)), Some(Some(last))) if first != last => {
            eprintln!(
                "the store was changed during the export, from revision {first} to {last}: what was written or deleted \
                 meanwhile may be there or not"
            );
            false
        }
        (Some(None), _) => {
            eprintln!("this server does not say whether the store was changed during the export");
            true
        }
        _ => true,
    }
}
