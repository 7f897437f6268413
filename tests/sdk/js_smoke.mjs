// Speaks to a running server with OpenFGA's JavaScript SDK and checks what it answers.
//
//     npm install @openfga/sdk
//     node tests/sdk/js_smoke.mjs http://127.0.0.1:8080
//
// Prints one line per step; ends with 1 at the first that is wrong. Leaves nothing behind. The package is looked for
// in the current directory, so that it needs not be installed in the repository. Nothing here is Tenure's own: OpenFGA's
// server passes all of it too, which is how to find out who is wrong where a step fails.

import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";

const require = createRequire(path.join(process.cwd(), "from-here.js"));
const {
  ClientWriteRequestOnDuplicateWrites,
  ClientWriteRequestOnMissingDeletes,
  ConsistencyPreference,
  FgaApiNotFoundError,
  FgaApiValidationError,
  FgaValidationError,
  OpenFgaClient,
} = require("@openfga/sdk");

const user = { type: "user" };
const member = { type: "group", relation: "member" };
const direct = (...types) => ({ directly_related_user_types: types });
const computed = (relation) => ({ computedUserset: { relation } });
const model = {
  schema_version: "1.1",
  type_definitions: [
    { type: "user" },
    {
      type: "group",
      relations: { member: { this: {} } },
      metadata: { relations: { member: direct(user, member) } },
    },
    {
      type: "folder",
      relations: { viewer: { this: {} } },
      metadata: { relations: { viewer: direct(user, member) } },
    },
    {
      type: "document",
      relations: {
        parent: { this: {} },
        owner: { this: {} },
        viewer: {
          union: {
            child: [
              { this: {} },
              computed("owner"),
              { tupleToUserset: { tupleset: { relation: "parent" }, computedUserset: { relation: "viewer" } } },
            ],
          },
        },
        blocked: { this: {} },
        reader: { difference: { base: computed("viewer"), subtract: computed("blocked") } },
      },
      metadata: {
        relations: {
          parent: direct({ type: "folder" }),
          owner: direct(user),
          viewer: direct(user, { type: "user", wildcard: {} }),
          blocked: direct(user),
        },
      },
    },
  ],
};

const int = { type_name: "TYPE_NAME_INT" };
const conditionalModel = {
  schema_version: "1.1",
  type_definitions: [
    { type: "user" },
    {
      type: "room",
      relations: { visitor: { this: {} } },
      metadata: { relations: { visitor: direct({ type: "user", condition: "in_hours" }) } },
    },
  ],
  conditions: {
    in_hours: {
      name: "in_hours",
      expression: "hour >= first && hour < last",
      parameters: { hour: int, first: int, last: int },
    },
  },
};

const tuple = (user, relation, object) => ({ user, relation, object });

function step(name, holds) {
  console.log((holds ? "ok    " : "WRONG ") + name);
  if (!holds) process.exit(1);
}

async function refused(name, kind, code, call) {
  try {
    await call();
  } catch (error) {
    const found = error.apiErrorCode ?? error.responseData?.code;
    return step(`${name}: ${error.constructor.name} ${found}`, error instanceof kind && found === code);
  }
  step(`${name}: ${code}`, false);
}

async function storesAndModels(fga) {
  const store = await fga.createStore({ name: "js smoke" });
  step("create store", store.id.length === 26 && store.created_at !== undefined);
  fga.storeId = store.id;
  const shown = await fga.getStore();
  step("get store", shown.id === store.id && shown.name === "js smoke");
  const listed = await fga.listStores({ name: "js smoke" });
  step("list stores by name", listed.stores.some((found) => found.id === store.id));

  await refused("check without a model", FgaApiValidationError, "latest_authorization_model_not_found", () =>
    fga.check(tuple("user:a", "viewer", "document:1")),
  );
  const written = await fga.writeAuthorizationModel(model);
  fga.authorizationModelId = written.authorization_model_id;
  step("write model", written.authorization_model_id.length === 26);
  const read = (await fga.readAuthorizationModel()).authorization_model;
  step("read model", read.type_definitions.map((t) => t.type).join() === "user,group,folder,document");
  const { viewer, reader } = read.type_definitions[3].relations;
  const children = viewer.union.child;
  step("read model: rewrites", children.length === 3 && children[1].computedUserset.relation === "owner");
  step("read model: difference", reader.difference.subtract.computedUserset.relation === "blocked");
  const latest = await fga.readLatestAuthorizationModel();
  step("read latest model", latest.authorization_model.id === written.authorization_model_id);
  const again = await fga.writeAuthorizationModel(model);
  const ids = (page) => page.authorization_models.map((found) => found.id).join();
  const first = await fga.readAuthorizationModels({ pageSize: 1 });
  step("list models: newest first", ids(first) === again.authorization_model_id);
  const second = await fga.readAuthorizationModels({ pageSize: 1, continuationToken: first.continuation_token });
  step("list models in pages", ids(second) === written.authorization_model_id);
}

async function tuples(fga) {
  await fga.write({
    writes: [
      tuple("user:anne", "owner", "document:1"),
      tuple("folder:plans", "parent", "document:1"),
      tuple("user:bob", "viewer", "folder:plans"),
      tuple("user:*", "viewer", "document:public"),
    ],
  });
  step("write, one transaction", true);
  const outcome = await fga.write(
    { writes: [tuple("user:anne", "owner", "document:1"), tuple("user:carl", "viewer", "document:2")] },
    { transaction: { disable: true, maxPerChunk: 1, maxParallelRequests: 2 } },
  );
  // In parallel, too, and told in the order in which they were answered.
  const [again, anew] = ["user:anne", "user:carl"].map((user) => outcome.writes.find((w) => w.tuple_key.user === user));
  step("write, one by one: a duplicate fails alone", again.status === "failure" && anew.status === "success");
  step("write, one by one: why", again.err instanceof FgaApiValidationError);
  const failed = "write_failed_due_to_invalid_input";
  const duplicate = { writes: [tuple("user:anne", "owner", "document:1")] };
  await refused("write a duplicate", FgaApiValidationError, failed, () => fga.write(duplicate));
  const missing = { deletes: [tuple("user:nobody", "owner", "document:1")] };
  await refused("delete a missing one", FgaApiValidationError, failed, () => fga.write(missing));
  const half = { writes: [tuple("user:half", "owner", "document:1")], ...missing };
  await refused("write, half of it wrong", FgaApiValidationError, failed, () => fga.write(half));
  const conflict = {
    onDuplicateWrites: ClientWriteRequestOnDuplicateWrites.Ignore,
    onMissingDeletes: ClientWriteRequestOnMissingDeletes.Ignore,
  };
  await fga.write(duplicate, { conflict });
  await fga.write(missing, { conflict });
  step("ignore a duplicate and a missing one", true);
  await refused("write an unknown relation", FgaApiValidationError, "validation_error", () =>
    fga.write({ writes: [tuple("user:anne", "eats", "document:1")] }),
  );
  await fga.deleteTuples([tuple("user:carl", "viewer", "document:2")]);
  step("delete", true);

  const found = [];
  const sizes = [];
  let continuationToken = "";
  do {
    const page = await fga.read({}, { pageSize: 3, continuationToken });
    found.push(...page.tuples);
    sizes.push(page.tuples.length);
    continuationToken = page.continuation_token;
  } while (continuationToken);
  step("read in pages", sizes.join() === "3,1");
  const keys = new Set(found.map(({ key }) => [key.user, key.relation, key.object].join()));
  step("read: each once, and nothing of what failed", keys.size === 4 && found.every((item) => item.timestamp));
  const one = await fga.read({ object: "document:1", relation: "owner" });
  step("read by pattern", one.tuples.map((item) => item.key.user).join() === "user:anne");
  const ofUser = await fga.read({ user: "user:bob", object: "folder:" });
  step("read by user and type", ofUser.tuples.map((item) => item.key.object).join() === "folder:plans");
}

async function changes(fga) {
  const next = (continuationToken) => fga.readChanges({ type: "document" }, { pageSize: 2, continuationToken });
  const found = [];
  let page;
  let token = "";
  for (;;) {
    page = await next(token);
    if (page.changes.length === 0) break;
    found.push(...page.changes);
    token = page.continuation_token;
  }
  const kinds = found.map((change) => change.operation.split("_").pop()).join();
  step("changes in pages", kinds === "WRITE,WRITE,WRITE,WRITE,DELETE");
  step("changes of one type only", found.every((change) => change.tuple_key.object.startsWith("document:")));
  step("changes: the token comes back", page.continuation_token === token);
  await fga.writeTuples([tuple("user:erik", "viewer", "document:3"), tuple("user:erik", "member", "group:eng")]);
  const news = await next(token);
  const objects = news.changes.map((change) => change.tuple_key.object).join();
  step("changes, polled: what is new", objects === "document:3");
  step("changes, polled: and nothing more", (await next(news.continuation_token)).changes.length === 0);
  const late = await fga.readChanges({ type: "document", startTime: news.changes[0].timestamp });
  step("changes from a time on", late.changes.map((change) => change.tuple_key.user).join() === "user:erik");
  const mismatch = "query_string_type_continuation_token_mismatch";
  await refused("changes: another type's token", FgaApiValidationError, mismatch, () =>
    fga.readChanges({ type: "folder" }, { continuationToken: token }),
  );
}

async function questions(fga) {
  const allowed = async (user, relation, object, contextualTuples, options) =>
    (await fga.check({ user, relation, object, contextualTuples }, options)).allowed;
  step("check: direct", await allowed("user:anne", "owner", "document:1"));
  step("check: from the folder", await allowed("user:bob", "viewer", "document:1"));
  step("check: everybody", await allowed("user:zoe", "viewer", "document:public"));
  step("check: denied", !(await allowed("user:zoe", "viewer", "document:1")));
  const consistency = ConsistencyPreference.HigherConsistency;
  step("check: consistency", await allowed("user:anne", "owner", "document:1", undefined, { consistency }));
  let contextual = [tuple("user:zoe", "viewer", "folder:plans")];
  step("check: contextual tuples", await allowed("user:zoe", "viewer", "document:1", contextual));
  contextual = [tuple("group:eng#member", "viewer", "folder:plans")];
  step("check: through a group", await allowed("user:erik", "reader", "document:1", contextual));
  step("check: a userset", await allowed("group:eng#member", "viewer", "document:1", contextual));
  contextual.push(tuple("user:erik", "blocked", "document:1"));
  step("check: subtracted", !(await allowed("user:erik", "reader", "document:1", contextual)));

  const batch = await fga.batchCheck({
    checks: [
      { ...tuple("user:anne", "viewer", "document:1"), correlationId: "a" },
      { ...tuple("user:zoe", "viewer", "document:1"), correlationId: "b" },
      { ...tuple("user:zoe", "eats", "document:1"), correlationId: "c" },
      {
        ...tuple("user:zoe", "viewer", "document:1"),
        correlationId: "d",
        contextualTuples: { tuple_keys: [tuple("user:zoe", "viewer", "folder:plans")] },
      },
    ],
  });
  const result = Object.fromEntries(batch.result.map((item) => [item.correlationId, item]));
  step("batch check", result.a.allowed && result.b.allowed === false && result.d.allowed);
  step("batch check: an error of one", result.c.error?.input_error === "validation_error");
  const many = Array.from({ length: 120 }, (_, n) => tuple(`user:${n}`, "viewer", "document:public"));
  const answers = (await fga.batchCheck({ checks: many })).result;
  step("batch check: more than one request", answers.length === 120 && answers.every((item) => item.allowed));
  const clientside = await fga.clientBatchCheck([tuple("user:anne", "viewer", "document:1")]);
  step("batch check by the client", clientside.result[0].allowed === true);

  const relations = ["owner", "blocked", "viewer", "reader"];
  // The SDK asks for each in parallel, and names them as their answers come.
  const held = async (user) => (await fga.listRelations({ user, object: "document:1", relations })).relations.sort().join();
  step("list relations", (await held("user:anne")) === "owner,reader,viewer");
  step("list relations: none", (await held("user:zoe")) === "");

  const { tree } = await fga.expand({ relation: "viewer", object: "document:1" });
  const nodes = tree.root.union.nodes;
  step("expand", tree.root.name === "document:1#viewer" && nodes[0].leaf.users.users.length === 0);
  step("expand: computed", nodes[1].leaf.computed.userset === "document:1#owner");
  const folders = nodes[2].leaf.tupleToUserset.computed.map((item) => item.userset).join();
  step("expand: from the folder", folders === "folder:plans#viewer");
  const { difference } = (await fga.expand({ relation: "reader", object: "document:1" })).tree.root;
  step("expand: difference", difference.subtract.leaf.computed.userset === "document:1#blocked");
}

async function errors(fga) {
  const invalid = (name, code, call) => refused(name, FgaApiValidationError, code, call);
  const check = (user, relation, object, options) => () => fga.check({ user, relation, object }, options);
  await invalid("check an unknown type", "validation_error", check("user:a", "viewer", "robot:1"));
  await invalid("check an unknown relation", "validation_error", check("user:a", "eats", "document:1"));
  await invalid("check a malformed user", "validation_error", check("anne", "viewer", "document:1"));
  const unknown = { authorizationModelId: "01ARZ3NDEKTSV4RRFFQ69G5FAV" };
  const withUnknown = check("user:a", "viewer", "document:1", unknown);
  await invalid("check with an unknown model", "authorization_model_not_found", withUnknown);
  await invalid("list an unknown relation", "validation_error", () =>
    fga.listRelations({ user: "user:anne", object: "document:1", relations: ["viewer", "eats"] }),
  );
  await invalid("expand an unknown relation", "validation_error", () =>
    fga.expand({ relation: "eats", object: "document:1" }),
  );
  await invalid("read with a token of nobody", "invalid_continuation_token", () =>
    fga.read({}, { continuationToken: "bm90IG9uZSBvZiBvdXJz" }),
  );
  await invalid("read too large a page", "page_size_invalid", () => fga.read({}, { pageSize: 101 }));
  const many = Array.from({ length: 101 }, (_, n) => tuple(`user:${n}`, "viewer", "document:many"));
  await invalid("write too many tuples", "exceeded_entity_limit", () => fga.write({ writes: many }));
  await invalid("write a tuple twice", "cannot_allow_duplicate_tuples_in_one_request", () =>
    fga.write({ writes: [many[0], many[0]] }),
  );
  const wrong = structuredClone(model);
  wrong.type_definitions[2].metadata.relations.viewer.directly_related_user_types[0].type = "nobody";
  await invalid("write a wrong model", "invalid_authorization_model", () => fga.writeAuthorizationModel(wrong));
  const malformed = check("user:a", "viewer", "document:1", { authorizationModelId: "newest" });
  const kept = await malformed().then(() => false, (error) => error instanceof FgaValidationError);
  step("a malformed id is not even sent", kept);
}

async function lists(fga) {
  const objects = async (user, relation = "viewer", contextualTuples = undefined) => {
    const request = { user, relation, type: "document", contextualTuples };
    const listed = (await fga.listObjects(request)).objects.sort().join();
    const streamed = [];
    for await (const { object } of fga.streamedListObjects(request)) streamed.push(object);
    step(`list objects: streamed the same for ${user} as ${relation}`, streamed.sort().join() === listed);
    return listed;
  };
  step("list objects", (await objects("user:anne")) === "document:1,document:public");
  step("list objects: from the folder", (await objects("user:bob")) === "document:1,document:public");
  step("list objects: one relation", (await objects("user:bob", "owner")) === "");
  let contextual = [tuple("group:eng#member", "viewer", "folder:plans"), tuple("user:erik", "blocked", "document:3")];
  const readable = await objects("user:erik", "reader", contextual);
  step("list objects: contextual tuples", readable === "document:1,document:public");
  const numbers = Array.from({ length: 100 }, (_, n) => n);
  await fga.writeTuples(numbers.map((n) => tuple(`folder:${n}`, "parent", `document:of-${n}`)));
  await fga.writeTuples(numbers.map((n) => tuple("group:eng#member", "viewer", `folder:${n}`)));
  const expected = ["document:3", "document:public", ...numbers.map((n) => `document:of-${n}`)].sort().join();
  step("list objects: a hundred, each once", (await objects("user:erik", "reader")) === expected);

  const users = async (relation, filter, object = "document:1", contextualTuples = undefined) => {
    const [type, id] = object.split(":");
    const request = { object: { type, id }, relation, user_filters: [filter].flat(), contextualTuples };
    const shown = ({ object, userset, wildcard }) =>
      object
        ? `${object.type}:${object.id}`
        : userset
          ? `${userset.type}:${userset.id}#${userset.relation}`
          : `${wildcard.type}:*`;
    return (await fga.listUsers(request)).users.map(shown).sort().join();
  };
  step("list users", (await users("viewer", user)) === "user:anne,user:bob");
  step("list users: everybody", (await users("viewer", user, "document:public")) === "user:*");
  step("list users: through a group", (await users("viewer", user, "folder:7")) === "user:erik");
  step("list users: usersets", (await users("viewer", member, "folder:7")) === "group:eng#member");
  contextual = [tuple("user:bob", "blocked", "document:1"), tuple("user:zoe", "viewer", "document:1")];
  const readers = await users("reader", user, "document:1", contextual);
  step("list users: contextual tuples", readers === "user:anne,user:zoe");

  const invalid = (name, code, call) => refused(name, FgaApiValidationError, code, call);
  await invalid("list objects of an unknown type", "type_not_found", () =>
    fga.listObjects({ user: "user:anne", relation: "viewer", type: "robot" }),
  );
  await invalid("list objects of an unknown relation", "relation_not_found", () =>
    fga.listObjects({ user: "user:anne", relation: "eats", type: "document" }),
  );
  await invalid("list users of an unknown relation", "relation_not_found", () => users("eats", user));
  await invalid("list users of two filters", "validation_error", () => users("viewer", [user, member]));
}

async function assertions(fga) {
  const read = async () => (await fga.readAssertions()).assertions;
  step("assertions: none at first", (await read()).length === 0);
  await fga.writeAssertions([
    { ...tuple("user:anne", "viewer", "document:1"), expectation: true },
    { ...tuple("user:zoe", "viewer", "document:1"), expectation: false },
  ]);
  const found = (await read()).map((found) => `${found.tuple_key.user} ${found.expectation}`).join();
  step("assertions: read back", found === "user:anne true,user:zoe false");
  await fga.writeAssertions([{ ...tuple("user:bob", "viewer", "document:1"), expectation: true }]);
  const replaced = (await read()).map((found) => found.tuple_key.user).join();
  step("assertions: replaced as a whole", replaced === "user:bob");
  await refused("assertions: an unknown relation", FgaApiValidationError, "validation_error", () =>
    fga.writeAssertions([{ ...tuple("user:bob", "eats", "document:1"), expectation: true }]),
  );
}

async function conditions(fga) {
  fga.authorizationModelId = (await fga.writeAuthorizationModel(conditionalModel)).authorization_model_id;
  const read = (await fga.readAuthorizationModel()).authorization_model;
  step("conditions: the model", read.conditions.in_hours.parameters.hour.type_name === "TYPE_NAME_INT");
  const visitor = (context) => ({
    ...tuple("user:anne", "visitor", "room:1"),
    condition: { name: "in_hours", context },
  });
  await fga.writeTuples([visitor({ first: 8, last: 17 })]);
  const { condition } = (await fga.read({ object: "room:1" })).tuples[0].key;
  step("conditions: a tuple", condition.name === "in_hours" && condition.context.first === 8);
  await refused("conditions: a parameter of another type", FgaApiValidationError, "validation_error", () =>
    fga.writeTuples([visitor({ first: "early" })]),
  );
  const check = (context) => fga.check({ ...tuple("user:anne", "visitor", "room:1"), context });
  step("conditions: check, allowed", (await check({ hour: 8 })).allowed);
  step("conditions: check, denied", !(await check({ hour: 17 })).allowed);
  step("conditions: the tuple's context wins", !(await check({ hour: 20, last: 24 })).allowed);
  await refused("conditions: a missing parameter", FgaApiValidationError, "validation_error", () => check({}));
  const listing = { user: "user:anne", relation: "visitor", type: "room", context: { hour: 9 } };
  step("conditions: list objects", (await fga.listObjects(listing)).objects.join() === "room:1");
}

const fga = new OpenFgaClient({ apiUrl: process.argv[2] ?? "http://127.0.0.1:8080" });
for (const part of [storesAndModels, tuples, changes, questions, errors, lists, assertions, conditions]) {
  await part(fga);
}
await fga.deleteStore();
await refused("get a deleted store", FgaApiNotFoundError, "store_id_not_found", () => fga.getStore());
console.log("done");
