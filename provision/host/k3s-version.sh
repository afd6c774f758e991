# Prints which K3s the binary is; fails when it cannot be run.
exec /usr/local/bin/k3s --version </dev/null
