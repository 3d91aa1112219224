//! The headers: every compiler takes them without a word, and what a program compiles in is what it
//! would compile in with DPDK. No library is needed.
//!
//! `headers/values-22.txt` and `headers/values-25.txt` are what `headers/values.c` prints when it
//! is compiled against DPDK 22.11 and 25.11.

#[path = "headers/linking.rs"]
mod linking;
#[path = "headers/toolbox.rs"]
mod toolbox;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use toolbox::{
    ABIS, HEADERS, SOURCES, headers, including, text_of_headers, with_c, with_c_and_cpp, with_one,
};

/// What is asked of every header; more than most programs ask.
const STRICT: &[&str] = &[
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Werror",
    "-Wcast-align",
    "-Wconversion",
    "-Wpointer-arith",
    "-Wredundant-decls",
    "-Wshadow",
    "-Wsign-conversion",
    "-Wundef",
    "-Wvla",
    "-Wwrite-strings",
];
const STRICT_C: &[&str] =
    &["-Wmissing-prototypes", "-Wold-style-definition", "-Wstrict-prototypes"];
/// What is asked of programs.
const USUAL: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"];

fn strict<'a>(is_cpp: bool, more: &[&'a str]) -> Vec<&'a str> {
    [STRICT, if is_cpp { &[] } else { STRICT_C }, more].concat()
}

#[test]
fn each_header_compiles_alone_without_a_warning() {
    with_c_and_cpp(|compilers| {
        for compiler in compilers {
            let standard = if compiler.is_cpp { "-std=c++17" } else { "-std=c11" };
            for header in headers() {
                let said = compiler.check(
                    25,
                    &strict(compiler.is_cpp, &[standard]),
                    &including([&header]),
                );
                assert_eq!(said, Ok(()), "{} {header}", compiler.program);
            }
        }
    });
}

#[test]
fn all_headers_compile_together_in_either_order_and_twice() {
    let forwards = headers();
    let backwards: Vec<_> = forwards.iter().rev().cloned().collect();
    with_c_and_cpp(|compilers| {
        for compiler in compilers {
            let standards: &[&[&str]] = match compiler.is_cpp {
                false => &[
                    &["-std=c11"],
                    &["-std=c17"],
                    &["-std=gnu11", "-D_GNU_SOURCE"],
                    &["-std=gnu17", "-D_GNU_SOURCE"],
                ],
                true => &[&["-std=c++17"], &["-std=gnu++17"], &["-std=c++20"]],
            };
            for (abi, standard) in
                ABIS.iter().flat_map(|&abi| standards.iter().map(move |standard| (abi, standard)))
            {
                for order in [&forwards, &backwards] {
                    let text = including(order.iter().chain(order));
                    let said = compiler.check(abi, &strict(compiler.is_cpp, standard), &text);
                    assert_eq!(said, Ok(()), "{} {standard:?} {abi}", compiler.program);
                }
            }
        }
    });
}

#[test]
fn a_layout_that_does_not_exist_is_refused_by_name() {
    with_c(|compilers| {
        for header in ["rte_eal.h", "rte_config.h", "rte_memzone.h"] {
            let said = compilers[0].check(23, &[], &format!("#include <{header}>\n")).unwrap_err();
            assert!(said.contains("RTE_MP_ABI must be 25"), "{said}");
        }
    });
}

#[test]
fn structs_have_the_layouts_of_25_11_and_of_22_11_in_c_and_cpp() {
    let text = fs::read_to_string(format!("{SOURCES}/layout.c")).expect("it is there");
    with_c_and_cpp(|compilers| {
        for compiler in compilers {
            let standard = if compiler.is_cpp { "-std=c++17" } else { "-std=c11" };
            for abi in ABIS {
                let said = compiler.check(abi, &[standard], &text);
                assert_eq!(said, Ok(()), "{} {abi}", compiler.program);
            }
        }
    });
}

/// The numbers are those of x86-64.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_program_compiles_in_what_it_would_with_dpdk() {
    with_c(|compilers| {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("values");
        for compiler in compilers {
            for abi in ABIS {
                let flags = [USUAL, &["-std=c11", "-D_GNU_SOURCE"]].concat();
                compiler.build(abi, &flags, "values.c", &program);
                let output = Command::new(&program).output().expect("it runs");
                let ours = String::from_utf8(output.stdout).expect("it prints text");
                let theirs = fs::read_to_string(format!("{SOURCES}/values-{abi}.txt")).unwrap();
                for (ours, theirs) in ours.lines().zip(theirs.lines()) {
                    assert_eq!(ours, theirs, "{} {abi}", compiler.program);
                }
                assert_eq!(ours.lines().count(), theirs.lines().count());
            }
        }
    });
}

/// Those that are not DPDK's, or whose values say what this is.
const OUR_OWN: [&str; 10] = [
    "RTE_MP_ABI",
    "RTE_VER_MINOR",
    "RTE_ARCH_64",
    "RTE_ARCH_ARM64",
    "RTE_ARCH_X86",
    "RTE_ARCH_X86_64",
    "RTE_CC_CLANG",
    "RTE_CC_GCC",
    "RTE_CC_IS_GNU",
    "RTE_HAS_CPUSET",
];

#[test]
fn no_constant_is_missing_among_those_that_are_compared() {
    let values = fs::read_to_string(format!("{SOURCES}/values.c")).unwrap();
    let compared: BTreeSet<&str> = values.split(|c: char| !is_of_name(c)).collect();
    let headers = text_of_headers();
    let constants: BTreeSet<&str> = headers
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("#define ")?.split_once(' '))
        .filter(|(_, value)| {
            value.trim_start_matches(['(', '-']).starts_with(|c: char| c.is_ascii_digit())
        })
        .map(|(name, _)| name)
        .filter(|name| !OUR_OWN.contains(name) && !name.starts_with("RTE_TOOLCHAIN_"))
        .collect();
    assert!(constants.len() > 80, "{constants:?}");
    let missing: Vec<_> = constants.difference(&compared).collect();
    assert!(missing.is_empty(), "values.c does not print {missing:?}");
}

#[test]
fn macros_and_inline_functions_do_what_they_say() {
    with_c(|compilers| {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("macros");
        for compiler in compilers {
            for (abi, level) in [(25, "-O0"), (25, "-O2"), (22, "-O2")] {
                let flags = [USUAL, &["-std=c11", "-D_GNU_SOURCE", "-pthread", level]].concat();
                compiler.build(abi, &flags, "macros.c", &program);
                let said = toolbox::run(&mut Command::new(&program));
                assert_eq!(said, Ok(()), "{} {abi} {level}", compiler.program);
            }
        }
    });
}

#[test]
fn the_version_script_lists_what_the_headers_declare() {
    with_one("gcc", |gcc| {
        let directory = tempfile::tempdir().unwrap();
        let (source, prototypes) =
            (directory.path().join("all.c"), directory.path().join("prototypes"));
        fs::write(&source, including(&headers())).unwrap();
        let mut command = gcc.command(25);
        command.args(["-std=gnu11", "-D_GNU_SOURCE", "-DRTEMP_LIBRARY", "-aux-info"]);
        command.arg(&prototypes).args(["-S", "-o", "/dev/null"]).arg(&source);
        assert_eq!(toolbox::run(&mut command), Ok(()));

        let mut declared = declared_functions(&fs::read_to_string(&prototypes).unwrap());
        let headers = text_of_headers();
        let of_layouts = names_between(&headers, "RTEMP_ABI_SYMBOL(", ");");
        for name in of_layouts.into_iter().filter(|name| name.chars().all(is_of_name)) {
            declared.insert(format!("{name}_abi22"));
        }
        for declaration in names_between(&headers, "\nRTE_DECLARE_PER_LCORE(", ");") {
            let name = declaration.split_once(", ").expect("it has a type and a name").1;
            declared.insert(format!("per_lcore_{name}"));
        }
        for declaration in names_between(&headers, "\nextern void (*", ")") {
            declared.insert(declaration.to_owned());
        }
        let script =
            fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/rte_mp.map")).unwrap();
        let listed: BTreeSet<String> = script
            .lines()
            .filter_map(|line| line.trim().strip_suffix(';'))
            .filter(|name| name.chars().all(is_of_name))
            .map(str::to_owned)
            .collect();
        assert_eq!(listed, declared);
    });
}

/// The functions with external linkage of a list of prototypes that gcc wrote.
fn declared_functions(prototypes: &str) -> BTreeSet<String> {
    let lines = prototypes.lines().filter(|line| line.starts_with(&format!("/* {HEADERS}/")));
    let external = lines.filter_map(|line| line.split_once("*/ extern ")?.1.split_once(" ("));
    let names = external.filter_map(|(start, _)| start.rsplit([' ', '*']).next());
    names.map(str::to_owned).collect()
}

fn names_between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    let pieces = text.split(before).skip(1);
    pieces.filter_map(|piece| Some(piece.split_once(after)?.0)).collect()
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
