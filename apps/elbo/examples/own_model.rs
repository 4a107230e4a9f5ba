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
use std::path::Path;

/// Disasters in each year from 1851 to 1962, `[112]`.
fn counts() -> Result<Vec<f64>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/classic/coal.csv");
    let refuse = |found: String| Error::data(found, "give dates as years from 1851 to 1962, such as 1851.2");
    let table = elbo::data::read(&file, &elbo::data::ReadOptions::default())?;
    let dates = table.get("date")?.to_f64().ok_or_else(|| refuse("column `date` is text".into()))?;
    let mut counts = vec![0.0; 112];
    for date in dates {
        let year = date.floor() - 1851.0;
        if !(0.0..112.0).contains(&year) {
            return Err(refuse(format!("column `date` holds {date}")));
        }
        counts[year as usize] += 1.0;
    }
    Ok(counts)
}

/// Fits the model with each method.
pub fn answers(methods: &[&str], settings: &MethodSettings, seed: u64) -> Result<Comparison> {
    let counts = counts()?;
    let years = counts.len();
    let decade = Tensor::indices(&(0..years).map(|i| i / 10).collect::<Vec<_>>());
    let time = Tensor::linspace(-1.0, 1.0, years);
    let y = Tensor::from_vec(counts, &[years]);

    // Named unknowns; each comes as [S, ...], one row a draw, and the density is [S].
    let model =
        Unknowns::new().real("level", &[]).real("trend", &[]).positive("spread", &[]).real("decade", &[12]).density(
            move |u| {
                let normal = Normal::standard(&[], DType::F64);
                let column = |name: &str| u[name].unsqueeze(-1);
                let effect = &u["decade"] * column("spread");
                let log_rate = column("level") + column("trend") * &time + effect.index_select(-1, &decade);
                let prior = normal.log_prob(&u["level"]) + normal.log_prob(&u["trend"]) + normal.log_prob(&u["spread"]);
                prior
                    + normal.log_prob(&u["decade"]).sum_axis(-1, false)
                    + Poisson::new(log_rate.exp()).to_event(1).log_prob(&y)
            },
        );
    let methods = methods.iter().map(|name| name.parse()).collect::<Result<Vec<Method>>>()?;
    compare(&model, &methods, settings, &mut Run::new(seed))
}

fn main() -> Result<()> {
    print!("{}", answers(&["nuts", "mean-field", "full-rank", "realnvp:4x32"], &MethodSettings::default(), 1)?);
    Ok(())
}
