//! What compiling a model costs, and in which order an intersection asks.

use std::fmt::Write as _;

use super::*;
use crate::schema;

/// A model with these relations of `doc`.
fn model(relations: &str) -> AuthorizationModel {
    let mut text =
        "model\n  schema 1.1\ntype user\ntype group\n  relations\n    define member: [user, group#member]\n\
                    type doc\n  relations\n"
            .to_owned();
    for relation in relations.lines() {
        writeln!(text, "    {}", relation.trim()).unwrap();
    }
    // Operands are repeated, which only the language minds.
    schema::parse_unchecked(&text).unwrap_or_else(|errors| panic!("{}", errors.render("", false))).model
}

/// Nodes of rewrites that are looked at to price the operands of a model's intersections, and how many nodes there are.
fn pricing(model: &AuthorizationModel) -> (usize, usize) {
    let mut compiler = Compiler::new(model);
    compiler.rewrites();
    (compiler.prices.looked_at.get(), compiler.exprs.len())
}

/// The relations that the intersection `top` asks, in their order.
fn order(relations: &str) -> Vec<String> {
    let plan = Plan::compile(&model(relations));
    let top = plan.root(plan.find("doc", "top").unwrap());
    let Expr::Intersection(operands) = plan.expr(top) else { panic!("{relations}") };
    let name = |id: &ExprId| match plan.expr(*id) {
        Expr::Computed(rel) => plan.relation_name(*rel).to_owned(),
        Expr::TupleToUserset { tupleset, .. } => format!("from {}", plan.relation_name(*tupleset)),
        other => panic!("{other:?}"),
    };
    operands.iter().map(name).collect()
}

#[test]
fn pricing_is_linear_in_the_model() {
    let repeated = |what: &str, times: usize, operator: &str| vec![what; times].join(operator);
    let (big, mid, top) =
        (repeated("other", 2000, " or "), repeated("big", 63, " or "), repeated("mid", 1000, " and "));
    let wide = format!("define other: [user]\ndefine big: {big}\ndefine mid: {mid}\ndefine top: {top}");
    // Each is computed from all before it, so that there are 2^60 ways down.
    let mut lattice = "define r0: [user]\n".to_owned();
    for i in 1..60 {
        writeln!(lattice, "define r{i}: r{} or r{}", i - 1, i.max(2) - 2).unwrap();
    }
    lattice.push_str("define top: r59 and r58 and r57");
    for relations in [wide, lattice] {
        let (looked_at, nodes) = pricing(&model(&relations));
        assert!(looked_at > 0, "there is an intersection");
        assert!(looked_at <= 4 * nodes, "{looked_at} nodes were looked at, of {nodes}");
    }
}

#[test]
fn a_chain_of_relations_is_priced_however_long_it_is() {
    // Longer than a stack could hold.
    const RELATIONS: usize = 20_000;
    let relation = |i: usize| crate::model::RelationDefinition {
        name: format!("r{i}").into(),
        rewrite: Rewrite::Computed(format!("r{}", i + 1).into()),
        restrictions: Vec::new(),
        origin: crate::model::Origin::default(),
    };
    let mut model = model("define a: [user]");
    let doc = model.types.last_mut().unwrap();
    doc.relations = (0..RELATIONS).map(relation).collect();
    let both = ["r0", "r1"].map(|name| Rewrite::Computed(name.into()));
    let top = Rewrite::Intersection(both.into());
    doc.relations.push(crate::model::RelationDefinition { rewrite: top, name: "top".into(), ..relation(0) });
    let (looked_at, nodes) = pricing(&model);
    assert!(looked_at <= 4 * nodes, "{looked_at} nodes were looked at, of {nodes}");
}

#[test]
fn an_intersection_asks_its_cheap_operands_first() {
    let relations = "define parent: [group]
        define up: member from parent
        define one: [user]
        define two: [user] or one
        define far: [group#member]
        define top: member from parent and far and two and one";
    assert_eq!(order(relations), ["one", "two", "from parent", "far"]);
    // Of one price: as they are written.
    let relations = "define a: [user]\ndefine b: [user]\ndefine c: a or b\ndefine top: c and b and a and c";
    assert_eq!(order(relations), ["b", "a", "c", "c"]);
    // What is computed is looked through: 3 reads come before a hop, and that before 9.
    let relations = "define a: [user]
        define three: a or a or a
        define through: three
        define nine: through or three or a or a or a
        define parent: [group]
        define top: nine and member from parent and through";
    assert_eq!(order(relations), ["through", "from parent", "nine"]);
}
