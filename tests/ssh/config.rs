//! OpenSSH's own client and we read the same from a configuration.

use std::{collections::HashMap, fs, process::Command};

use orchestrator::effects::ssh::{
    SshError,
    config::{Proxy, Settings, Strict},
};

use crate::server::{Place, on_one_thread, run};

/// What one of the two says, by the keywords of `ssh -G`.
type Said = HashMap<&'static str, Vec<String>>;

const KEYWORDS: [&str; 16] = [
    "hostname",
    "user",
    "port",
    "identityfile",
    "certificatefile",
    "identitiesonly",
    "identityagent",
    "hostkeyalias",
    "proxyjump",
    "proxycommand",
    "userknownhostsfile",
    "globalknownhostsfile",
    "stricthostkeychecking",
    "connecttimeout",
    "serveraliveinterval",
    "serveralivecountmax",
];

fn openssh(place: &Place, name: &str) -> Said {
    let text = run(Command::new("ssh").arg("-F").arg(place.path(".ssh/config")).args(["-G", name]));
    let mut said = Said::new();
    for line in text.lines() {
        let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(known) = KEYWORDS.iter().find(|known| **known == keyword) {
            said.entry(known).or_default().push(value.to_owned());
        }
    }
    said
}

fn ours(settings: Settings, name: &str) -> Said {
    let mut said = Said::new();
    let mut say = |keyword, value: String| said.entry(keyword).or_default().push(value);
    say("hostname", settings.hostname.unwrap_or_else(|| name.into()).to_lowercase());
    say("user", settings.user.unwrap_or_else(|| run(&mut Command::new("whoami")).trim().to_owned()));
    say("port", settings.port.unwrap_or(22).to_string());
    let usual = ["rsa", "ecdsa", "ecdsa_sk", "ed25519", "ed25519_sk", "xmss", "dsa"];
    let usual = usual.map(|kind| format!("~/.ssh/id_{kind}")).to_vec();
    for file in if settings.identity_files.is_empty() { usual } else { settings.identity_files } {
        say("identityfile", file);
    }
    for file in settings.certificate_files {
        say("certificatefile", file);
    }
    let yes_or_no = |yes| if yes { "yes" } else { "no" }.to_owned();
    say("identitiesonly", yes_or_no(settings.identities_only.unwrap_or(false)));
    if let Some(agent) = settings.identity_agent {
        say("identityagent", agent);
    }
    if let Some(alias) = settings.key_alias {
        say("hostkeyalias", alias);
    }
    match settings.proxy {
        Some(Proxy::Jump(jump)) => say("proxyjump", jump),
        Some(Proxy::Command(command)) => say("proxycommand", command),
        Some(Proxy::Straight) | None => {}
    }
    let files = |files: Option<Vec<String>>, usual: &str| files.map_or(usual.to_owned(), |files| files.join(" "));
    let home = std::env::var("HOME").unwrap();
    let _ = home;
    say("userknownhostsfile", files(settings.user_known_hosts, "~/.ssh/known_hosts ~/.ssh/known_hosts2"));
    let global = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2";
    say("globalknownhostsfile", files(settings.global_known_hosts, global));
    let strict = match settings.strict.unwrap_or_default() {
        Strict::Yes => "true",
        Strict::Ask => "ask",
        Strict::AcceptNew => "accept-new",
    };
    say("stricthostkeychecking", strict.into());
    say("connecttimeout", settings.connect_timeout.map_or("none".into(), |seconds| seconds.to_string()));
    say("serveraliveinterval", settings.alive_interval.unwrap_or(0).to_string());
    say("serveralivecountmax", settings.alive_count.unwrap_or(3).to_string());
    said
}

/// OpenSSH shows `no` where we take `accept-new`, and paths of the home directory in full or not, by version.
fn normal(mut said: Said, place: &Place) -> Said {
    let homes = [std::env::var("HOME").unwrap(), place.path("").display().to_string().trim_end_matches('/').to_owned()];
    for value in said.values_mut().flatten() {
        for home in &homes {
            *value = value.replace(&format!("{home}/.ssh"), "~/.ssh");
        }
    }
    if let Some(strict) = said.get_mut("stricthostkeychecking") {
        strict.iter_mut().filter(|value| *value == "false").for_each(|value| *value = "accept-new".into());
    }
    said
}

fn read(place: &Place, name: &str) -> Result<Settings, SshError> {
    let surroundings = place.surroundings();
    on_one_thread(Settings::read(&surroundings, name, Settings::default()))
}

#[track_caller]
fn case(config: &str, names: &[&str]) {
    let place = Place::new();
    let config = config.replace("DIR", &place.path("").display().to_string());
    fs::write(place.path(".ssh/config"), &config).unwrap();
    fs::write(place.path("one.conf"), "Host a\n  Port 1001\nHost *\n  User from-one\n").unwrap();
    fs::write(place.path("two.conf"), "User from-two\nIdentityFile ~/.ssh/two\n").unwrap();
    for name in names {
        let theirs = normal(openssh(&place, name), &place);
        let ours = normal(ours(read(&place, name).unwrap(), name), &place);
        for keyword in KEYWORDS {
            assert_eq!(ours.get(keyword), theirs.get(keyword), "{keyword} of {name} in:\n{config}");
        }
    }
}

#[test]
fn patterns_agree() {
    case("Host a\n  Port 1\n", &["a", "b"]);
    case("Host a b c\n  Port 1\n", &["a", "c", "d"]);
    case("Host *.example\n  Port 1\nHost *\n  Port 2\n", &["x.example", "example", "x"]);
    case("Host web-?\n  Port 1\n", &["web-1", "web-10", "web-"]);
    case("Host * !b\n  Port 1\n", &["a", "b"]);
    case("Host !b *\n  Port 1\n", &["a", "b"]);
    case("Host !b\n  Port 1\n", &["a", "b"]);
    case("Host 10.0.0.*\n  User ann\n", &["10.0.0.4", "10.0.1.4"]);
    case("Host A\n  Port 1\n", &["a", "A"]);
    case("Host a\nHost b\n  Port 1\n", &["a", "b"]);
    case("Port 1\nHost a\n  Port 2\n", &["a", "b"]);
}

#[test]
fn the_first_value_wins_and_key_files_add_up() {
    case("Host a\n  Port 1\n  Port 2\nHost *\n  Port 3\n  User ann\n", &["a", "b"]);
    case("Host a\n  IdentityFile ~/.ssh/a\nHost *\n  IdentityFile ~/.ssh/b\n", &["a", "b"]);
    case("IdentityFile ~/.ssh/a\nIdentityFile ~/.ssh/a\nIdentityFile /k/b\n", &["a"]);
    case("IdentityFile none\n", &["a"]);
    case("CertificateFile ~/.ssh/c\nCertificateFile ~/.ssh/d\n", &["a"]);
    case("IdentitiesOnly yes\nIdentitiesOnly no\n", &["a"]);
}

#[test]
fn host_names_agree() {
    case("Host a\n  HostName 10.0.0.4\n", &["a", "b"]);
    case("Host *\n  HostName %h.example\n", &["a"]);
    case("HostName Big.Example\n", &["a"]);
    case("", &["Big"]);
    case("Host a\n  HostName b\nHost b\n  Port 7\n", &["a"]);
    case("HostKeyAlias cluster\n", &["a"]);
}

#[test]
fn ways_of_writing_agree() {
    case("port=1\n", &["a"]);
    case("Port ssh\n", &["a"]);
    case("PORT = 1\nuSeR ann\n", &["a"]);
    case("\t Port\t1   # why\n# Port 2\n\n", &["a"]);
    case("User \"ann\"\nIdentityFile \"~/.ssh/my key\"\n", &["a"]);
    case("Host \"a\" 'b'\n  Port 1\n", &["a", "b"]);
    case("IdentityFile ~/.ssh/my\\ key\n", &["a"]);
    case("Host a\r\n  Port 1\r\n", &["a"]);
    case("Host=a\nPort=1\n", &["a", "b"]);
}

#[test]
fn proxies_agree() {
    case("Host a\n  ProxyJump bastion\n", &["a", "b"]);
    case("ProxyJump ann@b1:2222,b2\n", &["a"]);
    case("Host a\n  ProxyJump none\nHost *\n  ProxyJump bastion\n", &["a", "b"]);
    case("ProxyCommand nc -x \"p q\" %h %p\nProxyJump bastion\n", &["a"]);
    case("ProxyJump bastion\nProxyCommand nc %h %p\n", &["a"]);
    case("ProxyCommand none\nProxyJump bastion\n", &["a"]);
}

#[test]
fn known_hosts_and_checking_agree() {
    case("UserKnownHostsFile ~/.ssh/k1 /k2\n", &["a"]);
    case("UserKnownHostsFile none\n", &["a"]);
    case("UserKnownHostsFile /dev/null\nGlobalKnownHostsFile /g1 /g2\n", &["a"]);
    for value in ["yes", "no", "ask", "accept-new", "off"] {
        case(&format!("StrictHostKeyChecking {value}\n"), &["a"]);
    }
}

#[test]
fn times_and_agents_agree() {
    case("ConnectTimeout 7\nServerAliveInterval 1m\nServerAliveCountMax 5\n", &["a"]);
    case("ConnectTimeout none\n", &["a"]);
    case("ConnectTimeout 1m30s\nServerAliveInterval 0\n", &["a"]);
    case("IdentityAgent none\n", &["a"]);
    case("IdentityAgent /run/agent\n", &["a"]);
    case("IdentityAgent SSH_AUTH_SOCK\n", &["a"]);
}

#[test]
fn matches_agree() {
    case("Match all\n  Port 1\n", &["a"]);
    case("Match host A\n  Port 1\nMatch originalhost B\n  Port 2\n", &["a", "A", "b", "B"]);
    case("Match user ROOT\n  Port 1\nMatch host=a user=root\n  User ann\n", &["a", "b"]);
    case("Match host a,b\n  Port 1\n", &["a", "b", "c"]);
    case("Match host *,!b\n  Port 1\n", &["a", "b"]);
    case("Match !host a\n  Port 1\n", &["a", "b"]);
    case("Host a\n  HostName x\nMatch host x\n  Port 1\nMatch originalhost a\n  User ann\n", &["a", "x"]);
    case("User ann\nMatch user ann\n  Port 1\n", &["a"]);
    case("Match user bob\n  Port 1\nMatch localuser root,me\n  Port 2\n", &["a"]);
    case("Match exec true\n  Port 1\n", &["a"]);
    case("Match exec false\n  Port 1\nMatch exec \"test %h = a\"\n  Port 2\n", &["a", "b"]);
    case("Match !exec false host a\n  Port 1\n", &["a", "b"]);
    case("Match host a user root\n  Port 1\n", &["a", "b"]);
    case("Match final\n  Port 1\n", &["a"]);
    case("Host a\n  HostName x\nMatch final host x\n  User last\n  IdentityFile ~/.ssh/f\n", &["a", "b"]);
    case("Match final\n  User ann\nHost x\n  Port 1\nHost a\n  HostName x\n", &["a"]);
    case("Match canonical\n  Port 1\n", &["a"]);
    case("Host a\n  Port 1\nMatch all\n  Port 2\n  User ann\nHost b\n  User bob\n", &["a", "b"]);
}

#[test]
fn includes_agree() {
    case("Include DIRone.conf\nHost *\n  Port 9\n", &["a", "b"]);
    case("Host b\n  Include DIRone.conf\n  Port 9\n", &["a", "b"]);
    case("Host b\n  Include DIRtwo.conf\n  Port 9\n", &["a", "b"]);
    case("Include DIR*.conf\n", &["a", "b"]);
    case("Include DIRnone.conf\nPort 1\n", &["a"]);
    case("Include DIRtwo.conf DIRone.conf\n", &["a"]);
    case("Match host a\n  Include DIRone.conf\nHost *\n  Port 2\n", &["a", "b"]);
}

#[test]
fn an_include_is_relative_to_the_ssh_folder() {
    let place = Place::new();
    fs::create_dir(place.path(".ssh/conf.d")).unwrap();
    fs::write(place.path(".ssh/conf.d/1"), "Host a\n  Port 1\n").unwrap();
    fs::write(place.path(".ssh/conf.d/2"), "Port 2\n").unwrap();
    fs::write(place.path(".ssh/config"), "Include conf.d/*\n").unwrap();
    assert_eq!(read(&place, "a").unwrap().port, Some(1));
    assert_eq!(read(&place, "b").unwrap().port, Some(2));
}

#[track_caller]
fn refused(config: &str, because: &str) {
    let place = Place::new();
    let file = place.path(".ssh/config");
    fs::write(&file, config.replace("FILE", &file.display().to_string())).unwrap();
    let error = read(&place, "a").unwrap_err().to_string();
    assert_eq!(error, format!("{}:{because}", file.display()));
    let theirs = Command::new("ssh").arg("-F").arg(&file).args(["-G", "a"]).output().unwrap();
    assert!(!theirs.status.success(), "OpenSSH takes {config}");
}

#[test]
fn what_openssh_refuses_is_refused_with_its_line() {
    refused("Port many\n", "1: `many` is no such number");
    refused("\nUser\n", "2: `user` has no value");
    refused("User \"ann\n", "1: a quote is not closed");
    refused("StrictHostKeyChecking perhaps\n", "1: `perhaps` is none of yes, ask, accept-new and no");
    refused("Match\n", "1: `Match` has no criterion");
    refused("Match host\n", "1: `host` has no argument");
    refused("Match weather fine\n", "1: the criterion `weather` is not supported");
    refused("Include FILE\n", "1: files include each other more than 16 deep");
}
