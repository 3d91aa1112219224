//! What the libraries export: the list in `rte_mp.map`, and what the headers declare.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rte_mp_interop::{Room, c_prefix, with_c_library};

use crate::{output, shared_library, static_library};

const VERSION: &str = "RTE_MP_0.1";

/// The names that the version script lists, one in each line that ends in a semicolon.
fn listed() -> BTreeSet<String> {
    let map = include_str!("../../rte_mp.map");
    let names = map.lines().filter_map(|line| line.trim().strip_suffix(';'));
    names.filter(|name| !["*", "}"].contains(name)).map(str::to_owned).collect()
}

/// Names what is in one of them only, of which there must be nothing.
fn assert_same(found: &BTreeSet<String>, expected: &BTreeSet<String>) {
    assert!(expected.len() > 50);
    let missing: Vec<_> = expected.difference(found).collect();
    let surplus: Vec<_> = found.difference(expected).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing: {missing:?}, more: {surplus:?}");
}

fn nm(flags: &[&str], file: &Path) -> BTreeSet<String> {
    let lines = output(Command::new("nm").args(flags).arg("--format=just-symbols").arg(file));
    lines
        .lines()
        .filter(|line| !line.is_empty() && !line.ends_with(':'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_shared_library_exports_what_is_listed_each_with_its_version() {
    with_c_library(|_| {
        let mut expected: BTreeSet<_> =
            listed().into_iter().map(|name| format!("{name}@@{VERSION}")).collect();
        expected.insert(VERSION.to_owned());
        assert_same(&nm(&["--dynamic", "--defined-only"], &shared_library()), &expected);
    });
}

#[test]
fn the_static_library_shows_what_is_listed_and_nothing_else() {
    with_c_library(|_| {
        let seen = nm(&["--extern-only", "--defined-only"], &static_library());
        let seen: BTreeSet<_> = seen.into_iter().filter(|name| name != "rte_mp.o").collect();
        assert_same(&seen, &listed());
    });
}

#[test]
fn the_headers_declare_what_is_exported_and_nothing_else() {
    with_c_library(|room| {
        let [default, abi22] = [25, 22].map(|abi| declared(room, abi));
        assert_same(&(&default | &abi22), &listed());
        let only_in_22: Vec<_> = abi22.difference(&default).map(String::as_str).collect();
        let expected = [
            "rte_mp_action_register_abi22",
            "rte_mp_reply_abi22",
            "rte_mp_request_async_abi22",
            "rte_mp_request_sync_abi22",
            "rte_mp_sendmsg_abi22",
        ];
        assert_eq!(only_in_22, expected);
    });
}

/// The symbols that a program refers to when it uses all that the headers declare.
fn declared(room: &Room, abi: u32) -> BTreeSet<String> {
    let compiler = || {
        let mut gcc = room.command("gcc");
        gcc.args(["-D_GNU_SOURCE", "-w", &format!("-DRTE_MP_ABI={abi}"), "-I"]).arg(includes());
        gcc
    };
    let headers = room.base().join("headers.h");
    write(&headers, &all_headers());
    let mut uses = String::new();
    for name in declared_names(room, compiler) {
        uses += &format!("used = (const void *)&{name};\n");
    }
    let program = room.base().join("all.c");
    let before = "#include \"headers.h\"\nconst void *volatile used;\n";
    write(&program, &format!("{before}int main(void) {{\n{uses}}}\n"));
    let object = room.base().join("all.o");
    output(compiler().args(["-c", "-O1", "-o"]).args([&object, &program]));
    let undefined = nm(&["--undefined-only"], &object);
    undefined.into_iter().filter(|name| name != "_GLOBAL_OFFSET_TABLE_").collect()
}

/// The functions and variables that `headers.h` declares, but for those that it defines, too.
fn declared_names(room: &Room, compiler: impl Fn() -> Command) -> Vec<String> {
    let headers = room.base().join("headers.h");
    // One line for each function: its file, whether it is declared or defined, and its prototype.
    let functions = room.base().join("functions");
    output(compiler().args(["-fsyntax-only", "-aux-info"]).args([&functions, &headers]));
    let functions = fs::read_to_string(functions).expect("the compiler has written it");
    let ours = functions.lines().filter(|line| line.contains("/include/rte-mp/"));
    let (defined, declared): (Vec<_>, Vec<_>) = ours.partition(|line| line.contains(":NF */"));
    let defined: Vec<_> = defined.into_iter().filter_map(function_name).collect();
    let functions = declared.into_iter().filter_map(function_name);
    let functions = functions.filter(|name| !defined.contains(name));

    let expanded = output(compiler().args(["-E", "-P"]).arg(&headers));
    functions.chain(expanded.lines().filter_map(variable_name)).map(str::to_owned).collect()
}

fn includes() -> PathBuf {
    c_prefix().join("include/rte-mp")
}

fn all_headers() -> String {
    let headers = fs::read_dir(includes()).expect("the headers are installed");
    let names = headers.map(|header| header.expect("the directory can be read").file_name());
    names.map(|name| format!("#include <{}>\n", name.display())).collect()
}

fn write(file: &Path, text: &str) {
    fs::write(file, text).expect("the room is writable");
}

/// Finds `f` in `... extern int f (int, char **);`.
fn function_name(line: &str) -> Option<&str> {
    line.split_once(" (")?.0.rsplit([' ', '*']).next()
}

/// Finds `v` in `extern __thread int v;` and in `extern void (*v)(int);`.
fn variable_name(line: &str) -> Option<&str> {
    let declaration = line.strip_prefix("extern ")?.strip_suffix(';')?;
    if let Some((_, pointer)) = declaration.split_once("(*rte_") {
        let at = declaration.len() - pointer.len() - "rte_".len();
        return declaration[at..].split(')').next();
    }
    let name = declaration.rsplit(' ').next()?;
    (name.starts_with("per_lcore_") || name.starts_with("rte_")).then_some(name)
}

#[test]
fn the_shared_library_has_a_name_and_is_bound_when_it_is_loaded() {
    with_c_library(|_| {
        let about = output(
            Command::new("readelf")
                .args(["--dynamic", "--program-headers", "--wide"])
                .arg(shared_library()),
        );
        assert!(about.contains("soname: [librte_mp.so.0]"), "{about}");
        assert!(about.contains("GNU_RELRO"), "{about}");
        assert!(about.contains("NOW"), "{about}");
        for unwanted in ["TEXTREL", "(RPATH)", "(RUNPATH)", "RWE"] {
            assert!(!about.contains(unwanted), "{unwanted} in {about}");
        }
    });
}

#[test]
fn the_links_lead_from_the_linkers_name_to_the_library() {
    with_c_library(|_| {
        let library = format!("librte_mp.so.{}", env!("CARGO_PKG_VERSION"));
        let links = [("librte_mp.so", "librte_mp.so.0"), ("librte_mp.so.0", &library)];
        for (link, target) in links {
            let link = c_prefix().join("lib").join(link);
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(target), "{}", link.display());
        }
    });
}

#[test]
fn nothing_that_is_installed_tells_where_it_was_built() {
    with_c_library(|_| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let cargo_home = std::env::var("CARGO_HOME")
            .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
        let mut places = ["capi/", "rte-mp/", "proto/", "target/"]
            .map(|room| workspace.join(room).display().to_string())
            .to_vec();
        places.extend(cargo_home.map(|home| format!("{home}/registry/")));
        let pkgconfig =
            ["pkgconfig/rte-mp.pc", "rte-mp/dpdk/libdpdk.pc", "rte-mp/dpdk/libdpdk-libs.pc"];
        let texts = pkgconfig.map(|file| c_prefix().join("lib").join(file));
        for file in texts.into_iter().chain([shared_library(), static_library()]) {
            let bytes = fs::read(&file).unwrap();
            for place in &places {
                let found = bytes.windows(place.len()).any(|window| window == place.as_bytes());
                assert!(!found, "{} names {place}", file.display());
            }
        }
    });
}
