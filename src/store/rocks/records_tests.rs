//! Pins the bytes of every record: if one of these fails, what is on disks out there can no longer be read.

use super::super::super::StoreInfo;
use super::super::super::batch::TupleChange;
use super::super::super::documents::{DocumentChange, DocumentKey};
use super::*;
use crate::model::{
    AssertedTuple, Condition, ConditionParameter, Lifetime, ModelId, Origin, ParameterType,
    RelationDefinition, RestrictionKind, Revision, Rewrite, SchemaVersion, StoreId, TupleCondition, TupleKey,
    TypeDefinition, TypeRestriction,
};

fn at(micros: i64) -> Instant {
    Instant::from_unix_micros(micros).unwrap()
}

/// The bytes are these, and they are read as the record.
fn check<T: PartialEq + std::fmt::Debug>(
    record: &T,
    encoded: Vec<u8>,
    decode: impl Fn(&[u8]) -> Result<T, StoreError>,
    golden: &[u8],
) {
    assert_eq!(encoded.escape_ascii().to_string(), golden.escape_ascii().to_string());
    assert_eq!(decode(golden).unwrap(), *record);
    for end in 0..golden.len() {
        assert!(matches!(decode(&golden[..end]), Err(StoreError::Corrupt { .. })), "cut at {end}");
    }
    let longer = [golden, &[0]].concat();
    assert!(matches!(decode(&longer), Err(StoreError::Corrupt { .. })));
    let newer = golden[0] + 1;
    let unknown = format!("version {newer} is unknown");
    let newer = [&[newer], &golden[1..]].concat();
    assert!(decode(&newer).unwrap_err().to_string().contains(&unknown));
}

fn plain_record() -> TupleRecord {
    TupleRecord { lifetime: Lifetime::default(), condition: None, written_at: at(1) }
}

fn full_record() -> TupleRecord {
    TupleRecord {
        lifetime: Lifetime { expires_at: Some(at(1_700_000_000_000_000)), paused: true },
        condition: Some(TupleCondition { name: "office_hours".into(), context: "{\"a\":1}".into() }),
        written_at: at(-1),
    }
}

#[test]
fn the_bytes_of_a_tuple_are_these() {
    let check = |record: TupleRecord, golden| {
        check(&record, encode_tuple(&record).unwrap(), decode_tuple, golden);
    };
    check(plain_record(), b"\x01\x00\x00\x00\x02");
    check(full_record(), b"\x01\x01\xfd\x00\x80<0H\x14\x0c\x00\x01\x01\x0coffice_hours\x07{\"a\":1}\x01");
}

fn commit(assertions: Option<(ModelId, Vec<Assertion>)>) -> LogEntry {
    LogEntry {
        at: at(3),
        actor: Some("anne".into()),
        changes: vec![
            TupleChange {
                key: TupleKey::parse("document:1", "viewer", "group:eng#member").unwrap(),
                before: Some(plain_record()),
                after: None,
            },
            TupleChange {
                key: TupleKey::parse("document:1", "viewer", "user:*").unwrap(),
                before: None,
                after: Some(plain_record()),
            },
            TupleChange {
                key: TupleKey::parse("document:1", "viewer", "user:a").unwrap(),
                before: None,
                after: Some(plain_record()),
            },
        ],
        model: Some((ModelId::from_bits(7), empty_model())),
        assertions,
        documents: Vec::new(),
    }
}

/// Everything of a commit behind its version and before its assertions.
const COMMIT: &[u8] = b"\x06\x01\x04anne\x03\
    \x08document\x011\x06viewer\x02\x05group\x03eng\x06member\x01\x00\x00\x00\x02\x00\
    \x08document\x011\x06viewer\x01\x04user\x00\x01\x00\x00\x00\x02\
    \x08document\x011\x06viewer\x00\x04user\x01a\x00\x01\x00\x00\x00\x02\
    \x01\x07\x00\x00\x00";

#[test]
fn the_bytes_of_a_commit_are_these() {
    let check = |entry: LogEntry, golden: &[u8]| {
        check(&entry, encode_commit(&entry).unwrap(), decode_commit, golden);
        assert_eq!(decode_commit_instant(golden).unwrap(), at(3));
    };
    check(commit(None), &[b"\x03", COMMIT, b"\x00\x00"].concat());
    let assertions = Some((ModelId::from_bits(7), vec![plain_assertion()]));
    check(commit(assertions), &[b"\x03", COMMIT, b"\x01\x07\x01", PLAIN_ASSERTION, b"\x00"].concat());
    let documents = vec![
        DocumentChange { key: DocumentKey::new("user", ["a", "b"]), value: Some(b"{}"[..].into()) },
        DocumentChange { key: DocumentKey::new("user", []), value: None },
    ];
    let golden = [b"\x03", COMMIT, b"\x00\x02\x04user\x04a\0b\0\x01\x02{}\x04user\x00\x00"].concat();
    check(LogEntry { documents, ..commit(None) }, &golden);
}

#[test]
fn the_bytes_of_a_document_and_of_an_entry_are_these() {
    let value: Box<[u8]> = b"{}"[..].into();
    check(&value, encode_document(&value).unwrap(), decode_document, b"\x01\x02{}");
    let row = JournalRow { at: at(3), revision: Revision(7), value };
    check(&row, encode_entry(&row).unwrap(), decode_entry, b"\x01\x06\x07\x02{}");
}

#[test]
fn a_commit_of_version_2_is_read_still() {
    let bytes = [b"\x02", COMMIT, b"\x00"].concat();
    assert_eq!(decode_commit(&bytes).unwrap(), commit(None));
    assert_eq!(decode_commit_instant(&bytes).unwrap(), at(3));
    assert!(decode_commit(&[&bytes, &b"\x00"[..]].concat()).is_err());
}

#[test]
fn a_commit_of_version_1_is_read_still() {
    let bytes = [b"\x01", COMMIT].concat();
    assert_eq!(decode_commit(&bytes).unwrap(), commit(None));
    assert_eq!(decode_commit_instant(&bytes).unwrap(), at(3));
    assert!(decode_commit(&[&bytes, &b"\x00"[..]].concat()).is_err());
}

fn plain_assertion() -> Assertion {
    let key = TupleKey::parse("document:1", "viewer", "user:a").unwrap();
    Assertion { key, expected: true, contextual_tuples: Vec::new(), context: None }
}

const PLAIN_ASSERTION: &[u8] = b"\x08document\x011\x06viewer\x00\x04user\x01a\x01\x00\x00";

#[test]
fn the_bytes_of_assertions_are_these() {
    let TupleRecord { lifetime, condition, .. } = full_record();
    let key = TupleKey::parse("document:1", "viewer", "user:*").unwrap();
    let full = Assertion {
        expected: false,
        contextual_tuples: vec![AssertedTuple { key, lifetime, condition }],
        context: Some("{\"x\":1}".into()),
        ..plain_assertion()
    };
    let assertions = vec![plain_assertion(), full];
    let golden = [
        b"\x01\x02",
        PLAIN_ASSERTION,
        b"\x08document\x011\x06viewer\x00\x04user\x01a\x00\
        \x01\x08document\x011\x06viewer\x01\x04user\x01\xfd\x00\x80<0H\x14\x0c\x00\x01\x01\x0coffice_hours\x07{\"a\":1}\
        \x01\x07{\"x\":1}",
    ]
    .concat();
    check(&assertions, encode_assertions(&assertions).unwrap(), decode_assertions, &golden);
}

fn empty_model() -> AuthorizationModel {
    AuthorizationModel { schema_version: SchemaVersion::V1_1, types: Vec::new(), conditions: Vec::new() }
}

#[test]
fn the_bytes_of_a_model_are_these() {
    let origin = Origin { module: Some("core".into()), file: Some("core.fga".into()) };
    let restriction = |type_name: &str, kind, condition: Option<&str>| TypeRestriction {
        type_name: type_name.into(),
        kind,
        condition: condition.map(Into::into),
    };
    let rewrite = Rewrite::Union(vec![
        Rewrite::This,
        Rewrite::Computed("editor".into()),
        Rewrite::TupleToUserset { tupleset: "parent".into(), computed: "viewer".into() },
        Rewrite::Intersection(vec![Rewrite::Difference {
            base: Box::new(Rewrite::This),
            subtract: Box::new(Rewrite::Computed("blocked".into())),
        }]),
    ]);
    let parameter = |name: &str, parameter_type| ConditionParameter { name: name.into(), parameter_type };
    let model = AuthorizationModel {
        schema_version: SchemaVersion::V1_2,
        types: vec![TypeDefinition {
            name: "document".into(),
            relations: vec![RelationDefinition {
                name: "viewer".into(),
                rewrite,
                restrictions: vec![
                    restriction("user", RestrictionKind::Object, Some("c")),
                    restriction("user", RestrictionKind::Wildcard, None),
                    restriction("group", RestrictionKind::Userset("member".into()), None),
                ],
                origin: Origin::default(),
            }],
            origin: origin.clone(),
        }],
        conditions: vec![Condition {
            name: "c".into(),
            expression: "x < y".into(),
            parameters: vec![
                parameter("x", ParameterType::Any),
                parameter("b", ParameterType::Bool),
                parameter("s", ParameterType::String),
                parameter("i", ParameterType::Int),
                parameter("u", ParameterType::Uint),
                parameter("d", ParameterType::Double),
                parameter("t", ParameterType::Duration),
                parameter("y", ParameterType::Timestamp),
                parameter("p", ParameterType::IpAddress),
                parameter("m", ParameterType::Map(Box::new(ParameterType::Int))),
                parameter("l", ParameterType::List(Box::new(ParameterType::String))),
            ],
            origin: Origin::default(),
        }],
    };
    let golden: &[u8] = b"\x01\x01\
        \x01\x08document\
        \x01\x06viewer\x03\x04\x00\x01\x06editor\x02\x06parent\x06viewer\x04\x01\x05\x00\x01\x07blocked\
        \x03\x04user\x00\x01\x01c\x04user\x01\x00\x05group\x02\x06member\x00\x00\x00\
        \x01\x04core\x01\x08core.fga\
        \x01\x01c\x05x < y\x0b\
        \x01x\x00\x01b\x01\x01s\x02\x01i\x03\x01u\x04\x01d\x05\x01t\x06\x01y\x07\x01p\x08\x01m\x09\x03\x01l\x0a\x02\
        \x00\x00";
    check(&model, encode_model(&model).unwrap(), decode_model, golden);
}

#[test]
fn the_bytes_of_a_store_are_these() {
    let state = StoreState {
        info: StoreInfo {
            id: StoreId::from_bits(9),
            name: "prod".into(),
            created_at: at(1),
            updated_at: at(2),
        },
        revision: Revision(300),
        newest_model: Some(ModelId::from_bits(7)),
        epoch: 5,
    };
    check(
        &state,
        encode_state(&state).unwrap(),
        decode_state,
        b"\x01\x09\x04prod\x02\x04\xfb\x2c\x01\x01\x07\x05",
    );
}

#[test]
fn the_bytes_of_what_is_there_once_are_these() {
    let counters = Counters { last_store: Some(StoreId::from_bits(9)), last_epoch: 4 };
    check(&counters, encode_counters(counters).unwrap(), decode_counters, b"\x01\x01\x09\x04");
    check(&at(5), encode_clock(at(5)).unwrap(), decode_clock, b"\x01\x0a");
    check(&Id::from_bits(9), encode_identity(Id::from_bits(9)).unwrap(), decode_identity, b"\x01\x09");
    assert_eq!(encode_format(1), *b"\0\0\0\x01");
    assert_eq!(decode_format(b"\0\0\x01\x02").unwrap(), 258);
    assert!(decode_format(b"\x01").is_err());
}

#[test]
fn an_instant_out_of_its_bounds_is_refused() {
    // Behind the year 9999.
    let late = bincode::serde::encode_to_vec(253_402_300_800_000_000_i64, CONFIG).unwrap();
    let clock = [&[VERSION], late.as_slice()].concat();
    assert!(matches!(decode_clock(&clock), Err(StoreError::Corrupt { what: "clock", .. })));
    let expires = [&[VERSION, 1], late.as_slice(), &[0, 0, 2]].concat();
    assert!(decode_tuple(&expires).is_err());
    let asserted = &PLAIN_ASSERTION[..PLAIN_ASSERTION.len() - 2];
    let tuple = &PLAIN_ASSERTION[..PLAIN_ASSERTION.len() - 3];
    let expires = [&[VERSION, 1], asserted, &[1], tuple, &[1], &late, &[0, 0, 0]].concat();
    let error = decode_assertions(&expires).unwrap_err().to_string();
    assert!(error.contains("an instant lies outside"), "{error}");
}

#[test]
fn a_broken_length_takes_no_memory() {
    // A tuple with a condition whose name is said to have 2^62 bytes.
    let broken = [&[VERSION, 0, 0, 1, 0xfd], &(1_u64 << 62).to_le_bytes()[..]].concat();
    assert!(matches!(decode_tuple(&broken), Err(StoreError::Corrupt { .. })));
}
