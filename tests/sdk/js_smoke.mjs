// Speaks to a running server with OpenFGA's JavaScript SDK and checks what it answers.
//
//     npm install @openfga/sdk
//     node tests/sdk/js_smoke.mjs http://127.0.0.1:8080
//
// Prints one line per step; ends with 1 at the first that is wrong. Leaves nothing behind. The package is looked for
// in the current directory, so that it needs not be installed in the repository.

import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";

const require = createRequire(path.join(process.cwd(), "from-here.js"));
const { OpenFgaClient, FgaApiNotFoundError, FgaApiValidationError } = require("@openfga/sdk");

const user = { type: "user" };
const direct = (...types) => ({ directly_related_user_types: types });
const model = {
  schema_version: "1.1",
  type_definitions: [
    { type: "user" },
    { type: "folder", relations: { viewer: { this: {} } }, metadata: { relations: { viewer: direct(user) } } },
    {
      type: "document",
      relations: {
        parent: { this: {} },
        owner: { this: {} },
        viewer: {
          union: {
            child: [
              { this: {} },
              { computedUserset: { relation: "owner" } },
              { tupleToUserset: { tupleset: { relation: "parent" }, computedUserset: { relation: "viewer" } } },
            ],
          },
        },
      },
      metadata: {
        relations: {
          parent: direct({ type: "folder" }),
          owner: direct(user),
          viewer: direct(user, { type: "user", wildcard: {} }),
        },
      },
    },
  ],
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
  step("read model", read.type_definitions.map((t) => t.type).join() === "user,folder,document");
  const children = read.type_definitions[2].relations.viewer.union.child;
  step("read model: rewrites", children.length === 3 && children[1].computedUserset.relation === "owner");
  const latest = await fga.readLatestAuthorizationModel();
  step("read latest model", latest.authorization_model.id === written.authorization_model_id);
  const models = await fga.readAuthorizationModels();
  step("list models", models.authorization_models.length === 1);
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
    { transaction: { disable: true, maxPerChunk: 1 } },
  );
  const statuses = outcome.writes.map((write) => write.status).join();
  step("write, one by one: a duplicate fails alone", statuses === "failure,success");
  await refused("write a duplicate", FgaApiValidationError, "write_failed_due_to_invalid_input", () =>
    fga.write({ writes: [tuple("user:anne", "owner", "document:1")] }),
  );
  await refused("delete a missing one", FgaApiValidationError, "write_failed_due_to_invalid_input", () =>
    fga.write({ deletes: [tuple("user:nobody", "owner", "document:1")] }),
  );
  await refused("write an unknown relation", FgaApiValidationError, "validation_error", () =>
    fga.write({ writes: [tuple("user:anne", "eats", "document:1")] }),
  );
  await fga.write({ deletes: [tuple("user:carl", "viewer", "document:2")] });
  step("delete", true);

  const found = [];
  let continuationToken = "";
  do {
    const page = await fga.read({}, { pageSize: 2, continuationToken });
    found.push(...page.tuples);
    continuationToken = page.continuation_token;
  } while (continuationToken);
  step("read in pages", found.length === 4 && found.every((item) => item.timestamp));
  const one = await fga.read({ object: "document:1", relation: "owner" });
  step("read by pattern", one.tuples.map((item) => item.key.user).join() === "user:anne");

  const changes = [];
  let page;
  let token = "";
  for (;;) {
    page = await fga.readChanges({ type: "document" }, { pageSize: 2, continuationToken: token });
    if (page.changes.length === 0) break;
    changes.push(...page.changes.map((change) => change.operation.split("_").pop()));
    token = page.continuation_token;
  }
  step("read changes in pages", changes.join() === "WRITE,WRITE,WRITE,WRITE,DELETE");
  step("read changes: the token comes back", page.continuation_token === token);
}

async function questions(fga) {
  const allowed = async (user, relation, object, contextualTuples) =>
    (await fga.check({ user, relation, object, contextualTuples })).allowed;
  step("check: direct", await allowed("user:anne", "owner", "document:1"));
  step("check: from the folder", await allowed("user:bob", "viewer", "document:1"));
  step("check: everybody", await allowed("user:zoe", "viewer", "document:public"));
  step("check: denied", !(await allowed("user:zoe", "viewer", "document:1")));
  const contextual = [tuple("user:zoe", "viewer", "folder:plans")];
  step("check: contextual tuples", await allowed("user:zoe", "viewer", "document:1", contextual));
  await refused("check an unknown type", FgaApiValidationError, "validation_error", () =>
    fga.check(tuple("user:a", "viewer", "robot:1")),
  );

  const batch = await fga.batchCheck({
    checks: [
      { ...tuple("user:anne", "viewer", "document:1"), correlationId: "a" },
      { ...tuple("user:zoe", "viewer", "document:1"), correlationId: "b" },
      { ...tuple("user:zoe", "eats", "document:1"), correlationId: "c" },
    ],
  });
  const result = Object.fromEntries(batch.result.map((item) => [item.correlationId, item]));
  step("batch check", result.a.allowed === true && result.b.allowed === false);
  step("batch check: an error of one", result.c.error?.input_error === "validation_error");
  const clientside = await fga.clientBatchCheck([tuple("user:anne", "viewer", "document:1")]);
  step("batch check by the client", clientside.result[0].allowed === true);

  const { tree } = await fga.expand({ relation: "viewer", object: "document:1" });
  const nodes = tree.root.union.nodes;
  step("expand", tree.root.name === "document:1#viewer" && nodes[0].leaf.users.users.length === 0);
  step("expand: computed", nodes[1].leaf.computed.userset === "document:1#owner");
  const computed = nodes[2].leaf.tupleToUserset.computed.map((item) => item.userset).join();
  step("expand: from the folder", computed === "folder:plans#viewer");
}

const fga = new OpenFgaClient({ apiUrl: process.argv[2] ?? "http://127.0.0.1:8080" });
await storesAndModels(fga);
await tuples(fga);
await questions(fga);
await fga.deleteStore();
await refused("get a deleted store", FgaApiNotFoundError, "store_id_not_found", () => fga.getStore());
console.log("done");
