use elbo_core::Rng;
use elbo_dist::{KMeansConfig, kmeans};

fn blobs(n: usize) -> Vec<f64> {
    let mut rng = Rng::new(5);
    let centres = [[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]];
    (0..n).flat_map(|i| centres[i % 4].map(|c| c + 0.3 * rng.normal())).collect()
}

#[test]
fn separate_clusters_are_found() {
    let x = blobs(4000);
    let result = kmeans(&x, 2, 4, &KMeansConfig::default(), &mut Rng::new(1));
    for target in [[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]] {
        let near = result.centres.chunks(2).any(|c| (c[0] - target[0]).hypot(c[1] - target[1]) < 0.1);
        assert!(near, "{target:?} not in {:?}", result.centres);
    }
    // 2 * 0.09 a row.
    assert!((result.inertia / 4000.0 - 0.18).abs() < 0.02, "{}", result.inertia);
}

#[test]
fn the_result_has_the_same_bits_for_1_2_and_8_threads() {
    let x = blobs(5000);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| kmeans(&x, 2, 17, &KMeansConfig { max_rows: 3000, ..Default::default() }, &mut Rng::new(2)))
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(8));
}

#[test]
fn repeated_rows_give_no_repeated_centres() {
    let x: Vec<f64> = (0..30).map(|i| f64::from(i % 3)).collect();
    let result = kmeans(&x, 1, 10, &KMeansConfig::default(), &mut Rng::new(1));
    let mut centres = result.centres.clone();
    centres.sort_by(f64::total_cmp);
    assert_eq!(centres, [0.0, 1.0, 2.0]);
    assert_eq!(result.inertia, 0.0);
}

#[test]
fn more_starts_are_never_worse() {
    let x = blobs(800);
    let inertia =
        |restarts| kmeans(&x, 2, 9, &KMeansConfig { restarts, ..Default::default() }, &mut Rng::new(7)).inertia;
    assert!(inertia(6) <= inertia(1));
}
