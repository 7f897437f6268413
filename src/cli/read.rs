//! `tenure read` and `tenure changes`: the tuples of a store, and how they came to be.

use std::io::Write;

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::client::{Client, Page, StoreArgs};
use super::failure::Failure;
use super::listing::Listing;
use super::output::{ShownTuple, Table};
use crate::model::Instant;
use crate::model::limits::PAGE_SIZE_MAX;

/// Read tuples as they are stored
///
/// Without options the whole store. Tuples that are paused or have expired are left out unless asked for.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure read
  tenure read --object park:p1
  tenure read --relation viewer_grant --object park:p1 --include-inactive
  tenure read --subject user:carl --object park:")]
pub struct ReadArgs {
    /// Tuples of exactly this subject; needs --object
    #[arg(long, value_name = "SUBJECT", requires = "object")]
    subject: Option<String>,
    /// Tuples of this relation; needs --object
    #[arg(long, value_name = "RELATION", requires = "object")]
    relation: Option<String>,
    /// Tuples on this object, `type:id`; or, together with --subject, on the objects of a type, `type:`
    #[arg(long, value_name = "OBJECT")]
    object: Option<String>,
    /// Also tuples that are paused or have expired
    #[arg(long)]
    include_inactive: bool,
    #[command(flatten)]
    store: StoreArgs,
}

/// Show every change of the store's tuples, oldest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure changes
  tenure changes --type park --start-time 2027-01-31T12:00:00Z")]
pub struct ChangesArgs {
    /// Changes of tuples on objects of this type
    #[arg(long = "type", value_name = "TYPE")]
    object_type: Option<String>,
    /// Changes from this instant on
    #[arg(long, value_name = "T")]
    start_time: Option<Instant>,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Deserialize)]
struct TuplePage {
    tuples: Vec<StoredTuple>,
    continuation_token: String,
}

#[derive(Deserialize)]
struct StoredTuple {
    key: ShownTuple,
    timestamp: String,
}

#[derive(Deserialize)]
struct ChangePage {
    changes: Vec<Change>,
    continuation_token: String,
}

/// A change, as `tenure watch` shows it too.
#[derive(Deserialize)]
pub struct Change {
    tuple_key: ShownTuple,
    operation: String,
    timestamp: String,
}

impl Page for TuplePage {
    fn continuation_token(&self) -> &str {
        &self.continuation_token
    }
}

impl Page for ChangePage {
    fn continuation_token(&self) -> &str {
        &self.continuation_token
    }
}

impl Change {
    /// An empty table of changes.
    pub fn table() -> Table<6> {
        Table::new(["TIME", "CHANGE", "SUBJECT", "RELATION", "OBJECT", "STATE"])
    }

    /// Its row.
    pub fn row(&self) -> [String; 6] {
        let [subject, relation, object, terms] = self.tuple_key.columns();
        let operation = self.operation.strip_prefix("TUPLE_OPERATION_").unwrap_or(&self.operation);
        [self.timestamp.clone(), operation.to_lowercase(), subject, relation, object, terms]
    }
}

impl ReadArgs {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let client = Client::new(&self.store.server);
        let path = format!("/stores/{}/read", self.store.store);
        let ask = |token: &str| client.post(&path, &self.request(token));
        let row = |tuple: &StoredTuple| {
            let [subject, relation, object, terms] = tuple.key.columns();
            [subject, relation, object, terms, tuple.timestamp.clone()]
        };
        let table = Table::new(["SUBJECT", "RELATION", "OBJECT", "STATE", "WRITTEN"]);
        let listing =
            Listing { json: self.store.server.json, table, nothing: "no tuples", store: Some(&self.store) };
        listing.print(out, ask, |page: &TuplePage| page.tuples.iter().map(row).collect())
    }

    fn request(&self, token: &str) -> Value {
        let mut request = Map::new();
        let key = [("user", &self.subject), ("relation", &self.relation), ("object", &self.object)];
        let key: Map<_, _> = key
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.as_deref()?.into())))
            .collect();
        if !key.is_empty() {
            request.insert("tuple_key".to_owned(), key.into());
        }
        if self.include_inactive {
            request.insert("include_inactive".to_owned(), true.into());
        }
        request.insert("page_size".to_owned(), PAGE_SIZE_MAX.into());
        request.insert("continuation_token".to_owned(), token.into());
        request.into()
    }
}

impl ChangesArgs {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let client = Client::new(&self.store.server);
        let path = format!("/stores/{}/changes", self.store.store);
        let start = self.start_time.map(|instant| instant.to_string());
        let filter = [("type", self.object_type.as_deref()), ("start_time", start.as_deref())];
        let ask = |token: &str| client.page(&path, &filter, PAGE_SIZE_MAX, token);
        let listing = Listing {
            json: self.store.server.json,
            table: Change::table(),
            nothing: "no changes",
            store: Some(&self.store),
        };
        listing.print(out, ask, |page: &ChangePage| page.changes.iter().map(Change::row).collect())
    }
}
