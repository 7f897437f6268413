//! Nothing that was acknowledged is lost, and nothing half done is found, however the server dies.
//!
//! Each round starts the real server on what the last one left, compares what is there with what was acknowledged, has
//! writers and checks go on at once, and kills it. Some rounds kill it while it starts; some leave a torn record behind
//! the log of writes, as a loss of power does; some break the log in a copy of the directory, which must then be refused,
//! or have lost nothing.
//!
//! `TENURE_CRASH_ROUNDS` sets the rounds (`make crash` plays 2,000), `TENURE_CRASH_SEED` the randomness.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where an answer is not what it should be"
)]

mod backups;
mod cooperator;
mod damage;
mod disk;
mod server;
mod tuples;
mod world;

use std::time::{Duration, Instant};

use damage::Damage;
use server::{Server, verify};
use world::{Random, World};

/// Rounds if nothing else is asked for.
const ROUNDS: u64 = 50;
/// Rounds on one directory, before a new one is made: the log that is verified each time grows with them.
const ROUNDS_PER_DIRECTORY: u64 = 40;
/// Longest time that a round writes, in milliseconds.
const WRITING_MS_MAX: u64 = 250;
/// Longest time that a server is given which is killed while it starts, in milliseconds.
const STARTING_MS_MAX: u64 = 120;

/// What was tried, and what came of it.
#[derive(Debug, Default)]
struct Figures {
    rounds: u64,
    killed_in_mid_write: u64,
    killed_while_starting: u64,
    acknowledged: u64,
    /// Writes without an answer, and how many of them were found whole.
    unanswered: u64,
    found_whole: u64,
    torn_tails: u64,
    damaged_copies: u64,
    damaged_and_refused: u64,
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn a_server_that_is_killed_keeps_what_it_acknowledged_and_nothing_by_halves() {
    let rounds = setting("TENURE_CRASH_ROUNDS", ROUNDS);
    let seed = setting("TENURE_CRASH_SEED", 1);
    let mut random = Random::new(seed);
    let mut figures = Figures::default();
    let began = Instant::now();
    while figures.rounds < rounds {
        let mut world = World::new();
        for _ in 0..ROUNDS_PER_DIRECTORY.min(rounds - figures.rounds) {
            round(&mut world, &mut random, &mut figures);
            figures.rounds += 1;
        }
        let server = Server::start(&world.data());
        world.compare(&server, &mut figures);
        if rounds > ROUNDS {
            println!("{figures:?}");
        }
    }
    println!("{figures:?}, seed {seed}, {:.1} s", began.elapsed().as_secs_f64());
    assert!(figures.acknowledged > 0, "{figures:?}");
}

fn round(world: &mut World, random: &mut Random, figures: &mut Figures) {
    if random.one_in(5) {
        Server::start_and_kill(&world.data(), Duration::from_millis(random.below(STARTING_MS_MAX)));
        figures.killed_while_starting += 1;
    }
    let server = Server::start(&world.data());
    world.compare(&server, figures);
    if world.write_until_killed(server, Duration::from_millis(random.below(WRITING_MS_MAX)), random) {
        figures.killed_in_mid_write += 1;
    }
    match random.below(6) {
        0 | 1 => {
            damage::tear_tail(&world.data(), random);
            figures.torn_tails += 1;
        }
        2 => {
            figures.damaged_copies += 1;
            match damage::break_copy(&world.data(), random) {
                Damage::None => {}
                Damage::Refused => figures.damaged_and_refused += 1,
                Damage::Survived(copy) => {
                    // What was broken was not acknowledged.
                    let server = Server::start(copy.path());
                    world.clone().compare(&server, &mut Figures::default());
                }
            }
        }
        _ => {}
    }
    // On a copy, as the check opens the directory and closes it in good order, which a crash does not.
    let copy = damage::copy(&world.data());
    verify(copy.path()).unwrap_or_else(|report| panic!("{report}"));
}
