//! `tenure coop`: what the admins of two organizations do about a cooperation, and what each of them sees of it.
//!
//! Here stand the commands; what is asked and shown is in `coop_show`. Each is one request, whose answer is of one revision.
//! What is allowed is for the server to say.

use std::io::Write;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{Answer, Client, ClientError, StoreArgs};
use super::coop_show::{ListArgs, ShowArgs, WhoArgs};
use super::failure::Failure;
use super::output;
use super::write::{Expiry, expiry};
use crate::cooperation::{EntityId, JobRole, Resource, ResourceKind};
use crate::model::SystemClock;

/// Cooperate: invite and accept, share and delegate, pause, end, and see who has access
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  tenure coop invite helios nordwind --as hanna
  tenure coop accept 01J… --as nora
  tenure coop share 01J… park:deich technical_manager --as hanna
  tenure coop delegate 01J… park:deich nils viewer --expires-at +30d --as nora
  tenure coop pause 01J… --as hanna
  tenure coop who park:deich --as hanna")]
pub enum CoopCommand {
    /// Invite an organization, or whoever has an email, to cooperate
    Invite(InviteArgs),
    /// Accept a cooperation for the organization that was invited
    Accept(AcceptArgs),
    /// Share a park or a portfolio in a cooperation, change the share, or take it back
    Share(ShareArgs),
    /// Hand a shared resource on to a member of the own organization, change that, or take it back
    Delegate(DelegateArgs),
    /// Block all access through a cooperation, and keep everything in it
    Pause(OnCooperation),
    /// Let a paused cooperation run again
    Resume(OnCooperation),
    /// Say when a cooperation ends
    Expire(ExpireArgs),
    /// End a cooperation and everything in it
    Remove(OnCooperation),
    /// Show a cooperation
    Show(ShowArgs),
    /// List the cooperations of an organization
    List(ListArgs),
    /// Who has access to a resource, and how; or what a user has access to
    Who(WhoArgs),
    /// Have the store work under the newest cooperation model, if what it holds fits
    Upgrade(UpgradeArgs),
}

/// Which store, and for whom.
#[derive(Debug, Args)]
pub struct UpgradeArgs {
    #[command(flatten)]
    acting: ActingArgs,
}

/// For whom, and where.
#[derive(Debug, Clone, Args)]
pub struct ActingArgs {
    /// Who does it: a user, by the id
    #[arg(long = "as", value_name = "USER", value_parser = acting_user)]
    user: Option<EntityId>,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Whom to invite.
#[derive(Debug, Args)]
pub struct InviteArgs {
    /// The organization that invites
    #[arg(value_parser = id)]
    organization: EntityId,
    /// The organization that is invited
    #[arg(value_parser = id, required_unless_present = "email")]
    partner: Option<EntityId>,
    /// Whoever has this email, instead of an organization
    #[arg(long, conflicts_with = "partner")]
    email: Option<String>,
    /// The organization that the email turned out to be a member's of
    #[arg(long, value_name = "ORGANIZATION", value_parser = id, requires = "email")]
    confirm: Option<EntityId>,
    /// The language of the invitation, such as `de`
    #[arg(long)]
    language: Option<String>,
    /// When the cooperation ends: an instant such as 2027-01-31T12:00:00Z, or `+12h` or `+30d` from now by this machine's
    /// clock
    #[arg(long, value_name = "T", value_parser = expiry)]
    expires_at: Option<Expiry>,
    /// Print nothing but the id of the cooperation
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
    #[command(flatten)]
    acting: ActingArgs,
}

/// Which cooperation, and for whom.
#[derive(Debug, Args)]
pub struct AcceptArgs {
    /// The cooperation
    #[arg(value_parser = id)]
    cooperation: EntityId,
    /// The organization to found, for whoever was invited by email and belongs to none
    #[arg(long, value_name = "ORGANIZATION", value_parser = id)]
    found: Option<EntityId>,
    /// The name of that organization [default: its id]
    #[arg(long, requires = "found")]
    name: Option<String>,
    #[command(flatten)]
    acting: ActingArgs,
}

/// Which cooperation.
#[derive(Debug, Args)]
pub struct OnCooperation {
    /// The cooperation
    #[arg(value_parser = id)]
    cooperation: EntityId,
    #[command(flatten)]
    acting: ActingArgs,
}

/// When something ends. Without either flag, what is there stays.
#[derive(Debug, Clone, Args)]
struct EndArgs {
    /// When it ends: an instant such as 2027-01-31T12:00:00Z, or `+12h` or `+30d` from now by this machine's clock
    #[arg(long, value_name = "T", value_parser = expiry, conflicts_with = "never_expires")]
    expires_at: Option<Expiry>,
    /// Let it run without an end
    #[arg(long)]
    never_expires: bool,
}

/// What to share, and as what.
#[derive(Debug, Args)]
pub struct ShareArgs {
    /// The cooperation
    #[arg(value_parser = id)]
    cooperation: EntityId,
    /// The resource, `park:id` or `portfolio:id`
    #[arg(value_parser = resource)]
    resource: Resource,
    /// The job role that the partner has at most
    #[arg(value_parser = role, required_unless_present = "delete")]
    role: Option<JobRole>,
    #[command(flatten)]
    end: EndArgs,
    /// Take the share back, with everything that was delegated in it
    #[arg(long, conflicts_with_all = ["role", "expires_at", "never_expires"])]
    delete: bool,
    #[command(flatten)]
    acting: ActingArgs,
}

/// What to hand on, to whom, and as what.
#[derive(Debug, Args)]
pub struct DelegateArgs {
    /// The cooperation
    #[arg(value_parser = id)]
    cooperation: EntityId,
    /// The resource, `park:id` or `portfolio:id`
    #[arg(value_parser = resource)]
    resource: Resource,
    /// The member, by the id
    #[arg(value_name = "USER", value_parser = acting_user)]
    member: EntityId,
    /// The job role: `viewer`, or exactly that of the share
    #[arg(value_parser = role, required_unless_present = "delete")]
    role: Option<JobRole>,
    #[command(flatten)]
    end: EndArgs,
    /// Take the delegation back
    #[arg(long, conflicts_with_all = ["role", "expires_at", "never_expires"])]
    delete: bool,
    #[command(flatten)]
    acting: ActingArgs,
}

/// Which cooperation, and when.
#[derive(Debug, Args)]
pub struct ExpireArgs {
    /// The cooperation
    #[arg(value_parser = id)]
    cooperation: EntityId,
    /// When it ends: an instant such as 2027-01-31T12:00:00Z, or `+12h` or `+30d` from now by this machine's clock
    #[arg(value_name = "T", value_parser = expiry, required_unless_present = "never")]
    at: Option<Expiry>,
    /// Let it run without an end
    #[arg(long, conflicts_with = "at")]
    never: bool,
    #[command(flatten)]
    acting: ActingArgs,
}

/// The parts of a cooperation that are told after a command.
#[derive(Deserialize)]
struct Told {
    id: String,
    status: String,
    invitation: Option<String>,
    revision: u64,
}

/// What is told after an upgrade.
#[derive(Deserialize)]
struct UpgradeTold {
    upgraded: bool,
    authorization_model_id: String,
    tuples: u64,
    revision: u64,
}

#[derive(Deserialize)]
struct Revised {
    revision: u64,
}

/// Reads an id, for clap.
pub fn id(text: &str) -> Result<EntityId, String> {
    EntityId::parse("id", text).map_err(|refusal| refusal.to_string())
}

/// Reads a user, `hanna` or `user:hanna`, for clap.
pub fn acting_user(text: &str) -> Result<EntityId, String> {
    id(text.strip_prefix("user:").unwrap_or(text))
}

/// Reads a resource, for clap.
pub fn resource(text: &str) -> Result<Resource, String> {
    let of = |kind, text| Ok(Resource { kind, id: id(text)? });
    match text.split_once(':') {
        Some(("park", text)) => of(ResourceKind::Park, text),
        Some(("portfolio", text)) => of(ResourceKind::Portfolio, text),
        _ => Err("expected `park:id` or `portfolio:id`".to_owned()),
    }
}

fn role(text: &str) -> Result<JobRole, String> {
    JobRole::parse("role", text).map_err(|refusal| refusal.to_string())
}

impl CoopCommand {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::Invite(args) => args.run(out),
            Self::Accept(args) => args.run(out),
            Self::Share(args) => args.run(out),
            Self::Delegate(args) => args.run(out),
            Self::Pause(args) => args.change(out, &json!({ "paused": true })),
            Self::Resume(args) => args.change(out, &json!({ "paused": false })),
            Self::Expire(args) => args.run(out),
            Self::Remove(args) => args.remove(out),
            Self::Show(args) => args.run(out),
            Self::List(args) => args.run(out),
            Self::Who(args) => args.run(out),
            Self::Upgrade(args) => args.run(out),
        }
    }
}

impl ActingArgs {
    /// A client that acts for the user.
    pub fn client(&self) -> Client {
        Client::new(&self.store.server).acting_as(self.user.as_ref())
    }

    /// A path of the store.
    pub fn path(&self, rest: &str) -> String {
        format!("/stores/{}{rest}", self.store.store)
    }

    fn of_cooperation(&self, cooperation: &EntityId, rest: &str) -> String {
        self.path(&format!("/cooperations/{cooperation}{rest}"))
    }

    /// Prints what has become of a cooperation.
    fn tell(&self, out: &mut impl Write, answer: &Answer) -> Result<(), Failure> {
        if self.store.server.json {
            return Ok(output::raw(out, answer)?);
        }
        let Told { id, status, revision, .. } = answer.read()?;
        Ok(writeln!(out, "cooperation {id} is {status}, revision {revision}")?)
    }
}

impl UpgradeArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let acting = &self.acting;
        let answer = acting.client().post(&acting.path("/platform/upgrade"), &json!({}))?;
        if acting.store.server.json {
            return Ok(output::raw(out, &answer)?);
        }
        let UpgradeTold { upgraded, authorization_model_id, tuples, revision } = answer.read()?;
        Ok(if upgraded {
            writeln!(
                out,
                "the store works under model {authorization_model_id}, which all {tuples} tuples fit, revision {revision}"
            )
        } else {
            writeln!(out, "the store works under the newest model already, {authorization_model_id}")
        }?)
    }
}

impl InviteArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let partner = match (&self.partner, &self.email) {
            (Some(id), _) => json!({ "organization": &**id }),
            (None, email) => json!({ "email": email }),
        };
        let mut body = Map::new();
        body.insert("partner".to_owned(), partner);
        if let Some(confirm) = &self.confirm {
            body.insert("confirm".to_owned(), (&**confirm).into());
        }
        if let Some(language) = &self.language {
            body.insert("language".to_owned(), language.as_str().into());
        }
        EndArgs { expires_at: self.expires_at, never_expires: false }.add_to(&mut body);
        let path = self.acting.path(&format!("/organizations/{}/cooperations", self.organization));
        let answer = self.acting.client().post(&path, &body.into())?;
        let told: Told = answer.read()?;
        if self.quiet {
            writeln!(out, "{}", told.id)?;
            return Ok(());
        }
        self.acting.tell(out, &answer)?;
        match told.invitation {
            Some(invitation) if !self.acting.store.server.json => {
                Ok(writeln!(out, "invitation {invitation}")?)
            }
            _ => Ok(()),
        }
    }
}

impl AcceptArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let body = match &self.found {
            None => json!({}),
            Some(id) => {
                let name = self.name.as_deref().unwrap_or(id);
                json!({ "organization": { "id": &**id, "name": name } })
            }
        };
        let path = self.acting.of_cooperation(&self.cooperation, "/accept");
        let answer = self.acting.client().post(&path, &body)?;
        self.acting.tell(out, &answer)
    }
}

impl OnCooperation {
    fn change(&self, out: &mut impl Write, body: &Value) -> Result<(), Failure> {
        let path = self.acting.of_cooperation(&self.cooperation, "");
        let answer = self.acting.client().patch(&path, body)?;
        self.acting.tell(out, &answer)
    }

    fn remove(&self, out: &mut impl Write) -> Result<(), Failure> {
        self.acting.client().delete(&self.acting.of_cooperation(&self.cooperation, ""))?;
        // The server's answer is empty, so there is nothing to show as JSON.
        if !self.acting.store.server.json {
            writeln!(out, "cooperation {} removed", self.cooperation)?;
        }
        Ok(())
    }
}

impl ExpireArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let mut body = Map::new();
        EndArgs { expires_at: self.at, never_expires: self.never }.add_to(&mut body);
        let path = self.acting.of_cooperation(&self.cooperation, "");
        let answer = self.acting.client().patch(&path, &body.into())?;
        self.acting.tell(out, &answer)
    }
}

impl EndArgs {
    fn add_to(&self, body: &mut Map<String, Value>) {
        let end = match self.expires_at {
            Some(expiry) => Value::from(expiry.at(&SystemClock).to_string()),
            None if self.never_expires => Value::Null,
            None => return,
        };
        body.insert("expires_at".to_owned(), end);
    }
}

impl ShareArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let path = share(&self.acting, &self.cooperation, &self.resource);
        let done = set(&self.acting, &path, self.role, &self.end)?;
        match self.role {
            Some(role) => {
                told(&self.acting, out, done, &format!("{} shared as {}", self.resource, role.name()))
            }
            None => told(&self.acting, out, done, &format!("{} is no longer shared", self.resource)),
        }
    }
}

impl DelegateArgs {
    fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let share = share(&self.acting, &self.cooperation, &self.resource);
        let done = set(&self.acting, &format!("{share}/delegations/{}", self.member), self.role, &self.end)?;
        let (resource, member) = (&self.resource, &self.member);
        match self.role {
            Some(role) => told(
                &self.acting,
                out,
                done,
                &format!("{resource} delegated to user:{member} as {}", role.name()),
            ),
            None => {
                told(&self.acting, out, done, &format!("{resource} is no longer delegated to user:{member}"))
            }
        }
    }
}

/// The path of a share.
fn share(acting: &ActingArgs, cooperation: &EntityId, resource: &Resource) -> String {
    acting.of_cooperation(cooperation, &format!("/shares/{}s/{}", resource.kind.name(), resource.id))
}

/// Sets what is at a path to a role, or deletes it where none is given.
fn set(
    acting: &ActingArgs,
    path: &str,
    role: Option<JobRole>,
    end: &EndArgs,
) -> Result<Option<Answer>, ClientError> {
    let client = acting.client();
    let Some(role) = role else { return client.delete(path).map(|_| None) };
    let mut body = Map::new();
    body.insert("role".to_owned(), role.name().into());
    end.add_to(&mut body);
    client.put(path, &body.into()).map(Some)
}

/// Prints what was done; an answer with its revision.
fn told(acting: &ActingArgs, out: &mut impl Write, done: Option<Answer>, what: &str) -> Result<(), Failure> {
    match done {
        Some(answer) if acting.store.server.json => output::raw(out, &answer)?,
        Some(answer) => writeln!(out, "{what}, revision {}", answer.read::<Revised>()?.revision)?,
        None if acting.store.server.json => {}
        None => writeln!(out, "{what}")?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_with_or_without_the_type() {
        assert_eq!(acting_user("hanna").unwrap(), acting_user("user:hanna").unwrap());
        for text in ["", "user:", "a b", "organization:sun", "a/b"] {
            assert!(acting_user(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_resource_is_a_park_or_a_portfolio() {
        assert_eq!(resource("park:p1").unwrap().to_string(), "park:p1");
        for text in ["", "park", "park:", "user:a", "p1", "park:a/b"] {
            assert!(resource(text).is_err(), "{text}");
        }
    }
}
