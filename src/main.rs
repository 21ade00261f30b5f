//! The `embedgate` binary.

fn main() {}
