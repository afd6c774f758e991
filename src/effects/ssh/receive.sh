# shellcheck shell=sh
# Standard input: path, mode, size in bytes and SHA-256, each on a line; then, if they are asked for, the bytes.
IFS= read -r path && IFS= read -r mode && IFS= read -r size && IFS= read -r sum || exit 1
umask 077
folder=${path%/*}
part=$folder/.${path##*/}.part

is_it() { test "$(wc -c <"$1")" -eq "$size" && test "$(sha256sum <"$1")" = "$sum  -"; }
fail() { rm -f "$part"; echo "$1" >&2; exit 1; }

if test -f "$path" && test ! -L "$path" && is_it "$path"; then
    test "$(stat -c %a "$path")" = "$mode" && test "$(stat -c %u "$path")" = "$(id -u)" && { echo same; exit 0; }
    chown "$(id -u):$(id -g)" "$path" || fail "cannot take over $path"
    chmod "$mode" "$path" || fail "cannot set the mode of $path"
    echo mode
    exit 0
fi
test ! -d "$path" || fail "$path is a folder"
mkdir -p "$folder/" || fail "cannot make the folder $folder"
rm -f "$part"
echo send
# Summed up on its way, so that it is not read a second time; that all of it was written is seen by its size.
received=$(tee "$part" | sha256sum)
arrived=$(wc -c <"$part") || fail "cannot write $part"
if test "$arrived" -ne "$size" || test "$received" != "$sum  -"; then
    fail "$((arrived)) of $size bytes arrived, or not as they were sent"
fi
chmod "$mode" "$part" || fail "cannot set the mode of $part"
sync "$part" || fail "cannot write $part to the disk"
mv -f "$part" "$path" || fail "cannot put $path in place"
sync "$folder/" 2>/dev/null || sync
