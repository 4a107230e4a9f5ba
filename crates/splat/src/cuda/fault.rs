//! What a user is told when the GPU cannot do its work: the cause, and what to change. Nothing is reset, and the CPU never steps in unasked.

use cudarc::driver::DriverError;
use cudarc::driver::sys::CUresult as Code;
use cudarc::nvrtc::CompileError;
use elbo_core::Error;

/// The end of most remedies.
const WITHOUT: &str = "`device=cpu` needs no GPU";

/// The driver's library is not there.
pub(super) fn no_driver() -> Error {
    Error::data(
        "there is no NVIDIA driver: its library `libcuda` cannot be loaded",
        format!("install the GPU's driver, or let the container see it; {WITHOUT}"),
    )
}

/// The compiler's library is not there.
pub(super) fn no_compiler() -> Error {
    Error::data(
        "the CUDA run-time compiler is missing: its library `libnvrtc` cannot be loaded",
        format!("install NVRTC of the CUDA toolkit and name its folder in LD_LIBRARY_PATH; {WITHOUT}"),
    )
}

/// A device that is too old for the kernels.
pub(super) fn too_old(name: &str, (major, minor): (i32, i32)) -> Error {
    Error::data(
        format!("the GPU {name} has compute capability {major}.{minor}; the rasteriser needs 7.0"),
        format!("use a newer GPU; {WITHOUT}"),
    )
}

/// What the compiler says about the kernels.
pub(super) fn compiler(name: &str, (major, minor): (i32, i32), error: &CompileError) -> Error {
    let said = match error {
        CompileError::CompileError { log, .. } => log.to_string_lossy().trim().to_owned(),
        other => format!("{other:?}"),
    };
    Error::data(
        format!("NVRTC cannot compile for the GPU {name} of compute capability {major}.{minor}: {said}"),
        format!("install NVRTC of a CUDA toolkit that knows this GPU; {WITHOUT}"),
    )
}

/// What the driver says; `doing` names the work or the array.
pub(super) fn driver(doing: &str, DriverError(code): DriverError) -> Error {
    match code {
        Code::CUDA_ERROR_OUT_OF_MEMORY => Error::data(
            format!("the GPU's memory is too small for `{doing}`"),
            format!("take fewer Gaussians (`cap`) or smaller pictures (`size`), or end other work on it; {WITHOUT}"),
        ),
        Code::CUDA_ERROR_NO_DEVICE | Code::CUDA_ERROR_INVALID_DEVICE => Error::data(
            format!("the NVIDIA driver sees no such GPU ({code:?})"),
            format!("see what `nvidia-smi` lists, and CUDA_VISIBLE_DEVICES; {WITHOUT}"),
        ),
        Code::CUDA_ERROR_STUB_LIBRARY
        | Code::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
        | Code::CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE
        | Code::CUDA_ERROR_UNSUPPORTED_PTX_VERSION
        | Code::CUDA_ERROR_JIT_COMPILER_NOT_FOUND
        | Code::CUDA_ERROR_NO_BINARY_FOR_GPU => Error::data(
            format!("the NVIDIA driver and the CUDA libraries do not fit together ({code:?})"),
            format!("update the driver to that of the CUDA toolkit whose NVRTC is loaded, or newer; {WITHOUT}"),
        ),
        code if is_lost(code) => Error::data(
            format!("the GPU was lost at `{doing}` ({code:?})"),
            format!("start the program again, with `--resume` from its last checkpoint; nothing was reset; {WITHOUT}"),
        ),
        code => Error::data(
            format!("the GPU failed at `{doing}` ({code:?})"),
            format!("see what `nvidia-smi` says; {WITHOUT}"),
        ),
    }
}

/// Whether everything on the device is gone after this.
fn is_lost(code: Code) -> bool {
    matches!(
        code,
        Code::CUDA_ERROR_DEVICE_UNAVAILABLE
            | Code::CUDA_ERROR_DEINITIALIZED
            | Code::CUDA_ERROR_CONTEXT_IS_DESTROYED
            | Code::CUDA_ERROR_ECC_UNCORRECTABLE
            | Code::CUDA_ERROR_NVLINK_UNCORRECTABLE
            | Code::CUDA_ERROR_ILLEGAL_ADDRESS
            | Code::CUDA_ERROR_ILLEGAL_INSTRUCTION
            | Code::CUDA_ERROR_MISALIGNED_ADDRESS
            | Code::CUDA_ERROR_INVALID_ADDRESS_SPACE
            | Code::CUDA_ERROR_INVALID_PC
            | Code::CUDA_ERROR_HARDWARE_STACK_ERROR
            | Code::CUDA_ERROR_ASSERT
            | Code::CUDA_ERROR_LAUNCH_FAILED
            | Code::CUDA_ERROR_LAUNCH_TIMEOUT
            | Code::CUDA_ERROR_EXTERNAL_DEVICE
            | Code::CUDA_ERROR_MPS_CLIENT_TERMINATED
            | Code::CUDA_ERROR_SYSTEM_NOT_READY
            | Code::CUDA_ERROR_UNKNOWN
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_a_message_and_a_remedy_of_its_own() {
        let told = |code| driver("slots", DriverError(code));
        let memory = told(Code::CUDA_ERROR_OUT_OF_MEMORY);
        assert!(memory.to_string().contains("memory is too small for `slots`"), "{memory}");
        assert!(memory.remedy().contains("`cap`"), "{}", memory.remedy());
        let none = told(Code::CUDA_ERROR_NO_DEVICE);
        assert!(none.to_string().contains("sees no such GPU") && none.remedy().contains("nvidia-smi"), "{none}");
        let lost = told(Code::CUDA_ERROR_LAUNCH_FAILED);
        assert!(lost.to_string().contains("was lost at `slots`") && lost.remedy().contains("--resume"), "{lost}");
        let old = told(Code::CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
        assert!(old.remedy().contains("update the driver"), "{old}");
        let other = told(Code::CUDA_ERROR_INVALID_VALUE);
        assert!(other.to_string().contains("CUDA_ERROR_INVALID_VALUE"), "{other}");
        assert!(no_driver().to_string().contains("libcuda") && no_compiler().to_string().contains("libnvrtc"));
        assert!(too_old("K80", (3, 7)).to_string().contains("3.7"));
    }
}
