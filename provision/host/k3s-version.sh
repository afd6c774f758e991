# Prints which K3s the binary is, and has it unpack itself, which its first start would wait for; fails when it cannot be
# run.
set -e
/usr/local/bin/k3s --version </dev/null
/usr/local/bin/k3s ctr --version </dev/null >/dev/null
