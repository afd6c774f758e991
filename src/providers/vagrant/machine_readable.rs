//! What Vagrant says with `--machine-readable`: lines of `time,machine,kind,data..`
//! (<https://developer.hashicorp.com/vagrant/docs/cli/machine-readable>).

/// Begins what `provision/vagrant/trust.sh` says of a machine.
const TOLD: &str = "orchestrator: ";

/// What begins words that say how something is done, and not what.
const DETAILS: [&str; 5] =
    ["-- ", "SSH ", "Running: ", "Bringing machine", "An error occurred. The error will be shown"];

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Empty when it is about all machines.
    pub machine: String,
    pub said: Said,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Words for people, without the prefix that repeats the machine's name.
    Words(String),
    /// What our own provisioning step said of the machine: a key and its value.
    Told(Vec<(String, String)>),
    /// The work on one machine has ended well.
    Finished,
    /// Vagrant ends with an error of this class.
    Error {
        class: String,
        message: String,
    },
    /// A fact that was asked for, such as `plugin-name` and a name.
    Fact(String, String),
    Other,
}

impl Line {
    /// Reads a line; `None` when Vagrant did not write it in this format, as it does not before it has started.
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(4, ',');
        fields.next()?.parse::<u64>().ok()?;
        let machine = fields.next()?.to_owned();
        let kind = fields.next()?;
        let data: Vec<_> = fields.next().unwrap_or_default().split(',').map(unescape).collect();
        let field = |index: usize| data.get(index).cloned().unwrap_or_default();
        let said = match kind {
            "ui" if field(0) == "error" => Said::Other, // it comes again when Vagrant ends
            "ui" => words(&machine, &field(1)),
            "error-exit" => Said::Error { class: field(0), message: field(1) },
            "action" if field(1) == "end" => Said::Finished,
            "action" => Said::Other,
            kind => Said::Fact(kind.into(), field(0)),
        };
        Some(Self { machine, said })
    }
}

fn unescape(field: &str) -> String {
    field.replace("%!(VAGRANT_COMMA)", ",").replace("\\n", "\n").replace("\\r", "\n")
}

fn words(machine: &str, text: &str) -> Said {
    let prefix = format!("{machine}: ");
    let line = |line: &str| {
        let line = line.trim_start_matches("==>").trim_start();
        line.strip_prefix(prefix.as_str()).unwrap_or(line).trim().to_owned()
    };
    let lines: Vec<_> = text.lines().map(line).filter(|line| !line.is_empty()).collect();
    let told: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix(TOLD)?.split_once(' ')).collect();
    if told.is_empty() {
        let detail = lines.first().is_none_or(|line| DETAILS.iter().any(|detail| line.starts_with(detail)));
        return if detail { Said::Other } else { Said::Words(lines.join(" ")) };
    }
    Said::Told(told.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(line: &str, machine: &str, said: Said) {
        assert_eq!(Line::parse(line), Some(Line { machine: machine.into(), said }));
    }

    #[test]
    fn words_lose_their_prefix_and_their_escapes() {
        case(
            "1795179491,node1,ui,info,==> node1: Waiting for domain to get an IP address...",
            "node1",
            Said::Words("Waiting for domain to get an IP address...".into()),
        );
        case(
            "1795178666,,ui,detail,Progress: 79% (Rate: 429M/s%!(VAGRANT_COMMA) Estimated time remaining: --:--:--)",
            "",
            Said::Words("Progress: 79% (Rate: 429M/s, Estimated time remaining: --:--:--)".into()),
        );
        case(
            "1795179489,node2,ui,warn,==> node2: No version detected\\n==> node2: for the box",
            "node2",
            Said::Words("No version detected for the box".into()),
        );
    }

    #[test]
    fn facts_keep_their_kind() {
        case("1795274471,,plugin-name,vagrant-libvirt", "", Said::Fact("plugin-name".into(), "vagrant-libvirt".into()));
    }

    #[test]
    fn settings_are_no_news() {
        case("1,node1,ui,info,==> node1:  -- Memory:            512M", "node1", Said::Other);
        case("1,node1,ui,detail,    node1: SSH username: vagrant", "node1", Said::Other);
        case("1,,ui,error,No IP address found.", "", Said::Other);
    }

    #[test]
    fn what_the_provisioning_step_tells_is_found_among_other_words() {
        let line = "1,a-1,ui,detail,    a-1: orchestrator: host-key ssh-ed25519 AAAA\\n    a-1: orchestrator: address eth1 10.0.0.4";
        let told = [("host-key", "ssh-ed25519 AAAA"), ("address", "eth1 10.0.0.4")];
        let told = told.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        case(line, "a-1", Said::Told(told));
    }

    #[test]
    fn ends_and_errors_are_told_apart() {
        case("1795179563,node1,action,up,end", "node1", Said::Finished);
        case("1795179489,node1,action,up,start", "node1", Said::Other);
        case(
            "1795179640,,error-exit,Vagrant::Errors::MachineNotFound,The machine was\\nnot found",
            "",
            Said::Error {
                class: "Vagrant::Errors::MachineNotFound".into(),
                message: "The machine was\nnot found".into(),
            },
        );
        assert_eq!(Line::parse("/usr/lib/ruby/vagrant.rb: syntax error, unexpected end"), None);
    }
}
