use std::{
    cell::{self, RefCell},
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
    time::Duration,
};

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::sync::{Mutex, OnceCell, Semaphore};

use super::{
    ImageSource, OnBuild,
    builder::Builder,
    credentials::Credentials,
    image, latest,
    layout::{Layout, Record},
    local_registry::LocalRegistry,
    pushed,
    saved::Saved,
    version::{Version, version},
};
use crate::{
    effects::computer::variable,
    failure::{Failure, IMAGES_UNUSABLE},
    model::{
        Done, PackageManager,
        image::{Image, ImageArchive, ImageSpec, Tag},
        registry::host,
    },
};

/// The tag of what has no folder to build it from.
const UNBUILT: &str = "unbuilt";
/// What the names of folders begin with that are needed only now.
const NOW: &str = "now-";
/// Nobody needs such a folder so long.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// How many images are built at the same time.
const PARALLEL: usize = 4;

/// Images that are built on this computer.
pub struct BuiltImages {
    layout: Layout,
    manager: Option<PackageManager>,
    /// Looked for when it is first needed.
    builder: OnceCell<Builder>,
    /// The archives, by what is in them.
    archives: Mutex<BTreeMap<Vec<String>, ImageArchive>>,
    scratch: cell::OnceCell<TempDir>,
    /// Opened when it is first needed; `None` where that is not possible.
    registry: OnceCell<Option<LocalRegistry>>,
    turns: Semaphore,
    /// What registries said they have, by reference.
    asked: RefCell<BTreeMap<String, Option<String>>>,
    /// What was seen by a check, for the build that follows.
    checked: RefCell<BTreeMap<String, Version>>,
}

impl BuiltImages {
    /// Images that are kept below `cache`.
    pub fn new(cache: &Path, manager: Option<PackageManager>) -> Self {
        Self {
            layout: Layout::new(cache.join("images")),
            manager,
            builder: OnceCell::new(),
            archives: Default::default(),
            scratch: Default::default(),
            registry: OnceCell::new(),
            turns: Semaphore::new(PARALLEL),
            asked: Default::default(),
            checked: Default::default(),
        }
    }

    /// Returns the program that builds, and looks for it once.
    ///
    /// # Errors
    /// When there is none.
    pub async fn builder(&self) -> Result<Builder, Failure> {
        self.builder.get_or_try_init(|| Builder::find(self.manager)).await.copied()
    }

    /// Returns what became of this version of an image, when nothing is to be done for it any more.
    fn known(&self, spec: &ImageSpec, version: &Version) -> Option<Record> {
        let record = self.layout.record(&version.reference, &spec.context)?;
        let same = record.content == version.content && record.pushed == spec.pushed;
        (same && (record.latest || !spec.latest)).then_some(record)
    }

    /// Returns what became of this version of an image, here or at its registry: tags that tell the content are the same
    /// everywhere.
    async fn found(&self, spec: &ImageSpec, version: &Version) -> Option<Record> {
        match self.known(spec, version) {
            None => self.at_registry(spec, version).await,
            known => known,
        }
    }

    /// Returns what the registry has of this version of an image, and asks it once.
    async fn at_registry(&self, spec: &ImageSpec, version: &Version) -> Option<Record> {
        if !spec.pushed || matches!(spec.tag, Tag::Fixed(_)) {
            return None;
        }
        let asked = self.asked.borrow().get(&version.reference).cloned();
        let said = if let Some(said) = asked {
            said
        } else {
            let said = pushed::digest(spec, &version.reference).await;
            self.asked.borrow_mut().insert(version.reference.clone(), said.clone());
            said
        };
        Some(Record { digest: said?, ..record(spec, version) })
    }

    fn unusable(&self, error: &io::Error) -> Failure {
        let folder = self.layout.folder().display();
        Failure::new(&IMAGES_UNUSABLE, format!("the folder of built images, {folder}, cannot be used"))
            .because(error)
            .hint(format!("ls -la {folder}"))
    }

    /// Returns a folder for what is needed only now; it is removed with `self`.
    fn scratch(&self) -> Result<&Path, Failure> {
        let make = || {
            fs::create_dir_all(self.layout.folder())?;
            remove_abandoned(self.layout.folder())?;
            tempfile::Builder::new().prefix(NOW).tempdir_in(self.layout.folder())
        };
        if self.scratch.get().is_none() {
            let made = make().map_err(|error| self.unusable(&error))?;
            let _ = self.scratch.set(made);
        }
        Ok(self.scratch.get().map(TempDir::path).expect("it was made"))
    }

    /// Remembers what a registry has, and forgets what is too old.
    async fn note(&self, record: &Record) -> Result<(), Failure> {
        let forgotten = self.layout.note(record.clone()).map_err(|error| self.unusable(&error))?;
        if !forgotten.is_empty()
            && let Ok(builder) = self.builder().await
        {
            builder.remove(&forgotten).await;
        }
        Ok(())
    }

    async fn make(&self, spec: &ImageSpec, version: Version, tell: OnBuild<'_>) -> Result<Record, Failure> {
        let builder = self.builder().await?;
        let _turn = self.turns.acquire().await.expect("it is never closed");
        tell(&format!("with {}", builder.name()));
        let record = record(spec, &version);
        let mut tags = vec![record.reference.clone()];
        tags.extend(spec.latest.then(|| latest(spec)));
        if !spec.pushed {
            return self.make_here(builder, spec, record, tags, tell).await;
        }
        builder.build(&spec.context, &tags, tell).await?;
        let digest = builder.push(&record.reference, spec, tell).await?;
        for tag in &tags[1..] {
            builder.push(tag, spec, tell).await?;
        }
        let record = Record { digest, ..record };
        self.note(&record).await?;
        Ok(record)
    }

    /// Builds an image and keeps what it consists of here.
    async fn make_here(
        &self,
        builder: Builder,
        spec: &ImageSpec,
        record: Record,
        mut tags: Vec<String>,
        tell: OnBuild<'_>,
    ) -> Result<Record, Failure> {
        let registry = self.registry(builder).await?;
        let pushed = registry.map(LocalRegistry::reference);
        tags.extend(pushed.clone());
        builder.build(&spec.context, &tags, tell).await?;
        tell("taking over what is new");
        let taken = match (registry, &pushed) {
            (Some(registry), Some(reference)) => self.take_pushed(builder, registry, reference, &record).await,
            _ => None,
        };
        let (record, mut forgotten) = match taken {
            Some(taken) => taken,
            None => self.take_saved(builder, spec, record).await?,
        };
        forgotten.extend(pushed);
        builder.remove(&forgotten).await;
        Ok(record)
    }

    /// Returns the registry that images are pushed to, to be kept here.
    async fn registry(&self, builder: Builder) -> Result<Option<&LocalRegistry>, Failure> {
        if !builder.pushes_here() {
            return Ok(None);
        }
        let scratch = self.scratch()?;
        let open = || async { LocalRegistry::open(self.layout.clone(), scratch).await.ok() };
        Ok(self.registry.get_or_init(open).await.as_ref())
    }

    /// Has an image pushed here: only what is new comes. Returns nothing where that is not possible.
    async fn take_pushed(
        &self,
        builder: Builder,
        registry: &LocalRegistry,
        reference: &str,
        record: &Record,
    ) -> Option<(Record, Vec<String>)> {
        let digest = builder.push_here(reference).await?;
        self.layout.take_in(record.clone(), || registry.take(&digest)).ok()
    }

    /// Has an image saved here, all of it.
    async fn take_saved(
        &self,
        builder: Builder,
        spec: &ImageSpec,
        record: Record,
    ) -> Result<(Record, Vec<String>), Failure> {
        let archive = self.scratch()?.join(format!("{}.tar", spec.name.replace('/', "-")));
        builder.save(&record.reference, &archive).await?;
        let layout = self.layout.clone();
        let taken = tokio::task::spawn_blocking(move || {
            let taken = layout.take_in(record, || Saved::read(&layout, &archive)?.parts());
            fs::remove_file(archive)?;
            taken
        });
        taken.await.map_err(io::Error::other).flatten().map_err(|error| self.unusable(&error))
    }
}

#[async_trait(?Send)]
impl ImageSource for BuiltImages {
    async fn references(&self, specs: &[ImageSpec]) -> BTreeMap<String, String> {
        let mut references = BTreeMap::new();
        for spec in specs {
            let reference = match version(spec).await {
                Ok(version) => self.found(spec, &version).await.map_or(version.reference, |record| pinned(&record)),
                Err(_) => format!("{}:{UNBUILT}", spec.repository),
            };
            references.insert(spec.name.clone(), reference);
        }
        references
    }

    async fn unbuilt(&self, specs: &[ImageSpec]) -> Vec<ImageSpec> {
        let mut unbuilt = Vec::new();
        for spec in specs {
            let built = match version(spec).await {
                Ok(version) => self.found(spec, &version).await.is_some(),
                Err(_) => false,
            };
            if !built {
                unbuilt.push(spec.clone());
            }
        }
        unbuilt
    }

    async fn check(&self, specs: &[ImageSpec]) -> Result<(), Failure> {
        let (mut failures, mut unbuilt, mut missing_login) = (Vec::new(), false, None);
        for spec in specs {
            match version(spec).await {
                Ok(version) => {
                    let to_build = self.found(spec, &version).await.is_none();
                    unbuilt |= to_build;
                    if to_build && spec.pushed {
                        missing_login = missing_login.or(login_problem(spec));
                    }
                    self.checked.borrow_mut().insert(spec.name.clone(), version);
                }
                Err(failure) => failures.push(failure),
            }
        }
        if unbuilt && let Err(failure) = self.builder().await {
            failures.push(failure);
        }
        failures.extend(missing_login);
        Failure::join(failures).map_or(Ok(()), Err)
    }

    async fn build(&self, spec: &ImageSpec, tell: OnBuild<'_>) -> Result<Done<Image>, Failure> {
        let checked = self.checked.borrow_mut().remove(&spec.name);
        let version = match checked {
            Some(version) => version,
            None => version(spec).await?,
        };
        let (record, changed) = if let Some(record) = self.known(spec, &version) {
            (record, false)
        } else if let Some(record) = self.at_registry(spec, &version).await {
            self.note(&record).await?;
            (record, false)
        } else {
            (self.make(spec, version, tell).await?, true)
        };
        let mut image = image(spec, pinned(&record), record.digest.clone());
        if !record.pushed {
            image.blobs = self.layout.parts(&record.digest).map_err(|error| self.unusable(&error))?;
        }
        Ok(Done::when(changed, image))
    }

    async fn archive(&self, images: &[&Image], there: &BTreeSet<String>) -> Result<ImageArchive, Failure> {
        let blobs = images.iter().flat_map(|image| &image.blobs).map(|blob| blob.digest.clone());
        let mut what: Vec<_> = blobs.filter(|digest| !there.contains(digest)).collect();
        what.extend(images.iter().flat_map(|image| image.names.iter().cloned()));
        let mut archives = self.archives.lock().await; // several nodes that lack the same wait for one archive
        if let Some(archive) = archives.get(&what) {
            return Ok(archive.clone());
        }
        let path = self.scratch()?.join(format!("{}.archive.tar", archives.len()));
        let (layout, there) = (self.layout.clone(), there.clone());
        let images: Vec<Image> = images.iter().copied().cloned().collect();
        let written =
            tokio::task::spawn_blocking(move || layout.archive(&images.iter().collect::<Vec<_>>(), &there, &path));
        let archive = written.await.map_err(io::Error::other).flatten().map_err(|error| self.unusable(&error))?;
        archives.insert(what, archive.clone());
        Ok(archive)
    }
}

/// Returns why an image cannot be pushed with the login that the configuration names.
fn login_problem(spec: &ImageSpec) -> Option<Failure> {
    Credentials::to_push(host(&spec.repository), spec.login.as_ref(), variable).err()
}

/// Removes what runs left that were killed.
fn remove_abandoned(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let is_old = entry.metadata()?.modified()?.elapsed().is_ok_and(|age| age > ABANDONED);
        if is_old && entry.file_name().to_string_lossy().starts_with(NOW) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn record(spec: &ImageSpec, version: &Version) -> Record {
    Record {
        content: version.content.clone(),
        reference: version.reference.clone(),
        digest: String::new(),
        context: spec.context.clone(),
        built: jiff::Timestamp::now().as_millisecond(),
        latest: spec.latest,
        pushed: spec.pushed,
    }
}

/// Returns a reference that nothing but this image answers to, whoever uses its tag again.
fn pinned(record: &Record) -> String {
    format!("{}@{}", record.reference, record.digest)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_a_killed_run_left_is_removed_a_day_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["now-old", "now-new", "blobs"] {
            fs::create_dir(path(name)).unwrap();
        }
        let long_ago = SystemTime::now() - 2 * ABANDONED;
        for name in ["now-old", "blobs"] {
            fs::File::open(path(name)).unwrap().set_modified(long_ago).unwrap();
        }
        remove_abandoned(folder.path()).unwrap();
        assert!(!path("now-old").exists() && path("now-new").exists() && path("blobs").exists());
    }
}
