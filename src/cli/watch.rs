//! `tenure watch`: the changes of a store as they come.

use std::io::{self, BufReader, Write};
use std::thread;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use super::client::{Client, ClientError, StoreArgs};
use super::event_stream::{Event, Events};
use super::failure::Failure;
use super::output::Table;
use super::read::Change;
use crate::store::LogPosition;

/// Waits between two attempts to go on with a broken stream: the first, and the longest.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// Show the changes of the store's tuples as they come
///
/// Goes on where it was when the connection breaks or the server is started again: no change is missed, and none is
/// shown twice. Silence for longer than `--timeout-s` counts as a broken connection; the server sends a sign of life more
/// often. Ctrl-C ends it. An expiration is no change: nothing is written when it comes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure watch
  tenure watch --after 0 --type park
  tenure watch --count 1 --json")]
pub struct WatchArgs {
    /// Changes behind this revision, 0 for all; or behind a place in it, such as 12.3 [default: from now on]
    #[arg(long, value_name = "N")]
    after: Option<LogPosition>,
    /// Changes of tuples on objects of this type
    #[arg(long = "type", value_name = "TYPE")]
    object_type: Option<String>,
    /// End after so many changes
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    store: StoreArgs,
}

/// How a stream ended.
enum Ended {
    /// All that was asked for has been shown.
    Done,
    /// It broke, and there is more to come.
    Broken { reason: String },
}

/// What the server says when it ends a stream.
#[derive(Deserialize)]
struct LastWords {
    code: String,
    message: String,
}

impl WatchArgs {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let client = Client::new(&self.store.server);
        let mut view = View { args: self, table: Change::table(), left: self.count, heard: false };
        let mut last_id = None;
        let mut wait = RETRY_FIRST;
        // The first time, a server that is not there is an error; later it may be on its way back.
        let mut first = true;
        loop {
            let reason = match self.open(&client, last_id.as_deref()) {
                Ok(source) => {
                    let mut events = Events::new(BufReader::new(source), last_id);
                    let ended = view.show(&mut events, out)?;
                    last_id = events.into_last_id();
                    match ended {
                        Ended::Done => return Ok(()),
                        Ended::Broken { reason } => reason,
                    }
                }
                Err(error) if first || !error.is_passing() => return Err(error.into()),
                Err(error) => error.to_string(),
            };
            first = false;
            if view.heard {
                wait = RETRY_FIRST;
            }
            view.heard = false;
            eprintln!("{reason}; trying again in {} s", wait.as_secs());
            thread::sleep(wait);
            wait = RETRY_LONGEST.min(wait * 2);
        }
    }

    fn open(&self, client: &Client, last_id: Option<&str>) -> Result<impl io::Read + use<>, ClientError> {
        let path = format!("/stores/{}/watch", self.store.store);
        let after = self.after.map(|after| after.to_string());
        let query = [("after", after.as_deref()), ("type", self.object_type.as_deref())];
        client.stream(&path, &query, last_id)
    }
}

/// What is shown, over all connections.
struct View<'a> {
    args: &'a WatchArgs,
    table: Table<6>,
    /// How many changes are still to be shown, where that is bounded.
    left: Option<u64>,
    /// Whether anything has come over this connection.
    heard: bool,
}

impl View<'_> {
    /// Shows events until they end.
    fn show<R: io::BufRead>(
        &mut self,
        events: &mut Events<R>,
        out: &mut impl Write,
    ) -> Result<Ended, Failure> {
        loop {
            let server = &self.args.store.server.connection.server;
            let event = match events.next() {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(Ended::Broken { reason: format!("{server} ended the stream") }),
                Err(error) => {
                    return Ok(Ended::Broken { reason: format!("the stream from {server} broke: {error}") });
                }
            };
            self.heard = true;
            match event.name.as_str() {
                "" if event.data.is_empty() => {}
                "" => {
                    self.change(&event, out)?;
                    if self.left == Some(0) {
                        return Ok(Ended::Done);
                    }
                }
                "end" => return self.end(&event),
                // Of a newer version.
                _ => {}
            }
        }
    }

    fn change(&mut self, event: &Event, out: &mut impl Write) -> Result<(), Failure> {
        if self.args.store.server.json {
            writeln!(out, "{}", event.data)?;
        } else {
            let change: Change = self.read(event)?;
            self.table.print(out, &[change.row()])?;
        }
        // Whoever waits for a change waits for this one.
        out.flush()?;
        self.left = self.left.map(|left| left.saturating_sub(1));
        Ok(())
    }

    fn end(&self, event: &Event) -> Result<Ended, Failure> {
        let LastWords { code, message } = self.read(event)?;
        if code == "store_id_not_found" {
            // Nothing will ever come of it again.
            return Err(ClientError::Refused { status: 404, code, message }.into());
        }
        Ok(Ended::Broken { reason: format!("{code}: {message}") })
    }

    fn read<T: serde::de::DeserializeOwned>(&self, event: &Event) -> Result<T, ClientError> {
        serde_json::from_str(&event.data).map_err(|error| ClientError::Foreign {
            server: self.args.store.server.connection.server.clone(),
            reason: error.to_string(),
        })
    }
}
