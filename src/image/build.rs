//! Making a layer: `apt-get` chooses and downloads with lists, cache and locks of our own,
//! `dpkg-deb` unpacks, and no program of a package is run.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::{ImageError, Recipe, key, wheel_directory};

/// Lists of packages older than this are fetched again when something is not in them.
const LISTS_ARE_OLD: Duration = Duration::from_secs(3600);
/// Where hosts see layers; everything else of a host's files is its own.
const LAID_OVER: [&str; 2] = ["usr", "etc"];

/// Makes one layer.
pub(super) struct Builder<'a> {
    /// Where lists and downloads are kept for the next layer.
    pub(super) cache: &'a Path,
    /// Where the layer's files go.
    pub(super) files: &'a Path,
    /// Hears what is done.
    pub(super) told: &'a mut dyn FnMut(&str),
}

/// A package that `apt-get` would install.
#[derive(Debug, PartialEq, Eq)]
struct Chosen {
    name: String,
    version: String,
    architecture: String,
}

impl Builder<'_> {
    pub(super) fn build(&mut self, recipe: &Recipe) -> Result<(), ImageError> {
        if !recipe.packages.is_empty() {
            self.packages(&recipe.packages)?;
        }
        for wheel in &recipe.wheels {
            self.wheel(wheel)?;
        }
        if let Some(directory) = &recipe.directory {
            (self.told)(&format!("copying {}", directory.display()));
            self.directory(directory)?;
        }
        if let Some(program) = &recipe.program {
            (self.told)(&format!("copying {}", program.display()));
            self.program(program)?;
        }
        self.merge_usr()
    }

    fn packages(&mut self, wanted: &[String]) -> Result<(), ImageError> {
        if let Some(tool) = ["apt-get", "dpkg-deb"]
            .into_iter()
            .find(|tool| !is_there(tool))
        {
            return Err(ImageError::MissingTool {
                tool,
                what: "packages",
                package: "apt dpkg (or name wheels, a directory or a program)",
            });
        }
        let apt = self.cache.join("apt");
        for place in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(apt.join(place))
                .map_err(|error| ImageError::step(format!("make {}", apt.display()), error))?;
        }
        if self.lists_age().is_none() {
            self.fetch_lists()?;
        }
        (self.told)(&format!("choosing packages for {}", wanted.join(", ")));
        let chosen = match self.choose(wanted) {
            Err(_) if self.lists_age().is_none_or(|age| age > LISTS_ARE_OLD) => {
                self.fetch_lists()?;
                self.choose(wanted)?
            }
            other => other?,
        };
        (self.told)(&format!("downloading {} packages", chosen.len()));
        if self.download(wanted).is_err() {
            // The archive has moved on since the lists were fetched.
            self.fetch_lists()?;
            self.download(wanted)?;
        }
        (self.told)(&format!("unpacking {} packages", chosen.len()));
        for package in &chosen {
            let deb = apt.join("cache/archives").join(package.file_name());
            let mut unpack = Command::new("dpkg-deb");
            unpack.arg("--extract").arg(&deb).arg(self.files);
            run(&mut unpack, &format!("unpack {}", package.name))?;
        }
        Ok(())
    }

    fn apt(&self, words: &[&str]) -> Command {
        let apt = self.cache.join("apt");
        let mut command = Command::new("apt-get");
        for (option, value) in [
            ("Dir::State", apt.join("state").display().to_string()),
            ("Dir::State::status", key::STATUS.to_owned()),
            ("Dir::Cache", apt.join("cache").display().to_string()),
            // What must not be locked is not written either.
            ("Debug::NoLocking", "true".to_owned()),
            ("APT::Sandbox::User", "root".to_owned()),
            ("APT::Install-Recommends", "false".to_owned()),
        ] {
            command.arg("-o").arg(format!("{option}={value}"));
        }
        command.args(["--yes", "--quiet"]).args(words);
        command
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    fn fetch_lists(&mut self) -> Result<(), ImageError> {
        (self.told)("fetching the lists of packages");
        let mut update = self.apt(&["update"]);
        update.args(["-o", "APT::Update::Error-Mode=any"]);
        run(
            &mut update,
            "fetch the lists of packages (is there a network?)",
        )
        .map(drop)
    }

    /// How old the lists are; none if there are none.
    fn lists_age(&self) -> Option<Duration> {
        let lists = fs::read_dir(self.cache.join("apt/state/lists")).ok()?;
        let is_list = |path: &PathBuf| path.to_string_lossy().contains("_Packages");
        let fetched = lists.flatten().map(|entry| entry.path()).find(is_list)?;
        let about = fs::metadata(fetched).ok()?;
        SystemTime::now().duration_since(about.created().ok()?).ok()
    }

    fn choose(&self, wanted: &[String]) -> Result<Vec<Chosen>, ImageError> {
        let mut simulate = self.apt(&["--simulate", "install"]);
        simulate.args(wanted);
        match run(&mut simulate, "choose packages") {
            Ok(text) => Ok(chosen(&text)),
            Err(ImageError::Step { cause, .. }) => Err(ImageError::Unknown(cause)),
            Err(other) => Err(other),
        }
    }

    fn download(&self, wanted: &[String]) -> Result<(), ImageError> {
        let mut download = self.apt(&["--download-only", "install"]);
        download.args(wanted);
        run(&mut download, "download packages").map(drop)
    }

    fn wheel(&mut self, wanted: &str) -> Result<(), ImageError> {
        let (name, version) = wanted.split_once("==").ok_or_else(|| {
            ImageError::Unknown(format!(
                "a wheel is asked for as name==version, not {wanted:?}"
            ))
        })?;
        if run(
            Command::new("python3").args(["-m", "pip", "--version"]),
            "find pip",
        )
        .is_err()
        {
            return Err(ImageError::MissingTool {
                tool: "pip",
                what: "wheels",
                package: "python3-pip",
            });
        }
        (self.told)(&format!("downloading the wheel {wanted}"));
        let place = self.cache.join("wheels").join(format!("{name}-{version}"));
        let mut download = Command::new("python3");
        download
            .args([
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary",
                ":all:",
            ])
            .args(["--disable-pip-version-check", "--no-input", "--dest"])
            .arg(&place)
            .arg(wanted);
        if let Err(ImageError::Step { cause, .. }) = run(&mut download, "download a wheel") {
            return Err(ImageError::Unknown(cause));
        }
        let failed = |error: std::io::Error| ImageError::step(format!("unpack {wanted}"), error);
        let is_wheel = |path: &PathBuf| path.extension().is_some_and(|word| word == "whl");
        let files = fs::read_dir(&place).map_err(failed)?.flatten();
        let file = files.map(|entry| entry.path()).find(is_wheel);
        let file = file.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        let target = wheel_directory(name, version);
        let target = self.files.join(target.trim_start_matches('/'));
        fs::create_dir_all(&target).map_err(failed)?;
        let mut unpack = Command::new("python3");
        unpack.args(["-m", "zipfile", "-e"]).arg(&file).arg(&target);
        run(&mut unpack, &format!("unpack {wanted}"))?;
        // A wheel's archive says nothing of who may run what.
        make_programs_executable(&target).map_err(failed)
    }

    fn directory(&self, directory: &Path) -> Result<(), ImageError> {
        let failed = |error| ImageError::step(format!("copy {}", directory.display()), error);
        for entry in fs::read_dir(directory).map_err(failed)?.flatten() {
            let name = entry.file_name();
            if !LAID_OVER.iter().any(|place| name == *place) {
                return Err(ImageError::step(
                    format!("lay {} over hosts", directory.display()),
                    format!("it holds {name:?}; only usr and etc can be, the rest is a host's own"),
                ));
            }
        }
        let mut copy = Command::new("cp");
        copy.arg("--archive")
            .arg("--")
            .arg(directory.join("."))
            .arg(self.files);
        run(&mut copy, &format!("copy {}", directory.display())).map(drop)
    }

    fn program(&self, program: &Path) -> Result<(), ImageError> {
        let failed = |error| ImageError::step(format!("copy {}", program.display()), error);
        let place = self.files.join("usr/local/bin");
        fs::create_dir_all(&place).map_err(failed)?;
        let target = place.join(program.file_name().unwrap_or_default());
        fs::copy(program, &target).map_err(failed)?;
        fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).map_err(failed)
    }

    /// Packages still name `/lib` and its like, which are links to `/usr` by now.
    fn merge_usr(&self) -> Result<(), ImageError> {
        for name in ["bin", "sbin", "lib", "lib64"] {
            let from = self.files.join(name);
            let host = Path::new("/").join(name);
            if !from.is_dir() || !host.is_symlink() {
                continue;
            }
            let to = self.files.join("usr").join(name);
            let failed = |error| ImageError::step(format!("move {}", from.display()), error);
            fs::create_dir_all(&to).map_err(failed)?;
            let mut copy = Command::new("cp");
            copy.arg("--archive").arg("--").arg(from.join(".")).arg(&to);
            run(&mut copy, &format!("move {}", from.display()))?;
            fs::remove_dir_all(&from).map_err(failed)?;
        }
        Ok(())
    }
}

impl Chosen {
    /// As `apt-get` calls what it downloads.
    fn file_name(&self) -> String {
        let version = self.version.replace(':', "%3a");
        format!("{}_{version}_{}.deb", self.name, self.architecture)
    }
}

/// Reads lines such as `Inst libpq5 [15.18-0] (15.20-0 Debian-Security:12 [amd64])`.
fn chosen(text: &str) -> Vec<Chosen> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("Inst "));
    let parse = |line: &str| {
        let (name, _) = line.split_once(' ')?;
        let (_, about) = line.split_once('(')?;
        let (about, _) = about.split_once(')')?;
        let (version, rest) = about.split_once(' ')?;
        let (_, architecture) = rest.rsplit_once('[')?;
        Some(Chosen {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: architecture.trim_end_matches(']').to_owned(),
        })
    };
    lines.filter_map(parse).collect()
}

fn make_programs_executable(place: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(place)? {
        let path = entry?.path();
        if path.is_dir() {
            make_programs_executable(&path)?;
            continue;
        }
        let mut head = Vec::new();
        fs::File::open(&path)?.take(4).read_to_end(&mut head)?;
        if head == b"\x7fELF" {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

fn is_there(tool: &str) -> bool {
    let places = ["/usr/bin", "/bin", "/usr/sbin"];
    places
        .iter()
        .any(|place| Path::new(place).join(tool).is_file())
}

/// Runs a command to its end; what it printed, or the end of its complaint.
fn run(command: &mut Command, what: &str) -> Result<String, ImageError> {
    let output = command
        .output()
        .map_err(|error| ImageError::step(what, error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let is_telling = |line: &&str| !line.trim().is_empty() && !line.starts_with("W:");
    let lines: Vec<&str> = said.lines().filter(is_telling).collect();
    let tail = lines[lines.len().saturating_sub(3)..].join("; ");
    Err(ImageError::step(what, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_installed_is_read_and_named_as_it_is_downloaded() {
        let text = "NOTE: simulation\n\
                    Inst liblzf1 (3.6-3 Debian:12.15/oldstable [amd64])\n\
                    Inst redis-tools (5:7.0.15-1~deb12u10 Debian-Security:12 [amd64])\n\
                    Inst libpq-dev [15.18-0] (15.20-0+deb12u1 Debian-Security:12 [amd64]) []\n\
                    Conf liblzf1 (3.6-3 Debian:12.15/oldstable [amd64])\n";
        let names: Vec<String> = chosen(text).iter().map(Chosen::file_name).collect();
        assert_eq!(
            names,
            [
                "liblzf1_3.6-3_amd64.deb",
                "redis-tools_5%3a7.0.15-1~deb12u10_amd64.deb",
                "libpq-dev_15.20-0+deb12u1_amd64.deb"
            ]
        );
    }
}
