//! Tasks in alternation, so that a machine that others use too is as slow for the one as for the other.

use std::time::{Duration, Instant};

/// Rounds, in each of which every task has its turn.
const ROUNDS: usize = 200;
/// A turn is about as long: short enough that few are interrupted.
const TURN: Duration = Duration::from_micros(200);

/// By task, how long it took once, in seconds, in each round. A task is told a number, from 0 to below `cycle`; in each
/// turn it is told all of them equally often, so that no task finds in the processor's caches what the one before it
/// has just read.
pub fn measure<const N: usize>(cycle: usize, tasks: [&dyn Fn(usize); N]) -> [Vec<f64>; N] {
    let repeats = tasks.first().map_or(1, |task| {
        let began = Instant::now();
        let warm = (0..).find(|number| {
            task(number % cycle);
            began.elapsed() > 10 * TURN
        });
        warm.map_or(1, |runs: usize| runs / 10).max(1).next_multiple_of(cycle)
    });
    let mut times = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        for (task, times) in tasks.iter().zip(&mut times) {
            let began = Instant::now();
            for number in 0..repeats {
                task(number % cycle);
            }
            times.push(began.elapsed().as_secs_f64() / repeats as f64);
        }
    }
    times
}

/// How much longer the one takes than the other: the median over the rounds.
pub fn quotient(one: &[f64], other: &[f64]) -> f64 {
    let mut quotients: Vec<f64> = one.iter().zip(other).map(|(one, other)| one / other).collect();
    quotients.sort_by(f64::total_cmp);
    quotients[quotients.len() / 2]
}
