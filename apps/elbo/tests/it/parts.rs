//! The examples of parts of the library, in a small budget.

#[path = "../../examples/bandit.rs"]
#[allow(dead_code, reason = "the program's own start runs it with its full budget")]
mod bandit;
#[path = "../../examples/machines.rs"]
#[allow(dead_code, reason = "the program's own start prints what the test checks")]
mod machines;
#[path = "../../examples/rate.rs"]
#[allow(dead_code, reason = "the program's own start prints what the test checks")]
mod rate;
#[path = "../../examples/scene/main.rs"]
#[allow(dead_code, reason = "the program's own start reads its words and meshes")]
mod scene;
#[path = "../../examples/two_objectives.rs"]
#[allow(dead_code, reason = "the program's own start runs it with its full budget")]
mod two_objectives;
#[path = "../../examples/weights/main.rs"]
#[allow(dead_code, reason = "the program's own start prints what the test checks")]
mod weights;

use elbo::core::{Rng, Run};
use elbo::data::{ReadOptions, read};
use elbo::decide::maximise::MaximiseConfig;
use elbo::decide::objectives::{Choose, dominates, front};
use elbo::decide::planning::Inference;
use elbo::decide::surrogate::SurrogateConfig;
use elbo::infer::fit::{MethodSettings, ViSettings};
use elbo::splat::make::{Recipe, make};
use elbo::splat::scene::interleaved;

#[test]
fn chosen_trials_grow_the_volume_below_the_front() {
    let choose = Choose {
        surrogate: SurrogateConfig { starts: 2, iterations: 40, ..SurrogateConfig::default() },
        maximise: MaximiseConfig { raw: 64, starts: 3, steps: 30, ..MaximiseConfig::default() },
        ..Choose::default()
    };
    let trials = two_objectives::search(&choose, 8, 6, &mut Rng::new(1)).unwrap();
    assert_eq!((trials.points.len(), trials.values.len()), (14, 14));
    assert!(trials.points.iter().flatten().all(|u| (0.0..=1.0).contains(u)));
    let shares = [8, 11, 14].map(|count| two_objectives::share(&trials, count));
    assert!(shares[0] < shares[1] && shares[1] <= shares[2] && shares[2] == 1.0, "{shares:?}");
    let best = front(&trials.values);
    let beaten = |i: &usize| trials.values.iter().any(|v| dominates(v, &trials.values[*i]));
    assert!(best.len() > 1 && !best.iter().any(beaten));
}

#[test]
fn policies_that_learn_lose_less_than_chance() {
    let found = bandit::regrets(200, 1);
    let last = |k: usize| found[k].1[199];
    assert!((1..4).all(|k| last(k) < 0.8 * last(0)), "{found:?}");
}

#[test]
fn looking_is_worth_something_and_broken_machines_are_repaired() {
    let process = machines::machines().unwrap();
    let energy = |kind: Inference| process.energy(kind, 8, 0.01).unwrap();
    let (looking, blind, chance) =
        (energy(Inference::Planning), energy(Inference::MarginalMap), energy(Inference::MarginalUniform));
    assert!(looking > blind + 0.1 && blind > chance, "{looking} {blind} {chance}");
    let policy = process.plan(8, 0.0).unwrap();
    // A repair pays while steps are left to earn in, and never in the last one.
    assert_eq!((policy.actions[0][2], policy.actions[0][1]), (1, 2));
    assert!(policy.actions[7].iter().all(|action| *action == 0));
}

#[test]
fn disasters_became_rarer_at_the_turn_of_the_century() {
    let counts = rate::counts().unwrap();
    let found = rate::rates(&counts, &[6.0, 24.0]).unwrap();
    assert_eq!((found.each.len(), found.bounds.len()), (112, 2));
    assert!(found.bounds.iter().all(|(_, bound)| bound.is_finite()), "{:?}", found.bounds);
    assert!(found.each.iter().all(|[rate, low, high]| 0.0 < *low && low < rate && rate < high));
    let mean = |years: std::ops::Range<usize>| {
        let part = &found.each[years];
        part.iter().map(|[rate, ..]| rate).sum::<f64>() / part.len() as f64
    };
    // The counts have means of 3.1 until 1890 and 0.9 afterwards.
    assert!(mean(0..36) > 2.3 && mean(50..112) < 1.4, "{} {}", mean(0..36), mean(50..112));
}

#[test]
fn every_posterior_over_weights_answers_and_doubt_grows_beyond_the_data() {
    let vi = ViSettings { steps: 300, evaluated: 400, ..ViSettings::default() };
    let settings = MethodSettings { vi, ..MethodSettings::default() };
    let found = weights::answers(1500, &settings, &mut Run::new(1)).unwrap();
    let names: Vec<&str> = found.iter().map(|a| a.name).collect();
    assert_eq!(names, ["ensemble", "laplace", "laplace, last layer", "swag", "ivon", "mean-field", "low-rank:4"]);
    for answer in &found {
        // The noise alone has a standard deviation of 0.1.
        let is_wide = answer.sd.iter().all(|sd| sd.is_finite() && *sd >= 0.1 - 1e-12);
        assert!(answer.log_density.is_finite() && is_wide, "{}", answer.name);
    }
    // The truth has a mean log density of 0.88; the two that are fitted from afar need more steps than a test has.
    for answer in &found[..5] {
        assert!(answer.log_density > 0.5, "{}: {}", answer.name, answer.log_density);
    }
    let [data, _, beyond] = found[1].sd;
    assert!(beyond > 1.3 * data, "{data} {beyond}");
}

#[test]
fn a_made_up_scene_is_read_as_it_was_written() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("made-up-scene");
    let recipe = Recipe { views: 4, size: 16, bodies: 2, points: 40, rays: 1, ..Recipe::default() };
    let made = make(&recipe, 1);
    scene::write(&folder, &made, true).unwrap();
    let data = read(&folder, &ReadOptions::default()).unwrap();
    let image = data.get("image").unwrap();
    assert_eq!(image.shape, [4, 16, 16, 3]);
    let pixels = made.scene.images.chunks_exact(3 * 16 * 16).flat_map(interleaved);
    assert!(image.to_f64().unwrap() == pixels.map(f64::from).collect::<Vec<f64>>(), "other pixels");
    let truth = read(&folder.join("truth.npz"), &ReadOptions::default()).unwrap();
    let depth: Vec<f64> = made.depth.iter().map(|v| f64::from(*v)).collect();
    assert!(truth.get("depth").unwrap().to_f64().unwrap() == depth, "other depths");
    assert!(folder.join("sparse/0/images.txt").exists() && folder.join("priors/priors.json").exists());
    std::fs::remove_dir_all(&folder).unwrap();
}
