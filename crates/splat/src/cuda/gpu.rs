//! One GPU: its driver and compiler, loaded when they are asked for, the compiled kernels, and arrays in its memory.

use super::fault;
use super::frame::Frame;
use super::kernel::{Argument, Kernel, signatures};
use cudarc::driver::{
    CudaContext, CudaSlice, CudaStream, DeviceRepr, DriverError, LaunchConfig, PushKernelArg, ValidAsZeroBits,
};
use cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use elbo_core::Result;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The kernels.
const SOURCE: &str = include_str!("kernels.cu");
/// Threads of a block with one thread a Gaussian, a pair or a number.
pub(super) const THREADS: usize = 256;
/// The least compute capability: that of `__match_any_sync`.
const LEAST: (i32, i32) = (7, 0);

// SAFETY: `Frame` is `repr(C)`, holds nothing but numbers of four bytes, and has the fields of the kernels' own `Frame`.
#[allow(unsafe_code)]
unsafe impl DeviceRepr for Frame {}

/// A device with the kernels compiled for it.
pub(super) struct Gpu {
    stream: Arc<CudaStream>,
    kernels: BTreeMap<&'static str, Kernel>,
    name: String,
}

impl Gpu {
    /// Loads driver and compiler and compiles the kernels for device `ordinal`.
    #[allow(unsafe_code)]
    pub fn open(ordinal: usize) -> Result<Self> {
        // SAFETY: opens and closes libraries under the names that NVIDIA gives them; their own start-up code is all that runs.
        if !unsafe { cudarc::driver::sys::is_culib_present() } {
            return Err(fault::no_driver());
        }
        // SAFETY: as above.
        if !unsafe { cudarc::nvrtc::sys::is_culib_present() } {
            return Err(fault::no_compiler());
        }
        let opening = |error: DriverError| fault::driver("the start of the device", error);
        let context = CudaContext::new(ordinal).map_err(opening)?;
        let name = context.name().map_err(opening)?;
        let capability = context.compute_capability().map_err(opening)?;
        if capability < LEAST {
            return Err(fault::too_old(&name, capability));
        }
        let options = CompileOptions {
            // Sums and products are rounded one by one, as on the CPU.
            fmad: Some(false),
            options: vec![format!("--gpu-architecture=compute_{}{}", capability.0, capability.1)],
            ..CompileOptions::default()
        };
        let compiled = compile_ptx_with_opts(SOURCE, options);
        let compiled = compiled.map_err(|error| fault::compiler(&name, capability, &error))?;
        let module = context.load_module(compiled).map_err(opening)?;
        let mut kernels = BTreeMap::new();
        for (kernel, takes) in signatures(SOURCE) {
            let function = module.load_function(kernel).map_err(opening)?;
            kernels.insert(kernel, Kernel { function, takes });
        }
        Ok(Self { stream: context.default_stream(), kernels, name })
    }

    /// What the device is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts a kernel with `grid` blocks of `block` threads; with no blocks there is nothing to do. Failures of the kernel itself come
    /// with the next copy to the host.
    #[allow(unsafe_code)]
    pub fn launch(&self, name: &str, grid: [usize; 2], block: [usize; 2], arguments: &[Argument<'_>]) -> Result<()> {
        let kernel = &self.kernels[name];
        let given: Vec<_> = arguments.iter().map(Argument::kind).collect();
        assert_eq!(given, kernel.takes, "arguments of the kernel {name}");
        if grid.contains(&0) {
            return Ok(());
        }
        let mut call = self.stream.launch_builder(&kernel.function);
        for argument in arguments {
            match argument {
                Argument::Frame(frame) => call.arg(*frame),
                Argument::F32(slice) => call.arg(*slice),
                Argument::U8(slice) => call.arg(*slice),
                Argument::U32(slice) => call.arg(*slice),
                Argument::U64(slice) => call.arg(*slice),
                Argument::Word(word) => call.arg(word),
            };
        }
        let [x, y] = grid.map(|v| v as u32);
        let config =
            LaunchConfig { grid_dim: (x, y, 1), block_dim: (block[0] as u32, block[1] as u32, 1), shared_mem_bytes: 0 };
        // SAFETY: number and kinds of the arguments are those of the source, checked above; every kernel keeps to the counts it is given, for
        // which its caller has made room; all work goes through one stream, so nothing is read or freed before it is written.
        let launched = unsafe { call.launch(config) };
        launched.map_err(|error| fault::driver(name, error))?;
        Ok(())
    }
}

/// A number that arrays on the device are made of.
pub(super) trait Element: DeviceRepr + ValidAsZeroBits + Copy {
    fn argument(slice: &CudaSlice<Self>) -> Argument<'_>;
}

macro_rules! element {
    ($($t:ty => $kind:ident),+) => {
        $(impl Element for $t {
            fn argument(slice: &CudaSlice<Self>) -> Argument<'_> {
                Argument::$kind(slice)
            }
        })+
    };
}

element! { f32 => F32, u8 => U8, u32 => U32, u64 => U64 }

/// An array on the device that is kept from step to step and grows when it must.
pub(super) struct Buffer<T> {
    slice: Option<CudaSlice<T>>,
    name: &'static str,
}

impl<T: Element> Buffer<T> {
    /// Nothing yet; `name` is what errors call it.
    pub fn new(name: &'static str) -> Self {
        Self { slice: None, name }
    }

    /// Room for `len` numbers. What was there is lost where it grows.
    pub fn room(&mut self, gpu: &Gpu, len: usize) -> Result<()> {
        if self.slice.as_ref().is_some_and(|slice| slice.len() >= len) {
            return Ok(());
        }
        // The old one goes first, and the new one is larger than asked for, since numbers of Gaussians and pairs grow slowly.
        self.slice = None;
        let made = gpu.stream.alloc_zeros::<T>((len + len / 4).max(1));
        self.slice = Some(made.map_err(|error| fault::driver(self.name, error))?);
        Ok(())
    }

    /// Room for `len` numbers, all zero.
    pub fn zeros(&mut self, gpu: &Gpu, len: usize) -> Result<()> {
        self.room(gpu, len)?;
        if len == 0 {
            return Ok(());
        }
        let name = self.name;
        let slice = self.slice.as_mut().expect("room was made");
        let mut part = slice.slice_mut(0..len);
        gpu.stream.memset_zeros(&mut part).map_err(|error| fault::driver(name, error))
    }

    /// Copies numbers to the device.
    pub fn upload(&mut self, gpu: &Gpu, values: &[T]) -> Result<()> {
        self.room(gpu, values.len())?;
        if values.is_empty() {
            return Ok(());
        }
        let name = self.name;
        let slice = self.slice.as_mut().expect("room was made");
        gpu.stream.memcpy_htod(values, slice).map_err(|error| fault::driver(name, error))
    }

    /// Copies numbers back, once all that was started before is done.
    pub fn download(&self, gpu: &Gpu, range: std::ops::Range<usize>) -> Result<Vec<T>> {
        if range.is_empty() {
            return Ok(vec![]);
        }
        let failed = |error: DriverError| fault::driver(self.name, error);
        let part = self.slice.as_ref().expect("room was made").slice(range);
        let values = gpu.stream.clone_dtoh(&part).map_err(failed)?;
        gpu.stream.synchronize().map_err(failed)?;
        Ok(values)
    }

    /// As the argument of a kernel.
    pub fn arg(&self) -> Argument<'_> {
        T::argument(self.slice.as_ref().expect("room was made"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_an_error_with_a_remedy() {
        // No machine has as many, and most that run this have none.
        let error = Gpu::open(1000).err().expect("there is no such device");
        assert!(error.remedy().contains("`device=cpu` needs no GPU"), "{error}: {}", error.remedy());
    }
}
