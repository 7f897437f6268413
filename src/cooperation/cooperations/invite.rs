//! How a cooperation comes to be: an admin invites another organization, by its identifier or by an email (R15 to R20), and
//! reminds it (R23).

use serde_json::json;

use super::super::documents::Purpose;
use super::super::documents::{CooperationDocument, EmailDocument, OrganizationDocument};
use super::super::invitations;
use super::super::names::{Email, EntityId, object, organization};
use super::super::refusal::{Code, Outcome, Refusal};
use super::super::work::{Notification, Work, key};
use super::show::{Summary, contacts, to_initiator};
use super::{Cooperation, between, load, name_of, require_manager, see};
use crate::model::{Instant, Lifetime};
use crate::store::Database;

/// The language of whoever has not said theirs.
const LANGUAGE_DEFAULT: &str = "en";

/// Whom to invite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invited {
    /// An organization.
    Organization(EntityId),
    /// Whoever has this email, or the organization that they are a member of.
    Email(Email),
}

/// An invitation to cooperate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Whom to invite.
    pub partner: Invited,
    /// The language to write in.
    pub language: Option<Box<str>>,
    /// The organization that an email was recognised as, which the caller wants to invite (R19).
    pub confirm: Option<EntityId>,
    /// When the cooperation is to end.
    pub expires_at: Option<Instant>,
}

/// Invites.
pub fn invite<D: Database>(
    work: &mut Work<'_, D>,
    initiator: &EntityId,
    invitation: &Invitation,
) -> Outcome<Summary> {
    if invitation.expires_at.is_some_and(|end| end <= work.at()) {
        return Err(Refusal::field("expires_at", "expected an instant in the future").into());
    }
    work.acting_user()?;
    work.see_organization(initiator)?;
    match &invitation.partner {
        Invited::Organization(partner) => {
            if work.known_organization(partner)?.placeholder {
                return Err(Refusal::not_found(organization(partner)).into());
            }
            work.require("can_cooperate", &organization(initiator), "R16")?;
            with_organization(work, initiator, partner, invitation)
        }
        Invited::Email(email) => {
            work.require("can_cooperate", &organization(initiator), "R16")?;
            let holder: Option<EmailDocument> = work.get(&[email])?;
            let member = match holder {
                Some(holder) => work.membership(&holder.user)?,
                None => None,
            };
            match member {
                Some(member) => {
                    let recognised = member.organization;
                    if recognised != *initiator && invitation.confirm.as_ref() != Some(&recognised) {
                        return Err(confirm(work, email, recognised)?.into());
                    }
                    with_organization(work, initiator, &recognised, invitation)
                }
                None => by_email(work, initiator, email, invitation),
            }
        }
    }
}

/// Asks whether the organization is meant that an email belongs to (R19).
fn confirm<D: Database>(work: &Work<'_, D>, email: &Email, recognised: EntityId) -> Outcome<Refusal> {
    let name = name_of(work, &recognised)?;
    let message =
        format!("`{email}` belongs to the organization `{name}`; to invite it, confirm with its id");
    Ok(Refusal::new(Code::ConfirmationRequired, message).by("R19").naming(recognised, name))
}

/// Invites an organization (R18).
fn with_organization<D: Database>(
    work: &mut Work<'_, D>,
    initiator: &EntityId,
    partner: &EntityId,
    invitation: &Invitation,
) -> Outcome<Summary> {
    if initiator == partner {
        return Err(own_organization().into());
    }
    if between(work, initiator, partner, None)?.is_some() {
        return Err(exists().into());
    }
    work.concerns(partner);
    let language = invitation.language.clone();
    let document = CooperationDocument { language, email: None, invitation: None };
    let id = EntityId::fresh(work.at());
    let ends = (document, invitation.expires_at);
    let cooperation = begin(work, id, (initiator, partner), false, ends)?;
    tell(work, &cooperation, partner, "invitation")?;
    to_initiator(work, cooperation)
}

pub(super) fn own_organization() -> Refusal {
    Refusal::new(Code::OwnOrganization, "an organization cannot cooperate with itself").by("R15")
}

pub(super) fn exists() -> Refusal {
    let message = "there is a cooperation of the same direction between the two organizations already";
    Refusal::new(Code::CooperationExists, message).by("R18")
}

/// Invites whoever has an email: something stands for their organization until they have joined (R20).
fn by_email<D: Database>(
    work: &mut Work<'_, D>,
    initiator: &EntityId,
    email: &Email,
    invitation: &Invitation,
) -> Outcome<Summary> {
    if invitation.confirm.is_some() {
        let expected = format!("`{email}` belongs to no organization; expected none to be confirmed");
        return Err(Refusal::field("confirm", expected).into());
    }
    if invites_already(work, initiator, email)? {
        return Err(exists().into());
    }
    let (id, placeholder) = (EntityId::fresh(work.at()), EntityId::fresh(work.at()));
    let name: Box<str> = (**email).into();
    let standing = OrganizationDocument { name: name.clone(), placeholder: true, gone_at: None };
    work.put(&[&placeholder], &standing)?;
    let purpose = Purpose::Cooperation { cooperation: id.clone(), organization: initiator.clone() };
    let language = invitation.language.clone();
    let sent = invitations::establish(work, purpose, email.clone(), language.clone(), None)?;
    let document = CooperationDocument { language, email: Some(email.clone()), invitation: Some(sent.id) };
    let ends = (document, invitation.expires_at);
    let cooperation = begin(work, id, (initiator, &placeholder), true, ends)?;
    let status = cooperation.status(work);
    Ok(Summary { cooperation, label: name, status })
}

/// Whether the owner of an email is invited, and has not answered.
fn invites_already<D: Database>(work: &Work<'_, D>, initiator: &EntityId, email: &Email) -> Outcome<bool> {
    for (found, _) in work.tuples_of(&organization(initiator), Some("cooperation"), Some("initiator"))? {
        let Some(cooperation) = load(work, &EntityId::stored(&found.object.id))? else { continue };
        if cooperation.placeholder && cooperation.document.email.as_ref() == Some(email) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes what a cooperation is, before it is accepted.
fn begin<D: Database>(
    work: &mut Work<'_, D>,
    id: EntityId,
    (initiator, partner): (&EntityId, &EntityId),
    placeholder: bool,
    (document, expires_at): (CooperationDocument, Option<Instant>),
) -> Outcome<Cooperation> {
    let cooperation = Cooperation {
        id: id.clone(),
        initiator: initiator.clone(),
        partner: partner.clone(),
        placeholder,
        accepted: false,
        lifetime: Lifetime { expires_at, paused: false },
        document,
    };
    work.concerns_cooperation(&id);
    work.put(&[&id], &cooperation.document)?;
    let on = object("cooperation", &id);
    work.write(key(on, "initiator", organization(initiator)), Lifetime::default());
    work.write(cooperation.link(), Lifetime::default());
    work.write(cooperation.agreement(), cooperation.lifetime);
    Ok(cooperation)
}

/// Sends an invitation again, as long as it waits for an answer (R23).
pub fn resend<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<Summary> {
    let cooperation = waiting(work, id)?;
    match &cooperation.document.invitation {
        Some(invitation) => drop(invitations::remind(work, invitation)?),
        None => tell(work, &cooperation, &cooperation.partner, "invitation_reminder")?,
    }
    to_initiator(work, cooperation)
}

/// A cooperation that waits for an answer, for who may remind of it.
pub(in crate::cooperation) fn waiting<D: Database>(
    work: &mut Work<'_, D>,
    id: &EntityId,
) -> Outcome<Cooperation> {
    let cooperation = see(work, id)?;
    require_manager(work, &cooperation, "R23")?;
    if cooperation.accepted || cooperation.has_expired(work) {
        let message = "nothing waits for an answer any more";
        return Err(Refusal::new(Code::NotPending, message).by("R23").into());
    }
    Ok(cooperation)
}

/// Tells every admin of one side.
pub(super) fn tell<D: Database>(
    work: &mut Work<'_, D>,
    cooperation: &Cooperation,
    side: &EntityId,
    kind: &'static str,
) -> Outcome<()> {
    let language = cooperation.document.language.clone().unwrap_or_else(|| LANGUAGE_DEFAULT.into());
    let initiator = json!({"id": cooperation.initiator, "name": name_of(work, &cooperation.initiator)?});
    for contact in contacts(work, side)? {
        let Some(email) = contact.email else { continue };
        let payload = json!({
            "invitation_kind": "cooperation",
            "cooperation": cooperation.id,
            "initiator": initiator,
            "user": contact.user,
        });
        let recipient = Email::parse("email", &email)?;
        work.notify(Notification { kind: kind.into(), recipient, language: language.clone(), payload });
    }
    Ok(())
}
