//! Times of several programs, measured in turn so that other load on the machine affects all of them alike.

use std::time::Duration;

use crate::programs::Program;

/// The median and the quartiles around it.
pub struct Spread {
    pub median: Duration,
    pub low: Duration,
    pub high: Duration,
    all: Vec<Duration>,
}

impl Spread {
    pub fn of(all: Vec<Duration>) -> Spread {
        let mut sorted = all.clone();
        sorted.sort_unstable();
        let at = |part: usize| sorted[(sorted.len() - 1) * part / 4];
        Spread { median: at(2), low: at(1), high: at(3), all }
    }

    /// The time within which this percentage of the runs ended.
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.all.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
    }

    /// The median of the ratios of neighbouring runs: a slow moment of the machine affects both.
    pub fn ratio(&self, to: &Spread) -> f64 {
        let mut ratios: Vec<f64> =
            self.all.iter().zip(&to.all).map(|(a, b)| a.as_secs_f64() / b.as_secs_f64()).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios[(ratios.len() - 1) / 2]
    }
}

/// `before` is not part of the time.
pub fn interleaved(rounds: usize, programs: &[Program], mut before: impl FnMut()) -> Vec<Spread> {
    times_of(rounds, programs.len(), |which| {
        before();
        programs[which].run()
    })
}

/// One round to warm up, then `rounds` that count, every second one in reverse order.
pub fn times_of(rounds: usize, number: usize, mut run: impl FnMut(usize) -> Duration) -> Vec<Spread> {
    let mut times = vec![Vec::new(); number];
    for round in 0..=rounds {
        for step in 0..number {
            let which = if round % 2 == 0 { step } else { number - 1 - step };
            let time = run(which);
            if round > 0 {
                times[which].push(time);
            }
        }
    }
    times.into_iter().map(Spread::of).collect()
}
