#!/bin/sh
# Runs inside the Debian machine that deb.test.mjs boots: looks at the service as an operator would,
# and says for each check `ok name` or `not ok name`, with what was seen. Then switches off.
exec >/dev/console 2>&1
set -u
trap 'journalctl --unit=ferrule --no-pager --output=cat | tail -n 30' EXIT

check() {
  name=$1
  shift
  if said=$("$@" 2>&1); then echo "ok $name"; else echo "not ok $name: $said"; fi
}
show() { systemctl show ferrule --property="$1" --value; }
is() { [ "$(show "$1")" = "$2" ] || { show "$1"; return 1; }; }
# Waits at most $1 seconds until the rest is true.
within() {
  limit=$1
  shift
  while ! "$@" >/dev/null 2>&1; do
    limit=$((limit - 1))
    [ "$limit" -gt 0 ] || { systemctl status --no-pager ferrule; "$@"; return 1; }
    sleep 1
  done
}
fed_since() { [ "$(show WatchdogTimestampMonotonic)" -gt "$1" ]; }
alive() { systemctl is-active --quiet ferrule && ferrule status; }
restarts() { [ "$(show NRestarts)" = "$1" ] && [ "$(show SubState)" = running ] && alive; }
runs_as_nobody_real() { ! getent passwd | grep -q '^ferrule' && [ "$(stat -c %U "/proc/$1")" != root ]; }
cannot_write() { ! nsenter --target "$1" --mount sh -c 'touch /etc/x || touch /usr/x' 2>/dev/null; }
keeps_books() { ls /var/lib/private/ferrule/ | grep -q .; }
still_books() { [ ! -e /usr/bin/ferrule ] && keeps_books; }

check "is active once it is ready" within 240 systemctl is-active --quiet ferrule
echo "seen: ready $(show ActiveEnterTimestampMonotonic) us after boot, memory $(show MemoryCurrent)"
echo "seen: $(systemd-analyze security ferrule --no-pager 2>/dev/null | tail -n 1)"
check "says its state to systemd" sh -c 'systemctl show ferrule -p StatusText --value | grep -q test.ferrule'
check "status" within 60 ferrule status
check "ping" ferrule ping test.ferrule
main=$(show MainPID)
check "runs as a user of its own" runs_as_nobody_real "$main"
check "has no capability" grep -q '^CapEff:.0000000000000000$' "/proc/$main/status"
check "sees a read-only system" cannot_write "$main"
check "keeps its books in its state directory" within 5 keeps_books
check "has a memory limit" is MemoryMax 268435456

# The same unit with a watchdog that is short enough to wait for.
mkdir -p /run/systemd/system/ferrule.service.d
printf '[Service]\nWatchdogSec=20\n' >/run/systemd/system/ferrule.service.d/short.conf
systemctl daemon-reload
systemctl restart ferrule
check "restarts with another watchdog" within 120 alive
before=$(show WatchdogTimestampMonotonic)
sleep 12
check "feeds the watchdog" fed_since "$before"
check "has not been restarted" is NRestarts 0
kill -STOP "$(show MainPID)"
check "is replaced when it hangs" within 150 restarts 1
kill -KILL "$(show MainPID)"
check "is replaced when it dies" within 120 restarts 2

# With the drop-in for serial boards, and a port of this machine's for one on USB.
has_open() { ls -l "/proc/$(show MainPID)/fd" | grep -q "$1"; }
check "sees no devices without being told" sh -c "! nsenter -t $(show MainPID) -m test -e /dev/ttyS1"
install -D -m 644 /usr/share/doc/ferrule/examples/serial.conf \
  /etc/systemd/system/ferrule.service.d/serial.conf
printf '[Service]\nDeviceAllow=char-ttyS rw\n' >/run/systemd/system/ferrule.service.d/port.conf
printf '[accounts.board]\nrelation = "peer"\nassetCode = "XRP"\nassetScale = 9\nserial = "%s"\n' \
  /dev/ttyS1 >>/etc/ferrule/ferrule.toml
chown root:dialout /dev/ttyS1
chmod 660 /dev/ttyS1
systemctl daemon-reload
systemctl restart ferrule
check "restarts with a serial board" within 120 alive
check "opens the board's line" within 30 has_open /dev/ttyS1

systemctl stop ferrule
check "stops with success" is Result success
check "is inactive" is ActiveState inactive
check "can be removed" dpkg --remove ferrule
check "leaves the books" still_books
echo "guest done"
sync
poweroff -f
