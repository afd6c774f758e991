use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    super::{error::SshError, user::Surroundings},
    Proxy, Settings, Strict, Tokens, in_home,
    words::Line,
};

/// How deep files may include files.
const DEPTH: usize = 16;

/// Reads configuration files into settings.
pub struct Reader<'a> {
    pub surroundings: &'a Surroundings,
    /// The name that was asked for.
    pub name: &'a str,
    pub settings: Settings,
    /// A `Match final` was seen.
    pub wants_final_pass: bool,
    /// The host name that the first pass ended with.
    final_name: Option<String>,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub fn new(surroundings: &'a Surroundings, name: &'a str, given: Settings) -> Self {
        Self { surroundings, name, settings: given, wants_final_pass: false, final_name: None, depth: 0 }
    }

    pub fn begin_final_pass(&mut self) {
        let hostname = self.hostname();
        self.settings.hostname = Some(hostname.clone());
        self.final_name = Some(hostname);
    }

    pub fn in_final_pass(&self) -> bool {
        self.final_name.is_some()
    }

    /// The name that `Host` patterns are about.
    pub fn matched_name(&self) -> &str {
        self.final_name.as_deref().unwrap_or(self.name)
    }

    /// The name connected to, as far as it is known by now.
    pub fn hostname(&self) -> String {
        self.settings.hostname.clone().unwrap_or_else(|| self.name.to_owned())
    }

    pub fn user(&self) -> &str {
        self.settings.user.as_deref().unwrap_or(&self.surroundings.name)
    }

    /// Gives the values of tokens, as far as they are known by now.
    pub fn tokens<T>(&self, use_them: impl FnOnce(&Tokens<'_>) -> T) -> T {
        use_them(&Tokens {
            surroundings: self.surroundings,
            hostname: &self.hostname(),
            name: self.name,
            port: self.settings.port.unwrap_or(22),
            user: self.user(),
            key_alias: self.settings.key_alias.as_deref(),
        })
    }

    /// Reads a file. One that is not there says nothing. `active` tells whether it begins in a block that applies.
    pub async fn file(&mut self, file: &Path, active: bool) -> Result<(), SshError> {
        let text = match fs::read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(SshError::Config { place: file.display().to_string(), because: error.to_string() });
            }
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        };
        let mut applies = active;
        for (number, line) in (1..).zip(text.lines()) {
            let place = || format!("{}:{number}", file.display());
            let wrong = |because| SshError::Config { place: place(), because };
            let Some(line) = Line::parse(line).map_err(wrong)? else { continue };
            match line.keyword.as_str() {
                "host" => applies = active && self.host_fits(&line.arguments),
                "match" => applies = self.match_fits(&line.arguments, active).await.map_err(wrong)?,
                "include" => {
                    if self.depth == DEPTH {
                        return Err(wrong(format!("files include each other more than {DEPTH} deep")));
                    }
                    self.depth += 1;
                    for included in self.included(file, &line.arguments).map_err(wrong)? {
                        Box::pin(self.file(&included, applies)).await?;
                    }
                    self.depth -= 1;
                }
                _ => self.setting(&line, applies).map_err(wrong)?,
            }
        }
        Ok(())
    }

    /// Finds the files of an `Include`, in the order of their names.
    fn included(&self, by: &Path, patterns: &[String]) -> Result<Vec<PathBuf>, String> {
        let own = self.surroundings.config.first().is_some_and(|first| by == first || self.in_ssh_folder(by));
        let folder = if own { self.surroundings.home.join(".ssh") } else { "/etc/ssh".into() };
        let mut files = Vec::new();
        for pattern in patterns {
            let pattern = folder.join(in_home(&self.surroundings.home, pattern));
            let found = glob::glob(&pattern.to_string_lossy()).map_err(|error| error.to_string())?;
            files.extend(found.flatten());
        }
        Ok(files)
    }

    fn in_ssh_folder(&self, file: &Path) -> bool {
        file.starts_with(&self.surroundings.home)
    }

    /// Takes a setting over if nothing was said of it before. It must make sense even where it does not apply.
    fn setting(&mut self, line: &Line<'_>, applies: bool) -> Result<(), String> {
        let mut ignored = Settings::default();
        let name = self.name;
        let settings = if applies { &mut self.settings } else { &mut ignored };
        let first = || {
            let first = line.arguments.first().filter(|argument| !argument.is_empty());
            first.cloned().ok_or_else(|| format!("`{}` has no value", line.keyword))
        };
        match line.keyword.as_str() {
            "hostname" => {
                let hostname = first()?.replace("%h", name).replace("%%", "%");
                settings.hostname.get_or_insert(hostname);
            }
            "user" => {
                settings.user.get_or_insert(first()?);
            }
            "port" => {
                let port = first()?;
                settings.port.get_or_insert(if port == "ssh" { 22 } else { number(&port)? });
            }
            "identityfile" => add(&mut settings.identity_files, first()?),
            "certificatefile" => add(&mut settings.certificate_files, first()?),
            "identitiesonly" => {
                settings.identities_only.get_or_insert(yes_or_no(&first()?)?);
            }
            "identityagent" => {
                settings.identity_agent.get_or_insert(first()?);
            }
            "hostkeyalias" => {
                settings.key_alias.get_or_insert(first()?);
            }
            "proxyjump" => {
                let jump = first()?;
                let none = jump.eq_ignore_ascii_case("none");
                settings.proxy.get_or_insert(if none { Proxy::Straight } else { Proxy::Jump(jump) });
            }
            "proxycommand" => {
                let command = line.rest.to_owned();
                let none = command.eq_ignore_ascii_case("none");
                if command.is_empty() {
                    return Err("`proxycommand` has no value".into());
                }
                settings.proxy.get_or_insert(if none { Proxy::Straight } else { Proxy::Command(command) });
            }
            "userknownhostsfile" => {
                first()?;
                settings.user_known_hosts.get_or_insert_with(|| line.arguments.clone());
            }
            "globalknownhostsfile" => {
                first()?;
                settings.global_known_hosts.get_or_insert_with(|| line.arguments.clone());
            }
            "stricthostkeychecking" => {
                settings.strict.get_or_insert(strict(&first()?)?);
            }
            "connecttimeout" => {
                let value = first()?;
                if value != "none" {
                    settings.connect_timeout.get_or_insert(seconds(&value)?);
                }
            }
            "serveraliveinterval" => {
                settings.alive_interval.get_or_insert(seconds(&first()?)?);
            }
            "serveralivecountmax" => {
                settings.alive_count.get_or_insert(number(&first()?)?);
            }
            _ => {}
        }
        Ok(())
    }
}

fn add(list: &mut Vec<String>, value: String) {
    if !list.contains(&value) {
        list.push(value);
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no such number"))
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(format!("`{text}` is neither yes nor no")),
    }
}

fn strict(text: &str) -> Result<Strict, String> {
    match text.to_lowercase().as_str() {
        "yes" | "true" => Ok(Strict::Yes),
        "ask" => Ok(Strict::Ask),
        "accept-new" | "no" | "false" | "off" => Ok(Strict::AcceptNew),
        _ => Err(format!("`{text}` is none of yes, ask, accept-new and no")),
    }
}

/// Reads a time such as `90`, `90s` or `1m30s` (sshd_config(5), TIME FORMATS).
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no time");
    let (mut total, mut digits) = (0, String::new());
    for letter in text.to_lowercase().chars() {
        let unit = match letter {
            '0'..='9' => {
                digits.push(letter);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            'w' => 604_800,
            _ => return Err(wrong()),
        };
        total += digits.parse::<u64>().map_err(|_| wrong())? * unit;
        digits.clear();
    }
    if digits.is_empty() && total == 0 && !text.starts_with('0') {
        return Err(wrong());
    }
    Ok(total + if digits.is_empty() { 0 } else { digits.parse::<u64>().map_err(|_| wrong())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(seconds("90"), Ok(90));
        assert_eq!(seconds("1m30s"), Ok(90));
        assert_eq!(seconds("0"), Ok(0));
        assert!(seconds("soon").is_err());
        assert!(seconds("").is_err());
    }
}
