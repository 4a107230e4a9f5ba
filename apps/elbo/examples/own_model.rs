//! A model of one's own: disasters in British coal mines by year, with a trend and decades that differ. Four methods answer through the
//! same call, and the last line says which answer to trust.
//!
//! ```sh
//! cargo run --release -p elbo --example own_model
//! ```

use elbo::dist::batched::{Batched, Normal, Poisson};
use elbo::infer::Unknowns;
use elbo::infer::fit::{Comparison, Method, MethodSettings, compare};
use elbo::prelude::*;
use elbo::tensor::{DType, Tensor};

/// Fits the model with each method.
pub fn answers(methods: &[&str], settings: &MethodSettings, seed: u64) -> Result<Comparison> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/classic/coal.csv");
    let table = elbo::data::read(file.as_ref(), &elbo::data::ReadOptions::default())?;
    let dates = table.get("date")?.to_f64().expect("dates in decimal years");
    // Disasters in each year from 1851 to 1962.
    let count = |i: usize| dates.iter().filter(|date| date.floor() == 1851.0 + i as f64).count() as f64;
    let y = Tensor::from_vec((0..112).map(count).collect(), &[112]);
    let time = Tensor::linspace(-1.0, 1.0, 112);
    let decade = Tensor::indices(&(0..112).map(|i| i / 10).collect::<Vec<_>>());

    // Named unknowns; each comes as [S, ...], one row a draw, and the density is [S].
    let unknowns = Unknowns::new().real("level", &[]).real("trend", &[]).positive("spread", &[]).real("decade", &[12]);
    let model = unknowns.density(move |u| {
        let normal = Normal::standard(&[], DType::F64);
        let column = |name: &str| u[name].unsqueeze(-1);
        let effect = &u["decade"] * column("spread");
        let log_rate = column("level") + column("trend") * &time + effect.index_select(-1, &decade);
        let prior = normal.log_prob(&u["level"]) + normal.log_prob(&u["trend"]) + normal.log_prob(&u["spread"]);
        let decades = normal.log_prob(&u["decade"]).sum_axis(-1, false);
        prior + decades + Poisson::new(log_rate.exp()).to_event(1).log_prob(&y)
    });
    let methods = methods.iter().map(|name| name.parse()).collect::<Result<Vec<Method>>>()?;
    compare(&model, &methods, settings, &mut Run::new(seed))
}

fn main() -> Result<()> {
    print!("{}", answers(&["nuts", "mean-field", "full-rank", "realnvp:4x32"], &MethodSettings::default(), 1)?);
    Ok(())
}
