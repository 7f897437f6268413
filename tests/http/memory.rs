//! What a request holds in memory stays in proportion to its body: the program's own peak, before and behind an attack.

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::program::Program;

const MIB: u64 = 1024 * 1024;

/// The program with one store, and a model whose type `document` has so many relations.
struct World {
    program: Program,
    store: String,
    _data: TempDir,
}

impl World {
    fn new(relations: usize) -> Self {
        let data = tempdir().unwrap();
        let program = Program::start(data.path(), &["--request-timeout-ms", "60000"]);
        let (_, store) = program.send("POST", "/stores", r#"{"name": "acme"}"#);
        let world = Self { store: store["id"].as_str().unwrap().to_owned(), program, _data: data };
        world.write_model(relations);
        world
    }

    fn write_model(&self, relations: usize) {
        let (status, answer) = self.send("POST", "/authorization-models", &model(relations));
        assert_eq!(status, 201, "{answer}");
    }

    fn send(&self, method: &str, operation: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.program.send(method, &format!("/stores/{}{operation}", self.store), &body)
    }

    /// By how many bytes the most memory that the program has had grows with `attack`, where `before` came first.
    fn grows(&self, before: impl FnOnce(), attack: impl FnOnce()) -> u64 {
        before();
        let peak = self.program.peak_memory_bytes();
        attack();
        // What the kernel tells lags a little.
        self.program.peak_memory_bytes().saturating_sub(peak)
    }
}

/// A type with so many relations, and users.
fn model(relations: usize) -> Value {
    let name = |number: usize| format!("relation_{number:030}");
    let rewrites: Value = (0..relations).map(|number| (name(number), json!({"this": {}}))).collect();
    let user = json!({"directly_related_user_types": [{"type": "user"}]});
    let metadata: Value = (0..relations).map(|number| (name(number), user.clone())).collect();
    let document = json!({"type": "document", "relations": rewrites, "metadata": {"relations": metadata}});
    json!({"schema_version": "1.1", "type_definitions": [{"type": "user"}, document]})
}

/// About the most that a context may be, in values and in bytes: 1,400 objects and a long text.
fn large_context() -> Value {
    json!({"objects": vec![json!({"": 0}); 1_400], "text": "x".repeat(400_000)})
}

fn entity(type_name: &str) -> Value {
    json!({"type": type_name, "id": "1"})
}

#[test]
fn defaults_of_evaluations_are_held_once_and_not_for_each_item() {
    let world = World::new(1);
    let evaluations = |items: usize, context: Value| {
        let body = json!({
            "subject": entity("user"), "action": {"name": format!("relation_{:030}", 0)},
            "resource": entity("document"), "context": context, "evaluations": vec![json!({}); items],
        });
        let (status, answer) = world.send("POST", "/access/v1/evaluations", &body);
        assert_eq!((status, answer["evaluations"].as_array().map(Vec::len)), (200, Some(items)), "{answer}");
    };
    let grown = world.grows(|| evaluations(1, large_context()), || evaluations(50, large_context()));
    assert!(grown < 16 * MIB, "{grown}");
}

#[test]
fn a_search_for_actions_holds_its_context_once_and_not_for_each_relation() {
    let world = World::new(500);
    let search = |context: Value| {
        let body = json!({"subject": entity("user"), "resource": entity("document"), "context": context});
        assert_eq!(world.send("POST", "/access/v1/search/action", &body), (200, json!({"results": []})));
    };
    let grown = world.grows(|| search(json!({})), || search(large_context()));
    assert!(grown < 32 * MIB, "{grown}");
}

#[test]
fn a_list_of_models_holds_no_tree_of_all_of_them() {
    let world = World::new(1_000);
    for _ in 0..40 {
        world.write_model(1_000);
    }
    let list = |size: usize| {
        let (status, page) =
            world.send("GET", &format!("/authorization-models?page_size={size}"), &Value::Null);
        assert_eq!(status, 200, "{page}");
        page["authorization_models"].as_array().unwrap().len()
    };
    let grown = world.grows(|| assert_eq!(list(1), 1), || assert!((2..41).contains(&list(100))));
    assert!(grown < 16 * MIB, "{grown}");
}

#[test]
fn requests_that_wait_hold_little_more_than_their_bodies() {
    const WAITING: u64 = 32;
    let world = World::new(1);
    let deepest = (0..100).fold(json!({}), |inner, _| json!({"": inner}));
    // Each level is an object, which takes the most memory for its text.
    let context = json!({"objects": vec![deepest; 14]});
    let body = json!({
        "tuple_key": {"user": "user:1", "relation": format!("relation_{:030}", 0), "object": "document:1"},
        "context": context, "at_least_revision": 1_000_000,
    });
    let check = || {
        let (status, answer) = world.send("POST", "/check", &body);
        assert_eq!((status, answer["code"].as_str()), (409, Some("revision_not_reached")), "{answer}");
    };
    let attack = || std::thread::scope(|scope| (0..WAITING).for_each(|_| drop(scope.spawn(check))));
    let grown = world.grows(check, attack);
    assert!(grown < WAITING * 3 * MIB, "{grown}");

    // As many objects as the body has room for are not taken.
    let objects = vec![json!({"": 0}); 70_000];
    let body = json!({"tuple_key": {}, "context": {"objects": objects}, "at_least_revision": 1_000_000});
    let (status, answer) = world.send("POST", "/check", &body);
    assert_eq!((status, answer["code"].as_str()), (400, Some("validation_error")), "{answer}");
}
