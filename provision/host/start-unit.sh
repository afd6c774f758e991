# Enables a unit and starts it without waiting. Standard input: `unit restart|keep`. Says whether it did anything.
set -eu
read -r unit how
systemctl daemon-reload
systemctl is-enabled --quiet "$unit" 2>/dev/null || { systemctl enable --quiet "$unit" 2>&1; echo changed; }
state=$(systemctl is-active "$unit" || true)
case $state-$how in active-keep | activating-keep) exit 0 ;; esac
date +%s >"/run/orchestrator-$unit-started"
systemctl reset-failed "$unit" 2>/dev/null || true
systemctl restart --no-block "$unit"
echo changed
