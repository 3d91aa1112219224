//! Compiles what Rust cannot say: functions with `...`, and variables of C's thread-local kind.

const SOURCES: [&str; 6] = [
    "src/c/control.c",
    "src/c/delay.c",
    "src/c/errno.c",
    "src/c/exit.c",
    "src/c/log.c",
    "src/c/per_lcore.c",
];

fn main() {
    println!("cargo::rerun-if-changed=src/c");
    println!("cargo::rerun-if-changed=include");
    cc::Build::new()
        .files(SOURCES)
        .include("include")
        .std("c11")
        .flag("-fvisibility=default")
        .define("_GNU_SOURCE", None)
        .define("RTEMP_LIBRARY", None)
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .compile("rte_mp_c");
}
