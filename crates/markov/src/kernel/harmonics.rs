//! Harmonics of periodic kernels: their weights, how many are needed, and what the others would hold.

use super::{Form, Kernel, MOST_HARMONICS};
use elbo_core::Result;
use elbo_tensor::special::bessel_ie;

impl Kernel {
    /// Share of the variance of periodic terms that lies in the harmonics left out, the largest of all terms.
    pub fn dropped(&self) -> f64 {
        match self {
            Self::Sum(parts) | Self::Product(parts) => parts.iter().map(Self::dropped).fold(0.0, f64::max),
            Self::Term(Form::Periodic(harmonics), parameters) => {
                (1.0 - harmonic_weights(parameters[1].value, *harmonics).iter().map(|(w, _)| w).sum::<f64>()).max(0.0)
            }
            Self::Term(..) => 0.0,
        }
    }

    /// Harmonics after which every periodic term has less than this share of its variance left; at most [`MOST_HARMONICS`].
    pub fn harmonics_for(&self, tolerance: f64) -> usize {
        match self {
            Self::Sum(parts) | Self::Product(parts) => {
                parts.iter().map(|p| p.harmonics_for(tolerance)).max().unwrap_or(0)
            }
            Self::Term(Form::Periodic(_), parameters) => harmonics_needed(parameters[1].value, tolerance),
            Self::Term(..) => 0,
        }
    }

    /// Gives periodic terms the first number of harmonics after which less than this share of their variance is left: those that are `free`, one flag a
    /// periodic term, in the order of the expression. Whether some term has more harmonics than before.
    ///
    /// # Errors
    /// As [`Kernel::blocks`], where the state would be too large; the kernel is then as it was.
    pub fn choose_harmonics(&mut self, free: &[bool], tolerance: f64) -> Result<bool> {
        let mut chosen = self.clone();
        let has_more = chosen.choose(&mut free.iter().copied(), tolerance);
        chosen.blocks()?;
        *self = chosen;
        Ok(has_more)
    }

    fn choose(&mut self, free: &mut dyn Iterator<Item = bool>, tolerance: f64) -> bool {
        match self {
            // Every part is visited: each periodic term has its own flag.
            Self::Sum(parts) | Self::Product(parts) => {
                let mut has_more = false;
                for part in parts {
                    has_more |= part.choose(free, tolerance);
                }
                has_more
            }
            Self::Term(Form::Periodic(harmonics), parameters) => {
                if !free.next().unwrap_or(false) {
                    return false;
                }
                let before = *harmonics;
                *harmonics = harmonics_needed(parameters[1].value, tolerance);
                *harmonics > before
            }
            Self::Term(..) => false,
        }
    }
}

/// Harmonics of one periodic kernel after which less than `tolerance` of its variance is left.
fn harmonics_needed(lengthscale: f64, tolerance: f64) -> usize {
    let weights = harmonic_weights(lengthscale, MOST_HARMONICS);
    let mut left = 1.0 - weights[0].0;
    for (j, (weight, _)) in weights.iter().enumerate().skip(1) {
        left -= weight;
        if left < tolerance {
            return j;
        }
    }
    MOST_HARMONICS
}

/// Variances `q_j²` of the harmonics `0..=count` of a unit periodic kernel, and `d log q_j² / d log l`.
pub(super) fn harmonic_weights(lengthscale: f64, count: usize) -> Vec<(f64, f64)> {
    let c = lengthscale.powi(-2);
    let bessel = |j: usize| bessel_ie(j, c);
    (0..=count)
        .map(|j| {
            let factor = if j == 0 { 1.0 } else { 2.0 };
            let value = bessel(j);
            let derivative = if j == 0 { bessel(1) } else { 0.5 * (bessel(j - 1) + bessel(j + 1)) } - value;
            // d log l = -d log c / 2.
            (factor * value, if value > 0.0 { -2.0 * c * derivative / value } else { 0.0 })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harmonics_needed_are_the_first_that_suffice() {
        for lengthscale in [0.4, 0.8, 2.0] {
            let left = |count: usize| 1.0 - harmonic_weights(lengthscale, count).iter().map(|w| w.0).sum::<f64>();
            let count = harmonics_needed(lengthscale, 1e-6);
            assert!(left(count) < 1e-6 && left(count - 1) >= 1e-6, "lengthscale {lengthscale}: {count}");
        }
    }

    #[test]
    fn harmonics_add_up_and_their_slopes_are_right() {
        let sum: f64 = harmonic_weights(0.8, 25).iter().map(|w| w.0).sum();
        assert!((sum - 1.0).abs() < 1e-13);
        let step = 1e-6;
        let (up, down) = (harmonic_weights(0.8 * f64::exp(step), 5), harmonic_weights(0.8 * f64::exp(-step), 5));
        for (j, (_, slope)) in harmonic_weights(0.8, 5).iter().enumerate() {
            let numeric = (up[j].0.ln() - down[j].0.ln()) / (2.0 * step);
            assert!((slope - numeric).abs() < 1e-8, "harmonic {j}");
        }
    }

    #[test]
    fn harmonics_that_are_free_follow_the_lengthscale() {
        let text = "matern32 * periodic(period=2) + periodic(lengthscale=0.5, period=3, harmonics=4) + periodic(lengthscale=0.4)";
        let (mut kernel, free) = Kernel::parse(text).unwrap();
        assert_eq!(free, [true, false, true]);
        assert!(kernel.choose_harmonics(&free, 1e-6).unwrap());
        let shown = kernel.to_string();
        let counts: Vec<&str> = shown.match_indices("harmonics=").map(|(at, _)| &shown[at + 10..at + 12]).collect();
        assert_eq!(counts, ["7)", "4)", "13"]);
        assert!(!kernel.choose_harmonics(&free, 1e-6).unwrap(), "they were chosen already");
        // The term whose harmonics are given is what is left out.
        let (weights, given) = (harmonic_weights(0.5, 4), kernel.dropped());
        assert!((given - (1.0 - weights.iter().map(|w| w.0).sum::<f64>())).abs() < 1e-15);
        let (mut large, free) = Kernel::parse(&["periodic(lengthscale=0.2)"; 2].join(" * ")).unwrap();
        let before = large.clone();
        assert!(large.choose_harmonics(&free, 1e-6).unwrap_err().to_string().contains("1024"));
        assert_eq!(large, before);
    }
}
