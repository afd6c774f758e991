//! `k3s server`.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use orchestrator::{
    model::Role,
    rehearsal::{
        api::{self, Api, Phase},
        control::{
            self,
            world::{Pace as PodPace, World},
        },
        store::Store,
    },
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    agent,
    cluster_access::Access,
    config::Settings,
    faults::{Faults, NO_NETWORK},
    kubeconfig,
    kubelet::Kubelet,
    log::{self, Fatal},
    node_facts,
    pace::{LISTEN, LOST, Pace, READY, REGISTER_SERVER, UP},
    paths::{Paths, write},
    supervisor::{Secrets, Supervisor},
    tls::{self, Authority, Serving},
    token::Token,
    version,
};

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
    let socket = bind(settings)?;
    tls::ensure_authorities(&paths)?;
    let authority = Authority::read(&paths, "server-ca")?;
    let port = port(settings)?;

    let db = paths.server("db/state.db");
    crate::paths::make_folder(&paths.server("db"))?;
    let store = Arc::new(Store::open(&db).map_err(|error| preparing(error.to_string()))?);
    let world = Arc::new(World::new(
        Default::default(),
        match pace {
            Pace::Real => PodPace::real(),
            Pace::Fast => PodPace::default(),
        },
    ));
    world.set_ca(&authority.pem);
    world.set_disabled(settings.list("disable").into_iter().map(str::to_owned).collect());
    world.set_served();
    let api =
        Arc::new(Api::new(Arc::clone(&store), uuid::Uuid::new_v4().to_string(), &authority.pem, &version).private());
    api.set_phase(Phase::Starting);
    let here = format!("https://{}", SocketAddr::new(address, port));
    let servers = {
        let here = here.clone();
        Box::new(move || vec![here.clone()])
    };
    let supervisor = Arc::new(Supervisor {
        paths: paths.clone(),
        store: Arc::clone(&store),
        world: Arc::clone(&world),
        secrets: secrets.clone(),
        servers,
        seen: Default::default(),
    });
    supervisor.remember();
    let answering = Arc::clone(&supervisor);
    api.supervise(Arc::new(move |request| {
        let supervisor = Arc::clone(&answering);
        Box::pin(async move { supervisor.answer(&request) })
    }));
    let serving = Arc::new(Serving::open(&paths));
    serving.add(&authority, names(settings, address))?;
    let client_ca = fs::read_to_string(paths.tls("client-ca.crt"))?;
    let acceptor = TlsAcceptor::from(tls::listener(Arc::clone(&serving), &client_ca)?);

    tokio::time::sleep(pace.of(LISTEN)).await;
    let listener = socket.listen(1024).map_err(|error| taken(&error))?;
    let control = control::start(Arc::clone(&store), Arc::clone(&world));
    write_files(settings, &paths, &secrets, &authority.pem, port)?;
    let up = up(settings, &paths, &secrets, &here, &api, &faults, pace);
    let end = tokio::select! {
        () = accept(listener, acceptor, Arc::clone(&api)) => Ok(()),
        () = supervisor.lose_the_silent(pace.of(LOST)) => Ok(()),
        () = supervisor.forget_the_deleted(|_| ()) => Ok(()),
        end = up => end,
        why = faults.crash() => Err(why),
    };
    control.shutdown();
    end
}

fn preparing(why: impl std::fmt::Display) -> Fatal {
    Fatal(format!("starting kubernetes: preparing server: {why}"))
}

fn taken(error: &std::io::Error) -> Fatal {
    let why = match error.kind() {
        std::io::ErrorKind::AddrInUse => "listen tcp :6443: bind: address already in use".into(),
        _ => error.to_string(),
    };
    preparing(format!("init cluster datastore and https: {why}"))
}

fn port(settings: &Settings) -> Result<u16, Fatal> {
    Ok(settings.text("https-listen-port").map_or(Ok(6443), str::parse)?)
}

/// Takes the port; nobody is answered yet.
fn bind(settings: &Settings) -> Result<TcpSocket, Fatal> {
    let address = settings.text("bind-address").map_or(Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), str::parse)?;
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::new(address, port(settings)?)).map_err(|error| taken(&error))?;
    Ok(socket)
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

fn write_files(settings: &Settings, paths: &Paths, secrets: &Secrets, ca: &str, port: u16) -> Result<(), Fatal> {
    let token = |user: &str, secret: &str| Token::full(ca, user, secret) + "\n";
    write(&paths.server("token"), token("server", &secrets.server), 0o600)?;
    let node =
        if secrets.agent == secrets.server { token("server", &secrets.server) } else { token("node", &secrets.agent) };
    write(&paths.server("agent-token"), &node, 0o600)?;
    let link = paths.server("node-token");
    if !link.exists() {
        std::os::unix::fs::symlink(paths.server("token"), link)?;
    }
    log::info(format!(
        "To join node to cluster: k3s agent -s https://{}:{port} -t ${{NODE_TOKEN}}",
        node_facts::address(settings)?
    ));
    let kubeconfig = kubeconfig::write_admin(paths, settings, ca, port)?;
    log::info(format!("Wrote kubeconfig {kubeconfig}"));
    Ok(())
}

/// Returns the names and addresses that the serving certificate shall have.
fn names(settings: &Settings, address: IpAddr) -> Vec<String> {
    let mut names = vec![node_facts::name(settings), address.to_string()];
    names.extend(settings.text("advertise-address").map(str::to_owned));
    names.extend(settings.list("tls-san").into_iter().chain(settings.list("node-external-ip")).map(str::to_owned));
    names
}

/// Says that the server is up, then ready; then runs its own node, for ever.
async fn up(
    settings: &Settings,
    paths: &Paths,
    secrets: &Secrets,
    here: &str,
    api: &Api,
    faults: &Faults,
    pace: Pace,
) -> Result<(), Fatal> {
    tokio::time::sleep(pace.of(UP)).await;
    log::info("k3s is up and running");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tokio::time::sleep(pace.of(READY)).await;
    api.set_phase(Phase::Ready);
    let access = Access::open(here, here, &format!("K10::node:{}", secrets.agent), "node").await?;
    let password = loop {
        match agent::configure(settings, paths, &access).await {
            Ok(password) => break password,
            Err(Fatal(why)) => {
                log::info(format!("Waiting to retrieve agent configuration; server is not ready: {why}"));
            }
        }
        tokio::time::sleep(pace.of(5000)).await;
    };
    let node = node_facts::node(settings, Role::Server, false, NO_NETWORK)?;
    let kubelet = Kubelet::new(access, here, node, password, settings, faults, pace)?;
    let (registered, _up) = watch::channel(false);
    kubelet.run(paths, pace.of(REGISTER_SERVER), registered).await;
    Ok(())
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, api: Arc<Api>) {
    let (_stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(api::connection(stream, acceptor.clone(), api.clone(), stopped.clone()));
                }
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
