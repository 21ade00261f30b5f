//! The `embedgate` binary.

fn main() -> std::process::ExitCode {
    embedgate::cli::main()
}
