//! The workload *cooperation*: organizations that share parks and portfolios with each other.
//!
//! At scale 1 these are 40,000 tuples in 100 organizations (scale *n* has *n* times as many of both):
//!
//! | Tuples | Of each | What |
//! |---|---|---|
//! | 2,000 | 20 per organization | memberships: 1 admin, 2 moderators, 2 + 2 managers, 12 members, 1 external |
//! | 5,500 | 55 per organization | owners of 5 portfolios and 50 parks |
//! | 5,000 | 50 per organization | the portfolio of each park, 10 parks in each |
//! | 4,000 | 2 per member | grants on parks, at mixed roles |
//! | 1,500 | 5 cooperations per organization | initiator, linked, partner; 1 % are paused |
//! | 5,500 | 11 per cooperation | shares of 10 parks and 1 portfolio, at mixed roles; 1 % have expired |
//! | 16,500 | 3 per share | delegations to members of the partner; 1 % have expired |
//!
//! The model has no object for a share, so that these are fewer than the 49,600 of a model that has one. No park is
//! shared in one cooperation both by itself and in a portfolio, so that a partner comes to a park on one path.

use super::random::{Draw, Random, Skew};
use super::{Question, Tuple, object, tuple};
use crate::engine::CheckRequest;
use crate::model::{Instant, Lifetime, Subject};

/// The model of the cooperation, as the server has it.
pub const MODEL: &str = include_str!("../../../schema/cooperation.fga");

/// Organizations at scale 1.
const ORGANIZATIONS: u32 = 100;
/// Fewer, and an organization might have no stranger to ask.
const ORGANIZATIONS_MIN: u32 = 20;
/// More, and delegations could not be numbered any more.
const ORGANIZATIONS_MAX: u32 = 1_000_000;
const TUPLES_PER_ORGANIZATION: u64 = 400;
const MEMBERS: u32 = 20;
/// The members with the role `member`.
const PLAIN_MEMBERS: std::ops::Range<u32> = 7..19;
const EXTERNAL: u32 = 19;
const PORTFOLIOS: u32 = 5;
const PARKS: u32 = 50;
const PARKS_PER_PORTFOLIO: u32 = PARKS / PORTFOLIOS;
const GRANTS_PER_MEMBER: usize = 2;
const PARTNERS: u32 = 5;
const PARKS_SHARED: u32 = 10;
const SHARES_PER_COOPERATION: u32 = PARKS_SHARED + 1;
const DELEGATES: usize = 3;
/// One of so many cooperations is paused, one of so many shares and delegations has expired.
const ENDED_EVERY: u32 = 100;

/// 2100-01-01, in microseconds since the epoch.
const FAR_MICROS: i64 = 4_102_444_800_000_000;
/// 2020-01-01, in microseconds since the epoch.
const PAST_MICROS: i64 = 1_577_836_800_000_000;

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A plain member asks for the role that was granted to them on a park.
    Direct,
    /// The partner's admin asks for the role of a share.
    Admin,
    /// A member of the partner asks for the role that they were delegated.
    Delegate,
    /// A user asks for a park of an organization that theirs has nothing to do with.
    Denial,
    /// Something is missing: the role is another one, the cooperation is paused, or the share has expired.
    NearDenial,
    /// The five above in turn, half of them allowed.
    Mix,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resource {
    Park { organization: u32, number: u32 },
    Portfolio { organization: u32, number: u32 },
}

/// A member of an organization.
#[derive(Debug, Clone, Copy)]
struct User {
    organization: u32,
    member: u32,
}

struct Grant {
    user: User,
    park: u32,
    role: &'static str,
}

struct Share {
    resource: Resource,
    role: &'static str,
    /// The partner's members that it is delegated to, with the role of each.
    delegates: Vec<(u32, &'static str)>,
}

/// The workload, drawn from a seed.
pub struct Cooperation {
    organizations: u32,
    grants: Vec<Grant>,
    /// By cooperation; each organization initiates [`PARTNERS`] of them.
    partners: Vec<u32>,
    /// By cooperation; the portfolio's is the last of each.
    shares: Vec<Share>,
}

impl Cooperation {
    /// `scale` times 100 organizations; the same `seed` gives the same ones.
    pub fn new(scale: u32, seed: u64) -> Self {
        Self::of(ORGANIZATIONS.saturating_mul(scale.max(1)), seed)
    }

    /// As many organizations as come to about so many tuples.
    pub fn about(tuples: u64, seed: u64) -> Self {
        let organizations = u32::try_from(tuples / TUPLES_PER_ORGANIZATION).unwrap_or(u32::MAX);
        Self::of(organizations.clamp(ORGANIZATIONS_MIN, ORGANIZATIONS_MAX), seed)
    }

    fn of(organizations: u32, seed: u64) -> Self {
        let mut drawn = Self { organizations, grants: Vec::new(), partners: Vec::new(), shares: Vec::new() };
        let mut random = Random::new(seed);
        for organization in 0..organizations {
            drawn.draw_grants(organization, &mut random);
            for offset in random.distinct(PARTNERS as usize, organizations - 1) {
                drawn.partners.push((organization + 1 + offset) % organizations);
                drawn.draw_shares(organization, &mut random);
            }
        }
        drawn
    }

    fn draw_grants(&mut self, organization: u32, random: &mut Random) {
        for member in 0..MEMBERS {
            for park in random.distinct(GRANTS_PER_MEMBER, PARKS) {
                let role = match random.below(4) {
                    _ if member == EXTERNAL => "viewer",
                    0 => "operator",
                    other => shared_role(other),
                };
                self.grants.push(Grant { user: User { organization, member }, park, role });
            }
        }
    }

    fn draw_shares(&mut self, organization: u32, random: &mut Random) {
        let portfolio = random.below(PORTFOLIOS);
        let parks = random.distinct(PARKS_SHARED as usize, PARKS - PARKS_PER_PORTFOLIO);
        // The parks of the shared portfolio are skipped.
        let skip = |park: u32| {
            if park < portfolio * PARKS_PER_PORTFOLIO { park } else { park + PARKS_PER_PORTFOLIO }
        };
        let parks = parks.into_iter().map(|park| Resource::Park { organization, number: skip(park) });
        for resource in parks.chain([Resource::Portfolio { organization, number: portfolio }]) {
            let role = shared_role(random.below(3));
            let members = random.distinct(DELEGATES, EXTERNAL - 1).into_iter();
            // Two have the role of the share, the third sees only.
            let delegates =
                members.zip([role, role, "viewer"]).map(|(member, role)| (member + 1, role)).collect();
            self.shares.push(Share { resource, role, delegates });
        }
    }

    /// The tuples, no key twice.
    pub fn tuples(&self) -> impl Iterator<Item = Tuple> {
        let organizations = || 0..self.organizations;
        let members = organizations().flat_map(|organization| {
            (0..MEMBERS).map(move |member| membership(User { organization, member }))
        });
        let resources = organizations().flat_map(resources);
        let grants = self.grants.iter().map(|Grant { user, park, role }| {
            let park = Resource::Park { organization: user.organization, number: *park };
            tuple(park.object(), &format!("{role}_grant"), user.subject())
        });
        let cooperations =
            (0..).zip(&self.partners).flat_map(|(index, partner)| cooperation(index, *partner));
        let shares = (0..).zip(&self.shares).flat_map(|(index, share)| self.share(index, share));
        members.chain(resources).chain(grants).chain(cooperations).chain(shares)
    }

    fn share(&self, index: u32, share: &Share) -> impl Iterator<Item = Tuple> {
        let of = index / SHARES_PER_COOPERATION;
        let by = Subject::Object(object("cooperation", format!("c{of}")));
        let own = tuple(share.resource.object(), &format!("{}_share", share.role), by);
        let own = Tuple { lifetime: ending(index), ..own };
        let organization = self.partner(of);
        let delegations = (0..).zip(&share.delegates).map(move |(number, (member, role))| {
            let user = User { organization, member: *member };
            let tuple = tuple(share.resource.object(), &format!("{role}_delegate"), user.subject());
            Tuple { lifetime: ending(delegation(index, number)), ..tuple }
        });
        [own].into_iter().chain(delegations)
    }

    fn partner(&self, cooperation: u32) -> u32 {
        self.partners.get(cooperation as usize).copied().unwrap_or(0)
    }

    /// Questions of a kind without end, with the answers that follow from how the tuples were drawn.
    pub fn questions(&self, kind: Kind, skew: Skew, seed: u64) -> impl Iterator<Item = Question> {
        let mut draw = Draw::new(skew, seed);
        (0..).map(move |index| {
            let drawn = drawing(kind, index);
            loop {
                // What is drawn may be of another kind: an admin's grant, an expired share.
                if let Some(question) = drawn(self, &mut draw) {
                    return question;
                }
            }
        })
    }

    fn direct(&self, draw: &mut Draw) -> Option<Question> {
        let Grant { user, park, role } = draw.from(&self.grants)?.1;
        let park = Resource::Park { organization: user.organization, number: *park };
        PLAIN_MEMBERS.contains(&user.member).then(|| question(*user, role, park, true))
    }

    /// The share of a park, its number, and the number of its cooperation.
    fn shared_park(&self, draw: &mut Draw) -> Option<(u32, u32, &Share)> {
        let (index, share) = draw.from(&self.shares)?;
        let of = index / SHARES_PER_COOPERATION;
        matches!(share.resource, Resource::Park { .. }).then_some((index, of, share))
    }

    fn admin(&self, draw: &mut Draw) -> Option<Question> {
        let (index, of, share) = self.shared_park(draw)?;
        let user = User { organization: self.partner(of), member: 0 };
        (!has_ended(index) && !has_ended(of)).then(|| question(user, share.role, share.resource, true))
    }

    fn delegate(&self, draw: &mut Draw) -> Option<Question> {
        let (index, of, share) = self.shared_park(draw)?;
        let (member, role) = share.delegates.first()?;
        let user = User { organization: self.partner(of), member: *member };
        let ended = has_ended(index) || has_ended(of) || has_ended(delegation(index, 0));
        (!ended).then(|| question(user, role, share.resource, true))
    }

    fn denial(&self, draw: &mut Draw) -> Option<Question> {
        let user = User { organization: draw.below(self.organizations), member: draw.below(MEMBERS) };
        let organization = draw.below(self.organizations);
        let park = Resource::Park { organization, number: draw.below(PARKS) };
        let strange = user.organization != organization
            && !self.initiates(user.organization, organization)
            && !self.initiates(organization, user.organization);
        strange.then(|| question(user, "viewer", park, false))
    }

    fn initiates(&self, organization: u32, partner: u32) -> bool {
        let own = self.partners.iter().skip((organization * PARTNERS) as usize).take(PARTNERS as usize);
        own.into_iter().any(|own| *own == partner)
    }

    fn near_denial(&self, draw: &mut Draw) -> Option<Question> {
        let (index, of, share) = self.shared_park(draw)?;
        let user = User { organization: self.partner(of), member: 0 };
        let ended = has_ended(index) || has_ended(of);
        // Those that have ended are few, and as interesting as all others together.
        if !ended && draw.random.below(ENDED_EVERY / 2) != 0 {
            return None;
        }
        let role = match share.role {
            _ if ended => share.role,
            "technical_manager" => "asset_manager",
            _ => "technical_manager",
        };
        Some(question(user, role, share.resource, false))
    }
}

/// How the question with this number is drawn.
fn drawing(kind: Kind, index: u64) -> fn(&Cooperation, &mut Draw) -> Option<Question> {
    match kind {
        Kind::Direct => Cooperation::direct,
        Kind::Admin => Cooperation::admin,
        Kind::Delegate => Cooperation::delegate,
        Kind::Denial => Cooperation::denial,
        Kind::NearDenial => Cooperation::near_denial,
        Kind::Mix => {
            let kinds = match index % 2 {
                0 => [Kind::Direct, Kind::Admin, Kind::Delegate].as_slice(),
                _ => &[Kind::Denial, Kind::NearDenial],
            };
            let kind = kinds.iter().cycle().nth((index / 2 % 6) as usize);
            drawing(kind.copied().unwrap_or(Kind::Direct), index)
        }
    }
}

impl Resource {
    fn object(self) -> crate::model::Object {
        match self {
            Self::Park { organization, number } => object("park", format!("o{organization}-{number}")),
            Self::Portfolio { organization, number } => {
                object("portfolio", format!("o{organization}-{number}"))
            }
        }
    }
}

impl User {
    fn subject(self) -> Subject {
        Subject::Object(object("user", format!("o{}-{}", self.organization, self.member)))
    }
}

fn shared_role(number: u32) -> &'static str {
    match number {
        1 => "technical_manager",
        2 => "asset_manager",
        _ => "viewer",
    }
}

fn question(user: User, relation: &str, of: Resource, allowed: bool) -> Question {
    let check = CheckRequest { object: of.object(), relation: relation.into(), subject: user.subject() };
    Question { check, allowed }
}

/// A tuple of no question.
pub(super) fn unrelated(id: &str) -> Tuple {
    let admin = User { organization: 0, member: 0 };
    tuple(object("park", id.to_owned()), "viewer_grant", admin.subject())
}

fn organization(number: u32) -> crate::model::Object {
    object("organization", format!("o{number}"))
}

fn membership(user: User) -> Tuple {
    let role = match user.member {
        0 => "admin",
        1 | 2 => "moderator",
        3 | 4 => "technical_asset_manager",
        5 | 6 => "commercial_asset_manager",
        EXTERNAL => "external",
        _ => "member",
    };
    tuple(organization(user.organization), role, user.subject())
}

fn resources(owner: u32) -> impl Iterator<Item = Tuple> {
    let by = move || Subject::Object(organization(owner));
    let portfolio = move |number| Resource::Portfolio { organization: owner, number }.object();
    let portfolios = (0..PORTFOLIOS).map(move |number| tuple(portfolio(number), "owner", by()));
    let parks = (0..PARKS).flat_map(move |number| {
        let park = Resource::Park { organization: owner, number };
        let within = Subject::Object(portfolio(number / PARKS_PER_PORTFOLIO));
        [tuple(park.object(), "owner", by()), tuple(park.object(), "portfolio", within)]
    });
    portfolios.chain(parks)
}

fn cooperation(index: u32, partner: u32) -> [Tuple; 3] {
    let cooperation = || object("cooperation", format!("c{index}"));
    let partner = || Subject::Object(organization(partner));
    let agreement = tuple(cooperation(), "partner", partner());
    let paused = Lifetime { expires_at: None, paused: has_ended(index) };
    [
        tuple(cooperation(), "initiator", Subject::Object(organization(index / PARTNERS))),
        tuple(cooperation(), "linked", partner()),
        Tuple { lifetime: paused, ..agreement },
    ]
}

/// The number of a delegation of a share.
fn delegation(share: u32, number: u32) -> u32 {
    share * DELEGATES as u32 + number
}

/// Whether the cooperation with this number is paused, or the share or delegation with it has expired.
fn has_ended(number: u32) -> bool {
    number % ENDED_EVERY == ENDED_EVERY / 2
}

fn ending(number: u32) -> Lifetime {
    let micros = if has_ended(number) { PAST_MICROS } else { FAR_MICROS };
    Lifetime { expires_at: Instant::from_unix_micros(micros), paused: false }
}
