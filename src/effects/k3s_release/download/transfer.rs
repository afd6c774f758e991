//! One file of a release: fetched, continued, checked, put in its place.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    path::Path,
    slice,
    time::Duration,
};

use super::{part::Part, source::Source, trouble::Trouble};
use crate::effects::k3s_release::{News, OnNews};

/// How much of all files of a release has come. Tells every percent once.
pub struct Tally<'a> {
    tell: OnNews<'a>,
    files: RefCell<BTreeMap<String, (u64, u64)>>,
    /// The percentage that was told last.
    told: Cell<Option<u64>>,
}

impl<'a> Tally<'a> {
    pub fn new(tell: OnNews<'a>) -> Self {
        Self { tell, files: RefCell::default(), told: Cell::default() }
    }

    fn update(&self, name: &str, done: u64, of: u64) {
        let mut files = self.files.borrow_mut();
        files.insert(name.into(), (done, of));
        let (done, of) = files.values().fold((0, 0), |(done, of), file| (done + file.0, of + file.1));
        let percent = Some(done * 100 / of.max(1));
        if self.told.replace(percent) != percent {
            (self.tell)(News::Progress(done, of));
        }
    }
}

/// Counts the attempts that brought nothing.
struct Attempts<'a> {
    source: &'a Source,
    pauses: slice::Iter<'a, Duration>,
    tell: OnNews<'a>,
}

impl<'a> Attempts<'a> {
    fn new(source: &'a Source, tell: OnNews<'a>) -> Self {
        Self { source, pauses: source.patience.pauses.iter(), tell }
    }

    /// Waits before another attempt; gives the trouble back when there shall be none.
    async fn after(&mut self, trouble: Trouble, brought_something: bool) -> Result<(), Trouble> {
        if brought_something {
            self.pauses = self.source.patience.pauses.iter();
        }
        let pause = if trouble.passes() { self.pauses.next() } else { None };
        let Some(pause) = pause else { return Err(trouble) };
        let (host, wait) = (self.source.host(), humantime::format_duration(*pause));
        (self.tell)(News::Waiting(format!("{host}: {trouble}; trying again in {wait}")));
        tokio::time::sleep(*pause).await;
        Ok(())
    }
}

/// Returns a small file.
pub async fn text(source: &Source, name: &str, tell: OnNews<'_>) -> Result<String, Trouble> {
    let mut attempts = Attempts::new(source, tell);
    loop {
        match source.text(name).await {
            Err(trouble) => attempts.after(trouble, false).await?,
            text => return text,
        }
    }
}

/// Has the file `name` with this SHA-256 in `folder`. Until it is whole and verified, it has another name there.
///
/// # Errors
/// Why it does not come. What has come stays for another run, unless it is wrong.
pub async fn file(source: &Source, folder: &Path, name: &str, wanted: &str, tally: &Tally<'_>) -> Result<(), Trouble> {
    let path = folder.join(name);
    let mut part = Part::of(&path).await?;
    fill(source, name, wanted, &mut part, tally).await?;
    if part.sha256() != wanted && part.seam {
        // The file changed on the server between two answers, or the beginning was of another one.
        part.restart().await?;
        fill(source, name, wanted, &mut part, tally).await?;
    }
    let actual = part.sha256();
    if actual != wanted {
        part.remove()?;
        return Err(Trouble::Checksum { wanted: wanted.into(), actual });
    }
    part.become_file(&path).await?;
    Ok(())
}

async fn fill(source: &Source, name: &str, wanted: &str, part: &mut Part, tally: &Tally<'_>) -> Result<(), Trouble> {
    let mut attempts = Attempts::new(source, tally.tell);
    let mut most = part.size();
    while part.size() == 0 || part.sha256() != wanted {
        match source.receive(name, part, &|done, of| tally.update(name, done, of)).await {
            Ok(()) => break,
            Err(trouble) => {
                part.keep().await?;
                attempts.after(trouble, part.size() > most).await?;
                most = most.max(part.size());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_that_of_all_files_and_told_once_for_each_percent() {
        let told = RefCell::new(Vec::new());
        let tell = |news| told.borrow_mut().push(news);
        let tally = Tally::new(&tell);
        tally.update("k3s", 0, 1000);
        tally.update("images", 0, 3000);
        for done in 1..=1000 {
            tally.update("k3s", done, 1000);
        }
        let told = told.borrow();
        assert_eq!(told.len(), 1 + 25);
        assert_eq!(told.last(), Some(&News::Progress(1000, 4000)));
    }
}
