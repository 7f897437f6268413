//! The workload *github*: organizations with teams and repositories, and roles on them that include each other.
//!
//! | Tuples | Per organization | What |
//! |---|---|---|
//! | 50 | 2 owners, 48 members | who belongs to it |
//! | 2 | one user, all members | roles on all of its repositories: `admin` for one, `reader` for the others |
//! | 52 | 48 members, 4 teams | teams: eight, of which four have another one in them |
//! | 200 | 50 repositories | the owner, two teams and a collaborator from elsewhere, at mixed roles |
//!
//! In one of four organizations the members have no role on all repositories.

use super::random::{Draw, Random};
use super::{Question, Tuple, object, question, tuple, user};
use crate::model::{Object, Subject};

/// The model, in the DSL.
pub(super) const MODEL: &str = "model
  schema 1.1

type user

type organization
  relations
    define owner: [user]
    define member: [user] or owner
    define repo_reader: [user, organization#member]
    define repo_writer: [user, organization#member]
    define repo_admin: [user, organization#member]

type team
  relations
    define member: [user, team#member]

type repo
  relations
    define owner: [organization]
    define admin: [user, team#member] or repo_admin from owner
    define maintainer: [user, team#member] or admin
    define writer: [user, team#member] or maintainer or repo_writer from owner
    define triager: [user, team#member] or writer
    define reader: [user, team#member] or triager or repo_reader from owner
";

/// The roles, each of which includes those before it.
const ROLES: [&str; 5] = ["reader", "triager", "writer", "maintainer", "admin"];
const ADMIN: u32 = 4;

const MEMBERS: u32 = 50;
/// They come first.
const OWNERS: u32 = 2;
/// The member who is the administrator of all repositories.
const REPO_ADMIN: u32 = 2;
const TEAMS: u32 = 8;
/// The first half of the teams have one each of the other half in them.
const OUTER_TEAMS: u32 = TEAMS / 2;
const REPOS: u32 = 50;
/// One of so many organizations gives its members no role on all repositories.
const CLOSED_EVERY: u32 = 4;
const TUPLES_PER_ORGANIZATION: u64 = 304;

/// A member of an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct User {
    organization: u32,
    member: u32,
}

/// Who has which role on a repository, as a number in [`ROLES`].
#[derive(Debug, Clone)]
struct Repo {
    teams: [(u32, u32); 2],
    collaborator: (User, u32),
}

/// The workload, drawn from a seed.
#[derive(Debug, Clone)]
pub struct Github {
    organizations: u32,
    /// [`REPOS`] of each organization.
    repos: Vec<Repo>,
}

impl Github {
    /// As many organizations as come to about so many tuples, but two.
    pub fn about(tuples: u64, seed: u64) -> Self {
        let organizations = u32::try_from(tuples / TUPLES_PER_ORGANIZATION).unwrap_or(u32::MAX);
        let organizations = organizations.clamp(2, u32::MAX / REPOS);
        let mut random = Random::new(seed);
        let repos = (0..organizations * REPOS).map(|number| draw_repo(number, organizations, &mut random));
        Self { organizations, repos: repos.collect() }
    }

    /// The tuples, no key twice.
    pub fn tuples(&self) -> impl Iterator<Item = Tuple> {
        let organizations = (0..self.organizations).flat_map(organization_tuples);
        let repos = (0..).zip(&self.repos).flat_map(|(number, of)| {
            let owner = organization(number / REPOS);
            let [first, second] = of.teams.map(|(number_of, role)| {
                tuple(repo(number), role_name(role), members(team(number / REPOS, number_of)))
            });
            let (who, role) = of.collaborator;
            let collaborator = tuple(repo(number), role_name(role), who.subject());
            [tuple(repo(number), "owner", Subject::Object(owner)), first, second, collaborator]
        });
        organizations.chain(repos)
    }

    /// A question with this answer.
    pub fn question(&self, allowed: bool, draw: &mut Draw) -> Question {
        loop {
            // What is drawn may have the other answer: a member of a closed organization, an administrator.
            if let Some(question) = self.draw_question(allowed, draw) {
                return question;
            }
        }
    }

    fn draw_question(&self, allowed: bool, draw: &mut Draw) -> Option<Question> {
        let (number, of) = draw.from(&self.repos)?;
        let own = |member| User { organization: number / REPOS, member };
        let who = match draw.below(5) {
            0 => own(draw.below(MEMBERS)),
            1 => own(REPO_ADMIN),
            2 => of.collaborator.0,
            3 if !allowed => {
                User { organization: draw.below(self.organizations), member: draw.below(MEMBERS) }
            }
            _ => own(draw.from(&of.teams).map(|(_, (team, _))| member_of(*team, draw))?),
        };
        let held = self.held(who, number);
        // The roles that the user does not have begin here.
        let end = held.map_or(0, |role| role + 1);
        let role = if allowed { draw.below(end) } else { end + draw.below(ADMIN + 1 - end) };
        let exists = if allowed { end > 0 } else { end <= ADMIN };
        exists.then(|| question(repo(number), role_name(role), who.subject(), allowed))
    }

    /// The highest role that a user has on a repository.
    fn held(&self, who: User, number: u32) -> Option<u32> {
        let of = self.repos.get(number as usize)?;
        let (collaborator, role) = of.collaborator;
        let as_collaborator = (collaborator == who).then_some(role);
        if who.organization != number / REPOS {
            return as_collaborator;
        }
        if who.member == REPO_ADMIN {
            return Some(ADMIN);
        }
        let as_member = (!is_closed(who.organization)).then_some(0);
        let in_teams =
            of.teams.iter().filter(|(team, _)| is_in(who.member, *team)).map(|(_, role)| *role).max();
        as_member.max(in_teams).max(as_collaborator)
    }
}

/// A tuple of no question.
pub(super) fn unrelated(id: &str) -> Tuple {
    tuple(object("repo", id.to_owned()), "reader", User { organization: 0, member: 0 }.subject())
}

fn draw_repo(number: u32, organizations: u32, random: &mut Random) -> Repo {
    let mut teams = random.distinct(2, TEAMS).into_iter();
    let teams = [(); 2].map(|()| (teams.next().unwrap_or_default(), random.below(ADMIN + 1)));
    let elsewhere = (number / REPOS + 1 + random.below(organizations - 1)) % organizations;
    let collaborator = User { organization: elsewhere, member: random.below(MEMBERS) };
    Repo { teams, collaborator: (collaborator, random.below(ADMIN + 1)) }
}

fn organization_tuples(number: u32) -> impl Iterator<Item = Tuple> {
    let who = move |member| User { organization: number, member }.subject();
    let belongs = (0..MEMBERS).map(move |member| {
        tuple(organization(number), if member < OWNERS { "owner" } else { "member" }, who(member))
    });
    let admin = tuple(organization(number), "repo_admin", who(REPO_ADMIN));
    let all = Subject::Userset(organization(number), "member".into());
    let open = (!is_closed(number)).then(|| tuple(organization(number), "repo_reader", all));
    let in_teams =
        (OWNERS..MEMBERS).map(move |member| tuple(team(number, own_team(member)), "member", who(member)));
    let nested = (0..OUTER_TEAMS)
        .map(move |outer| tuple(team(number, outer), "member", members(team(number, outer + OUTER_TEAMS))));
    belongs.chain([admin]).chain(open).chain(in_teams).chain(nested)
}

/// Whether members have no role on all repositories.
fn is_closed(organization: u32) -> bool {
    organization % CLOSED_EVERY == CLOSED_EVERY - 1
}

fn own_team(member: u32) -> u32 {
    member % TEAMS
}

fn is_in(member: u32, team: u32) -> bool {
    let own = own_team(member);
    member >= OWNERS && (own == team || own == team + OUTER_TEAMS)
}

/// A member whose own team it is.
fn member_of(team: u32, draw: &mut Draw) -> u32 {
    let rounds = MEMBERS / TEAMS;
    // Of the first round, some are owners and in no team.
    (1 + draw.below(rounds - 1)) * TEAMS + team
}

impl User {
    fn subject(self) -> Subject {
        user(&format!("o{}-{}", self.organization, self.member))
    }
}

fn organization(number: u32) -> Object {
    object("organization", format!("o{number}"))
}

fn team(organization: u32, number: u32) -> Object {
    object("team", format!("o{organization}-{number}"))
}

fn members(of: Object) -> Subject {
    Subject::Userset(of, "member".into())
}

fn repo(number: u32) -> Object {
    object("repo", format!("o{}-{}", number / REPOS, number % REPOS))
}

fn role_name(role: u32) -> &'static str {
    ROLES.get(role as usize).copied().unwrap_or("reader")
}
