//! What is read of the journals: the outbox (R44) and the record of the commands (R47).

use std::ops::ControlFlow;

use serde::de::DeserializeOwned;

use super::command::{CommandRecord, JOURNAL_OF_COMMANDS};
use super::names::{Actor, EntityId, organization};
use super::refusal::{Outcome, Refusal};
use super::work::{JOURNAL_OF_NOTIFICATIONS, Notification, Work};
use crate::engine::EngineError;
use crate::model::limits::JOURNAL_ENTRIES_SCANNED_MAX;
use crate::model::{Id, Instant, Revision};
use crate::store::{Database, JournalEntry, Snapshot, StoreError};

/// An entry of a journal, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// Its place: what to go on behind.
    pub cursor: Id,
    /// When it was added.
    pub at: Instant,
    /// The revision behind the commit that it was added with.
    pub revision: Revision,
    /// What it says.
    pub value: T,
}

/// A page of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries<T> {
    /// The entries, in their order.
    pub items: Vec<Entry<T>>,
    /// Behind which the next page starts; `None`: there is nothing more yet.
    pub next: Option<Id>,
}

/// Which records of commands to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandFilter {
    /// Behind this one.
    pub after: Option<Id>,
    /// Of this actor: a user, or the system.
    pub actor: Option<Box<str>>,
    /// That concerned this organization.
    pub organization: Option<EntityId>,
    /// That concerned this cooperation.
    pub cooperation: Option<EntityId>,
    /// From this instant on.
    pub from: Option<Instant>,
    /// Before this instant.
    pub to: Option<Instant>,
    /// At most so many.
    pub limit: usize,
}

/// What a mailer has to send, for the system.
pub fn notifications<D: Database>(
    work: &mut Work<'_, D>,
    after: Option<Id>,
    limit: usize,
) -> Outcome<Entries<Notification>> {
    work.only_system()?;
    page(work, JOURNAL_OF_NOTIFICATIONS, after, limit, |_, _| Wanted::Yes)
}

/// The record of commands: all of it for the system, that of their own organization for its admins.
pub fn commands<D: Database>(
    work: &mut Work<'_, D>,
    filter: &CommandFilter,
) -> Outcome<Entries<CommandRecord>> {
    let own = own_organization(work, filter.organization.as_ref())?;
    let wanted_organization = own.as_ref().or(filter.organization.as_ref());
    let start = filter.from.map(|from| Id::from_parts(from.unix_millis(), 0));
    let after = filter.after.max(start);
    let mut found = page(work, JOURNAL_OF_COMMANDS, after, filter.limit, |at, record: &CommandRecord| {
        if filter.to.is_some_and(|to| at >= to) {
            return Wanted::NothingMore;
        }
        let wanted = filter.from.is_none_or(|from| at >= from)
            && filter.actor.as_ref().is_none_or(|actor| *actor == record.actor)
            && wanted_organization.is_none_or(|id| record.organizations.contains(id))
            && filter.cooperation.as_ref().is_none_or(|id| record.cooperation.as_ref() == Some(id));
        if wanted { Wanted::Yes } else { Wanted::No }
    })?;
    if let Some(own) = own {
        // Whom else a command concerned is for those to know who are in one cooperation with them.
        for entry in found.items.iter_mut().filter(|entry| entry.value.cooperation.is_none()) {
            entry.value.organizations.retain(|id| *id == own);
        }
    }
    Ok(found)
}

/// The organization that a user may read the record of, which is their own; `None` for the system.
fn own_organization<D: Database>(
    work: &mut Work<'_, D>,
    asked: Option<&EntityId>,
) -> Outcome<Option<EntityId>> {
    let Actor::User(user_id) = work.actor() else { return Ok(None) };
    let organization_id = match asked {
        Some(id) => id.clone(),
        None => {
            let member = work.membership(user_id)?;
            member.ok_or_else(|| Refusal::not_found("the organization of the user"))?.organization
        }
    };
    work.see_organization(&organization_id)?;
    work.require("can_audit", &organization(&organization_id), "R47")?;
    Ok(Some(organization_id))
}

/// Whether an entry is one of those asked for.
#[derive(PartialEq, Eq)]
enum Wanted {
    Yes,
    No,
    /// Neither is any behind it.
    NothingMore,
}

fn page<D: Database, T: DeserializeOwned>(
    work: &Work<'_, D>,
    journal: &'static str,
    after: Option<Id>,
    limit: usize,
    wanted: impl Fn(Instant, &T) -> Wanted,
) -> Outcome<Entries<T>> {
    let mut items: Vec<Entry<T>> = Vec::new();
    let (mut next, mut seen, mut last, mut broken) = (None, 0_usize, after, None);
    work.reading().snapshot().untracked().journal(journal, after, &mut |entry| {
        if items.len() >= limit || seen >= JOURNAL_ENTRIES_SCANNED_MAX {
            next = last;
            return ControlFlow::Break(());
        }
        seen += 1;
        last = Some(entry.id);
        let JournalEntry { id, at, revision, value } = entry;
        match serde_json::from_slice(&value) {
            Err(error) => broken = Some(error.to_string()),
            Ok(value) => match wanted(at, &value) {
                Wanted::Yes => items.push(Entry { cursor: id, at, revision, value }),
                Wanted::No => {}
                Wanted::NothingMore => return ControlFlow::Break(()),
            },
        }
        if broken.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    match broken {
        Some(reason) => Err(EngineError::Store(StoreError::Corrupt { what: "journal entry", reason }).into()),
        None => Ok(Entries { items, next }),
    }
}
