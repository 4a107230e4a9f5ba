use std::path::Path;

use elbo_core::{Figure, Mark};
use elbo_report::svg::{Size, to_svg};

/// The drawing of a small figure, byte for byte. After a wanted change write it anew with `ELBO_BLESS=1 cargo test -p elbo-report`
/// and look at it in a browser.
#[test]
fn a_small_figure_is_drawn_as_before() {
    let x = vec![0.0, 1.0, 2.0];
    let figure = Figure {
        name: "small".into(),
        caption: "A line in its band, with data.".into(),
        x_label: "time [s]".into(),
        y_label: "height [m]".into(),
        marks: vec![
            Mark::Band {
                label: "interval".into(),
                x: x.clone(),
                lower: vec![0.0, 0.5, 0.2],
                upper: vec![1.0, 1.5, 2.2],
            },
            Mark::Line { label: "mean".into(), x: x.clone(), y: vec![0.5, 1.0, 1.2], dashed: false },
            Mark::Points { label: "data".into(), x, y: vec![0.4, 1.1, f64::NAN], lower: vec![], upper: vec![] },
        ],
        ..Figure::default()
    };
    let text = to_svg(&figure, Size { width: 360.0, height: 240.0 });
    let path = Path::new("tests/it/golden/small.svg"); // cargo runs tests in the folder of their package
    if std::env::var_os("ELBO_BLESS").is_some() {
        elbo_report::text::write(path, &text).expect("the folder of golden files exists");
    }
    let expected = std::fs::read_to_string(path).expect("a golden file; ELBO_BLESS=1 writes it").replace("\r\n", "\n");
    assert!(text == expected, "the drawing changed; see the comment on this test");
}
