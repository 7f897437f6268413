//! Numbers that look random and are the same on every machine: SplitMix64 (Steele, Lea, Flood 2014).

/// Exponent of the Zipf distribution.
const ZIPF_EXPONENT: f64 = 1.1;

/// How often the same is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    /// All as often.
    Uniform,
    /// Few very often: Zipf with the exponent 1.1.
    Zipf,
}

/// Draws what is asked, some of it more often where that is wanted.
#[derive(Debug, Clone)]
pub struct Draw {
    pub(super) random: Random,
    skew: Skew,
}

impl Draw {
    /// The same seed draws the same.
    pub fn new(skew: Skew, seed: u64) -> Self {
        Self { random: Random::new(seed), skew }
    }

    /// A number below `bound`; 0 where `bound` is.
    pub fn below(&mut self, bound: u32) -> u32 {
        match self.skew {
            Skew::Uniform => self.random.below(bound),
            Skew::Zipf => {
                // The inverse of the continuous distribution with this exponent on 1 to `bound` + 1, cut to whole ranks.
                let power = 1.0 - ZIPF_EXPONENT;
                let end = (f64::from(bound) + 1.0).powf(power);
                let rank = (1.0 + self.random.unit() * (end - 1.0)).powf(1.0 / power) as u32;
                let rank = rank.clamp(1, bound.max(1)) - 1;
                // What is asked often lies scattered: a prime that divides no bound here moves the ranks about.
                let place = u64::from(rank) * 2_654_435_761 % u64::from(bound.max(1));
                place as u32
            }
        }
    }

    /// One of the items, with its number; `None` where there is none.
    pub fn from<'a, T>(&mut self, items: &'a [T]) -> Option<(u32, &'a T)> {
        let index = self.below(u32::try_from(items.len()).unwrap_or(u32::MAX));
        Some((index, items.get(index as usize)?))
    }

    /// A number from 0 (inclusive) to 1 (exclusive), all as often.
    pub fn unit(&mut self) -> f64 {
        self.random.unit()
    }
}

/// A source of numbers; the same seed gives the same ones.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 where `bound` is.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        // The upper half of the product: no remainder, so that no number is favoured.
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// A number from 0 (inclusive) to 1 (exclusive).
    pub(super) fn unit(&mut self) -> f64 {
        f64::from((self.next() >> 32) as u32) / 4_294_967_296.0
    }

    /// `count` different numbers below `bound`, of which there are as many.
    pub(super) fn distinct(&mut self, count: usize, bound: u32) -> Vec<u32> {
        let count = count.min(bound as usize);
        let mut drawn = Vec::with_capacity(count);
        while drawn.len() < count {
            let number = self.below(bound);
            if !drawn.contains(&number) {
                drawn.push(number);
            }
        }
        drawn
    }
}
