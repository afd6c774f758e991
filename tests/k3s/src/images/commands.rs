//! `k3s ctr` and `k3s crictl`, as far as images go.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{Image, Images};
use crate::paths::host_root;

/// The runtime's socket, on the host.
pub const SOCKET: &str = "run/k3s/containerd/containerd.sock";

/// Answers whoever connects to the runtime's socket with where its images are, for ever.
///
/// # Errors
/// When the socket cannot be made.
pub async fn serve(socket: &Path, store: PathBuf) -> io::Result<()> {
    use tokio::io::AsyncWriteExt;
    fs::create_dir_all(socket.parent().unwrap_or(Path::new("/")))?;
    let _ = fs::remove_file(socket);
    let listener = tokio::net::UnixListener::bind(socket)?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let _ = stream.write_all(store.display().to_string().as_bytes()).await;
    }
}

fn connect(namespace: &str) -> Result<Images, String> {
    let socket = host_root().join(SOCKET);
    if !socket.exists() {
        return Err(format!("cannot access socket {}: no such file or directory", socket.display()));
    }
    let mut store = String::new();
    let answered = UnixStream::connect(&socket).and_then(|mut stream| stream.read_to_string(&mut store));
    answered.map_err(|error| {
        format!(
            "failed to dial {:?}: context deadline exceeded: connection error: {error}",
            socket.display().to_string()
        )
    })?;
    Ok(Images::open(Path::new(&store), namespace))
}

/// Runs `ctr` and returns what it prints.
///
/// # Errors
/// What it prints when it fails.
pub fn ctr(arguments: &[String]) -> Result<String, String> {
    let mut namespace = "k8s.io";
    let mut words = Vec::new();
    let mut quiet = false;
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        match word {
            "-n" | "--namespace" => namespace = rest.next().unwrap_or("k8s.io"),
            "-a" | "--address" | "--base-name" | "--platform" | "--snapshotter" | "--index-name" => drop(rest.next()),
            "-q" | "--quiet" => quiet = true,
            "-" => words.push(word),
            _ if word.starts_with("--namespace=") => namespace = &word["--namespace=".len()..],
            _ if word.starts_with('-') => {}
            _ => words.push(word),
        }
    }
    match words[..] {
        [] if arguments.iter().any(|word| word == "--version") => {
            Ok("ctr github.com/k3s-io/containerd v2.1.4-k3s1\n".into())
        }
        ["version"] => connect(namespace).map(|_| "Client:\n  Version:  v2.1.4-k3s1\n".into()),
        ["images" | "image" | "i", "import", file] => import(&connect(namespace)?, file),
        ["images" | "image" | "i", "ls" | "list"] => Ok(list(&connect(namespace)?, quiet)),
        ["images" | "image" | "i", "check"] => Ok(check(&connect(namespace)?, quiet)),
        ["images" | "image" | "i", "rm" | "remove" | "delete" | "del", ref names @ ..] => {
            remove(&connect(namespace)?, names)
        }
        ["images" | "image" | "i", "tag", from, to] => tag(&connect(namespace)?, from, to),
        ["content" | "c", "ls" | "list"] => {
            Ok(connect(namespace)?.content().iter().map(|digest| format!("{digest}\n")).collect())
        }
        _ => Err(format!("No help topic for '{}'", words.join(" "))),
    }
}

fn import(images: &Images, file: &str) -> Result<String, String> {
    let names = match file {
        "-" => images.import(io::stdin())?,
        path => images.import(File::open(path).map_err(|_| format!("open {path}: no such file or directory"))?)?,
    };
    await_kubelet(images, &names);
    let all = images.list();
    let lines = names.iter().filter_map(|name| Some(format!("unpacking {name} ({})...done\n", all.get(name)?.digest)));
    Ok(lines.collect())
}

/// A real kubelet asks the runtime and knows an image at once; this one tells of it a moment later.
fn await_kubelet(images: &Images, names: &[String]) {
    let end = Instant::now() + Duration::from_secs(10);
    let lacks = || images.known_names().is_some_and(|known| names.iter().any(|name| !known.contains(name)));
    while lacks() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn list(images: &Images, quiet: bool) -> String {
    let all = images.list();
    if quiet {
        return all.keys().map(|name| format!("{name}\n")).collect();
    }
    let line = |(name, image): (&String, &Image)| {
        let (_, bytes) = images.present(image);
        format!("{name} {} {} {bytes} B linux/amd64 io.cri-containerd.image=managed\n", image.media_type, image.digest)
    };
    "REF TYPE DIGEST SIZE PLATFORMS LABELS\n".to_owned() + &all.iter().map(line).collect::<String>()
}

fn check(images: &Images, quiet: bool) -> String {
    let line = |(name, image): (&String, &Image)| {
        let ((here, bytes), all) = (images.present(image), image.blobs.len());
        let state = if here == all { "complete" } else { "incomplete" };
        match (quiet, here == all) {
            (true, true) => format!("{name}\n"),
            (true, false) => String::new(),
            (false, _) => format!(
                "{name} {} {} {state} ({here}/{all}) {bytes} B/{bytes} B true\n",
                image.media_type, image.digest
            ),
        }
    };
    let head = if quiet { "" } else { "REF TYPE DIGEST STATUS SIZE UNPACKED\n" };
    head.to_owned() + &images.list().iter().map(line).collect::<String>()
}

fn remove(images: &Images, names: &[&str]) -> Result<String, String> {
    let mut missing = None;
    let changed = images.change(|all| missing = names.iter().find(|name| all.remove(**name).is_none()));
    changed.map_err(|error| error.to_string())?;
    match missing {
        Some(name) => Err(format!("unable to delete {name}: image {name:?}: not found")),
        None => Ok(names.join("\n") + "\n"),
    }
}

fn tag(images: &Images, from: &str, to: &str) -> Result<String, String> {
    let image = images.list().remove(from).ok_or_else(|| format!("image {from:?}: not found"))?;
    images.change(|all| drop(all.insert(to.into(), image))).map_err(|error| error.to_string())?;
    Ok(format!("{to}\n"))
}

/// Runs `crictl images` and returns what it prints.
///
/// # Errors
/// What it prints when it fails.
pub fn crictl(arguments: &[String]) -> Result<String, String> {
    let words: Vec<_> = arguments.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let images = connect("k8s.io")?;
    let quiet = arguments.iter().any(|word| word == "-q" || word == "--quiet");
    match words[..] {
        ["images" | "image" | "img"] => {
            let line = |(name, image): (&String, &Image)| {
                let id = image.config.trim_start_matches("sha256:");
                let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "<none>"));
                match quiet {
                    true => format!("{}\n", image.config),
                    false => format!("{repository} {tag} {} {}B\n", &id[..id.len().min(13)], images.present(image).1),
                }
            };
            let head = if quiet { "" } else { "IMAGE TAG IMAGE ID SIZE\n" };
            Ok(head.to_owned() + &images.list().iter().map(line).collect::<String>())
        }
        ["rmi", ref names @ ..] => remove(&images, names),
        _ => Err(format!("No help topic for '{}'", words.join(" "))),
    }
}
