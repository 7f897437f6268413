//! Pins the bytes of every record.
