//! `schism serve`: a list of runs and their pages, to read, for browsers on this machine.
//!
//! Only what lies below the runs' directory can be reached, whatever a path says and wherever a
//! link points; nothing can be written. A name in the request that is not the address's own is
//! refused, so that no other site can have a browser read from here.

use std::net::{IpAddr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::Response;
use clap::Args;

use super::Refused;
use crate::report::catalogue;
use crate::report::html::{self, pages};
use crate::report::recorded::Recorded;
use crate::store;

/// Flags of `schism serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where runs are recorded.
    #[arg(long, default_value = "runs", env = "SCHISM_RUNS")]
    pub runs: PathBuf,
    /// The address; another than loopback shows the runs to everybody who can reach it.
    #[arg(long, default_value = "127.0.0.1:7700")]
    pub listen: SocketAddr,
}

/// A file of this size is the largest that is handed out.
const LARGEST: u64 = 256 << 20;

/// Serves until it is ended; `told` hears the address.
///
/// # Errors
///
/// [`Refused`] if there are no runs or the address is taken.
pub fn run(args: &ServeArgs, told: impl FnOnce(&str)) -> Result<(), Refused> {
    let runs = std::fs::canonicalize(&args.runs)
        .map_err(|error| Refused::usage(format!("cannot open {}: {error}", args.runs.display())))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Refused::failed(format!("start: {error}")))?;
    runtime.block_on(async {
        let failed =
            |error: std::io::Error| Refused::failed(format!("listen on {}: {error}", args.listen));
        let listener = tokio::net::TcpListener::bind(args.listen)
            .await
            .map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        told(&format!("http://{address}/"));
        axum::serve(listener, router(runs, address))
            .await
            .map_err(failed)
    })
}

#[derive(Debug)]
struct Shared {
    runs: PathBuf,
    address: SocketAddr,
}

/// What answers; `runs` is canonical.
pub fn router(runs: PathBuf, address: SocketAddr) -> Router {
    let shared = Arc::new(Shared { runs, address });
    Router::new().fallback(answer).with_state(shared)
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return plain(
            StatusCode::METHOD_NOT_ALLOWED,
            "only reading is possible here",
        );
    }
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if !is_own(host.unwrap_or_default(), shared.address) {
        return plain(StatusCode::FORBIDDEN, "this is not the name of this server");
    }
    let uri = request.uri().clone();
    // Reading files and drawing pages would hold up the other requests.
    let found = tokio::task::spawn_blocking(move || find(&shared.runs, &uri)).await;
    match found {
        Ok(Found::Page(page)) => reply(StatusCode::OK, "text/html; charset=utf-8", page),
        Ok(Found::File(kind, bytes)) => reply(StatusCode::OK, kind, bytes),
        Ok(Found::Elsewhere(to)) => {
            let mut response = plain(StatusCode::FOUND, "");
            if let Ok(to) = to.parse() {
                response.headers_mut().insert(header::LOCATION, to);
            }
            response
        }
        Ok(Found::Nothing) => plain(StatusCode::NOT_FOUND, "there is nothing of that name"),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "a fault of schism"),
    }
}

/// Loopback answers to its own names only.
fn is_own(host: &str, address: SocketAddr) -> bool {
    if !address.ip().is_loopback() {
        return true;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse() == Ok(address.port()) => name,
        _ => return false,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

enum Found {
    Page(Vec<u8>),
    File(&'static str, Vec<u8>),
    Elsewhere(String),
    Nothing,
}

fn find(runs: &Path, uri: &Uri) -> Found {
    let path = decoded(uri.path());
    if path == "/" {
        let Ok(entries) = catalogue::list(runs) else {
            return Found::Nothing;
        };
        let query = uri.query().unwrap_or_default().split('&');
        let wanted = query.filter_map(|pair| pair.strip_prefix("q=")).next();
        let wanted = decoded(&wanted.unwrap_or_default().replace('+', " "));
        return Found::Page(pages::index(&entries, &wanted).into_bytes());
    }
    let Some(rest) = path.strip_prefix("/run/") else {
        return Found::Nothing;
    };
    let Some(place) = below(runs, rest) else {
        return Found::Nothing;
    };
    if place.is_dir() {
        if !path.ends_with('/') {
            // Links on the page are relative to the directory.
            return Found::Elsewhere(format!("{}/", uri.path()));
        }
        let report = place.join(html::REPORT);
        if place.join(store::PLAN).exists() {
            return Found::Page(html::page(&Recorded::read(&place)).into_bytes());
        }
        return read(&report, runs).map_or(Found::Nothing, Found::Page);
    }
    match read(&place, runs) {
        Some(bytes) => Found::File(kind(&place), bytes),
        None if place.ends_with(html::REPORT) => match place.parent() {
            Some(run) if run.join(store::PLAN).exists() => {
                Found::Page(html::page(&Recorded::read(run)).into_bytes())
            }
            _ => Found::Nothing,
        },
        None => Found::Nothing,
    }
}

/// The place of a path below `runs`: no step leads up, and no link leads out.
fn below(runs: &Path, path: &str) -> Option<PathBuf> {
    if path.contains(['\0', '\\']) {
        return None;
    }
    let mut place = runs.to_owned();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) if !name.to_string_lossy().starts_with('.') => place.push(name),
            _ => return None,
        }
    }
    if place == runs {
        return None;
    }
    match std::fs::canonicalize(&place) {
        Ok(real) => (real.starts_with(runs) && real != runs).then_some(real),
        // A page that is not there yet may be drawn, if its directory is one of ours.
        Err(_) => {
            let parent = std::fs::canonicalize(place.parent()?).ok()?;
            let inside = parent.starts_with(runs) && parent != runs;
            inside.then(|| parent.join(place.file_name().unwrap_or_default()))
        }
    }
}

/// The bytes of a regular file below `runs`.
fn read(place: &Path, runs: &Path) -> Option<Vec<u8>> {
    let real = std::fs::canonicalize(place).ok()?;
    let about = std::fs::metadata(&real).ok()?;
    if !real.starts_with(runs) || !about.is_file() || about.len() > LARGEST {
        return None;
    }
    std::fs::read(real).ok()
}

fn kind(place: &Path) -> &'static str {
    match place.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        Some("zst" | "bin") => "application/octet-stream",
        // Whatever a node wrote is shown and never run.
        _ => "text/plain; charset=utf-8",
    }
}

fn plain(status: StatusCode, text: &str) -> Response {
    reply(
        status,
        "text/plain; charset=utf-8",
        text.as_bytes().to_vec(),
    )
}

fn reply(status: StatusCode, kind: &'static str, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    if !kind.starts_with("text/html") {
        let none = header::HeaderValue::from_static("default-src 'none'; sandbox");
        headers.insert(header::CONTENT_SECURITY_POLICY, none);
    }
    response
}

/// A path or query without its percents, once.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
