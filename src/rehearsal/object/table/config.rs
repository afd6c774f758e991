//! Tables of settings, secrets, accounts and what they may do.

use serde_json::{Value, json};

use super::super::read::{entries, text};
use super::{AGE, NAME, Printer, Row, column, count, joined, wide};

pub(super) static CONFIG_MAP: Printer = Printer {
    columns: &[NAME, count("Data", "How many entries it has."), AGE],
    cells: |row| vec![row.name(), json!(keys(row, "/data") + keys(row, "/binaryData")), row.age()],
};

pub(super) static SECRET: Printer = Printer {
    columns: &[NAME, column("Type", "What the entries are for."), count("Data", "How many entries it has."), AGE],
    cells: |row| vec![row.name(), json!(row.text("/type")), json!(keys(row, "/data")), row.age()],
};

pub(super) static SERVICE_ACCOUNT: Printer = Printer {
    columns: &[NAME, count("Secrets", "How many secrets its pods may use."), AGE],
    cells: |row| vec![row.name(), json!(row.list("/secrets").len()), row.age()],
};

fn keys(row: &Row, pointer: &str) -> usize {
    entries(row.object, pointer).count()
}

pub(super) static ROLE_BINDING: Printer = Printer {
    columns: &[
        NAME,
        column("Role", "What is allowed."),
        AGE,
        wide("Users", "Users that may."),
        wide("Groups", "Groups that may."),
        wide("ServiceAccounts", "Accounts that may."),
    ],
    cells: |row| {
        let named = |kind: &'static str| row.list("/subjects").iter().filter(move |it| text(it, "/kind") == kind);
        let names = |kind| json!(joined(named(kind).map(|it| text(it, "/name").to_owned()), ", "));
        let account = |it: &Value| format!("{}/{}", text(it, "/namespace"), text(it, "/name"));
        vec![
            row.name(),
            json!(format!("{}/{}", row.text("/roleRef/kind"), row.text("/roleRef/name"))),
            row.age(),
            names("User"),
            names("Group"),
            json!(joined(named("ServiceAccount").map(account), ", ")),
        ]
    },
};

#[cfg(test)]
mod tests {
    use super::super::tests::case;
    use serde_json::json;

    #[test]
    fn entries_are_counted() {
        case("ConfigMap", json!({"metadata": {}, "data": {"a": "1"}, "binaryData": {"b": ""}}), json!(["x", 2, "5m"]));
        case("Secret", json!({"metadata": {}, "type": "Opaque", "data": {"a": ""}}), json!(["x", "Opaque", 1, "5m"]));
        case("ServiceAccount", json!({"metadata": {}}), json!(["x", 0, "5m"]));
    }

    #[test]
    fn bindings_name_who_may() {
        let subjects =
            json!([{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]);
        let binding = json!({"metadata": {}, "subjects": subjects, "roleRef": {"kind": "Role", "name": "r"}});
        case("RoleBinding", binding, json!(["x", "Role/r", "5m", "u", "", "n/s"]));
    }
}
