//! Importance-weighted bounds of more draws than memory holds at once: in two passes, a chunk of the draws at a time.

use super::Vae;
use super::draws::{Batch, Drawn, Draws};
use super::likelihood_config::{LikelihoodConfig, Noise};
use super::objective::{ObjectiveConfig, Term, Weighted};
use super::path::{Gradient, Path};
use super::posterior::Posterior;
use super::terms::Losses;
use crate::layer::Pass;
use elbo_core::{Error, Result, Rng, ensure};
use elbo_infer::objective::combined;
use elbo_tensor::{DType, Parameters, Tensor, grad, is_recording, no_grad};

/// Most bytes that the widest layer takes for all draws of a step, 256 MiB: what a step holds is several times as much. More are taken in chunks.
const AT_ONCE: f64 = (1u64 << 28) as f64;

/// Most bytes that a step in chunks takes at the least, 2 GiB: the widest layer for one draw of each data point, and the weights of all draws.
const MOST: f64 = 8.0 * AT_ONCE;

/// The stream of the latent variables of the prior's own, beside those of the codes, which have the places of draws.
const OF_PRIOR: u64 = u64::MAX;

/// What all chunks of a step share.
struct Shared<'a> {
    vae: &'a Vae,
    batch: Batch<'a>,
    q: Posterior,
    /// Posteriors of the prior's pseudo-inputs, where it has some.
    pseudo: Option<Posterior>,
    noise: Rng,
    /// Random numbers of the networks' own, after the encoder's pass.
    inner: Rng,
}

impl Shared<'_> {
    /// The draws from the `start`-th on, the same whenever they are asked for.
    fn draws(&self, start: usize, count: usize, path: &Path) -> Draws {
        let (points, log_q) = self.q.draw(&self.q.noise_from(start, count, &self.noise));
        let drawn = Drawn { q: self.q.clone(), points: path.attach(&points), weights: None, log_q };
        let mut of_prior = self.noise.split(OF_PRIOR).split(start as u64);
        // The decoder's weights are drawn once for the whole step; what it drops is drawn for each row.
        let is_point = self.vae.config.weights.is_point();
        let mut inner = if is_point { self.inner.split(start as u64) } else { self.inner.clone() };
        let pass = &mut Pass::training(&mut inner);
        self.vae.weigh(drawn, self.batch, path, &mut of_prior, pass, |_| self.pseudo.clone())
    }
}

impl Vae {
    /// How many draws a step decodes at once for a batch of this many data points, where all that the objective asks for would take too much memory; `None`
    /// where they do not, and for objectives that are no importance-weighted bound.
    ///
    /// # Errors
    /// [`Error::Setting`] where something ties all draws together, so that they cannot be taken in chunks, and where even one draw for each data point is
    /// too much.
    pub(super) fn draws_at_once(&self, objective: &ObjectiveConfig, batch: usize) -> Result<Option<usize>> {
        let draws = objective.draws;
        let bytes = if self.dtype() == DType::F64 { 8.0 } else { 4.0 };
        let widest = self.decoder.widest().max(self.config.prior.widest(self.latent()));
        let one = batch as f64 * widest as f64 * bytes;
        let all = one * draws as f64;
        if !objective.is_importance_weighted() || all <= AT_ONCE {
            return Ok(None);
        }
        if let Some(tie) = self.tie_of_draws(objective) {
            return Err(Error::Setting {
                setting: "draws".into(),
                found: format!("{draws} for a batch of {batch} with {tie}, {:.1} GB in the widest layer", all / 1e9),
                expected: "draws x batch x numbers of the widest layer within 256 MiB, since this ties all draws of a step together and they cannot be \
                           taken in chunks; lower `draws` or `batch`, or leave it out"
                    .into(),
            });
        }
        let least = one + draws as f64 * batch as f64 * bytes;
        ensure(
            "batch",
            format!(
                "{batch} with {draws} draws, at the least {:.1} GB for weights and one draw at a time",
                least / 1e9
            ),
            least <= MOST,
            "batch x numbers of the widest layer and batch x draws within 2 GiB together; lower `batch`, `draws` or the widths of the decoder",
        )?;
        Ok(Some(((AT_ONCE / one) as usize).clamp(1, draws)))
    }

    /// What a step makes of all its draws together, besides the bound.
    fn tie_of_draws(&self, objective: &ObjectiveConfig) -> Option<String> {
        let other = objective.terms.iter().find(|t| !matches!(t.term, Term::Iwae { .. }));
        if let Some(Weighted { term, .. }) = other {
            return Some(format!("the term `{}` beside the bound", term.name()));
        }
        // No layer but a batch norm looks beyond its row, and none but it keeps statistics.
        let mut has_batch_norm = false;
        self.decoder.visit(&mut |name, _| has_batch_norm |= name.ends_with("running_mean"));
        if has_batch_norm {
            return Some("a batch norm in the decoder".into());
        }
        let is_optimal = matches!(self.config.likelihood, LikelihoodConfig::Gaussian { noise: Noise::Optimal });
        is_optimal.then(|| "the noise `optimal`, one variance for all draws,".into())
    }

    /// The terms of an objective that is one importance-weighted bound, with `at_once` draws decoded at a time: as [`Vae::losses`] has them but for rounding,
    /// and for what the networks draw themselves. Memory grows with the draws by their weights alone.
    ///
    /// The bound is a function $F$ of the log weights $\ell$, so that $\nabla F = \sum_{kb} \partial F / \partial \ell_{kb} \, \nabla \ell_{kb}$. A
    /// first pass finds all log weights without a graph, and a second one adds up the gradient of the sum, chunk by chunk, for the same draws. The encoder
    /// runs once: chunks differentiate down to what it gives.
    ///
    /// # Panics
    /// For an objective with other terms; see [`Vae::draws_at_once`].
    pub(super) fn losses_in_chunks(
        &self,
        batch: Batch<'_>,
        seen: &Tensor,
        objective: &ObjectiveConfig,
        at_once: usize,
        rng: &mut Rng,
    ) -> Losses {
        let [Weighted { term: Term::Iwae { gradient, groups, beta }, .. }] = objective.terms.as_slice() else {
            unreachable!("an objective with other terms is refused before")
        };
        let (noise, mut inner) = (rng.fork(), rng.fork());
        let pass = &mut Pass::training(&mut inner);
        let mut encoded = vec![self.encoded(seen, pass)];
        encoded.extend(self.prior.pseudo_inputs().map(|u| self.encoded(&u, pass)));
        let cut: Vec<Tensor> = encoded.iter().map(|raw| raw.detach().variable()).collect();
        let (q, pseudo) = (self.posterior_of(&cut[0]), cut.get(1).map(|raw| self.posterior_of(raw)));
        let shared = Shared { vae: self, batch, q, pseudo, noise, inner };

        let part = |start: usize| (start, at_once.min(objective.draws - start));
        let parts: Vec<(usize, usize)> = (0..objective.draws).step_by(at_once).map(part).collect();
        let forward = Path::new(*gradient);
        let log_weights = no_grad(|| {
            let of =
                |(start, count): &(usize, usize)| shared.draws(*start, *count, &forward).log_weights_along(&forward);
            Tensor::cat(&parts.iter().map(of).collect::<Vec<_>>(), 0)
        });
        let first = no_grad(|| shared.draws(0, 1, &forward));
        let log_weights = log_weights.variable();
        let value = -combined(&log_weights, *groups, *beta).mean();
        if !is_recording() {
            return Losses { terms: vec![value], draws: first };
        }

        let shares = grad(&value, &[&log_weights]).remove(0);
        let is_weighted = *gradient == Gradient::DoublyReparameterised;
        let factors = is_weighted.then(|| Path::factors(&log_weights, *groups, *beta));
        let leaves = self.leaves();
        let inputs: Vec<&Tensor> = leaves.iter().chain(&cut).collect();
        let mut sums: Vec<Tensor> = inputs.iter().map(|input| input.zeros_like()).collect();
        for (start, count) in parts {
            let path = match &factors {
                Some(factors) => Path::weighted(*gradient, factors.narrow(0, start, count)),
                None => Path::new(*gradient),
            };
            let own = shared.draws(start, count, &path).log_weights_along(&path);
            let found = grad(&(own * shares.narrow(0, start, count)).sum(), &inputs);
            sums.iter_mut().zip(&found).for_each(|(sum, part)| *sum += part);
        }
        // From here on the bound is a function of what its gradient was taken in; what the encoder gave goes on to the encoder.
        let sources = leaves.into_iter().chain(encoded).collect();
        let term = Tensor::custom("bound in chunks", sources, value, move |g, wanted| {
            sums.iter().zip(wanted).map(|(sum, is_wanted)| is_wanted.then(|| sum * g)).collect()
        });
        Losses { terms: vec![term], draws: first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::layer::{BatchNormConfig, LayerConfig, LinearConfig, SequentialConfig};
    use crate::network::{DecoderConfig, EncoderConfig, MlpConfig, Start};
    use crate::vae::divergence::Kernel;
    use crate::vae::{DecoderWeights, Family, PriorConfig, SphereConfig, Training, TrainingConfig, VaeConfig};
    use elbo_core::Run;

    const DRAWS: usize = 12;

    /// A small model of three elements in double precision.
    fn small() -> VaeConfig {
        let mlp = MlpConfig::new(&[4], Activation::Tanh);
        VaeConfig {
            encoder: EncoderConfig::Mlp(mlp.clone()),
            decoder: DecoderConfig::Mlp(mlp),
            start: Start { is_double: true, ..Start::default() },
            ..VaeConfig::new(2)
        }
    }

    /// The model away from its start, where draws weigh differently, and some data points.
    fn built(config: &VaeConfig, objective: &ObjectiveConfig) -> (Vae, Tensor) {
        let mut rng = Rng::new(8);
        let mut vae = config.build(&[3], objective, &mut rng).unwrap();
        let moved: Vec<f64> = vae.pack().iter().map(|p| p + 0.5 * rng.normal()).collect();
        vae.unpack(&moved);
        let x = (0..4 * 3).map(|_| f64::from(u8::from(rng.uniform() < 0.4))).collect();
        (vae, Tensor::from_vec(x, &[4, 3]))
    }

    fn in_chunks(vae: &Vae, x: &Tensor, objective: &ObjectiveConfig, at_once: usize) -> Tensor {
        vae.losses_in_chunks(x.into(), x, objective, at_once, &mut Rng::new(2)).total(&[1.0])
    }

    /// The value, then the gradient.
    fn numbers(vae: &Vae, loss: &Tensor) -> Vec<f64> {
        [vec![loss.item()], vae.gradient(loss)].concat()
    }

    fn assert_near(found: &[f64], expected: &[f64], what: &str) {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (i, (a, b)) in found.iter().zip(expected).enumerate() {
            assert!((a - b).abs() <= 1e-10 * b.abs().max(1.0), "{what}, number {i}: {a} vs {b}");
        }
        assert!(found[1..].iter().any(|v| v.abs() > 1e-3), "{what}: a gradient that vanishes is no test");
    }

    #[test]
    fn chunks_give_the_bound_and_the_gradient_of_all_draws_at_once() {
        use Gradient::*;
        let iaf = Some("iaf:2x8".to_owned());
        let models = [
            ("standard", small()),
            ("full", VaeConfig { family: Family::GaussFull, ..small() }),
            ("mixture", VaeConfig { prior: PriorConfig::mixture(3), ..small() }),
            ("pseudo-inputs", VaeConfig { prior: PriorConfig::Vamp { components: 3 }, ..small() }),
            ("drawn weights", VaeConfig { weights: DecoderWeights::Posterior, ..small() }),
            ("flow", VaeConfig { flow: iaf, ..small() }),
        ];
        for (name, config) in models {
            for gradient in [Plain, DoublyReparameterised, StickingTheLanding, Held] {
                if config.flow.is_some() && gradient != Plain {
                    continue;
                }
                for (groups, beta) in [(1, 0.0), (3, 0.0), (2, 0.3)] {
                    let objective = ObjectiveConfig::grouped(DRAWS, groups, beta, gradient);
                    let (vae, x) = built(&config, &objective);
                    let whole = vae.losses(&x, &objective, 0, &mut Rng::new(2)).unwrap().total(&[1.0]);
                    let whole = numbers(&vae, &whole);
                    // Chunks that part groups, and one that is shorter than the others.
                    for at_once in [1, 5, DRAWS] {
                        let found = numbers(&vae, &in_chunks(&vae, &x, &objective, at_once));
                        let what = format!("{name}, {gradient:?}, {groups} groups, {beta}, {at_once} at once");
                        assert_near(&found, &whole, &what);
                    }
                }
            }
        }
    }

    #[test]
    fn families_with_noise_of_their_own_draw_the_same_in_both_passes() {
        for family in [Family::Vmf(SphereConfig::default()), Family::Dirichlet] {
            for gradient in [Gradient::Plain, Gradient::DoublyReparameterised] {
                let objective = ObjectiveConfig::grouped(DRAWS, 2, 0.3, gradient);
                let (vae, x) = built(&VaeConfig { latent: 3, family, ..small() }, &objective);
                let found = numbers(&vae, &in_chunks(&vae, &x, &objective, 5));
                assert_eq!(found, numbers(&vae, &in_chunks(&vae, &x, &objective, 5)), "a seed gives one result");

                let (pass, path) = (&mut Pass::evaluation(), Path::new(gradient));
                let (q, own) = (vae.posterior(&x, pass), Rng::new(2).fork());
                let noise =
                    Tensor::cat(&[(0, 5), (5, 5), (10, 2)].map(|(from, count)| q.noise_from(from, count, &own)), 0);
                let draws = vae.draw_at(q, &x, &noise, &path, &mut Rng::new(1), pass);
                let log_weights = draws.log_weights_along(&path);
                path.finish(&log_weights, 2, 0.3);
                let whole = numbers(&vae, &-combined(&log_weights, 2, 0.3).mean());
                assert_near(&found, &whole, &format!("{family:?}, {gradient:?}"));
            }
        }
    }

    #[test]
    fn a_prior_with_draws_of_its_own_has_the_gradient_of_its_value_in_chunks() {
        let prior = PriorConfig::Hierarchical { latent: 2, hidden: vec![3] };
        let objective = ObjectiveConfig::grouped(6, 1, 0.0, Gradient::Plain);
        let (mut vae, x) = built(&VaeConfig { prior, ..small() }, &objective);
        let gradient = vae.gradient(&in_chunks(&vae, &x, &objective, 4));
        let start = vae.pack();
        for i in (0..start.len()).step_by(3) {
            let mut at = |delta: f64| {
                let mut moved = start.clone();
                moved[i] += delta;
                vae.unpack(&moved);
                no_grad(|| in_chunks(&vae, &x, &objective, 4)).item()
            };
            let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
            let exact = gradient[i];
            assert!((numeric - exact).abs() <= 1e-6 * exact.abs().max(1.0), "{i}: {numeric} (numeric) vs {exact}");
        }
    }

    /// A hidden layer of 16384 numbers, which are 128 KiB for each code.
    const WIDE: usize = 1 << 14;

    fn wide(layers: Option<Vec<LayerConfig>>) -> VaeConfig {
        let mlp = DecoderConfig::Mlp(MlpConfig::new(&[WIDE], Activation::Tanh));
        VaeConfig { decoder: layers.map_or(mlp, |layers| DecoderConfig::Layers { layers }), ..small() }
    }

    #[test]
    fn draws_are_taken_in_chunks_where_their_widest_layer_is_above_the_limit() {
        let bound = |draws| ObjectiveConfig::iwae(draws, Gradient::Plain);
        let vae = wide(None).build(&[3], &bound(5), &mut Rng::new(1)).unwrap();
        // 256 MiB are 2048 codes.
        let at_once = |draws, batch| vae.draws_at_once(&bound(draws), batch).unwrap();
        assert_eq!((at_once(102, 20), at_once(103, 20), at_once(100_000, 20)), (None, Some(102), Some(102)));
        assert_eq!((at_once(2048, 1), at_once(2049, 1), at_once(2, 4096)), (None, Some(2048), Some(1)));
        assert_eq!(at_once(1, 4096), None, "one draw has no chunks");
        let several = ObjectiveConfig { draws: 100_000, ..ObjectiveConfig::default() };
        assert_eq!(vae.draws_at_once(&several, 20).unwrap(), None, "nor has what is no importance-weighted bound");
        for (draws, batch) in [(2, 20_000), (100_000, 4000)] {
            let error = vae.draws_at_once(&bound(draws), batch).unwrap_err().to_string();
            assert!(
                error.contains(&format!("`batch` is {batch} with {draws} draws")) && error.contains("lower `batch`"),
                "{error}"
            );
        }
        // The widest layer may be one within, or the prior's.
        let inner = vec![LayerConfig::Linear(LinearConfig::new(WIDE)), LayerConfig::Linear(LinearConfig::new(2))];
        let layers = vec![LayerConfig::Residual(SequentialConfig { layers: inner })];
        let mixed = VaeConfig { prior: PriorConfig::mixture(WIDE / 2), ..small() };
        for config in [wide(Some(layers)), mixed] {
            let vae = config.build(&[3], &bound(5), &mut Rng::new(1)).unwrap();
            assert_eq!(vae.draws_at_once(&bound(103), 20).unwrap(), Some(102));
        }
    }

    #[test]
    fn what_ties_all_draws_together_is_refused_before_work_where_they_are_too_many() {
        let bound = |draws| ObjectiveConfig::iwae(draws, Gradient::Plain);
        let layers =
            vec![LayerConfig::Linear(LinearConfig::new(WIDE)), LayerConfig::BatchNorm(BatchNormConfig::default())];
        let optimal = LikelihoodConfig::Gaussian { noise: Noise::Optimal };
        let mut with_mmd = bound(1000);
        with_mmd.terms.push(Term::Mmd { kernel: Kernel::Rbf, buffer: 0 }.into());
        let cases = [
            (wide(Some(layers)), bound(1000), "a batch norm in the decoder"),
            (VaeConfig { likelihood: optimal, ..wide(None) }, bound(1000), "the noise `optimal`"),
            (wide(None), with_mmd, "the term `mmd`"),
        ];
        let values = [0.5; 20 * 3];
        for (config, objective, tie) in cases {
            let mut vae = config.build(&[3], &objective, &mut Rng::new(1)).unwrap();
            let how = TrainingConfig { epochs: 1, batch: 20, ..TrainingConfig::default() };
            let training = Training::new(&values, 3, &objective, &how, &mut Rng::new(2)).unwrap();
            let of_training = training.run(&mut vae, &mut Run::new(3)).unwrap_err().to_string();
            let x = vae.tensor(&values);
            let of_losses = vae.losses(&x, &objective, 0, &mut Rng::new(2)).err().unwrap().to_string();
            for error in [of_training, of_losses] {
                let says = ["`draws` is 1000", tie, "lower `draws` or `batch`"];
                assert!(says.iter().all(|part| error.contains(part)), "{tie}: {error}");
            }
            let few = ObjectiveConfig { draws: 2, ..objective };
            assert_eq!(vae.draws_at_once(&few, 20).unwrap(), None, "{tie}: few draws are taken at once");
        }
    }
}
