"""Speaks to a running server with OpenFGA's Python SDK and checks what it answers.

    pip install openfga-sdk
    python tests/sdk/python_smoke.py http://127.0.0.1:8080

Prints one line per step; ends with 1 at the first that is wrong. Leaves nothing behind. Nothing here is Tenure's own:
OpenFGA's server passes all of it too, which is how to find out who is wrong where a step fails.
"""

import asyncio
import sys

from openfga_sdk import ClientConfiguration, OpenFgaClient, ReadRequestTupleKey
from openfga_sdk.client.models import (
    ClientAssertion,
    ClientBatchCheckItem,
    ClientBatchCheckRequest,
    ClientCheckRequest,
    ClientExpandRequest,
    ClientListObjectsRequest,
    ClientListRelationsRequest,
    ClientReadChangesRequest,
    ClientTuple,
    ClientWriteRequest,
    ClientWriteRequestOnDuplicateWrites,
    ClientWriteRequestOnMissingDeletes,
    ConflictOptions,
    WriteTransactionOpts,
)
from openfga_sdk.client.models.list_users_request import ClientListUsersRequest
from openfga_sdk.exceptions import FgaValidationException, NotFoundException, ValidationException
from openfga_sdk.models import CreateStoreRequest, WriteAuthorizationModelRequest
from openfga_sdk.models.condition import Condition
from openfga_sdk.models.condition_param_type_ref import ConditionParamTypeRef
from openfga_sdk.models.difference import Difference
from openfga_sdk.models.fga_object import FgaObject
from openfga_sdk.models.metadata import Metadata
from openfga_sdk.models.object_relation import ObjectRelation
from openfga_sdk.models.relation_metadata import RelationMetadata
from openfga_sdk.models.relation_reference import RelationReference
from openfga_sdk.models.relationship_condition import RelationshipCondition
from openfga_sdk.models.tuple_to_userset import TupleToUserset
from openfga_sdk.models.type_definition import TypeDefinition
from openfga_sdk.models.user_type_filter import UserTypeFilter
from openfga_sdk.models.userset import Userset
from openfga_sdk.models.usersets import Usersets


def direct(*references):
    return RelationMetadata(directly_related_user_types=list(references))


def model():
    this = Userset(this={})
    viewer = Userset(
        union=Usersets(
            child=[
                this,
                Userset(computed_userset=ObjectRelation(relation="owner")),
                Userset(
                    tuple_to_userset=TupleToUserset(
                        tupleset=ObjectRelation(relation="parent"),
                        computed_userset=ObjectRelation(relation="viewer"),
                    )
                ),
            ]
        )
    )
    reader = Userset(
        difference=Difference(
            base=Userset(computed_userset=ObjectRelation(relation="viewer")),
            subtract=Userset(computed_userset=ObjectRelation(relation="blocked")),
        )
    )
    user, member = RelationReference(type="user"), RelationReference(type="group", relation="member")
    return WriteAuthorizationModelRequest(
        schema_version="1.1",
        type_definitions=[
            TypeDefinition(type="user"),
            TypeDefinition(
                type="group",
                relations={"member": this},
                metadata=Metadata(relations={"member": direct(user, member)}),
            ),
            TypeDefinition(
                type="folder",
                relations={"viewer": this},
                metadata=Metadata(relations={"viewer": direct(user, member)}),
            ),
            TypeDefinition(
                type="document",
                relations={"parent": this, "owner": this, "viewer": viewer, "blocked": this, "reader": reader},
                metadata=Metadata(
                    relations={
                        "parent": direct(RelationReference(type="folder")),
                        "owner": direct(user),
                        "viewer": direct(user, RelationReference(type="user", wildcard={})),
                        "blocked": direct(user),
                    }
                ),
            ),
        ],
    )


def conditional_model():
    user = RelationReference(type="user", condition="in_hours")
    return WriteAuthorizationModelRequest(
        schema_version="1.1",
        type_definitions=[
            TypeDefinition(type="user"),
            TypeDefinition(
                type="room",
                relations={"visitor": Userset(this={})},
                metadata=Metadata(relations={"visitor": direct(user)}),
            ),
        ],
        conditions={
            "in_hours": Condition(
                name="in_hours",
                expression="hour >= first && hour < last",
                parameters={
                    name: ConditionParamTypeRef(type_name="TYPE_NAME_INT") for name in ["hour", "first", "last"]
                },
            )
        },
    )


def tuple_of(user, relation, object):
    return ClientTuple(user=user, relation=relation, object=object)


def step(name, holds):
    print(("ok    " if holds else "WRONG ") + name)
    if not holds:
        sys.exit(1)


async def refused(name, kind, code, call):
    try:
        await call
    except kind as error:
        step(f"{name}: {kind.__name__} {error.code}", str(error.code) == code)
    else:
        step(f"{name}: {kind.__name__} {code}", False)


async def stores_and_models(fga):
    store = await fga.create_store(CreateStoreRequest(name="python smoke"))
    step("create store", len(store.id) == 26 and store.created_at is not None)
    fga.set_store_id(store.id)
    shown = await fga.get_store()
    step("get store", (shown.id, shown.name) == (store.id, "python smoke"))
    listed = await fga.list_stores({"name": "python smoke"})
    step("list stores by name", store.id in [found.id for found in listed.stores])

    await refused(
        "check without a model",
        ValidationException,
        "latest_authorization_model_not_found",
        fga.check(ClientCheckRequest(user="user:a", relation="viewer", object="document:1")),
    )
    written = await fga.write_authorization_model(model())
    fga.set_authorization_model_id(written.authorization_model_id)
    step("write model", len(written.authorization_model_id) == 26)
    read = (await fga.read_authorization_model()).authorization_model
    step("read model", [t.type for t in read.type_definitions] == ["user", "group", "folder", "document"])
    relations = read.type_definitions[3].relations
    union = relations["viewer"].union.child
    step("read model: rewrites", len(union) == 3 and union[1].computed_userset.relation == "owner")
    step("read model: difference", relations["reader"].difference.subtract.computed_userset.relation == "blocked")
    latest = await fga.read_latest_authorization_model()
    step("read latest model", latest.authorization_model.id == written.authorization_model_id)
    again = await fga.write_authorization_model(model())
    page = await fga.read_authorization_models({"page_size": 1})
    step("list models: newest first", page.authorization_models[0].id == again.authorization_model_id)
    page = await fga.read_authorization_models({"page_size": 1, "continuation_token": page.continuation_token})
    step("list models in pages", [m.id for m in page.authorization_models] == [written.authorization_model_id])
    return store.id


async def tuples(fga):
    await fga.write(
        ClientWriteRequest(
            writes=[
                tuple_of("user:anne", "owner", "document:1"),
                tuple_of("folder:plans", "parent", "document:1"),
                tuple_of("user:bob", "viewer", "folder:plans"),
                tuple_of("user:*", "viewer", "document:public"),
            ]
        )
    )
    step("write, one transaction", True)
    outcome = await fga.write(
        ClientWriteRequest(writes=[tuple_of("user:anne", "owner", "document:1"), tuple_of("user:carl", "viewer", "document:2")]),
        {"transaction": WriteTransactionOpts(disabled=True, max_per_chunk=1, max_parallel_requests=2)},
    )
    step("write, one by one: a duplicate fails alone", [write.success for write in outcome.writes] == [False, True])
    step("write, one by one: why", isinstance(outcome.writes[0].error, ValidationException))
    duplicate = ClientWriteRequest(writes=[tuple_of("user:anne", "owner", "document:1")])
    await refused("write a duplicate", ValidationException, "write_failed_due_to_invalid_input", fga.write(duplicate))
    missing = ClientWriteRequest(deletes=[tuple_of("user:nobody", "owner", "document:1")])
    await refused("delete a missing one", ValidationException, "write_failed_due_to_invalid_input", fga.write(missing))
    half = ClientWriteRequest(writes=[tuple_of("user:half", "owner", "document:1")], deletes=missing.deletes)
    await refused("write, half of it wrong", ValidationException, "write_failed_due_to_invalid_input", fga.write(half))
    ignore = ConflictOptions(ClientWriteRequestOnDuplicateWrites.IGNORE, ClientWriteRequestOnMissingDeletes.IGNORE)
    await fga.write(duplicate, {"conflict": ignore})
    await fga.write(missing, {"conflict": ignore})
    step("ignore a duplicate and a missing one", True)
    unknown = ClientWriteRequest(writes=[tuple_of("user:anne", "eats", "document:1")])
    await refused("write an unknown relation", ValidationException, "validation_error", fga.write(unknown))
    await fga.delete_tuples([tuple_of("user:carl", "viewer", "document:2")])
    step("delete", True)

    found, sizes, token = [], [], ""
    while True:
        page = await fga.read(ReadRequestTupleKey(), {"page_size": 3, "continuation_token": token})
        found += page.tuples
        sizes.append(len(page.tuples))
        token = page.continuation_token
        if not token:
            break
    step("read in pages", sizes == [3, 1])
    keys = {(item.key.user, item.key.relation, item.key.object) for item in found}
    step("read: each once, and nothing of what failed", len(keys) == 4)
    step("read: timestamps", all(item.timestamp is not None for item in found))
    one = await fga.read(ReadRequestTupleKey(object="document:1", relation="owner"))
    step("read by pattern", [item.key.user for item in one.tuples] == ["user:anne"] and one.tuples[0].key.condition is None)
    of_user = await fga.read(ReadRequestTupleKey(user="user:bob", object="folder:"))
    step("read by user and type", [item.key.object for item in of_user.tuples] == ["folder:plans"])


async def changes(fga):
    async def page(token):
        return await fga.read_changes(ClientReadChangesRequest("document"), {"page_size": 2, "continuation_token": token})

    found, token = [], ""
    while True:
        changes = await page(token)
        if not changes.changes:
            break
        found += changes.changes
        token = changes.continuation_token
    kinds = [str(change.operation).split("_")[-1] for change in found]
    step("changes in pages", kinds == ["WRITE", "WRITE", "WRITE", "WRITE", "DELETE"])
    step("changes of one type only", all(change.tuple_key.object.startswith("document:") for change in found))
    step("changes: the token comes back", changes.continuation_token == token)
    await fga.write_tuples([tuple_of("user:erik", "viewer", "document:3"), tuple_of("user:erik", "member", "group:eng")])
    news = await page(token)
    step("changes, polled: what is new", [change.tuple_key.object for change in news.changes] == ["document:3"])
    step("changes, polled: and nothing more", not (await page(news.continuation_token)).changes)
    late = await fga.read_changes(ClientReadChangesRequest("document", news.changes[0].timestamp.isoformat().replace("+00:00", "Z")))
    step("changes from a time on", [change.tuple_key.user for change in late.changes] == ["user:erik"])
    mismatch = fga.read_changes(ClientReadChangesRequest("folder"), {"continuation_token": token})
    await refused("changes: another type's token", ValidationException, "query_string_type_continuation_token_mismatch", mismatch)


async def questions(fga):
    async def allowed(user, relation, object, contextual=None, options=None):
        request = ClientCheckRequest(user=user, relation=relation, object=object, contextual_tuples=contextual)
        return (await fga.check(request, options)).allowed

    step("check: direct", await allowed("user:anne", "owner", "document:1"))
    step("check: from the folder", await allowed("user:bob", "viewer", "document:1"))
    step("check: everybody", await allowed("user:zoe", "viewer", "document:public"))
    step("check: denied", not await allowed("user:zoe", "viewer", "document:1"))
    step("check: consistency", await allowed("user:anne", "owner", "document:1", None, {"consistency": "HIGHER_CONSISTENCY"}))
    contextual = [tuple_of("user:zoe", "viewer", "folder:plans")]
    step("check: contextual tuples", await allowed("user:zoe", "viewer", "document:1", contextual))
    contextual = [tuple_of("group:eng#member", "viewer", "folder:plans")]
    step("check: through a group", await allowed("user:erik", "reader", "document:1", contextual))
    step("check: a userset", await allowed("group:eng#member", "viewer", "document:1", contextual))
    contextual.append(tuple_of("user:erik", "blocked", "document:1"))
    step("check: subtracted", not await allowed("user:erik", "reader", "document:1", contextual))

    checks = [
        ClientBatchCheckItem(user="user:anne", relation="viewer", object="document:1", correlation_id="a"),
        ClientBatchCheckItem(user="user:zoe", relation="viewer", object="document:1", correlation_id="b"),
        ClientBatchCheckItem(user="user:zoe", relation="eats", object="document:1", correlation_id="c"),
        ClientBatchCheckItem(
            user="user:zoe",
            relation="viewer",
            object="document:1",
            correlation_id="d",
            contextual_tuples=[tuple_of("user:zoe", "viewer", "folder:plans")],
        ),
    ]
    batch = await fga.batch_check(ClientBatchCheckRequest(checks=checks))
    result = {item.correlation_id: item for item in batch.result}
    step("batch check", result["a"].allowed and not result["b"].allowed and result["d"].allowed)
    step("batch check: an error of one", result["c"].error.input_error is not None and "eats" in result["c"].error.message)
    many = [ClientBatchCheckItem(user=f"user:{n}", relation="viewer", object="document:public") for n in range(120)]
    batch = await fga.batch_check(ClientBatchCheckRequest(checks=many))
    step("batch check: more than one request", [item.allowed for item in batch.result] == [True] * 120)
    clientside = await fga.client_batch_check([ClientCheckRequest(user="user:anne", relation="viewer", object="document:1")])
    step("batch check by the client", [item.allowed for item in clientside] == [True])

    relations = ["owner", "blocked", "viewer", "reader"]
    held = await fga.list_relations(ClientListRelationsRequest("user:anne", relations, "document:1"))
    step("list relations", held == ["owner", "viewer", "reader"])
    held = await fga.list_relations(ClientListRelationsRequest("user:zoe", relations, "document:1"))
    step("list relations: none", held == [])

    tree = (await fga.expand(ClientExpandRequest(relation="viewer", object="document:1"))).tree
    nodes = tree.root.union.nodes
    step("expand", tree.root.name == "document:1#viewer" and nodes[0].leaf.users.users == [])
    step("expand: computed", nodes[1].leaf.computed.userset == "document:1#owner")
    step("expand: from the folder", [c.userset for c in nodes[2].leaf.tuple_to_userset.computed] == ["folder:plans#viewer"])
    tree = (await fga.expand(ClientExpandRequest(relation="reader", object="document:1"))).tree
    step("expand: difference", tree.root.difference.subtract.leaf.computed.userset == "document:1#blocked")


async def errors(fga):
    def check(user="user:a", relation="viewer", object="document:1", options=None):
        return fga.check(ClientCheckRequest(user=user, relation=relation, object=object), options)

    await refused("check an unknown type", ValidationException, "validation_error", check(object="robot:1"))
    await refused("check an unknown relation", ValidationException, "validation_error", check(relation="eats"))
    await refused("check a malformed user", ValidationException, "validation_error", check(user="anne"))
    unknown = {"authorization_model_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}
    await refused("check with an unknown model", ValidationException, "authorization_model_not_found", check(options=unknown))
    relations = ClientListRelationsRequest("user:anne", ["viewer", "eats"], "document:1")
    await refused("list an unknown relation", ValidationException, "validation_error", fga.list_relations(relations))
    expand = ClientExpandRequest(relation="eats", object="document:1")
    await refused("expand an unknown relation", ValidationException, "validation_error", fga.expand(expand))
    broken = fga.read(ReadRequestTupleKey(), {"continuation_token": "bm90IG9uZSBvZiBvdXJz"})
    await refused("read with a token of nobody", ValidationException, "invalid_continuation_token", broken)
    too_large = fga.read(ReadRequestTupleKey(), {"page_size": 101})
    await refused("read too large a page", ValidationException, "page_size_invalid", too_large)
    tuples = [tuple_of(f"user:{n}", "viewer", "document:many") for n in range(101)]
    too_many = fga.write(ClientWriteRequest(writes=tuples))
    await refused("write too many tuples", ValidationException, "exceeded_entity_limit", too_many)
    twice = fga.write(ClientWriteRequest(writes=tuples[:1] * 2))
    await refused("write a tuple twice", ValidationException, "cannot_allow_duplicate_tuples_in_one_request", twice)
    wrong = model()
    wrong.type_definitions[2].metadata.relations["viewer"].directly_related_user_types[0].type = "nobody"
    refusal = fga.write_authorization_model(wrong)
    await refused("write a wrong model", ValidationException, "invalid_authorization_model", refusal)
    try:
        await check(options={"authorization_model_id": "newest"})
    except FgaValidationException:
        step("a malformed id is not even sent", True)
    else:
        step("a malformed id is not even sent", False)


async def lists(fga):
    async def objects(user, relation="viewer", contextual=None):
        request = ClientListObjectsRequest(user=user, relation=relation, type="document", contextual_tuples=contextual)
        listed = sorted((await fga.list_objects(request)).objects)
        streamed = sorted([found.object async for found in fga.streamed_list_objects(request)])
        step(f"list objects: streamed the same for {user} as {relation}", streamed == listed)
        return listed

    step("list objects", await objects("user:anne") == ["document:1", "document:public"])
    step("list objects: from the folder", await objects("user:bob") == ["document:1", "document:public"])
    step("list objects: one relation", await objects("user:bob", "owner") == [])
    contextual = [tuple_of("group:eng#member", "viewer", "folder:plans"), tuple_of("user:erik", "blocked", "document:3")]
    step("list objects: contextual tuples", await objects("user:erik", "reader", contextual) == ["document:1", "document:public"])
    await fga.write_tuples([tuple_of(f"folder:{n}", "parent", f"document:of-{n}") for n in range(100)])
    await fga.write_tuples([tuple_of("group:eng#member", "viewer", f"folder:{n}") for n in range(100)])
    expected = sorted(["document:3", "document:public"] + [f"document:of-{n}" for n in range(100)])
    step("list objects: a hundred, each once", await objects("user:erik", "reader") == expected)

    async def users(relation, *filters, object="document:1", contextual=None):
        type, id = object.split(":")
        request = ClientListUsersRequest(
            object=FgaObject(type=type, id=id), relation=relation, user_filters=list(filters), contextual_tuples=contextual
        )
        found = (await fga.list_users(request)).users
        shown = []
        for user in found:
            if user.object is not None:
                shown.append(f"{user.object.type}:{user.object.id}")
            elif user.userset is not None:
                shown.append(f"{user.userset.type}:{user.userset.id}#{user.userset.relation}")
            else:
                shown.append(f"{user.wildcard.type}:*")
        return sorted(shown)

    user, member = UserTypeFilter(type="user"), UserTypeFilter(type="group", relation="member")
    step("list users", await users("viewer", user) == ["user:anne", "user:bob"])
    step("list users: everybody", await users("viewer", user, object="document:public") == ["user:*"])
    step("list users: through a group", await users("viewer", user, object="folder:7") == ["user:erik"])
    step("list users: usersets", await users("viewer", member, object="folder:7") == ["group:eng#member"])
    contextual = [tuple_of("user:bob", "blocked", "document:1"), tuple_of("user:zoe", "viewer", "document:1")]
    step("list users: contextual tuples", await users("reader", user, contextual=contextual) == ["user:anne", "user:zoe"])
    await refused(
        "list objects of an unknown type",
        ValidationException,
        "type_not_found",
        fga.list_objects(ClientListObjectsRequest(user="user:anne", relation="viewer", type="robot")),
    )
    await refused(
        "list objects of an unknown relation",
        ValidationException,
        "relation_not_found",
        fga.list_objects(ClientListObjectsRequest(user="user:anne", relation="eats", type="document")),
    )
    await refused("list users of an unknown relation", ValidationException, "relation_not_found", users("eats", user))
    await refused("list users of two filters", ValidationException, "validation_error", users("viewer", user, member))


async def assertions(fga):
    step("assertions: none at first", (await fga.read_assertions()).assertions == [])
    await fga.write_assertions(
        [
            ClientAssertion(user="user:anne", relation="viewer", object="document:1", expectation=True),
            ClientAssertion(user="user:zoe", relation="viewer", object="document:1", expectation=False),
        ]
    )
    read = (await fga.read_assertions()).assertions
    step("assertions: read back", [(a.tuple_key.user, a.expectation) for a in read] == [("user:anne", True), ("user:zoe", False)])
    await fga.write_assertions([ClientAssertion(user="user:bob", relation="viewer", object="document:1", expectation=True)])
    read = (await fga.read_assertions()).assertions
    step("assertions: replaced as a whole", [a.tuple_key.user for a in read] == ["user:bob"])
    wrong = [ClientAssertion(user="user:bob", relation="eats", object="document:1", expectation=True)]
    await refused("assertions: an unknown relation", ValidationException, "validation_error", fga.write_assertions(wrong))


async def conditions(fga):
    written = await fga.write_authorization_model(conditional_model())
    fga.set_authorization_model_id(written.authorization_model_id)
    read = (await fga.read_authorization_model()).authorization_model
    step("conditions: the model", read.conditions["in_hours"].parameters["hour"].type_name == "TYPE_NAME_INT")

    def visitor(context):
        condition = RelationshipCondition(name="in_hours", context=context)
        return ClientTuple(user="user:anne", relation="visitor", object="room:1", condition=condition)

    await fga.write_tuples([visitor({"first": 8, "last": 17})])
    stored = (await fga.read(ReadRequestTupleKey(object="room:1"))).tuples[0].key
    step("conditions: a tuple", (stored.condition.name, stored.condition.context) == ("in_hours", {"first": 8, "last": 17}))
    wrong = fga.write_tuples([visitor({"first": "early"})])
    await refused("conditions: a parameter of another type", ValidationException, "validation_error", wrong)

    def check(context):
        return fga.check(ClientCheckRequest(user="user:anne", relation="visitor", object="room:1", context=context))

    step("conditions: check, allowed", (await check({"hour": 8})).allowed)
    step("conditions: check, denied", not (await check({"hour": 17})).allowed)
    step("conditions: the tuple's context wins", not (await check({"hour": 20, "last": 24})).allowed)
    await refused("conditions: a missing parameter", ValidationException, "validation_error", check({}))
    listing = ClientListObjectsRequest(user="user:anne", relation="visitor", type="room", context={"hour": 9})
    step("conditions: list objects", (await fga.list_objects(listing)).objects == ["room:1"])


async def main(url):
    async with OpenFgaClient(ClientConfiguration(api_url=url)) as fga:
        store = await stores_and_models(fga)
        for part in [tuples, changes, questions, errors, lists, assertions, conditions]:
            await part(fga)
        await fga.delete_store()
        await refused("get a deleted store", NotFoundException, "store_id_not_found", fga.get_store())
    print(f"done with store {store}")


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"))
