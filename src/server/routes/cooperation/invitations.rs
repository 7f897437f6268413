//! Invitations to the platform, into an organization, and to a cooperation.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::members::{required_role, role};
use super::organizations::{new_organization, new_organization_shape};
use super::{
    Answered, Call, answered, answers, command, created, email, found, instant, label, language, nothing,
    nothing_to_say, operation, query, refusals, required, required_id, with_revision,
};
use crate::cooperation::Work;
use crate::cooperation::documents::Purpose;
use crate::cooperation::invitations::{self, Acceptance, InvitationStatus, NewInvitation};
use crate::cooperation::{Code, Email, EntityId, OrganizationRole};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::fields::Fields;
use crate::server::openapi::schema::{Shape, choice, shape, text};
use crate::server::openapi::{Operation, Routes, Verb, shapes};
use crate::server::reply::Reply;
use crate::server::wire;
use crate::store::Database;

const PATH: &str = "/invitations/{invitation}";

pub(super) fn routes<D: Database>() -> Routes<D> {
    Routes::new()
        .on(send_operation(), send)
        .on(get_operation(), get)
        .on(accept_operation(), accept)
        .on(decline_operation(), decline)
        .on(resend_operation(), resend)
        .on(revoke_operation(), revoke)
}

#[derive(Serialize)]
struct Invitation {
    id: EntityId,
    kind: &'static str,
    email: Email,
    language: Box<str>,
    status: &'static str,
    organization: Option<EntityId>,
    role: Option<&'static str>,
    cooperation: Option<EntityId>,
    sent_at: String,
    expires_at: String,
}

impl From<invitations::Invitation> for Invitation {
    fn from(invitation: invitations::Invitation) -> Self {
        let invitations::Invitation { id, document, status } = invitation;
        let purpose = &document.purpose;
        let (organization, cooperation) = (purpose.organization().cloned(), purpose.cooperation().cloned());
        Self {
            id,
            kind: purpose.kind(),
            role: purpose.role().map(OrganizationRole::name),
            email: document.email,
            language: document.language,
            status: status.name(),
            organization,
            cooperation,
            sent_at: wire::instant(document.sent_at),
            expires_at: wire::instant(document.expires_at),
        }
    }
}

fn invitation() -> Shape {
    shape()
        .must("id", shapes::entity_id())
        .must("kind", choice(["platform", "organization", "cooperation"]))
        .must("email", text())
        .must("language", text())
        .must("status", choice(InvitationStatus::ALL.map(InvitationStatus::name)))
        .must("organization", shapes::entity_id().nullable().says("The one that invites."))
        .must("role", role().nullable().says("Into an organization: with which role."))
        .must("cooperation", shapes::entity_id().nullable().says("To a cooperation: which one."))
        .must("sent_at", shapes::instant())
        .must("expires_at", shapes::instant())
}

fn send_operation() -> Operation {
    let body = shape()
        .must("kind", choice(["platform", "organization"]))
        .must("email", shapes::email())
        .may("language", shapes::language().nullable())
        .may("organization", shapes::entity_id().says("Of an invitation into an organization."))
        .may("role", role())
        .may("expires_at", shapes::instant().nullable().says("Without it, after 14 days."))
        .closed();
    let summary = "Invite to the platform, or into an organization.";
    let operation = operation(Verb::Post, "/invitations", "SendInvitation", summary).takes_strictly(body);
    answers(operation, StatusCode::CREATED, "The invitation.", with_revision(invitation()))
}

/// `POST /stores/{store_id}/invitations`
async fn send<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| call.body(new_invitation);
    let done = command(&app, call, "invitation.send", read, |work, new| invitations::send(work, new)).await?;
    Ok(created(done.revision, Invitation::from(done.value)))
}

fn new_invitation(fields: &mut Fields) -> Result<NewInvitation, ApiError> {
    let purpose = match required(fields, "kind")?.as_str() {
        "platform" => Purpose::Platform,
        "organization" => Purpose::Organization {
            organization: required_id(fields, "organization")?,
            role: required_role(fields)?,
        },
        _ => return Err(ApiError::invalid("kind", "expected `platform` or `organization`")),
    };
    Ok(NewInvitation {
        purpose,
        email: email(fields, "email")?,
        language: language(fields, "language")?,
        expires_at: instant(fields, "expires_at")?.flatten(),
    })
}

fn get_operation() -> Operation {
    let operation = operation(Verb::Get, PATH, "GetInvitation", "Get an invitation, by its id alone.");
    answers(operation, StatusCode::OK, "The invitation.", invitation().closed().named("Invitation"))
}

/// `GET /stores/{store_id}/invitations/{invitation}`
async fn get<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<impl Serialize>, ApiError> {
    let read = |call: &Call| {
        call.says_nothing()?;
        call.id("invitation")
    };
    let done = query(&app, call, read, |work, id| invitations::get(work, &id)).await?;
    Ok(found(done.revision, Invitation::from(done.value)))
}

fn accept_operation() -> Operation {
    let organization = new_organization_shape().closed().named("NewOrganization");
    let portfolio = shape().must("name", text()).closed();
    let body = shape()
        .must("user", shapes::entity_id())
        .may("organization", organization.says("Of whoever is in no organization."))
        .may("portfolio", portfolio.says("The first portfolio of that organization."))
        .closed();
    let path = format!("{PATH}/accept");
    let operation = operation(Verb::Post, &path, "AcceptInvitation", "Accept an invitation.")
        .takes_strictly(body)
        .fails(refusals([
            Code::AlreadyExists,
            Code::AlreadyMember,
            Code::NotPending,
            Code::Expired,
            Code::CooperationExists,
            Code::OwnOrganization,
        ]));
    let answer = shape().must("organization", shapes::entity_id().says("The one that the user is in now."));
    answers(operation, StatusCode::OK, "It is accepted.", with_revision(answer))
}

#[derive(Serialize)]
struct Accepted {
    organization: EntityId,
}

/// `POST /stores/{store_id}/invitations/{invitation}/accept`
async fn accept<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| {
        let (user, acceptance) = call.body(|fields| {
            let organization = fields.object("organization", new_organization)?;
            let portfolio = fields.object("portfolio", |fields| label(fields, "name"))?;
            Ok((required_id(fields, "user")?, Acceptance { organization, portfolio }))
        })?;
        Ok((call.id("invitation")?, user, acceptance))
    };
    let done = command(&app, call, "invitation.accept", read, |work, (id, user, acceptance)| {
        invitations::accept(work, id, user, acceptance)
    });
    let done = done.await?;
    Ok(answered(done.revision, Accepted { organization: done.value }))
}

fn decline_operation() -> Operation {
    let operation =
        operation(Verb::Post, &format!("{PATH}/decline"), "DeclineInvitation", "Decline an invitation.")
            .fails(refusals([Code::NotPending]));
    answers(operation, StatusCode::OK, "The invitation.", with_revision(invitation()))
}

/// `POST /stores/{store_id}/invitations/{invitation}/decline`
async fn decline<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| {
        call.says_nothing()?;
        call.id("invitation")
    };
    let run = |work: &mut Work<'_, D>, id: &_| invitations::decline(work, id);
    let done = command(&app, call, "invitation.decline", read, run).await?;
    Ok(answered(done.revision, Invitation::from(done.value)))
}

fn resend_operation() -> Operation {
    let operation = operation(Verb::Post, &format!("{PATH}/resend"), "ResendInvitation", "Send a reminder.")
        .fails(refusals([Code::NotPending, Code::InitiatorOnly]));
    answers(operation, StatusCode::OK, "The invitation.", with_revision(invitation()))
}

/// `POST /stores/{store_id}/invitations/{invitation}/resend`
async fn resend<D: Database>(
    State(app): State<App<D>>,
    call: Call,
) -> Result<Reply<Answered<impl Serialize>>, ApiError> {
    let read = |call: &Call| {
        call.says_nothing()?;
        call.id("invitation")
    };
    let run = |work: &mut Work<'_, D>, id: &_| invitations::resend(work, id);
    let done = command(&app, call, "invitation.resend", read, run).await?;
    Ok(answered(done.revision, Invitation::from(done.value)))
}

fn revoke_operation() -> Operation {
    let operation = operation(Verb::Delete, PATH, "RevokeInvitation", "Take an invitation back.");
    nothing_to_say(operation).fails(refusals([Code::NotPending, Code::InitiatorOnly]))
}

/// `DELETE /stores/{store_id}/invitations/{invitation}`
async fn revoke<D: Database>(State(app): State<App<D>>, call: Call) -> Result<Reply<()>, ApiError> {
    let read = |call: &Call| {
        call.says_nothing()?;
        call.id("invitation")
    };
    let run = |work: &mut Work<'_, D>, id: &_| invitations::revoke(work, id);
    Ok(nothing(&command(&app, call, "invitation.revoke", read, run).await?))
}
