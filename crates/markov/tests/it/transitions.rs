//! Process covariances over nine decades of the gap, against 200-digit arithmetic.

use elbo_markov::kernel::Factor;

#[test]
fn process_covariances_keep_their_digits() {
    let text = include_str!("golden/process.csv");
    let mut rows = 0;
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let cells: Vec<&str> = line.split(',').collect();
        let (p, gap): (usize, f64) = (cells[0].parse().unwrap(), cells[1].parse().unwrap());
        let expected: Vec<f64> = cells[2..].iter().map(|c| c.parse().unwrap()).collect();
        let n = p + 1;
        let (_, q) = Factor::Matern(p).transition(1.0, gap);
        for i in 0..n {
            for j in 0..n {
                let size = (expected[i * n + i] * expected[j * n + j]).sqrt();
                let error = (q[i * n + j] - expected[i * n + j]).abs() / size;
                assert!(error < 1e-12, "p {p}, gap {gap}, entry {i} {j}: {error:e}");
            }
        }
        rows += 1;
    }
    assert!(rows >= 60, "{rows}");
}
