//! The name of a layer: a hash of all that decides what is in it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{ImageError, Recipe};

/// Changes when layers are built in another way.
const FORMAT: &str = "schism layer 1";
/// What the machine has; a layer of packages completes that.
pub(super) const STATUS: &str = "/var/lib/dpkg/status";

/// The key of a recipe on this machine, as hexadecimal digits.
pub(super) fn of(recipe: &Recipe) -> Result<String, ImageError> {
    let mut hash = Sha256::new();
    put(&mut hash, FORMAT.as_bytes());
    put(&mut hash, std::env::consts::ARCH.as_bytes());
    for list in [&recipe.packages, &recipe.wheels, &recipe.users] {
        put(&mut hash, &list.len().to_le_bytes());
        for item in list {
            put(&mut hash, item.as_bytes());
        }
    }
    if !recipe.packages.is_empty() {
        installed(&mut hash)?;
    }
    for place in [&recipe.directory, &recipe.program].into_iter().flatten() {
        let failed = |error| ImageError::step(format!("read {}", place.display()), error);
        contents(&mut hash, place).map_err(failed)?;
    }
    let digest = hash.finalize();
    Ok(digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Each part with its length, so that no two lists of parts look alike.
fn put(hash: &mut Sha256, part: &[u8]) {
    hash.update(part.len().to_le_bytes());
    hash.update(part);
}

/// Which packages of which versions the machine has.
fn installed(hash: &mut Sha256) -> Result<(), ImageError> {
    let file = File::open(STATUS).map_err(|_| ImageError::MissingTool {
        tool: "dpkg",
        what: "packages",
        package: "dpkg (this is not Debian or Ubuntu; name wheels, a directory or a program)",
    })?;
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|error| ImageError::step(format!("read {STATUS}"), error))?;
        if ["Package:", "Version:", "Status:"]
            .iter()
            .any(|field| line.starts_with(field))
        {
            put(hash, line.as_bytes());
        }
    }
    Ok(())
}

/// A file, or a directory with all that is below, by name.
fn contents(hash: &mut Sha256, place: &Path) -> std::io::Result<()> {
    let about = fs::symlink_metadata(place)?;
    put(
        hash,
        place.file_name().unwrap_or_default().as_encoded_bytes(),
    );
    put(hash, &about.permissions().mode().to_le_bytes());
    if about.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(place)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        put(hash, &entries.len().to_le_bytes());
        for entry in entries {
            contents(hash, &entry.path())?;
        }
    } else if about.is_symlink() {
        put(hash, fs::read_link(place)?.as_os_str().as_encoded_bytes());
    } else {
        let mut inner = Sha256::new();
        let mut file = File::open(place)?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            inner.update(&buffer[..read]);
        }
        put(hash, &inner.finalize());
    }
    Ok(())
}
