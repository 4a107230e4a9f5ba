//! A density for each channel that is learned freely: for the second latent, whose symbols nothing else predicts.
//!
//! The logit of the distribution function is a monotone network of one number: `x -> softplus(H) x + b`, then `x + tanh(a) tanh(x)`,
//! of widths 3, 3, 3, 3 (Ballé et al. 2018, appendix).

use crate::density::{MOST_HALF, TAIL};
use crate::table::Alphabet;
use elbo_core::Rng;
use elbo_nn::bound::lower_bound;
use elbo_tensor::special::{log_expm1, log1p_exp, sigmoid};
use elbo_tensor::{Parameter, Parameters, Tensor};

const WIDTHS: [usize; 6] = [1, 3, 3, 3, 3, 1];
const FLOOR: f64 = 1e-9;

/// One learned density a channel.
#[derive(Debug, Clone)]
pub struct Factorised {
    channels: usize,
    /// `[C, out, in]` for each layer; positive after `softplus`.
    matrices: Vec<Parameter>,
    /// `[C, out, 1]`.
    biases: Vec<Parameter>,
    /// `[C, out, 1]`, none after the last layer.
    factors: Vec<Parameter>,
}

impl Parameters for Factorised {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.matrices.iter().enumerate().for_each(|(i, p)| f(&format!("matrix{i}"), p));
        self.biases.iter().enumerate().for_each(|(i, p)| f(&format!("bias{i}"), p));
        self.factors.iter().enumerate().for_each(|(i, p)| f(&format!("factor{i}"), p));
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.matrices.iter_mut().enumerate().for_each(|(i, p)| f(&format!("matrix{i}"), p));
        self.biases.iter_mut().enumerate().for_each(|(i, p)| f(&format!("bias{i}"), p));
        self.factors.iter_mut().enumerate().for_each(|(i, p)| f(&format!("factor{i}"), p));
    }
}

impl Factorised {
    /// Densities whose logit begins with the slope `1 / start`; ten is customary, and about twenty integers wide.
    pub fn new(channels: usize, start: f64, rng: &mut Rng) -> Self {
        let slope = start.powf(1.0 / (WIDTHS.len() - 1) as f64);
        let parameter = |values: Vec<f32>, shape: &[usize]| Parameter::real(&Tensor::from_f32(values, shape));
        let (mut matrices, mut biases, mut factors) = (vec![], vec![], vec![]);
        for (layer, pair) in WIDTHS.windows(2).enumerate() {
            let &[before, after] = pair else { unreachable!("windows of two") };
            let start = log_expm1(1.0 / (slope * after as f64)) as f32;
            matrices.push(parameter(vec![start; channels * after * before], &[channels, after, before]));
            let bias = rng.uniforms(channels * after).into_iter().map(|u| (u - 0.5) as f32).collect();
            biases.push(parameter(bias, &[channels, after, 1]));
            if layer + 2 < WIDTHS.len() {
                factors.push(parameter(vec![0.0; channels * after], &[channels, after, 1]));
            }
        }
        Self { channels, matrices, biases, factors }
    }

    /// Logits of the distribution function, `x: [C, 1, N]`.
    fn logits(&self, x: &Tensor) -> Tensor {
        let mut x = x.clone();
        for (i, (matrix, bias)) in self.matrices.iter().zip(&self.biases).enumerate() {
            x = matrix.get().softplus().matmul(&x) + bias.get();
            if let Some(factor) = self.factors.get(i) {
                x = &x + factor.get().tanh() * x.tanh();
            }
        }
        x
    }

    /// Bits of values `z: [B, C, ...]`, each as `-log2` of the mass within half a unit; returns the same numbers in another order,
    /// `[C, 1, N]`.
    pub fn bits(&self, z: &Tensor) -> Tensor {
        let shape = z.shape().to_vec();
        let plane: usize = shape[2..].iter().product();
        let z = z.reshape(&[shape[0], shape[1], plane]).permute(&[1, 0, 2]).reshape(&[shape[1], 1, shape[0] * plane]);
        let (low, high) = (self.logits(&(&z - 0.5)), self.logits(&(&z + 0.5)));
        // Both on the side of the median where nothing cancels.
        let side = -((&low + &high).detach().sign());
        let p = ((&side * high).sigmoid() - (&side * low).sigmoid()).abs();
        let floor = Tensor::full(&[1, 1, 1], FLOOR, z.dtype());
        lower_bound(&p, &floor, false).log() * (-1.0 / std::f64::consts::LN_2)
    }

    /// The logit of one channel's distribution function, in double precision.
    fn logit(&self, channel: usize, x: f64, values: &Values) -> f64 {
        let mut now = vec![x];
        for (i, pair) in WIDTHS.windows(2).enumerate() {
            let (before, after) = (pair[0], pair[1]);
            let matrix = &values.matrices[i][channel * after * before..(channel + 1) * after * before];
            let bias = &values.biases[i][channel * after..(channel + 1) * after];
            let next = (0..after).map(|o| {
                let row = &matrix[o * before..(o + 1) * before];
                let sum = bias[o] + row.iter().zip(&now).map(|(h, x)| log1p_exp(*h) * x).sum::<f64>();
                match values.factors.get(i) {
                    Some(factor) => sum + factor[channel * after + o].tanh() * sum.tanh(),
                    None => sum,
                }
            });
            now = next.collect();
        }
        now[0]
    }

    /// The alphabet of each channel: the integers that hold all but 1e-9 of its mass, the ends found by bisection.
    pub fn alphabets(&self, bits: u32) -> Vec<Alphabet> {
        let read = |all: &[Parameter]| all.iter().map(Parameter::value).collect::<Vec<_>>();
        let values =
            Values { matrices: read(&self.matrices), biases: read(&self.biases), factors: read(&self.factors) };
        (0..self.channels).map(|channel| self.alphabet(channel, &values, bits)).collect()
    }

    fn alphabet(&self, channel: usize, values: &Values, bits: u32) -> Alphabet {
        let logit = |x: f64| self.logit(channel, x, values);
        let most = f64::from(MOST_HALF);
        let quantile = |target: f64| {
            let (mut low, mut high) = (-most, most);
            for _ in 0..40 {
                let middle = 0.5 * (low + high);
                if logit(middle) < target { low = middle } else { high = middle }
            }
            0.5 * (low + high)
        };
        let end = (TAIL / 2.0 / (1.0 - TAIL / 2.0)).ln();
        let (low, high) = (quantile(end).floor() as i32, quantile(-end).ceil() as i32);
        let p: Vec<f64> = (low..=high.max(low))
            .map(|k| {
                let (a, b) = (logit(f64::from(k) - 0.5), logit(f64::from(k) + 0.5));
                if a + b > 0.0 { sigmoid(-a) - sigmoid(-b) } else { sigmoid(b) - sigmoid(a) }
            })
            .collect();
        Alphabet::new(low, &p, bits)
    }
}

/// Parameters in double precision, a list a layer.
struct Values {
    matrices: Vec<Vec<f64>>,
    biases: Vec<Vec<f64>>,
    factors: Vec<Vec<f64>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_tensor::grad;

    #[test]
    fn it_starts_with_a_slope_of_one_tenth_and_its_mass_is_one() {
        let model = Factorised::new(4, 10.0, &mut Rng::new(1));
        let x = Tensor::from_f32(vec![0.0; 4], &[4, 1, 1]).variable();
        // Biases bend nothing yet: the factors are zero.
        for slope in grad(&model.logits(&x).sum(), &[&x])[0].to_vec() {
            assert!((slope - 0.1).abs() < 1e-6, "{slope}");
        }
        let wide: Vec<f32> = (-600..=600).map(|k| k as f32).collect();
        let z = Tensor::from_f32(wide, &[1, 1, 1201]);
        let one = Factorised::new(1, 10.0, &mut Rng::new(1));
        let total: f64 = one.bits(&z).to_vec().iter().map(|b| (-b).exp2()).sum();
        assert!((total - 1.0).abs() < 2e-6, "{total}");
    }

    #[test]
    fn tables_cost_what_training_counts() {
        let model = Factorised::new(3, 10.0, &mut Rng::new(2));
        let alphabets = model.alphabets(16);
        let values: Vec<f32> = (-30..=30).map(|k| k as f32).collect();
        let count = values.len();
        let z = Tensor::from_f32([values.clone(), values.clone(), values.clone()].concat(), &[1, 3, count]);
        let bits = model.bits(&z).to_vec();
        for (i, bits) in bits.iter().enumerate() {
            let cost = alphabets[i / count].cost(values[i % count] as i32);
            assert!((cost - bits).abs() < 0.02, "{i}: {cost} {bits}");
        }
    }
}
