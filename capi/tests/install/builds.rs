//! Programs that are built against the installed library as their authors would do it.

use std::fs;
use std::path::{Path, PathBuf};

use rte_mp_interop::{Room, c_prefix, with_c_library};

use crate::{
    build_hello, check_hello, linkers, needed, output, pkg_config, source, static_library,
};

const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];
const SONAME: &str = "librte_mp.so.0";

fn libdir() -> PathBuf {
    c_prefix().join("lib")
}

fn package(arguments: &[&str]) -> Vec<String> {
    pkg_config(&libdir().join("pkgconfig"), [arguments, &["rte-mp"]].concat())
}

fn alias(arguments: &[&str]) -> Vec<String> {
    pkg_config(&libdir().join("rte-mp/dpdk"), [arguments, &["libdpdk"]].concat())
}

fn uses_shared_library(program: &Path) -> bool {
    needed(program).iter().any(|library| library == SONAME)
}

#[test]
fn the_package_is_all_that_a_program_in_c_or_cpp_needs() {
    with_c_library(|room| {
        for (compiler, language) in
            [("cc", &["-std=c11"][..]), ("c++", &["-x", "c++", "-std=c++17"])]
        {
            let program = room.base().join(compiler);
            let mut build = room.command(compiler);
            build.args(STRICT).args(language).arg(source("hello.c")).arg("-o").arg(&program);
            // `-x c++` goes on until the end, and the flags hold no file but headers.
            output(build.args(package(&["--cflags", "--libs"])));
            assert!(uses_shared_library(&program));
            check_hello(room, &program, &libdir());
        }
    });
}

#[test]
fn a_static_program_needs_the_packages_private_libraries_and_no_more() {
    with_c_library(|room| {
        let flags = package(&["--static", "--cflags", "--libs"]);
        let program = build_hello(room, flags.iter().map(String::as_str).chain(["-static"]));
        assert_eq!(needed(&program), Vec::<String>::new());
        check_hello(room, &program, Path::new("/nowhere"));
    });
}

#[test]
fn the_static_library_goes_into_a_program_by_its_path() {
    with_c_library(|room| {
        let library = static_library().display().to_string();
        let flags = package(&["--cflags"]).into_iter().chain([library]);
        let system = package(&["--static", "--libs-only-l"]);
        let system = system.into_iter().filter(|flag| flag != "-lrte_mp");
        let program = build_hello(room, flags.chain(system));
        assert!(!uses_shared_library(&program));
        check_hello(room, &program, Path::new("/nowhere"));
    });
}

#[test]
fn every_linker_takes_both_libraries() {
    with_c_library(|room| {
        for linker in linkers() {
            let flags = [format!("-fuse-ld={linker}"), "-Wl,--gc-sections".to_owned()];
            let shared = flags.iter().cloned().chain(package(&["--cflags", "--libs"]));
            check_hello(room, &build_hello(room, shared), &libdir());
            let library = static_library().display().to_string();
            let fixed = flags.iter().cloned().chain(package(&["--cflags"])).chain([library]);
            check_hello(room, &build_hello(room, fixed), Path::new("/nowhere"));
        }
    });
}

#[test]
fn a_program_may_hold_another_library_in_rust() {
    with_c_library(|room| {
        let other = room.base().join("libother.a");
        let mut rustc = room.command("rustc");
        rustc.args(["--edition=2024", "--crate-type=staticlib", "-Copt-level=1", "-o"]);
        output(rustc.args([&other, &source("other_library.rs")]));
        for linker in linkers() {
            for libraries in [[&static_library(), &other], [&other, &static_library()]] {
                let program = room.base().join("both");
                let mut build = room.command("cc");
                build.arg(format!("-fuse-ld={linker}")).args(package(&["--cflags"]));
                build.arg(source("both_libraries.c")).arg("-o").arg(&program).args(libraries);
                output(&mut build);
                assert_eq!(output(&mut room.command(&program)), "-1, 42\n", "{linker}");
            }
        }
    });
}

#[test]
fn the_tutorials_pair_is_built_by_make_and_by_cmake() {
    with_c_library(|room| {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/8-multiprocess-msg");
        let made = room.base().join("made");
        fs::create_dir(&made).unwrap();
        for file in fs::read_dir(&example).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), made.join(file.file_name())).unwrap();
        }
        let build = |program: &str| {
            let mut command = room.command(program);
            command.env("PKG_CONFIG_PATH", libdir().join("pkgconfig"));
            command
        };
        output(build("make").arg("-C").arg(&made));
        let configured = room.base().join("configured");
        output(build("cmake").arg("-S").arg(&example).arg("-B").arg(&configured));
        output(build("cmake").arg("--build").arg(&configured));
        for program in ["server", "client"] {
            assert!(uses_shared_library(&made.join(program)));
            assert!(uses_shared_library(&configured.join(program)));
        }
    });
}

#[test]
fn a_makefile_of_dpdks_kind_is_served_by_the_alias() {
    with_c_library(|room| {
        fs::copy(source("hello.c"), room.base().join("hello.c")).unwrap();
        let make = |room: &Room, goal: &str| {
            let mut make = room.command("make");
            make.env("PKG_CONFIG_PATH", libdir().join("rte-mp/dpdk"));
            output(make.arg("-f").arg(source("like_dpdks_examples.mk")).arg(goal));
            room.base().join(format!("hello-{goal}"))
        };
        let shared = make(room, "shared");
        assert!(uses_shared_library(&shared));
        check_hello(room, &shared, &libdir());
        let fixed = make(room, "static");
        assert!(!uses_shared_library(&fixed));
        check_hello(room, &fixed, Path::new("/nowhere"));
    });
}

#[test]
fn the_alias_has_the_version_of_the_headers_and_dpdks_order_of_static_libraries() {
    with_c_library(|room| {
        let mut compiler = room.command("cc");
        let macros = output(compiler.args(package(&["--cflags"])).args([
            "-dM",
            "-E",
            "-x",
            "c",
            "/dev/null",
        ]));
        let number = |name: &str| {
            let define = format!("#define RTE_VER_{name} ");
            macros.lines().find_map(|line| line.strip_prefix(&define)).unwrap().to_owned()
        };
        let version = ["YEAR", "MONTH", "MINOR"].map(number).join(".");
        assert_eq!(alias(&["--modversion"]), [version]);
        assert_eq!(alias(&["--atleast-version=22.11"]), Vec::<String>::new());
        // DPDK's examples refuse a `make static` whose flags are in another order.
        let fixed = alias(&["--static", "--libs"]);
        let at = |flag: &str| {
            fixed.iter().position(|word| word == flag).unwrap_or_else(|| panic!("{fixed:?}"))
        };
        let order =
            ["-Wl,--whole-archive", "-l:librte_mp.a", "-Wl,--no-whole-archive", "-lrte_mp"].map(at);
        assert!(order.is_sorted(), "{fixed:?}");
    });
}
