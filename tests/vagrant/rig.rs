//! What the virtual machines of all tests are made with.

use std::{
    fs::{self, File},
    path::PathBuf,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use crate::computer::{disks, virsh};

const NO_RIG: &str = "there is no rig of virtual machines: run tests/run, or as root \
                      `tests/vagrant-rig/up FOLDER` and set ORCHESTRATOR_VAGRANT_RIG=FOLDER";

/// The storage pool of libvirt.
pub const POOL: &str = "orchestrator-tests";
/// What the configurations call the box.
pub const BOX: &str = "orchestrator/debian12";

/// What the name of a box's image in the pool has in it.
pub const IMAGE: &str = "_vagrant_box_image_";

/// Returns the folder of the rig.
#[track_caller]
pub fn folder() -> PathBuf {
    let folder = PathBuf::from(std::env::var_os("ORCHESTRATOR_VAGRANT_RIG").expect(NO_RIG));
    assert!(folder.join("debian12.box").is_file(), "{NO_RIG}");
    folder
}

/// Returns Vagrant's own folder: new for each run of the tests, shared by them so that the box is unpacked once.
#[track_caller]
pub fn vagrant_home() -> PathBuf {
    static MADE: OnceLock<(PathBuf, File)> = OnceLock::new();
    let make = || {
        let alone = File::create(folder().join("lock")).unwrap();
        assert!(alone.try_lock().is_ok(), "another run of these tests uses {}", folder().display());
        let home = folder().join("vagrant.d");
        if home.exists() {
            fs::remove_dir_all(&home).unwrap();
        }
        fs::create_dir(&home).unwrap();
        forget_uploaded();
        (home, alone)
    };
    MADE.get_or_init(make).0.clone()
}

/// Waits for the turn to have virtual machines: there is room for those of one test.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the images of boxes that libvirt has: each box that is unpacked anew is sent anew, and the earlier image stays.
#[track_caller]
pub fn forget_uploaded() {
    for image in disks(IMAGE) {
        virsh(&["vol-delete", "--pool", POOL, &image]);
    }
}
