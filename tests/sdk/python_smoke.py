"""Speaks to a running server with OpenFGA's Python SDK and checks what it answers.

    pip install openfga-sdk
    python tests/sdk/python_smoke.py http://127.0.0.1:8080

Prints one line per step; ends with 1 at the first that is wrong. Leaves nothing behind.
"""

import asyncio
import sys

from openfga_sdk import ClientConfiguration, OpenFgaClient, ReadRequestTupleKey
from openfga_sdk.client.models import (
    ClientBatchCheckItem,
    ClientBatchCheckRequest,
    ClientCheckRequest,
    ClientExpandRequest,
    ClientReadChangesRequest,
    ClientTuple,
    ClientWriteRequest,
    WriteTransactionOpts,
)
from openfga_sdk.exceptions import NotFoundException, ValidationException
from openfga_sdk.models import CreateStoreRequest, WriteAuthorizationModelRequest
from openfga_sdk.models.metadata import Metadata
from openfga_sdk.models.object_relation import ObjectRelation
from openfga_sdk.models.relation_metadata import RelationMetadata
from openfga_sdk.models.relation_reference import RelationReference
from openfga_sdk.models.tuple_to_userset import TupleToUserset
from openfga_sdk.models.type_definition import TypeDefinition
from openfga_sdk.models.userset import Userset
from openfga_sdk.models.usersets import Usersets


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
    user = RelationReference(type="user")

    def direct(*references):
        return RelationMetadata(directly_related_user_types=list(references))

    return WriteAuthorizationModelRequest(
        schema_version="1.1",
        type_definitions=[
            TypeDefinition(type="user"),
            TypeDefinition(
                type="folder",
                relations={"viewer": this},
                metadata=Metadata(relations={"viewer": direct(user)}),
            ),
            TypeDefinition(
                type="document",
                relations={"parent": this, "owner": this, "viewer": viewer},
                metadata=Metadata(
                    relations={
                        "parent": direct(RelationReference(type="folder")),
                        "owner": direct(user),
                        "viewer": direct(user, RelationReference(type="user", wildcard={})),
                    }
                ),
            ),
        ],
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
    step("read model", [t.type for t in read.type_definitions] == ["user", "folder", "document"])
    rewrite = read.type_definitions[2].relations["viewer"]
    step("read model: rewrites", len(rewrite.union.child) == 3 and rewrite.union.child[1].computed_userset.relation == "owner")
    latest = await fga.read_latest_authorization_model()
    step("read latest model", latest.authorization_model.id == written.authorization_model_id)
    models = await fga.read_authorization_models()
    step("list models", len(models.authorization_models) == 1)
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
        {"transaction": WriteTransactionOpts(disabled=True, max_per_chunk=1)},
    )
    step("write, one by one: a duplicate fails alone", [write.success for write in outcome.writes] == [False, True])
    duplicate = ClientWriteRequest(writes=[tuple_of("user:anne", "owner", "document:1")])
    await refused("write a duplicate", ValidationException, "write_failed_due_to_invalid_input", fga.write(duplicate))
    missing = ClientWriteRequest(deletes=[tuple_of("user:nobody", "owner", "document:1")])
    await refused("delete a missing one", ValidationException, "write_failed_due_to_invalid_input", fga.write(missing))
    unknown = ClientWriteRequest(writes=[tuple_of("user:anne", "eats", "document:1")])
    await refused("write an unknown relation", ValidationException, "validation_error", fga.write(unknown))
    await fga.write(ClientWriteRequest(deletes=[tuple_of("user:carl", "viewer", "document:2")]))
    step("delete", True)

    found, token = [], ""
    while True:
        page = await fga.read(ReadRequestTupleKey(), {"page_size": 2, "continuation_token": token})
        found += page.tuples
        token = page.continuation_token
        if not token:
            break
    step("read in pages", len(found) == 4 and all(item.timestamp is not None for item in found))
    one = await fga.read(ReadRequestTupleKey(object="document:1", relation="owner"))
    step("read by pattern", [item.key.user for item in one.tuples] == ["user:anne"] and one.tuples[0].key.condition is None)

    changes, token = [], ""
    while True:
        page = await fga.read_changes(ClientReadChangesRequest("document"), {"page_size": 2, "continuation_token": token})
        changes += [change.operation for change in page.changes]
        if not page.changes:
            break
        token = page.continuation_token
    step("read changes in pages", [str(o).split("_")[-1] for o in changes] == ["WRITE", "WRITE", "WRITE", "WRITE", "DELETE"])
    step("read changes: the token comes back", page.continuation_token == token)


async def questions(fga):
    async def allowed(user, relation, object, contextual=None):
        request = ClientCheckRequest(user=user, relation=relation, object=object, contextual_tuples=contextual)
        return (await fga.check(request)).allowed

    step("check: direct", await allowed("user:anne", "owner", "document:1"))
    step("check: from the folder", await allowed("user:bob", "viewer", "document:1"))
    step("check: everybody", await allowed("user:zoe", "viewer", "document:public"))
    step("check: denied", not await allowed("user:zoe", "viewer", "document:1"))
    contextual = [tuple_of("user:zoe", "viewer", "folder:plans")]
    step("check: contextual tuples", await allowed("user:zoe", "viewer", "document:1", contextual))
    await refused(
        "check an unknown type",
        ValidationException,
        "validation_error",
        fga.check(ClientCheckRequest(user="user:a", relation="viewer", object="robot:1")),
    )

    batch = await fga.batch_check(
        ClientBatchCheckRequest(
            checks=[
                ClientBatchCheckItem(user="user:anne", relation="viewer", object="document:1", correlation_id="a"),
                ClientBatchCheckItem(user="user:zoe", relation="viewer", object="document:1", correlation_id="b"),
                ClientBatchCheckItem(user="user:zoe", relation="eats", object="document:1", correlation_id="c"),
            ]
        )
    )
    result = {item.correlation_id: item for item in batch.result}
    step("batch check", result["a"].allowed and not result["b"].allowed)
    step("batch check: an error of one", result["c"].error.input_error is not None and "eats" in result["c"].error.message)
    clientside = await fga.client_batch_check([ClientCheckRequest(user="user:anne", relation="viewer", object="document:1")])
    step("batch check by the client", [item.allowed for item in clientside] == [True])

    tree = (await fga.expand(ClientExpandRequest(relation="viewer", object="document:1"))).tree
    nodes = tree.root.union.nodes
    step("expand", tree.root.name == "document:1#viewer" and nodes[0].leaf.users.users == [])
    step("expand: computed", nodes[1].leaf.computed.userset == "document:1#owner")
    step("expand: from the folder", [c.userset for c in nodes[2].leaf.tuple_to_userset.computed] == ["folder:plans#viewer"])


async def main(url):
    async with OpenFgaClient(ClientConfiguration(api_url=url)) as fga:
        store = await stores_and_models(fga)
        await tuples(fga)
        await questions(fga)
        await fga.delete_store()
        await refused("get a deleted store", NotFoundException, "store_id_not_found", fga.get_store())
    print(f"done with store {store}")


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"))
