//! What is too deep, too large or too long ends with an error: soon, on a small stack, in little memory.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenure::cel::{Context, ContextError, EvaluateError, Program};
use tenure::model::limits::{CONTEXT_DEPTH_MAX, EXPRESSION_BYTES_MAX};

use super::{compile, context, run, texts};

/// Longer than any of these takes, even on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// Runs on a stack that is half of what threads have by default.
fn on_small_stack(run: impl FnOnce() + Send + 'static) {
    let start = Instant::now();
    std::thread::Builder::new().stack_size(1024 * 1024).spawn(run).unwrap().join().unwrap();
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
}

#[test]
fn nesting_is_bounded_in_every_form() {
    on_small_stack(|| {
        for (open, middle, close) in [
            ("(", "true", ")"),
            ("[", "1", "]"),
            ("{", "1", "}"),
            ("{1:", "1", "}"),
            ("!", "true", ""),
            ("-", "1", ""),
            ("a.", "a", ""),
            ("a[", "a", "]"),
            ("dyn(", "1", ")"),
            ("1+", "1", ""),
            ("true&&", "true", ""),
            ("true?true:", "true", ""),
            ("[1].map(x,", "x", ")"),
            ("has(", "a.b", ")"),
            ("type(", "1", ")"),
            ("a.a(", "a", ")"),
        ] {
            for count in [2, 60, 120, 250, 256, 511] {
                let nested = format!("{}{middle}{}", open.repeat(count), close.repeat(count));
                for expression in
                    [nested.clone(), format!("{nested} == {nested}"), format!("dyn({nested}) == 1")]
                {
                    let Ok(program) = compile(&expression, "a: any") else { continue };
                    let deep = (0..100).fold(json!(1), |inner, _| json!({ "a": inner }));
                    let mut given = Context::new();
                    given.insert("a".into(), deep);
                    let _ = program.evaluate(&Context::new(), &given);
                }
            }
        }
    });
}

#[test]
fn the_deepest_expressions_that_compile_evaluate_on_a_small_stack() {
    on_small_stack(|| {
        let nested =
            |open: &str, close: &str, count| format!("{}1{} != 2", open.repeat(count), close.repeat(count));
        for (expression, met) in [
            (nested("(", ")", 240), true),
            (nested("dyn(", ")", 100), true),
            (
                format!("{} == {}", "[".repeat(120) + &"]".repeat(120), "[".repeat(120) + &"]".repeat(120)),
                true,
            ),
            (format!("true{}", "&&true".repeat(84)), true),
            (format!("{}true", "false?true:".repeat(45)), true),
        ] {
            assert_eq!(run(&expression, "", "{}").map(|e| e.met), Ok(met), "{expression}");
        }
    });
}

#[test]
fn an_expression_is_at_most_so_long() {
    let of = |bytes: usize| format!("true{}", " ".repeat(bytes - 4));
    assert!(compile(&of(EXPRESSION_BYTES_MAX), "").is_ok());
    assert!(compile(&of(EXPRESSION_BYTES_MAX + 1), "").is_err());
}

#[test]
fn types_that_grow_exponentially_are_refused() {
    on_small_stack(|| {
        let doubling = format!("[1]{} == []", ".map(a,{a:a})".repeat(38));
        let error = compile(&doubling, "").unwrap_err();
        assert_eq!(&*error.message, "the types of the expression are too complex to check");
        let unknown = format!("[{}] == []", ["{}"; 80].join(","));
        assert_eq!(run(&unknown, "", "{}").map(|e| e.met), Ok(false));
    });
}

#[test]
fn loops_in_loops_end() {
    on_small_stack(|| {
        let digits = "[1,2,3,4,5,6,7,8,9,10]";
        let nested =
            "abcdefgh".chars().fold("true".to_owned(), |inner, v| format!("{digits}.all({v}, {inner})"));
        assert_eq!(run(&nested, "", "{}"), Err(EvaluateError::Cost { cost_max: 100 }));
        // These cost nothing for each element.
        let list = json!({ "l": vec![0; 100_000] }).to_string();
        let free = "l.filter(a, l.exists_one(b, l.exists_one(c, false)))";
        assert_eq!(
            run(&format!("{free} == []"), "l: list<int>", &list),
            Err(EvaluateError::Cost { cost_max: 100 })
        );
    });
}

#[test]
fn memory_is_bounded() {
    on_small_stack(|| {
        // Without types the cost model does not see how long a text is.
        let doubling = |count: usize| format!("[x]{} == []", ".map(a,a+a)".repeat(count));
        let text = json!({ "x": "x".repeat(500_000) }).to_string();
        for count in 1..8 {
            let found = run(&doubling(count), "x: any", &text);
            match count {
                1..=3 => assert_eq!(found.map(|e| e.met), Ok(false), "{count}"),
                4..=5 => assert!(matches!(found, Ok(_) | Err(EvaluateError::Cost { .. })), "{count}"),
                _ => assert_eq!(found, Err(EvaluateError::Cost { cost_max: 100 }), "{count}"),
            }
        }
        let list = json!({ "x": vec![0; 200_000] }).to_string();
        let found = run(&format!("x{} == x", " + x".repeat(40)), "x: any", &list);
        assert_eq!(found, Err(EvaluateError::Cost { cost_max: 100 }));
    });
}

#[test]
fn patterns_are_bounded_in_size_and_time() {
    on_small_stack(|| {
        for pattern in ["(((a{30}){30}){30}){30}", r"\p{L}{1000}", r"((\pL{9}){9}){9}"] {
            let found = run("'x'.matches(p)", "p: string", &json!({ "p": pattern }).to_string());
            assert!(matches!(found, Err(EvaluateError::Failed { .. })), "{pattern}: {found:?}");
        }
        let found = run("s.matches('(x+x+)+y')", "s: string", &texts(&[("s", 100)]));
        assert_eq!(found.map(|e| e.met), Ok(false));
        let found = run("a.matches(b)", "a: any, b: any", &texts(&[("a", 100_000), ("b", 100_000)]));
        assert_eq!(found, Err(EvaluateError::Cost { cost_max: 100 }));
        let nested = "(".repeat(180) + &")".repeat(180);
        let found = run("'x'.matches(p)", "p: string", &json!({ "p": nested }).to_string());
        assert_eq!(found.map(|e| e.met), Ok(true));
    });
}

#[test]
fn large_contexts_are_read_soon() {
    on_small_stack(|| {
        let texts: Vec<Value> = (0..50_000).map(|i| json!(format!("text{i}"))).collect();
        let map: serde_json::Map<String, Value> =
            (0..30_000).map(|i| (format!("key{i}"), json!(i))).collect();
        let given = json!({ "l": texts, "m": map, "a": texts }).to_string();
        let found = run(
            "l[49999] == 'text49999' && m.key7 == 7 && a[0] == 'text0'",
            "l: list<string>, m: map<int>, a: any",
            &given,
        );
        assert_eq!(found.map(|e| e.met), Ok(true));
    });
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, i| if i % 2 == 0 { json!([inner]) } else { json!({ "k": inner }) })
}

fn with(value: Value) -> Context {
    let mut context = Context::new();
    context.insert("a".into(), value);
    context
}

#[test]
fn contexts_are_nested_to_a_bound() {
    on_small_stack(|| {
        let program: Program = compile("a == a", "a: any").unwrap();
        let evaluate = |depth| program.evaluate(&Context::new(), &with(nested(depth)));
        assert_eq!(evaluate(CONTEXT_DEPTH_MAX), Ok(true));
        assert!(matches!(evaluate(CONTEXT_DEPTH_MAX + 1), Err(EvaluateError::Parameter { .. })));
        assert_eq!(program.check_context(&with(nested(CONTEXT_DEPTH_MAX))), Ok(()));
        assert_eq!(
            program.check_context(&with(nested(CONTEXT_DEPTH_MAX + 1))),
            Err(ContextError::TooDeep { depth_max: CONTEXT_DEPTH_MAX })
        );
        let lists = (0..300).fold("int".to_owned(), |inner, _| format!("list<{inner}>"));
        assert!(compile("a == a", &format!("a: {lists}")).is_err());
    });
}

#[test]
fn a_program_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let program = compile("i > 1", "i: int").unwrap();
    shared(&program);
    assert_eq!(program.evaluate(&context(r#"{"i": 2}"#), &Context::new()), Ok(true));
    assert_eq!(program.name(), "c");
}
