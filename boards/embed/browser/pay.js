// Alice pays Bob through a connector in a page or worker.
import { Core, LOCAL_ACCOUNT, LinkKind, Relation, writeFulfill, writePrepare } from "ferrule/core";

const NOW_MS = 1000;
const WALL_MS = Date.UTC(2026, 0, 1); // in earnest, Date.now()

/** A core with two accounts. `wasm`: a WebAssembly.Module, or the file's bytes. */
export function openNode(wasm) {
  const core = new Core(wasm, new Uint8Array(8)); // in earnest, crypto.getRandomValues
  core.clock(NOW_MS, WALL_MS);
  core.setAsset(0, "XRP", 9);
  core.setRate(0, 0, 1n, 1n, 0);
  core.setAccount(LOCAL_ACCOUNT, { name: "local", relation: Relation.Local, asset: 0 });
  core.setAccount(1, { name: "alice", relation: Relation.Peer, asset: 0, balanceMaximum: 1000n });
  core.setAccount(2, { name: "bob", relation: Relation.Peer, asset: 0 });
  core.setAddress("test.page");
  core.setRoute("test.bob", 2);
  core.linkUp(1, LinkKind.Raw);
  core.linkUp(2, LinkKind.Raw);
  return core;
}

/** One mutation, then everything the core wants done. */
function drain(core) {
  const outputs = [];
  const packet = (address, length) => core.bytes.slice(address, address + length);
  core.drain({
    request: (account, _source, id, at, n) => outputs.push({ account, id, packet: packet(at, n) }),
    reply: (account, id, at, n) => outputs.push({ account, id, packet: packet(at, n) }),
    frame() {}, // none: both links are raw
    settlementDue() {},
    lateFulfill() {},
  });
  return outputs;
}

/** The packet in these bytes; the core reads it. */
function read(core, packet) {
  core.input.set(packet);
  return core.inspectPacket(packet.length);
}

/** Pays twice, the second time with a wrong fulfillment. `print` takes lines. */
export async function pay(core, print) {
  const secret = new Uint8Array(32).fill(7);
  const condition = new Uint8Array(await crypto.subtle.digest("SHA-256", secret));
  const destination = "test.bob.shop";
  const expiresAtMs = WALL_MS + 10_000;
  const prepare = writePrepare({ amount: 250n, expiresAtMs, condition, destination });
  for (const fulfillment of [secret, new Uint8Array(32)]) {
    core.input.set(prepare);
    core.request(1, 77, prepare.length, NOW_MS);
    const [request] = drain(core);
    const sent = read(core, request.packet);
    print(`to account ${request.account}: Prepare ${sent.amount} for ${sent.destination}`);
    const fulfill = writeFulfill(fulfillment);
    core.input.set(fulfill);
    core.reply(request.account, request.id, fulfill.length, NOW_MS);
    for (const { account, packet } of drain(core)) {
      const answer = read(core, packet);
      const text =
        answer.type === "fulfill" ? "Fulfill" : `Reject ${answer.code} ${answer.message}`;
      print(`to account ${account}: ${text}`);
    }
    print(`alice ${core.account(1).balance}, bob ${core.account(2).balance}`);
  }
}
