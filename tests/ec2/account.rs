use std::collections::BTreeMap;

use orchestrator::effects::ec2::{Ec2, Instance, Tags, Which};

use crate::{
    docker::Network,
    moto::{IMAGE, Moto},
};

/// An account at a moto of its own, with a subnet whose addresses are those of a network of the rig.
pub struct Account {
    pub moto: Moto,
    pub network: Network,
    pub subnet: String,
    pub image: String,
}

impl Account {
    pub fn new() -> Self {
        let (moto, network) = (Moto::start(), Network::new());
        let subnet = moto.add_subnet(&format!("{}/24", network.address(0)));
        let image = block_on(moto.client().parameter(IMAGE)).unwrap();
        Self { moto, network, subnet, image }
    }

    /// The instances that did not end.
    pub fn alive(&self) -> Vec<Instance> {
        let all = block_on(self.moto.client().instances(&Which::Like(Vec::new()))).unwrap();
        all.into_iter().filter(|instance| !instance.state.is_gone()).collect()
    }

    /// Everything that costs money or is in the way, by id, with its tags: moto's own listing.
    pub fn resources(&self) -> BTreeMap<String, Tags> {
        let client = self.moto.client();
        let mut all: BTreeMap<_, _> = self.alive().into_iter().map(|instance| (instance.id, instance.tags)).collect();
        let parts = block_on(async { [client.volumes(&[]).await.unwrap(), client.interfaces(&[]).await.unwrap()] });
        all.extend(parts.into_iter().flatten().map(|part| (part.id, part.tags)));
        let groups = block_on(client.groups(&[])).unwrap();
        all.extend(groups.into_iter().map(|group| (group.id, group.tags)));
        all
    }

    /// The same of one cluster.
    pub fn resources_of(&self, cluster: &str) -> Vec<String> {
        let is_of = |tags: &Tags| tags.get("orchestrator/cluster").is_some_and(|name| name == cluster);
        self.resources().into_iter().filter(|(_, tags)| is_of(tags)).map(|(id, _)| id).collect()
    }

    /// The places in a cluster that its instances have, in order: `agent 1-2 0`, its role, numbers and index in the call.
    pub fn places_in(&self, cluster: &str) -> Vec<String> {
        let tag = |instance: &Instance, name: &str| {
            instance.tags.get(&format!("orchestrator/{name}")).cloned().unwrap_or_default()
        };
        let ours = self.alive().into_iter().filter(|instance| tag(instance, "cluster") == cluster);
        let place = |i: Instance| format!("{} {} {}", tag(&i, "role"), tag(&i, "nodes"), i.launch_index);
        let mut places: Vec<_> = ours.map(place).collect();
        places.sort();
        places
    }
}

/// Runs a future on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
