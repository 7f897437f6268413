//! Cooperations: what links two organizations, from the invitation to the end (R15 to R29).
//!
//! - `invite`: how one comes to be, and reminders; `answer`: accepting and declining; `change`: pausing, resuming, expiring and
//!   removing; `show`: what its sides see of it.

pub mod answer;
pub mod change;
pub mod invite;
pub mod show;

use super::documents::{CooperationDocument, OrganizationDocument};
use super::names::{EntityId, object, organization};
use super::refusal::{Code, Outcome, Refusal};
use super::work::{Work, inconsistent, key};
use crate::model::{Lifetime, Object, Subject, TupleKey};
use crate::store::Database;

/// A cooperation as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cooperation {
    /// Which one.
    pub id: EntityId,
    /// Who invited, and shares.
    pub initiator: EntityId,
    /// The other side, or what stands for it until it has joined (R20).
    pub partner: EntityId,
    /// Whether something stands for the other side.
    pub placeholder: bool,
    /// Whether the other side has agreed.
    pub accepted: bool,
    /// The pause and the expiration, before the acceptance as after it (R17).
    pub lifetime: Lifetime,
    /// What is shown of it.
    pub document: CooperationDocument,
}

/// The status that is shown, the first that applies (R24).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The expiration has passed.
    Expired,
    /// It is paused.
    Paused,
    /// An email was invited whose owner has not joined.
    Invited,
    /// An organization was invited and has not agreed.
    Pending,
    /// Both sides have agreed.
    Active,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Expired, Self::Paused, Self::Invited, Self::Pending, Self::Active];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Paused => "paused",
            Self::Invited => "invited",
            Self::Pending => "pending",
            Self::Active => "active",
        }
    }

    /// Reads one; `field` names it in the refusal.
    pub fn parse(field: &str, text: &str) -> Result<Self, Refusal> {
        Self::ALL.into_iter().find(|status| status.name() == text).ok_or_else(|| {
            Refusal::field(field, "expected one of `expired`, `paused`, `invited`, `pending` and `active`")
        })
    }
}

/// On which side of a cooperation somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Initiator,
    Partner,
}

impl Cooperation {
    /// As an object of the model.
    pub(super) fn object(&self) -> Object {
        object("cooperation", &self.id)
    }

    /// The tuple that carries the pause and the expiration.
    pub(super) fn agreement(&self) -> TupleKey {
        let relation = if self.accepted { "partner" } else { "pending" };
        key(self.object(), relation, organization(&self.partner))
    }

    /// The tuple that lets the other side see the cooperation.
    pub(super) fn link(&self) -> TupleKey {
        key(self.object(), "linked", organization(&self.partner))
    }

    /// Whether the expiration has passed.
    pub(super) fn has_expired<D: Database>(&self, work: &Work<'_, D>) -> bool {
        // What is decided by it holds until it ends.
        !work.is_live(&Lifetime { paused: false, ..self.lifetime })
    }

    /// The status that is shown (R24).
    pub fn status<D: Database>(&self, work: &Work<'_, D>) -> Status {
        if self.has_expired(work) {
            Status::Expired
        } else if self.lifetime.paused {
            Status::Paused
        } else if self.accepted {
            Status::Active
        } else if self.placeholder {
            Status::Invited
        } else {
            Status::Pending
        }
    }
}

/// A cooperation, if it exists.
pub(super) fn load<D: Database>(work: &Work<'_, D>, id: &EntityId) -> Outcome<Option<Cooperation>> {
    let broken = || inconsistent(format!("cooperation:{id} does not have the tuples of a cooperation"));
    let (mut initiators, mut linked, mut agreements) = (Vec::new(), Vec::new(), Vec::new());
    for (key, record) in work.tuples_on(&object("cooperation", id), None)? {
        let Subject::Object(subject) = key.subject else { return Err(broken().into()) };
        let organization = EntityId::stored(&subject.id);
        match &*key.relation {
            "initiator" => initiators.push(organization),
            "linked" => linked.push(organization),
            "partner" => agreements.push((organization, true, record.lifetime)),
            "pending" => agreements.push((organization, false, record.lifetime)),
            _ => return Err(broken().into()),
        }
    }
    if initiators.is_empty() && linked.is_empty() && agreements.is_empty() {
        return Ok(None);
    }
    match (initiators.as_slice(), linked.as_slice(), agreements.as_slice()) {
        ([initiator], [partner], [(agreeing, accepted, lifetime)])
            if agreeing == partner && initiator != partner =>
        {
            // Made by tuples alone, it is there all the same.
            let document = work.get::<CooperationDocument>(&[id])?.unwrap_or_default();
            let other: Option<OrganizationDocument> = work.get(&[partner])?;
            Ok(Some(Cooperation {
                id: id.clone(),
                initiator: initiator.clone(),
                partner: partner.clone(),
                placeholder: other.is_some_and(|other| other.placeholder),
                accepted: *accepted,
                lifetime: *lifetime,
                document,
            }))
        }
        _ => Err(broken().into()),
    }
}

/// A cooperation that there is, which is for the record of the command.
pub(super) fn existing<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<Cooperation> {
    let found = load(work, id)?.ok_or_else(|| Refusal::not_found(object("cooperation", id)))?;
    work.concerns_cooperation(id);
    work.concerns(&found.initiator);
    if !found.placeholder {
        work.concerns(&found.partner);
    }
    Ok(found)
}

/// A cooperation that the acting user may see (R29).
pub(super) fn see<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<Cooperation> {
    work.acting_user()?;
    let found = existing(work, id)?;
    if work.can("can_view", &found.object())? {
        return Ok(found);
    }
    Err(Refusal::not_found(found.object()).into())
}

/// Whether the acting user sees what is shared in a cooperation (R29). Whoever does not is refused before it is said what there
/// is of it.
pub(super) fn sees_inside<D: Database>(work: &Work<'_, D>, cooperation: &Cooperation) -> Outcome<bool> {
    work.can("can_view_details", &cooperation.object())
}

/// The side of the acting user, who sees the cooperation.
pub(super) fn side<D: Database>(work: &Work<'_, D>, cooperation: &Cooperation) -> Outcome<Side> {
    let is_initiator = work.can("can_view", &organization(&cooperation.initiator))?;
    Ok(if is_initiator { Side::Initiator } else { Side::Partner })
}

/// Refuses everybody but the initiator's admins (R25).
pub(super) fn require_manager<D: Database>(
    work: &Work<'_, D>,
    cooperation: &Cooperation,
    rule: &'static str,
) -> Outcome<()> {
    if work.can("can_manage", &cooperation.object())? {
        return Ok(());
    }
    if side(work, cooperation)? == Side::Partner {
        let message = "only the organization that invited may do this";
        return Err(Refusal::new(Code::InitiatorOnly, message).by(rule).into());
    }
    let message = "only an admin of the organization may do this";
    Err(Refusal::new(Code::Forbidden, message).by(rule).into())
}

/// The cooperation, other than `but`, that `initiator` has with `partner`: there is one at the most (R18).
pub(super) fn between<D: Database>(
    work: &Work<'_, D>,
    initiator: &EntityId,
    partner: &EntityId,
    but: Option<&EntityId>,
) -> Outcome<Option<EntityId>> {
    for (found, _) in work.tuples_of(&organization(initiator), Some("cooperation"), Some("initiator"))? {
        let id = EntityId::stored(&found.object.id);
        let link = key(found.object, "linked", organization(partner));
        if but != Some(&id) && work.tuple(&link)?.is_some() {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// The name of an organization; of a placeholder, the email that it stands for.
pub(super) fn name_of<D: Database>(work: &Work<'_, D>, id: &EntityId) -> Outcome<Box<str>> {
    let found: Option<OrganizationDocument> = work.get(&[id])?;
    Ok(found.map_or_else(|| (**id).into(), |found| found.name))
}
