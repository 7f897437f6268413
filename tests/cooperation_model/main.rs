//! The commands against a plain model of the rules: sequences of commands at random, with jumps of the clock. The model
//! (`rules.rs`: maps, no tuples and no graph) predicts what comes of each, and at the end of each sequence everybody's role
//! on everything.
//!
//! `TENURE_PROPERTY_CASES` asks for more sequences, `TENURE_PROPERTY_SEED` for others than those of every run. A sequence
//! that goes differently is made as short as it gets and printed, as a list that can be replayed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where an answer is not what it should be"
)]

mod command;
// The one way to ask the server without a socket; not all of it is needed here.
#[allow(dead_code)]
#[path = "../http/described.rs"]
mod described;
#[allow(dead_code)]
#[path = "../http/fixture.rs"]
mod fixture;
mod generate;
mod rules;
mod stage;

use command::Command;
use fixture::Server;
use generate::{Generator, Random, beginning};
use stage::Stage;

/// Sequences of one run; `TENURE_PROPERTY_CASES` asks for more.
const SEQUENCES: u64 = 1_000;
/// Commands of a sequence, behind its beginning.
const STEPS: usize = 50;
/// Sequences are played by so many threads.
const THREADS: u64 = 2;
/// How often a shorter sequence is looked for.
const SHORTENINGS_MAX: usize = 400;

/// Plays commands; says at which one, and how, it goes differently.
fn replay(server: &Server, commands: &[Command]) -> Result<(), (usize, String)> {
    let mut stage = Stage::new(server);
    for (index, command) in commands.iter().enumerate() {
        stage.play(command).map_err(|difference| (index, difference))?;
    }
    stage.compare_roles().map_err(|difference| (commands.len(), difference))
}

/// Plays a sequence that is drawn on the way; what was played, and how it went differently.
fn draw(server: &Server, seed: u64) -> Result<Vec<Command>, (Vec<Command>, String)> {
    let mut random = Random::new(seed);
    let mut stage = Stage::new(server);
    let mut played = beginning();
    for command in played.clone() {
        stage.play(&command).map_err(|difference| (played.clone(), difference))?;
    }
    for _ in 0..STEPS {
        let command = Generator { world: &stage.world, random: &mut random }.command();
        played.push(command);
        stage.play(&command).map_err(|difference| (played.clone(), difference))?;
    }
    stage.compare_roles().map_err(|difference| (played.clone(), difference))?;
    Ok(played)
}

/// The shortest sequence that is found by leaving commands out and still goes differently.
fn shortened(server: &Server, mut commands: Vec<Command>, mut difference: String) -> (Vec<Command>, String) {
    let mut chunk = commands.len() / 2;
    let mut tries = 0;
    while chunk > 0 && tries < SHORTENINGS_MAX {
        let mut start = 0;
        while start < commands.len() && tries < SHORTENINGS_MAX {
            let mut shorter = commands.clone();
            shorter.drain(start..(start + chunk).min(commands.len()));
            tries += 1;
            match replay(server, &shorter) {
                Ok(()) => start += chunk,
                Err((index, found)) => {
                    shorter.truncate(index + 1);
                    (commands, difference) = (shorter, found);
                }
            }
        }
        chunk /= 2;
    }
    (commands, difference)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

#[test]
fn no_sequence_of_commands_goes_differently_than_the_rules_say() {
    let sequences = number("TENURE_PROPERTY_CASES").unwrap_or(SEQUENCES);
    let first = number("TENURE_PROPERTY_SEED").unwrap_or(1);
    let play = |thread: u64| {
        let server = Server::new();
        for seed in (first..first + sequences).filter(|seed| seed % THREADS == thread) {
            let Err((commands, difference)) = draw(&server, seed) else { continue };
            let (commands, difference) = shortened(&server, commands, difference);
            let list: Vec<_> = commands.iter().map(|command| format!("  {command:?},\n")).collect();
            panic!("seed {seed}: {difference}\n{}", list.concat());
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || play(thread))).collect();
        let failed = threads.into_iter().filter_map(|thread| thread.join().err());
        if let Some(reason) = failed.into_iter().next() {
            std::panic::resume_unwind(reason);
        }
    });
}

#[test]
fn every_kind_of_command_is_drawn_and_most_of_them_come_to_something() {
    let mut kinds = std::collections::BTreeMap::<String, (u32, u32)>::new();
    for seed in 1..=400 {
        let mut random = Random::new(seed);
        let mut world = rules::World::default();
        for command in beginning() {
            world.play(&command).unwrap();
        }
        for _ in 0..STEPS {
            let command = Generator { world: &world, random: &mut random }.command();
            let name = format!("{command:?}");
            let kind = kinds.entry(name.split([' ', '(']).next().unwrap().to_owned()).or_default();
            kind.0 += 1;
            kind.1 += u32::from(world.play(&command).is_ok());
        }
    }
    assert_eq!(kinds.len(), 31, "{kinds:?}");
    let rare: Vec<_> = kinds.iter().filter(|(_, (_, done))| *done < 20).collect();
    assert!(rare.is_empty(), "hardly ever done: {rare:?}");
}
