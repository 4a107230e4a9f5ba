//! The report on a fit as files.

use crate::failure::Failure;
use elbo::FitRecord;
use elbo::core::Error;
use elbo::core::file::write_atomically;
use elbo_report::Report;
use std::path::Path;

/// Writes every figure of a report as an SVG file named after it; numbers tell figures of the same name apart.
pub fn write_figures(report: &Report, folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|cause| Error::file("cannot make the folder", folder, &cause))?;
    let mut names: Vec<&str> = vec![];
    for figure in report.sections.iter().flat_map(|section| &section.figures) {
        let before = names.iter().filter(|n| **n == figure.name).count();
        let stem = if before == 0 { figure.name.clone() } else { format!("{}-{}", figure.name, before + 1) };
        names.push(&figure.name);
        let drawing = elbo_report::svg::to_svg(figure, elbo_report::svg::Size { width: 720.0, height: 400.0 });
        write_atomically(&folder.join(format!("{stem}.svg")), drawing.as_bytes())?;
    }
    Ok(())
}

/// All settings as `--set` reads them back; those that were given are marked.
pub fn settings(record: &FitRecord) -> Vec<(String, String)> {
    let given = |key: &str| record.settings.get(key).is_some();
    let fields = record.config.as_object().into_iter().flatten();
    fields
        .map(|(key, value)| {
            let mark = if given(key) { " (set)" } else { "" };
            (key.clone(), format!("{}{mark}", crate::settings::shown(value)))
        })
        .collect()
}
