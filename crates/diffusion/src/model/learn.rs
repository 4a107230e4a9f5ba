//! Networks for a model: trained on its data points, distilled from another one, or read from a folder.

use super::Record;
use super::parts::Student;
use super::settings::{NetworkSettings, PriorKind, StudentKind};
use crate::flow_map::{DistillConfig, Distillation, MeanVelocity, MeanVelocityConfig, MeanVelocityTraining};
use crate::network::foreign::{self, Foreign};
use crate::network::{NetworkDenoiser, Trainee, Training};
use elbo_core::samples::{Form, Labels};
use elbo_core::{Error, Result, Rng, Run, Samples};
use elbo_nn::Build;
use std::path::Path;

/// The classes that a network is to be told.
pub(super) fn told<'a>(
    kind: PriorKind,
    settings: &NetworkSettings,
    samples: &'a Samples,
) -> Result<Option<&'a Labels>> {
    let refuse = |found: &str, expected: &str| {
        Err(Error::Setting { setting: "conditional".into(), found: found.into(), expected: expected.into() })
    };
    match (&samples.labels, settings.conditional) {
        (_, true) if kind != PriorKind::Network => refuse("a prior without a network", "prior=network, or false"),
        (None, true) => refuse("true, without classes", "the column of classes, named by --target"),
        (labels, true) => Ok(labels.as_ref()),
        (_, false) => Ok(None),
    }
}

/// Height, width and channels that a network of pictures needs.
pub(super) fn picture(form: &Form) -> Result<[usize; 3]> {
    form.picture()
        .ok_or_else(|| Error::data("the data points are rows, the network is one of pictures", "give pictures"))
}

/// A network that was trained elsewhere, and what its files say.
pub(super) fn adopt(place: &str, form: &Form) -> Result<(NetworkDenoiser, Foreign)> {
    let (network, foreign) = foreign::read(Path::new(place), picture(form)?)?;
    Ok((NetworkDenoiser::new(network, foreign.preconditioning()?, form.size()), foreign))
}

/// A second network that learns where the flow of the first one ends; none when the time is up.
pub(super) fn distil(
    settings: &NetworkSettings,
    teacher: &NetworkDenoiser,
    samples: &Samples,
    run: &mut Run,
) -> Result<Option<Student>> {
    let dims = samples.form.size();
    let count = samples.values.len() as f64;
    let mean = samples.values.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let variance = samples.values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
    let (shape, data_sd) = (&samples.form.shape, variance.sqrt().max(1e-3));
    let NetworkSettings { distil: iterations, batch, rate, .. } = *settings;
    let start = run.rng.fork();
    let trainee = |shape: &[usize]| -> Result<Trainee> {
        let build = || settings.network(0).build(shape, &mut Build::new(&mut start.clone()));
        Ok(Trainee::new(build()?, build()?))
    };
    // Its curves are not those of the teacher.
    let seed = run.rng.next_u64();
    let mut own = run.part(seed);
    let made = match settings.student {
        StudentKind::Consistency => {
            let config = DistillConfig { iterations, batch, rate, data_sd, ..DistillConfig::default() };
            let distillation = Distillation::new(teacher, &samples.values, dims, &config)?;
            distillation.run(trainee(shape)?, &mut own).map(Student::Consistency)
        }
        StudentKind::MeanVelocity => {
            let config = MeanVelocityConfig { iterations, batch, rate, data_sd, ..MeanVelocityConfig::default() };
            let training = MeanVelocityTraining::new(&samples.values, shape, &config)?;
            training.run(trainee(&MeanVelocity::seen(shape))?, &mut own).map(Student::MeanVelocity)
        }
    };
    let is_stopped = own.stopped_early();
    run.rejoin(own);
    if is_stopped {
        run.warn("`distil` was stopped before its end");
    }
    match made {
        Err(Error::Stopped) => Ok(without_student(run)),
        made => made.map(Some),
    }
}

/// The first network stays alone, since the run has to stop.
fn without_student(run: &mut Run) -> Option<Student> {
    run.mark_stopped_early();
    run.warn("there was no time left for `distil`; samples are drawn by the first network");
    None
}

pub(super) fn train(
    settings: &NetworkSettings,
    samples: &Samples,
    labels: Option<&Labels>,
    record: &mut Record,
    run: &mut Run,
) -> Result<NetworkDenoiser> {
    let (form, values) = (&samples.form, &samples.values);
    let dims = form.size();
    if values.chunks_exact(dims).all(|row| row == &values[..dims]) {
        run.warn("all data points are the same; a model of them says nothing else");
    }
    let config = settings.training();
    let start = run.rng.fork();
    let classes = labels.map_or(0, |l| l.classes.len());
    let build = || settings.network(classes).build(&form.shape, &mut Build::new(&mut start.clone()));
    let mut trainee = Trainee::new(build()?, build()?);
    let mut training = Training::new(values, dims, &config)?;
    if let Some(labels) = labels {
        training = training.with_classes(&labels.codes);
    }
    training.run(&mut trainee, run)?;
    let denoiser = trainee.finish(&config, dims);
    let some = values.len().min(512 * dims);
    record.objective = Some(training.evaluate(denoiser.network(), &values[..some], &mut Rng::new(0)));
    Ok(denoiser)
}
