//! Tables of services and what routes to them.

use serde_json::{Value, json};

use super::super::read::{has, integer, list, text};
use super::{AGE, NAME, Printer, Row, SELECTOR, column, joined, labels, or_none, plain, selector};

/// How many endpoints are shown.
const MAX_ENDPOINTS: usize = 3;

pub(super) static SERVICE: Printer = Printer {
    columns: &[
        NAME,
        column("Type", "How the service is reached."),
        column("Cluster-IP", "Address inside the cluster."),
        column("External-IP", "Addresses outside the cluster."),
        column("Port(s)", "Ports of the service, and of the nodes."),
        AGE,
        SELECTOR,
    ],
    cells: |row| {
        vec![
            row.name(),
            json!(row.text("/spec/type")),
            row.text_or("/spec/clusterIP", "<none>"),
            json!(external(row)),
            json!(or_none(joined(row.list("/spec/ports").iter().map(port), ","))),
            row.age(),
            json!(labels(row.object, "/spec/selector")),
        ]
    },
};

fn port(port: &Value) -> String {
    let number = integer(port, "/port").unwrap_or(0);
    match integer(port, "/nodePort") {
        Some(node) if node > 0 => format!("{number}:{node}/{}", text(port, "/protocol")),
        _ => format!("{number}/{}", text(port, "/protocol")),
    }
}

fn external(row: &Row) -> String {
    let fixed = row.list("/spec/externalIPs").iter().map(plain);
    match row.text("/spec/type") {
        "ExternalName" => row.text("/spec/externalName").into(),
        "LoadBalancer" => {
            let all = joined(balancers(row).chain(fixed), ",");
            if all.is_empty() { "<pending>".into() } else { all }
        }
        _ => or_none(joined(fixed, ",")),
    }
}

fn balancers<'a>(row: &'a Row) -> impl Iterator<Item = String> + 'a {
    let address = |it: &Value| plain(it.get("ip").or_else(|| it.get("hostname")).unwrap_or(&Value::Null));
    row.list("/status/loadBalancer/ingress").iter().map(address).filter(|address| !address.is_empty())
}

pub(super) static ENDPOINTS: Printer = Printer {
    columns: &[NAME, column("Endpoints", "Addresses and ports that are ready."), AGE],
    cells: |row| {
        let all: Vec<String> = row.list("/subsets").iter().flat_map(subset).collect();
        vec![row.name(), json!(some_of(&all)), row.age()]
    },
};

fn subset(subset: &Value) -> Vec<String> {
    let addresses = list(subset, "/addresses").iter().map(|address| text(address, "/ip"));
    let ports = list(subset, "/ports");
    if ports.is_empty() {
        return addresses.map(str::to_owned).collect();
    }
    let number = |port: &Value| integer(port, "/port").unwrap_or(0);
    addresses.flat_map(|ip| ports.iter().map(move |port| format!("{ip}:{}", number(port)))).collect()
}

fn some_of(all: &[String]) -> String {
    match all.len() {
        0 => "<none>".into(),
        1..=MAX_ENDPOINTS => all.join(","),
        many => format!("{} + {} more...", all[..MAX_ENDPOINTS].join(","), many - MAX_ENDPOINTS),
    }
}

pub(super) static ENDPOINT_SLICE: Printer = Printer {
    columns: &[
        NAME,
        column("AddressType", "Kind of the addresses."),
        column("Ports", "Ports of the endpoints."),
        column("Endpoints", "Addresses."),
        AGE,
    ],
    cells: |row| {
        let number = |port: &Value| integer(port, "/port").map_or_else(|| "*".into(), |port| port.to_string());
        let ports: Vec<_> = row.list("/ports").iter().map(number).collect();
        let all: Vec<_> =
            row.list("/endpoints").iter().flat_map(|it| list(it, "/addresses").iter().map(plain)).collect();
        let unset = |text: String| if text == "<none>" { "<unset>".into() } else { text };
        vec![
            row.name(),
            json!(row.text("/addressType")),
            json!(unset(some_of(&ports))),
            json!(unset(some_of(&all))),
            row.age(),
        ]
    },
};

pub(super) static INGRESS: Printer = Printer {
    columns: &[
        NAME,
        column("Class", "Which controller serves it."),
        column("Hosts", "Host names it is for."),
        column("Address", "Where it is reached."),
        column("Ports", "Ports it listens on."),
        AGE,
    ],
    cells: |row| {
        let hosts: Vec<String> = row
            .list("/spec/rules")
            .iter()
            .map(|rule| text(rule, "/host"))
            .filter(|it| !it.is_empty())
            .map(str::to_owned)
            .collect();
        let hosts = if hosts.is_empty() { "*".into() } else { some_of(&hosts) };
        vec![
            row.name(),
            row.text_or("/spec/ingressClassName", "<none>"),
            json!(hosts),
            json!(joined(balancers(row), ",")),
            json!(if row.list("/spec/tls").is_empty() { "80" } else { "80, 443" }),
            row.age(),
        ]
    },
};

pub(super) static INGRESS_CLASS: Printer = Printer {
    columns: &[
        NAME,
        column("Controller", "Which controller serves the class."),
        column("Parameters", "Where its settings are."),
        AGE,
    ],
    cells: |row| {
        let parameters = if has(row.object, "/spec/parameters") {
            let kind = [row.text("/spec/parameters/kind"), row.text("/spec/parameters/apiGroup")];
            let kind = joined(kind.into_iter().filter(|it| !it.is_empty()).map(str::to_owned), ".");
            format!("{kind}/{}", row.text("/spec/parameters/name"))
        } else {
            "<none>".into()
        };
        vec![row.name(), json!(row.text("/spec/controller")), json!(parameters), row.age()]
    },
};

pub(super) static NETWORK_POLICY: Printer = Printer {
    columns: &[NAME, column("Pod-Selector", "Which pods it is for."), AGE],
    cells: |row| vec![row.name(), json!(selector(row.object, "/spec/podSelector")), row.age()],
};

#[cfg(test)]
mod tests {
    use super::super::tests::case;
    use serde_json::{Value, json};

    #[track_caller]
    fn service(spec: Value, cells: [&str; 4]) {
        let [kind, ip, external, ports] = cells;
        case("Service", json!({"metadata": {}, "spec": spec}), json!(["x", kind, ip, external, ports, "5m", "<none>"]));
    }

    #[test]
    fn services_say_how_they_are_reached() {
        let ports = json!([{"port": 80, "protocol": "TCP"}, {"port": 53, "nodePort": 30053, "protocol": "UDP"}]);
        let spec = json!({"type": "NodePort", "clusterIP": "10.43.0.9", "ports": ports});
        service(spec, ["NodePort", "10.43.0.9", "<none>", "80/TCP,53:30053/UDP"]);
        service(json!({"type": "ClusterIP", "clusterIP": "None"}), ["ClusterIP", "None", "<none>", "<none>"]);
        service(
            json!({"type": "LoadBalancer", "clusterIP": "1.1.1.1"}),
            ["LoadBalancer", "1.1.1.1", "<pending>", "<none>"],
        );
        service(json!({"type": "ExternalName", "externalName": "a.b"}), ["ExternalName", "<none>", "a.b", "<none>"]);
    }

    #[test]
    fn only_the_first_endpoints_are_shown() {
        let addresses: Vec<_> = (1..=4).map(|last| json!({"ip": format!("10.0.0.{last}")})).collect();
        let endpoints = json!({"metadata": {}, "subsets": [{"addresses": addresses, "ports": [{"port": 80}]}]});
        case("Endpoints", endpoints, json!(["x", "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...", "5m"]));
        case(
            "EndpointSlice",
            json!({"metadata": {}, "addressType": "IPv4"}),
            json!(["x", "IPv4", "<unset>", "<unset>", "5m"]),
        );
    }

    #[test]
    fn ingresses_and_policies() {
        let ingress = json!({"metadata": {}, "spec": {"rules": [{"host": "a.b"}, {}], "ingressClassName": "traefik", "tls": [{}]}});
        case("Ingress", ingress, json!(["x", "traefik", "a.b", "", "80, 443", "5m"]));
        case("NetworkPolicy", json!({"metadata": {}, "spec": {"podSelector": {}}}), json!(["x", "<none>", "5m"]));
    }
}
