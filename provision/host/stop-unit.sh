# Stops the unit that standard input names, in time or by force. Says whether it ran.
read -r unit
state=$(systemctl is-active "$unit" 2>/dev/null)
case $state in
    active | activating | deactivating | reloading)
        timeout 60 systemctl stop "$unit" || { systemctl kill -s KILL "$unit"; systemctl stop "$unit"; }
        echo changed
        ;;
    failed) systemctl reset-failed "$unit" ;;
esac
true
