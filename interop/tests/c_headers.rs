//! The headers for C beside those of the DPDK that is installed here, 22.11.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use rte_mp_interop::with_dpdk_headers;

const CAPI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../capi");

/// Whose headers a compiler is given.
#[derive(Debug, Clone, Copy)]
enum Headers {
    RteMp,
    Dpdk,
}

#[test]
fn a_program_compiles_in_the_same_sizes_offsets_and_constants() {
    with_dpdk_headers(|_| {
        let written = fs::read_to_string(format!("{CAPI}/tests/headers/values-22.txt")).unwrap();
        let (ours, theirs) = (values(Headers::RteMp), values(Headers::Dpdk));
        for ((ours, theirs), written) in ours.lines().zip(theirs.lines()).zip(written.lines()) {
            assert_eq!(ours, theirs);
            assert_eq!(theirs, written, "values-22.txt");
        }
        let counts = [&ours, &theirs, &written].map(|text| text.lines().count());
        assert!(counts[0] > 400 && counts == [counts[0]; 3], "{counts:?}");
    });
}

/// Macros with DPDK on this machine.
const MACROS: [&str; 8] = [
    "rte_io_mb",
    "rte_io_rmb",
    "rte_io_wmb",
    "rte_mb",
    "rte_rmb",
    "rte_smp_rmb",
    "rte_smp_wmb",
    "rte_wmb",
];

#[test]
fn functions_have_the_prototypes_of_dpdk() {
    with_dpdk_headers(|_| {
        let (ours, theirs) = (prototypes(Headers::RteMp), prototypes(Headers::Dpdk));
        assert!(ours.len() > 150, "{ours:?}");
        for (name, our) in &ours {
            let Some(their) = theirs.get(name) else {
                let is_known = name.starts_with("rtemp_") || MACROS.contains(&&**name);
                assert!(is_known, "DPDK has no {name}");
                continue;
            };
            // Both were made stricter, or clearer, by a later release or by us.
            let our = match &**name {
                "rte_atomic64_read" => our.replace("const ", ""),
                _ => our.replace("rte_memory_order", "int"),
            };
            assert_eq!(&our, their);
        }
    });
}

/// Comes with `rte_common.h` here, and brings it there; nobody includes it alone.
const INNERMOST: &str = "rte_bitops.h";

/// Programs include one header and use what others declare.
#[test]
fn each_header_brings_the_headers_that_dpdk_s_brings() {
    with_dpdk_headers(|_| {
        for header in headers_of_both().iter().filter(|header| *header != INNERMOST) {
            let ours = brought(Headers::RteMp, header);
            let theirs = brought(Headers::Dpdk, header);
            let missing: Vec<_> = theirs.difference(&ours).collect();
            assert!(missing.is_empty(), "{header} does not bring {missing:?}");
        }
    });
}

/// What `values.c` prints when it is compiled against these.
fn values(headers: Headers) -> String {
    let directory = tempfile::tempdir().expect("the temporary directory is writable");
    let program = directory.path().join("values");
    let mut command = compiler(headers);
    command.arg(format!("{CAPI}/tests/headers/values.c")).arg("-o").arg(&program);
    run(&mut command);
    run(&mut Command::new(&program))
}

/// The functions that headers declare, with their prototypes as gcc writes them.
fn prototypes(headers: Headers) -> BTreeMap<String, String> {
    let directory = tempfile::tempdir().expect("the temporary directory is writable");
    let (source, list) = (directory.path().join("all.c"), directory.path().join("prototypes"));
    let text: String =
        headers_of_both().iter().map(|header| format!("#include <{header}>\n")).collect();
    fs::write(&source, text).expect("it can be written");
    let mut command = compiler(headers);
    run(command.arg("-aux-info").arg(&list).args(["-S", "-o", "/dev/null"]).arg(&source));
    let list = fs::read_to_string(&list).expect("gcc wrote it");
    list.lines().filter_map(prototype).collect()
}

/// Reads `/* FILE:LINE:KIND */ STORAGE TYPE NAME (PARAMETERS); ...`.
fn prototype(line: &str) -> Option<(String, String)> {
    let (file, declaration) = line.strip_prefix("/* ")?.split_once(" */ ")?;
    if !file.contains("/dpdk/") && !file.contains("/capi/include/") {
        return None;
    }
    let declaration = declaration.split([';', '/']).next()?.split(" __attribute__").next()?.trim();
    let declaration = declaration.trim_start_matches("extern ").trim_start_matches("static ");
    let name = declaration.split_once(" (")?.0.rsplit([' ', '*']).next()?;
    Some((name.to_owned(), declaration.to_owned()))
}

/// The public headers that come with this one, of libc and of those that both have.
fn brought(headers: Headers, header: &str) -> BTreeSet<String> {
    let directory = tempfile::tempdir().expect("the temporary directory is writable");
    let source = directory.path().join("one.c");
    fs::write(&source, format!("#include <{header}>\n")).expect("it can be written");
    let mut command = compiler(headers);
    let output = command.args(["-H", "-fsyntax-only"]).arg(&source).output().expect("gcc is there");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{header}: {said}");
    let ours = headers_of_both();
    let paths =
        said.lines().filter(|line| line.starts_with('.')).filter_map(|line| line.split_once(' '));
    let names = paths.map(|(_, path)| {
        let name = path.rsplit_once("/include/").map_or(path, |(_, name)| name);
        let name = name.strip_prefix("x86_64-linux-gnu/").unwrap_or(name);
        let base = name.rsplit('/').next().unwrap_or(name);
        if base.starts_with("rte_") { base.to_owned() } else { name.to_owned() }
    });
    names.filter(|name| ours.contains(name) || is_public(name)).collect()
}

/// Whether it is libc's, and one that a program would include itself.
fn is_public(name: &str) -> bool {
    const INNER: [&str; 10] = [
        "rte_",
        "dpdk/",
        "bits/",
        "gnu/",
        "asm",
        "linux/",
        "features",
        "sys/cdefs",
        "stdc-predef",
        "bsd/",
    ];
    !INNER.iter().any(|inner| name.starts_with(inner))
        && !["intrin.h", "mm3dnow.h", "mm_malloc.h"].iter().any(|inner| name.ends_with(inner))
}

/// Those of our headers that DPDK 22.11 has too.
fn headers_of_both() -> Vec<String> {
    let entries = fs::read_dir(format!("{CAPI}/include")).expect("the headers are there");
    let names = entries
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name != "rte_stdatomic.h").collect();
    names.sort();
    names
}

/// Begins a command that compiles with these headers.
fn compiler(headers: Headers) -> Command {
    let mut command = Command::new("gcc");
    command.args(["-std=gnu11", "-D_GNU_SOURCE", "-DALLOW_EXPERIMENTAL_API"]);
    match headers {
        Headers::RteMp => {
            let include = Path::new(CAPI).join("include");
            command
                .arg("-DRTE_MP_ABI=22")
                .arg("-I")
                .arg(include)
                .args(["-include", "rte_config.h"]);
        }
        Headers::Dpdk => {
            let flags = run(Command::new("pkg-config").args(["--cflags", "libdpdk"]));
            command.args(flags.split_whitespace());
        }
    }
    command
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
