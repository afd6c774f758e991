//! The K3s that is installed: the stand-in, as any release, or a real one.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use orchestrator::model::hex::hex;
use sha2::{Digest, Sha256};

/// The release that the tests begin with.
pub const RELEASE: &str = "v1.33.5+k3s1";
const NO_STAND_IN: &str = "there is no stand-in for K3s: run tests/run, or cargo build --workspace";

/// The real K3s that shall be tested with.
fn real() -> Option<PathBuf> {
    std::env::var_os("ORCHESTRATOR_TEST_K3S").map(PathBuf::from)
}

/// What `[k3s.config]` must say for a real K3s on these machines: containers have no file system that containerd's
/// overlays could lie on, and nothing here can be pulled, so what is not needed is not asked for.
pub fn settings() -> &'static str {
    let real = "disable = [\"servicelb\", \"traefik\"]\nsnapshotter = \"native\"\n";
    if real_is_tested() { real } else { "" }
}

/// Whether a real K3s is tested with.
pub fn real_is_tested() -> bool {
    real().is_some()
}

/// Ends a test that orders faults or other releases of K3s, where no stand-in plays it.
#[track_caller]
pub fn needs_stand_in() {
    assert!(!real_is_tested(), "this test needs the stand-in for K3s: `--skip stand_in` leaves it out");
}

/// The version of the K3s that the tests begin with.
pub fn version() -> String {
    let Some(real) = real() else { return RELEASE.into() };
    let output = Command::new(real).arg("--version").output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().nth(2).unwrap().into()
}

/// Returns a folder with the files of a release, for `[k3s] artifacts`.
pub fn artifacts(version: &str) -> PathBuf {
    static MAKING: Mutex<()> = Mutex::new(());
    let _one = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let source = real().unwrap_or_else(|| Path::new(env!("CARGO_BIN_EXE_orchestrator")).with_file_name("k3s"));
    let made = fs::metadata(&source).and_then(|source| source.modified()).expect(NO_STAND_IN);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("k3s-{version}"));
    let known = fs::metadata(folder.join("sums")).and_then(|known| known.modified());
    if known.is_ok_and(|known| known > made) {
        return folder;
    }
    fs::create_dir_all(&folder).unwrap();
    let mut binary = if real_is_tested() { fs::read(&source).unwrap() } else { stripped(&source, &folder) };
    if !real_is_tested() && version != RELEASE {
        binary.extend(format!("\nK3S-STAND-IN-VERSION={version}\n").bytes());
    }
    let (arch, name) = if cfg!(target_arch = "aarch64") { ("arm64", "k3s-arm64") } else { ("amd64", "k3s") };
    let mut sums = write(&folder, name, &binary);
    for archive in archives(&source) {
        let name = archive.file_name().unwrap().to_str().unwrap();
        sums += &write(&folder, name, &fs::read(&archive).unwrap());
    }
    write(&folder, &format!("sha256sum-{arch}.txt"), sums.as_bytes());
    write(&folder, "sums", b"");
    folder
}

/// Returns the binary without what only debuggers read: it is sent often.
fn stripped(source: &Path, folder: &Path) -> Vec<u8> {
    let to = folder.join(format!("stripped.{}", std::process::id()));
    assert!(Command::new("strip").arg("-o").arg(&to).arg(source).status().unwrap().success());
    let binary = fs::read(&to).unwrap();
    fs::remove_file(to).unwrap();
    binary
}

/// The archives of images that lie beside a real K3s.
fn archives(source: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(source.parent().unwrap()).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.to_string_lossy().contains("k3s-airgap-images-")).collect()
}

/// Writes a file and returns its line in a list of checksums.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let new = folder.join(format!("{name}.{}", std::process::id()));
    fs::write(&new, bytes).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&new, folder.join(name)).unwrap();
    format!("{}  {name}\n", hex(Sha256::digest(bytes)))
}
