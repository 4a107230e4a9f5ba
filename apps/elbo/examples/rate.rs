//! How often British coal mines had disasters, year by year: a rate that changes smoothly, in time linear in the years, with its band.
//!
//! ```sh
//! cargo run --release -p elbo --example rate
//! ```

use elbo::gp::likelihood::Poisson;
use elbo::gp::site::Cvi;
use elbo::markov::{Kernel, process::SiteProcess};
use elbo::prelude::*;

/// Rates under the best of some lengthscales.
pub struct Rates {
    /// Median of each year's rate, lower and upper end of its 95 % band.
    pub each: Vec<[f64; 3]>,
    /// Evidence lower bound of each lengthscale in years, nats.
    pub bounds: Vec<(f64, f64)>,
}

/// Disasters in each year from 1851 to 1962.
pub fn counts() -> Result<Vec<f64>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/classic/coal.csv");
    let table = elbo::data::read(file.as_ref(), &elbo::data::ReadOptions::default())?;
    let dates = table.get("date")?.to_f64().expect("dates in decimal years");
    let count = |i: usize| dates.iter().filter(|date| date.floor() == 1851.0 + i as f64).count() as f64;
    Ok((0..112).map(count).collect())
}

/// The rate behind counts, one a year.
pub fn rates(counts: &[f64], lengthscales: &[f64]) -> Result<Rates> {
    let times: Vec<f64> = (0..counts.len()).map(|i| i as f64).collect();
    let usual = counts.iter().sum::<f64>() / counts.len() as f64;
    let (mut best, mut bounds, mut each) = (f64::NEG_INFINITY, vec![], vec![]);
    for lengthscale in lengthscales {
        let kernel: Kernel = format!("matern52(variance=1, lengthscale={lengthscale})").parse()?;
        // The logarithm of the rate varies about that of the usual one.
        let mut process = SiteProcess::new(kernel, Box::new(Poisson::new(usual)), &times, counts)?;
        process.infer(&Cvi { rho: 0.7 }, 200, 1e-9)?;
        let bound = process.elbo()?;
        bounds.push((*lengthscale, bound));
        if bound > best {
            best = bound;
            let found = process.posterior()?;
            let rate = |(m, v): (&f64, &f64)| [0.0, -1.96, 1.96].map(|z| usual * (m + z * v.sqrt()).exp());
            each = found.mean.iter().zip(&found.variance).map(rate).collect();
        }
    }
    Ok(Rates { each, bounds })
}

fn main() -> Result<()> {
    let found = rates(&counts()?, &[3.0, 6.0, 12.0, 24.0, 48.0])?;
    println!("lengthscales in years, and their bounds in nats: {:.2?}", found.bounds);
    println!("\nyear  disasters a year, and 95 % band");
    for (i, [rate, low, high]) in found.each.iter().enumerate().step_by(10) {
        println!("{}  {rate:.2}  {low:.2} to {high:.2}", 1851 + i);
    }
    Ok(())
}
