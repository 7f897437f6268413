//! Invitations to the platform and into an organization: sending, accepting, declining, reminding, taking back (R40 to R42).

use serde_json::{Value, json};

use super::cooperations;
use super::documents::{
    EmailDocument, InvitationAnswer, InvitationDocument, OrganizationDocument, Purpose, UserDocument,
};
use super::members;
use super::names::{Email, EntityId, OrganizationRole, ResourceKind, object, organization, user};
use super::organizations::{self, NewOrganization};
use super::refusal::{Code, Outcome, Refusal};
use super::resources::{self, NewResource};
use super::work::{Notification, Work};
use crate::model::Instant;
use crate::model::limits::INVITATION_DAYS_DEFAULT;
use crate::store::Database;

const MICROS_PER_DAY: i64 = 24 * 60 * 60 * 1_000_000;
/// The language of whoever has not said theirs.
const LANGUAGE_DEFAULT: &str = "en";

/// An invitation that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvitation {
    /// To what.
    pub purpose: Purpose,
    /// Who is invited.
    pub email: Email,
    /// The language to write in.
    pub language: Option<Box<str>>,
    /// From when on it cannot be accepted; `None`: after 14 days.
    pub expires_at: Option<Instant>,
}

/// An invitation, as whoever has its identifier sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Which one; nobody can guess it.
    pub id: EntityId,
    /// What it says.
    pub document: InvitationDocument,
    /// What has become of it.
    pub status: InvitationStatus,
}

/// What has become of an invitation (R40).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitationStatus {
    /// It waits for an answer.
    Sent,
    /// It was accepted.
    Accepted,
    /// It was declined.
    Declined,
    /// Its sender's side took it back.
    Revoked,
    /// Nobody answered in time.
    Expired,
}

impl InvitationStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Sent, Self::Accepted, Self::Declined, Self::Revoked, Self::Expired];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// What whoever accepts wants to have made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acceptance {
    /// The organization of whoever has none.
    pub organization: Option<NewOrganization>,
    /// The name of its first portfolio; `None`: that of the organization.
    pub portfolio: Option<Box<str>>,
}

/// Sends an invitation.
pub fn send<D: Database>(work: &mut Work<'_, D>, new: &NewInvitation) -> Outcome<Invitation> {
    if new.expires_at.is_some_and(|end| end <= work.at()) {
        return Err(Refusal::field("expires_at", "expected an instant in the future").into());
    }
    let sender = work.acting_user()?.clone();
    if let Purpose::Organization { organization, .. } = &new.purpose {
        let document = work.see_organization(organization)?;
        if document.placeholder {
            return Err(Refusal::not_found(super::names::organization(organization)).by("R21").into());
        }
    }
    require_sender(work, &sender, &new.purpose)?;
    establish(work, new.purpose.clone(), new.email.clone(), new.language.clone(), new.expires_at)
}

/// Sends an invitation, whoever may do that.
pub(super) fn establish<D: Database>(
    work: &mut Work<'_, D>,
    purpose: Purpose,
    email: Email,
    language: Option<Box<str>>,
    expires_at: Option<Instant>,
) -> Outcome<Invitation> {
    let sender = work.acting_user()?.clone();
    let after = INVITATION_DAYS_DEFAULT.saturating_mul(MICROS_PER_DAY);
    let document = InvitationDocument {
        purpose,
        email,
        language: language.unwrap_or_else(|| LANGUAGE_DEFAULT.into()),
        sender,
        answer: None,
        sent_at: work.at(),
        expires_at: expires_at.unwrap_or_else(|| work.at().saturating_add_micros(after)),
    };
    let invitation = shown(work, EntityId::fresh(work.at()), document);
    work.put(&[&invitation.id], &invitation.document)?;
    tell_invited(work, &invitation, "invitation")?;
    Ok(invitation)
}

/// An invitation, for whoever has its identifier.
pub fn get<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<Invitation> {
    let document = work.get::<InvitationDocument>(&[id])?;
    let document = document.ok_or_else(|| Refusal::not_found(object("invitation", id)))?;
    match &document.purpose {
        Purpose::Platform => {}
        Purpose::Organization { organization, .. } => work.concerns(organization),
        Purpose::Cooperation { cooperation, organization } => {
            work.concerns(organization);
            work.concerns_cooperation(cooperation);
        }
    }
    Ok(shown(work, id.clone(), document))
}

/// Accepts an invitation, for the user whose email it is. Who is not known yet is from then on. Answers the organization that
/// the user is in.
pub fn accept<D: Database>(
    work: &mut Work<'_, D>,
    id: &EntityId,
    user_id: &EntityId,
    acceptance: &Acceptance,
) -> Outcome<EntityId> {
    let actor = work.acting_user()?;
    let invitation = get(work, id)?;
    let Invitation { document, .. } = &invitation;
    if document.purpose == Purpose::Platform && acceptance.organization.is_none() {
        return Err(Refusal::field("organization", "it is missing").into());
    }
    let is_known = is_of(work, user_id, &document.email)?;
    if actor != user_id || is_known == Some(false) {
        return Err(not_invited().into());
    }
    if is_known.is_none() {
        work.put(&[user_id], &UserDocument { email: document.email.clone(), name: None })?;
        work.put(&[&document.email], &EmailDocument { user: user_id.clone() })?;
    }
    if let (Purpose::Cooperation { cooperation, .. }, None) = (&document.purpose, document.answer) {
        return accept_cooperation(work, cooperation, user_id, acceptance);
    }
    require_sender(work, &document.sender, &document.purpose)?;
    match invitation.status {
        InvitationStatus::Sent => {}
        InvitationStatus::Expired => {
            return Err(Refusal::new(Code::Expired, "the invitation has expired").by("R40").into());
        }
        _ => return Err(not_pending().into()),
    }
    let organization = match (&document.purpose, &acceptance.organization) {
        (Purpose::Organization { organization, role }, _) => {
            work.refuse_member(user_id, "R42")?;
            members::join(work, organization, user_id, *role);
            organization.clone()
        }
        (Purpose::Platform, Some(new)) => {
            work.refuse_member(user_id, "R41")?;
            with_organization(work, user_id, new, acceptance.portfolio.as_deref())?
        }
        (Purpose::Platform, None) => return Err(Refusal::field("organization", "it is missing").into()),
        // One that nobody has answered was accepted above.
        (Purpose::Cooperation { .. }, _) => return Err(not_pending().into()),
    };
    answer(work, &invitation, InvitationAnswer::Accepted)?;
    tell_sender(work, &invitation, "invitation_accepted", user_id, &organization)?;
    Ok(organization)
}

/// Accepts a cooperation that an email was invited to. This closes the invitation, and tells the initiator.
fn accept_cooperation<D: Database>(
    work: &mut Work<'_, D>,
    cooperation: &EntityId,
    user_id: &EntityId,
    acceptance: &Acceptance,
) -> Outcome<EntityId> {
    let cooperation = cooperations::existing(work, cooperation)?;
    let new = acceptance.organization.as_ref();
    let joined = cooperations::answer::by_email(work, cooperation, user_id, new)?.partner;
    if let (Some(_), Some(name)) = (new, &acceptance.portfolio) {
        first_portfolio(work, &joined, name)?;
    }
    Ok(joined)
}

/// Makes an organization for a user who has none, with a first portfolio (R41).
pub(super) fn with_organization<D: Database>(
    work: &mut Work<'_, D>,
    user_id: &EntityId,
    new: &NewOrganization,
    portfolio: Option<&str>,
) -> Outcome<EntityId> {
    let organization = organizations::establish(work, new, user_id)?;
    first_portfolio(work, &organization, portfolio.unwrap_or(&new.name))?;
    Ok(organization)
}

fn first_portfolio<D: Database>(work: &mut Work<'_, D>, organization: &EntityId, name: &str) -> Outcome<()> {
    let first = NewResource { kind: ResourceKind::Portfolio, id: None, name: name.into(), portfolio: None };
    resources::establish(work, organization, &first)?;
    Ok(())
}

/// Declines an invitation, for the user whose email it is.
pub fn decline<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<Invitation> {
    let actor = work.acting_user()?;
    let invitation = get(work, id)?;
    if is_of(work, actor, &invitation.document.email)? != Some(true) {
        return Err(not_invited().into());
    }
    if let Purpose::Cooperation { cooperation, .. } = &invitation.document.purpose {
        require_unanswered(&invitation)?;
        cooperations::answer::decline(work, cooperation)?;
    } else {
        require_waiting(&invitation)?;
        answer(work, &invitation, InvitationAnswer::Declined)?;
    }
    let document = InvitationDocument { answer: Some(InvitationAnswer::Declined), ..invitation.document };
    Ok(Invitation { document, status: InvitationStatus::Declined, ..invitation })
}

/// Reminds whoever was invited, for the sender's side.
pub fn resend<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<Invitation> {
    let actor = work.acting_user()?;
    let invitation = get(work, id)?;
    require_sender(work, actor, &invitation.document.purpose)?;
    if let Purpose::Cooperation { cooperation, .. } = &invitation.document.purpose {
        require_unanswered(&invitation)?;
        cooperations::invite::waiting(work, cooperation)?;
        return remind(work, id);
    }
    require_waiting(&invitation)?;
    tell_invited(work, &invitation, "invitation_reminder")?;
    Ok(invitation)
}

/// Takes an invitation back, for the sender's side.
pub fn revoke<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<()> {
    let actor = work.acting_user()?;
    let invitation = get(work, id)?;
    require_sender(work, actor, &invitation.document.purpose)?;
    if let Purpose::Cooperation { cooperation, .. } = &invitation.document.purpose {
        require_unanswered(&invitation)?;
        return cooperations::change::remove(work, cooperation);
    }
    require_waiting(&invitation)?;
    answer(work, &invitation, InvitationAnswer::Revoked)
}

/// Reminds whoever was invited, who has as long again as at first, whoever may do that.
pub(super) fn remind<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<Invitation> {
    let mut invitation = get(work, id)?;
    let after = INVITATION_DAYS_DEFAULT.saturating_mul(MICROS_PER_DAY);
    let ends = work.at().saturating_add_micros(after);
    invitation.document.expires_at = invitation.document.expires_at.max(ends);
    let invitation = shown(work, invitation.id, invitation.document);
    work.put(&[id], &invitation.document)?;
    tell_invited(work, &invitation, "invitation_reminder")?;
    Ok(invitation)
}

/// Answers an invitation that nobody has answered, whoever may do that.
pub(super) fn close<D: Database>(
    work: &mut Work<'_, D>,
    id: &EntityId,
    with: InvitationAnswer,
) -> Outcome<()> {
    let invitation = get(work, id)?;
    if invitation.document.answer.is_some() {
        return Ok(());
    }
    answer(work, &invitation, with)
}

fn shown<D: Database>(work: &Work<'_, D>, id: EntityId, document: InvitationDocument) -> Invitation {
    let status = match document.answer {
        Some(InvitationAnswer::Accepted) => InvitationStatus::Accepted,
        Some(InvitationAnswer::Declined) => InvitationStatus::Declined,
        Some(InvitationAnswer::Revoked) => InvitationStatus::Revoked,
        None if work.is_before(document.expires_at) => InvitationStatus::Sent,
        None => InvitationStatus::Expired,
    };
    Invitation { id, document, status }
}

/// Refuses who may not send such an invitation, now.
pub(super) fn require_sender<D: Database>(
    work: &Work<'_, D>,
    sender: &EntityId,
    purpose: &Purpose,
) -> Outcome<()> {
    let (may, rule) = match purpose {
        Purpose::Platform => (work.holds(sender, "can_invite", &object("platform", "main"))?, "R41"),
        Purpose::Organization { organization: id, .. } => {
            (work.holds(sender, "can_manage_members", &organization(id))?, "R42")
        }
        Purpose::Cooperation { organization: id, .. } => {
            (work.holds(sender, "can_cooperate", &organization(id))?, "R16")
        }
    };
    if may {
        return Ok(());
    }
    let message = format!("`{}` may not send such an invitation", user(sender));
    Err(Refusal::new(Code::Forbidden, message).by(rule).into())
}

/// Whether an email is this user's; `None`: neither is known.
fn is_of<D: Database>(work: &Work<'_, D>, user_id: &EntityId, email: &Email) -> Outcome<Option<bool>> {
    if let Some(known) = work.get::<UserDocument>(&[user_id])? {
        return Ok(Some(known.email == *email));
    }
    let holder: Option<EmailDocument> = work.get(&[email])?;
    Ok(holder.map(|_| false))
}

fn not_invited() -> Refusal {
    Refusal::new(Code::Forbidden, "the invitation is for the user of another email").by("R40")
}

fn not_pending() -> Refusal {
    Refusal::new(Code::NotPending, "the invitation does not wait for an answer any more").by("R22")
}

/// What nobody has answered can be declined, sent again and taken back, in time or not, where a cooperation waits for it.
fn require_unanswered(invitation: &Invitation) -> Outcome<()> {
    match invitation.document.answer {
        None => Ok(()),
        Some(_) => Err(not_pending().into()),
    }
}

fn require_waiting(invitation: &Invitation) -> Outcome<()> {
    match invitation.status {
        InvitationStatus::Sent => Ok(()),
        _ => Err(not_pending().into()),
    }
}

fn answer<D: Database>(
    work: &mut Work<'_, D>,
    invitation: &Invitation,
    answer: InvitationAnswer,
) -> Outcome<()> {
    let document = InvitationDocument { answer: Some(answer), ..invitation.document.clone() };
    work.put(&[&invitation.id], &document)
}

/// Puts into the outbox what whoever was invited is to be told.
fn tell_invited<D: Database>(work: &mut Work<'_, D>, invitation: &Invitation, kind: &str) -> Outcome<()> {
    let document = &invitation.document;
    let payload = payload(work, invitation)?;
    work.notify(Notification {
        kind: kind.into(),
        recipient: document.email.clone(),
        language: document.language.clone(),
        payload,
    });
    Ok(())
}

/// Puts into the outbox what the sender is to be told.
fn tell_sender<D: Database>(
    work: &mut Work<'_, D>,
    invitation: &Invitation,
    kind: &str,
    user_id: &EntityId,
    joined: &EntityId,
) -> Outcome<()> {
    let document = &invitation.document;
    let Some(sender) = work.get::<UserDocument>(&[&document.sender])? else { return Ok(()) };
    let mut payload = payload(work, invitation)?;
    if let Value::Object(fields) = &mut payload {
        fields.insert("user".into(), (**user_id).into());
        fields.insert("organization".into(), (**joined).into());
    }
    let language = document.language.clone();
    work.notify(Notification { kind: kind.into(), recipient: sender.email, language, payload });
    Ok(())
}

fn payload<D: Database>(work: &Work<'_, D>, invitation: &Invitation) -> Outcome<Value> {
    let Invitation { id, document, .. } = invitation;
    let email = &document.email;
    Ok(match &document.purpose {
        Purpose::Platform => json!({ "invitation": id, "invitation_kind": "platform", "email": email }),
        Purpose::Organization { organization, role } => {
            let named: Option<OrganizationDocument> = work.get(&[organization])?;
            json!({
                "invitation": id,
                "invitation_kind": "organization",
                "email": email,
                "organization": organization,
                "organization_name": named.map(|named| named.name),
                "role": role,
            })
        }
        Purpose::Cooperation { cooperation, organization } => {
            let named: Option<OrganizationDocument> = work.get(&[organization])?;
            json!({
                "invitation": id,
                "invitation_kind": "cooperation",
                "email": email,
                "cooperation": cooperation,
                "initiator": { "id": organization, "name": named.map(|named| named.name) },
            })
        }
    })
}

impl Purpose {
    /// The kind of such an invitation.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Organization { .. } => "organization",
            Self::Cooperation { .. } => "cooperation",
        }
    }

    /// The organization that invites, if one does.
    pub fn organization(&self) -> Option<&EntityId> {
        match self {
            Self::Platform => None,
            Self::Organization { organization, .. } | Self::Cooperation { organization, .. } => {
                Some(organization)
            }
        }
    }

    /// The role that it offers, if it does.
    pub fn role(&self) -> Option<OrganizationRole> {
        match self {
            Self::Platform | Self::Cooperation { .. } => None,
            Self::Organization { role, .. } => Some(*role),
        }
    }

    /// The cooperation that it is to, if it is.
    pub fn cooperation(&self) -> Option<&EntityId> {
        match self {
            Self::Platform | Self::Organization { .. } => None,
            Self::Cooperation { cooperation, .. } => Some(cooperation),
        }
    }
}
