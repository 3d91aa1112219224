//! Object files of one layout make a program, and object files of two do not: with every linker, in
//! archives and shared objects, with and without optimisation at link time.
//!
//! The program is `part.c`, twice, and `whole.c`, in which stands what the library would bring.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::toolbox::{self, ABIS, Compiler, SOURCES, leave_out, with_c_and_cpp, with_one};

const LINKERS: [&str; 4] = ["bfd", "gold", "lld", "mold"];
/// What the linker, or the assembler, has to name.
const MARK: &str = "rte_mp_abi_differs_between_object_files";
/// The functions that take messages.
const WITH_MESSAGES: [&str; 5] = [
    "rte_mp_action_register",
    "rte_mp_reply",
    "rte_mp_request_async",
    "rte_mp_request_sync",
    "rte_mp_sendmsg",
];

#[test]
fn gcc_links_one_layout_and_refuses_two() {
    with_one("gcc", |gcc| {
        let kinds: [&[&str]; 4] = [
            &["-O0", "-fPIE"],
            &["-O2", "-fPIC", "-ffunction-sections", "-Wl,--gc-sections"],
            &["-O2", "-fPIC", "-flto"],
            &["-O2", "-fPIC", "-flto", "-flto-partition=max"],
        ];
        kinds.iter().for_each(|flags| try_linkers(gcc, flags));
    });
}

#[test]
fn clang_links_one_layout_and_refuses_two() {
    with_one("clang", |clang| {
        let kinds: [&[&str]; 4] = [
            &["-O0", "-fPIE"],
            &["-O2", "-fPIC"],
            &["-O2", "-fPIC", "-flto"],
            &["-O2", "-fPIC", "-flto=thin"],
        ];
        kinds.iter().for_each(|flags| try_linkers(clang, flags));
    });
}

#[test]
fn c_and_cpp_of_one_layout_link_and_of_two_do_not() {
    with_c_and_cpp(|compilers| {
        let (cpp, c): (Vec<_>, Vec<_>) = compilers.iter().partition(|compiler| compiler.is_cpp);
        let (Some(&c), Some(&cpp)) = (c.first(), cpp.first()) else {
            return leave_out("g++ or clang++ is not installed (apt-get install g++)");
        };
        let objects = Objects::compile(c, cpp, &["-fPIC"]);
        assert_eq!(objects.link(&[], 25, 25, Form::Object), Ok(()));
        assert_refused(objects.link(&[], 25, 22, Form::Object), "C and C++");
        assert_refused(objects.link(&[], 22, 25, Form::Object), "C and C++");
    });
}

#[test]
fn each_layout_has_functions_of_its_own() {
    with_c_and_cpp(|compilers| {
        for &compiler in compilers {
            let objects = Objects::compile(compiler, compiler, &[]);
            for (abi, suffix) in [(25, ""), (22, "_abi22")] {
                let mut nm = Command::new("nm");
                nm.args(["--undefined-only", "--format=posix"]).arg(objects.first(abi));
                let output = nm.output().expect("nm comes with the compiler");
                let names = String::from_utf8(output.stdout).expect("names are text");
                let names = names.lines().filter_map(|line| line.split(' ').next());
                let names: Vec<_> = names.filter(|name| name.starts_with("rte_")).collect();
                assert_eq!(names, WITH_MESSAGES.map(|name| format!("{name}{suffix}")), "{abi}");
            }
        }
    });
}

/// Tries all that can be linked with these flags, with all linkers that can do it.
fn try_linkers(compiler: Compiler, flags: &[&str]) {
    let objects = Objects::compile(compiler, compiler, flags);
    let is_lto = flags.iter().any(|flag| flag.starts_with("-flto"));
    for linker in LINKERS {
        let linker = format!("-fuse-ld={linker}");
        let what = format!("{} {flags:?} {linker}", compiler.program);
        let with = [flags, &[&*linker]].concat();
        if !objects.can_link(&with) {
            leave_out(&format!("{what} cannot be used here"));
            continue;
        }
        for abi in ABIS {
            assert_eq!(objects.link(&with, abi, abi, Form::Object), Ok(()), "{what} {abi}");
        }
        assert_refused(objects.link(&with, 25, 22, Form::Object), &what);
        // Archives of what is to be optimised later need an `ar` that knows how.
        if !is_lto {
            assert_refused(objects.link(&with, 22, 25, Form::Object), &what);
            assert_eq!(objects.link(&with, 25, 25, Form::Archive), Ok(()), "{what} archive");
            assert_refused(objects.link(&with, 25, 22, Form::Archive), &what);
        }
        if flags.contains(&"-fPIC") {
            let with = [&with[..], &["-shared"]].concat();
            assert_eq!(objects.link(&with, 25, 25, Form::Object), Ok(()), "{what} -shared");
            assert_refused(objects.link(&with, 25, 22, Form::Object), &what);
        }
    }
}

fn assert_refused(result: Result<(), String>, what: &str) {
    let said = result.expect_err(what);
    assert!(said.contains(MARK), "{what}: {said}");
}

/// What the second part comes in.
#[derive(Debug, Clone, Copy)]
enum Form {
    Object,
    Archive,
}

/// The object files of the program, for each layout.
#[derive(Debug)]
struct Objects {
    directory: TempDir,
    compiler: Compiler,
}

impl Objects {
    /// Compiles the second part with `other`.
    fn compile(compiler: Compiler, other: Compiler, flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("the temporary directory is writable");
        let objects = Self { directory, compiler };
        for abi in ABIS {
            let parts = [
                (compiler, "first_part", objects.first(abi)),
                (other, "second_part", objects.second(abi)),
            ];
            for (compiler, name, object) in parts {
                let define = format!("-DPART={name}");
                compile(compiler, abi, &[flags, &[&*define]].concat(), "part.c", &object);
            }
            let mut ar = Command::new("ar");
            ar.arg("rcs").arg(objects.archive(abi)).arg(objects.second(abi));
            toolbox::run(&mut ar).expect("ar comes with the compiler");
        }
        compile(compiler, 25, flags, "whole.c", &objects.at("whole.o"));
        objects
    }

    /// Links a program of a part of each layout, and runs it unless it is a shared object.
    fn link(&self, flags: &[&str], first: u32, second: u32, form: Form) -> Result<(), String> {
        let program = self.at("program");
        let mut command = Command::new(self.compiler.program);
        command.args(flags).arg("-w").arg("-o").arg(&program);
        command.arg(self.first(first)).arg(self.at("whole.o"));
        command.arg(match form {
            Form::Object => self.second(second),
            Form::Archive => self.archive(second),
        });
        toolbox::run(&mut command)?;
        if flags.contains(&"-shared") {
            return Ok(());
        }
        let status = Command::new(&program).status().expect("it was linked");
        if status.success() { Ok(()) } else { Err(format!("it ends with {status}")) }
    }

    /// Tells whether such a program can be linked here at all, without any header of ours.
    fn can_link(&self, flags: &[&str]) -> bool {
        let source = self.at("plain.c");
        std::fs::write(&source, "int main(void) { return 0; }\n").expect("so is this one");
        let mut command = Command::new(self.compiler.program);
        toolbox::run(command.args(flags).arg("-o").arg(self.at("plain")).arg(&source)).is_ok()
    }

    fn first(&self, abi: u32) -> PathBuf {
        self.at(&format!("first{abi}.o"))
    }

    fn second(&self, abi: u32) -> PathBuf {
        self.at(&format!("second{abi}.o"))
    }

    fn archive(&self, abi: u32) -> PathBuf {
        self.at(&format!("libsecond{abi}.a"))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

fn compile(compiler: Compiler, abi: u32, flags: &[&str], source: &str, object: &Path) {
    let mut command = compiler.command(abi);
    let language = if compiler.is_cpp { "c++" } else { "c" };
    command.args(flags).args(["-w", "-x", language, "-c"]).arg(format!("{SOURCES}/{source}"));
    if let Err(errors) = toolbox::run(command.arg("-o").arg(object)) {
        panic!("{} {flags:?} {source}: {errors}", compiler.program);
    }
}
