//! What the chooser chooses exists, and can be fitted to what it was chosen for.

use crate::examples::{example, fit};
use elbo::{Task, auto, find};

#[test]
fn the_chosen_system_fits_the_table() {
    for kind in ["numbers", "two classes", "three classes"] {
        let data = example(kind, 40);
        let choice = auto(&data, None).unwrap();
        assert!(choice.reasons.len() >= 2, "{:?}", choice.reasons);
        let expected = if kind == "numbers" { Task::Regression } else { Task::Classification };
        assert_eq!(choice.task, expected, "{kind}");
        let model = fit(find(choice.id).unwrap(), &data).unwrap_or_else(|e| panic!("{} for {kind}: {e}", choice.id));
        assert!(model.as_predict().is_some());
    }
}

#[test]
fn without_a_target_the_user_is_asked_for_one() {
    let error = auto(&example("points", 20), None).unwrap_err();
    assert!(error.remedy().contains("--target"), "{error}");
}
