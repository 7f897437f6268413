//! Where the spans of traces are told apart from all else that is logged.

/// The target of the spans, at the finest level, that a trace of a request consists of: one for each phase. Where nobody collects
/// them, a span is a comparison.
pub const TRACE_TARGET: &str = "tenure::trace";
