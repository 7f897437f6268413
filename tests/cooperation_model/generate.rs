//! Commands at random over a small universe, most of them by somebody who may.
//!
//! The state is looked at only to make commands likely that come to something; a command itself names everything.

use crate::command::{Actor, Command, DAY, Field, HOUR, JobRole, Micros, Name, OrgRole, Partner};
use crate::rules::{Kind, World};

pub const USERS: [Name; 8] = ["u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"];
/// Of the users, in their order, and one more.
const EMAILS: [Name; 9] = [
    "u0@x.example",
    "u1@x.example",
    "u2@x.example",
    "u3@x.example",
    "u4@x.example",
    "u5@x.example",
    "u6@x.example",
    "u7@x.example",
    "new@x.example",
];
/// The first three are there from the beginning.
const ORGANIZATIONS: [Name; 5] = ["o0", "o1", "o2", "o3", "o4"];
const PORTFOLIOS: [Name; 3] = ["portfolio:f0", "portfolio:f1", "portfolio:f2"];
const PARKS: [Name; 4] = ["park:p0", "park:p1", "park:p2", "park:p3"];

/// Every resource that there may be.
pub fn resources() -> impl Iterator<Item = Name> {
    PARKS.into_iter().chain(PORTFOLIOS)
}

/// Numbers that look random and are the same on every machine: SplitMix64 (Steele, Lea, Flood 2014).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// True so many times out of a hundred.
    fn percent(&mut self, of_a_hundred: usize) -> bool {
        self.below(100) < of_a_hundred
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// What every sequence begins with: three organizations with members of several roles, a portfolio with a park, another
/// park, and a cooperation that was accepted.
pub fn beginning() -> Vec<Command> {
    let mut commands: Vec<Command> = (0..7)
        .map(|number| Command::Register { actor: None, user: USERS[number], email: EMAILS[number] })
        .collect();
    let found = |organization, admin| Command::Found { actor: None, organization, admin };
    let add = |organization, user, role| Command::Add { actor: None, organization, user, role };
    let park =
        |park, portfolio| Command::BuildPark { actor: Some("u0"), organization: "o0", park, portfolio };
    commands.extend([
        Command::Staff { actor: None, user: "u6", is: true },
        found("o0", "u0"),
        found("o1", "u1"),
        found("o2", "u2"),
        add("o0", "u3", OrgRole::Moderator),
        add("o1", "u4", OrgRole::Member),
        add("o1", "u5", OrgRole::External),
        Command::BuildPortfolio { actor: Some("u0"), organization: "o0", portfolio: "portfolio:f0" },
        park("park:p0", Some("portfolio:f0")),
        park("park:p1", None),
        Command::Offer {
            actor: Some("u0"),
            organization: "o0",
            partner: Partner::Organization("o1"),
            confirm: None,
            expires_at: None,
        },
        Command::Accept { actor: Some("u1"), cooperation: 0, organization: None },
    ]);
    commands
}

pub struct Generator<'a> {
    pub world: &'a World,
    pub random: &'a mut Random,
}

impl Generator<'_> {
    fn user(&mut self) -> Name {
        self.random.one(&USERS)
    }

    /// Anybody, and sometimes the system.
    fn anybody(&mut self) -> Actor {
        if self.random.percent(10) { None } else { Some(self.user()) }
    }

    /// Mostly the system.
    fn system(&mut self) -> Actor {
        if self.random.percent(85) { None } else { Some(self.user()) }
    }

    /// Mostly an admin of the organization, where there is one.
    fn admin(&mut self, organization: Name) -> Actor {
        self.member(organization, |role| role == OrgRole::Admin)
    }

    fn member(&mut self, organization: Name, fits: impl Fn(OrgRole) -> bool) -> Actor {
        let fitting = USERS.iter().filter(|user| self.world.role_in(user, organization).is_some_and(&fits));
        let fitting: Vec<Name> = fitting.copied().collect();
        if fitting.is_empty() || self.random.percent(20) {
            self.anybody()
        } else {
            Some(self.random.one(&fitting))
        }
    }

    fn organization(&mut self) -> Name {
        let there: Vec<Name> = self.world.organizations.iter().copied().collect();
        if there.is_empty() || self.random.percent(5) {
            self.random.one(&ORGANIZATIONS)
        } else {
            self.random.one(&there)
        }
    }

    /// Mostly a member of it, in whatever state.
    fn of_organization(&mut self, organization: Name) -> Name {
        let members =
            self.world.members.iter().filter(|(_, membership)| membership.organization == organization);
        let members: Vec<Name> = members.map(|(user, _)| *user).collect();
        if members.is_empty() || self.random.percent(20) { self.user() } else { self.random.one(&members) }
    }

    fn resource(&mut self) -> Name {
        let there: Vec<Name> = self.world.resources.keys().copied().collect();
        if there.is_empty() || self.random.percent(8) {
            let all: Vec<Name> = resources().collect();
            self.random.one(&all)
        } else {
            self.random.one(&there)
        }
    }

    fn park(&mut self) -> Name {
        self.random.one(&PARKS)
    }

    fn owner(&self, resource: Name) -> Name {
        self.world.resources.get(resource).map_or("o0", |resource| resource.owner)
    }

    fn cooperation(&mut self) -> usize {
        let there: Vec<usize> = self.world.cooperations.keys().copied().collect();
        if there.is_empty() || self.random.percent(6) {
            self.random.below(self.world.cooperations_made + 1)
        } else {
            self.random.one(&there)
        }
    }

    fn initiator(&self, number: usize) -> Name {
        self.world.cooperations.get(&number).map_or("o0", |cooperation| cooperation.initiator)
    }

    fn partner(&self, number: usize) -> Option<Partner> {
        self.world.cooperations.get(&number).map(|cooperation| cooperation.partner)
    }

    /// Mostly whoever may accept it.
    fn invited(&mut self, number: usize) -> Actor {
        match self.partner(number) {
            Some(Partner::Organization(partner)) => self.admin(partner),
            Some(Partner::Email(email)) if self.random.percent(85) => self.by_email(email),
            _ => self.anybody(),
        }
    }

    fn by_email(&mut self, email: Name) -> Actor {
        let owner = self.world.users.iter().find(|(_, of)| **of == email).map(|(user, _)| *user);
        // Somebody new, who registers by accepting.
        owner.or_else(|| USERS.into_iter().find(|user| !self.world.users.contains_key(user)))
    }

    fn after(&mut self) -> Micros {
        let micros = self.random.one(&[-DAY, 0, 1, HOUR, HOUR, DAY, DAY, 3 * DAY, 10 * DAY, 30 * DAY]);
        self.world.now + micros
    }

    fn expires_at(&mut self) -> Field<Micros> {
        match self.random.below(10) {
            0..6 => Field::Absent,
            6 => Field::Null,
            _ => Field::Is(self.after()),
        }
    }

    fn job_role(&mut self) -> JobRole {
        self.random.one(&JobRole::ALL)
    }

    /// A share that is there, mostly.
    fn share(&mut self) -> (usize, Name) {
        let there: Vec<(usize, Name)> = self.world.shares.keys().copied().collect();
        if there.is_empty() || self.random.percent(10) {
            (self.cooperation(), self.resource())
        } else {
            self.random.one(&there)
        }
    }

    fn invitation(&mut self) -> usize {
        let sent = self.world.invitations.len();
        // Mostly one of the last.
        if sent > 0 && self.random.percent(80) {
            sent - 1 - self.random.below(sent.min(3))
        } else {
            self.random.below(sent + 1)
        }
    }

    fn sender(&mut self, number: usize) -> Actor {
        match self.world.invitations.get(number).map(|invitation| invitation.kind) {
            Some(Kind::Organization(organization, _)) => self.admin(organization),
            Some(Kind::Cooperation(_, initiator)) => self.admin(initiator),
            Some(Kind::Platform) if self.random.percent(70) => self.world.staff.first().copied(),
            _ => self.anybody(),
        }
    }

    /// A command, of any kind.
    pub fn command(&mut self) -> Command {
        match self.random.below(100) {
            0..9 => Command::Wait(self.random.one(&[1, HOUR, HOUR, 12 * HOUR, DAY, DAY, 3 * DAY, 15 * DAY])),
            9..22 => self.of_organizations(),
            22..32 => self.of_members(),
            32..46 => self.of_resources(),
            46..66 => self.of_cooperations(),
            66..87 => self.of_shares(),
            _ => self.of_invitations(),
        }
    }

    fn of_organizations(&mut self) -> Command {
        let organization = self.organization();
        match self.random.below(10) {
            0 | 1 => {
                Command::Register { actor: self.system(), user: self.user(), email: self.random.one(&EMAILS) }
            }
            2 => Command::Staff { actor: self.system(), user: self.user(), is: self.random.percent(60) },
            3 | 4 => {
                let actor =
                    if self.random.percent(30) { self.world.staff.first().copied() } else { self.system() };
                {
                    let free = USERS.into_iter().filter(|user| !self.world.members.contains_key(user));
                    let free: Vec<Name> = free.collect();
                    let any = free.is_empty() || self.random.percent(30);
                    let admin = if any { self.user() } else { self.random.one(&free) };
                    Command::Found { actor, organization: self.random.one(&ORGANIZATIONS), admin }
                }
            }
            5 => Command::NameOrganization { actor: self.admin(organization), organization },
            _ => {
                let role = self.random.one(&OrgRole::ALL);
                let back = self.world.left.iter().filter(|(user, _)| !self.world.members.contains_key(user));
                let back: Vec<(Name, Name)> = back.copied().collect();
                let (user, organization) = if back.is_empty() || self.random.percent(30) {
                    (self.user(), organization)
                } else {
                    self.random.one(&back)
                };
                Command::Add { actor: self.system(), organization, user, role }
            }
        }
    }

    fn of_members(&mut self) -> Command {
        let organization = self.organization();
        let user = self.of_organization(organization);
        if self.random.percent(25) {
            let actor = if self.random.percent(50) { Some(user) } else { self.admin(organization) };
            return Command::Leave { actor, organization, user, confirm: self.random.percent(20) };
        }
        let manages = |role| matches!(role, OrgRole::Admin | OrgRole::Moderator);
        let actor = self.member(organization, manages);
        let role = self.random.percent(60).then(|| self.random.one(&OrgRole::ALL));
        let paused = self.random.percent(35).then(|| self.random.percent(60));
        let expires_at = self.expires_at();
        if role.is_none() && paused.is_none() && expires_at == Field::Absent {
            return Command::Change { actor, organization, user, role, paused: Some(false), expires_at };
        }
        Command::Change { actor, organization, user, role, paused, expires_at }
    }

    fn of_resources(&mut self) -> Command {
        let organization = self.organization();
        let resource = self.resource();
        let owner = self.owner(resource);
        let portfolio = self.random.percent(70).then(|| self.random.one(&PORTFOLIOS));
        match self.random.below(14) {
            0 => Command::BuildPortfolio {
                actor: self.member(organization, |_| true),
                organization,
                portfolio: self.random.one(&PORTFOLIOS),
            },
            1 | 2 => {
                let actor = self.member(organization, |_| true);
                Command::BuildPark { actor, organization, park: self.park(), portfolio }
            }
            3 => {
                let park = self.park();
                Command::NamePark { actor: self.member(self.owner(park), |_| true), park }
            }
            4..6 => {
                let park = self.park();
                Command::Move { actor: self.member(self.owner(park), |_| true), park, portfolio }
            }
            6 if self.random.percent(50) => Command::Delete { actor: self.admin(owner), resource },
            6..12 => {
                let user = self.of_organization(owner);
                let (role, expires_at) = (self.job_role(), self.expires_at());
                Command::Grant { actor: self.admin(owner), resource, user, role, expires_at }
            }
            _ => {
                let granted: Vec<_> = self.world.grants.keys().copied().collect();
                let (resource, user) = if granted.is_empty() || self.random.percent(20) {
                    (resource, self.user())
                } else {
                    self.random.one(&granted)
                };
                Command::Ungrant { actor: self.admin(self.owner(resource)), resource, user }
            }
        }
    }

    fn of_cooperations(&mut self) -> Command {
        let number = self.cooperation();
        let manager = self.admin(self.initiator(number));
        match self.random.below(20) {
            0..7 => {
                let organization = self.organization();
                let partner = if self.random.percent(60) {
                    Partner::Organization(self.organization())
                } else {
                    Partner::Email(self.random.one(&EMAILS))
                };
                let confirm = self.random.percent(40).then(|| self.organization());
                let expires_at = self.random.percent(25).then(|| self.after());
                Command::Offer { actor: self.admin(organization), organization, partner, confirm, expires_at }
            }
            7..10 => {
                let actor = self.invited(number);
                let invitation = self.world.cooperations.get(&number).and_then(|of| of.invitation);
                let founds = invitation.is_some_and(|invitation| self.needs_organization(invitation, actor));
                let organization = founds.then(|| self.random.one(&ORGANIZATIONS));
                Command::Accept { actor, cooperation: number, organization }
            }
            10 => {
                let actor = self.admin(self.initiator(number));
                Command::Resend { actor, cooperation: number }
            }
            11 => Command::Decline { actor: self.invited(number), cooperation: number },
            12 => Command::Remove { actor: manager, cooperation: number },
            _ => {
                let paused = self.random.percent(60).then(|| self.random.percent(50));
                let expires_at = if paused.is_none() { Field::Null } else { Field::Absent };
                let expires_at = if self.random.percent(35) { Field::Is(self.after()) } else { expires_at };
                Command::Limit { actor: manager, cooperation: number, paused, expires_at }
            }
        }
    }

    fn of_shares(&mut self) -> Command {
        let (role, expires_at) = (self.job_role(), self.expires_at());
        match self.random.below(20) {
            0..8 => {
                let number = self.cooperation();
                let initiator = self.initiator(number);
                let owned = self.world.resources.iter().filter(|(_, resource)| resource.owner == initiator);
                let owned: Vec<Name> = owned.map(|(resource, _)| *resource).collect();
                let resource = if owned.is_empty() || self.random.percent(15) {
                    self.resource()
                } else {
                    self.random.one(&owned)
                };
                Command::Share {
                    actor: self.admin(initiator),
                    cooperation: number,
                    resource,
                    role,
                    expires_at,
                }
            }
            8 => {
                let (cooperation, resource) = self.share();
                Command::Unshare { actor: self.admin(self.initiator(cooperation)), cooperation, resource }
            }
            9..17 => {
                let (cooperation, resource) = self.share();
                let (actor, user) = match self.partner(cooperation) {
                    Some(Partner::Organization(partner)) => {
                        (self.admin(partner), self.of_organization(partner))
                    }
                    _ => (self.anybody(), self.user()),
                };
                let ceiling = self.world.shares.get(&(cooperation, resource)).map(|share| share.role);
                let role = ceiling.filter(|_| self.random.percent(50)).unwrap_or(role);
                Command::Delegate { actor, cooperation, resource, user, role, expires_at }
            }
            _ => {
                let there: Vec<_> = self.world.delegations.keys().copied().collect();
                let (cooperation, resource, user) = if there.is_empty() || self.random.percent(15) {
                    let (cooperation, resource) = self.share();
                    (cooperation, resource, self.user())
                } else {
                    self.random.one(&there)
                };
                Command::Undelegate { actor: self.invited(cooperation), cooperation, resource, user }
            }
        }
    }

    fn of_invitations(&mut self) -> Command {
        let number = self.invitation();
        match self.random.below(14) {
            0 => {
                let actor =
                    if self.random.percent(70) { self.world.staff.first().copied() } else { self.anybody() };
                Command::InviteToPlatform { actor, email: self.random.one(&EMAILS) }
            }
            1..5 => {
                let organization = self.organization();
                let (email, role) = (self.random.one(&EMAILS), self.random.one(&OrgRole::ALL));
                Command::InviteInto { actor: self.admin(organization), organization, email, role }
            }
            5..11 => {
                let email =
                    self.world.invitations.get(number).map_or(EMAILS[0], |invitation| invitation.email);
                let actor = if self.random.percent(85) { self.by_email(email) } else { self.anybody() };
                let organization =
                    self.needs_organization(number, actor).then(|| self.random.one(&ORGANIZATIONS));
                Command::AcceptInvitation { actor, invitation: number, organization }
            }
            11 => {
                let email =
                    self.world.invitations.get(number).map_or(EMAILS[0], |invitation| invitation.email);
                let actor = if self.random.percent(85) { self.by_email(email) } else { self.anybody() };
                Command::DeclineInvitation { actor, invitation: number }
            }
            12 => Command::ResendInvitation { actor: self.sender(number), invitation: number },
            _ => Command::Revoke { actor: self.sender(number), invitation: number },
        }
    }

    /// Whether whoever accepts founds an organization.
    fn needs_organization(&self, number: usize, actor: Actor) -> bool {
        let free = actor.is_none_or(|user| !self.world.members.contains_key(user));
        match self.world.invitations.get(number).map(|invitation| invitation.kind) {
            Some(Kind::Platform) => true,
            Some(Kind::Cooperation(..)) => free,
            Some(Kind::Organization(..)) | None => false,
        }
    }
}
