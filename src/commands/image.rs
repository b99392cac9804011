//! `schism image`: layers of software for the lab's hosts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Refused;
use crate::image::{self, ImageError, Images, Layer, Recipe};
use crate::plan::{Plan, SystemName};
use crate::report::table::{Charset, render};

/// Where images are kept.
#[derive(Debug, Args)]
pub struct ImagesArgs {
    /// Where the lab's images are kept; below the user's cache if left out.
    #[arg(long, env = "SCHISM_IMAGES")]
    pub images: Option<PathBuf>,
}

impl ImagesArgs {
    /// Where images are kept.
    ///
    /// # Errors
    ///
    /// [`Refused`] if no place is named and there is no HOME.
    pub fn images(&self) -> Result<Images, Refused> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let cache = || {
            let below_home = || Some(PathBuf::from(set("HOME")?).join(".cache"));
            let cache = set("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .or_else(below_home)?;
            Some(cache.join("schism/images"))
        };
        self.images
            .clone()
            .or_else(cache)
            .map(Images::new)
            .ok_or_else(|| {
                let sentence =
                    "there is no HOME to keep images below; name a directory with --images";
                Refused::usage(sentence)
            })
    }
}

/// Flags of `schism image`.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ImageAction,
    /// Where they are kept.
    #[command(flatten)]
    pub images: ImagesArgs,
}

/// What is to be done with images.
#[derive(Debug, Subcommand)]
pub enum ImageAction {
    /// List the images that are there.
    List,
    /// Build the images that trial files or systems need, where they are not there.
    Build {
        /// Trial files, or names of systems.
        #[arg(required = true)]
        what: Vec<String>,
    },
    /// Remove images that were not used for a while, and what was downloaded.
    Prune {
        /// Those that were not used for so long; 0s removes all.
        #[arg(long, default_value = "30days", value_parser = humantime_serde::re::humantime::parse_duration)]
        unused: Duration,
    },
}

/// What the lab's hosts need for these plans.
///
/// # Errors
///
/// [`Refused`] if a layer cannot be built.
pub fn layers(
    plans: &[Plan],
    images: &Images,
    mut told: impl FnMut(&str),
) -> Result<Vec<Layer>, Refused> {
    let mut recipes: Vec<Recipe> = Vec::new();
    for recipe in plans.iter().filter(|plan| plan.uses_lab()).map(Plan::image) {
        if !recipe.is_empty() && !recipes.contains(&recipe) {
            recipes.push(recipe);
        }
    }
    let provide = |recipe| {
        let layer = images.provide(recipe, &mut |line| told(&format!("image: {line}")));
        layer.map_err(Refused::failed)
    };
    recipes.iter().map(provide).collect()
}

/// Lists, builds or removes images; what was done. `told` hears of progress.
///
/// # Errors
///
/// [`Refused`] if that is not possible.
pub fn run(args: &ImageArgs, charset: Charset, told: impl FnMut(&str)) -> Result<String, Refused> {
    let images = args.images.images()?;
    let failed = |error: ImageError| Refused::failed(error);
    Ok(match &args.action {
        ImageAction::List => {
            let rows: Vec<_> = images.list().map_err(failed)?.iter().map(row).collect();
            render(&["image", "made of", "size", "last used"], &rows, charset)
        }
        ImageAction::Build { what } => {
            let mut plans = Vec::new();
            for word in what {
                plans.push(
                    match SystemName::ALL
                        .iter()
                        .find(|system| system.as_str() == word)
                    {
                        Some(system) => Plan::of_system(*system),
                        None => Plan::load(Path::new(word))
                            .map_err(|error| Refused::usage(error.to_string()))?,
                    },
                );
            }
            let begun = std::time::Instant::now();
            let count = layers(&plans, &images, told)?.len();
            let took = begun.elapsed().as_secs_f64();
            format!("{count} images are there, after {took:.1} s")
        }
        ImageAction::Prune { unused } => {
            let gone = images.prune(*unused).map_err(failed)?;
            format!("{} images removed, and what was downloaded", gone.len())
        }
    })
}

fn row(listed: &image::Listed) -> Vec<String> {
    let recipe = &listed.recipe;
    let files = [&recipe.directory, &recipe.program].into_iter().flatten();
    let made_of: Vec<String> = (recipe.packages.iter().chain(&recipe.wheels).cloned())
        .chain(files.map(|file| file.display().to_string()))
        .collect();
    vec![
        listed.key.clone(),
        made_of.join(", "),
        format!("{} MB", listed.bytes / 1_000_000),
        format!("{:.1} h ago", listed.unused.as_secs_f64() / 3600.0),
    ]
}
