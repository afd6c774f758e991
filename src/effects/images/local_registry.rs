//! A registry on this computer's loopback address that takes what Docker pushes: only the layers that are not kept here,
//! where `docker save` would write all of them
//! (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md>).

mod answer;
mod uploads;

use std::{fs, io, path::Path, sync::Arc};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use self::uploads::Uploads;
use super::layout::{Layout, Parts};
use crate::model::image::Blob;

/// The one repository that it has.
const REPOSITORY: &str = "orchestrator";
/// Has the port of the last time, below the layout's folder: Docker remembers by address which layers a registry has.
const PORT: &str = "registry-port";

/// A registry that ends when it is dropped.
pub struct LocalRegistry {
    port: u16,
    uploads: Arc<Uploads>,
    /// Ends with it.
    _serving: JoinSet<()>,
}

impl LocalRegistry {
    /// Opens a registry that has what `layout` has, and keeps what comes in `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written or there is no port.
    pub async fn open(layout: Layout, folder: &Path) -> io::Result<Self> {
        let listener = listen(&layout.folder().join(PORT)).await?;
        let port = listener.local_addr()?.port();
        let uploads = Arc::new(Uploads::new(layout, folder)?);
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, uploads.clone()));
        Ok(Self { port, uploads, _serving: serving })
    }

    /// Returns a name for an image to push, that no other image has.
    pub fn reference(&self) -> String {
        format!("127.0.0.1:{}/{REPOSITORY}:{}", self.port, uuid::Uuid::new_v4().simple())
    }

    /// Returns what an image is made of that was pushed with this digest, and moves what came of it to where it is kept.
    ///
    /// # Errors
    /// When it was not pushed, is not one image, or part of it is not here.
    pub fn take(&self, digest: &str) -> io::Result<Parts> {
        let manifest = self.image(digest)?;
        let part = |described: &Value| -> io::Result<Blob> {
            let digest = described["digest"].as_str().ok_or_else(|| io::Error::other("it is not one image"))?;
            self.uploads.place(digest)
        };
        let layers = manifest["layers"].as_array().into_iter().flatten();
        Ok(Parts { config: part(&manifest["config"])?, layers: layers.map(part).collect::<Result<_, _>>()? })
    }

    /// Returns the manifest of the image: the only one of an index, beside what BuildKit attests about it
    /// (<https://docs.docker.com/build/metadata/attestations/attestation-storage/>).
    fn image(&self, digest: &str) -> io::Result<Value> {
        let pushed = |digest: &str| self.uploads.manifest(digest).ok_or_else(|| io::Error::other("it was not pushed"));
        let manifest = pushed(digest)?;
        let Some(listed) = manifest["manifests"].as_array() else { return Ok(manifest) };
        let is_image = |listed: &&Value| listed["annotations"]["vnd.docker.reference.type"].is_null();
        let images: Vec<_> = listed.iter().filter(is_image).filter_map(|image| image["digest"].as_str()).collect();
        match images[..] {
            [image] => pushed(image),
            _ => Err(io::Error::other("it is not one image")),
        }
    }
}

async fn listen(remembered: &Path) -> io::Result<TcpListener> {
    let last = fs::read_to_string(remembered).ok().and_then(|text| text.trim().parse().ok());
    if let Some(port) = last
        && let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await
    {
        return Ok(listener);
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    fs::write(remembered, listener.local_addr()?.port().to_string())?;
    Ok(listener)
}

async fn serve(listener: TcpListener, uploads: Arc<Uploads>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => _ = connections.spawn(connection(stream, uploads.clone())),
                Err(_) => return,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, uploads: Arc<Uploads>) {
    let service = service_fn(|request| answer::answer(uploads.clone(), request));
    // Docker tries TLS first, which this is not; it then asks again in plain HTTP.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

#[cfg(test)]
mod tests {
    use reqwest::{Client, Method, StatusCode};
    use serde_json::json;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::model::hex::hex;

    struct Place {
        folder: tempfile::TempDir,
        layout: Layout,
        registry: LocalRegistry,
    }

    impl Place {
        async fn new() -> Self {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let folder = tempfile::tempdir().unwrap();
            let layout = Layout::new(folder.path().join("layout"));
            fs::create_dir_all(layout.blob("sha256:0").parent().unwrap()).unwrap();
            let registry = LocalRegistry::open(layout.clone(), folder.path()).await.unwrap();
            Self { folder, layout, registry }
        }

        async fn ask(&self, method: Method, path: &str, body: &str) -> reqwest::Response {
            let url = format!("http://127.0.0.1:{}{path}", self.registry.port);
            Client::new().request(method, url).body(body.to_owned()).send().await.unwrap()
        }

        /// Sends a blob in two parts, as Docker does, and says that it has this digest.
        async fn send(&self, parts: [&str; 2], digest: &str) -> StatusCode {
            let begun = self.ask(Method::POST, "/v2/orchestrator/blobs/uploads/", "").await;
            assert_eq!(begun.status(), StatusCode::ACCEPTED);
            let place = begun.headers()["location"].to_str().unwrap().to_owned();
            let went_on = self.ask(Method::PATCH, &place, parts[0]).await;
            assert_eq!(went_on.headers()["range"], format!("0-{}", parts[0].len() - 1));
            let digest = digest.replace(':', "%3A");
            self.ask(Method::PUT, &format!("{place}?digest={digest}"), parts[1]).await.status()
        }
    }

    fn digest(text: &str) -> String {
        format!("sha256:{}", hex(Sha256::digest(text)))
    }

    #[tokio::test]
    async fn what_is_pushed_is_taken_and_what_is_here_need_not_come() {
        let place = Place::new().await;
        let blob = |text: &str| format!("/v2/orchestrator/blobs/{}", digest(text));
        assert_eq!(place.ask(Method::GET, "/v2/", "").await.status(), StatusCode::OK);
        fs::write(place.layout.blob(&digest("base")), "base").unwrap();
        let there = place.ask(Method::HEAD, &blob("base"), "").await;
        assert_eq!((there.status(), there.headers()["content-length"].to_str().unwrap()), (StatusCode::OK, "4"));
        assert_eq!(place.ask(Method::HEAD, &blob("{}"), "").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(place.send(["{", "}"], &digest("{}")).await, StatusCode::CREATED);
        assert_eq!(place.ask(Method::HEAD, &blob("{}"), "").await.status(), StatusCode::OK);

        let manifest = json!({"config": {"digest": digest("{}")}, "layers": [{"digest": digest("base")}]}).to_string();
        let kept = place.ask(Method::PUT, "/v2/orchestrator/manifests/tag", &manifest).await;
        assert_eq!(
            (kept.status(), kept.headers()[answer::DIGEST].to_str().unwrap()),
            (StatusCode::CREATED, &*digest(&manifest))
        );
        let parts = place.registry.take(&digest(&manifest)).unwrap();
        assert_eq!((parts.config.digest, parts.layers[0].size), (digest("{}"), 4));
        assert_eq!(fs::read_to_string(place.layout.blob(&digest("{}"))).unwrap(), "{}");
    }

    #[tokio::test]
    async fn an_index_is_its_image_without_what_is_attested_about_it() {
        let place = Place::new().await;
        fs::write(place.layout.blob(&digest("{}")), "{}").unwrap();
        let image = json!({"config": {"digest": digest("{}")}, "layers": []}).to_string();
        let listed = |image: &str| json!({"digest": digest(image), "platform": {"os": "linux"}});
        let attested =
            json!({"digest": digest("other"), "annotations": {"vnd.docker.reference.type": "attestation-manifest"}});
        let index = json!({"manifests": [listed(&image), attested]}).to_string();
        let two = json!({"manifests": [listed(&image), listed("other")]}).to_string();
        for manifest in [&image, &index, &two] {
            place.ask(Method::PUT, &format!("/v2/orchestrator/manifests/{}", digest(manifest)), manifest).await;
        }
        assert_eq!(place.registry.take(&digest(&index)).unwrap().config.digest, digest("{}"));
        assert_eq!(place.registry.take(&digest(&two)).unwrap_err().to_string(), "it is not one image");
    }

    #[tokio::test]
    async fn what_is_not_what_it_says_is_not_taken() {
        let place = Place::new().await;
        assert_eq!(place.send(["b", "ad"], &digest("good")).await, StatusCode::BAD_REQUEST);
        assert_eq!(place.send(["b", "ad"], "sha256:../../x").await, StatusCode::BAD_REQUEST);
        for path in ["/v2/other/blobs/uploads/", "/v2/orchestrator", "/", "/v2/orchestrator/blobs/uploads/unknown"] {
            assert_eq!(place.ask(Method::POST, path, "").await.status(), StatusCode::NOT_FOUND, "{path}");
        }
        let take = |manifest: &str| place.registry.take(&digest(manifest)).unwrap_err().to_string();
        assert_eq!(take("{}"), "it was not pushed");
        for (manifest, said) in [
            (json!({"manifests": []}).to_string(), "it is not one image"),
            (json!({"config": {"digest": "sha256:../x"}}).to_string(), "sha256:../x is no SHA-256"),
        ] {
            place.ask(Method::PUT, "/v2/orchestrator/manifests/tag", &manifest).await;
            assert_eq!(take(&manifest), said);
        }
    }

    #[tokio::test]
    async fn docker_finds_it_again_where_it_was() {
        let place = Place::new().await;
        let port = place.registry.port;
        let next = LocalRegistry::open(place.layout.clone(), place.folder.path()).await.unwrap();
        assert_ne!(next.port, port, "two at the same time");
        let last = next.port;
        drop((next, place.registry));
        tokio::task::yield_now().await;
        let again = LocalRegistry::open(place.layout, place.folder.path()).await.unwrap();
        assert_eq!(again.port, last);
    }
}
