//! The store that is loaded: made and filled, or one that exists.

use serde::Deserialize;
use serde_json::{Value, json};

use super::requests::given;
use crate::cli::client::{Client, ClientError, persistently};
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::workload::{DataSet, Tuple};
use crate::cli::{parallel, progress};
use crate::model::limits::TUPLES_PER_WRITE_MAX;
use crate::model::{Clock as _, ModelId, StoreId, SystemClock};
use crate::schema;

/// Requests that are under way at once while data is written.
const WRITERS: usize = 8;

/// The store to load.
#[derive(Debug, Clone, Copy)]
pub struct Loaded {
    /// The store.
    pub store: StoreId,
    /// The model that requests name.
    pub model: ModelId,
}

#[derive(Deserialize)]
struct CreatedStore {
    id: String,
}

#[derive(Deserialize)]
struct WrittenModel {
    authorization_model_id: String,
}

#[derive(Deserialize)]
struct ModelPage {
    authorization_models: Vec<ListedModel>,
}

#[derive(Deserialize)]
struct ListedModel {
    id: String,
}

/// Makes a store.
pub fn create_store(client: &Client) -> Result<StoreId, Failure> {
    let answer = client.post("/stores", &json!({ "name": "load" }))?;
    id(&answer.read::<CreatedStore>()?.id)
}

/// Writes the model of the data.
pub fn write_model(client: &Client, store: StoreId, data: &DataSet) -> Result<ModelId, Failure> {
    let model = schema::parse(data.model()).map_err(|error| Failure::Input(format!("{error:?}")))?;
    let body = schema::json::to_value(&model, schema::json::Style::Compact);
    let answer = client.post(&format!("/stores/{store}/authorization-models"), &body)?;
    id(&answer.read::<WrittenModel>()?.authorization_model_id)
}

/// The newest model of a store.
pub fn newest_model(client: &Client, store: StoreId) -> Result<ModelId, Failure> {
    let path = format!("/stores/{store}/authorization-models");
    let page: ModelPage = client.get(&path, &[("page_size", Some("1"))])?.read()?;
    match page.authorization_models.first() {
        Some(model) => id(&model.id),
        None => {
            Err(Failure::Input(format!("store {store} has no model; without --skip-write it is given one")))
        }
    }
}

fn id<T: std::str::FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::Input(format!("the server named something `{text}`, which is no id")))
}

/// How tuples are written.
#[derive(Debug, Clone, Copy)]
pub struct Writing {
    /// With their lifetimes; otherwise those that do not count are left out, which answers the same.
    pub lifetimes: bool,
    /// Tuples that exist stay as they are.
    pub again: bool,
}

/// Writes the tuples of the data; answers how many. An interruption ends it.
pub fn write_tuples(
    client: &Client,
    loaded: Loaded,
    data: &DataSet,
    writing: Writing,
    interrupt: &Interrupt,
) -> Result<u64, Failure> {
    let now = SystemClock.now();
    let counts = |tuple: &Tuple| writing.lifetimes || tuple.lifetime.is_live(now);
    let all = data.tuples().filter(counts).count() as u64;
    let bar = progress::bar("writing tuples", Some(all));
    let mut tuples = data.tuples().filter(counts);
    let batches = std::iter::from_fn(|| {
        let batch: Vec<Tuple> = tuples.by_ref().take(TUPLES_PER_WRITE_MAX).collect();
        (!batch.is_empty() && !interrupt.has_come()).then_some(Ok(batch))
    });
    let path = format!("/stores/{}/write", loaded.store);
    parallel::each(batches, WRITERS, |batch: Vec<Tuple>| {
        let count = batch.len() as u64;
        let keys: Vec<Value> =
            batch.into_iter().map(|tuple| given(tuple, writing.lifetimes).json().into()).collect();
        let mut writes = json!({ "tuple_keys": keys });
        if writing.again
            && let Some(writes) = writes.as_object_mut()
        {
            writes.insert("on_duplicate".to_owned(), "ignore".into());
        }
        let body = json!({ "writes": writes, "authorization_model_id": loaded.model.to_string() });
        persistently(is_busy, || client.post(&path, &body))?;
        bar.inc(count);
        Ok::<_, Failure>(())
    })?;
    bar.finish_and_clear();
    Ok(all)
}

fn is_busy(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused { status: 429, .. })
}
