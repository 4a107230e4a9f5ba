//! Both ways of writing a log density agree.

use elbo_infer::{Explicit, LogDensity};
use elbo_tensor::{Tensor, grad};

struct Normal;

impl LogDensity for Normal {
    fn dim(&self) -> usize {
        2
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        z.square().sum_axes(&[-1], false) * -0.5
    }
}

#[test]
fn a_hand_written_density_equals_its_tensor_form() {
    let by_hand = Explicit::new(2, |z: &[f64], gradient: &mut [f64]| {
        gradient.iter_mut().zip(z).for_each(|(g, z)| *g = -z);
        -0.5 * z.iter().map(|z| z * z).sum::<f64>()
    });
    let points = Tensor::from_vec(vec![0.3, -1.2, 2.0, 0.1, 0.0, -0.7], &[3, 2]).variable();
    let values = [Normal.log_prob(&points), by_hand.log_prob(&points)];
    assert_eq!(values[0].to_vec(), values[1].to_vec());
    let slopes: Vec<Vec<f64>> = values.iter().map(|v| grad(&v.sum(), &[&points])[0].to_vec()).collect();
    assert_eq!(slopes[0], slopes[1]);

    let mut gradient = [vec![0.0; 2], vec![0.0; 2]];
    let at = [0.3, -1.2];
    assert_eq!(Normal.value_and_gradient(&at, &mut gradient[0]), by_hand.value_and_gradient(&at, &mut gradient[1]));
    assert_eq!(gradient[0], gradient[1]);
    assert_eq!(gradient[0], [-0.3, 1.2]);
}
