//! How whoever was invited answers: accepts (R18, R21), or declines (R22).

use super::super::documents::{InvitationAnswer, OrganizationDocument};
use super::super::invitations::{self, InvitationStatus};
use super::super::names::{Email, EntityId, organization};
use super::super::organizations::{self, NewOrganization};
use super::super::refusal::{Code, Outcome, Refusal};
use super::super::work::Work;
use super::change::end;
use super::invite::{exists, own_organization, tell};
use super::show::Summary;
use super::{Cooperation, between, existing, name_of, see};
use crate::store::Database;

/// Accepts a cooperation: for the organization that was invited, one of its admins; where an email was invited, the user whose
/// it is, who makes the organization if there is none yet.
pub fn accept<D: Database>(
    work: &mut Work<'_, D>,
    id: &EntityId,
    new: Option<&NewOrganization>,
) -> Outcome<Summary> {
    let actor = work.acting_user()?;
    let cooperation = existing(work, id)?;
    let cooperation = if cooperation.placeholder {
        require_invited_user(work, &cooperation, actor)?;
        by_email(work, cooperation, actor, new)?
    } else {
        for_organization(work, id, new)?
    };
    let label = name_of(work, &cooperation.initiator)?;
    let status = cooperation.status(work);
    Ok(Summary { cooperation, label, status })
}

/// Declines a cooperation, which takes it away with everything that was prepared in it (R22).
pub fn decline<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<()> {
    let actor = work.acting_user()?;
    let cooperation = existing(work, id)?;
    if cooperation.placeholder {
        require_invited_user(work, &cooperation, actor)?;
    } else {
        see(work, id)?;
        require_invited_admin(work, &cooperation)?;
    }
    if cooperation.accepted {
        return Err(not_pending().into());
    }
    end(work, &cooperation, InvitationAnswer::Declined)
}

/// Accepts for the organization that was invited by its identifier. One tuple takes the place of another, with its pause and
/// its expiration (R17).
fn for_organization<D: Database>(
    work: &mut Work<'_, D>,
    id: &EntityId,
    new: Option<&NewOrganization>,
) -> Outcome<Cooperation> {
    let cooperation = see(work, id)?;
    require_invited_admin(work, &cooperation)?;
    if cooperation.accepted {
        return Err(not_pending().into());
    }
    require_time(work, &cooperation)?;
    if new.is_some() {
        return Err(already_member().into());
    }
    work.delete(cooperation.agreement());
    agree(work, cooperation)
}

/// Accepts for the organization of the user whose email was invited, which takes the place of what stood for it; whoever has
/// none makes one (R21). Who the user is was found out before.
pub(in crate::cooperation) fn by_email<D: Database>(
    work: &mut Work<'_, D>,
    cooperation: Cooperation,
    user_id: &EntityId,
    new: Option<&NewOrganization>,
) -> Outcome<Cooperation> {
    let member = work.membership(user_id)?;
    if member.is_none() && new.is_none() {
        let expected = "expected the organization that you want to make, as you are in none";
        return Err(Refusal::field("organization", expected).into());
    }
    if let Some(member) = &member {
        work.require("can_cooperate", &organization(&member.organization), "R21")?;
    }
    let invitation = cooperation.document.invitation.as_ref().ok_or_else(not_pending)?;
    let invitation = invitations::get(work, invitation)?;
    invitations::require_sender(work, &invitation.document.sender, &invitation.document.purpose)?;
    match invitation.status {
        InvitationStatus::Sent => {}
        InvitationStatus::Expired => {
            return Err(Refusal::new(Code::Expired, "the invitation has expired").by("R40").into());
        }
        InvitationStatus::Accepted | InvitationStatus::Declined | InvitationStatus::Revoked => {
            return Err(not_pending().into());
        }
    }
    require_time(work, &cooperation)?;
    let partner = match (member, new) {
        (Some(_), Some(_)) => return Err(already_member().into()),
        (Some(member), None) => {
            if between(work, &cooperation.initiator, &member.organization, Some(&cooperation.id))?.is_some() {
                return Err(exists().into());
            }
            if member.organization == cooperation.initiator {
                return Err(own_organization().into());
            }
            member.organization
        }
        (None, Some(new)) => organizations::establish(work, new, user_id)?,
        (None, None) => return Err(not_pending().into()),
    };
    work.concerns(&partner);
    work.delete(cooperation.link());
    work.delete(cooperation.agreement());
    work.remove::<OrganizationDocument>(&[&cooperation.partner]);
    invitations::close(work, &invitation.id, InvitationAnswer::Accepted)?;
    agree(work, Cooperation { partner, placeholder: false, ..cooperation })
}

/// Writes the agreement, and tells the initiator.
fn agree<D: Database>(work: &mut Work<'_, D>, cooperation: Cooperation) -> Outcome<Cooperation> {
    let cooperation = Cooperation { accepted: true, ..cooperation };
    work.write(cooperation.link(), Default::default());
    work.write(cooperation.agreement(), cooperation.lifetime);
    tell(work, &cooperation, &cooperation.initiator, "invitation_accepted")?;
    Ok(cooperation)
}

/// Refuses everybody but the admins of the invited organization (R16).
fn require_invited_admin<D: Database>(work: &Work<'_, D>, cooperation: &Cooperation) -> Outcome<()> {
    if work.can("can_accept", &cooperation.object())? {
        return Ok(());
    }
    let message = "only an admin of the organization that was invited may do this";
    Err(Refusal::new(Code::Forbidden, message).by("R16").into())
}

/// Refuses everybody but the user whose email was invited (R40).
fn require_invited_user<D: Database>(
    work: &Work<'_, D>,
    cooperation: &Cooperation,
    actor: &EntityId,
) -> Outcome<()> {
    let email: Option<&Email> = cooperation.document.email.as_ref();
    if email.is_some() && work.email_of(actor)?.as_ref() == email {
        return Ok(());
    }
    if work.can("can_view", &cooperation.object())? {
        let message = "only the user whose email was invited may do this";
        return Err(Refusal::new(Code::Forbidden, message).by("R40").into());
    }
    Err(Refusal::not_found(cooperation.object()).into())
}

fn require_time<D: Database>(work: &Work<'_, D>, cooperation: &Cooperation) -> Outcome<()> {
    if cooperation.has_expired(work) {
        return Err(Refusal::new(Code::Expired, "the cooperation has expired").by("R21").into());
    }
    Ok(())
}

fn not_pending() -> Refusal {
    Refusal::new(Code::NotPending, "the cooperation does not wait for an answer").by("R22")
}

fn already_member() -> Refusal {
    let message = "you are in an organization already, and cannot make another";
    Refusal::new(Code::AlreadyMember, message).by("R1")
}
