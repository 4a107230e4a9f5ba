use elbo_dev::{files, site};
use std::path::Path;

fn root() -> &'static Path {
    Path::new("../..")
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let (faults, links) = site::links::faults(root()).unwrap();
    assert_eq!(faults, Vec::<String>::new());
    assert!(links > 50, "only {links} links were followed");
}

#[test]
fn the_site_is_built_with_formulas_pictures_and_settings() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("site");
    site::build(root(), &out).unwrap();
    let page = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let gpr = page("systems/gpr.html");
    for part in ["<math", "files/docs/pictures/gpr.svg", "id=\"settings\"", "id=\"in-rust\"", "elbo.GPR("] {
        assert!(gpr.contains(part), "{part}");
    }
    assert!(page("index.html").contains("href=\"systems/gpr.html\""));
    for (name, link) in [("systems.html", "systems/gpr.html"), ("index.html", "systems.html#gaussian-processes")] {
        let thumbnail = format!("<a href=\"{link}\"><img src=\"files/docs/pictures/gpr.svg\"");
        assert!(page(name).contains(&thumbnail), "{name}");
    }
    // mdBook has taken our settings.
    let found = files::below(&out).unwrap();
    assert!(found.iter().any(|name| name.starts_with("site") && name.ends_with(".css")), "{found:?}");
    assert!(!found.contains("print.html") && !found.contains("404.html"), "{found:?}");
    for name in found.iter().filter(|name| name.ends_with(".html")) {
        assert!(!page(name).contains("elboformula"), "{name}");
    }
    // A second build replaces the first.
    std::fs::write(out.join("stale.html"), "").unwrap();
    site::build(root(), &out).unwrap();
    assert!(!out.join("stale.html").exists());
}
