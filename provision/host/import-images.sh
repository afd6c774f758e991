# Imports the archive of images whose path is on standard input, and removes it and what earlier runs left beside it.
set -eu
IFS= read -r file
trap 'rm -rf "${file%/*}"' EXIT
/usr/local/bin/k3s ctr -n k8s.io images import "$file"
