"""A second reader of the store's files, written from host/store/FORMAT.md alone.

Prints the books of a folder as JSON: python3 reader.py <folder>"""
import hashlib
import json
import os
import struct
import sys

PAGE = 4096


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def block_at(data, at, magic):
    head = data[at : at + 64]
    if len(head) < 64 or head[:4] != magic:
        return None
    version, _, epoch, count, sequence, wall, now, crc = struct.unpack_from("<HHIIQQQI", head, 4)
    end = at + 64 + 64 * count
    if end > len(data):
        return None
    covered = bytearray(data[at:end])
    covered[40:44] = bytes(4)
    if crc32c(covered) != crc:
        return None
    if version > 1:
        sys.exit("a newer format")
    whole = bytes(data[at:end])
    return {
        "epoch": epoch,
        "sequence": sequence,
        "previous": head[48:64],
        "hash": hashlib.sha256(whole).digest()[:16],
        "records": [whole[64 + 64 * i : 128 + 64 * i] for i in range(count)],
        "end": (end + PAGE - 1) // PAGE * PAGE,
    }


def follow(journal, snapshot):
    last, records, at = snapshot, list(snapshot["records"]), 0
    while True:
        batch = block_at(journal, at, b"FRJB")
        if not batch or batch["epoch"] != last["epoch"]:
            return last, records, at
        if batch["sequence"] != last["sequence"] + 1 or batch["previous"] != last["hash"]:
            return last, records, at
        records += batch["records"]
        last, at = batch, batch["end"]


def read(folder):
    def load(name):
        path = os.path.join(folder, name)
        return open(path, "rb").read() if os.path.exists(path) else b""

    slots = [block_at(load(name), 0, b"FRSN") for name in ("snapshot-a", "snapshot-b")]
    good = [slot for slot in slots if slot]
    journal = load("journal")
    if not good:
        return None
    good.sort(key=lambda slot: -slot["epoch"])
    last, records, at = follow(journal, good[0])
    if at == 0 and len(good) == 2:
        # No batch says that it was synced: it is set aside where the older one still leads to it.
        before, older, end = follow(journal, good[1])
        if before["hash"] == good[0]["previous"]:
            last, records, at = before, older, end
    for page in range(at, len(journal), PAGE):
        later = block_at(journal, page, b"FRJB")
        if later and later["epoch"] >= last["epoch"]:
            sys.exit("damaged before valid data")
    return {"sequence": last["sequence"], "epoch": last["epoch"], **books(records)}


def books(records):
    assets, names, sums, holds, claims, evidence = {}, {}, {}, set(), {}, 0
    income = {}
    name = None
    for record in records:
        kind, flags, index, crc, sequence = struct.unpack_from("<BBHIQ", record)
        a, b, c, d, e, f = struct.unpack_from("<6Q", record, 16)
        copy = bytearray(record)
        copy[4:8] = bytes(4)
        assert crc32c(copy) == crc, "a record's checksum"
        if kind == 1:
            sums[index] = {
                "debits": str(a | b << 64),
                "credits": str(c | d << 64),
                "pendingIn": str(e),
                "pendingOut": str(f),
            }
        elif kind == 2:
            income[index] = str((c | d << 64) - (a | b << 64))
        elif kind == 7:
            holds.add(e & 0xFFFFFFFF)
        elif kind in (8, 9, 10):
            holds.discard(e >> 32)
        elif kind == 0x80:
            assets[index] = record[18 : 18 + record[17]].decode() + ":" + str(record[16])
        elif kind == 0x81:
            if sequence == 0:
                name = {"id": record[20 : 20 + min(44, record[18])], "left": record[18] - 44}
                names[index] = {"asset": record[16] | record[17] << 8, "open": flags == 1}
            else:
                name["id"] += record[16 : 16 + min(48, name["left"])]
                name["left"] -= 48
            names[index]["id"] = name["id"].decode("utf8", "replace")
        elif kind == 0x83:
            claims[sequence] = flags
        elif kind == 0x85:
            claims[sequence] = flags
        elif kind == 0x88:
            evidence += 1
    accounts = {}
    for index, about in names.items():
        accounts[about["id"]] = {"asset": assets[about["asset"]], **sums.get(index, {})}
    open_claims = sorted(number for number, sides in claims.items() if sides)
    by_code = {assets[index]: value for index, value in income.items()}
    return {
        "accounts": accounts,
        "income": by_code,
        "holds": len(holds),
        "claims": open_claims,
        "evidence": evidence,
    }


print(json.dumps(read(sys.argv[1]), sort_keys=True))
