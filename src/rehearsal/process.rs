//! The background process of a rehearsal: serves the Kubernetes API and the machines on loopback until it is told to
//! end, or its folder is gone.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{
    api::{self, Api, Phase, Reply},
    control::{self, world::World},
    k3s::{Identity, K3s},
    kubeconfig::{ca_hash, kubeconfig},
    machines::Machines,
    pki::Tls,
    protocol::{Answer, Call, Endpoint, Folder},
    store::Store,
};

/// How often the process looks whether its folder is still there.
const LOOK: Duration = Duration::from_millis(500);

/// Serves the rehearsal that lives in `folder` and returns when it ends.
///
/// # Errors
/// When the folder cannot be used or another process serves it.
pub async fn serve(folder: &Folder, version: &str) -> io::Result<()> {
    // A session of its own: closing the terminal does not end the rehearsal.
    let _ = rustix::process::setsid();
    let lock = File::options().create(true).truncate(false).write(true).mode(0o600).open(folder.lock())?;
    take(&lock).await?;
    lock.set_len(0)?;
    write!(&lock, "{}", std::process::id())?;
    let token = token(folder)?;
    let tls = Tls::load(folder.path())?;
    let store = Arc::new(Store::open(&folder.objects())?);
    let world = Arc::new(World::new(Default::default(), Default::default()));
    world.set_ca(&tls.ca);
    let (stop, stopped) = watch::channel(false);

    let listener = listen(folder).await?;
    let port = listener.local_addr()?.port();
    let api = assemble(folder, &store, &world, &tls.ca, &token, stop)?;
    let control = control::start(store, world);
    write_endpoint(folder, &Endpoint { pid: std::process::id(), port, version: version.into() })?;

    let shutdown = ended(folder, stopped)?;
    api::serve(listener, tls, api, shutdown).await;
    control.shutdown();
    // Until the very end of the process: who sees the lock free may rely on it that the process is gone.
    std::mem::forget(lock);
    Ok(())
}

/// Takes the lock, past those who hold it for a moment to see whether anybody does.
async fn take(lock: &File) -> io::Result<()> {
    for _ in 0..100 {
        if lock.try_lock().is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(io::Error::other("another process serves this rehearsal"))
}

fn assemble(
    folder: &Folder,
    store: &Arc<Store>,
    world: &Arc<World>,
    ca: &str,
    token: &str,
    stop: watch::Sender<bool>,
) -> io::Result<Arc<Api>> {
    let logs = Arc::clone(world);
    let api = Api::new(Arc::clone(store), token, ca, "")
        .with_logs(Arc::new(move |pod, container| control::logs::log(pod, container, &logs)));
    let api = Arc::new(api);
    api.set_phase(Phase::Stopped);
    let identity = Identity { ca_hash: ca_hash(ca), kubeconfig: kubeconfig(ca, "https://127.0.0.1:6443", token) };
    let k3s = K3s::new(Arc::clone(world), identity, Arc::clone(&api));
    let machines = Arc::new(Machines::open(folder, k3s)?);
    api.extend(Arc::new(move |request| {
        let (machines, stop) = (Arc::clone(&machines), stop.clone());
        Box::pin(async move { answer(&machines, &request, &stop) })
    }));
    Ok(api)
}

fn answer(machines: &Machines, request: &Request<Bytes>, stop: &watch::Sender<bool>) -> Reply {
    let call: Call = match serde_json::from_slice(request.body()) {
        Ok(call) => call,
        Err(error) => {
            let answer = Answer::NotAnswering(format!("the request is not understood: {error}"));
            return reply(StatusCode::BAD_REQUEST, &answer);
        }
    };
    let ends = call == Call::Shutdown;
    let done = match machines.answer(call) {
        Ok(answer) => reply(StatusCode::OK, &answer),
        Err(error) => reply(StatusCode::INTERNAL_SERVER_ERROR, &Answer::NotAnswering(error.to_string())),
    };
    if ends {
        stop.send_replace(true);
    }
    done
}

fn reply(status: StatusCode, answer: &Answer) -> Reply {
    api::json(status, &serde_json::to_value(answer).expect("an answer is JSON"))
}

/// Listens where the process listened last, if that is free, so that kubeconfigs stay true.
async fn listen(folder: &Folder) -> io::Result<TcpListener> {
    if let Some(endpoint) = folder.read_endpoint()
        && let Ok(listener) = TcpListener::bind(("127.0.0.1", endpoint.port)).await
    {
        return Ok(listener);
    }
    TcpListener::bind(("127.0.0.1", 0)).await
}

fn token(folder: &Folder) -> io::Result<String> {
    match fs::read_to_string(folder.token()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let token = uuid::Uuid::new_v4().simple().to_string() + &uuid::Uuid::new_v4().simple().to_string();
            let mut file = tempfile::NamedTempFile::new_in(folder.path())?;
            file.write_all(token.as_bytes())?;
            file.persist(folder.token()).map_err(|error| error.error)?;
            Ok(token)
        }
        token => token,
    }
}

fn write_endpoint(folder: &Folder, endpoint: &Endpoint) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder.path())?;
    file.write_all(&serde_json::to_vec(endpoint)?)?;
    file.persist(folder.endpoint()).map_err(|error| error.error)?;
    Ok(())
}

/// Completes when the process shall end: it was asked to, got SIGTERM, or its folder was removed.
fn ended(folder: &Folder, mut stopped: watch::Receiver<bool>) -> io::Result<impl Future<Output = ()> + Send + use<>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let lock = folder.lock();
    let inode = fs::metadata(&lock)?.ino();
    let there = move || fs::metadata(&lock).is_ok_and(|metadata| metadata.ino() == inode);
    Ok(async move {
        let gone = async {
            while there() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => {}
            _ = terminate.recv() => {}
            () = gone => {}
        }
    })
}
