//! Kernels from configurations and expressions.

use elbo_core::{Features, Rng};
use elbo_gp::kernel::*;
use elbo_tensor::{Parameters, Tensor, no_grad};
use serde_json::json;

fn features() -> Features {
    Features {
        rows: 2,
        dims: 3,
        values: vec![0.1, 0.0, 2.0, -0.4, 2.0, 1.0],
        levels: vec![0, 3, 0],
        names: vec!["age".into(), "site".into(), "blood pressure".into()],
    }
}

fn parse(text: &str) -> KernelConfig {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn message(text: &str) -> String {
    match text.parse::<KernelConfig>() {
        Ok(found) => panic!("{text} was accepted as {found}"),
        Err(error) => format!("{error}; {}", error.remedy()),
    }
}

#[test]
fn expressions_are_read_with_the_usual_precedence() {
    for (text, shown) in [
        ("matern52", "matern52"),
        ("RBF", "rbf"),
        ("se", "rbf"),
        ("rbf+periodic", "rbf + periodic"),
        ("matern32 * linear + white", "matern32 * linear + white"),
        ("matern32 * (linear + white)", "matern32 * (linear + white)"),
        ("0.5 * rbf", "0.5 * rbf"),
        ("rq(alpha = 2.5, age)", "rational_quadratic(age, alpha = 2.5)"),
        ("rbf(\"blood pressure\", 0)", "rbf(\"blood pressure\", 0)"),
        ("periodic(period=12, lengthscale=5e-1)", "periodic(period = 12, lengthscale = 0.5)"),
        ("nngp(activation = erf, depth = 2)", "nngp(activation = erf, depth = 2)"),
        ("matern52(ard = false)", "matern52(ard = false)"),
    ] {
        let config = parse(text);
        assert_eq!(config.to_string(), shown);
        assert_eq!(parse(shown), config, "{shown} reads back");
    }
}

#[test]
fn mistakes_in_expressions_are_named_with_their_place() {
    assert!(message("matern25").contains("did you mean `matern52`?"), "{}", message("matern25"));
    assert!(message("rbf +").contains("found the end"));
    assert!(message("rbf rbf").contains("expected `+`, `*` or the end, found `rbf` at character 4"));
    assert!(message("(rbf + linear").contains("expected `)`"));
    assert!(message("rbf(lenghtscale = 2)").contains("lenghtscale"));
    assert!(message("rbf(lengthscale = -2)").contains("setting `rbf.lengthscale` is -2"));
    assert!(message("spectral_mixture(components = 1e12)").contains("spectral_mixture.components` is 1000000000000"));
    assert!(message("nngp(depth = 1000000)").contains("in 1..=100"));
    assert!(message("index(rank = 1e9)").contains("in 1..=1000"));
    assert!(message("rbf & linear").contains("`&` at character 4"));
    assert!(message("2").contains("a kernel after the number"));
    assert!(message("").contains("found the end"));
    assert!(message("rbf(\"age").contains("has no end"));
    assert!(message("changepoint(rbf, linear)").contains("a changepoint needs a table"));
    let nested = |depth: usize| format!("{}rbf{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(parse(&nested(60)), parse("rbf"));
    assert!(message(&nested(100_000)).contains("more than 64 brackets"));
}

#[test]
fn tables_and_expressions_are_the_same_and_read_back() {
    let table = json!({
        "type": "sum",
        "terms": ["rbf(age)", { "type": "periodic", "period": 12.0 }],
    });
    let config: KernelConfig = serde_json::from_value(table).unwrap();
    assert_eq!(config, parse("rbf(age) + periodic(period = 12)"));
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<KernelConfig>(&text).unwrap(), config);
    assert!(text.contains("\"type\":\"sum\""), "{text}");
    let error = serde_json::from_value::<KernelConfig>(json!({ "type": "rbf", "lenght": 2 })).unwrap_err().to_string();
    assert!(error.contains("lenght"), "{error}");
    let of_half = json!({ "type": "active", "columns": [1.5], "kernel": { "type": "rbf" } });
    let error = serde_json::from_value::<KernelConfig>(of_half).unwrap_err().to_string();
    assert!(error.contains("a column is a name, or a position from 0"), "{error}");
    let error = serde_json::from_value::<KernelConfig>(json!("rbg")).unwrap_err().to_string();
    assert!(error.contains("did you mean `rbf`?"), "{error}");
    let schema = serde_json::to_string(&schemars::schema_for!(KernelConfig)).unwrap();
    assert!(schema.contains("\"string\"") && schema.contains("matern52") && schema.contains("lengthscale"));
}

#[test]
fn the_default_kernel_uses_every_column() {
    let x = features();
    let config = KernelConfig::default_for(&x);
    assert!(matches!(&config, KernelConfig::Product(p) if p.terms.len() == 2), "{config}");
    let kernel = config.build_for(&x).unwrap();
    assert_eq!(kernel.names(), ["factors.0.lengthscale", "factors.0.variance", "factors.1.correlation"]);
    let points = Tensor::from_slice(&x.values, &[2, 3]);
    let product = Product::new(vec![
        Box::new(Active::new(vec![0, 2], Box::new(Stationary::matern52(2)))),
        Box::new(Active::new(vec![1], Box::new(Exchangeable::new(&[3], 0.5)))),
    ]);
    let (found, expected) = no_grad(|| (kernel.gram(&points, &points), product.gram(&points, &points)));
    assert_eq!(found.to_vec(), expected.to_vec());
    // The same without saying so.
    assert_eq!(KernelConfig::default().build_for(&x).unwrap().names(), kernel.names());
}

#[test]
fn lengthscales_start_at_the_square_root_of_the_dimension() {
    let kernel = KernelConfig::default().build(4, &[0; 4], &[]).unwrap();
    let mut found = vec![];
    kernel.visit(&mut |name, p| found.push((name.to_owned(), p.value())));
    assert_eq!(found[0].0, "lengthscale");
    assert!(found[0].1.iter().all(|l| (l - 2.0).abs() < 1e-14) && found[0].1.len() == 4);
    assert!((found[1].1[0] - 1.0).abs() < 1e-15);
}

#[test]
fn a_search_starts_at_median_distances_where_no_lengthscale_is_given() {
    // Rows of age, site and blood pressure; of ten pairs the middle is 2 along age and 5 along pressure, where six are equal.
    let rows = [[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [3.0, 0.0, 0.0], [4.0, 1.0, 5.0]];
    let x = Features { rows: 5, values: rows.concat(), ..features() };
    let starts = |text: &str| {
        let mut found = vec![];
        parse(text).start_for(&x).unwrap().visit(&mut |name, p| {
            if name.ends_with("lengthscale") {
                found.extend(p.value().iter().map(|v| (1e9 * v).round() / 1e9));
            }
        });
        found
    };
    let rounded = |v: f64| (1e9 * v).round() / 1e9;
    let root = 2f64.sqrt();
    assert_eq!(starts("matern52"), [rounded(2.0 * root), rounded(5.0 * root)]);
    assert_eq!(starts("rational_quadratic(age)"), [2.0]);
    assert_eq!(starts("matern52(ard = false)"), [3.0]);
    assert_eq!(starts("rbf(lengthscale = 0.7)"), [0.7, 0.7]);
    assert_eq!(starts("rbf(age) * matern32(2, lengthscale = 3) + periodic(age)"), [2.0, 3.0, 1.0]);
    // Without rows it is the usual start.
    let none = KernelConfig::default().start_for(&Features { rows: 0, values: vec![], ..features() }).unwrap();
    assert_eq!(none.summary(), KernelConfig::default().build_for(&features()).unwrap().summary());
}

#[test]
fn a_product_has_one_free_variance() {
    let free = |text: &str| {
        let kernel = parse(text).build(2, &[0, 0], &["a".into(), "b".into()]).unwrap();
        let mut names = vec![];
        kernel.visit(&mut |name, p| {
            if !p.is_frozen() && (name.ends_with("variance") || name.ends_with("offset")) {
                names.push(name.to_owned());
            }
        });
        names
    };
    assert_eq!(free("rbf(a) * matern32(b)"), ["factors.0.kernel.variance".replace("kernel.", "")]);
    assert_eq!(free("0.5 * rbf * periodic"), ["variance"]);
    assert_eq!(free("rbf * (matern32 + matern12)"), ["factors.0.variance", "factors.1.terms.1.variance"]);
    assert_eq!(free("rbf + matern32"), ["terms.0.variance", "terms.1.variance"]);
}

#[test]
fn columns_of_the_wrong_kind_are_refused_by_name() {
    let x = features();
    let error = |text: &str| match parse(text).build_for(&x) {
        Ok(kernel) => panic!("accepted as {}", kernel.summary()),
        Err(error) => format!("{error}; {}", error.remedy()),
    };
    assert!(error("rbf(site)").contains("column `site`, which holds categories"));
    assert!(error("index(age)").contains("column `age` holds numbers"));
    assert!(error("rbf(agee)").contains("did you mean `age`?"));
    assert!(error("rbf(7)").contains("expected a position below 3"));
    assert!(error("rbf(age, age)").contains("each column once"));
    let numeric = parse("rbf + hamming").build(1, &[0], &["t".into()]);
    assert!(numeric.err().unwrap().to_string().contains("needs a column of categories"));
}

#[test]
fn every_kernel_of_an_expression_can_be_built_and_evaluated() {
    let x = features();
    let points = Tensor::from_slice(&x.values, &[2, 3]);
    for text in [
        "rbf",
        "matern12",
        "matern32",
        "matern52",
        "rational_quadratic",
        "periodic",
        "linear",
        "polynomial(degree = 3)",
        "constant",
        "rbf + white",
        "arc_cosine(order = 2)",
        "nngp",
        "spectral_mixture(components = 3, spectrum = student5)",
        "rbf * exchangeable",
        "rbf * hamming",
        "rbf * index(rank = 2)",
        "rbf(age) + matern32(2) * linear",
    ] {
        let kernel = parse(text).build_for(&x).unwrap_or_else(|e| panic!("{text}: {e}"));
        let k = no_grad(|| kernel.gram_symmetric(&points));
        assert!(k.is_finite() && k.diagonal().min().item() > 0.0, "{text}");
        assert!(k.cholesky().is_ok(), "{text}: {k:?}");
    }
    let change = json!({ "type": "changepoint", "location": 0.3, "before": "rbf", "after": "linear" });
    let change: KernelConfig = serde_json::from_value(change).unwrap();
    assert!(change.build_for(&x).unwrap().summary().contains("until 0.300"));
}

#[test]
fn data_of_categories_alone_leave_a_constant_of_the_stationary_kernel() {
    let kernel = KernelConfig::default().build(1, &[3], &["site".into()]).unwrap();
    let x = Tensor::from_vec(vec![0.0, 1.0], &[2, 1]);
    let k = no_grad(|| kernel.gram(&x, &x)).to_vec();
    assert!((k[0] - 1.0).abs() < 1e-14 && (k[1] - 0.5).abs() < 1e-14, "{k:?}");
    let mut rng = Rng::new(1);
    assert!(kernel.spectral_sample(1, 10, &mut rng).is_some());
}
