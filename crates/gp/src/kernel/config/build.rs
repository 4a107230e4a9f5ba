//! From a configuration to a kernel over the columns of a data set.

use elbo_core::{Allowed, Error, Features, Result, ensure};

use super::start::Distances;
use super::{ActiveConfig, ColumnRef, ExchangeableConfig, KernelConfig, StationaryConfig};
use crate::kernel::{
    Active, ArcCosine, Changepoint, Constant, Exchangeable, Hamming, Index, Kernel, Linear, Nngp, Periodic, Polynomial,
    Product, Profile, Scaled, SpectralMixture, Stationary, Sum, Tanimoto, White,
};

/// The columns of the data, those in sight, and whether another factor carries the variance.
#[derive(Clone)]
struct Context<'a> {
    levels: &'a [usize],
    names: &'a [String],
    /// Where lengthscales start that the configuration does not give.
    distances: Option<&'a Distances<'a>>,
    /// Columns named by the innermost `active`, in order.
    named: Option<Vec<usize>>,
    is_held: bool,
}

impl Context<'_> {
    fn name(&self, column: usize) -> String {
        self.names.get(column).cloned().unwrap_or_else(|| format!("x{column}"))
    }

    fn resolve(&self, columns: &[ColumnRef]) -> Result<Vec<usize>> {
        let mut found: Vec<usize> = vec![];
        for column in columns {
            let at = match column {
                ColumnRef::Position(at) => {
                    let dims = self.levels.len();
                    ensure(
                        "kernel column",
                        at,
                        *at < dims,
                        Allowed::within(0..dims).told(format!("a position below {dims}, counted from 0")),
                    )?;
                    *at
                }
                ColumnRef::Name(name) => match self.names.iter().position(|n| n == name) {
                    Some(at) => at,
                    None => return Err(Error::unknown("column", name, self.names.iter().map(String::as_str))),
                },
            };
            ensure("kernel column", self.name(at), !found.contains(&at), "each column once")?;
            found.push(at);
        }
        Ok(found)
    }

    /// The columns for a kernel over numbers (`categorical` false) or categories.
    fn columns(&self, kernel: &str, categorical: bool) -> Result<Vec<usize>> {
        let fits = |c: &usize| (self.levels[*c] > 0) == categorical;
        let Some(named) = &self.named else {
            return Ok((0..self.levels.len()).filter(fits).collect());
        };
        if let Some(wrong) = named.iter().find(|c| !fits(c)) {
            let name = self.name(*wrong);
            return Err(match categorical {
                false => Error::data(
                    format!("the kernel `{kernel}` cannot take column `{name}`, which holds categories"),
                    format!("use exchangeable({name}), hamming or index for it, multiplied with the rest"),
                ),
                true => Error::data(
                    format!("the kernel `{kernel}` compares categories, but column `{name}` holds numbers"),
                    format!("use matern52({name}) or another kernel over numbers for it"),
                ),
            });
        }
        Ok(named.clone())
    }
}

impl KernelConfig {
    /// The kernel for a data set.
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::Unknown`] or [`Error::Data`] when a number is out of range, a column is not there, or holds the
    /// wrong kind of values.
    pub fn build_for(&self, features: &Features) -> Result<Box<dyn Kernel>> {
        self.build(features.dims, &features.levels, &features.names)
    }

    /// The kernel that a search for hyperparameters starts from: as [`KernelConfig::build_for`] makes it, with lengthscales that the
    /// configuration does not give taken from the rows.
    ///
    /// A column's own lengthscale is the median distance between two rows along that column, times the square root of the number of
    /// columns that the kernel is over; a shared one is the median distance over these columns. Equal rows count only where half of all
    /// pairs differ, a constant column counts as one of unit variance, and no start is more than ten times shorter or longer than that of
    /// standardised inputs. From more than 64 rows a fixed choice of 2016 pairs is taken.
    ///
    /// # Errors
    /// As [`KernelConfig::build_for`].
    pub fn start_for(&self, features: &Features) -> Result<Box<dyn Kernel>> {
        self.build_with(&features.levels, &features.names, Some(&Distances::of(features)))
    }

    /// The kernel for `dims` columns; `levels` counts the levels of each column, zero for a numeric one.
    ///
    /// # Errors
    /// As [`KernelConfig::build_for`].
    pub fn build(&self, dims: usize, levels: &[usize], names: &[String]) -> Result<Box<dyn Kernel>> {
        assert_eq!(dims, levels.len(), "one number of levels a column");
        self.build_with(levels, names, None)
    }

    fn build_with(
        &self,
        levels: &[usize],
        names: &[String],
        distances: Option<&Distances<'_>>,
    ) -> Result<Box<dyn Kernel>> {
        self.check()?;
        ensure("kernel", "over no column", !levels.is_empty(), "at least one input column")?;
        let context = Context { levels, names, distances, named: None, is_held: false };
        self.completed(levels, names)?.construct(&context)
    }

    /// The default kernel for a data set, written out: Matern-5/2 over the numeric columns times an exchangeable kernel over the
    /// categorical ones.
    pub fn default_for(features: &Features) -> Self {
        Self::default().completed(&features.levels, &features.names).expect("the default names no columns")
    }

    /// This kernel times an exchangeable one over the categorical columns it does not mention.
    ///
    /// # Errors
    /// When a column named in the kernel is not there.
    pub fn completed(&self, levels: &[usize], names: &[String]) -> Result<Self> {
        let context = Context { levels, names, distances: None, named: None, is_held: false };
        let mut used = vec![false; levels.len()];
        self.mark(&context, &mut used)?;
        let columns: Vec<ColumnRef> =
            (0..levels.len()).filter(|c| levels[*c] > 0 && !used[*c]).map(ColumnRef::Position).collect();
        if columns.is_empty() {
            return Ok(self.clone());
        }
        let kernel = Box::new(Self::Exchangeable(ExchangeableConfig::default()));
        let over_categories = Self::Active(ActiveConfig { columns, kernel });
        Ok(match self.clone() {
            Self::Product(mut product) => {
                product.terms.push(over_categories);
                Self::Product(product)
            }
            other => Self::product(vec![other, over_categories]),
        })
    }

    /// Marks the columns that the kernel mentions.
    fn mark(&self, context: &Context, used: &mut [bool]) -> Result<()> {
        match self {
            Self::Active(active) => context.resolve(&active.columns)?.into_iter().for_each(|c| used[c] = true),
            leaf if leaf.is_categorical() => {
                used.iter_mut().zip(context.levels).filter(|(_, l)| **l > 0).for_each(|(u, _)| *u = true);
            }
            _ => {}
        }
        self.children().into_iter().try_for_each(|child| child.mark(context, used))
    }

    fn construct(&self, context: &Context) -> Result<Box<dyn Kernel>> {
        if self.children().is_empty() {
            return self.leaf(context);
        }
        let held = |is_held: bool| Context { is_held, ..context.clone() };
        Ok(match self {
            // The first term of a sum, and the first factor of a product, fix the scale of the whole.
            Self::Sum(c) => {
                let one = |(i, k): (usize, &KernelConfig)| k.construct(&held(context.is_held && i == 0));
                Box::new(Sum::new(c.terms.iter().enumerate().map(one).collect::<Result<_>>()?))
            }
            Self::Product(c) => {
                let one = |(i, k): (usize, &KernelConfig)| k.construct(&held(context.is_held || i > 0));
                Box::new(Product::new(c.terms.iter().enumerate().map(one).collect::<Result<_>>()?))
            }
            Self::Scaled(c) => {
                let mut kernel = Scaled::new(c.variance, c.kernel.construct(&held(true))?);
                hold(&mut kernel.variance, context.is_held);
                Box::new(kernel)
            }
            Self::Active(c) => {
                let columns = context.resolve(&c.columns)?;
                c.kernel.construct(&Context { named: Some(columns), ..context.clone() })?
            }
            Self::Changepoint(c) => {
                let (before, after) = (c.before.construct(&held(context.is_held))?, c.after.construct(&held(false))?);
                // Without a name, the change is in the first numeric column.
                let dim = match &context.named {
                    Some(named) => named.first().copied(),
                    None => context.columns("changepoint", false)?.first().copied(),
                };
                let dim = dim.ok_or_else(|| {
                    Error::data("a changepoint needs a column of numbers, and there is none", "leave it out")
                })?;
                Box::new(Changepoint::new(dim, c.location, c.steepness, before, after))
            }
            _ => unreachable!("leaves have no children"),
        })
    }

    /// A kernel that is not made of others, over the columns it can use.
    fn leaf(&self, context: &Context) -> Result<Box<dyn Kernel>> {
        let columns = context.columns(self.name(), self.is_categorical())?;
        let d = columns.len();
        if d == 0 {
            return self.without_columns(context);
        }
        let levels: Vec<usize> = columns.iter().map(|c| context.levels[*c]).collect();
        let held = context.is_held;
        let kernel: Box<dyn Kernel> = match self {
            Self::Rbf(c) => stationary(Profile::Rbf, c, &columns, context),
            Self::Matern12(c) => stationary(Profile::Matern12, c, &columns, context),
            Self::Matern32(c) => stationary(Profile::Matern32, c, &columns, context),
            Self::Matern52(c) => stationary(Profile::Matern52, c, &columns, context),
            Self::RationalQuadratic(c) => {
                let scales = lengthscales(c.lengthscale, c.ard, &columns, context);
                let kernel = Stationary::new(Profile::RationalQuadratic, &scales).with_variance(c.variance);
                let mut kernel = kernel.with_alpha(c.alpha);
                hold(&mut kernel.variance, held);
                Box::new(kernel)
            }
            Self::Periodic(c) => {
                let mut kernel = Periodic::new(&vec![c.period; d]).with(c.lengthscale, c.variance);
                hold(&mut kernel.variance, held);
                Box::new(kernel)
            }
            Self::Linear(c) => {
                let mut kernel = Linear::new(&vec![c.variance; if c.ard { d } else { 1 }], c.offset);
                hold(&mut kernel.offset, held);
                Box::new(kernel)
            }
            Self::Polynomial(c) => {
                let mut kernel = Polynomial::new(c.degree, c.offset, c.variance);
                hold(&mut kernel.variance, held);
                Box::new(kernel)
            }
            Self::Constant(c) => constant(c.variance, held),
            Self::White(c) => {
                let mut kernel = White::new(c.variance);
                hold(&mut kernel.variance, held);
                Box::new(kernel)
            }
            Self::ArcCosine(c) => {
                let kernel = ArcCosine::new(c.order, &[c.weight_variance], c.bias_variance);
                let mut kernel = kernel.with_variance(c.variance);
                hold(&mut kernel.variance, held);
                Box::new(kernel)
            }
            Self::Nngp(c) => {
                let kernel = Nngp::new(c.activation, c.depth, c.weight_variance, c.bias_variance);
                let mut kernel = kernel.with_variance(c.variance);
                hold(&mut kernel.variance, held);
                Box::new(kernel)
            }
            Self::SpectralMixture(c) => {
                Box::new(SpectralMixture::spread(c.spectrum, d, c.components, c.highest, c.variance))
            }
            Self::Tanimoto(c) => {
                let mut kernel = Tanimoto::new(c.variance);
                hold(&mut kernel.variance, held);
                Box::new(kernel)
            }
            Self::Exchangeable(c) => Box::new(Exchangeable::new(&levels, c.correlation)),
            Self::Hamming(c) => Box::new(Hamming::new(&levels, c.lengthscale)),
            Self::Index(c) => return Ok(index(&columns, &levels, c.rank, context.levels.len())),
            _ => unreachable!("kernels made of others are built elsewhere"),
        };
        Ok(over(columns, context.levels.len(), kernel))
    }

    /// A kernel over no columns: constant where that is what the formula says.
    fn without_columns(&self, context: &Context) -> Result<Box<dyn Kernel>> {
        let variance = match self {
            Self::Rbf(c) | Self::Matern12(c) | Self::Matern32(c) | Self::Matern52(c) => c.variance,
            Self::RationalQuadratic(c) => c.variance,
            Self::Linear(c) => c.offset,
            Self::Constant(c) => c.variance,
            Self::White(c) => {
                let mut kernel = White::new(c.variance);
                hold(&mut kernel.variance, context.is_held);
                return Ok(Box::new(kernel));
            }
            leaf => {
                let kind = if leaf.is_categorical() { "categories" } else { "numbers" };
                return Err(Error::data(
                    format!("the kernel `{}` needs a column of {kind}, and there is none", leaf.name()),
                    "leave it out; `matern52`, the default, works with any columns",
                ));
            }
        };
        Ok(constant(variance, context.is_held))
    }
}

fn hold(parameter: &mut elbo_tensor::Parameter, is_held: bool) {
    if is_held {
        parameter.set_frozen(true);
    }
}

/// Where the lengthscales over these columns start.
fn lengthscales(start: Option<f64>, ard: bool, columns: &[usize], context: &Context<'_>) -> Vec<f64> {
    let usual = (columns.len() as f64).sqrt();
    let of = |group: &[usize]| start.unwrap_or_else(|| usual * context.distances.map_or(1.0, |d| d.typical(group)));
    if ard { columns.chunks(1).map(of).collect() } else { vec![of(columns)] }
}

fn stationary(profile: Profile, c: &StationaryConfig, columns: &[usize], context: &Context<'_>) -> Box<dyn Kernel> {
    let scales = lengthscales(c.lengthscale, c.ard, columns, context);
    let mut kernel = Stationary::new(profile, &scales).with_variance(c.variance);
    hold(&mut kernel.variance, context.is_held);
    Box::new(kernel)
}

fn constant(variance: f64, held: bool) -> Box<dyn Kernel> {
    let mut kernel = Constant::new(variance);
    hold(&mut kernel.variance, held);
    Box::new(kernel)
}

/// One free covariance a column, multiplied.
fn index(columns: &[usize], levels: &[usize], rank: usize, dims: usize) -> Box<dyn Kernel> {
    let one = |(c, l): (&usize, &usize)| over(vec![*c], dims, Box::new(Index::new(*l, rank)));
    let mut factors: Vec<Box<dyn Kernel>> = columns.iter().zip(levels).map(one).collect();
    if factors.len() == 1 { factors.remove(0) } else { Box::new(Product::new(factors)) }
}

/// The kernel over these of `dims` columns.
fn over(columns: Vec<usize>, dims: usize, kernel: Box<dyn Kernel>) -> Box<dyn Kernel> {
    if columns.iter().copied().eq(0..dims) { kernel } else { Box::new(Active::new(columns, kernel)) }
}
