# Saves a snapshot of the cluster's etcd under the name that standard input gives.
read -r name
exec /usr/local/bin/k3s etcd-snapshot save --name "$name" </dev/null
