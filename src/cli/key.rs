//! `tenure key`: the keys of those who may call a server.
//!
//! Over HTTP with a key for administrators; the very first one is made on the data directory, while no server runs on it.

use std::io::Write;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use super::client::{Client, Page, ServerArgs, store_id};
use super::failure::Failure;
use super::listing::Listing;
use super::output::{self, Table};
use super::write::{Expiry, expiry};
use crate::callers::{CallerLimits, KeyRequest, Keys, Permission, Scope, Stores};
use crate::model::limits::{CALLER_LIMIT_MAX, PAGE_SIZE_MAX};
use crate::model::{Id, StoreId, SystemClock};
use crate::store::Database;
use crate::store::rocks::{RocksDatabase, RocksOptions};

/// Make, list and revoke the keys of callers
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key and print its token, which is not shown again
    #[command(after_help = "\
The first key is made while the server is stopped; as soon as there is one, callers have to say who they are:
  tenure key create ops --data ./data --permissions read,check,write,model,admin,act-as

Others are made with it:
  export TENURE_TOKEN=tenure_01J…
  tenure key create shop --permissions check --store 01J… --expires-at +90d

Permissions: read (what is stored), check (decisions and lists), write (tuples, commands), model (models, assertions),
admin (stores, keys, raw writes where there are cooperations), act-as (say who acts).")]
    Create(CreateArgs),
    /// List the keys; no secret is kept that could be shown
    List(ListArgs),
    /// Revoke a key, which is refused at once
    Revoke(RevokeArgs),
}

/// Which key to make.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// What people call it, 1 to 64 characters
    name: String,
    /// What it is for, separated by commas: read, check, write, model, admin, act-as
    #[arg(long, short, required = true, value_delimiter = ',', value_name = "PERMISSIONS")]
    permissions: Vec<Permission>,
    /// A store that it is for; may be given more than once [default: all stores]
    #[arg(long, value_name = "ID", value_parser = store_id)]
    store: Vec<StoreId>,
    /// When it ends: an instant such as 2027-01-31T12:00:00Z, or `+12h` or `+30d` from now by this machine's clock
    /// [default: never]
    #[arg(long, value_name = "T", value_parser = expiry)]
    expires_at: Option<Expiry>,
    /// Most requests in a second; one more is answered 429 [default: what the server has for all keys]
    #[arg(long, value_name = "COUNT", value_parser = limit)]
    requests_per_second: Option<NonZeroU32>,
    /// Most requests under way at once, streams included; one more is answered 429 [default: what the server has for all
    /// keys]
    #[arg(long, value_name = "COUNT", value_parser = limit)]
    concurrent_requests: Option<NonZeroU32>,
    /// Make it in the database of this directory, on which no server runs; none is asked
    #[arg(long, value_name = "DIR", conflicts_with = "json")]
    data: Option<PathBuf>,
    /// Print nothing but the token
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Where to list keys.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    server: ServerArgs,
}

/// Which key to revoke.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The key, by its id; its token is not needed
    #[arg(value_parser = key_id)]
    id: Id,
    #[command(flatten)]
    server: ServerArgs,
}

fn key_id(text: &str) -> Result<Id, String> {
    text.parse().map_err(|()| {
        "not the id of a key: 26 upper-case characters, as `tenure key list` shows them".to_owned()
    })
}

fn limit(text: &str) -> Result<NonZeroU32, String> {
    let limit = text.parse().ok().filter(|limit: &NonZeroU32| limit.get() <= CALLER_LIMIT_MAX);
    limit.ok_or_else(|| format!("expected 1 to {CALLER_LIMIT_MAX}"))
}

#[derive(Deserialize)]
struct Created {
    id: String,
    name: String,
    token: String,
}

#[derive(Deserialize)]
struct Key {
    id: String,
    name: String,
    permissions: Vec<String>,
    stores: Option<Vec<String>>,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    requests_per_second: Option<NonZeroU32>,
    concurrent_requests: Option<NonZeroU32>,
}

#[derive(Deserialize)]
struct KeyPage {
    keys: Vec<Key>,
    continuation_token: String,
}

impl Page for KeyPage {
    fn continuation_token(&self) -> &str {
        &self.continuation_token
    }
}

impl Key {
    fn row(&self) -> [String; 7] {
        let ends = match (&self.revoked_at, &self.expires_at) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(at)) => at.clone(),
            (None, None) => "never".to_owned(),
        };
        let stores = self.stores.as_ref().map_or_else(|| "all".to_owned(), |stores| stores.join(","));
        let permissions = self.permissions.join(",");
        let rate = self.requests_per_second.map(|rate| format!("{rate}/s"));
        let concurrency = self.concurrent_requests.map(|most| format!("{most} at once"));
        let limits: Vec<String> = rate.into_iter().chain(concurrency).collect();
        let limits = if limits.is_empty() { "default".to_owned() } else { limits.join(", ") };
        [self.id.clone(), self.name.clone(), permissions, stores, limits, self.created_at.clone(), ends]
    }
}

impl KeyCommand {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::Create(args) => args.run(out),
            Self::List(args) => args.run(out),
            Self::Revoke(args) => args.run(out),
        }
    }
}

impl CreateArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let created = match &self.data {
            Some(data) => self.create_offline(data)?,
            None => {
                let answer = Client::new(&self.server).post("/keys", &self.request())?;
                if self.server.json {
                    return Ok(output::raw(out, &answer)?);
                }
                answer.read()?
            }
        };
        let Created { id, name, token } = created;
        if self.quiet {
            writeln!(out, "{token}")?;
        } else {
            writeln!(out, "key {name} created: {id}\ntoken, which is not shown again: {token}")?;
        }
        Ok(())
    }

    fn request(&self) -> serde_json::Value {
        let permissions: Vec<_> = self.permissions.iter().map(|permission| permission.name()).collect();
        let mut request = json!({ "name": self.name, "permissions": permissions });
        if let Some(fields) = request.as_object_mut() {
            if !self.store.is_empty() {
                let stores: Vec<_> = self.store.iter().map(StoreId::to_string).collect();
                fields.insert("stores".to_owned(), stores.into());
            }
            if let Some(end) = self.expires_at {
                fields.insert("expires_at".to_owned(), end.at(&SystemClock).to_string().into());
            }
            let limits = [
                ("requests_per_second", self.requests_per_second),
                ("concurrent_requests", self.concurrent_requests),
            ];
            for (name, limit) in limits.into_iter().filter_map(|(name, limit)| Some((name, limit?))) {
                fields.insert(name.to_owned(), limit.get().into());
            }
        }
        request
    }

    /// Makes the key without a server. The database is made where there is none, so that the key can come before the first
    /// start.
    fn create_offline(&self, data: &Path) -> Result<Created, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::Input(error.to_string());
        let database = RocksDatabase::open(data, Arc::new(SystemClock), &RocksOptions::default())
            .map_err(|error| failed(&error))?;
        let stores =
            if self.store.is_empty() { Stores::All } else { Stores::listed(self.store.iter().copied()) };
        let scope = Scope { permissions: self.permissions.iter().copied().collect(), stores };
        let expires_at = self.expires_at.map(|end| end.at(&SystemClock));
        let limits = CallerLimits {
            requests_per_second: self.requests_per_second,
            concurrent_requests: self.concurrent_requests,
        };
        let request = KeyRequest { name: self.name.clone(), scope, expires_at, limits };
        let keys = Keys::load(&database).map_err(|error| failed(&error))?;
        let now = database.clock().now();
        let (key, token) = keys.create(&database, request, now).map_err(|error| failed(&error))?;
        database.close().map_err(|error| failed(&error))?;
        Ok(Created { id: key.id.to_string(), name: key.name.to_string(), token: token.reveal().to_owned() })
    }
}

impl ListArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let client = Client::new(&self.server);
        let table = Table::new(["ID", "NAME", "PERMISSIONS", "STORES", "LIMITS", "CREATED", "ENDS"]);
        let ask = |token: &str| client.page("/keys", &[], PAGE_SIZE_MAX, token);
        let nothing = "no keys: nobody is asked who they are";
        let listing = Listing { json: self.server.json, table, nothing, store: None };
        listing.print(out, ask, |page: &KeyPage| page.keys.iter().map(Key::row).collect())
    }
}

impl RevokeArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        Client::new(&self.server).delete(&format!("/keys/{}", self.id))?;
        if !self.server.json {
            writeln!(out, "key {} revoked", self.id)?;
        }
        Ok(())
    }
}
