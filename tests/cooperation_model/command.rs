//! The commands, as values that print as they are written, and the request that each of them is.

use serde_json::{Map, Value, json};

/// The name of a user, an organization or a resource (`park:p1`), or an email.
pub type Name = &'static str;

/// Microseconds since the sequence began, or a number of them.
pub type Micros = i64;

pub const HOUR: Micros = 3_600_000_000;
pub const DAY: Micros = 24 * HOUR;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrgRole {
    Admin,
    Moderator,
    TechnicalAssetManager,
    CommercialAssetManager,
    Member,
    External,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobRole {
    Operator,
    TechnicalManager,
    AssetManager,
    Viewer,
}

impl OrgRole {
    pub const ALL: [Self; 6] = [
        Self::Admin,
        Self::Moderator,
        Self::TechnicalAssetManager,
        Self::CommercialAssetManager,
        Self::Member,
        Self::External,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Moderator => "moderator",
            Self::TechnicalAssetManager => "technical_asset_manager",
            Self::CommercialAssetManager => "commercial_asset_manager",
            Self::Member => "member",
            Self::External => "external",
        }
    }
}

impl JobRole {
    pub const ALL: [Self; 4] = [Self::Operator, Self::TechnicalManager, Self::AssetManager, Self::Viewer];

    pub fn text(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::TechnicalManager => "technical_manager",
            Self::AssetManager => "asset_manager",
            Self::Viewer => "viewer",
        }
    }
}

/// A field of a change: absent, null, or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<T> {
    Absent,
    Null,
    Is(T),
}

/// Whom a cooperation is offered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partner {
    Organization(Name),
    Email(Name),
}

/// Who does it; `None` is the system.
pub type Actor = Option<Name>;

/// One command. Cooperations and invitations go by the number in which they were made.
#[derive(Debug, Clone, Copy)]
pub enum Command {
    /// No command: the clock goes on.
    Wait(Micros),
    Register {
        actor: Actor,
        user: Name,
        email: Name,
    },
    Staff {
        actor: Actor,
        user: Name,
        is: bool,
    },
    Found {
        actor: Actor,
        organization: Name,
        admin: Name,
    },
    NameOrganization {
        actor: Actor,
        organization: Name,
    },
    Add {
        actor: Actor,
        organization: Name,
        user: Name,
        role: OrgRole,
    },
    Change {
        actor: Actor,
        organization: Name,
        user: Name,
        role: Option<OrgRole>,
        paused: Option<bool>,
        expires_at: Field<Micros>,
    },
    Leave {
        actor: Actor,
        organization: Name,
        user: Name,
        confirm: bool,
    },
    BuildPortfolio {
        actor: Actor,
        organization: Name,
        portfolio: Name,
    },
    BuildPark {
        actor: Actor,
        organization: Name,
        park: Name,
        portfolio: Option<Name>,
    },
    NamePark {
        actor: Actor,
        park: Name,
    },
    Move {
        actor: Actor,
        park: Name,
        portfolio: Option<Name>,
    },
    Delete {
        actor: Actor,
        resource: Name,
    },
    Grant {
        actor: Actor,
        resource: Name,
        user: Name,
        role: JobRole,
        expires_at: Field<Micros>,
    },
    Ungrant {
        actor: Actor,
        resource: Name,
        user: Name,
    },
    Offer {
        actor: Actor,
        organization: Name,
        partner: Partner,
        confirm: Option<Name>,
        expires_at: Option<Micros>,
    },
    Accept {
        actor: Actor,
        cooperation: usize,
        organization: Option<Name>,
    },
    Decline {
        actor: Actor,
        cooperation: usize,
    },
    Resend {
        actor: Actor,
        cooperation: usize,
    },
    Limit {
        actor: Actor,
        cooperation: usize,
        paused: Option<bool>,
        expires_at: Field<Micros>,
    },
    Remove {
        actor: Actor,
        cooperation: usize,
    },
    Share {
        actor: Actor,
        cooperation: usize,
        resource: Name,
        role: JobRole,
        expires_at: Field<Micros>,
    },
    Unshare {
        actor: Actor,
        cooperation: usize,
        resource: Name,
    },
    Delegate {
        actor: Actor,
        cooperation: usize,
        resource: Name,
        user: Name,
        role: JobRole,
        expires_at: Field<Micros>,
    },
    Undelegate {
        actor: Actor,
        cooperation: usize,
        resource: Name,
        user: Name,
    },
    InviteToPlatform {
        actor: Actor,
        email: Name,
    },
    InviteInto {
        actor: Actor,
        organization: Name,
        email: Name,
        role: OrgRole,
    },
    AcceptInvitation {
        actor: Actor,
        invitation: usize,
        organization: Option<Name>,
    },
    DeclineInvitation {
        actor: Actor,
        invitation: usize,
    },
    ResendInvitation {
        actor: Actor,
        invitation: usize,
    },
    Revoke {
        actor: Actor,
        invitation: usize,
    },
}

/// A request for a store.
pub struct Request {
    pub actor: Actor,
    pub method: &'static str,
    pub path: String,
    pub body: Option<Value>,
}

/// An instant as the wire has it, of a sequence that began then.
fn instant(began: Micros, micros: Micros) -> Value {
    tenure::model::Instant::from_unix_micros(began + micros).unwrap().to_string().into()
}

fn with_expiration(mut body: Value, began: Micros, expires_at: Field<Micros>) -> Value {
    match expires_at {
        Field::Absent => {}
        Field::Null => body["expires_at"] = Value::Null,
        Field::Is(at) => body["expires_at"] = instant(began, at),
    }
    body
}

fn founding(mut body: Value, organization: Option<Name>) -> Value {
    if let Some(organization) = organization {
        body["organization"] = json!({ "id": organization, "name": organization });
    }
    body
}

/// `park:p1` as a path has it.
fn path_of(resource: Name) -> String {
    let (kind, id) = resource.split_once(':').unwrap();
    format!("{kind}s/{id}")
}

fn id_of(resource: Name) -> Name {
    resource.split_once(':').unwrap().1
}

impl Command {
    /// The request in a sequence that began then; `None` for what is no command. Ids that were made stand in the lists, in order; where there is none of
    /// the number, the request has one that nothing has.
    pub fn request(&self, began: Micros, cooperations: &[String], invitations: &[String]) -> Option<Request> {
        const NOTHING: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
        let known = |ids: &[String], number: usize| ids.get(number).map_or(NOTHING, |id| id).to_owned();
        let cooperation =
            |number: usize, rest: &str| format!("/cooperations/{}{rest}", known(cooperations, number));
        let invitation =
            |number: usize, rest: &str| format!("/invitations/{}{rest}", known(invitations, number));
        let share = |number: usize, resource: Name, rest: &str| {
            cooperation(number, &format!("/shares/{}{rest}", path_of(resource)))
        };
        let member = |organization: Name, user: Name| format!("/organizations/{organization}/members/{user}");
        let (actor, method, path, body) = match *self {
            Self::Wait(_) => return None,
            Self::Register { actor, user, email } => {
                (actor, "PUT", format!("/users/{user}"), Some(json!({ "email": email })))
            }
            Self::Staff { actor, user, is } => {
                (actor, if is { "PUT" } else { "DELETE" }, format!("/platform/staff/{user}"), None)
            }
            Self::Found { actor, organization, admin } => {
                let body = json!({ "id": organization, "name": organization, "admin": admin });
                (actor, "POST", "/organizations".to_owned(), Some(body))
            }
            Self::NameOrganization { actor, organization } => {
                (actor, "PATCH", format!("/organizations/{organization}"), Some(json!({ "name": "New" })))
            }
            Self::Add { actor, organization, user, role } => {
                (actor, "PUT", member(organization, user), Some(json!({ "role": role.text() })))
            }
            Self::Change { actor, organization, user, role, paused, expires_at } => {
                let mut body = Map::new();
                body.extend(role.map(|role| ("role".to_owned(), role.text().into())));
                body.extend(paused.map(|paused| ("paused".to_owned(), paused.into())));
                (
                    actor,
                    "PATCH",
                    member(organization, user),
                    Some(with_expiration(body.into(), began, expires_at)),
                )
            }
            Self::Leave { actor, organization, user, confirm } => {
                let query = if confirm { format!("?confirm={organization}") } else { String::new() };
                (actor, "DELETE", member(organization, user) + &query, None)
            }
            Self::BuildPortfolio { actor, organization, portfolio } => {
                let body = json!({ "id": id_of(portfolio), "name": portfolio });
                (actor, "POST", format!("/organizations/{organization}/portfolios"), Some(body))
            }
            Self::BuildPark { actor, organization, park, portfolio } => {
                let mut body = json!({ "id": id_of(park), "name": park });
                if let Some(portfolio) = portfolio {
                    body["portfolio"] = id_of(portfolio).into();
                }
                (actor, "POST", format!("/organizations/{organization}/parks"), Some(body))
            }
            Self::NamePark { actor, park } => {
                (actor, "PATCH", format!("/{}", path_of(park)), Some(json!({ "name": "New" })))
            }
            Self::Move { actor, park, portfolio } => {
                let body = json!({ "portfolio": portfolio.map(id_of) });
                (actor, "PATCH", format!("/{}", path_of(park)), Some(body))
            }
            Self::Delete { actor, resource } => (actor, "DELETE", format!("/{}", path_of(resource)), None),
            Self::Grant { actor, resource, user, role, expires_at } => {
                let body = with_expiration(json!({ "role": role.text() }), began, expires_at);
                (actor, "PUT", format!("/{}/grants/{user}", path_of(resource)), Some(body))
            }
            Self::Ungrant { actor, resource, user } => {
                (actor, "DELETE", format!("/{}/grants/{user}", path_of(resource)), None)
            }
            Self::Offer { actor, organization, partner, confirm, expires_at } => {
                let partner = match partner {
                    Partner::Organization(id) => json!({ "organization": id }),
                    Partner::Email(email) => json!({ "email": email }),
                };
                let mut body = json!({ "partner": partner });
                if let Some(confirm) = confirm {
                    body["confirm"] = confirm.into();
                }
                let expires_at = expires_at.map_or(Field::Absent, Field::Is);
                let path = format!("/organizations/{organization}/cooperations");
                (actor, "POST", path, Some(with_expiration(body, began, expires_at)))
            }
            Self::Accept { actor, cooperation: number, organization } => {
                (actor, "POST", cooperation(number, "/accept"), Some(founding(json!({}), organization)))
            }
            Self::Decline { actor, cooperation: number } => {
                (actor, "POST", cooperation(number, "/decline"), None)
            }
            Self::Resend { actor, cooperation: number } => {
                (actor, "POST", cooperation(number, "/resend"), None)
            }
            Self::Limit { actor, cooperation: number, paused, expires_at } => {
                let body = paused.map_or_else(|| json!({}), |paused| json!({ "paused": paused }));
                (actor, "PATCH", cooperation(number, ""), Some(with_expiration(body, began, expires_at)))
            }
            Self::Remove { actor, cooperation: number } => (actor, "DELETE", cooperation(number, ""), None),
            Self::Share { actor, cooperation: number, resource, role, expires_at } => {
                let body = with_expiration(json!({ "role": role.text() }), began, expires_at);
                (actor, "PUT", share(number, resource, ""), Some(body))
            }
            Self::Unshare { actor, cooperation: number, resource } => {
                (actor, "DELETE", share(number, resource, ""), None)
            }
            Self::Delegate { actor, cooperation: number, resource, user, role, expires_at } => {
                let body = with_expiration(json!({ "role": role.text() }), began, expires_at);
                (actor, "PUT", share(number, resource, &format!("/delegations/{user}")), Some(body))
            }
            Self::Undelegate { actor, cooperation: number, resource, user } => {
                (actor, "DELETE", share(number, resource, &format!("/delegations/{user}")), None)
            }
            Self::InviteToPlatform { actor, email } => {
                let body = json!({ "kind": "platform", "email": email });
                (actor, "POST", "/invitations".to_owned(), Some(body))
            }
            Self::InviteInto { actor, organization, email, role } => {
                let body = json!({ "kind": "organization", "organization": organization, "email": email, "role": role.text() });
                (actor, "POST", "/invitations".to_owned(), Some(body))
            }
            Self::AcceptInvitation { actor, invitation: number, organization } => {
                let body = founding(json!({ "user": actor.unwrap_or("u0") }), organization);
                (actor, "POST", invitation(number, "/accept"), Some(body))
            }
            Self::DeclineInvitation { actor, invitation: number } => {
                (actor, "POST", invitation(number, "/decline"), None)
            }
            Self::ResendInvitation { actor, invitation: number } => {
                (actor, "POST", invitation(number, "/resend"), None)
            }
            Self::Revoke { actor, invitation: number } => (actor, "DELETE", invitation(number, ""), None),
        };
        Some(Request { actor, method, path, body })
    }
}
