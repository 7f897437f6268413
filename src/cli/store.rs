//! `tenure store`: the stores of a server, and the files of one.

use std::io::Write;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use super::client::{Client, Page, ServerArgs, store_id};
use super::failure::Failure;
use super::listing::Listing;
use super::output::{self, Table};
use super::verify::VerifyArgs;
use crate::model::StoreId;
use crate::model::limits::PAGE_SIZE_MAX;

/// Create, list, show and delete stores
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Create an empty store
    #[command(after_help = "\
Examples:
  tenure store create plants
  export TENURE_STORE=$(tenure store create plants --quiet)")]
    Create(CreateArgs),
    /// List the stores
    List(ListArgs),
    /// Show one store
    Get(GetArgs),
    /// Delete a store with everything in it
    Delete(DeleteArgs),
    /// Check the files of a database against its log, without a server
    Verify(VerifyArgs),
}

/// Which store to create.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Its name, 3 to 64 characters
    name: String,
    /// Print nothing but the id
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Which stores to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those of exactly this name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Which store to show.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// The store
    #[arg(env = "TENURE_STORE", value_parser = store_id)]
    id: StoreId,
    #[command(flatten)]
    server: ServerArgs,
}

/// Which store to delete. Never one that only the environment names.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The store
    #[arg(value_parser = store_id)]
    id: StoreId,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Deserialize)]
struct Store {
    id: String,
    name: String,
    created_at: String,
}

#[derive(Deserialize)]
struct StorePage {
    stores: Vec<Store>,
    continuation_token: String,
}

impl Page for StorePage {
    fn continuation_token(&self) -> &str {
        &self.continuation_token
    }
}

impl Store {
    fn row(&self) -> [String; 3] {
        [self.id.clone(), self.name.clone(), self.created_at.clone()]
    }
}

fn table() -> Table<3> {
    Table::new(["ID", "NAME", "CREATED"])
}

impl StoreCommand {
    /// Runs the command. Answers whether what was asked about is in order; where nothing is asked, it is.
    pub fn run(&self, out: &mut impl Write) -> Result<bool, Failure> {
        match self {
            Self::Create(args) => args.run(out)?,
            Self::List(args) => args.run(out)?,
            Self::Get(args) => args.run(out)?,
            Self::Delete(args) => args.run(out)?,
            Self::Verify(args) => return args.run(out),
        }
        Ok(true)
    }
}

impl CreateArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let answer = Client::new(&self.server).post("/stores", &json!({ "name": self.name }))?;
        if self.server.json {
            return Ok(output::raw(out, &answer)?);
        }
        let Store { id, name, .. } = answer.read()?;
        if self.quiet {
            writeln!(out, "{id}")?;
        } else {
            writeln!(out, "store {name} created: {id}")?;
        }
        Ok(())
    }
}

impl ListArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let client = Client::new(&self.server);
        let ask =
            |token: &str| client.page("/stores", &[("name", self.name.as_deref())], PAGE_SIZE_MAX, token);
        let listing = Listing { json: self.server.json, table: table(), nothing: "no stores", store: None };
        listing.print(out, ask, |page: &StorePage| page.stores.iter().map(Store::row).collect())
    }
}

impl GetArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let answer = Client::new(&self.server).get(&format!("/stores/{}", self.id), &[])?;
        if self.server.json {
            return Ok(output::raw(out, &answer)?);
        }
        Ok(table().print(out, &[answer.read::<Store>()?.row()])?)
    }
}

impl DeleteArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        Client::new(&self.server).delete(&format!("/stores/{}", self.id))?;
        // The server's answer is empty, so there is nothing to show as JSON.
        if !self.server.json {
            writeln!(out, "store {} deleted", self.id)?;
        }
        Ok(())
    }
}
