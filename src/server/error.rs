//! The one error path: every failure becomes an [`ApiError`], and an `ApiError` becomes
//! `{"code": …, "message": …}` with the status that its code's number has in OpenFGA.
//!
//! Nothing outside of this file decides a status of a failure, and no message of an internal failure reaches a
//! client: it goes to the log, with the request's id.

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::cooperation::{self, Class, CommandError, Refusal};
use crate::engine::EngineError;
use crate::model::TupleKey;
use crate::schema::{Place, ViolationKind};
use crate::store::{CommitError, StoreError};

/// Seconds after which a client that was turned away may try again.
const RETRY_AFTER_S: u64 = 1;

/// What clients see an error as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    ValidationError,
    AuthorizationModelNotFound,
    ResolutionTooComplex,
    InvalidWriteInput,
    DuplicateTuples,
    InvalidContinuationToken,
    InvalidExpandInput,
    WriteFailed,
    LatestModelNotFound,
    TypeNotFound,
    RelationNotFound,
    InvalidTuple,
    AssertionsTooMany,
    TupleKeyNotSpecified,
    PageSizeInvalid,
    TypeDefinitionsTooFew,
    TypeInvalidPattern,
    RelationsInvalidPattern,
    ContinuationTokenTypeMismatch,
    ExceededEntityLimit,
    DuplicateContextualTuple,
    InvalidAuthorizationModel,
    InternalError,
    DeadlineExceeded,
    Unavailable,
    UndefinedEndpoint,
    StoreNotFound,
    Unimplemented,
    /// gRPC's own, for a write that lost against what is there.
    Aborted,
    /// Ours: a precondition of a Write does not hold.
    PreconditionFailed,
    /// Ours: `at_least_revision` lies ahead of what was committed.
    RevisionNotReached,
    /// There is no bearer token.
    BearerTokenMissing,
    /// The bearer token is not valid.
    Unauthenticated,
    /// Ours: there is no such key.
    KeyNotFound,
    /// Ours: too many requests at once.
    TooManyRequests,
    /// Ours: the web page that the request comes from may not call, or the key is not for this.
    Forbidden,
    /// Ours: the body did not arrive in time.
    RequestTimeout,
    /// Ours: the path exists, the method does not.
    MethodNotAllowed,
    /// Ours: the cooperation rules' own.
    Cooperation(cooperation::Code),
}

/// Where a code's status comes from.
enum Origin {
    /// OpenFGA's number of the code; its range says the status.
    Openfga(u16),
    /// A code that OpenFGA has no number for.
    Own(StatusCode),
}

impl Code {
    /// The name that clients match on.
    pub(super) fn name(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub(super) fn status(self) -> StatusCode {
        match self.row().1 {
            Origin::Openfga(1000..2000) => StatusCode::UNAUTHORIZED,
            Origin::Openfga(2000..3500) => StatusCode::BAD_REQUEST,
            Origin::Openfga(3500..4000) => StatusCode::UNPROCESSABLE_ENTITY,
            Origin::Openfga(5000..) => StatusCode::NOT_FOUND,
            Origin::Openfga(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Origin::Own(status) => status,
        }
    }

    /// gRPC's number of the status, for the lines of a stream.
    pub(super) fn grpc(self) -> u16 {
        match (self, self.status()) {
            (Self::DeadlineExceeded | Self::RequestTimeout, _) => 4,
            (Self::Unavailable, _) => 14,
            (_, StatusCode::UNAUTHORIZED) => 16,
            (_, StatusCode::FORBIDDEN) => 7,
            (_, StatusCode::NOT_FOUND) => 5,
            (_, StatusCode::CONFLICT) => 10,
            (_, StatusCode::TOO_MANY_REQUESTS) => 8,
            (_, status) if status.is_server_error() => 13,
            _ => 3,
        }
    }

    fn row(self) -> (&'static str, Origin) {
        use Origin::{Openfga, Own};
        match self {
            Self::ValidationError => ("validation_error", Openfga(2000)),
            Self::AuthorizationModelNotFound => ("authorization_model_not_found", Openfga(2001)),
            Self::ResolutionTooComplex => ("authorization_model_resolution_too_complex", Openfga(2002)),
            Self::InvalidWriteInput => ("invalid_write_input", Openfga(2003)),
            Self::DuplicateTuples => ("cannot_allow_duplicate_tuples_in_one_request", Openfga(2004)),
            Self::InvalidContinuationToken => ("invalid_continuation_token", Openfga(2007)),
            Self::InvalidExpandInput => ("invalid_expand_input", Openfga(2010)),
            Self::WriteFailed => ("write_failed_due_to_invalid_input", Openfga(2017)),
            Self::LatestModelNotFound => ("latest_authorization_model_not_found", Openfga(2020)),
            Self::TypeNotFound => ("type_not_found", Openfga(2021)),
            Self::RelationNotFound => ("relation_not_found", Openfga(2022)),
            Self::InvalidTuple => ("invalid_tuple", Openfga(2027)),
            Self::AssertionsTooMany => ("assertions_too_many_items", Openfga(2033)),
            Self::TupleKeyNotSpecified => ("tuple_key_value_not_specified", Openfga(2037)),
            Self::PageSizeInvalid => ("page_size_invalid", Openfga(2039)),
            Self::TypeDefinitionsTooFew => ("type_definitions_too_few_items", Openfga(2045)),
            Self::TypeInvalidPattern => ("type_invalid_pattern", Openfga(2047)),
            Self::RelationsInvalidPattern => ("relations_invalid_pattern", Openfga(2050)),
            Self::ContinuationTokenTypeMismatch => {
                ("query_string_type_continuation_token_mismatch", Openfga(2052))
            }
            Self::ExceededEntityLimit => ("exceeded_entity_limit", Openfga(2053)),
            Self::DuplicateContextualTuple => ("duplicate_contextual_tuple", Openfga(2055)),
            Self::InvalidAuthorizationModel => ("invalid_authorization_model", Openfga(2056)),
            Self::InternalError => ("internal_error", Openfga(4000)),
            Self::DeadlineExceeded => ("deadline_exceeded", Openfga(4004)),
            // OpenFGA's number would say 500; who balances load has to be able to tell it from a defect.
            Self::Unavailable => ("unavailable", Own(StatusCode::SERVICE_UNAVAILABLE)),
            Self::UndefinedEndpoint => ("undefined_endpoint", Openfga(5000)),
            Self::StoreNotFound => ("store_id_not_found", Openfga(5002)),
            Self::Unimplemented => ("unimplemented", Openfga(5004)),
            Self::BearerTokenMissing => ("bearer_token_missing", Openfga(1010)),
            Self::Unauthenticated => ("unauthenticated", Openfga(1500)),
            Self::KeyNotFound => ("key_not_found", Own(StatusCode::NOT_FOUND)),
            Self::Aborted => ("Aborted", Own(StatusCode::CONFLICT)),
            Self::PreconditionFailed => ("precondition_failed", Own(StatusCode::CONFLICT)),
            Self::RevisionNotReached => ("revision_not_reached", Own(StatusCode::CONFLICT)),
            Self::TooManyRequests => ("too_many_requests", Own(StatusCode::TOO_MANY_REQUESTS)),
            Self::Forbidden => ("forbidden", Own(StatusCode::FORBIDDEN)),
            Self::RequestTimeout => ("request_timeout", Own(StatusCode::REQUEST_TIMEOUT)),
            Self::MethodNotAllowed => ("method_not_allowed", Own(StatusCode::METHOD_NOT_ALLOWED)),
            Self::Cooperation(code) => {
                let status = match code.class() {
                    Class::BadRequest => StatusCode::BAD_REQUEST,
                    Class::NotFound => StatusCode::NOT_FOUND,
                    Class::Forbidden => StatusCode::FORBIDDEN,
                    Class::Conflict => StatusCode::CONFLICT,
                    Class::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
                    Class::Internal => StatusCode::INTERNAL_SERVER_ERROR,
                };
                (code.name(), Own(status))
            }
        }
    }
}

/// A failure as a client sees it.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) code: Code,
    pub(super) message: String,
    /// What happened, for the log only.
    internal: Option<String>,
    /// What the cooperation rules say beside the code and the message.
    refused: Option<Box<Refused>>,
    /// Seconds after which to try again, where that is told.
    retry_after_s: u64,
}

/// What a refusal by the cooperation rules says beside its code and message.
#[derive(Debug, Clone, Serialize)]
struct Refused {
    /// `null` where no rule with a number refuses.
    rule: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Organization>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    problems: Box<[String]>,
}

#[derive(Debug, Clone, Serialize)]
struct Organization {
    id: String,
    name: Box<str>,
}

/// What the access log says of a failure; carried by its response.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) internal: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(flatten)]
    refused: Option<&'a Refused>,
}

impl ApiError {
    /// A failure of this code.
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message, internal: None, refused: None, retry_after_s: RETRY_AFTER_S }
    }

    /// Tried again sooner, it fails again.
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: seconds, ..self }
    }

    /// A field that is not as expected. `field` is its path in the request.
    pub(super) fn field(code: Code, field: &str, expected: impl std::fmt::Display) -> Self {
        Self::new(code, format!("invalid {field}: {expected}"))
    }

    /// [`field`](Self::field) with the code that most have.
    pub(super) fn invalid(field: &str, expected: impl std::fmt::Display) -> Self {
        Self::field(Code::ValidationError, field, expected)
    }

    /// What happened, for the log only; `None` where the client knows all of it.
    pub(super) fn cause(&self) -> Option<&str> {
        self.internal.as_deref()
    }

    /// A failure that is ours; `cause` goes to the log only.
    pub(super) fn internal(cause: impl Into<String>) -> Self {
        Self { internal: Some(cause.into()), ..Self::new(Code::InternalError, "Internal Server Error") }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let refused = self.refused.as_deref();
        let body = Body { code: self.code.name(), message: &self.message, refused };
        let mut response = (self.code.status(), Json(body)).into_response();
        if matches!(self.code, Code::TooManyRequests | Code::Unavailable) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(self.retry_after_s));
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Failure { code: self.code.name(), internal: self.internal });
        response
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let code = match error {
            EngineError::Commit(error) => return error.into(),
            EngineError::Store(error) => return error.into(),
            EngineError::StoreNotFound { .. } => Code::StoreNotFound,
            EngineError::NoModel { .. } => Code::LatestModelNotFound,
            EngineError::ModelNotFound { .. } => Code::AuthorizationModelNotFound,
            EngineError::InvalidModel { ref violations } => {
                match violations.first().map(|first| (first.kind, first.place)) {
                    Some((ViolationKind::TooManyTypes | ViolationKind::ModelTooLarge, _)) => {
                        Code::ExceededEntityLimit
                    }
                    Some((ViolationKind::InvalidOrigin, _)) => Code::ValidationError,
                    Some((ViolationKind::InvalidName, Place::Type { .. })) => Code::TypeInvalidPattern,
                    Some((ViolationKind::InvalidName, Place::Relation { .. })) => {
                        Code::RelationsInvalidPattern
                    }
                    _ => Code::InvalidAuthorizationModel,
                }
            }
            EngineError::InvalidTuple { contextual: true, .. } => Code::InvalidTuple,
            EngineError::TypeNotFound { .. }
            | EngineError::RelationNotFound { .. }
            | EngineError::InvalidSubject { .. }
            | EngineError::InvalidContext(_)
            | EngineError::InvalidTuple { contextual: false, .. }
            | EngineError::ImplicitTuple { .. }
            | EngineError::Condition(_) => Code::ValidationError,
            EngineError::DuplicateTuple { .. } => Code::DuplicateTuples,
            EngineError::TooComplex { .. } => Code::ResolutionTooComplex,
            EngineError::Stopped => Code::DeadlineExceeded,
            EngineError::RevisionNotReached { .. } => Code::RevisionNotReached,
        };
        Self::new(code, error.to_string())
    }
}

impl From<CommitError> for ApiError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Store(error) => error.into(),
            CommitError::StoreNotFound => Self::new(Code::StoreNotFound, "Store ID not found"),
            // Clients of OpenFGA recognise these two by their text.
            CommitError::TupleExists { key } => {
                write_failed("cannot write a tuple which already exists", &key)
            }
            CommitError::TupleMissing { key } => {
                write_failed("cannot delete a tuple which does not exist", &key)
            }
            CommitError::TupleDiffers { key } => Self::new(
                Code::Aborted,
                format!(
                    "attempted to write a tuple which already exists with a different condition: {}",
                    openfga_key(&key)
                ),
            ),
            CommitError::Precondition { .. } => Self::new(Code::PreconditionFailed, error.to_string()),
            CommitError::Conflict => Self::new(Code::Aborted, error.to_string()),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let message = match error {
            StoreError::Closed => "the database takes no requests at present",
            StoreError::WritesRefused { .. } => {
                "the database takes no writes at present, since an earlier one failed; nothing of this one was written; \
                 try again later"
            }
            StoreError::Unsure { .. } => {
                "storing the write failed, and whether it was stored shows when the database takes writes again; then read \
                 what is there before you try again"
            }
            _ => return Self::internal(error.to_string()),
        };
        Self { internal: Some(error.to_string()), ..Self::new(Code::Unavailable, message) }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, message, rule, organization, problems } = refusal;
        let organization = organization.map(|named| {
            let (id, name) = *named;
            Organization { id: id.to_string(), name }
        });
        // What is wrong with the data is for the operator; the caller can do nothing about it.
        let internal = (code.class() == Class::Internal).then(|| message.clone());
        let refused = Some(Box::new(Refused { rule, organization, problems }));
        Self { internal, refused, ..Self::new(Code::Cooperation(code), message) }
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Refused(refusal) => refusal.into(),
            CommandError::Engine(error) => error.into(),
            CommandError::Busy => Self::new(Code::TooManyRequests, error.to_string()),
        }
    }
}

fn write_failed(what: &str, key: &TupleKey) -> ApiError {
    ApiError::new(
        Code::WriteFailed,
        format!(
            "{what}: {}: tuple to be written already existed or the tuple to be deleted did not exist",
            openfga_key(key)
        ),
    )
}

fn openfga_key(key: &TupleKey) -> String {
    format!("user: '{}', relation: '{}', object: '{}'", key.subject, key.relation, key.object)
}
