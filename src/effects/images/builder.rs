//! The program that builds images: Docker, Podman or Buildah, whichever works on this computer.

use std::{path::Path, time::Duration};

use super::credentials::Credentials;
use crate::{
    effects::{
        computer::variable,
        exec::{ExecError, Finished, Program},
    },
    failure::{BUILDER_MISSING, Failure, IMAGE_NOT_BUILT, IMAGE_NOT_PUSHED},
    model::{PackageManager, image::ImageSpec, registry::host},
};

/// How long a build, or a registry, may say nothing.
const PATIENCE: Duration = Duration::from_secs(900);
/// How many of its last lines tell what is wrong with a build.
const LINES: usize = 40;

/// A program that works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder {
    Docker {
        /// It builds with BuildKit: parts of a Dockerfile at the same time, and what is not needed not at all.
        buildkit: bool,
        /// Its engine runs on this computer: what listens on loopback here, it can reach.
        here: bool,
    },
    Podman,
    Buildah,
}
use Builder::{Buildah, Docker, Podman};

/// What may be installed, best first, and the question that it answers only when it works.
const CANDIDATES: [(Builder, &[&str]); 3] = [
    (Docker { buildkit: false, here: false }, &["version", "--format", "{{.Client.Version}} {{.Server.Version}}"]),
    (Podman, &["info"]),
    (Buildah, &["info"]),
];

impl Builder {
    /// Finds a program that works; Docker first.
    ///
    /// # Errors
    /// When there is none: what each of them says.
    pub async fn find(manager: Option<PackageManager>) -> Result<Self, Failure> {
        let mut said = Vec::new();
        for (found, question) in CANDIDATES {
            match works(Program::new(found.program()).args(question.iter().copied()).output().await) {
                Ok(answer) => return Ok(found.with_abilities(&answer).await),
                Err(words) => said.push((found.program(), words)),
            }
        }
        Err(missing(&said, manager))
    }

    async fn with_abilities(self, answer: &str) -> Self {
        match self {
            Docker { .. } => {
                let buildx = async { works(Program::new("docker").args(["buildx", "version"]).output().await).is_ok() };
                let (buildx, engine) = tokio::join!(buildx, engine());
                let here = engine.is_some_and(|engine| engine.starts_with("unix://"));
                Docker { buildkit: buildx || has_buildkit_itself(answer), here }
            }
            Podman | Buildah => self,
        }
    }

    /// Returns what people call it.
    pub fn name(self) -> &'static str {
        match self {
            Docker { buildkit: true, .. } => "Docker with BuildKit",
            Docker { buildkit: false, .. } => "Docker",
            Podman => "Podman",
            Buildah => "Buildah",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Docker { .. } => "docker",
            Podman => "podman",
            Buildah => "buildah",
        }
    }

    /// Builds an image and gives it these tags. `tell` hears of each instruction of the Dockerfile as its turn comes.
    ///
    /// # Errors
    /// When it cannot be built: the program's last lines.
    pub async fn build(self, context: &Path, tags: &[String], tell: &dyn Fn(&str)) -> Result<(), Failure> {
        let mut log = Vec::new();
        let on_line = |line: &str| {
            if let Some(instruction) = instruction(line) {
                tell(&instruction);
            }
            log.push(line.to_owned());
        };
        let tagged = tags.iter().flat_map(|tag| ["--tag", tag]);
        let mut program = Program::new(self.program()).args(["build"]).args(tagged);
        program = match self {
            Docker { buildkit: true, .. } => program.args(["--progress", "plain"]).env("DOCKER_BUILDKIT", "1"),
            Docker { buildkit: false, .. } => program.env("DOCKER_BUILDKIT", "0"),
            Podman | Buildah => program,
        };
        let program = program.args(["--".as_ref(), context.as_os_str()]).telling_errors().patience(PATIENCE);
        let ended = program.run(|_| {}, on_line).await;
        let because = match &ended {
            Ok(finished) if finished.status.success() => return Ok(()),
            Ok(finished) => format!("{} ended with {}", self.program(), finished.status),
            Err(error) => error.to_string(),
        };
        let log = without_advice(&log);
        let last = log.len().saturating_sub(LINES);
        let reference = tags.first().map_or("", String::as_str);
        let what = format!("image `{reference}` cannot be built from {}", context.display());
        let hint = format!("{} build {}", self.program(), context.display());
        Err(Failure::new(&IMAGE_NOT_BUILT, what).because(because).output(log[last..].join("\n").trim()).hint(hint))
    }

    /// Writes an image into an archive as `docker save` does.
    ///
    /// # Errors
    /// When the program does not do so.
    pub async fn save(self, reference: &str, file: &Path) -> Result<(), Failure> {
        let path = file.display().to_string();
        let words = match self {
            Docker { .. } => vec!["save".into(), "--output".into(), path, reference.into()],
            Podman => ["save", "--format", "docker-archive", "--output", &path, reference].map(String::from).into(),
            Buildah => vec!["push".into(), reference.into(), format!("docker-archive:{path}:{reference}")],
        };
        let finished = Program::new(self.program()).args(words).patience(PATIENCE).output().await;
        works(finished).map(drop).map_err(|words| {
            let what = format!("{} does not hand over image `{reference}`", self.program());
            let hint = format!("{} images", self.program());
            Failure::new(&IMAGE_NOT_BUILT, what).output(words).hint(hint)
        })
    }

    /// Whether it can push to a registry on this computer's loopback address, over plain HTTP.
    pub fn pushes_here(self) -> bool {
        matches!(self, Docker { here: true, .. })
    }

    /// Pushes an image to a registry on this computer's loopback address. Returns the digest that it has there, and
    /// nothing where that is not possible: the engine may be in a virtual machine, whose loopback is another.
    pub async fn push_here(self, reference: &str) -> Option<String> {
        let finished = Program::new(self.program()).args(["push", reference]).patience(PATIENCE).output().await.ok()?;
        let digest = pushed_digest(&finished.stdout).filter(|_| finished.status.success());
        digest.map(str::to_owned)
    }

    /// Forgets tags, as far as they are there and nothing uses them: builds of before would fill the disk.
    pub async fn remove(self, references: &[String]) {
        if !references.is_empty() {
            // One that is not there any more, or that a container uses, is no failure.
            drop(Program::new(self.program()).args(["rmi"]).args(references).output().await);
        }
    }

    /// Pushes an image to its registry, with the login that the configuration or the environment gives, else with the one
    /// that the program has, and returns the digest that it has there. `tell` hears how it goes.
    ///
    /// # Errors
    /// When the registry does not take it.
    pub async fn push(self, reference: &str, spec: &ImageSpec, tell: &dyn Fn(&str)) -> Result<String, Failure> {
        let digest_file = tempfile::NamedTempFile::new();
        let registry = host(reference);
        let failed = |words: String| {
            let failure = Failure::new(&IMAGE_NOT_PUSHED, format!("image `{reference}` cannot be pushed"));
            let hint = push_hint(self.program(), registry, reference, &words);
            failure.output(words).hint(hint)
        };
        let credentials = Credentials::to_push(registry, spec.login.as_ref(), variable)?;
        let login = credentials.map(|credentials| credentials.write(registry)).transpose();
        let login = login.map_err(|error| failed(error.to_string()))?;
        let digest_file = digest_file.map_err(|error| failed(error.to_string()))?;
        let program = Program::new(self.program()).args(["push"]).telling_errors().patience(PATIENCE);
        let program = match self {
            Docker { .. } => program.args([reference]),
            Podman | Buildah => program.args(spec.plain_http.then_some("--tls-verify=false")).args([
                "--digestfile".as_ref(),
                digest_file.path().as_os_str(),
                reference.as_ref(),
            ]),
        };
        let program = match (&login, self) {
            (None, _) => program,
            (Some(login), Docker { .. }) => with_host(program.env("DOCKER_CONFIG", login.folder())).await,
            (Some(login), Podman | Buildah) => program.env("REGISTRY_AUTH_FILE", login.file()),
        };
        let finished = program.run(|_| {}, |line| tell(line)).await.map_err(|error| failed(error.to_string()))?;
        if !finished.status.success() {
            return Err(failed(finished.words().into()));
        }
        let digest = match self {
            Docker { .. } => pushed_digest(&finished.stdout).map(str::to_owned),
            Podman | Buildah => std::fs::read_to_string(digest_file.path()).ok().map(|text| text.trim().to_owned()),
        };
        digest.ok_or_else(|| failed(format!("it does not say which digest it has:\n{}", finished.stdout.trim())))
    }
}

/// Has Docker speak to the engine that it would speak to with the user's own configuration, which names that engine too.
async fn with_host(program: Program) -> Program {
    match engine().await {
        Some(engine) => program.env("DOCKER_HOST", &engine),
        None => program,
    }
}

/// Returns where Docker's engine is, as `unix:///var/run/docker.sock`.
async fn engine() -> Option<String> {
    let asked = Program::new("docker").args(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]);
    let finished = asked.output().await.ok().filter(|finished| finished.status.success())?;
    Some(finished.stdout.trim().to_owned())
}

/// Whether Docker builds with BuildKit without its plugin `buildx`, by the versions of client and engine: it was a part of
/// the client from 18.09 until 23.0, which asks for the plugin (release notes of Docker Engine 18.09 and 23.0). Debian 12
/// and Ubuntu 22.04 have, or had, such a Docker.
fn has_buildkit_itself(versions: &str) -> bool {
    let number = |version: &str| -> Option<(u32, u32)> {
        let mut numbers = version.split(['.', '-', '+']).map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    let mut versions = versions.split_whitespace().map(number);
    let (client, engine) = (versions.next().flatten(), versions.next().flatten());
    client.is_some_and(|client| ((18, 9)..(23, 0)).contains(&client)) && engine.is_some_and(|engine| engine >= (18, 9))
}

/// Returns what a program printed, if it ended well; what is wrong otherwise.
fn works(ended: Result<Finished, ExecError>) -> Result<String, String> {
    match ended {
        Ok(finished) if finished.status.success() => Ok(finished.stdout),
        Ok(finished) => Err(finished.words().to_owned()),
        Err(error) if error.is_missing() => Err("not installed".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn missing(said: &[(&str, String)], manager: Option<PackageManager>) -> Failure {
    let docker = said.iter().find(|(program, _)| *program == "docker").map_or("", |(_, words)| words);
    let hint = if docker.contains("permission denied") {
        "sudo usermod -aG docker \"$USER\", then log in anew"
    } else if docker.contains("Cannot connect to the Docker daemon") {
        "sudo systemctl start docker"
    } else {
        PackageManager::installs_image_builder(manager)
    };
    let lines: Vec<_> = said.iter().map(|(program, words)| format!("{program}: {words}")).collect();
    Failure::new(&BUILDER_MISSING, "no program on this computer can build images").output(lines.join("\n")).hint(hint)
}

/// Returns what helps with what a push said.
fn push_hint(program: &str, registry: &str, reference: &str, words: &str) -> String {
    let says = |signs: &[&str]| signs.iter().any(|sign| words.contains(sign));
    if says(&["denied", "unauthorized", "authentication required", "no basic auth"]) {
        return format!(
            "{program} login {registry}, or set ORCHESTRATOR_REGISTRY_USER and ORCHESTRATOR_REGISTRY_PASSWORD"
        );
    }
    if says(&["server gave HTTP response to HTTPS client"]) && program == "docker" {
        return format!("add \"insecure-registries\": [\"{registry}\"] to /etc/docker/daemon.json and restart Docker");
    }
    format!("{program} push {reference}")
}

/// Returns the instruction of the Dockerfile that a line of the log begins, with its number: `Step 2/5 : RUN make` of
/// Docker, `#7 [build 2/5] RUN make` of BuildKit, `STEP 2/5: RUN make` of Podman and Buildah.
fn instruction(line: &str) -> Option<String> {
    if let Some(rest) = line.strip_prefix("Step ").or_else(|| line.strip_prefix("STEP ")) {
        let (number, instruction) = rest.split_once(':')?;
        let number = number.trim();
        return number.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("{number} {}", instruction.trim()));
    }
    let (number, rest) = line.strip_prefix('#')?.split_once(' ')?;
    let of_dockerfile = rest.starts_with('[') && !rest.starts_with("[internal]") && !rest.starts_with("[auth]");
    (number.bytes().all(|byte| byte.is_ascii_digit()) && of_dockerfile).then(|| rest.to_owned())
}

/// Leaves out what Docker says of its own future before it begins: it is no part of what went wrong.
fn without_advice(log: &[String]) -> &[String] {
    let advice = log.first().is_some_and(|line| line.starts_with("DEPRECATED:"));
    let end = log.iter().position(|line| line.trim().is_empty()).filter(|_| advice);
    &log[end.map_or(0, |end| end + 1)..]
}

/// Reads the digest from the last line of `docker push`: `1.0: digest: sha256:... size: 528`.
fn pushed_digest(said: &str) -> Option<&str> {
    let line = said.lines().rev().find_map(|line| line.split_once(": digest: "))?.1;
    line.split(' ').next().filter(|digest| digest.starts_with("sha256:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_known_in_every_builders_log() {
        let case = |line, wanted: &str| assert_eq!(instruction(line).as_deref(), Some(wanted));
        case("Step 2/5 : RUN make", "2/5 RUN make");
        case("STEP 2/5: RUN make", "2/5 RUN make");
        case("#7 [build 2/5] RUN make", "[build 2/5] RUN make");
        for other in ["#7 0.3 compiling", "#1 [internal] load build definition", "Stepping on", "make: [all] x", "#"] {
            assert_eq!(instruction(other), None, "{other}");
        }
    }

    #[test]
    fn docker_has_buildkit_itself_until_it_became_a_plugin() {
        let case = |versions, has: bool| assert_eq!(has_buildkit_itself(versions), has, "{versions}");
        case("20.10.24+dfsg1 20.10.24+dfsg1", true);
        case("18.09.0 18.09.0", true);
        case("22.06.0-beta.0 24.0.5", true);
        case("18.06.3-ce 18.06.3-ce", false);
        case("20.10.24 17.12.1-ce", false);
        case("23.0.0 23.0.0", false);
        case("28.2.2 20.10.24+dfsg1", false);
        case("", false);
    }

    #[test]
    fn docker_s_advice_about_itself_is_left_out() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let log =
            lines("DEPRECATED: The legacy builder is deprecated\n   Install it\n \nStep 1/1 : FROM x\n\nno such host");
        assert_eq!(without_advice(&log), lines("Step 1/1 : FROM x\n\nno such host"));
        assert_eq!(without_advice(&log[3..]), &log[3..]);
    }

    #[test]
    fn the_digest_of_what_was_pushed_is_in_the_last_line() {
        let said =
            "The push refers to repository [localhost:5000/web]\n1a2b: Pushed\n1.0: digest: sha256:77af size: 528\n";
        assert_eq!(pushed_digest(said), Some("sha256:77af"));
        assert_eq!(pushed_digest("1a2b: Pushed\n"), None);
    }

    #[test]
    fn what_a_registry_refuses_names_the_way_in() {
        let hint = |words| push_hint("docker", "10.0.0.2:5000", "10.0.0.2:5000/web:1", words);
        assert!(hint("no basic auth credentials").starts_with("docker login 10.0.0.2:5000"));
        assert!(hint("http: server gave HTTP response to HTTPS client").contains("insecure-registries"));
        assert_eq!(hint("connection refused"), "docker push 10.0.0.2:5000/web:1");
    }

    #[test]
    fn what_is_missing_names_the_way_out() {
        let hint = |words: &str| missing(&[("docker", words.into())], Some(PackageManager::Apt)).hint.unwrap();
        assert!(hint("Got permission denied while trying to connect to the Docker daemon socket").contains("usermod"));
        assert!(hint("Cannot connect to the Docker daemon at unix:///x").contains("systemctl start docker"));
        assert_eq!(hint("not installed"), "sudo apt install podman");
    }
}
