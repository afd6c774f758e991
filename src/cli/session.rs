use std::{
    fs,
    path::{Path, PathBuf},
};

use indicatif::MultiProgress;

use super::{global::Global, interrupt, screen};
use crate::{
    config::{self, Config, MachineName, Overrides},
    effects::{
        computer::{Computer, variable},
        images::{BuiltImages, ImageSource, RehearsedImages},
        k3s_release::{
            DownloadedRelease, FolderRelease, K3sRelease, RehearsedRelease, Verified,
            download::{MIRROR, Patience, RELEASES},
        },
        kube_client::Connector,
        manifest_files,
        ssh::SshUser,
        state_directory::{Lock, State, StateDirectory},
    },
    engine::{Ending, EventKind, Run, Sink},
    failure::{CONFIG_NOT_FOUND, Failure, PROVIDER_FIXED, STATE_UNUSABLE},
    flows::{Context, View, no_cluster},
    model::{Machine, ProviderKind},
    plan::{
        cluster::Cluster,
        real::Abilities,
        resolve::resolve,
        stack::{ParsedStack, parse_stacks},
    },
    providers::{
        Provider,
        ec2::Ec2Provider,
        rehearsal::RehearsalProvider,
        ssh::{SshMachine, SshProvider},
        vagrant::VagrantProvider,
    },
    rehearsal::protocol::Settings,
    report::JsonLines,
};

/// Everything a command about a cluster needs.
pub struct Session {
    pub cluster: Cluster,
    pub directory: StateDirectory,
    pub provider: Box<dyn Provider>,
    pub release: Box<dyn K3sRelease>,
    pub images: Box<dyn ImageSource>,
    pub computer: Computer,
    progress: MultiProgress,
}

impl Session {
    /// Reads the configuration and the state; touches nothing.
    ///
    /// # Errors
    /// Every problem of the configuration; a provider that this build does not have.
    pub fn open(global: &Global, provider: Option<ProviderKind>) -> Result<Self, Failure> {
        let path = find(&global.config)?;
        let text = fs::read_to_string(&path).map_err(|error| {
            Failure::new(&CONFIG_NOT_FOUND, format!("cannot read {}", path.display())).because(error)
        })?;
        let base = path.parent().unwrap_or(Path::new("/")).to_owned();
        let shown = shown(&path);
        let parse = |provider| {
            let overrides = Overrides { cluster_name: global.cluster.clone(), provider };
            config::parse(&shown, &text, &overrides).map_err(Failure::from)
        };
        let mut config = parse(provider)?;
        let directory = StateDirectory::new(&base, &config.cluster.name);
        let state = directory.load()?;
        // A cluster stays with the provider it was made by, whatever the configuration says by now.
        let made_by = state.as_ref().and_then(|state| provider_called(&state.provider));
        if let Some(made_by) = made_by.filter(|made_by| *made_by != config.cluster.provider) {
            if provider.is_some() {
                return Err(made_otherwise(&config.cluster.name, made_by));
            }
            config = parse(Some(made_by))?;
        }
        let cluster = resolve(&config, &base);
        let progress = screen::progress();
        let computer = Computer::new();
        let (provider, release): (Box<dyn Provider>, Box<dyn K3sRelease>) = match cluster.provider {
            ProviderKind::Rehearsal => {
                let folder = directory.path().join("rehearsal");
                let settings = Settings { faults: cluster.faults.clone(), real_pace: cluster.real_pace };
                let provider = RehearsalProvider::new(folder, settings, env!("CARGO_PKG_VERSION"));
                (Box::new(provider), Box::new(RehearsedRelease))
            }
            ProviderKind::Ssh => {
                let user = SshUser::from_environment(
                    &directory.path().join("known_hosts"),
                    Box::new(screen::AskBetween(progress.clone())),
                );
                let folder = directory.path().to_owned();
                let id = state.map(|state| state.id);
                let provider = SshProvider::new(&cluster.name, id, folder, ssh_machines(&config), user)?;
                (Box::new(provider), release_of(&cluster, computer.cache()))
            }
            ProviderKind::Vagrant => {
                let (machines, cache) = (cluster.machines.clone(), computer.cache());
                let folder = std::path::absolute(directory.path()).unwrap_or_else(|_| directory.path().to_owned());
                let section = config.vagrant.clone();
                let provider =
                    VagrantProvider::new(&cluster.name, &folder, &base, section, machines, computer.clone())?;
                (Box::new(provider), release_of(&cluster, cache))
            }
            ProviderKind::Ec2 => {
                let section = config.ec2.clone();
                let provider = Ec2Provider::new(&cluster.name, directory.clone(), section, computer.data())?;
                (Box::new(provider), release_of(&cluster, computer.cache()))
            }
        };
        let images: Box<dyn ImageSource> = match cluster.provider {
            ProviderKind::Rehearsal => Box::new(RehearsedImages),
            _ => Box::new(built_images(&directory, &computer)),
        };
        Ok(Self { cluster, directory, provider, release, images, computer, progress })
    }

    /// Reads and checks the manifests of every stack.
    ///
    /// # Errors
    /// Every problem of every manifest.
    pub fn stacks(&self) -> Result<Vec<ParsedStack>, Failure> {
        let mut files = Vec::new();
        for stack in &self.cluster.stacks {
            let read = manifest_files::read(&stack.manifests)?.into_iter();
            files.push((stack, read.map(|(path, text)| (shown(&path).into(), text)).collect()));
        }
        parse_stacks(files)
    }

    /// Returns what commands that change nothing work with.
    pub fn view<'a>(&'a self, stacks: &'a [ParsedStack]) -> View<'a> {
        View {
            cluster: &self.cluster,
            provider: self.provider.as_ref(),
            directory: &self.directory,
            stacks,
            connect: &Connector,
            release: self.release.as_ref(),
            images: self.images.as_ref(),
        }
    }

    /// Returns what this computer has that a real cluster could be made with.
    pub fn abilities(&self) -> Abilities {
        let has = |program: &str| self.computer.program(program).is_some();
        Abilities {
            vagrant: has("vagrant"),
            docker: has("docker") || has("podman"),
            aws_credentials: self.computer.has_aws_credentials(),
            package_manager: self.computer.package_manager(),
        }
    }

    /// Returns the machine that is called so, in full or without the cluster's name.
    pub fn called<'m>(&self, name: &str, machines: &'m [Machine]) -> Option<&'m Machine> {
        let prefix = format!("{}-", self.cluster.name);
        machines.iter().find(|machine| machine.name == name || machine.name.strip_prefix(&prefix) == Some(name))
    }

    /// Checks that the cluster left a state, before anything is made for it.
    ///
    /// # Errors
    /// When there is no cluster.
    pub fn must_exist(&self) -> Result<(), Failure> {
        if self.directory.exists() { Ok(()) } else { Err(no_cluster(&self.cluster.name)) }
    }

    /// Makes the state directory, takes the lock and returns the state, making one for a new cluster.
    ///
    /// # Errors
    /// When another run works on the cluster or the directory cannot be used.
    pub fn lock(&self, command: &str) -> Result<(Lock, State), Failure> {
        self.directory.prepare()?;
        let lock = self.directory.lock(command)?;
        let state = if let Some(state) = self.directory.load()? {
            state
        } else {
            let state = State {
                id: uuid::Uuid::new_v4().to_string(),
                provider: self.cluster.provider.name().into(),
                token: uuid::Uuid::new_v4().simple().to_string(),
                merged_into: None,
                new: true,
            };
            self.directory.save(&state)?;
            state
        };
        Ok((lock, state))
    }

    /// Runs `flow` as a run: shown, logged, bounded, interruptible. Returns the exit code of the program.
    ///
    /// # Errors
    /// When the run cannot begin.
    pub async fn run(
        &self,
        global: &Global,
        command: &str,
        stacks: &[ParsedStack],
        state: &State,
        flow: impl AsyncFnOnce(&Context<'_>) -> Result<Ending, Failure>,
    ) -> Result<u8, Failure> {
        let log = self.directory.begin_run(command)?;
        let kubectl = format!("kubectl --kubeconfig {}", shown(&self.directory.kubeconfig()));
        let flow = async |run: &Run| {
            let context = Context { run, view: self.view(stacks), state, kubectl: &kubectl };
            flow(&context).await
        };
        Ok(self.run_on(global, command, vec![Box::new(JsonLines(log))], flow).await)
    }

    /// Runs `flow`, which needs no cluster: shown, told to `sinks` too, bounded, interruptible. Returns the exit code of
    /// the program.
    pub async fn run_on(
        &self,
        global: &Global,
        command: &str,
        mut sinks: Vec<Box<dyn Sink>>,
        flow: impl AsyncFnOnce(&Run) -> Result<Ending, Failure>,
    ) -> u8 {
        sinks.insert(0, screen::sink(global, global.verbosity(), &self.progress));
        let run = Run::new(sinks, interrupt::listen(), global.timeout).called(global.program());
        run.emit(EventKind::RunStarted {
            command: command.into(),
            cluster: self.cluster.name.clone(),
            provider: self.cluster.provider.name().into(),
            version: env!("CARGO_PKG_VERSION").into(),
        });
        let mut message = String::new();
        let result = flow(&run).await.inspect(|ending| message.clone_from(&ending.message));
        let code = run.finish(result);
        if code == 0 && !global.json() && !message.is_empty() {
            screen::print(&message);
        }
        code
    }
}

/// The images that this computer builds.
pub fn built_images(directory: &StateDirectory, computer: &Computer) -> BuiltImages {
    let cache = computer.cache().unwrap_or_else(|| directory.path().join("cache"));
    BuiltImages::new(&cache, computer.package_manager())
}

fn ssh_machines(config: &Config) -> Vec<SshMachine> {
    let machine = |(machine, host): (MachineName, &config::Host)| SshMachine {
        name: machine.name,
        role: machine.role,
        address: host.address.clone(),
        user: host.user.clone(),
        port: host.port,
        key: host.key.clone(),
    };
    config.named_hosts().map(machine).collect()
}

fn release_of(cluster: &Cluster, cache: Option<PathBuf>) -> Box<dyn K3sRelease> {
    if let Some(folder) = &cluster.k3s.artifacts {
        return Box::new(FolderRelease::new(folder.clone(), Verified::new(cache.as_deref())));
    }
    let server = variable(MIRROR).unwrap_or_else(|| RELEASES.into());
    Box::new(DownloadedRelease::new(cache, server, Patience::default()))
}

/// Looks for the configuration, in parent folders too when it is named without a folder.
fn find(config: &Path) -> Result<PathBuf, Failure> {
    let here = std::env::current_dir().map_err(|error| {
        Failure::new(&STATE_UNUSABLE, "the current folder cannot be used").because(error).hint("cd ~")
    })?;
    let bare = config.parent().is_none_or(|parent| parent.as_os_str().is_empty());
    let mut folders = here.ancestors().take(if bare { usize::MAX } else { 1 });
    folders.find_map(|folder| Some(folder.join(config)).filter(|path| path.is_file())).ok_or_else(|| {
        let place = if bare { "in this folder or one above it" } else { "there" };
        Failure::new(&CONFIG_NOT_FOUND, format!("there is no {} {place}", config.display()))
            .hint("run it in the folder of your `orchestrator.toml`, or name the file with --config")
    })
}

/// Returns a path as the user would write it here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

fn provider_called(name: &str) -> Option<ProviderKind> {
    use ProviderKind::{Ec2, Rehearsal, Ssh, Vagrant};
    [Rehearsal, Vagrant, Ec2, Ssh].into_iter().find(|kind| kind.name() == name)
}

fn made_otherwise(cluster: &str, made_by: ProviderKind) -> Failure {
    let what = format!("cluster `{cluster}` was made by provider `{}`, and stays with it", made_by.name());
    Failure::new(&PROVIDER_FIXED, what)
        .because("`--cluster NAME` makes another one beside it")
        .hint("./orchestrator destroy")
}
