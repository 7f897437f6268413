//! The shapes that several operations share, as `wire` and `paging` read and write them.

use super::schema::{Schema, Shape, anything, boolean, choice, integer, list_of, map_of, shape, text};
use crate::model::limits::{
    CONDITION_NAME_BYTES_MAX, CONDITION_NAME_CHARACTERS_MIN, CONTEXTUAL_TUPLES_MAX,
    CONTINUATION_TOKEN_BYTES_MAX, EMAIL_BYTES_MAX, ENTITY_ID_BYTES_MAX, LABEL_BYTES_MAX, LANGUAGE_BYTES_MAX,
    OBJECT_BYTES_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, RELATION_BYTES_MAX, SUBJECT_BYTES_MAX,
    TYPE_BYTES_MAX,
};
use crate::server::wire::CONSISTENCY;

/// A character of a name of a type or a relation.
const NAME: &str = r"[^:#@\s\x00-\x1f\x7f-\x9f]";
/// A character of an object's identifier.
const ID: &str = r"[^:#\s\x00-\x1f\x7f-\x9f]";

pub(super) const PAGE_SIZE: &str = "Most entries of the page.";
pub(super) const GIVEN_TOKEN: &str = "Where the page starts: the token of the page before.";

/// An identifier of a store or a model.
pub(in crate::server) fn id() -> Schema {
    text().with("pattern", "^[0-7][0-9ABCDEFGHJKMNPQRSTVWXYZ]{25}$").such_as(["01KAPPM4TQD2VJ0ZP7W8M1X6RC"])
}

/// An identifier of a user, an organization, a resource, a cooperation or an invitation.
pub(in crate::server) fn entity_id() -> Schema {
    text().with("pattern", format!("^[A-Za-z0-9_.@+-]{{1,{ENTITY_ID_BYTES_MAX}}}$"))
}

/// A name that is shown to people, as a request gives it.
pub(in crate::server) fn label() -> Schema {
    let character = r"[^\x00-\x1f\x7f-\x9f]";
    let visible = r"[^\s\x00-\x1f\x7f-\x9f]";
    text().with("maxLength", LABEL_BYTES_MAX).with("pattern", format!("^{character}*{visible}{character}*$"))
}

/// An email address, as a request gives it.
pub(in crate::server) fn email() -> Schema {
    text()
        .with("maxLength", EMAIL_BYTES_MAX)
        .with("pattern", r"^\s*[^@\s]+@[^@\s]+\s*$")
        .such_as(["anne@example.org"])
}

/// A language tag, as a request gives it.
pub(in crate::server) fn language() -> Schema {
    text()
        .with("maxLength", LANGUAGE_BYTES_MAX)
        .with("minLength", 2)
        .with("pattern", "^[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*$")
        .such_as(["en", "de-CH"])
}

/// A point in time.
pub(in crate::server) fn instant() -> Schema {
    text().with("format", "date-time").such_as(["2026-12-31T18:00:00Z"])
}

/// What an error says to people.
pub(super) fn message() -> Schema {
    text().says("What is wrong, for people.")
}

/// The name of a type.
pub(in crate::server) fn type_name() -> Schema {
    text().with("maxLength", TYPE_BYTES_MAX).with("pattern", format!("^{NAME}+$")).such_as(["document"])
}

/// The name of a relation.
pub(in crate::server) fn relation() -> Schema {
    text().with("maxLength", RELATION_BYTES_MAX).with("pattern", format!("^{NAME}+$")).such_as(["viewer"])
}

/// An object's identifier, without its type.
pub(in crate::server) fn object_id() -> Schema {
    text().with("maxLength", OBJECT_BYTES_MAX).with("pattern", format!("^{ID}+$")).such_as(["roadmap"])
}

/// `type:id`.
pub(in crate::server) fn object() -> Schema {
    text()
        .with("maxLength", OBJECT_BYTES_MAX)
        .with("pattern", format!("^{NAME}+:{ID}+$"))
        .such_as(["document:roadmap"])
}

/// `type:id`, `type:*` or `type:id#relation`.
pub(in crate::server) fn user() -> Schema {
    text()
        .with("maxLength", SUBJECT_BYTES_MAX)
        .with("pattern", format!("^{NAME}+:{ID}+(#{NAME}+)?$"))
        .such_as(["user:anne", "group:eng#member", "user:*"])
}

/// `type:id#relation`.
pub(in crate::server) fn userset() -> Schema {
    text().with("pattern", format!("^{NAME}+:{ID}+#{NAME}+$")).such_as(["document:roadmap#viewer"])
}

/// The revision of a store.
pub(in crate::server) fn revision() -> Schema {
    integer(0).says("An addition: the revision of the store that this is of.")
}

/// Until when a decision holds.
pub(in crate::server) fn stable_until() -> Schema {
    instant().nullable().says(
        "An addition: up to this instant, exclusive, time alone cannot change the decision; null: never.",
    )
}

/// Values for the parameters of conditions.
pub(in crate::server) fn context() -> Schema {
    map_of(anything())
        .says("Values for the parameters of conditions, without control characters in texts and names.")
}

pub(super) fn page_size() -> Schema {
    integer(1).with("maximum", PAGE_SIZE_MAX).with("default", PAGE_SIZE_DEFAULT)
}

pub(super) fn given_token() -> Schema {
    text().with("maxLength", CONTINUATION_TOKEN_BYTES_MAX).with("pattern", "^[A-Za-z0-9_-]*={0,2}$")
}

/// The token of the next page.
pub(in crate::server) fn token() -> Schema {
    text().says("The token of the next page; empty where there is none.")
}

fn condition_name() -> Schema {
    text().with("maxLength", CONDITION_NAME_BYTES_MAX).with("pattern", r"^\S+$")
}

fn condition(name: Schema) -> Shape {
    shape().must("name", name).may("context", context())
}

fn expires_at() -> Schema {
    instant()
        .nullable()
        .says("An addition: from this instant on the tuple counts for nothing; null: it lasts.")
}

fn paused() -> Schema {
    boolean().says("An addition: while this is true the tuple counts for nothing.")
}

/// The key of a tuple.
pub(in crate::server) fn key() -> Shape {
    shape().must("user", user()).must("relation", relation()).must("object", object())
}

/// A key as a query or a delete gives it.
pub(in crate::server) fn given_key() -> Schema {
    key().open().named("TupleKeyWithoutCondition")
}

/// A tuple as a request gives it.
pub(in crate::server) fn given_tuple() -> Schema {
    let name = condition_name().with("minLength", CONDITION_NAME_CHARACTERS_MIN);
    let condition = condition(name).open().named("RelationshipCondition");
    key()
        .may("condition", condition)
        .may("expires_at", expires_at())
        .may("paused", paused())
        .open()
        .named("TupleKey")
}

/// A tuple as an answer shows it.
pub(in crate::server) fn shown_tuple() -> Schema {
    let condition = condition(condition_name()).closed().named("ShownCondition");
    lifetime(key().must("condition", condition.nullable())).closed().named("ShownTupleKey")
}

/// The lifetime of a tuple that has one.
pub(in crate::server) fn lifetime(shape: Shape) -> Shape {
    shape.may("expires_at", expires_at()).may("paused", paused())
}

/// `contextual_tuples` of a query.
pub(in crate::server) fn contextual_tuples() -> Schema {
    shape().may("tuple_keys", contextual_tuple_keys()).open().named("ContextualTupleKeys").says(
        "Tuples that this request takes for stored; one with the key of a stored tuple stands in its place.",
    )
}

/// A list of contextual tuples.
pub(in crate::server) fn contextual_tuple_keys() -> Schema {
    list_of(given_tuple()).with("maxItems", CONTEXTUAL_TUPLES_MAX)
}

/// `consistency`, which changes nothing.
pub(in crate::server) fn consistency() -> Schema {
    choice(CONSISTENCY.map(|(name, _)| name))
        .named("ConsistencyPreference")
        .says("Taken and without effect: every answer is of the newest revision.")
}

/// What every query may carry beside what it asks.
pub(in crate::server) fn query(shape: Shape) -> Shape {
    let at_least = integer(0)
        .says("An addition: the least revision to answer at; it is waited for, and `revision_not_reached` if it does not come.");
    shape
        .may("authorization_model_id", model())
        .may("consistency", consistency())
        .may("at_least_revision", at_least)
}

/// `authorization_model_id` of a request.
pub(in crate::server) fn model() -> Schema {
    id().says("The model to take; without it, the newest one.")
}

/// The page of a list, asked for in a body.
pub(in crate::server) fn page(shape: Shape) -> Shape {
    shape
        .may("page_size", page_size().says(PAGE_SIZE))
        .may("continuation_token", given_token().says(GIVEN_TOKEN))
}
