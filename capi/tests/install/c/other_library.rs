//! Another static library in Rust, for a program that has both: it panics, and catches it.

/// Gives 42, the long way round.
#[unsafe(no_mangle)]
pub extern "C" fn other_library() -> i32 {
    let caught = std::panic::catch_unwind(|| std::panic::panic_any(42));
    caught.err().and_then(|payload| payload.downcast_ref().copied()).unwrap_or(0)
}
