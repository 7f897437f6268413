//! `tenure backup`: made through a server or beside it, listed, proved and restored.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use super::client::{Client, ServerArgs};
use super::failure::Failure;
use super::output::{self, Table};
use super::verify::on_directory;
use crate::model::{Instant, Revision, StoreId};
use crate::store::rocks::{Restore, Restored, Short, Until};
use crate::store::{Backup, Database as _, StoreError};

/// Make, list, verify and restore backups
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Make a backup of all stores: by a running server, or of a directory that no server runs on
    #[command(after_help = "\
Examples:
  tenure backup create
  tenure backup create --data ./data --to ./backups --keep 14")]
    Create(CreateArgs),
    /// List the backups in a directory
    List(ListArgs),
    /// Restore a backup in a scratch directory, check all of it, and remove it again
    Verify(VerifyArgs),
    /// Make a data directory out of a backup, as it was then or as it was at a later or earlier point
    #[command(after_help = "\
Examples:
  tenure backup restore --from ./backups --data ./restored
  tenure backup restore --from ./backups --data ./restored --before 2027-03-01T09:30:00Z
  tenure backup restore --from ./backups --data ./restored --log-of ./damaged
  tenure backup restore --from ./backups --data ./restored --revision 01J9ZZZZZZZZZZZZZZZZZZZZZZ=1200")]
    Restore(RestoreArgs),
}

/// Where a backup is made.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Directory of a database on which no server runs; without it a server is asked, which was started with --backup-dir
    #[arg(long, value_name = "DIR", requires = "to")]
    data: Option<PathBuf>,
    /// Directory of the backups
    #[arg(long, value_name = "DIR", requires = "data")]
    to: Option<PathBuf>,
    /// Remove all but the last so many [default: none is removed]
    #[arg(long, value_name = "COUNT", requires = "data", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Which backups to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Directory of the backups
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
}

/// Which backup to verify.
#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0 no difference, 1 differences, 2 the backup cannot be restored.")]
pub struct VerifyArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Directory for the copy that is checked, which takes as much room as the database
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    scratch: PathBuf,
}

/// What to restore, and to where.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Data directory to be made; it does not exist or is empty
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Go on behind the backup with the log of this data directory, though other parts of it may be damaged
    #[arg(long, value_name = "DIR")]
    log_of: Option<PathBuf>,
    /// Restore though the log of that directory lacks commits that were acknowledged, and say what it lacks
    #[arg(long, requires = "log_of")]
    accept_loss: bool,
    /// Leave out everything that was committed at this instant or later
    #[arg(long, value_name = "INSTANT", conflicts_with = "revision")]
    before: Option<String>,
    /// Leave out what a store has behind a revision; may be given for several stores
    #[arg(long, value_name = "STORE=REVISION", value_parser = store_revision)]
    revision: Vec<(StoreId, Revision)>,
}

/// Which backup.
#[derive(Debug, Args)]
struct SourceArgs {
    /// Directory of the backups
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Which one, as `tenure backup list` shows it [default: the last]
    #[arg(long, value_name = "ID")]
    id: Option<u32>,
}

#[derive(Deserialize)]
struct Made {
    id: u32,
    created_at: String,
    bytes: u64,
}

impl BackupCommand {
    /// Runs the command. Answers whether what was asked about is in order; where nothing is asked, it is.
    pub fn run(&self, out: &mut impl Write) -> Result<bool, Failure> {
        match self {
            Self::Create(args) => args.run(out)?,
            Self::List(args) => args.run(out)?,
            Self::Verify(args) => return args.run(out),
            Self::Restore(args) => args.run(out)?,
        }
        Ok(true)
    }
}

impl CreateArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let made = match (&self.data, &self.to) {
            (Some(data), Some(to)) => self.of_directory(data, to)?,
            _ => {
                let answer = Client::new(&self.server).post("/backups", &json!({}))?;
                if self.server.json {
                    return Ok(output::raw(out, &answer)?);
                }
                answer.read()?
            }
        };
        let Made { id, created_at, bytes } = made;
        Ok(writeln!(out, "backup {id} made: {bytes} bytes, {created_at}")?)
    }

    fn of_directory(&self, data: &Path, to: &Path) -> Result<Made, Failure> {
        let keep = self.keep.and_then(|keep| usize::try_from(keep).ok());
        let made = on_directory(data, |database| database.back_up(to, keep))?;
        Ok(Made { id: made.id, created_at: made.made_at.to_string(), bytes: made.bytes })
    }
}

impl ListArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let backups = Restore::backups(&self.from).map_err(failure)?;
        let row =
            |backup: &Backup| [backup.id.to_string(), backup.made_at.to_string(), backup.bytes.to_string()];
        let rows: Vec<_> = backups.iter().map(row).collect();
        Ok(Table::new(["ID", "MADE", "BYTES"]).print(out, &rows)?)
    }
}

impl VerifyArgs {
    fn run(&self, out: &mut impl Write) -> Result<bool, Failure> {
        let SourceArgs { from, id } = &self.source;
        let restore = Restore {
            from: from.clone(),
            backup: *id,
            log_of: None,
            accept_loss: false,
            until: Until::Newest,
        };
        let Restored { backup, report, .. } = restore.rehearse(&self.scratch).map_err(failure)?;
        writeln!(out, "backup {}: {}", backup.id, backup.made_at)?;
        write!(out, "{report}")?;
        Ok(report.is_consistent())
    }
}

impl RestoreArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let until = match &self.before {
            Some(instant) => Until::Before(instant.parse::<Instant>().map_err(|error| {
                Failure::Input(format!("invalid value `{instant}` for --before: {error}"))
            })?),
            None if self.revision.is_empty() => Until::Newest,
            None => Until::Revisions(self.revision.clone()),
        };
        let SourceArgs { from, id } = &self.source;
        let (log_of, accept_loss) = (self.log_of.clone(), self.accept_loss);
        let restore = Restore { from: from.clone(), backup: *id, log_of, accept_loss, until };
        let Restored { backup, stores, short, journals_short, deleted_since, loss, .. } =
            restore.run(&self.data).map_err(|error| match error {
                StoreError::Loss { .. } => {
                    Failure::Input(format!("{error}; give --accept-loss to restore what is left"))
                }
                error => failure(error),
            })?;
        writeln!(out, "backup {} of {} restored in {}", backup.id, backup.made_at, self.data.display())?;
        if let Some(loss) = loss {
            writeln!(
                out,
                "the log is not whole: {loss}; look for what was removed last, and revoke again the keys that were \
                 revoked last"
            )?;
        }
        for Short { store, ends, committed } in short {
            writeln!(
                out,
                "store {store}: the log breaks off behind revision {ends}; {committed} was committed"
            )?;
        }
        for store in journals_short {
            writeln!(
                out,
                "store {store}: entries of its journals (notifications, records of commands and checks) could not be \
                 read and are left out"
            )?;
        }
        for store in deleted_since {
            writeln!(
                out,
                "store {store}: it was deleted after the backup and is there again; delete it if it is not wanted"
            )?;
        }
        let row = |(info, revision): &(crate::store::StoreInfo, Revision)| {
            [info.id.to_string(), info.name.to_string(), revision.to_string(), info.updated_at.to_string()]
        };
        let rows: Vec<_> = stores.iter().map(row).collect();
        Ok(Table::new(["STORE", "NAME", "REVISION", "CHANGED"]).print(out, &rows)?)
    }
}

fn failure(error: StoreError) -> Failure {
    Failure::Input(error.to_string())
}

fn store_revision(text: &str) -> Result<(StoreId, Revision), String> {
    let expected =
        || "expected the id of a store and a revision, such as 01J9ZZZZZZZZZZZZZZZZZZZZZZ=1200".to_owned();
    let (store, revision) = text.split_once('=').ok_or_else(expected)?;
    let store = store.parse().map_err(|()| expected())?;
    Ok((store, Revision(revision.parse().map_err(|_| expected())?)))
}
