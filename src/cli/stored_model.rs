//! `tenure model write|list|get`: the models of a store.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::client::{Client, Page, StoreArgs};
use super::failure::Failure;
use super::listing::Listing;
use super::model_file::GivenModel;
use super::output::{self, Table};
use super::query::model_id;
use crate::model::ModelId;
use crate::model::limits::PAGE_SIZE_MAX;
use crate::schema::{self, json};

/// Which model to write.
#[derive(Debug, Args)]
pub struct WriteArgs {
    /// The model, in the DSL or as JSON, or the directory of an `fga.mod`; `-` is the standard input
    file: PathBuf,
    /// Print nothing but the id
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
    #[command(flatten)]
    store: StoreArgs,
}

/// Which models to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// Which model to show.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// The model [default: the newest]
    #[arg(value_parser = model_id)]
    id: Option<ModelId>,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Deserialize)]
struct WrittenModel {
    authorization_model_id: String,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    schema_version: String,
    type_definitions: Vec<Value>,
}

#[derive(Deserialize)]
struct ModelPage {
    authorization_models: Vec<Model>,
    continuation_token: String,
}

impl Page for ModelPage {
    fn continuation_token(&self) -> &str {
        &self.continuation_token
    }
}

#[derive(Deserialize)]
struct OneModel {
    authorization_model: Value,
}

impl WriteArgs {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let model = GivenModel::open(&self.file)?.checked()?;
        let path = models_path(&self.store);
        let answer =
            Client::new(&self.store.server).post(&path, &json::to_value(&model, json::Style::Compact))?;
        if self.store.server.json {
            return Ok(output::raw(out, &answer)?);
        }
        let id = answer.read::<WrittenModel>()?.authorization_model_id;
        if self.quiet {
            writeln!(out, "{id}")?
        } else {
            writeln!(out, "model {id} written")?
        }
        Ok(())
    }
}

impl ListArgs {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let client = Client::new(&self.store.server);
        let ask = |token: &str| client.page(&models_path(&self.store), &[], PAGE_SIZE_MAX, token);
        let row = |model: &Model| {
            let types = model.type_definitions.len().to_string();
            [model.id.clone(), model.schema_version.clone(), types]
        };
        let table = Table::new(["ID", "SCHEMA", "TYPES"]);
        let listing =
            Listing { json: self.store.server.json, table, nothing: "no models", store: Some(&self.store) };
        listing.print(out, ask, |page: &ModelPage| page.authorization_models.iter().map(row).collect())
    }
}

impl GetArgs {
    /// Runs the command.
    pub fn run(&self, out: &mut impl Write) -> Result<(), Failure> {
        let client = Client::new(&self.store.server);
        let id = match self.id {
            Some(id) => id.to_string(),
            None => {
                let newest: ModelPage = client.page(&models_path(&self.store), &[], 1, "")?.read()?;
                let newest = newest.authorization_models.into_iter().next();
                newest.ok_or_else(|| Failure::Input(format!("store {} has no model", self.store.store)))?.id
            }
        };
        let answer = client.get(&format!("{}/{id}", models_path(&self.store)), &[])?;
        if self.store.server.json {
            return Ok(output::raw(out, &answer)?);
        }
        let model =
            json::from_value(&answer.read::<OneModel>()?.authorization_model).map_err(|e| e.to_string());
        let text = model.and_then(|model| schema::print(&model).map_err(|error| error.to_string()));
        let text = text.map_err(|reason| {
            Failure::Input(format!("model {id} cannot be shown as text, only with --json: {reason}"))
        })?;
        Ok(write!(out, "# {id}\n{text}")?)
    }
}

fn models_path(store: &StoreArgs) -> String {
    format!("/stores/{}/authorization-models", store.store)
}
