//! What the models owe their users, on a table and on pictures.

use elbo_core::{AnySystem, Array, Data, Model, ModelFile, Result, Rng, Run, Values};
use elbo_systems_inverse::SYSTEMS;
use serde_json::{Value, json};

fn table(rows: usize) -> Data {
    let mut rng = Rng::new(11);
    let a = rng.normals(rows);
    let b = a.iter().map(|v| 0.5 * v + 0.1 * rng.normal()).collect();
    let arrays = vec![("a".to_owned(), Array::new(&[rows], a)), ("b".to_owned(), Array::new(&[rows], b))];
    Data { source: "a table".into(), arrays, ..Data::default() }
}

fn pictures(rows: usize) -> Data {
    let mut rng = Rng::new(12);
    let bytes = (0..rows * 36).map(|i| if i % 6 > 2 { 200 } else { (60.0 * rng.uniform()) as u8 }).collect();
    let array = Array { shape: vec![rows, 6, 6], values: Values::U8(bytes) };
    Data { source: "pictures".into(), arrays: vec![("image".into(), array)], ..Data::default() }
}

fn fit(system: &dyn AnySystem, data: &Data) -> Result<Box<dyn Model>> {
    let quick = json!({"iterations": 8, "steps": 12, "widths": [4, 8], "measured": 16});
    system.fit(&quick, data, &mut Run::new(7))
}

fn saved(system: &dyn AnySystem, model: &dyn Model) -> Vec<u8> {
    let mut file = ModelFile::new(system.card().id);
    model.save(&mut file).unwrap();
    file.to_bytes()
}

#[test]
fn models_are_the_same_for_any_number_of_threads_and_survive_saving() {
    for system in SYSTEMS {
        for data in [table(60), pictures(40)] {
            let with = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| saved(*system, fit(*system, &data).unwrap().as_ref()))
            };
            let one = with(1);
            assert!(one == with(2), "{}: 2 threads give another model", system.card().id);
            let back = system.load(&ModelFile::from_bytes(&one).unwrap()).unwrap();
            assert!(
                saved(*system, back.as_ref()) == one,
                "{}: saved, loaded and saved is another file",
                system.card().id
            );
            let draw = |seed: u64| back.as_sample().unwrap().sample(9, &mut Run::new(seed)).unwrap().arrays;
            assert_eq!(draw(3), draw(3));
            assert_ne!(draw(3), draw(4), "{}", system.card().id);
            for (name, array) in draw(3) {
                assert!(array.to_f64().unwrap().iter().all(|v| v.is_finite()) && array.rows() == 9, "{name}");
            }
            assert!(!back.summary().text.is_empty() && back.as_restore().is_some());
        }
    }
}

#[test]
fn bad_data_and_settings_are_refused_with_a_remedy() {
    for system in SYSTEMS {
        let refused = |what: &str, result: Result<Box<dyn Model>>| {
            let Err(error) = result else { panic!("{}: {what} is accepted", system.card().id) };
            assert!(error.to_string().len() > 5 && error.remedy().len() > 5, "{what}: {error}");
        };
        refused("no rows", fit(*system, &table(20).take_rows(&[])));
        refused("one row", fit(*system, &table(20).take_rows(&[0])));
        refused("no columns", fit(*system, &Data::default()));
        let mut broken = table(20);
        broken.arrays[0].1 = Array::new(&[20], vec![f64::NAN; 20]);
        refused("NaN", fit(*system, &broken));
        for settings in [
            json!({"widths": []}),
            json!({"iterations": 0}),
            json!({"rate": -1.0}),
            json!({"sampler": {"type": "ddim", "eta": 3.0}}),
            json!({"schedule": {"type": "karras", "low": 2.0, "high": 1.0}}),
            json!({"steps": 0}),
            json!({"parameterisation": "velocity"}),
            json!({"prior_of_the_year": 1}),
        ] {
            assert!(system.check_config(&settings).is_err(), "{}: {settings} is accepted", system.card().id);
        }
        let four = json!({"widths": [4, 4, 4, 4], "iterations": 2});
        assert!(system.card().id != "ddpm" || system.fit(&four, &pictures(10), &mut Run::new(0)).is_err());
        assert_eq!(system.check_config(&Value::Null).unwrap(), system.defaults());
        for (name, _) in system.defaults().as_object().unwrap() {
            let help = system.schema()["properties"][name]["description"].as_str().unwrap_or_default().len();
            assert!(help > 3, "{}: setting `{name}` has no help", system.card().id);
        }
    }
}
