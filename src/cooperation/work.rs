//! What a command has in its hands: one revision and one instant to decide on, and what it wants to have written.
//!
//! Everything is read as it was before the command; what the command writes shows when it is committed. Whatever is read here
//! is part of what the command rests on (R49).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::documents::{Document, OrganizationDocument, UserDocument};
use super::names::{Actor, Email, EntityId, OrganizationRole, organization, subject, user};
use super::refusal::{Code, CommandError, Outcome, Refusal};
use crate::engine::{EngineError, Reading};
use crate::model::{AuthorizationModel, Instant, Lifetime, Object, Subject, TupleKey, TupleRecord};
use crate::store::{
    Batch, Database, Delete, DocumentChange, DocumentKey, Field, JournalAddition, OnDuplicate, OnMissing,
    Snapshot, StoreError, TupleFilter, Write,
};

/// The journal that a mailer reads (R44).
pub const JOURNAL_OF_NOTIFICATIONS: &str = "notifications";

/// What a mailer is to tell somebody (R44).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// What it is about.
    pub kind: Box<str>,
    /// The email of whom to tell.
    pub recipient: Email,
    /// In which language.
    pub language: Box<str>,
    /// What there is to tell.
    pub payload: Value,
}

/// A membership (R2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Where.
    pub organization: EntityId,
    /// Who.
    pub user: EntityId,
    /// As what.
    pub role: OrganizationRole,
    /// Whether it is paused, and when it ends.
    pub lifetime: Lifetime,
}

impl Membership {
    /// The tuple of a membership.
    pub fn key(organization_id: &str, role: OrganizationRole, user_id: &str) -> TupleKey {
        key(organization(organization_id), role.name(), user(user_id))
    }
}

/// `object#relation@subject`
pub fn key(on: Object, relation: &str, of: Object) -> TupleKey {
    TupleKey { object: on, relation: relation.into(), subject: subject(of) }
}

/// One command, or one query, while it is decided.
pub struct Work<'a, D: Database> {
    actor: &'a Actor,
    reading: Reading<D>,
    /// `None`: to be deleted.
    tuples: BTreeMap<TupleKey, Option<Lifetime>>,
    documents: BTreeMap<DocumentKey, Option<Box<[u8]>>>,
    notifications: Vec<Notification>,
    model: Option<AuthorizationModel>,
    organizations: BTreeSet<EntityId>,
    cooperations: BTreeSet<EntityId>,
}

impl<'a, D: Database> Work<'a, D> {
    pub(super) fn new(actor: &'a Actor, reading: Reading<D>) -> Self {
        Self {
            actor,
            reading,
            tuples: BTreeMap::new(),
            documents: BTreeMap::new(),
            notifications: Vec::new(),
            model: None,
            organizations: BTreeSet::new(),
            cooperations: BTreeSet::new(),
        }
    }

    /// The instant that is decided for.
    pub fn at(&self) -> Instant {
        self.reading.at()
    }

    /// The reading, for what is not asked here.
    pub fn reading(&self) -> &Reading<D> {
        &self.reading
    }

    // Who acts, and what they may do.

    /// Who acts.
    pub fn actor(&self) -> &'a Actor {
        self.actor
    }

    /// The user who acts; `actor_required` for the system.
    pub fn acting_user(&self) -> Outcome<&'a EntityId> {
        match self.actor {
            Actor::User(id) => Ok(id),
            Actor::System => {
                let message = "this takes an acting user: the header Tenure-Actor, `user:id`";
                Err(Refusal::new(Code::ActorRequired, message).into())
            }
        }
    }

    /// Refuses every user.
    pub fn only_system(&self) -> Outcome<()> {
        match self.actor {
            Actor::System => Ok(()),
            Actor::User(_) => Err(Refusal::new(Code::Forbidden, "only the system may do this").into()),
        }
    }

    /// Whether the acting user holds a relation on an object; the system holds none.
    pub fn can(&self, relation: &str, on: &Object) -> Outcome<bool> {
        match self.actor {
            Actor::System => Ok(false),
            Actor::User(id) => self.holds(id, relation, on),
        }
    }

    /// Whether a user holds a relation on an object.
    pub fn holds(&self, user_id: &str, relation: &str, on: &Object) -> Outcome<bool> {
        let who = subject(user(user_id));
        Ok(self.reading.check(on.as_ref(), relation, who.as_ref())?)
    }

    /// Refuses whoever does not hold a relation on an object, by a rule.
    pub fn require(&self, relation: &str, on: &Object, rule: &'static str) -> Outcome<()> {
        if self.can(relation, on)? {
            return Ok(());
        }
        Err(Refusal::new(Code::Forbidden, format!("{} may not do this on `{on}`", self.actor))
            .by(rule)
            .into())
    }

    /// An organization that is there, and that the acting user may see. The system sees everything.
    pub fn see_organization(&mut self, id: &EntityId) -> Outcome<OrganizationDocument> {
        let on = organization(id);
        let found = self.known_organization(id)?;
        self.concerns(id);
        if matches!(self.actor, Actor::User(_)) && !self.can("can_view", &on)? {
            return Err(Refusal::not_found(&on).into());
        }
        Ok(found)
    }

    /// An organization that is there.
    pub fn known_organization(&self, id: &EntityId) -> Outcome<OrganizationDocument> {
        let missing = || Refusal::not_found(organization(id)).into();
        match self.get::<OrganizationDocument>(&[id])? {
            Some(found) if found.gone_at.is_none() => Ok(found),
            Some(_) => Err(missing()),
            // Made by tuples alone, it is there all the same.
            None if self.members(id)?.is_empty() => Err(missing()),
            None => Ok(OrganizationDocument { name: (**id).into(), placeholder: false, gone_at: None }),
        }
    }

    /// Refuses who is a member of an organization, paused and expired ones too (R1).
    pub fn refuse_member(&self, user_id: &EntityId, rule: &'static str) -> Outcome<()> {
        match self.membership(user_id)? {
            None => Ok(()),
            Some(_) => {
                let message = format!("`{}` is a member of an organization already", user(user_id));
                Err(Refusal::new(Code::AlreadyMember, message).by(rule).into())
            }
        }
    }

    // What there is.

    /// A tuple, live or not.
    pub fn tuple(&self, key: &TupleKey) -> Outcome<Option<TupleRecord>> {
        Ok(self.reading.snapshot().tuple(key.as_ref())?)
    }

    /// The tuples of a filter, live or not.
    pub fn tuples(&self, filter: &TupleFilter<'_>) -> Outcome<Vec<(TupleKey, TupleRecord)>> {
        let mut found = Vec::new();
        self.reading.snapshot().read(filter, None, &mut |key, record| {
            found.push((key.to_owned(), record));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// The tuples on an object, of one relation where one is named, live or not.
    pub fn tuples_on(&self, on: &Object, relation: Option<&str>) -> Outcome<Vec<(TupleKey, TupleRecord)>> {
        self.tuples(&TupleFilter {
            object_type: Some(&on.type_name),
            object_id: Some(&on.id),
            relation,
            subject: None,
        })
    }

    /// The tuples that name an object as their subject, on objects of one type and of one relation where such are named, live
    /// or not.
    pub fn tuples_of(
        &self,
        of: &Object,
        object_type: Option<&str>,
        relation: Option<&str>,
    ) -> Outcome<Vec<(TupleKey, TupleRecord)>> {
        let of = Subject::Object(of.clone());
        self.tuples(&TupleFilter { object_type, object_id: None, relation, subject: Some(of.as_ref()) })
    }

    /// Whether a lifetime holds now. What is decided by that holds until it ends.
    pub fn is_live(&self, lifetime: &Lifetime) -> bool {
        let live = lifetime.is_live(self.at());
        if live {
            self.reading.snapshot().hold_until(lifetime.expires_at);
        }
        live
    }

    /// Whether an instant lies ahead. What is decided by that holds until it is reached.
    pub fn is_before(&self, instant: Instant) -> bool {
        self.is_live(&Lifetime { expires_at: Some(instant), paused: false })
    }

    /// The membership of a user, paused and expired ones too (R1).
    pub fn membership(&self, user_id: &EntityId) -> Outcome<Option<Membership>> {
        let found = self.tuples_of(&user(user_id), Some("organization"), None)?;
        match found.as_slice() {
            [] => Ok(None),
            [(key, record)] => membership(key, record).map(Some),
            [..] => Err(inconsistent(format!("user:{user_id} has more than one membership")).by("R1").into()),
        }
    }

    /// The members of an organization, paused and expired ones too, in the order of their identifiers.
    pub fn members(&self, organization_id: &EntityId) -> Outcome<Vec<Membership>> {
        let found = self.tuples_on(&organization(organization_id), None)?;
        let mut members: Vec<Membership> =
            found.iter().map(|(key, record)| membership(key, record)).collect::<Outcome<_>>()?;
        members.sort_by(|a, b| a.user.cmp(&b.user));
        Ok(members)
    }

    /// A user who is known.
    pub fn known_user(&self, id: &EntityId) -> Outcome<UserDocument> {
        Ok(self.get(&[id])?.ok_or_else(|| Refusal::not_found(user(id)))?)
    }

    /// The email of a user, where it is known.
    pub fn email_of(&self, id: &EntityId) -> Outcome<Option<Email>> {
        Ok(self.get::<UserDocument>(&[id])?.map(|document| document.email))
    }

    /// A document.
    pub fn get<T: Document>(&self, parts: &[&str]) -> Outcome<Option<T>> {
        let key = T::key(parts);
        let found = self.reading.snapshot().document(&key)?;
        found.map(|bytes| read(&key, &bytes)).transpose()
    }

    /// The documents whose keys begin so, with their keys, in their order.
    pub fn list<T: Document>(&self, parts: &[&str]) -> Outcome<Vec<(DocumentKey, T)>> {
        let mut found = Vec::new();
        let mut failed = None;
        self.reading.snapshot().documents(&T::key(parts), None, &mut |key, bytes| {
            match read(&key, bytes) {
                Ok(document) => found.push((key, document)),
                Err(error) => failed = Some(error),
            }
            if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        failed.map_or(Ok(found), Err)
    }

    // What is to be written. What is written later goes before what was written earlier.

    /// Writes a tuple, with exactly this lifetime.
    pub fn write(&mut self, key: TupleKey, lifetime: Lifetime) {
        self.tuples.insert(key, Some(lifetime));
    }

    /// Deletes a tuple.
    pub fn delete(&mut self, key: TupleKey) {
        self.tuples.insert(key, None);
    }

    /// Writes a document.
    pub fn put<T: Document>(&mut self, parts: &[&str], document: &T) -> Outcome<()> {
        let bytes = encode(document)?;
        self.documents.insert(T::key(parts), Some(bytes));
        Ok(())
    }

    /// Removes a document.
    pub fn remove<T: Document>(&mut self, parts: &[&str]) {
        self.documents.insert(T::key(parts), None);
    }

    /// Puts a notification into the outbox.
    pub fn notify(&mut self, notification: Notification) {
        self.notifications.push(notification);
    }

    /// Has the store work under another model, which its tuples fit.
    pub(super) fn write_model(&mut self, model: AuthorizationModel) {
        self.model = Some(model);
    }

    // What is recorded.

    /// The command concerns this organization, whose admins may read its record.
    pub fn concerns(&mut self, organization_id: &EntityId) {
        self.organizations.insert(organization_id.clone());
    }

    /// The command concerns this cooperation.
    pub fn concerns_cooperation(&mut self, cooperation_id: &EntityId) {
        self.cooperations.insert(cooperation_id.clone());
    }

    /// What the command concerned, as far as it came; the organization that the actor is in, too. What was refused as not
    /// found concerns nobody else: the record must not tell the actor's side that it is there, nor others who looked for it.
    pub(super) fn concerned(&self, refused: Option<Code>) -> Outcome<(Vec<EntityId>, Option<EntityId>)> {
        let is_hidden = refused == Some(Code::NotFound) && matches!(self.actor, Actor::User(_));
        let mut organizations = if is_hidden { BTreeSet::new() } else { self.organizations.clone() };
        if let Actor::User(id) = self.actor {
            let actor = subject(user(id));
            let filter = TupleFilter {
                object_type: Some("organization"),
                subject: Some(actor.as_ref()),
                ..TupleFilter::default()
            };
            // Nothing is decided by it.
            self.reading.snapshot().untracked().read(&filter, None, &mut |key, _| {
                organizations.insert(EntityId::stored(key.object.id));
                ControlFlow::Continue(())
            })?;
        }
        // A command that ends several concerns none of them alone, and tells no partner of another.
        let cooperation = self.cooperations.first().filter(|_| self.cooperations.len() == 1 && !is_hidden);
        Ok((organizations.into_iter().collect(), cooperation.cloned()))
    }

    /// What the command rests on and what it writes, `record` being its record.
    pub(super) fn concluded(self, record: JournalAddition) -> Outcome<(Reading<D>, Batch)> {
        let mut batch = Batch { actor: Some(self.actor.to_string().into()), ..Batch::default() };
        for (key, lifetime) in self.tuples {
            match lifetime {
                None => batch.deletes.push(Delete { key, on_missing: OnMissing::Ignore }),
                Some(lifetime) => batch.writes.push(Write {
                    key,
                    condition: Field::Clear,
                    expires_at: lifetime.expires_at.map_or(Field::Clear, Field::Set),
                    paused: Field::Set(lifetime.paused),
                    on_duplicate: OnDuplicate::Update,
                }),
            }
        }
        let changes = self.documents.into_iter();
        batch.documents = changes.map(|(key, value)| DocumentChange { key, value }).collect();
        for notification in &self.notifications {
            let value = encode(notification)?;
            batch.journals.push(JournalAddition { journal: JOURNAL_OF_NOTIFICATIONS.into(), value });
        }
        batch.journals.push(record);
        batch.model = self.model;
        Ok((self.reading, batch))
    }
}

/// Data that breaks a rule (R51).
pub(super) fn inconsistent(what: impl Into<String>) -> Refusal {
    Refusal::new(Code::Inconsistent, what)
}

fn membership(key: &TupleKey, record: &TupleRecord) -> Outcome<Membership> {
    let role = OrganizationRole::ALL.iter().copied().find(|role| role.name() == &*key.relation);
    match (role, &key.subject) {
        (Some(role), Subject::Object(who)) => Ok(Membership {
            organization: EntityId::stored(&key.object.id),
            user: EntityId::stored(&who.id),
            role,
            lifetime: record.lifetime,
        }),
        _ => Err(inconsistent(format!("`{key}` is no membership")).into()),
    }
}

fn read<T: Document>(key: &DocumentKey, bytes: &[u8]) -> Outcome<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        let reason = format!("{}: {error}", key.kind());
        EngineError::Store(StoreError::Corrupt { what: "document", reason }).into()
    })
}

/// A document or an entry as it is stored.
pub(super) fn encode(value: &impl Serialize) -> Outcome<Box<[u8]>> {
    match serde_json::to_vec(value) {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => Err(CommandError::Engine(EngineError::Store(StoreError::Io {
            doing: "encoding a document",
            reason: error.to_string(),
        }))),
    }
}
