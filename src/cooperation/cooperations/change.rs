//! What the initiator does with a cooperation: pausing and resuming it, moving its end, removing it (R25 to R28).

use super::super::documents::{CooperationDocument, InvitationAnswer, OrganizationDocument};
use super::super::invitations;
use super::super::names::{EntityId, organization};
use super::super::refusal::Outcome;
use super::super::shares;
use super::super::work::{Work, key};
use super::show::{Summary, to_initiator};
use super::{Cooperation, require_manager, see};
use crate::model::{Instant, Lifetime};
use crate::store::Database;

/// Pauses or resumes a cooperation, moves or clears its end; what is absent stays. One tuple is written, however much hangs
/// on the cooperation (R26).
pub fn change<D: Database>(
    work: &mut Work<'_, D>,
    id: &EntityId,
    paused: Option<bool>,
    expires_at: Option<Option<Instant>>,
) -> Outcome<Summary> {
    let mut cooperation = see(work, id)?;
    require_manager(work, &cooperation, "R25")?;
    let before = cooperation.lifetime;
    cooperation.lifetime = Lifetime {
        paused: paused.unwrap_or(before.paused),
        expires_at: expires_at.unwrap_or(before.expires_at),
    };
    work.write(cooperation.agreement(), cooperation.lifetime);
    to_initiator(work, cooperation)
}

/// Removes a cooperation with everything in it (R28).
pub fn remove<D: Database>(work: &mut Work<'_, D>, id: &EntityId) -> Outcome<()> {
    let cooperation = see(work, id)?;
    require_manager(work, &cooperation, "R25")?;
    end(work, &cooperation, InvitationAnswer::Revoked)
}

/// Takes away everything that a cooperation is, whoever may do that: its shares with what was delegated in them, and what
/// stands for a partner that has not joined. An open invitation is answered.
pub(in crate::cooperation) fn end<D: Database>(
    work: &mut Work<'_, D>,
    cooperation: &Cooperation,
    answer: InvitationAnswer,
) -> Outcome<()> {
    for share in shares::of_cooperation(work, cooperation)? {
        shares::end(work, cooperation, &share)?;
    }
    work.delete(key(cooperation.object(), "initiator", organization(&cooperation.initiator)));
    work.delete(cooperation.link());
    work.delete(cooperation.agreement());
    work.remove::<CooperationDocument>(&[&cooperation.id]);
    if let Some(invitation) = &cooperation.document.invitation {
        invitations::close(work, invitation, answer)?;
    }
    if cooperation.placeholder {
        work.remove::<OrganizationDocument>(&[&cooperation.partner]);
    }
    Ok(())
}
