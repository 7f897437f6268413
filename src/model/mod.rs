//! The words of Tenure: names, tuples, lifetimes, revisions, instants, and the type system of an
//! authorization model.
//!
//! This is the lowest part. It does no I/O, reads no clock, and knows of no other module: everything else is
//! written in its terms.

mod assertion;
mod authorization;
mod id;
pub mod limits;
mod name;
mod time;
mod trace;
mod tuple;

pub use assertion::{AssertedTuple, Assertion};
pub use authorization::{
    AuthorizationModel, Condition, ConditionParameter, Origin, ParameterType, RelationDefinition,
    RestrictionKind, Rewrite, SchemaVersion, TypeDefinition, TypeRestriction,
};
pub use id::{Id, ModelId, Revision, StoreId};
pub use name::{NameError, check_condition_name, check_relation, check_type};
pub use time::{Clock, Instant, InstantError, MonotonicClock, SystemClock};
pub use trace::TRACE_TARGET;
pub use tuple::{
    Lifetime, Object, ObjectRef, Subject, SubjectClass, SubjectRef, TupleCondition, TupleKey,
    TupleParseError, TupleRecord, TupleRef,
};
