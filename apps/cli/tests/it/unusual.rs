//! Tables that are odd but usable: they are fitted, and what comes out is finite.

use crate::folder::{Folder, QUICK, table};
use std::fmt::Write;

/// Fits and predicts a table; returns the predictions and what was said on standard error.
fn fits(name: &str, table: &[u8], extra: &str) -> (String, String) {
    let folder = Folder::new();
    folder.write("odd.csv", table);
    let ran = folder.elbo(&format!("fit gpr odd.csv --target y {QUICK} --out m.elbo {extra}"));
    assert_eq!(ran.code, 0, "{name}: {}", ran.err);
    for word in ["infinite", "NaN", "undefined"] {
        assert!(!ran.out.contains(word), "{name}: {}", ran.out);
    }
    let predicted = folder
        .elbo(&format!("predict m.elbo odd.csv {}", if extra.contains("--missing") { "--missing drop" } else { "" }));
    assert_eq!(predicted.code, 0, "{name}: {}", predicted.err);
    for line in predicted.out.lines().skip(1) {
        for cell in line.split(',') {
            let value: f64 = cell.parse().unwrap_or_else(|_| panic!("{name}: {cell} is no number"));
            assert!(value.is_finite(), "{name}: {line}");
        }
    }
    (predicted.out, ran.err)
}

#[test]
fn extreme_magnitudes_are_fitted() {
    for magnitude in [1e300, 1e-300] {
        let mut text = String::from("a,y\n");
        (0..20).for_each(|i| writeln!(text, "{i},{:e}", f64::from(i * i % 7 + 1) * magnitude).unwrap());
        fits(&format!("{magnitude:e}"), text.as_bytes(), "");
        let mut text = String::from("a,y\n");
        (0..20).for_each(|i| writeln!(text, "{:e},{i}", f64::from(i * i % 7 + 1) * magnitude).unwrap());
        fits(&format!("{magnitude:e} inputs"), text.as_bytes(), "");
    }
}

#[test]
fn repeated_rows_with_different_targets_are_noise() {
    let mut text = String::from("a,y\n");
    (0..30).for_each(|i| writeln!(text, "{},{}", i % 3, f64::from(i % 3) + f64::from(i % 5) * 0.1).unwrap());
    fits("repeated rows", text.as_bytes(), "");
}

#[test]
fn line_ends_marks_and_quotes_do_not_matter() {
    let plain = table(20);
    let mixed: String = plain.lines().enumerate().map(|(i, l)| format!("{l}{}", ["\n", "\r\n"][i % 2])).collect();
    let marked = format!("\u{feff}{plain}");
    let quoted: String =
        plain.lines().map(|l| l.split(',').map(|c| format!("\"{c}\"")).collect::<Vec<_>>().join(",") + "\n").collect();
    let semicolons = plain.replace(',', ";");
    let (expected, _) = fits("plain", plain.as_bytes(), "");
    for (name, text) in [("mixed", mixed), ("marked", marked), ("quoted", quoted), ("semicolons", semicolons)] {
        assert_eq!(fits(name, text.as_bytes(), "").0, expected, "{name}");
    }
}

#[test]
fn incomplete_rows_can_be_left_out_and_are_counted() {
    let text = format!("{}\n,1,2\n3,NA,4\n", table(20).trim_end());
    let (predicted, said) = fits("missing", text.as_bytes(), "--missing drop");
    assert!(said.contains("2 of 22 rows"), "{said}");
    assert_eq!(predicted.lines().count(), 21);
}

#[test]
fn what_was_done_to_the_data_is_said_once() {
    let decimal = table(20).replace(',', ";").replace('.', ",");
    let (_, said) = fits("decimal commas", decimal.as_bytes(), "");
    assert_eq!(said.matches("has decimal commas").count(), 3, "{said}");
    assert!(!said.contains("warning: column"), "{said}");
    let headless = table(20).lines().skip(1).collect::<Vec<_>>().join("\n");
    let (_, said) = fits("no header", headless.as_bytes(), "");
    assert_eq!(said.matches("has no header").count(), 1, "{said}");
}

#[test]
fn rows_unlike_the_training_data_are_predicted_with_a_warning() {
    let folder = Folder::new();
    let mut text = String::from("a,colour,y\n");
    (0..30).for_each(|i| writeln!(text, "{},{},{}", i % 8, ["red", "blue"][i % 2], i % 8 + 3 * (i % 2)).unwrap());
    folder.write("t.csv", text.as_bytes());
    folder.write("new.csv", b"a,colour,y\n1,red,1\n2,mauve,2\n900,blue,3\n");
    folder.elbo(&format!("fit gpr t.csv --target y {QUICK} --out m.elbo")).ok();
    for verb in ["predict", "evaluate"] {
        let ran = folder.elbo(&format!("{verb} m.elbo new.csv"));
        assert_eq!(ran.code, 0, "{ran:?}");
        let parts =
            ["warning: 1 of 3 rows have a level of `colour`", "1 of 3 rows have `a` far outside", "extrapolate"];
        for part in parts {
            assert!(ran.err.contains(part), "{verb}: {}", ran.err);
        }
        let told = folder.elbo(&format!("{verb} m.elbo new.csv --json"));
        assert_eq!(told.err, "");
        let json = told.json();
        let warnings = json["warnings"].as_array().unwrap();
        // The targets are known to the last digit: rounding may be warned of too.
        let of_rows = warnings.iter().filter(|warning| warning.as_str().unwrap().contains("of 3 rows"));
        assert_eq!(of_rows.count(), 2, "{verb}: {}", told.out);
    }
}

#[test]
fn dates_are_read_where_they_are_named_as_times() {
    let folder = Folder::new();
    let mut text = String::from("day,y\n");
    (0..30).for_each(|i| writeln!(text, "2021-03-{:02},{}", i + 1, (f64::from(i) * 0.4).sin()).unwrap());
    folder.write("s.csv", text.as_bytes());
    let refused = folder.elbo("fit gpr s.csv --target y");
    assert!(refused.code == 1 && refused.err.contains("--time day"), "{refused:?}");
    folder.elbo("fit auto s.csv --target y --time day --out m.elbo").ok();
    assert_eq!(folder.elbo("predict m.elbo s.csv").ok().lines().count(), 31);
    // The recorded command makes the same file.
    let info = folder.elbo("info m.elbo --json").json();
    let command = info["command"].as_str().unwrap().strip_prefix("elbo ").unwrap().to_owned();
    folder.elbo(&format!("{command} --out again.elbo")).ok();
    assert_eq!(folder.read("m.elbo"), folder.read("again.elbo"));
}

#[test]
fn missing_cells_are_refused_where_the_user_asks_for_it() {
    let folder = Folder::new();
    // The last row has an empty cell, which this system can make use of.
    folder.write("s.csv", format!("{},1,2\n", table(29)).as_bytes());
    let fit = "fit aevb s.csv --set epochs=2 --set latent=1 --set 'hidden=[4]' --set nan_is_missing=true --out m.elbo";
    folder.elbo(fit).ok();
    let ran = folder.elbo(&format!("{fit} --missing error"));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("1 of 30 rows have missing cells"), "{}", ran.err);
}

#[test]
fn constant_and_categorical_columns_are_handled_and_said() {
    let mut text = String::from("a,colour,k,y\n");
    (0..30).for_each(|i| writeln!(text, "{},{},7,{}", i % 8, ["red", "blue"][i % 2], i % 8 + 3 * (i % 2)).unwrap());
    let (_, said) = fits("categories", text.as_bytes(), "");
    assert!(said.contains("`k` is constant"), "{said}");
}
