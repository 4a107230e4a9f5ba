//! The least time of a posterior's draws: the arithmetic of their gradients at the machine's peak.

use super::works::{Floor, Peak};

/// The floor of so many gradients of a posterior of [`super::infer`], whose data are `[N, D]`. The gradients of the warm-up come on top.
pub fn floor(id: &str, gradients: f64, [n, d]: [usize; 2], peak: &Peak) -> Floor {
    let (n, d) = (n as f64, d as f64);
    let (operations, reason) = match id {
        "schools" => (13.0 * n, "13 operations for each school and gradient of a draw"),
        "logistic" => {
            (4.0 * n * d, "4ND operations for each gradient of a draw: the design times a vector, and its transpose")
        }
        _ => (n.powi(3), "N³ operations for each gradient of a draw"),
    };
    Floor { ms: 1e-6 * gradients * operations / peak.gflops_float64, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_grows_with_the_gradients_and_the_design() {
        let peak = Peak { gflops_float64: 10.0, gflops_float32: 20.0, copy_gb_per_s: 1.0 };
        let ms = |id: &str, gradients: f64, size: [usize; 2]| floor(id, gradients, size, &peak).ms;
        assert!((ms("logistic", 1000.0, [50, 5]) - 0.1).abs() < 1e-12);
        assert!((ms("logistic", 2000.0, [50, 10]) - 0.4).abs() < 1e-12);
        assert!((ms("schools", 1e6, [8, 1]) - 10.4).abs() < 1e-12);
        assert!((ms("gp", 10.0, [100, 1]) - 1.0).abs() < 1e-12);
    }
}
