//! A truss of four bars that should be light and stiff: trials that grow the volume below the front, and the front they found.
//!
//! ```sh
//! cargo run --release -p elbo --example two_objectives
//! ```

use elbo::decide::Space;
use elbo::decide::design::Design;
use elbo::decide::objectives::problems::problem;
use elbo::decide::objectives::{Choose, front, hypervolume, reference_point};
use elbo::prelude::*;

/// Trials on the unit cube, and what they gave: the volume of the bars, and how far the joint moves.
pub struct Trials {
    /// `[N][4]`.
    pub points: Vec<Vec<f64>>,
    /// `[N][2]`, both to be small.
    pub values: Vec<Vec<f64>>,
}

/// `first` trials spread over the box, then `more` chosen ones.
pub fn search(choose: &Choose, first: usize, more: usize, rng: &mut Rng) -> Result<Trials> {
    let truss = problem("four-bar-truss", 4).ok_or_else(|| Error::data("no such problem", "see `problems`"))?;
    let space = Space::cube(&truss.bounds);
    let points = Design::Sobol.points(first, truss.bounds.len(), rng);
    let values = points.iter().map(|p| truss.at(p)).collect();
    let mut trials = Trials { points, values };
    for _ in 0..more {
        let next = choose.next(&space, &trials.points, &trials.values, &[], rng)?.point;
        trials.values.push(truss.at(&next));
        trials.points.push(next);
    }
    Ok(trials)
}

/// The volume below the front of the first `count` trials, as a share of that of all of them.
pub fn share(trials: &Trials, count: usize) -> f64 {
    let reference = reference_point(&trials.values);
    hypervolume(&trials.values[..count], &reference) / hypervolume(&trials.values, &reference)
}

fn main() -> Result<()> {
    let trials = search(&Choose::default(), 8, 16, &mut Rng::new(1))?;
    for count in [8, 16, 24] {
        println!("{count} trials: {:.3} of the final volume", share(&trials, count));
    }
    let mut best: Vec<&Vec<f64>> = front(&trials.values).into_iter().map(|i| &trials.values[i]).collect();
    best.sort_by(|a, b| a[0].total_cmp(&b[0]));
    println!("\n  volume  displacement");
    best.iter().for_each(|v| println!("{:8.1}  {:.5}", v[0], v[1]));
    Ok(())
}
