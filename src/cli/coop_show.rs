//! What `tenure coop` shows: a cooperation, the cooperations of an organization, and who has access to what.

use std::io::Write;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::client::{Answer, Page, each_page};
use super::coop::{ActingArgs, acting_user, id, resource};
use super::failure::Failure;
use super::output::{self, Table};
use crate::cooperation::{EntityId, Resource};
use crate::model::limits::COOPERATION_PAGE_SIZE_MAX;

/// Which cooperation.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The cooperation
    #[arg(value_parser = id)]
    cooperation: EntityId,
    #[command(flatten)]
    acting: ActingArgs,
}

/// Which cooperations.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The organization
    #[arg(value_parser = id)]
    organization: EntityId,
    /// Only those of this direction
    #[arg(long)]
    direction: Option<Direction>,
    /// Only those whose other side has this in its name
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only those of this status: invited, pending, active, paused or expired
    #[arg(long)]
    status: Option<String>,
    #[command(flatten)]
    acting: ActingArgs,
}

/// Who invited whom.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Direction {
    /// The organization invited
    Outgoing,
    /// The organization was invited
    Incoming,
}

/// Whose access, or to what.
#[derive(Debug, Args)]
pub struct WhoArgs {
    /// A resource, `park:id` or `portfolio:id`; or a user, `user:id`
    #[arg(value_name = "RESOURCE|USER", value_parser = asked)]
    asked: Asked,
    #[command(flatten)]
    acting: ActingArgs,
}

#[derive(Debug, Clone)]
enum Asked {
    Resource(Resource),
    User(EntityId),
}

/// Reads what is asked about, for clap.
fn asked(text: &str) -> Result<Asked, String> {
    if text.starts_with("user:") {
        return acting_user(text).map(Asked::User);
    }
    resource(text)
        .map(Asked::Resource)
        .map_err(|_| "expected `park:id`, `portfolio:id` or `user:id`".to_owned())
}

#[derive(Deserialize)]
struct Cooperation {
    id: String,
    initiator: String,
    partner: String,
    label: String,
    status: String,
    expires_at: Option<String>,
    contacts: Option<Contacts>,
    shares: Option<Vec<Share>>,
}

#[derive(Deserialize)]
struct Contacts {
    initiator: Vec<Contact>,
    partner: Vec<Contact>,
}

#[derive(Deserialize)]
struct Contact {
    user: String,
    email: Option<String>,
}

#[derive(Deserialize)]
struct Share {
    #[serde(rename = "type")]
    type_name: String,
    id: String,
    role: String,
    expires_at: Option<String>,
}

#[derive(Deserialize)]
struct CooperationPage {
    cooperations: Vec<Cooperation>,
    #[serde(default)]
    continuation_token: String,
}

#[derive(Deserialize)]
struct AccessPage {
    access: Vec<Access>,
    #[serde(default)]
    continuation_token: String,
}

#[derive(Deserialize)]
struct ResourcePage {
    resources: Vec<Access>,
    #[serde(default)]
    continuation_token: String,
}

/// One way in which somebody has access: `user` where a resource was asked about, `type` and `id` where a user was.
#[derive(Deserialize)]
struct Access {
    user: Option<String>,
    #[serde(rename = "type")]
    type_name: Option<String>,
    id: Option<String>,
    role: String,
    source: String,
    cooperation: Option<String>,
    ends_at: Option<String>,
}

macro_rules! pages {
    ($($page:ident),*) => {
        $(impl Page for $page {
            fn continuation_token(&self) -> &str {
                &self.continuation_token
            }
        })*
    };
}

pages!(CooperationPage, AccessPage, ResourcePage);

impl ShowArgs {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let path = self.acting.path(&format!("/cooperations/{}", self.cooperation));
        let answer = self.acting.client().get(&path, &[])?;
        if self.acting.store.server.json {
            return Ok(output::raw(out, &answer)?);
        }
        Ok(answer.read::<Cooperation>()?.print(out)?)
    }
}

impl Cooperation {
    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut lines = vec![
            ("cooperation", self.id.clone()),
            ("with", self.label.clone()),
            ("initiator", self.initiator.clone()),
            ("partner", self.partner.clone()),
            ("status", self.status.clone()),
            ("ends", self.expires_at.clone().unwrap_or_else(|| "never".to_owned())),
        ];
        if let Some(contacts) = &self.contacts {
            let named =
                |contacts: &[Contact]| contacts.iter().map(Contact::describe).collect::<Vec<_>>().join(", ");
            lines.push(("contacts", named(&contacts.initiator)));
            lines.push(("", named(&contacts.partner)));
        }
        for (name, text) in lines.iter().filter(|(_, text)| !text.is_empty()) {
            writeln!(out, "{:13}{text}", if name.is_empty() { String::new() } else { format!("{name}:") })?;
        }
        let Some(shares) = self.shares.as_ref().filter(|shares| !shares.is_empty()) else { return Ok(()) };
        writeln!(out)?;
        let rows: Vec<_> = shares.iter().map(Share::row).collect();
        Table::new(["SHARED", "ROLE", "ENDS"]).print(out, &rows)
    }

    fn row(&self) -> [String; 5] {
        let ends = self.expires_at.clone().unwrap_or_default();
        [self.id.clone(), self.initiator.clone(), self.label.clone(), self.status.clone(), ends]
    }
}

impl Contact {
    fn describe(&self) -> String {
        match &self.email {
            Some(email) => format!("{} <{email}>", self.user),
            None => self.user.clone(),
        }
    }
}

impl Share {
    fn row(&self) -> [String; 3] {
        let resource = format!("{}:{}", self.type_name, self.id);
        [resource, self.role.clone(), self.expires_at.clone().unwrap_or_else(|| "never".to_owned())]
    }
}

impl ListArgs {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let direction = self.direction.map(|direction| match direction {
            Direction::Outgoing => "outgoing",
            Direction::Incoming => "incoming",
        });
        let path = format!("/organizations/{}/cooperations", self.organization);
        let filter = [
            ("direction", direction),
            ("search", self.search.as_deref()),
            ("status", self.status.as_deref()),
        ];
        let mut table = Table::new(["ID", "INITIATOR", "WITH", "STATUS", "ENDS"]);
        self.acting.pages(&path, &filter, |answer, page: CooperationPage| {
            if self.acting.store.server.json {
                return Ok(output::raw(out, answer)?);
            }
            let rows: Vec<_> = page.cooperations.iter().map(Cooperation::row).collect();
            Ok(table.print(out, &rows)?)
        })?;
        if !self.acting.store.server.json && table.is_empty() {
            writeln!(out, "no cooperations")?;
        }
        Ok(())
    }
}

impl WhoArgs {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let json = self.acting.store.server.json;
        match &self.asked {
            Asked::Resource(resource) => {
                let path = format!("/{}s/{}/access", resource.kind.name(), resource.id);
                let mut table = Table::new(["USER", "ROLE", "FROM", "ENDS"]);
                self.acting.pages(&path, &[], |answer, page: AccessPage| {
                    if json {
                        return Ok(output::raw(out, answer)?);
                    }
                    let rows: Vec<_> = page.access.into_iter().map(Access::row).collect();
                    Ok(table.print(out, &rows)?)
                })?;
                nobody(out, json || !table.is_empty(), "nobody")
            }
            Asked::User(user) => {
                let path = format!("/users/{user}/resources");
                let mut table = Table::new(["RESOURCE", "ROLE", "FROM", "ENDS"]);
                self.acting.pages(&path, &[], |answer, page: ResourcePage| {
                    if json {
                        return Ok(output::raw(out, answer)?);
                    }
                    let rows: Vec<_> = page.resources.into_iter().map(Access::row).collect();
                    Ok(table.print(out, &rows)?)
                })?;
                nobody(out, json || !table.is_empty(), "no resources")
            }
        }
    }
}

impl Access {
    fn row(self) -> [String; 4] {
        let object = self.type_name.zip(self.id).map(|(type_name, id)| format!("{type_name}:{id}"));
        let about = object.or(self.user).unwrap_or_default();
        let from = match self.cooperation {
            Some(cooperation) => format!("cooperation {cooperation}"),
            None => self.source,
        };
        [about, self.role, from, self.ends_at.unwrap_or_else(|| "never".to_owned())]
    }
}

/// Says that there is nothing, unless something was said.
fn nobody(out: &mut impl Write, said: bool, text: &str) -> Result<(), Failure> {
    if !said {
        writeln!(out, "{text}")?;
    }
    Ok(())
}

impl ActingArgs {
    /// Asks for a list, page after page.
    fn pages<P: Page>(
        &self,
        path: &str,
        filter: &[(&str, Option<&str>)],
        visit: impl FnMut(&Answer, P) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (client, path) = (self.client(), self.path(path));
        each_page(|token| client.page(&path, filter, COOPERATION_PAGE_SIZE_MAX, token), visit)
    }
}
