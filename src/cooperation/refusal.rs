//! Why a command is refused. Each code has one class; of several refusals that apply, the one whose class stands first is
//! told.

use thiserror::Error;

use super::names::EntityId;
use crate::engine::EngineError;

/// What kind of refusal a code is, in the order in which they go before each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The request makes no sense, whatever there is.
    BadRequest,
    /// What is named does not exist, or the actor may not see that it does.
    NotFound,
    /// The actor may not do this.
    Forbidden,
    /// What there is stands against it.
    Conflict,
    /// It could never be.
    Unprocessable,
    /// The data breaks a rule; nothing the caller did.
    Internal,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident $name:literal $class:ident,)+) => {
        /// What clients see a refusal as.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $code,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// The name that clients match on.
            pub fn name(self) -> &'static str {
                match self { $(Self::$code => $name),+ }
            }

            /// Its class.
            pub fn class(self) -> Class {
                match self { $(Self::$code => Class::$class),+ }
            }
        }
    };
}

codes! {
    /// A field of the request is not as expected.
    InvalidArgument "invalid_argument" BadRequest,
    /// Nobody acts, where somebody must.
    ActorRequired "actor_required" BadRequest,
    /// What is named does not exist, or the actor may not see that it does.
    NotFound "not_found" NotFound,
    /// The actor may not do this.
    Forbidden "forbidden" Forbidden,
    /// Only the initiator of the cooperation may do this (R25).
    InitiatorOnly "initiator_only" Forbidden,
    /// Only the owner of the resource may do this (R30).
    NotOwner "not_owner" Forbidden,
    /// The identifier or the email is taken (R9).
    AlreadyExists "already_exists" Conflict,
    /// The user is a member of an organization already (R1).
    AlreadyMember "already_member" Conflict,
    /// The organization would be left without an admin (R7).
    LastAdmin "last_admin" Conflict,
    /// The cooperation is not active (R17, R26).
    NotActive "not_active" Conflict,
    /// Nothing waits to be accepted, declined or sent again (R22, R23).
    NotPending "not_pending" Conflict,
    /// There is a live cooperation of the same direction between the same two (R18).
    CooperationExists "cooperation_exists" Conflict,
    /// The email is of a member of an organization, which is to be confirmed (R19).
    ConfirmationRequired "confirmation_required" Conflict,
    /// It has expired (R21).
    Expired "expired" Conflict,
    /// The store's newest model is not that of the cooperations.
    ModelMissing "cooperation_model_missing" Conflict,
    /// The store's model may not be replaced, as it holds cooperations (R51).
    ModelPinned "model_pinned" Conflict,
    /// The data does not fit the model that the store is to have (R51).
    DataDoesNotFit "data_does_not_fit" Conflict,
    /// The role may not be granted or delegated to this member (R13, R36).
    RoleNotGrantable "role_not_grantable" Unprocessable,
    /// The role may not be shared (R31).
    RoleNotShareable "role_not_shareable" Unprocessable,
    /// The user is no member of the organization (R36).
    NotAMember "not_a_member" Unprocessable,
    /// The partner would be the own organization (R15).
    OwnOrganization "own_organization" Unprocessable,
    /// The data breaks a rule (R51).
    Inconsistent "inconsistent" Internal,
}

/// A refusal: nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Refusal {
    /// What programs match on.
    pub code: Code,
    /// What is wrong, for people.
    pub message: String,
    /// The rule that refuses, such as `R7`, where one does.
    pub rule: Option<&'static str>,
    /// The organization that is to be confirmed, with its name (R19).
    pub organization: Option<Box<(EntityId, Box<str>)>>,
    /// What is wrong, one by one, where that is more than one thing; not all of it where that is much.
    pub problems: Box<[String]>,
}

impl Refusal {
    /// A refusal that no rule with a number stands behind.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), rule: None, organization: None, problems: Box::default() }
    }

    /// The same, by a rule.
    #[must_use]
    pub fn by(self, rule: &'static str) -> Self {
        Self { rule: Some(rule), ..self }
    }

    /// The same, naming an organization that is to be confirmed.
    #[must_use]
    pub fn naming(self, id: EntityId, name: Box<str>) -> Self {
        Self { organization: Some(Box::new((id, name))), ..self }
    }

    /// The same, with what is wrong one by one.
    #[must_use]
    pub fn listing(self, problems: Vec<String>) -> Self {
        Self { problems: problems.into(), ..self }
    }

    /// A field that is not as expected.
    pub fn field(name: &str, expected: impl std::fmt::Display) -> Self {
        Self::new(Code::InvalidArgument, format!("invalid {name}: {expected}"))
    }

    /// Something that does not exist, or that the actor may not see.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("`{what}` does not exist, or is not for you to see"))
    }
}

/// Why a command or a query has no answer.
#[derive(Debug, Clone, Error)]
pub enum CommandError {
    /// It was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Others were in between each time that it was tried.
    #[error("too many others change the same; try again later")]
    Busy,
}

impl From<crate::store::StoreError> for CommandError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Engine(error.into())
    }
}

/// What a step of a command comes to.
pub type Outcome<T> = Result<T, CommandError>;
