//! The files of scenarios as they are written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What every scenario begins with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Sentences that are played before every scenario.
    pub world: Vec<String>,
    /// Sentences under a name, which stands for them in `given`.
    pub stories: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenarios {
    scenarios: Vec<Scenario>,
}

/// One example of the rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows.
    pub name: String,
    /// The rules that it proves: R1, R2.
    pub rules: Vec<String>,
    /// Sentences and names of stories; all of them must succeed.
    #[serde(default)]
    pub given: Vec<String>,
    /// What happens then.
    pub steps: Vec<Step>,
}

/// Something that happens, and what is then. Every field may be absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Sets the clock before: `+3d` from where it stands, or an instant.
    pub at: Option<String>,
    /// Who does what: a sentence.
    pub when: Option<String>,
    /// Goes into the request's body beside what the sentence says; a text is the whole body as it is.
    pub with: Option<Value>,
    /// What comes of it: `ok`, a status, or a status and a code. Where it is refused the runner sees to it that the revision
    /// has not moved.
    pub then: Option<Value>,
    /// The answer: each field that is named has this value. A list has these entries and no others, in any order. `…` is
    /// anything but null. A name behind `$` is the id that goes by it.
    pub answer: Option<Value>,
    /// By resource and user: all job roles that the user now has, apart from those that these include; `none`; or both
    /// siblings, `technical_manager + asset_manager`.
    #[serde(default)]
    pub roles: BTreeMap<String, BTreeMap<String, String>>,
    /// Single checks by the ordinary route, such as `anna can_share park:p1`.
    #[serde(default)]
    pub checks: BTreeMap<String, bool>,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = directory().join(format!("{name}.yaml"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl World {
    pub fn read() -> Self {
        read("world")
    }
}

/// The scenarios of one file.
pub fn scenarios(name: &str) -> Vec<Scenario> {
    read::<Scenarios>(name).scenarios
}

/// The names of the files that are there.
pub fn names() -> Vec<String> {
    let files = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let yaml = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    yaml.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}
