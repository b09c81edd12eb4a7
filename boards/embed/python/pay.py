"""Alice pays Bob through a connector of our own: python pay.py CORE"""

import sys
from hashlib import sha256

from ferrule import LOCAL_ACCOUNT, Account, Core, Fulfill, Prepare, Reject, Relation

NOW_MS = 1000
WALL_MS = 1_767_225_600_000  # 2026-01-01: in earnest, the clock's

core = Core(sys.argv[1], b"8 random")  # in earnest, secrets.token_bytes(8)
core.clock(NOW_MS, WALL_MS)
core.set_asset(0, "XRP", 9)
core.set_rate(0, 0, 1, 1)
core.set_account(LOCAL_ACCOUNT, Account("local", Relation.LOCAL))
core.set_account(1, Account("alice", Relation.PEER, balance_maximum=1000))
core.set_account(2, Account("bob", Relation.PEER))
core.set_address("test.python")
core.set_route("test.bob", 2)
core.link_up(1)
core.link_up(2)

secret, wrong = bytes([7] * 32), bytes([8] * 32)
prepare = Prepare(250, WALL_MS + 10_000, sha256(secret).digest(), "test.bob.shop")
for fulfillment in (secret, wrong):
    [request] = core.request(1, 77, prepare, NOW_MS)
    sent = request.packet
    print(f"to account {request.account}: Prepare {sent.amount} for {sent.destination}")
    for answer in core.reply(request.account, request.id, Fulfill(fulfillment), NOW_MS):
        match answer.packet:
            case Fulfill():
                print(f"to account {answer.account}: Fulfill")
            case Reject(code, _, message):
                print(f"to account {answer.account}: Reject {code} {message}")
    print(f"alice {core.balance(1)}, bob {core.balance(2)}")
