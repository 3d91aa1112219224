//! The two layouts of messages that a program can choose by `RTE_MP_ABI`, of which it has one.

use std::path::PathBuf;

use rte_mp_interop::{Room, c_prefix, with_c_library};

use crate::{check_hello, linkers, output, pkg_config, source, static_library, try_output};

const MARK: &str = "rte_mp_abi_differs_between_object_files";

/// Compiles a file of these tests to an object with this layout.
fn object(room: &Room, name: &str, abi: u32) -> PathBuf {
    let object = room.base().join(format!("{name}-{abi}.o"));
    let flags = pkg_config(&c_prefix().join("lib/pkgconfig"), ["--cflags", "rte-mp"]);
    let mut compiler = room.command("cc");
    compiler.args(flags).arg(format!("-DRTE_MP_ABI={abi}")).args(["-DWITH_SECOND", "-c"]);
    output(compiler.arg(source(name)).arg("-o").arg(&object));
    object
}

/// Links objects to a program with the installed library, shared or static.
fn link(
    room: &Room,
    linker: &str,
    objects: &[PathBuf],
    is_static: bool,
) -> Result<PathBuf, String> {
    let program = room.base().join("linked");
    let mut compiler = room.command("cc");
    compiler.arg(format!("-fuse-ld={linker}")).args(objects).arg("-o").arg(&program);
    if is_static {
        compiler.arg(static_library());
    } else {
        compiler.args(pkg_config(&c_prefix().join("lib/pkgconfig"), ["--libs", "rte-mp"]));
    }
    try_output(&mut compiler).map(|_| program)
}

#[test]
fn a_program_of_one_layout_links_and_one_of_two_does_not() {
    with_c_library(|room| {
        let [hello_25, second_25] = ["hello.c", "second.c"].map(|name| object(room, name, 25));
        let [hello_22, second_22] = ["hello.c", "second.c"].map(|name| object(room, name, 22));
        // As an archive, from which the linker takes the object because something in it is called.
        let archive = room.base().join("libsecond.a");
        output(room.command("ar").arg("rcs").args([&archive, &second_22]));
        for linker in linkers() {
            for is_static in [false, true] {
                let what = format!("{linker}, static {is_static}");
                let link = |objects: [&PathBuf; 2]| {
                    link(room, linker, &objects.map(PathBuf::clone), is_static)
                };
                let program = link([&hello_25, &second_25]);
                let program = program.unwrap_or_else(|errors| panic!("{what}: {errors}"));
                check_hello(room, &program, &c_prefix().join("lib"));
                link([&hello_22, &second_22]).unwrap_or_else(|errors| panic!("{what}: {errors}"));

                let mixtures =
                    [[&hello_25, &second_22], [&hello_22, &second_25], [&hello_25, &archive]];
                for mixture in mixtures {
                    let errors = link(mixture).expect_err(&what);
                    assert!(errors.contains(MARK), "{what}: {errors}");
                }
            }
        }
    });
}

#[test]
fn a_program_of_the_older_layout_has_8_descriptors_in_a_message() {
    with_c_library(|room| {
        let objects = [object(room, "hello.c", 22), object(room, "second.c", 22)];
        let program = link(room, "bfd", &objects, false).unwrap();
        let mut hello = room.command(&program);
        hello.env("LD_LIBRARY_PATH", c_prefix().join("lib"));
        hello.arg(format!("--file-prefix={}", room.prefix()));
        assert_eq!(output(&mut hello), "primary 1, sent 0, refused 1, descriptors 8\n");
    });
}
