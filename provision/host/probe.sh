# Says what keeps K3s from joining, one `key value` a line, after vitals.sh. Standard input: the address of the server,
# or `-`.
read -r server
if [ "$server" != - ]; then
    if command -v bash >/dev/null 2>&1; then
        # shellcheck disable=SC2016 # bash's own parameter
        words=$(timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/6443"' "$server" 2>&1)
        case $? in
            0) say server open ;;
            124) say server "no answer within 3 s" ;;
            *) say server "${words##*: }" ;;
        esac
    fi
    say route "$(ip -o route get "$server" 2>&1 | head -n 1)"
fi
true
