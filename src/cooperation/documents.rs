//! What is shown and never decides: names and emails, beside the tuples and in the same commits.
//!
//! A document is JSON: a field that is added later has a default, and none changes its meaning.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::names::{Email, EntityId, OrganizationRole};
use crate::model::Instant;
use crate::store::DocumentKey;

/// A kind of document.
pub trait Document: Serialize + DeserializeOwned {
    /// The kind, as its keys name it.
    const KIND: &'static str;

    /// The key of the one of these parts, or the beginning of those that begin so.
    fn key(parts: &[&str]) -> DocumentKey {
        DocumentKey::new(Self::KIND, parts.iter().copied())
    }
}

/// A user, by identifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDocument {
    /// Unique among users.
    pub email: Email,
    /// As it is shown.
    pub name: Option<Box<str>>,
}

impl Document for UserDocument {
    const KIND: &'static str = "user";
}

/// Whose an email is, by the email.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailDocument {
    /// The user.
    pub user: EntityId,
}

impl Document for EmailDocument {
    const KIND: &'static str = "email";
}

/// An organization, by identifier. It stays when the organization is gone, so that no other takes the identifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationDocument {
    /// As it is shown; of a placeholder, the email that it stands for.
    pub name: Box<str>,
    /// Whether it stands for a partner that has not joined yet (R20).
    #[serde(default)]
    pub placeholder: bool,
    /// When it ceased to be, if it did.
    #[serde(default)]
    pub gone_at: Option<Instant>,
}

impl Document for OrganizationDocument {
    const KIND: &'static str = "organization";
}

/// A park or a portfolio, by kind and identifier. It stays when the resource is deleted (R9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceDocument {
    /// As it is shown.
    pub name: Box<str>,
    /// When it was deleted, if it was.
    #[serde(default)]
    pub gone_at: Option<Instant>,
    /// Whose it was then: its admins go on reading what was recorded of it (R48).
    #[serde(default)]
    pub last_owner: Option<EntityId>,
}

impl ResourceDocument {
    /// Of a resource that there is.
    pub fn named(name: Box<str>) -> Self {
        Self { name, gone_at: None, last_owner: None }
    }
}

impl Document for ResourceDocument {
    const KIND: &'static str = "resource";
}

/// An invitation, by identifier (R40).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationDocument {
    /// To what.
    pub purpose: Purpose,
    /// Who is invited.
    pub email: Email,
    /// The language to write in.
    pub language: Box<str>,
    /// Who sent it.
    pub sender: EntityId,
    /// What became of it.
    pub answer: Option<InvitationAnswer>,
    /// When it was sent first.
    pub sent_at: Instant,
    /// From when on it cannot be accepted.
    pub expires_at: Instant,
}

/// What an invitation is to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Purpose {
    /// To make an organization of one's own (R41).
    Platform,
    /// To become a member (R42).
    Organization {
        /// Of which organization.
        organization: EntityId,
        /// With which role.
        role: OrganizationRole,
    },
    /// To agree to a cooperation (R43).
    Cooperation {
        /// Which one.
        cooperation: EntityId,
        /// Of which initiator.
        organization: EntityId,
    },
}

/// A cooperation, by identifier.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CooperationDocument {
    /// The language that its invitation is written in.
    pub language: Option<Box<str>>,
    /// The email that was invited, if one was (R20).
    pub email: Option<Email>,
    /// The invitation by that email.
    pub invitation: Option<EntityId>,
}

impl Document for CooperationDocument {
    const KIND: &'static str = "cooperation";
}

/// What became of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvitationAnswer {
    /// It was accepted.
    Accepted,
    /// It was declined.
    Declined,
    /// Its sender's side took it back.
    Revoked,
}

impl Document for InvitationDocument {
    const KIND: &'static str = "invitation";
}
