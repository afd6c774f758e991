//! What members say to each other, on etcd's port.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::future::join_all;
use http::{Method, Request, StatusCode};
use orchestrator::rehearsal::{
    api::{self, Reply},
    object::status::Status,
    store::Store,
};

use crate::{
    http_client::Client,
    log::{self, Fatal},
    members::{Members, News, Role, State},
    pace::{LEARN, Pace, TICK},
    tls::{Authority, Serving},
};

/// How long a leader holds back an answer that would say nothing new.
const PATIENCE: Duration = Duration::from_secs(2);

/// One member's view of the others.
pub struct Peers {
    pub members: Arc<Members>,
    pub store: Arc<Store>,
    pub serving: Arc<Serving>,
    pub authority: Authority,
    pub secret: String,
    pub pace: Pace,
}

impl Peers {
    fn credentials(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("etcd:{}", self.secret)))
    }

    /// Answers another member.
    pub async fn answer(&self, request: &Request<Bytes>) -> Reply {
        let given = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if given != Some(&self.credentials()) {
            return api::refuse(&Status::unauthorized());
        }
        let words: Vec<_> = request.uri().path().trim_start_matches("/v1-k3s/").split('/').collect();
        let answer = match words[..] {
            ["state", id] => serde_json::to_value(self.state(id)),
            ["news", since, revision] => match self.news(since.parse().ok(), revision).await {
                Ok(news) => serde_json::to_value(news),
                Err(why) => return api::text(StatusCode::SERVICE_UNAVAILABLE, why.0),
            },
            _ => return api::refuse(&Status::no_such_path()),
        };
        api::json(StatusCode::OK, &answer.unwrap_or_default())
    }

    fn state(&self, asking: &str) -> State {
        let roster = self.members.roster();
        State {
            id: self.members.me.clone(),
            term: roster.term,
            leads: self.members.leads(),
            version: self.store.version(),
            names: self.serving.own(),
            knows: roster.members.iter().any(|member| member.id == asking),
        }
    }

    /// Returns what a follower lacks, as soon as there is something.
    async fn news(&self, since: Option<u64>, revision: &str) -> Result<News, Fatal> {
        if !self.members.leads() {
            return Err("etcdserver: no leader".into());
        }
        let (mut latest, mut revisions) = (self.store.latest(), self.members.revisions());
        let wait = async {
            tokio::select! {
                _ = latest.wait_for(|version| since.is_none_or(|since| *version > since)) => {}
                _ = revisions.wait_for(|now| now.to_string() != revision) => {}
            }
        };
        let _ = tokio::time::timeout(PATIENCE, wait).await;
        Ok(News { roster: self.members.roster(), copy: self.store.copy(since)? })
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, peer: &str, path: &str) -> Result<T, String> {
        let client = Client::trusting(peer, peer, &self.authority.pem)?;
        let headers = [("authorization", self.credentials())];
        let answer = client.send(Method::GET, &format!("/v1-k3s/{path}"), &headers, Vec::new()).await?;
        serde_json::from_slice(&answer).map_err(|error| error.to_string())
    }

    async fn states(&self) -> Vec<State> {
        let path = format!("state/{}", self.members.me);
        let roster = self.members.roster();
        let others = roster.members.iter().filter(|member| member.id != self.members.me);
        let asked = others.map(|member| tokio::time::timeout(self.pace.of(TICK) * 3, self.ask(&member.peer, &path)));
        join_all(asked).await.into_iter().filter_map(|answer| answer.ok()?.ok()).collect()
    }

    /// Keeps up with the others, until this server is a member no more.
    pub async fn run(&self) -> Fatal {
        loop {
            if let Err(why) = self.tick().await {
                return why;
            }
            tokio::time::sleep(self.pace.of(TICK)).await;
        }
    }

    async fn tick(&self) -> Result<(), Fatal> {
        let states = self.states().await;
        let role = self.members.decide(&states, self.store.version())?;
        if role != self.members.role() {
            log::info(match &role {
                Role::Leader => format!("{} became leader at term {}", self.members.me, self.members.roster().term),
                Role::Follower(leader) => format!("{} follows {leader}", self.members.me),
                Role::Lost => format!("{} has no leader", self.members.me),
            });
            self.members.set_role(role);
        }
        if self.members.leads() {
            self.members.promote(&states, self.pace.of(LEARN))?;
            self.members.change(|roster| {
                for member in &mut roster.members {
                    if let Some(state) = states.iter().find(|state| state.id == member.id) {
                        member.names.clone_from(&state.names);
                    }
                }
            })?;
        }
        let names = self.members.roster().members.into_iter().flat_map(|member| member.names);
        self.serving.add(&self.authority, names)
    }

    /// Follows a leader's changes, until it is a member no more.
    pub async fn follow(&self, leader: &str) {
        let mut since = None;
        loop {
            let roster = self.members.roster();
            let Some(peer) = roster.members.iter().find(|member| member.id == leader).map(|member| &member.peer) else {
                return;
            };
            let since_word = since.map_or("all".into(), |since: u64| since.to_string());
            match self.ask::<News>(peer, &format!("news/{since_word}/{}", roster.revision)).await {
                Ok(news) => {
                    if let Err(error) = self.store.follow(&news.copy) {
                        log::error(format!("failed to apply entries: {error}"));
                    }
                    since = Some(news.copy.version);
                    if let Err(why) = self.members.change(|roster| *roster = news.roster) {
                        log::error(why.0);
                    }
                }
                Err(why) => {
                    log::warning(format!("lost contact with {leader}: {why}"));
                    tokio::time::sleep(self.pace.of(TICK)).await;
                }
            }
        }
    }
}
