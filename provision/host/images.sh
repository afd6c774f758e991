# Says which images the node has: their names, digests and whether they are complete; then a blank line and the digests
# of all parts.
set -eu
/usr/local/bin/k3s ctr -n k8s.io images check
echo
/usr/local/bin/k3s ctr -n k8s.io content ls -q
