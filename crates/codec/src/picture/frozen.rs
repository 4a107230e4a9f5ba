//! All that encoder and decoder must agree on, made once from a trained model, in integers.

use super::hyper::{Hyper, SECOND_STEP};
use super::{LAMBDAS, TABLE_BITS};
use crate::coder::Lookup;
use crate::density::{Density, LADDER, Ladder, SHAPES};
use crate::integer::{FRACTION, Image, Network};
use crate::table::Alphabet;
use elbo_core::{Error, ModelFile, Result};
use sha2::{Digest, Sha256};

/// Rungs of a ladder of a density with a shape: its least scale is far lower.
const SHAPED_LADDER: usize = 160;
/// Steps between shapes that have tables of their own.
const SHAPE_STEP: f64 = 0.1;
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
    /// Tables of the second latents, then of each rung of each set.
    lookups: Vec<Lookup>,
    second: usize,
    digest: [u8; 32],
}

/// Where a latent lies, and its table.
pub(super) struct Prediction {
    /// Means with [`FRACTION`] fractional bits, `[C, h, w]`.
    pub means: Vec<i32>,
    /// Indices of lookups.
    pub tables: Vec<u16>,
}

impl Frozen {
    /// Tables of a trained hyperprior. A learned shape is rounded to a tenth.
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
        let set_of = match (hyper.entropy().fixed(), hyper.shapes()) {
            (Some(density), _) => {
                add(density, LADDER);
                vec![0; hyper.latents()]
            }
            (None, shapes) => {
                let (low, high) = SHAPES;
                let shapes = shapes.expect("a density with a shape");
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
        let own = hyper.own_scales().iter().map(|s| (s * f64::from(1u32 << FRACTION)).round() as i32).collect();
        let lookups = lookups.into_iter().map(Lookup::new).collect();
        let mut frozen =
            Self { network: hyper.network()?, own, ladders, set_of, lookups, second: hyper.second(), digest: [0; 32] };
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

    /// Number of second latents.
    pub fn second(&self) -> usize {
        self.second
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
        let values = z.iter().map(|v| (*v).clamp(-MOST_SECOND, MOST_SECOND) << FRACTION).collect();
        let found = self.network.run(Image { shape: [self.second, h, w], values });
        let (latents, [_, h, w]) = (self.latents(), found.shape);
        let area = h * w;
        let mut means = found.values;
        let scales = means.split_off(latents * area);
        let mut tables = Vec::with_capacity(scales.len());
        let mut base = vec![];
        let mut next = self.second;
        for ladder in &self.ladders {
            base.push(next);
            next += ladder.len();
        }
        for (channel, plane) in scales.chunks_exact(area).enumerate() {
            let set = usize::from(self.set_of[channel]);
            let own = self.own[quality * latents + channel];
            let ladder = &self.ladders[set];
            tables.extend(plane.iter().map(|s| (base[set] + ladder.rung(s.saturating_add(own))) as u16));
        }
        Prediction { means, tables }
    }

    fn digested(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"elbo picture entropy 1");
        self.network.digest(&mut hash);
        hash.update((self.second as u64).to_le_bytes());
        self.own.iter().for_each(|v| hash.update(v.to_le_bytes()));
        self.set_of.iter().for_each(|v| hash.update(v.to_le_bytes()));
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
        let ladders: Vec<i64> = self.ladders.iter().flat_map(|l| whole(l.thresholds())).collect();
        let rungs = self.ladders.first().map_or(0, Ladder::len);
        file.put_i64("frozen.ladders", &[self.ladders.len(), rungs], &ladders);
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
        file.set("frozen.second", &self.second);
        file.set("frozen.digest", &crate::container::hex(&self.digest));
    }

    /// Takes back what [`Frozen::save`] stored.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing, damaged, or does not have the digest it should.
    pub fn load(file: &ModelFile) -> Result<Self> {
        let damaged = || Error::model_file("the model's entropy tables are damaged", "copy the model file again");
        let small = |name: &str| -> Result<Vec<i32>> {
            file.get_i64(name)?.into_iter().map(|v| i32::try_from(v).map_err(|_| damaged())).collect()
        };
        let network = Network::load(file, "frozen.network")?;
        let (own, sets, thresholds) = (small("frozen.own")?, small("frozen.sets")?, small("frozen.ladders")?);
        let &[count, rungs] = file.shape("frozen.ladders")? else { return Err(damaged()) };
        let second: usize = file.fact("frozen.second")?;
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
        let fits = rungs > 0
            && set_of.len() == sets.len()
            && set_of.iter().all(|s| usize::from(*s) < count)
            && own.len() == LAMBDAS.len() * set_of.len()
            && lookups.len().checked_sub(count * rungs) == Some(second)
            && lookups.len() < 1 << 16
            && network.outcome(second) == Some((2 * set_of.len(), SECOND_STEP));
        if !fits {
            return Err(damaged());
        }
        let ladders = thresholds.chunks_exact(rungs).map(|t| Ladder::from_thresholds(t.to_vec())).collect();
        let mut frozen = Self { network, own, ladders, set_of, lookups, second, digest: [0; 32] };
        frozen.digest = frozen.digested();
        let stored: String = file.fact("frozen.digest")?;
        if stored != crate::container::hex(&frozen.digest) {
            return Err(damaged());
        }
        Ok(frozen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Entropy;
    use elbo_core::Rng;

    #[test]
    fn networks_and_counts_that_do_not_fit_are_refused_though_the_digest_is_theirs() {
        let whole = Frozen::new(&Hyper::new(3, 2, 4, Entropy::Gaussian, &mut Rng::new(1))).unwrap();
        let loads = |change: &dyn Fn(&mut Frozen)| {
            let mut frozen = whole.clone();
            change(&mut frozen);
            frozen.digest = frozen.digested();
            let mut file = ModelFile::new("test");
            frozen.save(&mut file);
            Frozen::load(&file).is_ok()
        };
        assert!(loads(&|_| {}));
        assert!(!loads(&|frozen: &mut Frozen| drop(frozen.network.layers.pop())));
        assert!(!loads(&|frozen: &mut Frozen| drop(frozen.network.layers.remove(1))));
        assert!(!loads(&|frozen: &mut Frozen| frozen.network.layers.swap(0, 3)));
        assert!(!loads(&|frozen: &mut Frozen| frozen.second = usize::MAX));
    }
}
