//! The `embedgate` binary.

/// Many small, short-lived allocations per request on a few threads: what this allocator is best at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    embedgate::cli::main()
}
