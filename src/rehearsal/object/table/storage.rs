//! Tables of volumes, claims and their classes.

use serde_json::{Value, json};

use super::super::read::{has, is_true};
use super::{AGE, NAME, Printer, Row, column, joined, plain, wide};

pub(super) static VOLUME: Printer = Printer {
    columns: &[
        NAME,
        column("Capacity", "Size of the volume."),
        column("Access Modes", "How nodes may mount it."),
        column("Reclaim Policy", "What becomes of it when its claim is gone."),
        column("Status", "Whether it is bound."),
        column("Claim", "Claim it is bound to."),
        column("StorageClass", "Class it belongs to."),
        column("VolumeAttributesClass", "Class of its attributes."),
        column("Reason", "Why it is as it is."),
        AGE,
        wide("VolumeMode", "Whether it is a file system or a block device."),
    ],
    cells: |row| {
        let claim = if has(row.object, "/spec/claimRef") {
            format!("{}/{}", row.text("/spec/claimRef/namespace"), row.text("/spec/claimRef/name"))
        } else {
            String::new()
        };
        vec![
            row.name(),
            json!(row.text("/spec/capacity/storage")),
            modes(row, "/spec/accessModes"),
            json!(row.text("/spec/persistentVolumeReclaimPolicy")),
            phase(row),
            json!(claim),
            json!(row.text("/spec/storageClassName")),
            row.text_or("/spec/volumeAttributesClassName", "<unset>"),
            json!(row.text("/status/reason")),
            row.age(),
            row.text_or("/spec/volumeMode", "<unset>"),
        ]
    },
};

pub(super) static CLAIM: Printer = Printer {
    columns: &[
        NAME,
        column("Status", "Whether it is bound."),
        column("Volume", "Volume it is bound to."),
        column("Capacity", "Size of that volume."),
        column("Access Modes", "How nodes may mount that volume."),
        column("StorageClass", "Class the volume is to be of."),
        column("VolumeAttributesClass", "Class of its attributes."),
        AGE,
        wide("VolumeMode", "Whether it is a file system or a block device."),
    ],
    cells: |row| {
        let bound = !row.text("/spec/volumeName").is_empty();
        let capacity = if bound { row.text("/status/capacity/storage") } else { "" };
        vec![
            row.name(),
            phase(row),
            json!(row.text("/spec/volumeName")),
            json!(capacity),
            if bound { modes(row, "/status/accessModes") } else { json!("") },
            json!(row.text("/spec/storageClassName")),
            row.text_or("/spec/volumeAttributesClassName", "<unset>"),
            row.age(),
            row.text_or("/spec/volumeMode", "<unset>"),
        ]
    },
};

fn phase(row: &Row) -> Value {
    json!(if row.is_deleting() { "Terminating" } else { row.text("/status/phase") })
}

fn modes(row: &Row, pointer: &str) -> Value {
    let given: Vec<String> = row.list(pointer).iter().map(plain).collect();
    let short =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let shown =
        short.iter().filter(|(mode, _)| given.iter().any(|it| it == mode)).map(|(_, short)| (*short).to_owned());
    json!(joined(shown, ","))
}

const DEFAULT_CLASS: &str = "/metadata/annotations/storageclass.kubernetes.io~1is-default-class";

pub(super) static CLASS: Printer = Printer {
    columns: &[
        NAME,
        column("Provisioner", "What makes the volumes."),
        column("ReclaimPolicy", "What becomes of a volume when its claim is gone."),
        column("VolumeBindingMode", "Whether a claim waits for its first pod."),
        column("AllowVolumeExpansion", "Whether claims may grow."),
        AGE,
    ],
    cells: |row| {
        let default = if row.text(DEFAULT_CLASS) == "true" { " (default)" } else { "" };
        vec![
            json!(format!("{}{default}", row.text("/metadata/name"))),
            json!(row.text("/provisioner")),
            row.text_or("/reclaimPolicy", "Delete"),
            row.text_or("/volumeBindingMode", "Immediate"),
            json!(is_true(row.object, "/allowVolumeExpansion")),
            row.age(),
        ]
    },
};

#[cfg(test)]
mod tests {
    use super::super::tests::case;
    use serde_json::json;

    #[test]
    fn a_claim_shows_its_volume_once_it_is_bound() {
        let spec =
            json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "local-path", "volumeMode": "Filesystem"});
        let pending = json!({"metadata": {}, "spec": spec, "status": {"phase": "Pending"}});
        let cells = json!(["x", "Pending", "", "", "", "local-path", "<unset>", "5m", "Filesystem"]);
        case("PersistentVolumeClaim", pending, cells);
        let mut bound = json!({"metadata": {}, "spec": spec, "status":
            {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}});
        bound["spec"]["volumeName"] = json!("pv");
        let cells = json!(["x", "Bound", "pv", "1Gi", "RWO", "local-path", "<unset>", "5m", "Filesystem"]);
        case("PersistentVolumeClaim", bound, cells);
    }

    #[test]
    fn volumes_and_classes() {
        let volume = json!({"metadata": {}, "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Delete", "claimRef": {"namespace": "n", "name": "c"}}, "status": {"phase": "Bound"}});
        let cells = json!(["x", "1Gi", "RWX", "Delete", "Bound", "n/c", "", "<unset>", "", "5m", "<unset>"]);
        case("PersistentVolume", volume, cells);
        let annotations = json!({"storageclass.kubernetes.io/is-default-class": "true"});
        let class = json!({"metadata": {"annotations": annotations}, "provisioner": "p"});
        case("StorageClass", class, json!(["x (default)", "p", "Delete", "Immediate", false, "5m"]));
    }
}
