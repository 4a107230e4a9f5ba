//! Spaces: there and back, uniform, and messages.

use elbo_core::Rng;
use elbo_decide::{Domain, Space, Variable};
use serde_json::json;

fn mixed() -> Space {
    serde_json::from_value(json!([
        {"name": "t", "type": "real", "low": -5, "high": 15},
        {"name": "rate", "low": 1e-4, "high": 0.1, "log": true},
        {"name": "layers", "type": "integer", "low": 1, "high": 8},
        {"name": "width", "type": "ordinal", "values": [16, 32, 64]},
        {"name": "solvent", "type": "categorical", "values": ["water", "ethanol", "dmf"]}
    ]))
    .unwrap()
}

#[test]
fn encoding_and_decoding_are_inverse() {
    let space = mixed();
    let mut rng = Rng::new(1);
    for _ in 0..200 {
        let cube = rng.uniforms(5);
        let encoded = space.from_cube(&cube);
        assert_eq!(encoded.len(), 7);
        let natural = space.decode(&encoded);
        let again = space.encode(&natural);
        assert!(encoded.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-12), "{encoded:?} {again:?}");
        assert!((-5.0..=15.0).contains(&natural[0]) && (1e-4..=0.1).contains(&natural[1]));
        assert!(natural[2].fract() == 0.0 && (1.0..=8.0).contains(&natural[2]));
    }
    let text: Vec<String> = space.variables.iter().zip([2.5, 0.01, 3.0, 1.0, 2.0]).map(|(v, x)| v.text(x)).collect();
    assert_eq!(text, ["2.5", "0.01", "3", "32", "dmf"]);
}

#[test]
fn two_categories_lie_at_distance_one_and_every_value_is_as_likely() {
    let space = mixed();
    let (a, b) = (space.encode(&[0.0, 0.01, 1.0, 0.0, 0.0]), space.encode(&[0.0, 0.01, 1.0, 0.0, 2.0]));
    let square: f64 = a.iter().zip(&b).map(|(p, q)| (p - q) * (p - q)).sum();
    assert!((square - 1.0).abs() < 1e-12);
    let mut counts = [0; 8];
    (0..800).for_each(|i| {
        counts[space.decode(&space.from_cube(&[0.0, 0.0, (i as f64 + 0.5) / 800.0, 0.0, 0.0]))[2] as usize - 1] += 1
    });
    assert_eq!(counts, [100; 8]);
}

#[test]
fn neighbours_change_one_discrete_variable_and_enumeration_finds_all_points() {
    let space = mixed();
    let point = space.encode(&[3.0, 0.01, 4.0, 1.0, 0.0]);
    let before = space.decode(&point);
    for neighbour in space.neighbours(&point) {
        let after = space.decode(&neighbour);
        assert_eq!(before.iter().zip(&after).filter(|(a, b)| a != b).count(), 1, "{before:?} {after:?}");
    }
    assert_eq!(space.points(), None);
    let discrete = Space::new(space.variables[2..].to_vec());
    let mut all: Vec<String> =
        discrete.enumerate(100).unwrap().iter().map(|p| format!("{:?}", discrete.decode(p))).collect();
    all.sort();
    all.dedup();
    assert_eq!((all.len(), discrete.points()), (72, Some(72)));
    assert!(discrete.enumerate(71).is_none());
}

#[test]
fn a_space_survives_its_file_and_bad_ones_say_what_is_wrong() {
    let space = mixed();
    let back: Space = serde_json::from_value(serde_json::to_value(&space).unwrap()).unwrap();
    assert_eq!(back, space);
    assert_eq!(back.variables[2].domain, Domain::Integer { low: 1, high: 8, log: false });
    let message = |variable| serde_json::from_value::<Variable>(variable).unwrap_err().to_string();
    assert!(message(json!({"name": "a", "low": 2, "high": 1})).contains("low must be below high"));
    assert!(message(json!({"name": "a", "low": 1})).contains("needs `low` and `high`"));
    assert!(message(json!({"name": "a", "low": 0, "high": 1, "log": true})).contains("low above 0"));
    assert!(message(json!({"name": "a", "type": "integer", "low": 0.5, "high": 2})).contains("whole numbers"));
    assert!(
        message(json!({"name": "a", "type": "categorical", "values": ["x", "x"]})).contains("two or more different")
    );
    assert!(message(json!({"name": "a", "low": 0, "high": 1, "steps": 3})).contains("steps"));
    assert!(message(json!({"name": "", "low": 0, "high": 1})).contains("name"));
}

/// Two kernels, of which one has a width and one an order; the order 2 has a choice.
fn conditional() -> Space {
    serde_json::from_value(json!([
        {"name": "kernel", "type": "categorical", "values": ["rbf", "poly"]},
        {"name": "width", "low": 0.01, "high": 1, "log": true, "when": {"variable": "kernel", "is": ["rbf"]}},
        {"name": "order", "type": "ordinal", "values": [1, 2, 3], "when": {"variable": "kernel", "is": ["poly"]}},
        {"name": "form", "type": "categorical", "values": ["a", "b"], "when": {"variable": "order", "is": ["2"]}},
    ]))
    .unwrap()
}

#[test]
fn what_does_not_count_makes_no_difference() {
    let space = conditional();
    space.check().unwrap();
    let back: Space = serde_json::from_value(serde_json::to_value(&space).unwrap()).unwrap();
    assert_eq!(back, space);
    let rbf = |width, order| space.encode(&[0.0, width, order, 1.0]);
    assert_eq!(rbf(0.1, 0.0), rbf(0.1, 2.0));
    assert!(rbf(0.1, 0.0) != rbf(0.2, 0.0));
    let natural = space.decode(&rbf(0.1, 2.0));
    assert!((natural[1] - 0.1).abs() < 1e-12 && natural[2].is_nan() && natural[3].is_nan());
    let poly = space.encode(&[1.0, 0.3, 1.0, 1.0]);
    assert_eq!(space.decode(&poly)[2..], [1.0, 1.0]);
    // From rbf one can only change the kernel; what then counts takes a place that is one of its own.
    let changed = space.neighbours(&rbf(0.1, 0.0));
    assert_eq!(changed.len(), 1);
    assert_eq!(space.decode(&changed[0])[2..], [1.0, 0.0]);
    let texts = |variables: &[usize]| {
        let space = Space::new(variables.iter().map(|v| space.variables[*v].clone()).collect());
        space.enumerate(100).unwrap().iter().map(|p| format!("{:?}", space.decode(p))).collect::<Vec<_>>()
    };
    // rbf, poly 1, poly 2 a, poly 2 b, poly 3.
    let mut all = texts(&[0, 2, 3]);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 5);
    assert_eq!(texts(&[0, 2, 3]).len(), 5);
    let late = Space::new(vec![space.variables[1].clone(), space.variables[0].clone()]);
    assert!(late.check().unwrap_err().to_string().contains("an earlier"));
}
