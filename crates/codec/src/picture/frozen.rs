//! All that encoder and decoder must agree on, made once from a trained model, in integers.

use super::context::{Context, FrozenContext};
use super::hyper::{Entropy, Hyper, SECOND_STEP, shape_logit};
use super::{LAMBDAS, TABLE_BITS};
use crate::coder::Lookup;
use crate::density::{Density, LADDER, Ladder, SHAPES};
use crate::integer::{FRACTION, Image, Layer, Network};
use crate::mixture::{COMPONENTS, Mixture, MixtureTables};
use crate::table::Alphabet;
use elbo_core::{Error, ModelFile, Result};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::array;

/// Rungs of a ladder of a density with a shape: its least scale is far lower.
const SHAPED_LADDER: usize = 160;
/// Steps between shapes that have tables of their own.
const SHAPE_STEP: f64 = 0.1;
/// Shapes with tables where each latent has its own, evenly from the least to the greatest.
const SHAPE_LEVELS: usize = 20;
/// Second latents lie within this on both sides of zero.
pub(super) const MOST_SECOND: i32 = 1 << 13;

/// Tables and the network that chooses among them.
#[derive(Debug, Clone)]
pub struct Frozen {
    network: Network,
    /// Logarithms of own scales, `[qualities, C]`, as whole numbers.
    own: Vec<i32>,
    /// A ladder for each set of tables.
    ladders: Vec<Ladder>,
    /// The set of each channel.
    set_of: Vec<u16>,
    /// Where each latent has its own shape, the numbers between those of neighbouring sets; otherwise none.
    levels: Vec<i32>,
    context: Option<FrozenContext>,
    /// What mixtures are made with, where the density is one; then there are no ladders.
    mixture: Option<MixtureTables>,
    /// Tables of the second latents, then of each rung of each set.
    lookups: Vec<Lookup>,
    second: usize,
    digest: [u8; 32],
}

/// What a latent's integer is coded with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Code {
    /// The index of a lookup.
    Table(u16),
    /// A mixture of its own.
    Mixture(Mixture),
}

/// What the integers of latents are coded with.
#[derive(Debug, Clone)]
pub(super) enum Codes {
    /// Indices of lookups.
    Tables(Vec<u16>),
    /// Mixtures.
    Mixtures(Vec<Mixture>),
}

impl Codes {
    pub fn push(&mut self, code: Code) {
        match (self, code) {
            (Self::Tables(all), Code::Table(table)) => all.push(table),
            (Self::Mixtures(all), Code::Mixture(mixture)) => all.push(mixture),
            _ => unreachable!("a model codes all latents alike"),
        }
    }
}

/// Where latents lie, and what codes them.
pub(super) struct Prediction {
    /// What they are rounded about, with [`FRACTION`] fractional bits, `[C, h, w]`.
    pub means: Vec<i32>,
    /// In the same order.
    pub codes: Codes,
}

impl Frozen {
    /// Tables of a trained hyperprior. A learned shape is rounded to a tenth, one of a latent to the nearest of twenty.
    ///
    /// # Errors
    /// As [`Hyper::network`].
    pub fn new(hyper: &Hyper) -> Result<Self> {
        let mut lookups: Vec<Alphabet> = hyper.factorised().alphabets(TABLE_BITS);
        let mut ladders = vec![];
        let mut add = |density: Density, rungs: usize| {
            ladders.push(Ladder::new(density, rungs));
            lookups.extend(Ladder::alphabets(density, rungs, TABLE_BITS));
        };
        let (low, high) = SHAPES;
        let mut levels = vec![];
        let mut mixture = None;
        let set_of = match (hyper.entropy().fixed(), hyper.shapes()) {
            _ if hyper.entropy() == Entropy::Mixture => {
                mixture = Some(MixtureTables::new());
                vec![0; hyper.latents()]
            }
            (Some(density), _) => {
                add(density, LADDER);
                vec![0; hyper.latents()]
            }
            (None, None) => {
                let shape = |level: f64| low + (high - low) * level / (SHAPE_LEVELS - 1) as f64;
                (0..SHAPE_LEVELS).for_each(|l| add(Density::Generalised { shape: shape(l as f64) }, LADDER));
                levels = (1..SHAPE_LEVELS).map(|l| fixed(shape_logit(shape(l as f64 - 0.5)))).collect();
                vec![0; hyper.latents()]
            }
            (None, Some(shapes)) => {
                let level = |shape: &f64| ((shape.clamp(low, high) - low) / SHAPE_STEP).round() as u16;
                let levels: Vec<u16> = shapes.iter().map(level).collect();
                let mut used = levels.clone();
                used.sort_unstable();
                used.dedup();
                for level in &used {
                    add(Density::Generalised { shape: low + SHAPE_STEP * f64::from(*level) }, SHAPED_LADDER);
                }
                levels.iter().map(|l| used.binary_search(l).expect("a used level") as u16).collect()
            }
        };
        let mut frozen = Self {
            network: hyper.network()?,
            own: hyper.own_scales().into_iter().map(fixed).collect(),
            ladders,
            set_of,
            levels,
            context: hyper.frozen_context()?,
            mixture,
            lookups: lookups.into_iter().map(Lookup::new).collect(),
            second: hyper.second(),
            digest: [0; 32],
        };
        frozen.digest = frozen.digested();
        Ok(frozen)
    }

    /// SHA-256 of everything here.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Number of latents.
    pub fn latents(&self) -> usize {
        self.set_of.len()
    }

    /// Whether latents are coded in passes, each knowing those before: see [`Frozen::in_passes`].
    pub(super) fn has_context(&self) -> bool {
        self.context.is_some()
    }

    /// Number of second latents.
    pub fn second(&self) -> usize {
        self.second
    }

    /// What mixtures are made with, where latents are coded with some.
    pub(super) fn mixture(&self) -> Option<&MixtureTables> {
        self.mixture.as_ref()
    }

    /// The cost in bits of the integer that the code at this place codes.
    pub(super) fn cost(&self, codes: &Codes, at: usize, value: i32) -> f64 {
        match (codes, &self.mixture) {
            (Codes::Tables(tables), _) => self.lookups[usize::from(tables[at])].alphabet().cost(value),
            (Codes::Mixtures(mixtures), Some(tables)) => tables.cost(&mixtures[at], value),
            (Codes::Mixtures(_), None) => unreachable!("mixtures are made with tables"),
        }
    }

    /// Room for what latents are coded with.
    pub(super) fn no_codes(&self) -> Codes {
        if self.mixture.is_some() { Codes::Mixtures(vec![]) } else { Codes::Tables(vec![]) }
    }

    /// Tables of all alphabets.
    pub fn lookups(&self) -> &[Lookup] {
        &self.lookups
    }

    /// Number of sets of tables: as many as there are different shapes.
    pub fn sets(&self) -> usize {
        self.ladders.len()
    }

    /// Tables of second latents `[second, h, w]`, a channel's for all of its plane.
    pub(super) fn second_tables(&self, area: usize) -> Vec<u16> {
        (0..self.second as u16).flat_map(|c| std::iter::repeat_n(c, area)).collect()
    }

    /// What the second latents `[second, h, w]` say of the latents `[C, 4 h, 4 w]`.
    pub(super) fn predict(&self, z: &[i32], [h, w]: [usize; 2], quality: usize) -> Prediction {
        let found = self.network.run(self.image(z, [h, w]));
        let (latents, [_, h, w]) = (self.latents(), found.shape);
        let (area, count) = (h * w, latents * h * w);
        if let Some(tables) = &self.mixture {
            let numbers = found.values;
            let one = |i: usize| self.mixture_of(tables, i / area, quality, |k| numbers[k * count + i]);
            let codes = Codes::Mixtures((0..count).into_par_iter().map(one).collect());
            return Prediction { means: vec![0; count], codes };
        }
        let mut means = found.values;
        let rest = means.split_off(count);
        let (scales, shapes) = rest.split_at(count);
        let one = |i: usize| self.table(i / area, quality, scales[i], shapes.get(i).copied());
        Prediction { means, codes: Codes::Tables((0..count).into_par_iter().map(one).collect()) }
    }

    /// Goes through the latents `[C, 4 h, 4 w]` in the order in which they are coded: for each `code` gets its index, its mean with
    /// [`FRACTION`] fractional bits and what codes it, and gives its integer about the mean.
    ///
    /// # Errors
    /// Those of `code`.
    ///
    /// # Panics
    /// When the model has no context.
    pub(super) fn in_passes(
        &self,
        z: &[i32],
        size: [usize; 2],
        quality: usize,
        code: &mut dyn FnMut(usize, i32, Code) -> Result<i32>,
    ) -> Result<()> {
        let context = self.context.as_ref().expect("a model with a context");
        let (last, before) = self.network.layers.split_last().expect("the network has layers");
        let features = before.iter().fold(self.image(z, size), |x, layer| layer.apply(x));
        let area = features.shape[1] * features.shape[2];
        let numbers = last.apply(features.clone()).values;
        context.run(features, &numbers, &mut |at, numbers| {
            let (mean, of) = match &self.mixture {
                Some(tables) => (0, Code::Mixture(self.mixture_of(tables, at / area, quality, |k| numbers[k]))),
                None => {
                    let table = self.table(at / area, quality, numbers[1], numbers.get(2).copied());
                    (numbers[0], Code::Table(table))
                }
            };
            let integer = code(at, mean, of)?;
            Ok((i64::from(integer) << FRACTION) + i64::from(mean))
        })
    }

    fn image(&self, z: &[i32], [h, w]: [usize; 2]) -> Image {
        let values = z.iter().map(|v| (*v).clamp(-MOST_SECOND, MOST_SECOND) << FRACTION).collect();
        Image { shape: [self.second, h, w], values }
    }

    /// The table of a latent of this scale, and of this shape where each has its own.
    fn table(&self, channel: usize, quality: usize, log_scale: i32, shape: Option<i32>) -> u16 {
        let set = match shape {
            Some(shape) => self.levels.partition_point(|between| *between < shape),
            None => usize::from(self.set_of[channel]),
        };
        let ladder = &self.ladders[set];
        let own = self.own[quality * self.latents() + channel];
        (self.second + set * ladder.len() + ladder.rung(log_scale.saturating_add(own))) as u16
    }

    /// The mixture of a latent of which the second latents say these numbers, in the order of [`Entropy::numbers`].
    fn mixture_of(
        &self,
        tables: &MixtureTables,
        channel: usize,
        quality: usize,
        number: impl Fn(usize) -> i32,
    ) -> Mixture {
        let own = self.own[quality * self.latents() + channel];
        tables.mixture(
            array::from_fn(|j| number(2 * COMPONENTS + j)),
            array::from_fn(|j| number(2 * j)),
            array::from_fn(|j| number(2 * j + 1).saturating_add(own)),
        )
    }

    fn digested(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"elbo picture entropy 1");
        self.network.digest(&mut hash);
        hash.update((self.second as u64).to_le_bytes());
        self.own.iter().for_each(|v| hash.update(v.to_le_bytes()));
        self.set_of.iter().for_each(|v| hash.update(v.to_le_bytes()));
        self.levels.iter().for_each(|v| hash.update(v.to_le_bytes()));
        if let Some(context) = &self.context {
            context.digest(&mut hash);
        }
        if let Some(mixture) = &self.mixture {
            mixture.digest(&mut hash);
        }
        for ladder in &self.ladders {
            hash.update((ladder.len() as u64).to_le_bytes());
            ladder.thresholds().iter().for_each(|v| hash.update(v.to_le_bytes()));
        }
        for lookup in &self.lookups {
            let alphabet = lookup.alphabet();
            hash.update(alphabet.low().to_le_bytes());
            hash.update((alphabet.table().len() as u64).to_le_bytes());
            alphabet.table().frequencies().iter().for_each(|v| hash.update(v.to_le_bytes()));
        }
        hash.finalize().into()
    }

    /// Stores everything.
    pub fn save(&self, file: &mut ModelFile) {
        self.network.save(file, "frozen.network");
        let whole = |values: &[i32]| values.iter().map(|v| i64::from(*v)).collect::<Vec<i64>>();
        file.put_i64("frozen.own", &[self.own.len()], &whole(&self.own));
        let sets: Vec<i64> = self.set_of.iter().map(|s| i64::from(*s)).collect();
        file.put_i64("frozen.sets", &[sets.len()], &sets);
        match &self.mixture {
            Some(mixture) => mixture.save(file, "frozen.mixture"),
            None => {
                let ladders: Vec<i64> = self.ladders.iter().flat_map(|l| whole(l.thresholds())).collect();
                let rungs = self.ladders.first().map_or(0, Ladder::len);
                file.put_i64("frozen.ladders", &[self.ladders.len(), rungs], &ladders);
            }
        }
        let mut shapes = vec![];
        let mut frequencies: Vec<u16> = vec![];
        for lookup in &self.lookups {
            let alphabet = lookup.alphabet();
            shapes.extend([i64::from(alphabet.low()), alphabet.table().len() as i64]);
            // Below 2^16, since there are at least two symbols.
            frequencies.extend(alphabet.table().frequencies().iter().map(|f| *f as u16));
        }
        file.put_i64("frozen.alphabets", &[self.lookups.len(), 2], &shapes);
        // Four to a number: the file knows no shorter integers.
        frequencies.resize(frequencies.len().next_multiple_of(4), 0);
        let (quads, _) = frequencies.as_chunks::<4>();
        let packed: Vec<i64> =
            quads.iter().map(|q| q.iter().rev().fold(0u64, |n, f| n << 16 | u64::from(*f)) as i64).collect();
        file.put_i64("frozen.frequencies", &[packed.len()], &packed);
        file.set("frozen.levels", &self.levels);
        if let Some(context) = &self.context {
            context.save(file);
        }
        file.set("frozen.second", &self.second);
        file.set("frozen.digest", &crate::container::hex(&self.digest));
    }

    /// Takes back what [`Frozen::save`] stored of a model with this density and context.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing, damaged, or does not have the digest it should.
    pub fn load(file: &ModelFile, (entropy, context): (Entropy, Context)) -> Result<Self> {
        let damaged = || Error::model_file("the model's entropy tables are damaged", "copy the model file again");
        let small = |name: &str| -> Result<Vec<i32>> {
            file.get_i64(name)?.into_iter().map(|v| i32::try_from(v).map_err(|_| damaged())).collect()
        };
        let network = Network::load(file, "frozen.network")?;
        let (own, sets) = (small("frozen.own")?, small("frozen.sets")?);
        let (mixture, ladders, rungs) = if entropy == Entropy::Mixture {
            (Some(MixtureTables::load(file, "frozen.mixture")?), vec![], 0)
        } else {
            let thresholds = small("frozen.ladders")?;
            let &[_, rungs] = file.shape("frozen.ladders")? else { return Err(damaged()) };
            if rungs == 0 {
                return Err(damaged());
            }
            let ladders: Vec<Ladder> =
                thresholds.chunks_exact(rungs).map(|t| Ladder::from_thresholds(t.to_vec())).collect();
            (None, ladders, rungs)
        };
        let count = ladders.len();
        let second: usize = file.fact("frozen.second")?;
        let levels: Vec<i32> = file.fact("frozen.levels")?;
        let context = FrozenContext::load(file, context)?;
        let shapes = file.get_i64("frozen.alphabets")?;
        let packed = file.get_i64("frozen.frequencies")?;
        let mut frequencies = packed.iter().flat_map(|p| (0..4).map(move |k| (*p as u64 >> (16 * k)) as u16));
        let mut lookups = vec![];
        for pair in shapes.chunks_exact(2) {
            let low = i32::try_from(pair[0]).map_err(|_| damaged())?;
            let length = usize::try_from(pair[1]).ok().filter(|n| (2..1 << 16).contains(n)).ok_or_else(damaged)?;
            let own: Vec<u32> = frequencies.by_ref().take(length).map(u32::from).collect();
            if own.len() != length || low.unsigned_abs() > 1 << 20 {
                return Err(damaged());
            }
            lookups.push(Lookup::new(Alphabet::from_frequencies(low, &own, TABLE_BITS)?));
        }
        let set_of: Vec<u16> = sets.iter().filter_map(|s| u16::try_from(*s).ok()).collect();
        let numbers = entropy.numbers() * set_of.len();
        let features = match network.layers.last() {
            Some(Layer::Convolution { channels, .. }) => *channels,
            _ => return Err(damaged()),
        };
        let fits = (levels.is_empty() || count == levels.len() + 1)
            && levels.is_empty() != (entropy == Entropy::GeneralisedElement)
            && context.as_ref().is_none_or(|c| c.sizes() == [set_of.len(), features, numbers])
            && set_of.len() == sets.len()
            && (mixture.is_some() || set_of.iter().all(|s| usize::from(*s) < count))
            && own.len() == LAMBDAS.len() * set_of.len()
            && lookups.len().checked_sub(count * rungs) == Some(second)
            && lookups.len() < 1 << 16
            && network.outcome(second) == Some((numbers, SECOND_STEP));
        if !fits {
            return Err(damaged());
        }
        let digest = [0; 32];
        let mut frozen = Self { network, own, ladders, set_of, levels, context, mixture, lookups, second, digest };
        frozen.digest = frozen.digested();
        let stored: String = file.fact("frozen.digest")?;
        if stored != crate::container::hex(&frozen.digest) {
            return Err(damaged());
        }
        Ok(frozen)
    }
}

/// A number with [`FRACTION`] fractional bits.
fn fixed(value: f64) -> i32 {
    (value * f64::from(1u32 << FRACTION)).round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;

    #[test]
    fn networks_and_counts_that_do_not_fit_are_refused_though_the_digest_is_theirs() {
        let kind = (Entropy::Gaussian, Context::Checkerboard);
        let whole = Frozen::new(&Hyper::new([3, 2, 4], kind, &mut Rng::new(1))).unwrap();
        let loads = |change: &dyn Fn(&mut Frozen)| {
            let mut frozen = whole.clone();
            change(&mut frozen);
            frozen.digest = frozen.digested();
            let mut file = ModelFile::new("test");
            frozen.save(&mut file);
            Frozen::load(&file, kind).is_ok()
        };
        assert!(loads(&|_| {}));
        assert!(!loads(&|frozen: &mut Frozen| drop(frozen.network.layers.pop())));
        assert!(!loads(&|frozen: &mut Frozen| drop(frozen.network.layers.remove(1))));
        assert!(!loads(&|frozen: &mut Frozen| frozen.network.layers.swap(0, 3)));
        assert!(!loads(&|frozen: &mut Frozen| frozen.second = usize::MAX));
        assert!(!loads(&|frozen: &mut Frozen| frozen.levels = vec![0; 19]));
        let other = Frozen::new(&Hyper::new([3, 2, 5], kind, &mut Rng::new(1))).unwrap();
        assert!(!loads(&|frozen: &mut Frozen| frozen.context = other.context.clone()));
        assert!(!loads(&|frozen: &mut Frozen| frozen.context = None));
    }
}
