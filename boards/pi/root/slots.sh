# The two root slots, for the initramfs and the running system: which one boots, and whether it is
# on trial. State is one line in a 512-byte sector, kept twice in the gap before the first
# partition and written in turn, so that a cut leaves the older one:
#   ferrule-slots SEQUENCE ACTIVE TRIAL TRIES UPDATE CHECKSUM
# ACTIVE is a or b; TRIAL is the slot on trial or -; TRIES says how often it may still be started;
# UPDATE is the start of the checksum of the update that was installed last, or -.
SLOT_SECTOR=64

# Partition number of slot $1.
slot_partition() { [ "$1" = b ] && echo 3 || echo 2; }
slot_other() { [ "$1" = b ] && echo a || echo b; }
slot_sum() { printf '%s' "$1" | sha256sum | cut -c1-16; }

# Line of copy $1 if its checksum is right.
slot_copy() {
  line=$(dd if="$DISK" bs=512 skip=$((SLOT_SECTOR + $1)) count=1 2>/dev/null | tr -d '\0' | head -n 1)
  [ "${line% *}" != "$line" ] && [ "$(slot_sum "${line% *}")" = "${line##* }" ] && echo "${line% *}"
}

# Sets SEQUENCE, ACTIVE, TRIAL, TRIES and UPDATE from the newer good copy; slot a when there is none.
slot_read() {
  SEQUENCE=0 ACTIVE=a TRIAL=- TRIES=0 UPDATE=-
  for copy in 0 1; do
    set -- $(slot_copy $copy)
    if [ "$1" = ferrule-slots ] && [ "$2" -gt "$SEQUENCE" ]; then
      SEQUENCE=$2 ACTIVE=$3 TRIAL=$4 TRIES=$5 UPDATE=$6
    fi
  done
}

# Writes the variables over the older copy, and waits until the card has them.
slot_write() {
  SEQUENCE=$((SEQUENCE + 1))
  line="ferrule-slots $SEQUENCE $ACTIVE $TRIAL $TRIES $UPDATE"
  printf '%s %s\n' "$line" "$(slot_sum "$line")" |
    dd of="$DISK" bs=512 seek=$((SLOT_SECTOR + SEQUENCE % 2)) conv=sync,notrunc,fsync 2>/dev/null
}
