//! What the sides of a cooperation see of it (R29).

use tracing::warn;

use super::super::delegations::{self, Delegation};
use super::super::documents::UserDocument;
use super::super::names::{EntityId, OrganizationRole, organization};
use super::super::refusal::{Code, CommandError, Outcome, Refusal};
use super::super::shares::{self, Share};
use super::super::work::Work;
use super::{Cooperation, Side, Status, load, name_of, see, sees_inside, side};
use crate::store::Database;

/// A cooperation as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The cooperation.
    pub cooperation: Cooperation,
    /// The name of the other side; of one that has not joined yet, its email (R20).
    pub label: Box<str>,
    /// Its status (R24).
    pub status: Status,
}

/// Somebody to talk to: an admin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Who.
    pub user: EntityId,
    /// As it is shown.
    pub name: Option<Box<str>>,
    /// Where to write to.
    pub email: Option<Box<str>>,
}

/// A cooperation in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// As a list shows it.
    pub summary: Summary,
    /// Contacts of the initiator and of the partner, and the shares; for admins only.
    pub inside: Option<Inside>,
    /// Whether the acting user may manage it, accept it, and delegate in it.
    pub can: Can,
}

/// What admins see of a cooperation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    /// The admins of the initiator.
    pub initiator: Vec<Contact>,
    /// The admins of the partner.
    pub partner: Vec<Contact>,
    /// Everything that is shared.
    pub shares: Vec<Share>,
}

/// What the acting user may do with a cooperation now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Can {
    /// Pause, resume, expire and remove it, and share in it.
    pub manage: bool,
    /// Accept or decline it.
    pub accept: bool,
    /// Delegate what was shared.
    pub delegate: bool,
}

/// Which cooperations of an organization to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those that it initiated, or those in which it is the partner; `None`: both.
    pub initiated: Option<bool>,
    /// Those whose other side has this in its name, whatever the case.
    pub search: Option<Box<str>>,
    /// Those of this status.
    pub status: Option<Status>,
}

/// The cooperations of an organization, in the order of their identifiers. What raw tuples have half made is none yet, and must
/// not hide the others: it is left out, and the log says so. Asked for by itself, it is `inconsistent` (R51).
pub fn list<D: Database>(
    work: &mut Work<'_, D>,
    organization_id: &EntityId,
    filter: &Filter,
) -> Outcome<Vec<Summary>> {
    work.acting_user()?;
    work.see_organization(organization_id)?;
    let of = organization(organization_id);
    let mut ids = Vec::new();
    for (initiated, relation) in [(true, "initiator"), (false, "linked")] {
        if filter.initiated.is_none_or(|wanted| wanted == initiated) {
            let found = work.tuples_of(&of, Some("cooperation"), Some(relation))?;
            ids.extend(found.into_iter().map(|(key, _)| EntityId::stored(&key.object.id)));
        }
    }
    ids.sort();
    let search = filter.search.as_ref().map(|text| text.to_lowercase());
    let mut shown = Vec::new();
    for id in ids {
        let cooperation = match load(work, &id) {
            Ok(Some(cooperation)) => cooperation,
            Ok(None) => continue,
            Err(CommandError::Refused(refusal)) if refusal.code == Code::Inconsistent => {
                warn!(cooperation = %id, "a list leaves out a cooperation: {refusal}");
                continue;
            }
            Err(error) => return Err(error),
        };
        let label = name_of(work, other_side(&cooperation, organization_id))?;
        let status = cooperation.status(work);
        if filter.status.is_some_and(|wanted| wanted != status)
            || search.as_ref().is_some_and(|search| !label.to_lowercase().contains(search))
        {
            continue;
        }
        shown.push(Summary { cooperation, label, status });
    }
    Ok(shown)
}

fn other_side<'c>(cooperation: &'c Cooperation, own: &EntityId) -> &'c EntityId {
    if cooperation.initiator == *own { &cooperation.partner } else { &cooperation.initiator }
}

/// A cooperation as the initiator sees it after a command.
pub(super) fn to_initiator<D: Database>(work: &Work<'_, D>, cooperation: Cooperation) -> Outcome<Summary> {
    let label = name_of(work, &cooperation.partner)?;
    let status = cooperation.status(work);
    Ok(Summary { cooperation, label, status })
}

/// A cooperation, for the members of both sides; what is inside, for their admins.
pub fn details<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<Details> {
    let cooperation = see(work, id)?;
    let on = cooperation.object();
    let inside = if sees_inside(work, &cooperation)? {
        Some(Inside {
            initiator: contacts(work, &cooperation.initiator)?,
            partner: contacts(work, &cooperation.partner)?,
            shares: shares::of_cooperation(work, &cooperation)?,
        })
    } else {
        None
    };
    let status = cooperation.status(work);
    let waits = !cooperation.accepted && !cooperation.placeholder && status != Status::Expired;
    let can = Can {
        manage: work.can("can_manage", &on)?,
        accept: waits && work.can("can_accept", &on)?,
        delegate: work.can("can_delegate", &on)?,
    };
    let own = match side(work, &cooperation)? {
        Side::Initiator => &cooperation.initiator,
        Side::Partner => &cooperation.partner,
    };
    let label = name_of(work, other_side(&cooperation, own))?;
    Ok(Details { summary: Summary { cooperation, label, status }, inside, can })
}

/// Everything that is delegated in a cooperation, for the admins of both sides.
pub fn delegations<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<Vec<Delegation>> {
    let cooperation = see(work, id)?;
    if !sees_inside(work, &cooperation)? {
        let message = "only admins see what is delegated";
        return Err(Refusal::new(Code::Forbidden, message).by("R29").into());
    }
    let mut all = Vec::new();
    for share in shares::of_cooperation(work, &cooperation)? {
        all.extend(delegations::of_resource(work, &cooperation, &share.resource)?);
    }
    Ok(all)
}

/// The admins of an organization who are so now.
pub(super) fn contacts<D: Database>(work: &Work<'_, D>, id: &EntityId) -> Outcome<Vec<Contact>> {
    let mut contacts = Vec::new();
    for member in work.members(id)? {
        if member.role == OrganizationRole::Admin && work.is_live(&member.lifetime) {
            let document = work.get::<UserDocument>(&[&member.user])?;
            let (name, email) = document.map_or((None, None), |of| (of.name, Some(of.email)));
            contacts.push(Contact { user: member.user, name, email: email.map(|email| (*email).into()) });
        }
    }
    Ok(contacts)
}
