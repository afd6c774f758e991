//! The commit that a folder is at.

use std::path::Path;

use crate::effects::exec::Program;

/// How many digits of a commit are enough to tell it from others.
const DIGITS: &str = "--short=12";

/// Returns the commit of git that a folder is at, and whether all of the folder is committed.
///
/// # Errors
/// When the folder is in no repository, or git is not installed: in git's words.
pub async fn commit(folder: &Path) -> Result<(String, bool), String> {
    let commit = git(folder, &["rev-parse", DIGITS, "HEAD"]).await?;
    let changes = git(folder, &["status", "--porcelain", "--", "."]).await?;
    Ok((commit, changes.is_empty()))
}

async fn git(folder: &Path, words: &[&str]) -> Result<String, String> {
    let finished = Program::new("git").args(words).folder(folder.into()).output().await;
    let finished = finished.map_err(|error| error.to_string())?;
    if finished.status.success() { Ok(finished.stdout.trim().into()) } else { Err(finished.words().into()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_commit_is_known_and_so_is_what_is_not_committed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert!(commit(path).await.unwrap_err().contains("not a git repository"));
        let run = async |words: &[&str]| git(path, words).await.unwrap();
        run(&["init", "-q"]).await;
        fs::write(path.join("a"), "1").unwrap();
        run(&["add", "."]).await;
        run(&["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", "commit", "-qm", "one"]).await;
        let (first, clean) = commit(path).await.unwrap();
        assert!(clean && first.len() == 12, "{first}");
        fs::write(path.join("a"), "2").unwrap();
        assert_eq!(commit(path).await.unwrap(), (first, false));
    }
}
