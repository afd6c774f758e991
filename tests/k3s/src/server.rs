//! `k3s server`.

pub mod datastore;
pub mod listen;

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use orchestrator::{
    model::Role as NodeRole,
    rehearsal::{
        api::{Api, Phase},
        control::{
            self,
            world::{Pace as PodPace, World},
        },
        store::Store,
    },
};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::{
    agent,
    cluster_access::Access,
    config::Settings,
    faults::{Faults, NO_NETWORK},
    kubeconfig,
    kubelet::Kubelet,
    log::{self, Fatal},
    members::{Member, Members, Role},
    node_facts,
    pace::{LISTEN, LOST, Pace, READY, REGISTER_SERVER, UP},
    paths::{Paths, write},
    peers::Peers,
    supervisor::{Secrets, Supervisor, critical},
    tls::{self, Authority, Serving},
    token::Token,
    version,
};
use datastore::Datastore;

const PEER_PORT: u16 = 2380;

/// Runs a server until it fails.
///
/// # Errors
/// What K3s would end with.
pub async fn run(settings: &Settings, pace: Pace) -> Result<(), Fatal> {
    let paths = Paths::new(settings.text("data-dir"));
    let version = version::current();
    log::info(format!("Starting k3s {version} ({})", version::commit(&version)));
    let faults = Faults::read(&paths)?;
    faults.begin().await?;
    let address = node_facts::address(settings)?;
    node_facts::check_interface(settings)?;
    let secrets = secrets(settings, &paths)?;
    let socket = listen::take(settings)?;
    let own = own_member(settings, address)?;
    let (here, names) = (own.url.clone(), own.names.clone());
    let Datastore { file, members } = Datastore::prepare(settings, &paths, own).await?;
    let peer_listener = match &members {
        Some(_) => Some(listen::peers(SocketAddr::new(address, PEER_PORT)).await?),
        None => None,
    };
    tls::ensure_authorities(&paths)?;
    let authority = Authority::read(&paths, "server-ca")?;
    let store = Arc::new(Store::open(&file).map_err(preparing)?);
    let serving = Arc::new(Serving::open(&paths, names.clone()));
    serving.add(&authority, names)?;
    let client_ca = fs::read_to_string(paths.tls("client-ca.crt"))?;
    let acceptor = TlsAcceptor::from(tls::listener(Arc::clone(&serving), &client_ca)?);
    let server = Server {
        world: world(settings, &authority, pace),
        ca: authority.pem.clone(),
        members,
        ready: watch::Sender::new(false),
        here,
        settings,
        paths,
        secrets,
        pace,
        faults,
        store,
    };
    let api = server.api(&version);
    let supervisor = server.supervisor(&api);
    let peers = server.members.as_ref().map(|members| {
        Arc::new(Peers {
            members: Arc::clone(members),
            store: Arc::clone(&server.store),
            serving,
            authority,
            secret: server.secrets.server.clone(),
            pace,
        })
    });

    tokio::time::sleep(pace.of(LISTEN)).await;
    let listener = socket.listen(1024).map_err(preparing)?;
    server.write_files()?;
    let answered_peers = async {
        match (peer_listener, &peers) {
            (Some(listener), Some(peers)) => {
                listen::accept(listener, acceptor.clone(), server.peer_api(peers), None).await;
            }
            _ => std::future::pending().await,
        }
    };
    tokio::select! {
        () = listen::accept(listener, acceptor.clone(), Arc::clone(&api), server.members.clone()) => Ok(()),
        () = answered_peers => Ok(()),
        why = server.keep_up(peers.as_deref()) => Err(why),
        () = server.play(&api, &supervisor, peers.as_deref()) => Ok(()),
        end = server.up() => end,
        why = server.faults.crash() => Err(why),
    }
}

/// Says what K3s was doing when it failed.
pub fn preparing(why: impl std::fmt::Display) -> Fatal {
    Fatal(format!("starting kubernetes: preparing server: {why}"))
}

/// Returns the cluster's secrets: as configured, else as before, else random.
fn secrets(settings: &Settings, paths: &Paths) -> Result<Secrets, Fatal> {
    let secret = |text: &str| Token::parse(text.trim()).map(|token| token.secret).map_err(preparing);
    let before = fs::read_to_string(paths.server("token")).ok().map(|text| secret(&text)).transpose()?;
    let given = settings.secret("token")?.map(|text| secret(&text)).transpose()?;
    if let (Some(before), Some(given)) = (&before, &given)
        && before != given
        && paths.server("db").exists()
    {
        return Err(preparing("bootstrap data already found and encrypted with different token"));
    }
    let server = given.or(before).unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
    let agent = settings.secret("agent-token")?.map(|text| secret(&text)).transpose()?;
    Ok(Secrets { agent: agent.unwrap_or_else(|| server.clone()), server })
}

/// Returns what this server would be as a member of etcd, without an id.
fn own_member(settings: &Settings, address: IpAddr) -> Result<Member, Fatal> {
    let node = node_facts::name(settings);
    let mut names = vec![node.clone(), address.to_string()];
    names.extend(settings.text("advertise-address").map(str::to_owned));
    names.extend(settings.list("tls-san").into_iter().chain(settings.list("node-external-ip")).map(str::to_owned));
    let url = format!("https://{}", SocketAddr::new(address, listen::port(settings)?));
    let peer = format!("https://{}", SocketAddr::new(address, PEER_PORT));
    Ok(Member { id: String::new(), node, url, peer, learner: false, names })
}

fn world(settings: &Settings, authority: &Authority, pace: Pace) -> Arc<World> {
    let pace = match pace {
        Pace::Real => PodPace::real(),
        Pace::Fast => PodPace::default(),
    };
    let world = World::new(Default::default(), pace);
    world.set_ca(&authority.pem);
    world.set_disabled(settings.list("disable").into_iter().map(str::to_owned).collect());
    world.set_served();
    Arc::new(world)
}

/// One server, ready to run.
struct Server<'a> {
    settings: &'a Settings,
    paths: Paths,
    secrets: Secrets,
    pace: Pace,
    faults: Faults,
    /// The certificate of the server authority, as PEM.
    ca: String,
    /// Where it answers, as `https://10.0.0.4:6443`.
    here: String,
    store: Arc<Store>,
    world: Arc<World>,
    members: Option<Arc<Members>>,
    /// Whether `/readyz` may say yes.
    ready: watch::Sender<bool>,
}

impl Server<'_> {
    fn api(&self, version: &str) -> Arc<Api> {
        let token = uuid::Uuid::new_v4().to_string();
        let api = Arc::new(Api::new(Arc::clone(&self.store), token, &self.ca, version).private());
        api.set_phase(Phase::Stopped);
        api
    }

    fn supervisor(&self, api: &Api) -> Arc<Supervisor> {
        let supervisor = Arc::new(Supervisor {
            paths: self.paths.clone(),
            store: Arc::clone(&self.store),
            world: Arc::clone(&self.world),
            secrets: self.secrets.clone(),
            members: self.members.clone(),
            configuration: critical(self.settings),
            here: self.here.clone(),
            seen: Default::default(),
        });
        let answering = Arc::clone(&supervisor);
        api.supervise(Arc::new(move |request| {
            let supervisor = Arc::clone(&answering);
            Box::pin(async move { supervisor.answer(&request) })
        }));
        supervisor
    }

    fn peer_api(&self, peers: &Arc<Peers>) -> Arc<Api> {
        let api = self.api("");
        let peers = Arc::clone(peers);
        api.supervise(Arc::new(move |request| {
            let peers = Arc::clone(&peers);
            Box::pin(async move { peers.answer(&request).await })
        }));
        api
    }

    fn write_files(&self) -> Result<(), Fatal> {
        let token = |user: &str, secret: &str| Token::full(&self.ca, user, secret) + "\n";
        let Secrets { server, agent } = &self.secrets;
        write(&self.paths.server("token"), token("server", server), 0o600)?;
        let nodes = if agent == server { token("server", server) } else { token("node", agent) };
        write(&self.paths.server("agent-token"), nodes, 0o600)?;
        let link = self.paths.server("node-token");
        if !link.exists() {
            std::os::unix::fs::symlink(self.paths.server("token"), link)?;
        }
        log::info(format!("To join node to cluster: k3s agent -s {} -t ${{NODE_TOKEN}}", self.here));
        let port = listen::port(self.settings)?;
        let kubeconfig = kubeconfig::write_admin(&self.paths, self.settings, &self.ca, port)?;
        log::info(format!("Wrote kubeconfig {kubeconfig}"));
        Ok(())
    }

    /// Keeps up with the other members, until this server is none any more.
    async fn keep_up(&self, peers: Option<&Peers>) -> Fatal {
        let Some(peers) = peers else { return std::future::pending().await };
        let why = peers.run().await;
        if !*self.ready.borrow() {
            return preparing(why.0);
        }
        log::error("etcd error: the member has been permanently removed from the cluster");
        match datastore::bury(&self.paths) {
            Ok(()) => "this node has been removed from the cluster please restart k3s to rejoin the cluster".into(),
            Err(why) => why,
        }
    }

    /// Does what its role asks for: leads with the controllers, or follows.
    async fn play(&self, api: &Api, supervisor: &Supervisor, peers: Option<&Peers>) {
        let alone = watch::Sender::new(Role::Leader);
        let mut roles = peers.map_or_else(|| alone.subscribe(), |peers| peers.members.roles());
        loop {
            let role = roles.borrow_and_update().clone();
            let other = async {
                let _ = roles.wait_for(|now| *now != role).await;
            };
            match (&role, peers) {
                (Role::Leader, _) => self.lead(api, supervisor, other).await,
                (Role::Follower(leader), Some(peers)) => {
                    tokio::select! {
                        () = other => {}
                        () = peers.follow(leader) => tokio::time::sleep(self.pace.of(1000)).await,
                    }
                }
                _ => other.await,
            }
        }
    }

    async fn lead(&self, api: &Api, supervisor: &Supervisor, until: impl Future<Output = ()>) {
        supervisor.remember();
        let control = control::start(Arc::clone(&self.store), Arc::clone(&self.world));
        api.set_phase(if *self.ready.borrow() { Phase::Ready } else { Phase::Starting });
        let mut ready = self.ready.subscribe();
        let become_ready = async {
            let _ = ready.wait_for(|ready| *ready).await;
            api.set_phase(Phase::Ready);
            std::future::pending::<()>().await;
        };
        let gone = |node: &str| {
            if let Some(Err(why)) = self.members.as_ref().map(|members| members.remove(node)) {
                log::error(why.0);
            }
        };
        tokio::select! {
            () = until => {}
            () = become_ready => {}
            () = supervisor.lose_the_silent(self.pace.of(LOST)) => {}
            () = supervisor.forget_the_deleted(gone) => {}
        }
        api.set_phase(Phase::Stopped);
        control.shutdown();
    }

    /// Waits until this server counts as a member of etcd, and there is a leader.
    async fn belong(&self) {
        let Some(members) = &self.members else { return };
        let (mut roles, mut revisions) = (members.roles(), members.revisions());
        while members.role() == Role::Lost || !members.votes() {
            tokio::select! {
                _ = roles.changed() => {}
                _ = revisions.changed() => {}
            }
        }
    }

    /// Says that the server is up, then ready; then runs its own node, for ever.
    async fn up(&self) -> Result<(), Fatal> {
        self.belong().await;
        tokio::time::sleep(self.pace.of(UP)).await;
        log::info("k3s is up and running");
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        tokio::time::sleep(self.pace.of(READY)).await;
        self.ready.send_replace(true);
        let token = format!("K10::node:{}", self.secrets.agent);
        let (access, password) = loop {
            let configured = async {
                let access = Access::open(&self.here, &self.here, &token, "node").await?;
                let password = agent::configure(self.settings, &self.paths, &access).await?;
                Ok::<_, Fatal>((access, password))
            };
            match configured.await {
                Ok(configured) => break configured,
                Err(Fatal(why)) => {
                    log::info(format!("Waiting to retrieve agent configuration; server is not ready: {why}"));
                }
            }
            tokio::time::sleep(self.pace.of(5000)).await;
        };
        let etcd = self.members.is_some();
        let node = node_facts::node(self.settings, NodeRole::Server, etcd, NO_NETWORK)?;
        let kubelet = Kubelet::new(access, &self.here, node, password, self.settings, &self.faults, self.pace)?;
        let (registered, _up) = watch::channel(false);
        kubelet.run(&self.paths, self.pace.of(REGISTER_SERVER), registered).await;
        Ok(())
    }
}
