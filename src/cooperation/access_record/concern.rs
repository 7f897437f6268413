//! Whether a check concerns a cooperation, which one, and why it was decided as it was (R48).
//!
//! An allowance does when it comes from a share. A denial does when the resource, or the portfolio that it lies in, has a
//! share, in whatever state, in a cooperation whose other side has the user as a member, in whatever state, who is an admin or
//! holds a delegation in that share.

use std::sync::Arc;

use super::super::names;
use super::super::sharing::{self, Membership, Share, Sharing, Source};
use crate::engine::{DecidedCheck, EngineError, Grounding};
use crate::eval::Dependency;
use crate::model::{Lifetime, Object, Subject, TupleKey, TupleRef};
use crate::store::{Snapshot, StoreError};

/// What a check has to do with a cooperation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Concern {
    /// Which one.
    pub(super) cooperation: Box<str>,
    /// Why it was decided as it was. Allowed: `partner_admin` or `delegation`. Denied, the first that applies:
    /// `cooperation_pending`, `cooperation_expired`, `cooperation_paused`, `membership_expired`, `membership_paused`,
    /// `share_expired`, `share_paused`, `delegation_expired`, `delegation_paused`; else `role_not_given`: everything is in
    /// force, and the role is not what it gives.
    pub(super) reason: &'static str,
}

/// What a check has to do with a cooperation, if anything. `grounding` is told what that rests on beside the decision.
pub(super) fn of<S: Snapshot>(
    check: &DecidedCheck<S>,
    asked: &TupleKey,
    sharing: &mut Sharing,
    grounding: &mut Grounding,
) -> Result<Option<Concern>, EngineError> {
    let Subject::Object(user) = &asked.subject else { return Ok(None) };
    let resource = &asked.object;
    let shares = sharing.toward(check.moment.snapshot(), resource, &user.id, grounding)?;
    if shares.is_empty() {
        return Ok(None);
    }
    let memberships = sharing.memberships(check.moment.snapshot(), &user.id, grounding)?;
    let membership =
        |share: &Share| memberships.iter().find(|membership| membership.organization == share.organization);
    if !check.allowed {
        return Ok(denied(check, user, &shares, membership, grounding)?);
    }
    let source = sharing.source(&check.moment, asked, &check.contextual_tuples, grounding)?;
    let Source::Cooperation(cooperation) = source else { return Ok(None) };
    let of_it = shares.iter().find(|share| share.cooperation == cooperation);
    let is_admin = of_it.and_then(|share| membership(share)).is_some_and(is_admin);
    Ok(Some(Concern { cooperation, reason: if is_admin { "partner_admin" } else { "delegation" } }))
}

fn is_admin(membership: &Membership) -> bool {
    *membership.role == *"admin"
}

/// What keeps a share from giving something.
struct Obstacle {
    /// How far on the way from the cooperation to the role.
    step: usize,
    reason: &'static str,
}

fn denied<'m, S: Snapshot>(
    check: &DecidedCheck<S>,
    user: &Object,
    shares: &[Arc<Share>],
    membership: impl Fn(&Share) -> Option<&'m Membership>,
    grounding: &mut Grounding,
) -> Result<Option<Concern>, StoreError> {
    let mut nearest: Option<(usize, Concern)> = None;
    for share in shares {
        let Some(membership) = membership(share) else { continue };
        let delegations = if is_admin(membership) {
            None
        } else {
            Some(sharing::delegations(check.moment.snapshot(), &share.key.object, &user.id, grounding)?)
        };
        if delegations.as_ref().is_some_and(Vec::is_empty) {
            continue;
        }
        let delegation = delegations.and_then(|held| held.first().map(|(_, lifetime)| *lifetime));
        let obstacle = obstacle(check, share, membership, delegation, grounding)?;
        // Of several shares, the one that comes nearest to giving something says why it does not.
        if nearest.as_ref().is_none_or(|(step, _)| obstacle.step > *step) {
            let cooperation = share.cooperation.clone();
            nearest = Some((obstacle.step, Concern { cooperation, reason: obstacle.reason }));
        }
    }
    Ok(nearest.map(|(_, concern)| concern))
}

fn obstacle<S: Snapshot>(
    check: &DecidedCheck<S>,
    share: &Share,
    membership: &Membership,
    delegation: Option<Lifetime>,
    grounding: &mut Grounding,
) -> Result<Obstacle, StoreError> {
    let cooperation = names::object("cooperation", &share.cooperation);
    let organization = Subject::Object(names::organization(&share.organization));
    let partner =
        TupleRef { object: cooperation.as_ref(), relation: "partner", subject: organization.as_ref() };
    grounding.rest_on(Dependency::Point(partner));
    let Some(agreement) = check.moment.snapshot().tuple(partner)? else {
        return Ok(Obstacle { step: 0, reason: "cooperation_pending" });
    };
    let steps = [
        (Some(agreement.lifetime), ["cooperation_expired", "cooperation_paused"]),
        (Some(membership.lifetime), ["membership_expired", "membership_paused"]),
        (Some(share.lifetime), ["share_expired", "share_paused"]),
        (delegation, ["delegation_expired", "delegation_paused"]),
    ];
    let at = check.moment.at();
    for lifetime in steps.iter().filter_map(|(lifetime, _)| *lifetime) {
        // What is paused says so until it expires.
        grounding.hold_until(lifetime.expires_at.filter(|end| *end > at));
    }
    for (step, (lifetime, [expired, paused])) in (1..).zip(steps) {
        let Some(lifetime) = lifetime.filter(|lifetime| !lifetime.is_live(at)) else { continue };
        // As a status is shown: what has expired is not said to be paused (R24).
        let has_expired = lifetime.expires_at.is_some_and(|end| end <= at);
        return Ok(Obstacle { step, reason: if has_expired { expired } else { paused } });
    }
    Ok(Obstacle { step: 5, reason: "role_not_given" })
}
