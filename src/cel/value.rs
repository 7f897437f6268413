//! Values at run time: what they are, when they are equal, how they compare.
//!
//! A value is cheap to clone. Numbers of different types are compared as numbers, as CEL has it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::ast::Literal;
use super::ip::IpAddress;
use super::time::Timestamp;

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    /// In nanoseconds.
    Duration(i64),
    Timestamp(Timestamp),
    IpAddress(Arc<IpAddress>),
    List(Arc<[Value]>),
    Map(Arc<Map>),
    Type(TypeName),
}

/// Entries by key. A context's maps have texts as keys.
pub(super) type Map = BTreeMap<Key, Value>;

/// What a map's entry can be found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(DoubleKey),
    String(Arc<str>),
}

/// A number that is not NaN, as bits, with one zero only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DoubleKey(u64);

impl DoubleKey {
    fn new(number: f64) -> Option<Self> {
        (!number.is_nan()).then(|| Self(if number == 0.0 { 0 } else { number.to_bits() }))
    }

    pub(super) fn number(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TypeName {
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    IpAddress,
    List,
    Map,
    Type,
}

impl TypeName {
    const ALL: [(Self, &'static str); 13] = [
        (Self::Null, "null_type"),
        (Self::Bool, "bool"),
        (Self::Int, "int"),
        (Self::Uint, "uint"),
        (Self::Double, "double"),
        (Self::String, "string"),
        (Self::Bytes, "bytes"),
        (Self::Duration, "google.protobuf.Duration"),
        (Self::Timestamp, "google.protobuf.Timestamp"),
        (Self::IpAddress, "IPAddress"),
        (Self::List, "list"),
        (Self::Map, "map"),
        (Self::Type, "type"),
    ];

    /// The type that an expression may call by this name.
    pub(super) fn of_identifier(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, found)| *found == name).map(|(found, _)| *found);
        found.filter(|found| *found != Self::IpAddress)
    }

    pub(super) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(found, _)| *found == self).map_or("", |(_, name)| name)
    }
}

/// Two values that have no order, or whose equality is not defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Incomparable;

impl Value {
    pub(super) fn string(text: &str) -> Self {
        Self::String(text.into())
    }

    pub(super) fn type_name(&self) -> TypeName {
        match self {
            Self::Null => TypeName::Null,
            Self::Bool(_) => TypeName::Bool,
            Self::Int(_) => TypeName::Int,
            Self::Uint(_) => TypeName::Uint,
            Self::Double(_) => TypeName::Double,
            Self::String(_) => TypeName::String,
            Self::Bytes(_) => TypeName::Bytes,
            Self::Duration(_) => TypeName::Duration,
            Self::Timestamp(_) => TypeName::Timestamp,
            Self::IpAddress(_) => TypeName::IpAddress,
            Self::List(_) => TypeName::List,
            Self::Map(_) => TypeName::Map,
            Self::Type(_) => TypeName::Type,
        }
    }

    /// Characters, bytes, elements or entries; 1 of what has no parts.
    pub(super) fn size(&self) -> Option<usize> {
        match self {
            Self::String(text) => Some(text.chars().count()),
            Self::Bytes(bytes) => Some(bytes.len()),
            Self::List(elements) => Some(elements.len()),
            Self::Map(entries) => Some(entries.len()),
            _ => None,
        }
    }

    /// Whether two values are equal. Values of different types are not, except that IP addresses are not comparable to
    /// anything else.
    pub(super) fn equals(&self, other: &Self) -> Result<bool, Incomparable> {
        Ok(match (self, other) {
            (Self::Null, _) | (_, Self::Null) => matches!((self, other), (Self::Null, Self::Null)),
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (
                Self::Int(_) | Self::Uint(_) | Self::Double(_),
                Self::Int(_) | Self::Uint(_) | Self::Double(_),
            ) => self.compare(other) == Ok(Ordering::Equal),
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Duration(a), Self::Duration(b)) => a == b,
            (Self::Timestamp(a), Self::Timestamp(b)) => a.compare(b) == Ordering::Equal,
            (Self::Type(a), Self::Type(b)) => a == b,
            (Self::IpAddress(a), Self::IpAddress(b)) => a == b,
            (Self::IpAddress(_), _) => return Err(Incomparable),
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && all(a.iter().zip(b.iter()).map(|(a, b)| a.equals(b)))?
            }
            (Self::Map(a), Self::Map(b)) => {
                a.len() == b.len()
                    && all(a.iter().map(|(key, a)| find(b, key).map_or(Ok(false), |b| a.equals(b))))?
            }
            _ => false,
        })
    }

    /// The order of two values: of two of the same type, or of two numbers. NaN has none.
    pub(super) fn compare(&self, other: &Self) -> Result<Ordering, Incomparable> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Ok(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Ok(a.cmp(b)),
            (Self::Uint(a), Self::Uint(b)) => Ok(a.cmp(b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b).ok_or(Incomparable),
            (Self::Int(a), Self::Uint(b)) => Ok(i128::from(*a).cmp(&i128::from(*b))),
            (Self::Uint(a), Self::Int(b)) => Ok(i128::from(*a).cmp(&i128::from(*b))),
            (Self::Double(a), Self::Int(b)) => double_to_int(*a, *b),
            (Self::Int(a), Self::Double(b)) => double_to_int(*b, *a).map(Ordering::reverse),
            (Self::Double(a), Self::Uint(b)) => double_to_uint(*a, *b),
            (Self::Uint(a), Self::Double(b)) => double_to_uint(*b, *a).map(Ordering::reverse),
            (Self::String(a), Self::String(b)) => Ok(a.as_bytes().cmp(b.as_bytes())),
            (Self::Bytes(a), Self::Bytes(b)) => Ok(a.cmp(b)),
            (Self::Duration(a), Self::Duration(b)) => Ok(a.cmp(b)),
            (Self::Timestamp(a), Self::Timestamp(b)) => Ok(a.compare(b)),
            _ => Err(Incomparable),
        }
    }

    /// The value as a key, if it can be one.
    pub(super) fn key(&self) -> Option<Key> {
        Some(match self {
            Self::Bool(value) => Key::Bool(*value),
            Self::Int(value) => Key::Int(*value),
            Self::Uint(value) => Key::Uint(*value),
            Self::Double(value) => Key::Double(DoubleKey::new(*value)?),
            Self::String(value) => Key::String(Arc::clone(value)),
            _ => return None,
        })
    }
}

impl From<&Key> for Value {
    fn from(key: &Key) -> Self {
        match key {
            Key::Bool(value) => Self::Bool(*value),
            Key::Int(value) => Self::Int(*value),
            Key::Uint(value) => Self::Uint(*value),
            Key::Double(value) => Self::Double(value.number()),
            Key::String(value) => Self::String(Arc::clone(value)),
        }
    }
}

impl From<&Literal> for Value {
    fn from(literal: &Literal) -> Self {
        match literal {
            Literal::Null => Self::Null,
            Literal::Bool(value) => Self::Bool(*value),
            Literal::Int(value) => Self::Int(*value),
            Literal::Uint(value) => Self::Uint(*value),
            Literal::Double(value) => Self::Double(*value),
            Literal::String(value) => Self::string(value),
            Literal::Bytes(value) => Self::Bytes((&**value).into()),
        }
    }
}

/// The entry of a key; that of the same number in another type if there is none.
pub(super) fn find<'a>(map: &'a Map, key: &Key) -> Option<&'a Value> {
    map.get(key).or_else(|| same_numbers(key).into_iter().flatten().find_map(|key| map.get(&key)))
}

/// The keys of other types that are the same number exactly.
pub(super) fn same_numbers(key: &Key) -> [Option<Key>; 2] {
    match key {
        Key::Int(number) => [u64::try_from(*number).ok().map(Key::Uint), None],
        Key::Uint(number) => [i64::try_from(*number).ok().map(Key::Int), None],
        Key::Double(double) => {
            let number = double.number();
            [double_as_int(number).map(Key::Int), double_as_uint(number).map(Key::Uint)]
        }
        Key::Bool(_) | Key::String(_) => [None, None],
    }
}

/// 2⁶³, the first number that is no `int`.
const INT_END: f64 = 9_223_372_036_854_775_808.0;
/// 2⁶⁴, the first number that is no `uint`.
const UINT_END: f64 = 18_446_744_073_709_551_616.0;

/// The whole part of a number, if it is an `int`.
pub(super) fn truncate_to_int(number: f64) -> Option<i64> {
    // cel-go leaves out the smallest one too.
    (number > -INT_END && number < INT_END).then_some(number as i64)
}

/// The whole part of a number, if it is a `uint`.
pub(super) fn truncate_to_uint(number: f64) -> Option<u64> {
    (0.0..UINT_END).contains(&number).then_some(number as u64)
}

/// The number, if it is an `int` exactly.
pub(super) fn double_as_int(number: f64) -> Option<i64> {
    truncate_to_int(number).filter(|int| *int as f64 == number)
}

/// The number, if it is a `uint` exactly.
pub(super) fn double_as_uint(number: f64) -> Option<u64> {
    truncate_to_uint(number).filter(|uint| *uint as f64 == number)
}

fn double_to_int(double: f64, int: i64) -> Result<Ordering, Incomparable> {
    if double < -INT_END {
        return Ok(Ordering::Less);
    }
    if double > INT_END {
        return Ok(Ordering::Greater);
    }
    double.partial_cmp(&(int as f64)).ok_or(Incomparable)
}

fn double_to_uint(double: f64, uint: u64) -> Result<Ordering, Incomparable> {
    if double < 0.0 {
        return Ok(Ordering::Less);
    }
    if double > UINT_END {
        return Ok(Ordering::Greater);
    }
    double.partial_cmp(&(uint as f64)).ok_or(Incomparable)
}

/// Whether all hold; the first that does not decides.
fn all(results: impl Iterator<Item = Result<bool, Incomparable>>) -> Result<bool, Incomparable> {
    let mut undefined = false;
    for result in results {
        match result {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(Incomparable) => undefined = true,
        }
    }
    if undefined { Err(Incomparable) } else { Ok(true) }
}
