//! The exact cache: whatever happens meanwhile, what it answers is what the naive evaluator says for the revision and the
//! instant that the answer names.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where an answer is not what it should be"
)]

// Worlds and the naive evaluator are those that the evaluator is judged by; not all of it is needed here.
#[allow(dead_code)]
#[path = "../evaluation/generate.rs"]
mod generate;
#[path = "../evaluation/oracle.rs"]
#[allow(dead_code)]
mod oracle;

mod clock;
mod enemy;
mod given;
mod hesitant;
mod race;
mod reads;
mod rules;
mod verify;
mod wide;
