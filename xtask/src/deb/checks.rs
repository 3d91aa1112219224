//! What has to hold on a machine on which the packages are installed.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::command;
use crate::dist;
use crate::files::Scratch;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const PROGRAM: &str = "/usr/bin/rte-mp";
const HELLO: &str = "capi/tests/install/c/hello.c";
const HELLO_SAYS: &str = "primary 1, sent 0, refused 1, descriptors 253\n";

type Check<'a> = &'a dyn Fn() -> Result<(), String>;

/// Checks all of it, each with a line.
pub(super) fn run() -> Result<(), String> {
    let scratch = Scratch::new(&env::temp_dir())?;
    let room = scratch.file("");
    println!();
    let checks: [(&str, Check); 8] = [
        ("dpkg finds every file as it was packed", &files_are_whole),
        ("the packages name what they need", &dependencies),
        ("the command runs", &|| command_runs(&room)),
        ("man finds and renders every page", &pages_render),
        ("bash loads the completions and completes", &bash_completes),
        ("zsh and fish take the completions", &|| zsh_and_fish_complete(&room)),
        ("a C program is built and runs", &|| c_program_runs(&room)),
        ("the tutorial's pair is built by make", &|| example_is_built(&room)),
    ];
    for (what, check) in checks {
        check().map_err(|error| format!("{what}: {error}"))?;
        println!("ok: {what}");
    }
    Ok(())
}

fn files_are_whole() -> Result<(), String> {
    let differences = quiet(Command::new("dpkg").arg("--verify").args(dist::names()))?;
    expect(differences.is_empty(), &differences)
}

fn dependencies() -> Result<(), String> {
    let depends = |name: &str| {
        let mut query = Command::new("dpkg-query");
        quiet(query.args(["--show", "--showformat=${Depends}", name]))
    };
    for name in &dist::names() {
        let depends = depends(name)?;
        let wanted = match name.as_str() {
            "librte-mp-dev" => format!("librte-mp0 (= {VERSION}-"),
            _ => "libc6 (>= ".to_owned(),
        };
        expect(depends.contains(&wanted), &format!("{name} depends on {depends:?} only"))?;
    }
    Ok(())
}

fn command_runs(room: &Path) -> Result<(), String> {
    let version = quiet(Command::new(PROGRAM).arg("--version"))?;
    expect(version == format!("rte-mp {VERSION}\n"), &version)?;
    let shown = quiet(Command::new(PROGRAM).arg("demo").env("TMPDIR", room))?;
    expect(shown.contains(" steps hold."), &shown)
}

/// Without any warning, as a terminal of 80 columns shows them.
fn pages_render() -> Result<(), String> {
    let files = quiet(Command::new("dpkg").args(["--listfiles", "rte-mp"]))?;
    let pages: Vec<&str> = files.lines().filter(|file| file.ends_with(".1.gz")).collect();
    expect(pages.len() > 2, &format!("these are all pages: {pages:?}"))?;
    for page in pages {
        let file = Path::new(page).file_name().unwrap_or_default().display().to_string();
        let name = file.trim_end_matches(".1.gz");
        let found = quiet(Command::new("man").args(["--where", name]))?;
        expect(found.trim_end() == page, &format!("{name} is found at {found:?}"))?;
        let mut man = Command::new("man");
        man.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").env("MANROFFOPT", "");
        let text = quiet(man.args(["--warnings", "--local-file", page]))?;
        for section in ["NAME", "SYNOPSIS", "SEE ALSO"] {
            let is_there = text.lines().any(|line| line == section);
            expect(is_there, &format!("{name} has no section {section}:\n{text}"))?;
        }
    }
    Ok(())
}

/// As at the first tab in a shell of somebody who has bash-completion.
fn bash_completes() -> Result<(), String> {
    let script = format!(
        r#"
        source {}
        _completion_loader rte-mp
        registered=$(complete -p rte-mp) || exit
        function=${{registered##*-F }} && function=${{function%% *}}
        COMP_WORDS=(rte-mp dem) COMP_CWORD=1
        "$function" rte-mp dem rte-mp
        echo "${{COMPREPLY[*]}}"
        COMP_WORDS=(rte-mp demo --file) COMP_CWORD=2
        "$function" rte-mp --file demo
        echo "${{COMPREPLY[*]}}"
        "#,
        super::BASH_COMPLETION
    );
    let offered = quiet(Command::new("bash").args(["--norc", "-c", &script]))?;
    expect(offered == "demo\n--file-prefix\n", &format!("offered is {offered:?}"))
}

/// fish is asked. zsh completes on a terminal only, and so has to find the function and read it.
fn zsh_and_fish_complete(room: &Path) -> Result<(), String> {
    let asked = "complete --do-complete 'rte-mp dem'";
    let mut fish = Command::new("fish");
    // Whoever tests may have told it something else.
    fish.env("HOME", room).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
    let offered = quiet(fish.args(["--command", asked]))?;
    expect(offered.starts_with("demo\t"), &format!("fish offers {offered:?}"))?;
    let asked =
        "autoload -Uz compinit && compinit -D && print $_comps[rte-mp] && autoload +X _rte-mp";
    let found = quiet(Command::new("zsh").args(["--no-rcs", "-c", asked]))?;
    expect(found == "_rte-mp\n", &format!("zsh finds {found:?}"))
}

fn c_program_runs(room: &Path) -> Result<(), String> {
    let program = room.join("hello");
    let mut compiler = Command::new("cc");
    compiler.args(["-Wall", "-Wextra", "-Werror", HELLO, "-o"]).arg(&program);
    quiet(compiler.args(flags(&["--cflags", "--libs", "rte-mp"])?))?;
    let mut hello = Command::new(&program);
    hello.env("RUNTIME_DIRECTORY", room).arg("--file-prefix=deb");
    let says = quiet(&mut hello)?;
    expect(says == HELLO_SAYS, &format!("it says {says:?}"))?;

    // Whoever packages such a program is told by dpkg what it needs.
    let needs = dist::needed_packages(&program)?;
    expect(needs.contains(&format!("librte-mp0 (>= {VERSION})")), &needs)
}

/// In a copy: what is installed stays as it is.
fn example_is_built(room: &Path) -> Result<(), String> {
    let installed = Path::new("/usr/share/doc/librte-mp-dev/examples/8-multiprocess-msg");
    let copy: PathBuf = room.join("pair");
    quiet(Command::new("cp").arg("--recursive").args([installed, &copy]))?;
    quiet(Command::new("make").arg("-C").arg(&copy))?;
    for program in ["server", "client"] {
        let file = copy.join(program);
        expect(file.exists(), &format!("there is no {program}"))?;
    }
    // The alias in DPDK's name is there for those who ask for it, and for nobody else.
    let mut alias = Command::new("pkg-config");
    let directory = flags(&["--variable=libdir", "rte-mp"])?.join("");
    alias.env("PKG_CONFIG_LIBDIR", Path::new(&directory).join("rte-mp/dpdk"));
    let libs = quiet(alias.args(["--libs", "libdpdk"]))?;
    expect(libs.contains("-lrte_mp"), &libs)
}

fn flags(arguments: &[&str]) -> Result<Vec<String>, String> {
    let flags = quiet(Command::new("pkg-config").args(arguments).env_remove("PKG_CONFIG_PATH"))?;
    Ok(flags.split_whitespace().map(str::to_owned).collect())
}

/// Runs a command that has to succeed and to say nothing on its standard error stream, and gives what it
/// writes.
fn quiet(command: &mut Command) -> Result<String, String> {
    let line = command::line(command);
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("`{line}`: {error}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    match (output.status.success(), errors.trim()) {
        (true, "") => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        (_, errors) => Err(format!("`{line}`: {}: {errors}", output.status)),
    }
}

fn expect(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}
