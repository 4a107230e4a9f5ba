//! Entropy models beside each other.

use crate::folder::Folder;

/// A column of integers about zero with heavy tails.
fn residuals() -> String {
    let one = |i: i32| (if i % 10 == 0 { i % 23 - 11 } else { i % 3 - 1 }).to_string();
    let rows: Vec<String> = (0..600).map(one).collect();
    format!("residual\n{}\n", rows.join("\n"))
}

#[test]
fn entropy_models_are_compared_on_residuals() {
    let folder = Folder::new();
    folder.write("ints.csv", residuals().as_bytes());
    let found = folder.elbo("codec fit-entropy --data ints.csv --out bits.csv --json").json();
    assert_eq!(found["count"].as_u64(), Some(600));
    let models = found["models"].as_array().unwrap();
    let names: Vec<&str> = models.iter().map(|m| m["model"].as_str().unwrap()).collect();
    assert_eq!(names, ["gaussian", "laplace", "gmm3", "ggm"]);
    let bits = |i: usize| models[i]["bits"].as_f64().unwrap();
    let entropy = found["entropy"].as_f64().unwrap();
    assert!(bits(3) < bits(0) && bits(2) < bits(0) && bits(2) > entropy - 1e-9, "{found}");
    assert!(models[3]["shape"].as_f64().unwrap() < 2.0 && models[2]["bits_in_file"].is_f64(), "{found}");
    let table = String::from_utf8(folder.read("bits.csv")).unwrap();
    assert!(table.starts_with("model,bits,bits_in_file,scale,shape\ngaussian,"), "{table}");
    assert_eq!(table.lines().count(), 5);
    let text = folder.elbo("codec fit-entropy --data ints.csv").ok();
    assert!(text.contains("600 integers") && text.contains("gmm3 in a file"), "{text}");
}

#[test]
fn what_are_no_residuals_is_said() {
    let folder = Folder::new();
    folder.write("real.csv", b"residual\n1\n0.25\n");
    folder.write("text.csv", b"residual\none\ntwo\n");
    folder.write("ints.csv", residuals().as_bytes());
    for (command, code, expected) in [
        ("codec fit-entropy --data real.csv", 1, "0.25 is no whole number"),
        ("codec fit-entropy --data text.csv", 1, "holds text"),
        ("codec fit-entropy --data none.npy", 1, "none.npy"),
        ("codec fit-entropy --data ints.csv --out ints.csv", 2, "would be overwritten"),
        ("codec fit-entropy", 2, "--data"),
    ] {
        let ran = folder.elbo(command);
        assert_eq!(ran.code, code, "{command}: {}", ran.err);
        assert!(ran.err.contains(expected), "{command}: {}", ran.err);
    }
}
