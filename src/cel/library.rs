//! The functions and operators that a condition may use, with the types that they take: CEL's standard library and
//! OpenFGA's two for IP addresses.

/// A function, whatever types it is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Not,
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    In,
    Index,
    Size,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    ToBool,
    ToBytes,
    ToDouble,
    ToDuration,
    ToDyn,
    ToInt,
    ToString,
    ToTimestamp,
    ToType,
    ToUint,
    FullYear,
    Month,
    DayOfYear,
    DayOfMonth,
    Date,
    DayOfWeek,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
    ToIpAddress,
    InCidr,
}

impl Function {
    /// Whether the one overload that fits an expression's types is the one that is used, whatever the values turn out
    /// to be. Else they decide.
    pub(super) fn is_bound_by_types(self) -> bool {
        (self.is_conversion() && !matches!(self, Self::ToDyn | Self::ToType))
            || matches!(
                self,
                Self::FullYear
                    | Self::Month
                    | Self::DayOfYear
                    | Self::DayOfMonth
                    | Self::Date
                    | Self::DayOfWeek
                    | Self::Hours
                    | Self::Minutes
                    | Self::Seconds
                    | Self::Milliseconds
            )
    }

    /// Whether it converts a value. Of a constant, that is done when the condition is compiled.
    pub(super) fn is_conversion(self) -> bool {
        matches!(
            self,
            Self::ToBool
                | Self::ToBytes
                | Self::ToDouble
                | Self::ToDuration
                | Self::ToDyn
                | Self::ToInt
                | Self::ToString
                | Self::ToTimestamp
                | Self::ToType
                | Self::ToUint
        )
    }
}

/// What CEL's cost model says of an overload. Where several overloads are possible, the cost is that of `Constant`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CostClass {
    /// 1
    Constant,
    /// By the size of the first argument.
    First,
    /// By the size of the second argument.
    Second,
    /// By the smaller of two.
    Smaller,
    /// By both together.
    Sum,
    /// By the elements of the second argument.
    Elements,
    /// By the product of a text and a text that is looked for.
    Product,
    /// By the product of a text and a pattern.
    Pattern,
}

/// A type in a declaration. Each use of an overload has variables `A` and `B` of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Bool,
    Bytes,
    Double,
    Duration,
    Dyn,
    Int,
    IpAddress,
    String,
    Timestamp,
    Uint,
    A,
    B,
    ListOfA,
    MapOfAB,
    TypeOfA,
}

/// One form of a function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Overload {
    /// Called as `a.f(b)`.
    pub(super) is_method: bool,
    pub(super) args: &'static [Slot],
    pub(super) result: Slot,
    pub(super) cost: CostClass,
    /// Compares numbers of different types, which cel-go allows from an expression's first macro on only.
    pub(super) is_mixed: bool,
}

/// A function by the name that it has in an expression.
pub(super) struct Declaration {
    pub(super) name: &'static str,
    pub(super) function: Function,
    pub(super) overloads: &'static [Overload],
}

/// The function of this name.
pub(super) fn declaration(name: &str) -> Option<&'static Declaration> {
    DECLARATIONS.iter().find(|declaration| declaration.name == name)
}

const fn function(args: &'static [Slot], result: Slot) -> Overload {
    Overload { is_method: false, args, result, cost: CostClass::Constant, is_mixed: false }
}

const fn method(args: &'static [Slot], result: Slot) -> Overload {
    Overload { is_method: true, ..function(args, result) }
}

const fn costs(cost: CostClass, overload: Overload) -> Overload {
    Overload { cost, ..overload }
}

const fn mixed(args: &'static [Slot]) -> Overload {
    Overload { is_mixed: true, ..function(args, Bool) }
}

const fn declare(name: &'static str, function: Function, overloads: &'static [Overload]) -> Declaration {
    Declaration { name, function, overloads }
}

use CostClass::{Elements, First, Pattern, Product, Second, Smaller, Sum};
use Function as F;
use Slot::{
    A, B, Bool, Bytes, Double, Duration, Dyn, Int, IpAddress, ListOfA, MapOfAB, String, Timestamp, TypeOfA,
    Uint,
};

const COMPARISONS: &[Overload] = &[
    function(&[Bool, Bool], Bool),
    function(&[Int, Int], Bool),
    mixed(&[Int, Double]),
    mixed(&[Int, Uint]),
    function(&[Uint, Uint], Bool),
    mixed(&[Uint, Double]),
    mixed(&[Uint, Int]),
    function(&[Double, Double], Bool),
    mixed(&[Double, Int]),
    mixed(&[Double, Uint]),
    costs(Smaller, function(&[String, String], Bool)),
    costs(Smaller, function(&[Bytes, Bytes], Bool)),
    function(&[Timestamp, Timestamp], Bool),
    function(&[Duration, Duration], Bool),
];

const EQUALITY: &[Overload] = &[costs(Smaller, function(&[A, A], Bool))];

/// A field of a timestamp, in UTC or in the time zone that is named.
const FIELD: &[Overload] = &[method(&[Timestamp], Int), method(&[Timestamp, String], Int)];

/// The same, which durations have as well.
const CLOCK_FIELD: &[Overload] =
    &[method(&[Timestamp], Int), method(&[Timestamp, String], Int), method(&[Duration], Int)];

static DECLARATIONS: &[Declaration] = &[
    declare("!_", F::Not, &[function(&[Bool], Bool)]),
    declare("-_", F::Negate, &[function(&[Double], Double), function(&[Int], Int)]),
    declare(
        "_+_",
        F::Add,
        &[
            costs(Sum, function(&[Bytes, Bytes], Bytes)),
            function(&[Double, Double], Double),
            function(&[Duration, Duration], Duration),
            function(&[Duration, Timestamp], Timestamp),
            function(&[Timestamp, Duration], Timestamp),
            function(&[Int, Int], Int),
            function(&[ListOfA, ListOfA], ListOfA),
            costs(Sum, function(&[String, String], String)),
            function(&[Uint, Uint], Uint),
        ],
    ),
    declare(
        "_-_",
        F::Subtract,
        &[
            function(&[Double, Double], Double),
            function(&[Duration, Duration], Duration),
            function(&[Int, Int], Int),
            function(&[Timestamp, Duration], Timestamp),
            function(&[Timestamp, Timestamp], Duration),
            function(&[Uint, Uint], Uint),
        ],
    ),
    declare(
        "_*_",
        F::Multiply,
        &[function(&[Double, Double], Double), function(&[Int, Int], Int), function(&[Uint, Uint], Uint)],
    ),
    declare(
        "_/_",
        F::Divide,
        &[function(&[Double, Double], Double), function(&[Int, Int], Int), function(&[Uint, Uint], Uint)],
    ),
    declare("_%_", F::Modulo, &[function(&[Int, Int], Int), function(&[Uint, Uint], Uint)]),
    declare("_<_", F::Less, COMPARISONS),
    declare("_<=_", F::LessOrEqual, COMPARISONS),
    declare("_>_", F::Greater, COMPARISONS),
    declare("_>=_", F::GreaterOrEqual, COMPARISONS),
    declare("_==_", F::Equal, EQUALITY),
    declare("_!=_", F::NotEqual, EQUALITY),
    declare("@in", F::In, &[costs(Elements, function(&[A, ListOfA], Bool)), function(&[A, MapOfAB], Bool)]),
    declare("_[_]", F::Index, &[function(&[ListOfA, Int], A), function(&[MapOfAB, A], B)]),
    declare(
        "size",
        F::Size,
        &[
            function(&[Bytes], Int),
            method(&[Bytes], Int),
            function(&[ListOfA], Int),
            method(&[ListOfA], Int),
            function(&[MapOfAB], Int),
            method(&[MapOfAB], Int),
            function(&[String], Int),
            method(&[String], Int),
        ],
    ),
    declare(
        "matches",
        F::Matches,
        &[costs(Pattern, function(&[String, String], Bool)), costs(Pattern, method(&[String, String], Bool))],
    ),
    declare("contains", F::Contains, &[costs(Product, method(&[String, String], Bool))]),
    declare("startsWith", F::StartsWith, &[costs(Second, method(&[String, String], Bool))]),
    declare("endsWith", F::EndsWith, &[costs(Second, method(&[String, String], Bool))]),
    declare("bool", F::ToBool, &[function(&[Bool], Bool), function(&[String], Bool)]),
    declare("bytes", F::ToBytes, &[function(&[Bytes], Bytes), costs(First, function(&[String], Bytes))]),
    declare(
        "double",
        F::ToDouble,
        &[
            function(&[Double], Double),
            function(&[Int], Double),
            function(&[String], Double),
            function(&[Uint], Double),
        ],
    ),
    declare("duration", F::ToDuration, &[function(&[Duration], Duration), function(&[String], Duration)]),
    declare("dyn", F::ToDyn, &[function(&[A], Dyn)]),
    declare(
        "int",
        F::ToInt,
        &[
            function(&[Int], Int),
            function(&[Double], Int),
            function(&[Duration], Int),
            function(&[String], Int),
            function(&[Timestamp], Int),
            function(&[Uint], Int),
        ],
    ),
    declare(
        "string",
        F::ToString,
        &[
            function(&[String], String),
            function(&[Bool], String),
            costs(First, function(&[Bytes], String)),
            function(&[Double], String),
            function(&[Duration], String),
            function(&[Int], String),
            function(&[Timestamp], String),
            function(&[Uint], String),
        ],
    ),
    declare(
        "timestamp",
        F::ToTimestamp,
        &[function(&[Timestamp], Timestamp), function(&[Int], Timestamp), function(&[String], Timestamp)],
    ),
    declare("type", F::ToType, &[function(&[A], TypeOfA)]),
    declare(
        "uint",
        F::ToUint,
        &[
            function(&[Uint], Uint),
            function(&[Double], Uint),
            function(&[Int], Uint),
            function(&[String], Uint),
        ],
    ),
    declare("getFullYear", F::FullYear, FIELD),
    declare("getMonth", F::Month, FIELD),
    declare("getDayOfYear", F::DayOfYear, FIELD),
    declare("getDayOfMonth", F::DayOfMonth, FIELD),
    declare("getDate", F::Date, FIELD),
    declare("getDayOfWeek", F::DayOfWeek, FIELD),
    declare("getHours", F::Hours, CLOCK_FIELD),
    declare("getMinutes", F::Minutes, CLOCK_FIELD),
    declare("getSeconds", F::Seconds, CLOCK_FIELD),
    declare("getMilliseconds", F::Milliseconds, CLOCK_FIELD),
    declare("ipaddress", F::ToIpAddress, &[function(&[String], IpAddress)]),
    declare("in_cidr", F::InCidr, &[method(&[IpAddress, String], Bool)]),
];
