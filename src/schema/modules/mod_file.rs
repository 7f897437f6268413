//! `fga.mod`: the list of the files that make up a modular model.
//!
//! The format is OpenFGA's: YAML with `schema: '1.2'` and `contents`, a list of paths. A path is relative to the file's
//! directory and can never lead out of it. Other fields are ignored, as OpenFGA's tools do.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location as YamlLocation, Spanned};

use crate::model::limits;
use crate::schema::diagnostic::{Diagnostic, Diagnostics};
use crate::schema::source::Location;
use crate::schema::syntax::quote;

/// What the file is called.
pub const MOD_FILE_NAME: &str = "fga.mod";

/// The one version of the language that has modules.
const SCHEMA_VERSION: &str = "1.2";
/// What a module's file is called at the end.
const FILE_ENDING: &str = ".fga";

/// An `fga.mod` that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModFile {
    text: Box<str>,
    contents: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    path: Box<str>,
    location: Location,
}

impl ModFile {
    /// Reads the text of an `fga.mod`.
    ///
    /// # Errors
    /// All errors found; where the text is no YAML, that alone.
    pub fn parse(text: &str) -> Result<Self, Diagnostics> {
        if text.len() > limits::MOD_FILE_BYTES_MAX {
            let (bytes, max) = (text.len(), limits::MOD_FILE_BYTES_MAX);
            let message = format!("the text is {bytes} bytes long; at most {max} are read");
            return Err(Diagnostics::new("", vec![Diagnostic::new(Location::default(), message, None)]));
        }
        let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
        let raw = serde_saphyr::from_str_with_options::<Raw>(text, options)
            .map_err(|error| Diagnostics::new(text, vec![syntax_error(text, &error)]))?;
        let mut reader = Reader { text, found: Vec::new() };
        reader.schema(raw.schema);
        let contents = reader.contents(raw.contents);
        if reader.found.is_empty() {
            Ok(Self { text: text.into(), contents })
        } else {
            Err(Diagnostics::new(text, reader.found))
        }
    }

    /// The paths of the files, in the order of the list, none twice; at least one and at most
    /// [`limits::MODULE_FILES_MAX`]. Their parts are separated by `/`, and none is `..`.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.contents.iter().map(|entry| &*entry.path)
    }

    /// Says of files of the list, by their places in [`paths`](Self::paths), what is wrong with them. `None` where
    /// nothing is said.
    #[must_use]
    pub fn refuse(&self, files: impl IntoIterator<Item = (usize, String)>) -> Option<Diagnostics> {
        let told = |(index, message): (usize, String)| {
            let location = self.contents.get(index).map(|entry| entry.location.clone()).unwrap_or_default();
            Diagnostic::new(location, message, None)
        };
        let found: Vec<_> = files.into_iter().map(told).collect();
        (!found.is_empty()).then(|| Diagnostics::new(&self.text, found))
    }
}

#[derive(serde::Deserialize)]
struct Raw {
    schema: Option<Spanned<Node>>,
    contents: Option<Spanned<Node>>,
}

/// Any YAML, as far as it has to be told apart.
enum Node {
    Text(String),
    List(Vec<Spanned<Node>>),
    /// What it is, in words.
    Other(String),
}

impl Node {
    fn describe(&self) -> String {
        match self {
            Self::Text(text) => format!("the text {}", quote(text)),
            Self::List(_) => "a list".into(),
            Self::Other(described) => described.clone(),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.into()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Other(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Other(format!("the number {value}")))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Other(format!("the number {value}")))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Other(format!("the number {value}")))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Other("nothing".into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Node::Other("a map".into()))
    }
}

struct Reader<'a> {
    text: &'a str,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn tell(&mut self, location: Location, message: String, help: Option<&str>) {
        self.found.push(Diagnostic::new(location, message, help.map(Into::into)));
    }

    fn schema(&mut self, node: Option<Spanned<Node>>) {
        let help = Some("write `schema: '1.2'`");
        let Some(node) = node else {
            return self.tell(Location::default(), "the field `schema` is missing".into(), help);
        };
        let location = locate(self.text, node.referenced);
        match node.value {
            Node::Text(version) if version == SCHEMA_VERSION => {}
            Node::Text(version) => {
                let message = format!("the schema version {} has no modules", quote(&version));
                self.tell(location, message, help);
            }
            other => {
                let message = format!("`schema` is {}; expected a text", other.describe());
                self.tell(location, message, help);
            }
        }
    }

    fn contents(&mut self, node: Option<Spanned<Node>>) -> Vec<Entry> {
        let help = Some("list the files that make up the model, one in each line: `  - core.fga`");
        let Some(node) = node else {
            self.tell(Location::default(), "the field `contents` is missing".into(), help);
            return Vec::new();
        };
        let location = locate(self.text, node.referenced);
        let items = match node.value {
            Node::List(items) => items,
            other => {
                let message = format!("`contents` is {}; expected a list of files", other.describe());
                self.tell(location, message, help);
                return Vec::new();
            }
        };
        if items.is_empty() {
            self.tell(location.clone(), "`contents` lists no file".into(), help);
        }
        if items.len() > limits::MODULE_FILES_MAX {
            let (count, max) = (items.len(), limits::MODULE_FILES_MAX);
            self.tell(location, format!("`contents` lists {count} files; at most {max} are read"), None);
            return Vec::new();
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(items.len());
        for item in items {
            let location = locate(self.text, item.referenced);
            match path(&item.value) {
                Ok(path) if entries.iter().any(|earlier| earlier.path == path) => {
                    self.tell(location, format!("the file {} is listed twice", quote(&path)), None);
                }
                Ok(path) => entries.push(Entry { path, location }),
                Err(message) => self.tell(location, message, None),
            }
        }
        entries
    }
}

/// The path that an entry of the list names, as OpenFGA's tools understand it: percent signs are decoded, and a
/// backslash separates as a slash does.
fn path(node: &Node) -> Result<Box<str>, String> {
    let Node::Text(written) = node else {
        return Err(format!("expected the path of a file, found {}", node.describe()));
    };
    let quoted = quote(written);
    let decoded =
        percent_decoded(written).ok_or_else(|| format!("the path {quoted} has a wrong percent code"))?;
    let path = decoded.replace('\\', "/");
    if path.starts_with('/') {
        return Err(format!(
            "the path {quoted} is absolute; expected one relative to the directory of `fga.mod`"
        ));
    }
    let parts: Vec<&str> = path.split('/').filter(|part| *part != ".").collect();
    if parts.contains(&"..") {
        return Err(format!(
            "the path {quoted} leads upwards; expected a file below the directory of `fga.mod`"
        ));
    }
    if !path.ends_with(FILE_ENDING) {
        return Err(format!("the file {quoted} does not end in `{FILE_ENDING}`"));
    }
    Ok(parts.join("/").into())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        // `from_str_radix` would take a sign too.
        let code = part.get(..2).filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

fn syntax_error(text: &str, error: &serde_saphyr::Error) -> Diagnostic {
    let at = error.location().unwrap_or(YamlLocation::UNKNOWN);
    // The message says the place, which a diagnostic has apart from it.
    let repeated = format!(" at line {}, column {}", at.line(), at.column());
    Diagnostic::new(locate(text, at), error.to_string().replace(&repeated, ""), None)
}

/// A place of the YAML reader, cut to its first line.
fn locate(text: &str, at: YamlLocation) -> Location {
    if at == YamlLocation::UNKNOWN {
        return Location::default();
    }
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let line = number(at.line()).saturating_sub(1);
    let first = number(at.column()).saturating_sub(1);
    let line_start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let line_text = text.get(line_start..).unwrap_or_default().split(['\r', '\n']).next().unwrap_or_default();
    let before: usize = line_text.chars().take(first).map(char::len_utf8).sum();
    let here = line_text.get(before..).unwrap_or_default();
    let width = number(at.span().len());
    let length: usize = here.chars().take(width).map(char::len_utf8).sum();
    let start = line_start + before;
    Location { bytes: start..start + length, line, columns: first..first + width }
}
