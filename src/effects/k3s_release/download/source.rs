//! The server that releases are fetched from.

use std::time::Duration;

use http::{StatusCode, header};
use reqwest::{Client, Response, Url};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    part::Part,
    trouble::{Trouble, cause},
};
use crate::failure::{DOWNLOAD_FAILED, Failure};

/// The variable that names another server with K3s's releases.
pub const MIRROR: &str = "ORCHESTRATOR_K3S_MIRROR";
/// Where K3s publishes its releases: each has a folder of files, named by its version.
pub const RELEASES: &str = "https://github.com/k3s-io/k3s/releases/download";
/// A list of checksums has less than a kilobyte.
const LONGEST_LIST: usize = 1 << 20;
/// What must come within each [`Patience::quiet`], in bytes: less is no transfer.
const BLOCK: usize = 64 << 10;

/// How long to wait for what, and how often.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For an answer, and then for each further block of it.
    pub quiet: Duration,
    /// Before each further attempt, as long as nothing comes; bytes that came begin the row again.
    pub pauses: Vec<Duration>,
    /// For another process that fetches the same release, as long as nothing comes there.
    pub lock: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            quiet: Duration::from_secs(30),
            pauses: [1, 2, 4, 8, 15].map(Duration::from_secs).into(),
            lock: Duration::from_secs(120),
        }
    }
}

/// The server that releases are fetched from, and how to speak to it.
pub struct Source {
    client: Client,
    /// The release's folder.
    folder: Url,
    pub patience: Patience,
}

impl Source {
    /// The files of `version` below `base`. Proxies are those of the environment. Plain HTTP is spoken only if `base`
    /// asks for it.
    ///
    /// # Errors
    /// When `base` is no address; when this computer has no CA certificates.
    pub fn new(base: &str, version: &str, patience: Patience) -> Result<Self, Failure> {
        let cannot = |because: String, next: String| {
            let what = format!("cannot fetch K3s from {}", without_password(base));
            Failure::new(&DOWNLOAD_FAILED, what).because(because).hint(next)
        };
        let no_address = |because| cannot(because, format!("{MIRROR}={RELEASES} ./orchestrator create"));
        let address = format!("{}/{}/", base.trim_end_matches('/'), version.replace('+', "%2B"));
        let folder = Url::parse(&address).map_err(|error| no_address(error.to_string()))?;
        if !matches!(folder.scheme(), "http" | "https") {
            return Err(no_address(format!("`{}` is neither http nor https", folder.scheme())));
        }
        let client = Client::builder()
            .https_only(folder.scheme() == "https")
            .connect_timeout(patience.connect)
            .user_agent(concat!("orchestrator/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| cannot(cause(&error), "sudo apt install ca-certificates".into()))?;
        Ok(Self { client, folder, patience })
    }

    /// Returns where a file is, without the name and password that the address may have.
    pub fn address(&self, name: &str) -> String {
        let mut url = self.url(name);
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        url.into()
    }

    /// Returns the server's name.
    pub fn host(&self) -> &str {
        self.folder.host_str().unwrap_or_default()
    }

    fn url(&self, name: &str) -> Url {
        self.folder.join(name).expect("names of files are relative addresses")
    }

    /// Returns a small file.
    pub async fn text(&self, name: &str) -> Result<String, Trouble> {
        let mut response = self.ask(name, 0).await?;
        if response.status() != StatusCode::OK {
            return Err(Trouble::Status(response.status()));
        }
        let mut text = Vec::new();
        let deadline = Instant::now() + self.patience.quiet;
        while let Some(bytes) = self.by(deadline, &mut response).await? {
            text.extend_from_slice(&bytes);
            if text.len() > LONGEST_LIST {
                return Err(Trouble::Connection("it sends no list of checksums, but something long".into()));
            }
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Has the rest of a file in `part`; `progress` is told of how many bytes how many have come.
    pub async fn receive(&self, name: &str, part: &mut Part, progress: &dyn Fn(u64, u64)) -> Result<(), Trouble> {
        let mut response = self.ask(name, part.size()).await?;
        match response.status() {
            StatusCode::OK => part.restart().await?,
            StatusCode::PARTIAL_CONTENT if begins_at(&response) == Some(part.size()) => part.seam = true,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if part.size() > 0 => {
                part.restart().await?;
                return Err(Trouble::WrongPiece);
            }
            status => return Err(Trouble::Status(status)),
        }
        let whole = part.size() + response.content_length().unwrap_or_default();
        let (mut deadline, mut block) = (Instant::now() + self.patience.quiet, 0);
        progress(part.size(), whole);
        while let Some(bytes) = self.by(deadline, &mut response).await? {
            part.write(&bytes).await?;
            progress(part.size(), whole.max(part.size()));
            block += bytes.len();
            if block >= BLOCK {
                (deadline, block) = (Instant::now() + self.patience.quiet, 0);
            }
        }
        part.keep().await?;
        Ok(())
    }

    async fn ask(&self, name: &str, from: u64) -> Result<Response, Trouble> {
        let mut request = self.client.get(self.url(name));
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let answer = timeout(self.patience.quiet, request.send()).await;
        Ok(answer.map_err(|_| self.silence("no answer"))??)
    }

    async fn by(&self, deadline: Instant, response: &mut Response) -> Result<Option<bytes::Bytes>, Trouble> {
        let chunk = timeout_at(deadline, response.chunk()).await;
        Ok(chunk.map_err(|_| self.silence("nothing more, or next to nothing,"))??)
    }

    fn silence(&self, what: &str) -> Trouble {
        Trouble::Connection(format!("{what} in {}", humantime::format_duration(self.patience.quiet)))
    }
}

/// Returns an address without what comes before an `@`.
fn without_password(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, rest)| rest)
}

/// Returns where the piece begins that the server sends (RFC 9110, 14.4).
fn begins_at(response: &Response) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(base: &str) -> Result<Source, Failure> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Source::new(base, "v1.33.5+k3s1", Patience::default())
    }

    #[test]
    fn the_plus_of_a_version_is_not_a_space() {
        let address = source(RELEASES).unwrap().address("k3s-arm64");
        assert_eq!(address, "https://github.com/k3s-io/k3s/releases/download/v1.33.5%2Bk3s1/k3s-arm64");
    }

    #[test]
    fn a_mirror_may_have_a_password_and_nobody_is_shown_it() {
        let address = source("http://me:secret@mirror.test:81/k3s/").unwrap().address("k3s");
        assert_eq!(address, "http://mirror.test:81/k3s/v1.33.5%2Bk3s1/k3s");
    }

    #[test]
    fn what_is_no_web_address_is_refused() {
        assert!(source("mirror.test/k3s").is_err());
        assert!(source("ftp://mirror.test").err().unwrap().to_string().contains("ftp"));
    }
}
