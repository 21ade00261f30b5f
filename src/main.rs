//! The `embedgate` binary.

/// Version 2 of mimalloc: it gives freed memory back within milliseconds, which is what keeps parked connections cheap.
/// Version 3 waits for allocations that an idle gateway does not make.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    embedgate::cli::main()
}
