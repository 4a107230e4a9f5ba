//! Planning: the energies of all kinds of inference against trajectories written out.

use elbo_core::Rng;
use elbo_decide::planning::{Factor, Factored, Flat, Inference};

fn distribution(size: usize, rng: &mut Rng) -> Vec<f64> {
    let parts: Vec<f64> = (0..size).map(|_| rng.exponential()).collect();
    let sum: f64 = parts.iter().sum();
    parts.iter().map(|p| p / sum).collect()
}

/// Two variables of two and three values; the second depends on both, the first on itself.
fn factored(rng: &mut Rng, is_deterministic: bool) -> Factored {
    let rows = |count: usize, size: usize, rng: &mut Rng| -> Vec<f64> {
        let row = |rng: &mut Rng| {
            if is_deterministic {
                let at = rng.below(size);
                (0..size).map(|i| f64::from(u8::from(i == at))).collect()
            } else {
                distribution(size, rng)
            }
        };
        (0..count).flat_map(|_| row(rng)).collect()
    };
    Factored {
        sizes: vec![2, 3],
        actions: 2,
        transitions: vec![
            Factor { parents: vec![0], table: rows(4, 2, rng) },
            Factor { parents: vec![1, 0], table: rows(12, 3, rng) },
        ],
        rewards: vec![
            Factor { parents: vec![1], table: rng.normals(6) },
            Factor { parents: vec![], table: rng.normals(2) },
        ],
        start: vec![rows(1, 2, rng), rows(1, 3, rng)],
    }
}

/// Calls `each(states, actions, probability, reward)` for all trajectories of so many actions.
fn trajectories(flat: &Flat, steps: usize, each: &mut impl FnMut(&[usize], &[usize], f64, f64)) {
    fn go(
        flat: &Flat,
        left: usize,
        (states, actions): (&mut Vec<usize>, &mut Vec<usize>),
        (p, reward): (f64, f64),
        each: &mut impl FnMut(&[usize], &[usize], f64, f64),
    ) {
        if left == 0 {
            return each(states, actions, p, reward);
        }
        let s = states[states.len() - 1];
        for a in 0..flat.actions {
            for next in 0..flat.states {
                let step = flat.transition[(a * flat.states + s) * flat.states + next];
                states.push(next);
                actions.push(a);
                let worth = reward + flat.reward[a * flat.states + s];
                go(flat, left - 1, (&mut *states, &mut *actions), (p * step, worth), each);
                states.pop();
                actions.pop();
            }
        }
    }
    for s in 0..flat.states {
        go(flat, steps, (&mut vec![s], &mut vec![]), (flat.start[s], 0.0), each);
    }
}

const KINDS: [Inference; 5] =
    [Inference::Map, Inference::MarginalMap, Inference::Planning, Inference::MarginalUniform, Inference::Marginal];

#[test]
fn joint_tables_are_the_products_of_the_factors() {
    let model = factored(&mut Rng::new(1), false);
    let flat = model.flatten().unwrap();
    // From (1, 2) by action 1 to (0, 1): state 1 + 2·2 = 5, then 0 + 2·1 = 2.
    let first = model.transitions[0].table[(2 + 1) * 2];
    let second = model.transitions[1].table[((3 + 2) * 2 + 1) * 3 + 1];
    assert!((flat.transition[(6 + 5) * 6 + 2] - first * second).abs() < 1e-15);
    assert!((flat.reward[6 + 5] - model.rewards[0].table[3 + 2] - model.rewards[1].table[1]).abs() < 1e-15);
    for row in flat.transition.chunks(6).chain([flat.start.as_slice()]) {
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
    let mut broken = model.clone();
    broken.transitions[0].table[0] += 0.5;
    assert!(broken.flatten().unwrap_err().to_string().contains("sum to one"));
    let huge = Factored { sizes: vec![100; 3], ..model };
    assert!(huge.flatten().unwrap_err().to_string().contains("4096"));
}

#[test]
fn energies_agree_with_all_trajectories_and_keep_their_order() {
    for seed in 0..6 {
        let flat = factored(&mut Rng::new(seed), false).flatten().unwrap();
        let (steps, risk) = (3, [0.1, 1.0, 3.0][seed as usize % 3]);
        let (mut map, mut sum, mut plans) = (f64::NEG_INFINITY, 0.0, [0.0; 8]);
        trajectories(&flat, steps, &mut |_, actions, p, reward| {
            let weight = p * (risk * reward).exp();
            map = map.max(weight.ln());
            sum += weight;
            plans[actions.iter().fold(0, |code, a| 2 * code + a)] += weight;
        });
        let best_plan = plans.into_iter().fold(0.0, f64::max).ln();
        let [found_map, found_plan, planning, uniform, marginal] = KINDS.map(|k| flat.energy(k, steps, risk).unwrap());
        for (found, expected) in [
            (found_map, map / risk),
            (found_plan, best_plan / risk),
            (uniform, (sum.ln() - 3.0 * 2f64.ln()) / risk),
            (marginal, sum.ln() / risk),
        ] {
            assert!((found - expected).abs() < 1e-10, "seed {seed}: {found} and {expected}");
        }
        for (low, high) in [(found_map, found_plan), (found_plan, planning), (planning, marginal), (uniform, planning)]
        {
            // Up to rounding: where one plan serves all states two of them are equal.
            assert!(low <= high + 1e-12, "seed {seed}: {low} above {high}");
        }
    }
}

#[test]
fn the_policy_is_worth_its_energy_and_no_other_is_worth_more() {
    let flat = factored(&mut Rng::new(9), false).flatten().unwrap();
    let (steps, risk) = (2, 0.7);
    let worth = |policy: &[Vec<usize>]| {
        let mut sum = 0.0;
        trajectories(&flat, steps, &mut |states, actions, p, reward| {
            if (0..steps).all(|t| policy[t][states[t]] == actions[t]) {
                sum += p * (risk * reward).exp();
            }
        });
        sum.ln() / risk
    };
    let best = flat.plan(steps, risk).unwrap();
    assert!((worth(&best.actions) - best.energy).abs() < 1e-12);
    // All 2^12 policies.
    for code in 0u32..1 << 12 {
        let policy: Vec<Vec<usize>> =
            (0..2).map(|t| (0..6).map(|s| (code >> (6 * t + s) & 1) as usize).collect()).collect();
        assert!(worth(&policy) <= best.energy + 1e-12);
    }
}

#[test]
fn the_planning_energy_is_the_largest_value_of_its_variational_form() {
    let flat = factored(&mut Rng::new(4), false).flatten().unwrap();
    let (risk, s) = (1.3, flat.states);
    let best = flat.energy(Inference::Planning, 1, risk).unwrap();
    let mut rng = Rng::new(5);
    let mut closest = f64::NEG_INFINITY;
    for trial in 0..200 {
        // q(x1) q(a | x1) q(x2 | x1, a); the last trial has the optimum.
        let is_last = trial == 199;
        let plan = flat.plan(1, risk).unwrap();
        let weights: Vec<f64> = (0..s).map(|x| flat.start[x] * (risk * plan.values[x]).exp()).collect();
        let total: f64 = weights.iter().sum();
        let first = if is_last { weights.iter().map(|w| w / total).collect() } else { distribution(s, &mut rng) };
        let mut value = 0.0;
        for x in 0..s {
            let choice = if is_last {
                (0..2).map(|a| f64::from(u8::from(a == plan.actions[0][x]))).collect()
            } else {
                distribution(2, &mut rng)
            };
            value += first[x] * (flat.start[x] / first[x]).ln();
            for a in 0..2 {
                let p = &flat.transition[(a * s + x) * s..(a * s + x + 1) * s];
                let next = if is_last { p.to_vec() } else { distribution(s, &mut rng) };
                let inner: f64 = (0..s).map(|y| next[y] * (p[y] / next[y]).ln()).sum();
                value += first[x] * choice[a] * (risk * flat.reward[a * s + x] + inner);
            }
        }
        assert!(value / risk <= best + 1e-12);
        closest = value / risk;
    }
    assert!((closest - best).abs() < 1e-12, "{closest} and {best}");
}

#[test]
fn without_chance_plans_and_policies_are_worth_the_same_and_small_risks_give_the_mean() {
    let flat = factored(&mut Rng::new(3), true).flatten().unwrap();
    let [map, plan, policy, ..] = KINDS.map(|k| flat.energy(k, 4, 0.8).unwrap());
    assert!((map - plan).abs() < 1e-12 && (plan - policy).abs() < 1e-12, "{map} {plan} {policy}");
    let flat = factored(&mut Rng::new(3), false).flatten().unwrap();
    let (neutral, nearly) = (flat.plan(4, 0.0).unwrap().energy, flat.plan(4, 1e-7).unwrap().energy);
    assert!((neutral - nearly).abs() < 1e-5, "{neutral} {nearly}");
    assert!(flat.plan(4, -1.0).unwrap_err().to_string().contains("risk"));
    assert!(flat.energy(Inference::MarginalMap, 40, 1.0).unwrap_err().to_string().contains("plans"));
}
