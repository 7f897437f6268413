//! `tenure expand`: who makes up a relation, one level deep, drawn as a tree.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::client::{Client, StoreArgs};
use super::failure::Failure;
use super::output::{self, Branch, Terms};

/// Show what a relation of an object is made of, one level deep
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tenure expand viewer park:p1
  tenure expand partner cooperation:c1 --include-inactive")]
pub struct ExpandArgs {
    /// Which relation
    relation: String,
    /// Of what, `type:id`
    object: String,
    /// Also tuples that are paused or have expired
    #[arg(long)]
    include_inactive: bool,
    /// Answer from this revision, as a write has answered it, or a newer one; a server that has not reached it waits a moment
    #[arg(long, value_name = "N")]
    at_least_revision: Option<u64>,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Deserialize)]
struct ExpandAnswer {
    tree: Tree,
}

#[derive(Deserialize)]
struct Tree {
    root: Node,
}

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    name: String,
    #[serde(flatten)]
    value: NodeValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum NodeValue {
    Leaf(Leaf),
    Union(Nodes),
    Intersection(Nodes),
    Difference { base: Box<Node>, subtract: Box<Node> },
}

#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Leaf {
    Users(Users),
    Computed(Computed),
    TupleToUserset { tupleset: String, computed: Vec<Computed> },
}

#[derive(Deserialize)]
struct Users {
    users: Vec<String>,
    /// Of those that have one.
    #[serde(default)]
    lifetimes: BTreeMap<String, Terms>,
}

#[derive(Deserialize)]
struct Computed {
    userset: String,
}

impl ExpandArgs {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let path = format!("/stores/{}/expand", self.store.store);
        let mut request = json!({ "tuple_key": { "relation": self.relation, "object": self.object } });
        if let Some(revision) = self.at_least_revision
            && let Some(fields) = request.as_object_mut()
        {
            fields.insert("at_least_revision".to_owned(), revision.into());
        }
        if let (true, Some(fields)) = (self.include_inactive, request.as_object_mut()) {
            fields.insert("include_inactive".to_owned(), true.into());
        }
        let answer = Client::new(&self.store.server).post(&path, &request)?;
        if self.store.server.json {
            return Ok(output::raw(out, &answer)?);
        }
        let ExpandAnswer { tree } = answer.read()?;
        Ok(tree.root.draw(out)?)
    }
}

impl Node {
    /// Draws the tree below the relation's name. The nodes inside have the same name, which is not said again.
    fn draw(&self, out: &mut impl Write) -> io::Result<()> {
        Branch { label: self.name.clone(), children: vec![branch(self)] }.draw(out)
    }
}

impl Users {
    fn describe(&self, user: &str) -> String {
        match self.lifetimes.get(user).map(Terms::describe) {
            Some(terms) if !terms.is_empty() => format!("{user} ({terms})"),
            _ => user.to_owned(),
        }
    }
}

/// A node as one branch, so that what stands together under an operator stays together.
fn branch(node: &Node) -> Branch {
    match &node.value {
        NodeValue::Leaf(Leaf::Users(leaf)) => match leaf.users.as_slice() {
            [] => Branch::leaf("(nobody)"),
            [user] => Branch::leaf(leaf.describe(user)),
            users => operator("any of", users.iter().map(|user| Branch::leaf(leaf.describe(user)))),
        },
        NodeValue::Leaf(Leaf::Computed(Computed { userset })) => reference(userset),
        NodeValue::Leaf(Leaf::TupleToUserset { tupleset, computed }) if computed.is_empty() => {
            Branch::leaf(format!("(nothing in {tupleset})"))
        }
        NodeValue::Leaf(Leaf::TupleToUserset { tupleset, computed }) => operator(
            &format!("through {tupleset}"),
            computed.iter().map(|Computed { userset }| reference(userset)),
        ),
        NodeValue::Union(Nodes { nodes }) => operator("any of", nodes.iter().map(branch)),
        NodeValue::Intersection(Nodes { nodes }) => operator("all of", nodes.iter().map(branch)),
        NodeValue::Difference { base, subtract } => {
            operator("all of", [branch(base), operator("not", [branch(subtract)].into_iter())].into_iter())
        }
    }
}

fn operator(label: &str, children: impl Iterator<Item = Branch>) -> Branch {
    Branch { label: label.to_owned(), children: children.collect() }
}

/// Another relation, which is not followed here.
fn reference(userset: &str) -> Branch {
    Branch::leaf(format!("→ {userset}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_node_is_drawn() {
        let answer = r#"{"tree":{"root":{"name":"park:p1#viewer","union":{"nodes":[
            {"name":"park:p1#viewer","leaf":{"users":{"users":["group:eng#member","user:anne"],
                "lifetimes":{"user:anne":{"expires_at":null,"paused":true}}}}},
            {"name":"park:p1#viewer","leaf":{"computed":{"userset":"park:p1#operator"}}},
            {"name":"park:p1#viewer","intersection":{"nodes":[
                {"name":"park:p1#viewer","leaf":{"users":{"users":["user:bert"]}}},
                {"name":"park:p1#viewer","leaf":{"tupleToUserset":{"tupleset":"park:p1#owner",
                    "computed":[{"userset":"organization:o#member"}]}}}]}},
            {"name":"park:p1#viewer","difference":{
                "base":{"name":"park:p1#viewer","leaf":{"users":{"users":[]}}},
                "subtract":{"name":"park:p1#viewer","leaf":{"tupleToUserset":
                    {"tupleset":"park:p1#portfolio","computed":[]}}}}}]}}}}"#;
        let ExpandAnswer { tree } = serde_json::from_str(answer).unwrap();
        let mut drawn = Vec::new();
        tree.root.draw(&mut drawn).unwrap();
        assert_eq!(
            String::from_utf8(drawn).unwrap(),
            "\
park:p1#viewer
└─ any of
   ├─ any of
   │  ├─ group:eng#member
   │  └─ user:anne (paused)
   ├─ → park:p1#operator
   ├─ all of
   │  ├─ user:bert
   │  └─ through park:p1#owner
   │     └─ → organization:o#member
   └─ all of
      ├─ (nobody)
      └─ not
         └─ (nothing in park:p1#portfolio)
"
        );
    }
}
