//! The rules as a plain model: maps, and what each command does to them. No tuples, no graph.
//!
//! Written from the rules alone. Here stand the state, who has what, and who sees what; in `play`, what becomes of each
//! command.

mod play;

use std::collections::{BTreeMap, BTreeSet};

use crate::command::{Actor, Field, JobRole, Micros, Name, OrgRole, Partner};

/// Why a command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    InvalidArgument,
    ActorRequired,
    NotFound,
    Forbidden,
    InitiatorOnly,
    NotOwner,
    AlreadyExists,
    AlreadyMember,
    LastAdmin,
    CooperationExists,
    ConfirmationRequired,
    NotPending,
    NotActive,
    Expired,
    OwnOrganization,
    RoleNotShareable,
    RoleNotGrantable,
    NotAMember,
}

impl Refused {
    /// The status and the code.
    pub fn wire(self) -> (u16, &'static str) {
        match self {
            Self::InvalidArgument => (400, "invalid_argument"),
            Self::ActorRequired => (400, "actor_required"),
            Self::NotFound => (404, "not_found"),
            Self::Forbidden => (403, "forbidden"),
            Self::InitiatorOnly => (403, "initiator_only"),
            Self::NotOwner => (403, "not_owner"),
            Self::AlreadyExists => (409, "already_exists"),
            Self::AlreadyMember => (409, "already_member"),
            Self::LastAdmin => (409, "last_admin"),
            Self::CooperationExists => (409, "cooperation_exists"),
            Self::ConfirmationRequired => (409, "confirmation_required"),
            Self::NotPending => (409, "not_pending"),
            Self::NotActive => (409, "not_active"),
            Self::Expired => (409, "expired"),
            Self::OwnOrganization => (422, "own_organization"),
            Self::RoleNotShareable => (422, "role_not_shareable"),
            Self::RoleNotGrantable => (422, "role_not_grantable"),
            Self::NotAMember => (422, "not_a_member"),
        }
    }
}

/// What comes of a command: the status of its success, or why not.
pub type Outcome = Result<u16, Refused>;

#[derive(Debug, Clone, Copy)]
pub struct Membership {
    pub organization: Name,
    pub role: OrgRole,
    pub paused: bool,
    pub expires_at: Option<Micros>,
}

#[derive(Debug, Clone, Copy)]
pub struct Resource {
    pub owner: Name,
    pub portfolio: Option<Name>,
}

/// A grant, a share or a delegation.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub role: JobRole,
    pub expires_at: Option<Micros>,
}

#[derive(Debug, Clone, Copy)]
pub struct Cooperation {
    pub initiator: Name,
    /// An email: the placeholder that stands for whoever has it (R20).
    pub partner: Partner,
    pub accepted: bool,
    pub paused: bool,
    pub expires_at: Option<Micros>,
    pub invitation: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Platform,
    Organization(Name, OrgRole),
    /// Which, and who invites.
    Cooperation(usize, Name),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Sent,
    Closed,
}

#[derive(Debug, Clone, Copy)]
pub struct Invitation {
    pub kind: Kind,
    pub email: Name,
    pub sender: Name,
    pub expires_at: Micros,
    pub status: Status,
}

#[derive(Debug, Clone, Default)]
pub struct World {
    pub now: Micros,
    /// Everybody who is registered, with the email.
    pub users: BTreeMap<Name, Name>,
    pub staff: BTreeSet<Name>,
    pub organizations: BTreeSet<Name>,
    /// Ids of organizations and resources that were ever used (R9).
    used: BTreeSet<Name>,
    pub members: BTreeMap<Name, Membership>,
    pub resources: BTreeMap<Name, Resource>,
    pub grants: BTreeMap<(Name, Name), Held>,
    pub cooperations: BTreeMap<usize, Cooperation>,
    pub cooperations_made: usize,
    pub shares: BTreeMap<(usize, Name), Held>,
    pub delegations: BTreeMap<(usize, Name, Name), Held>,
    pub invitations: Vec<Invitation>,
    /// Who has left which organization. No rule asks that; commands that let somebody come back are drawn from it.
    pub left: Vec<(Name, Name)>,
}

fn must(holds: bool, otherwise: Refused) -> Result<(), Refused> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// R10.
fn includes(role: JobRole, asked: JobRole) -> bool {
    role == asked || role == JobRole::Operator || asked == JobRole::Viewer
}

/// The four roles that a moderator assigns (R4).
fn is_lower(role: OrgRole) -> bool {
    !matches!(role, OrgRole::Admin | OrgRole::Moderator)
}

/// R50: who builds portfolios; parks, technical asset managers too.
fn builds(role: OrgRole, park: bool) -> bool {
    match role {
        OrgRole::Admin | OrgRole::Moderator | OrgRole::CommercialAssetManager => true,
        OrgRole::TechnicalAssetManager => park,
        OrgRole::Member | OrgRole::External => false,
    }
}

/// What is absent stays, and null clears (R31).
fn changed(field: Field<Micros>, before: Option<Micros>) -> Option<Micros> {
    match field {
        Field::Absent => before,
        Field::Null => None,
        Field::Is(at) => Some(at),
    }
}

// ------------------------------------------------------------------------------------------------ who has what
impl World {
    /// Exclusive (R45).
    fn lives(&self, expires_at: Option<Micros>) -> bool {
        expires_at.is_none_or(|end| self.now < end)
    }

    /// The membership that counts now (R5, R6).
    pub fn living(&self, user: Name) -> Option<Membership> {
        let membership = self.members.get(user)?;
        (!membership.paused && self.lives(membership.expires_at)).then_some(*membership)
    }

    pub fn role_in(&self, user: Name, organization: Name) -> Option<OrgRole> {
        self.living(user).filter(|membership| membership.organization == organization).map(|m| m.role)
    }

    fn is_admin(&self, user: Name, organization: Name) -> bool {
        self.role_in(user, organization) == Some(OrgRole::Admin)
    }

    /// Whether everything lives on which access through a cooperation rests, but for share and delegation (R17, R26, R27).
    fn runs(&self, cooperation: &Cooperation) -> bool {
        cooperation.accepted && !cooperation.paused && self.lives(cooperation.expires_at)
    }

    /// The job roles that a user has on a resource, by every way on its own.
    fn given(&self, user: Name, resource: Name) -> Vec<JobRole> {
        let (Some(place), Some(membership)) = (self.resources.get(resource), self.living(user)) else {
            return Vec::new();
        };
        let capped = |role| if membership.role == OrgRole::External { JobRole::Viewer } else { role }; // R13
        let places: Vec<Name> = [resource].into_iter().chain(place.portfolio).collect(); // R9, R33
        let mut given = Vec::new();
        if membership.organization == place.owner {
            // R11
            given.extend(match membership.role {
                OrgRole::Admin | OrgRole::Moderator => Some(JobRole::Operator),
                OrgRole::TechnicalAssetManager => Some(JobRole::TechnicalManager),
                OrgRole::CommercialAssetManager => Some(JobRole::AssetManager),
                OrgRole::Member | OrgRole::External => None,
            });
            // R12
            let grants = places.iter().filter_map(|place| self.grants.get(&(*place, user)));
            given.extend(grants.filter(|grant| self.lives(grant.expires_at)).map(|grant| capped(grant.role)));
        }
        let partner = Partner::Organization(membership.organization);
        for (number, cooperation) in &self.cooperations {
            // R14
            if cooperation.initiator != place.owner
                || cooperation.partner != partner
                || !self.runs(cooperation)
            {
                continue;
            }
            for place in &places {
                let share = self.shares.get(&(*number, *place)).filter(|share| self.lives(share.expires_at));
                let Some(share) = share else { continue };
                if membership.role == OrgRole::Admin {
                    given.push(share.role); // R35
                }
                let delegation = self.delegations.get(&(*number, *place, user));
                if let Some(delegation) = delegation.filter(|delegation| self.lives(delegation.expires_at)) {
                    // R34, R36, R37
                    let same = delegation.role == share.role;
                    given.push(if same { capped(share.role) } else { JobRole::Viewer });
                }
            }
        }
        given
    }

    /// Whether a check of a job role is allowed.
    pub fn holds(&self, user: Name, asked: JobRole, resource: Name) -> bool {
        self.given(user, resource).into_iter().any(|role| includes(role, asked))
    }

    /// R24.
    pub fn status(&self, number: usize) -> &'static str {
        let cooperation = &self.cooperations[&number];
        match cooperation.partner {
            _ if !self.lives(cooperation.expires_at) => "expired",
            _ if cooperation.paused => "paused",
            Partner::Email(_) => "invited",
            Partner::Organization(_) if cooperation.accepted => "active",
            Partner::Organization(_) => "pending",
        }
    }

    // ---------------------------------------------------------------------------------------- who sees what
    /// A command that the system may not give.
    fn somebody(actor: Actor) -> Result<Name, Refused> {
        actor.ok_or(Refused::ActorRequired)
    }

    /// The organization is there and the actor sees it.
    fn organization(&self, actor: Actor, organization: Name) -> Result<(), Refused> {
        let there = self.organizations.contains(organization);
        let seen = actor.is_none_or(|user| self.role_in(user, organization).is_some());
        must(there && seen, Refused::NotFound)
    }

    fn resource(&self, actor: Actor, name: Name) -> Result<Resource, Refused> {
        let resource = *self.resources.get(name).ok_or(Refused::NotFound)?;
        let seen = actor.is_none_or(|user| {
            self.role_in(user, resource.owner).is_some() || self.holds(user, JobRole::Viewer, name)
        });
        must(seen, Refused::NotFound)?;
        Ok(resource)
    }

    /// R29: the members of both sides.
    fn cooperation(&self, actor: Name, number: usize) -> Result<Cooperation, Refused> {
        let cooperation = *self.cooperations.get(&number).ok_or(Refused::NotFound)?;
        let initiator = self.role_in(actor, cooperation.initiator).is_some();
        must(initiator || self.in_partner(actor, &cooperation).is_some(), Refused::NotFound)?;
        Ok(cooperation)
    }

    fn in_partner(&self, actor: Name, cooperation: &Cooperation) -> Option<OrgRole> {
        match cooperation.partner {
            Partner::Organization(partner) => self.role_in(actor, partner),
            Partner::Email(_) => None,
        }
    }

    /// R29: the admins of both sides see what is shared; nobody else is told what there is of it.
    fn sees_inside(&self, actor: Name, cooperation: &Cooperation) -> bool {
        self.is_admin(actor, cooperation.initiator)
            || self.in_partner(actor, cooperation) == Some(OrgRole::Admin)
    }

    fn user(&self, user: Name) -> Result<(), Refused> {
        must(self.users.contains_key(user), Refused::NotFound)
    }

    /// R25, R30: an admin of the initiator, who alone manages a cooperation.
    fn managed(&self, actor: Name, cooperation: &Cooperation) -> Result<(), Refused> {
        match self.role_in(actor, cooperation.initiator) {
            Some(OrgRole::Admin) => Ok(()),
            Some(_) => Err(Refused::Forbidden),
            None => Err(Refused::InitiatorOnly),
        }
    }

    /// R30: an admin of the owner, which initiated the cooperation.
    fn owned(&self, actor: Name, cooperation: &Cooperation, resource: Name) -> Result<(), Refused> {
        must(self.role_in(actor, self.resources[resource].owner).is_some(), Refused::NotOwner)?;
        self.managed(actor, cooperation)
    }

    /// R50: what changes who sees a park through a share takes an admin.
    fn changes_parks(&self, actor: Actor, portfolio: Name) -> Result<(), Refused> {
        let Some(actor) = actor else { return Ok(()) };
        let owner = self.resources[portfolio].owner;
        // One that has expired may be renewed, and would then show the park.
        let shared = self.shares.keys().any(|(_, place)| *place == portfolio);
        let allowed = match self.role_in(actor, owner) {
            Some(role) if shared => role == OrgRole::Admin,
            Some(role) => builds(role, true),
            None => false,
        };
        must(allowed, Refused::Forbidden)
    }

    /// R7: with this membership in the place of what is there, or with none, somebody is left who is admin, active and does
    /// not expire.
    fn keeps_admin(
        &self,
        organization: Name,
        user: Name,
        instead: Option<Membership>,
    ) -> Result<(), Refused> {
        let counts = |membership: &Membership| {
            membership.organization == organization
                && membership.role == OrgRole::Admin
                && !membership.paused
                && membership.expires_at.is_none()
        };
        let others = self.members.iter().any(|(other, membership)| *other != user && counts(membership));
        must(others || instead.is_some_and(|instead| counts(&instead)), Refused::LastAdmin)
    }

    /// R18.
    fn live_between(&self, initiator: Name, partner: Partner) -> bool {
        self.cooperations.values().any(|other| other.initiator == initiator && other.partner == partner)
    }

    fn by_email(&self, email: Name) -> Option<Name> {
        self.users.iter().find(|(_, of)| **of == email).map(|(user, _)| *user)
    }
}
