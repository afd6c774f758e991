use std::{process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use super::{
    super::known_hosts::{hostname_matches, list_matches, wildcard_matches},
    reader::Reader,
};

/// For the command of a `Match exec`.
const EXEC: Duration = Duration::from_secs(10);

impl Reader<'_> {
    /// Whether the patterns of a `Host` line fit: one does, and none of those that begin with `!`.
    pub fn host_fits(&self, patterns: &[String]) -> bool {
        let name = self.matched_name();
        let mut fits = false;
        for pattern in patterns {
            match pattern.strip_prefix('!') {
                Some(pattern) if wildcard_matches(pattern, name) => return false,
                Some(_) => {}
                None => fits |= wildcard_matches(pattern, name),
            }
        }
        fits
    }

    /// Whether every criterion of a `Match` line fits. Once one does not, no command is run any more.
    ///
    /// # Errors
    /// Names what is wrong with the line.
    pub async fn match_fits(&mut self, words: &[String], reached: bool) -> Result<bool, String> {
        let mut words = words.iter().map(String::as_str);
        let mut fits = reached;
        let mut count = 0;
        while let Some(word) = words.next() {
            count += 1;
            let (negated, criterion) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
            let (criterion, mut value) = criterion.split_once('=').map_or((criterion, None), |(a, b)| (a, Some(b)));
            let holds = match criterion.to_lowercase().as_str() {
                "all" if count == 1 && words.next().is_none() => return Ok(fits && !negated),
                "all" if words.next().is_none() => true,
                "all" => return Err("`all` must be the last criterion".into()),
                "canonical" => self.in_final_pass(),
                "final" => {
                    self.wants_final_pass |= !self.in_final_pass();
                    self.in_final_pass()
                }
                known @ ("host" | "originalhost" | "user" | "localuser" | "exec") => {
                    let argument =
                        value.take().or_else(|| words.next()).ok_or_else(|| format!("`{known}` has no argument"))?;
                    match known {
                        "host" => hostname_matches(argument, &self.hostname()),
                        "originalhost" => hostname_matches(argument, self.name),
                        "user" => list_matches(argument, self.user()),
                        "localuser" => list_matches(argument, &self.surroundings.name),
                        // Not run when it decides nothing any more.
                        _ => fits && self.exec(argument).await?,
                    }
                }
                other => return Err(format!("the criterion `{other}` is not supported")),
            };
            fits &= holds != negated;
        }
        if count == 0 { Err("`Match` has no criterion".into()) } else { Ok(fits) }
    }

    async fn exec(&self, command: &str) -> Result<bool, String> {
        let command = self.tokens(|tokens| tokens.expand_tokens(command))?;
        let null = Stdio::null;
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&command).stdin(null()).stdout(null()).stderr(null()).kill_on_drop(true);
        match timeout(EXEC, shell.status()).await {
            Ok(Ok(status)) => Ok(status.success()),
            Ok(Err(error)) => Err(format!("cannot run `{command}`: {error}")),
            Err(_) => Err(format!("`{command}` did not end within {} s", EXEC.as_secs())),
        }
    }
}
