//! What builds the wheel and what the wheel holds speak of the same module.

/// The value of `key = "value"` in a manifest.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = ")).unwrap();
    line.trim_matches('"')
}

#[test]
fn the_project_builds_this_package_under_the_name_that_its_python_half_imports() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let project = std::fs::read_to_string(root.join("pyproject.toml")).unwrap();
    assert_eq!(
        root.join(value(&project, "manifest-path")).canonicalize().unwrap(),
        root.join("apps/python/Cargo.toml").canonicalize().unwrap()
    );
    let (package, module) = value(&project, "module-name").split_once('.').unwrap();
    let init = root.join(value(&project, "python-source")).join(package).join("__init__.py");
    assert!(std::fs::read_to_string(init).unwrap().contains(&format!("{module} import")), "{module} is not imported");
}
