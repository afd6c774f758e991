# Enables a unit and starts it without waiting. Standard input: `unit restart|keep`. Says when it started it, and whether
# it did anything.
set -eu
read -r unit how
systemctl daemon-reload
systemctl is-enabled --quiet "$unit" 2>/dev/null || { systemctl enable --quiet "$unit" 2>&1; echo changed; }
state=$(systemctl is-active "$unit" || true)
case $state-$how in active-keep | activating-keep) exit 0 ;; esac
case $state in
    inactive | failed) ;;
    *) timeout 60 systemctl stop "$unit" || systemctl kill -s KILL "$unit" ;;
esac
# A node's reports tell seconds and no less: those of the process that ended shall be told from those of the next.
ended=$(TZ=UTC systemctl show -p InactiveEnterTimestamp --value "$unit")
[ -z "$ended" ] || [ "$(date -d "$ended" +%s)" != "$(date +%s)" ] || sleep 1
now=$(date +%s)
echo "$now" >"/run/orchestrator-$unit-started"
echo "at $now"
systemctl reset-failed "$unit" 2>/dev/null || true
systemctl restart --no-block "$unit"
echo changed
