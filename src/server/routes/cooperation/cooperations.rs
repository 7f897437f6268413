//! Cooperations: invited, answered, changed, and shown to both sides.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::organizations::{new_organization, new_organization_shape};
use super::{
    Answered, Call, Page, answered, answers, boolean, command, created, found, instant, language, nothing,
    nothing_to_say, operation, paged, query, refusals, text_if_any, with_revision,
};
use super::{delegations, shares};
use crate::cooperation::cooperations::invite::{Invitation, Invited};
use crate::cooperation::cooperations::show::{self, Contact, Details, Filter, Inside, Summary};
use crate::cooperation::cooperations::{Status, answer, change, invite};
use crate::cooperation::{Code, Email, EntityId, Refusal, Work};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::fields::Fields;
use crate::server::openapi::schema::{self, Schema, Shape, choice, list_of, shape, text};
use crate::server::openapi::{Operation, Routes, Verb, shapes};
use crate::server::reply::Reply;
use crate::server::wire;
use crate::store::Database;

const OF_AN_ORGANIZATION: &str = "/organizations/{organization}/cooperations";
const PATH: &str = "/cooperations/{cooperation}";
const DELEGATIONS: &str = "/cooperations/{cooperation}/delegations";

pub(super) fn routes<D: Database>() -> Routes<D> {
    Routes::new()
        .on(invite_operation(), invite)
        .on(list_operation(), list)
        .on(get_operation(), get)
        .on(change_operation(), change)
        .on(remove_operation(), remove)
        .on(accept_operation(), accept)
        .on(decline_operation(), decline)
        .on(resend_operation(), resend)
        .on(delegations_operation(), delegations)
}

#[derive(Serialize)]
struct Cooperation {
    id: EntityId,
    initiator: EntityId,
    partner: EntityId,
    label: Box<str>,
    status: &'static str,
    paused: bool,
    expires_at: Option<String>,
}

impl From<Summary> for Cooperation {
    fn from(summary: Summary) -> Self {
        let Summary { cooperation, label, status } = summary;
        let expires_at = cooperation.lifetime.expires_at.map(wire::instant);
        let (id, initiator, partner) = (cooperation.id, cooperation.initiator, cooperation.partner);
        Self {
            id,
            initiator,
            partner,
            label,
            status: status.name(),
            paused: cooperation.lifetime.paused,
            expires_at,
        }
    }
}

/// A cooperation that an email was invited to.
#[derive(Serialize)]
struct InvitedTo {
    #[serde(flatten)]
    cooperation: Cooperation,
    #[serde(skip_serializing_if = "Option::is_none")]
    invitation: Option<EntityId>,
}

#[derive(Serialize)]
struct Cooperations {
    cooperations: Vec<Cooperation>,
    continuation_token: String,
}

#[derive(Serialize)]
struct ShownDetails {
    #[serde(flatten)]
    cooperation: Cooperation,
    #[serde(flatten)]
    inside: Option<ShownInside>,
    can: Can,
}

#[derive(Serialize)]
struct ShownInside {
    contacts: Contacts,
    shares: Vec<shares::Share>,
}

#[derive(Serialize)]
struct Contacts {
    initiator: Vec<ShownContact>,
    partner: Vec<ShownContact>,
}

#[derive(Serialize)]
struct ShownContact {
    user: EntityId,
    name: Option<Box<str>>,
    email: Option<Box<str>>,
}

#[derive(Serialize)]
struct Can {
    manage: bool,
    accept: bool,
    delegate: bool,
}

impl From<Contact> for ShownContact {
    fn from(contact: Contact) -> Self {
        let Contact { user, name, email } = contact;
        Self { user, name, email }
    }
}

impl From<Inside> for ShownInside {
    fn from(inside: Inside) -> Self {
        let contacts = |side: Vec<Contact>| side.into_iter().map(ShownContact::from).collect();
        Self {
            contacts: Contacts { initiator: contacts(inside.initiator), partner: contacts(inside.partner) },
            shares: inside.shares.into_iter().map(shares::Share::from).collect(),
        }
    }
}

fn status() -> Schema {
    choice(Status::ALL.map(Status::name)).named("CooperationStatus")
}

fn cooperation() -> Shape {
    shape()
        .must("id", shapes::entity_id())
        .must("initiator", shapes::entity_id().says("The organization that invited, and shares."))
        .must(
            "partner",
            shapes::entity_id().says("The other side, or what stands for it until it has joined."),
        )
        .must("label", text().says("The name of the other side; of one that has not joined yet, its email."))
        .must("status", status())
        .must("paused", schema::boolean())
        .must("expires_at", shapes::instant().nullable())
}

fn invite_operation() -> Operation {
    let partner = schema::one_of([
        shape().must("organization", shapes::entity_id()).closed(),
        shape().must("email", shapes::email()).closed(),
    ]);
    let confirm = "The organization that the email was recognised as, which is to be invited.";
    let body = shape()
        .must("partner", partner.named("InvitedPartner"))
        .may("language", shapes::language().nullable())
        .may("confirm", shapes::entity_id().nullable().says(confirm))
        .may("expires_at", shapes::instant().nullable())
        .closed();
    let summary = "Invite another organization to cooperate, by its id or by an email.";
    let operation = operation(Verb::Post, OF_AN_ORGANIZATION, "Cooperate", summary)
        .takes_strictly(body)
        .fails(refusals([Code::CooperationExists, Code::ConfirmationRequired, Code::OwnOrganization]));
    let answer = cooperation().may("invitation", shapes::entity_id().says("Where an email was invited."));
    answers(operation, StatusCode::CREATED, "The cooperation.", with_revision(answer))
}

/// `POST /stores/{store_id}/organizations/{organization}/cooperations`
async fn invite<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| Ok((call.id("organization")?, call.body(invitation)?));
    let done = command(&app, call, "cooperation.invite", read, |work, (organization, invitation)| {
        invite::invite(work, organization, invitation)
    });
    let done = done.await?;
    let invitation = done.value.cooperation.document.invitation.clone();
    Ok(created(done.revision, InvitedTo { cooperation: Cooperation::from(done.value), invitation }))
}

fn invitation(fields: &mut Fields) -> Result<Invitation, ApiError> {
    let partner = fields.object("partner", |fields| {
        let (id, email) = (text_if_any(fields, "organization")?, text_if_any(fields, "email")?);
        match (id, email) {
            (Some(id), None) => {
                Ok(Invited::Organization(EntityId::parse(&fields.path("organization"), &id)?))
            }
            (None, Some(email)) => Ok(Invited::Email(Email::parse(&fields.path("email"), &email)?)),
            _ => Err(Refusal::field("partner", "expected either `organization` or `email`").into()),
        }
    })?;
    let partner = partner.ok_or_else(|| Refusal::field("partner", "it is missing"))?;
    let confirm = super::optional(fields, "confirm")?.flatten();
    Ok(Invitation {
        partner,
        language: language(fields, "language")?,
        confirm: confirm.map(|text| EntityId::parse("confirm", &text)).transpose()?,
        expires_at: instant(fields, "expires_at")?.flatten(),
    })
}

fn list_operation() -> Operation {
    let body = shape()
        .must("cooperations", list_of(cooperation().closed().named("Cooperation")))
        .must("continuation_token", shapes::token());
    let summary = "List the cooperations of an organization.";
    let operation = operation(Verb::Get, OF_AN_ORGANIZATION, "ListCooperations", summary)
        .query(
            "direction",
            choice(["outgoing", "incoming"]),
            "Those that it initiated, or those in which it is the partner.",
        )
        .query("search", text(), "Those whose other side has this in its name, whatever the case.")
        .query("status", status(), "Those of this status.");
    answers(paged(operation), StatusCode::OK, "The cooperations.", body.closed())
}

/// `GET /stores/{store_id}/organizations/{organization}/cooperations`
async fn list<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<impl Serialize>, ApiError> {
    let store = call.store();
    let read = |call: &Call| {
        let (filter, page) =
            call.query(|fields| Ok((filter(fields)?, Page::read(call, "cooperations", fields)?)))?;
        Ok((call.id("organization")?, filter, page))
    };
    let run = |work: &mut Work<'_, D>, (id, filter, page): (EntityId, Filter, Page)| {
        Ok((show::list(work, &id, &filter)?, page))
    };
    let done = query(&app, call, read, run).await?;
    let (all, page) = done.value;
    let (items, continuation_token) = page.cut(store, "cooperations", all, |summary| &summary.cooperation.id);
    let cooperations = items.into_iter().map(Cooperation::from).collect();
    Ok(found(done.revision, Cooperations { cooperations, continuation_token }))
}

fn filter(fields: &mut Fields) -> Result<Filter, ApiError> {
    let initiated = match text_if_any(fields, "direction")?.as_deref() {
        None => None,
        Some("outgoing") => Some(true),
        Some("incoming") => Some(false),
        Some(_) => {
            return Err(Refusal::field("direction", "expected `outgoing` or `incoming`").into());
        }
    };
    let status = text_if_any(fields, "status")?;
    let search = text_if_any(fields, "search")?;
    Ok(Filter {
        initiated,
        search: search.map(Into::into),
        status: status.map(|text| Status::parse("status", &text)).transpose()?,
    })
}

fn get_operation() -> Operation {
    let contact = shape()
        .must("user", shapes::entity_id())
        .must("name", text().nullable())
        .must("email", text().nullable())
        .closed()
        .named("Contact");
    let contacts =
        shape().must("initiator", list_of(contact.clone())).must("partner", list_of(contact)).closed();
    let can = shape()
        .must("manage", schema::boolean())
        .must("accept", schema::boolean())
        .must("delegate", schema::boolean())
        .closed();
    let body = cooperation()
        .may("contacts", contacts.says("The admins of both sides, for these."))
        .may("shares", list_of(shares::share().closed().named("Share")).says("For the same."))
        .must("can", can.says("What the acting user may do now."))
        .closed();
    let operation = operation(Verb::Get, PATH, "GetCooperation", "Get a cooperation.");
    answers(operation, StatusCode::OK, "The cooperation.", body.named("CooperationDetails"))
}

/// `GET /stores/{store_id}/cooperations/{cooperation}`
async fn get<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<impl Serialize>, ApiError> {
    let run = |work: &mut Work<'_, D>, id| show::details(work, &id);
    let done = query(&app, call, |call| call.id("cooperation"), run).await?;
    let Details { summary, inside, can } = done.value;
    let can = Can { manage: can.manage, accept: can.accept, delegate: can.delegate };
    let (cooperation, inside) = (Cooperation::from(summary), inside.map(ShownInside::from));
    Ok(found(done.revision, ShownDetails { cooperation, inside, can }))
}

fn change_operation() -> Operation {
    let body =
        shape().may("paused", schema::boolean()).may("expires_at", shapes::instant().nullable()).closed();
    let summary = "Pause or resume a cooperation, or move or clear its end.";
    let operation = operation(Verb::Patch, PATH, "ChangeCooperation", summary)
        .takes_strictly(body)
        .fails(refusals([Code::InitiatorOnly]));
    answers(operation, StatusCode::OK, "The cooperation.", with_revision(cooperation()))
}

/// `PATCH /stores/{store_id}/cooperations/{cooperation}`
async fn change<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| {
        let change = call.body(|fields| Ok((boolean(fields, "paused")?, instant(fields, "expires_at")?)))?;
        Ok((call.id("cooperation")?, change))
    };
    let done = command(&app, call, "cooperation.change", read, |work, (id, (paused, expires_at))| {
        change::change(work, id, *paused, *expires_at)
    });
    let done = done.await?;
    Ok(answered(done.revision, Cooperation::from(done.value)))
}

fn remove_operation() -> Operation {
    let summary = "Remove a cooperation, with everything that was shared and delegated in it.";
    nothing_to_say(operation(Verb::Delete, PATH, "RemoveCooperation", summary))
        .fails(refusals([Code::InitiatorOnly]))
}

/// `DELETE /stores/{store_id}/cooperations/{cooperation}`
async fn remove<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<()>, ApiError> {
    let run = |work: &mut Work<'_, D>, id: &_| change::remove(work, id);
    Ok(nothing(&command(&app, call, "cooperation.remove", named, run).await?))
}

/// A request that names a cooperation, and says nothing else.
fn named(call: &Call) -> Result<EntityId, Refusal> {
    call.says_nothing()?;
    call.id("cooperation")
}

fn accept_operation() -> Operation {
    let organization = new_organization_shape().closed().named("NewOrganization");
    let says = "Where an email was invited whose user is in no organization: the one to make.";
    let body = shape().may("organization", organization.says(says)).closed();
    let path = "/cooperations/{cooperation}/accept";
    let operation = operation(Verb::Post, path, "AcceptCooperation", "Accept a cooperation.")
        .takes_strictly(body)
        .fails(refusals([
            Code::NotPending,
            Code::Expired,
            Code::AlreadyMember,
            Code::AlreadyExists,
            Code::CooperationExists,
            Code::OwnOrganization,
        ]));
    answers(operation, StatusCode::OK, "The cooperation.", with_revision(cooperation()))
}

/// `POST /stores/{store_id}/cooperations/{cooperation}/accept`
async fn accept<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| {
        let new = call.body(|fields| fields.object("organization", new_organization))?;
        Ok((call.id("cooperation")?, new))
    };
    let done = command(&app, call, "cooperation.accept", read, |work, (id, new)| {
        answer::accept(work, id, new.as_ref())
    });
    let done = done.await?;
    Ok(answered(done.revision, Cooperation::from(done.value)))
}

fn decline_operation() -> Operation {
    let path = "/cooperations/{cooperation}/decline";
    let summary = "Decline a cooperation, which takes it away with everything that was prepared in it.";
    nothing_to_say(operation(Verb::Post, path, "DeclineCooperation", summary))
        .fails(refusals([Code::NotPending]))
}

/// `POST /stores/{store_id}/cooperations/{cooperation}/decline`
async fn decline<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<()>, ApiError> {
    let run = |work: &mut Work<'_, D>, id: &_| answer::decline(work, id);
    Ok(nothing(&command(&app, call, "cooperation.decline", named, run).await?))
}

fn resend_operation() -> Operation {
    let path = "/cooperations/{cooperation}/resend";
    let summary = "Send the invitation to a cooperation again.";
    let operation = operation(Verb::Post, path, "ResendCooperation", summary)
        .fails(refusals([Code::NotPending, Code::InitiatorOnly]));
    answers(operation, StatusCode::OK, "The cooperation.", with_revision(cooperation()))
}

/// `POST /stores/{store_id}/cooperations/{cooperation}/resend`
async fn resend<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let run = |work: &mut Work<'_, D>, id: &_| invite::resend(work, id);
    let done = command(&app, call, "cooperation.resend", named, run).await?;
    Ok(answered(done.revision, Cooperation::from(done.value)))
}

#[derive(Serialize)]
struct Delegations {
    delegations: Vec<delegations::Delegation>,
    continuation_token: String,
}

fn delegations_operation() -> Operation {
    let body = shape()
        .must("delegations", list_of(delegations::delegation().closed().named("Delegation")))
        .must("continuation_token", shapes::token());
    let summary = "List what is delegated in a cooperation.";
    let operation = paged(operation(Verb::Get, DELEGATIONS, "ListDelegations", summary));
    answers(operation, StatusCode::OK, "The delegations.", body.closed())
}

/// `GET /stores/{store_id}/cooperations/{cooperation}/delegations`
async fn delegations<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<impl Serialize>, ApiError> {
    let store = call.store();
    let read = |call: &Call| {
        let page = call.query(|fields| Page::read(call, "delegations", fields))?;
        Ok((call.id("cooperation")?, page))
    };
    let run =
        |work: &mut Work<'_, D>, (id, page): (EntityId, Page)| Ok((show::delegations(work, &id)?, page));
    let done = query(&app, call, read, run).await?;
    let (all, page) = done.value;
    let place = |delegation: &crate::cooperation::delegations::Delegation| {
        format!("{} {}", delegation.resource, delegation.user)
    };
    let mut all: Vec<_> = all.into_iter().map(|delegation| (place(&delegation), delegation)).collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    let (items, continuation_token) = page.cut(store, "delegations", all, |(place, _)| place);
    let delegations = items.into_iter().map(|(_, delegation)| delegation.into()).collect();
    Ok(found(done.revision, Delegations { delegations, continuation_token }))
}
