// The core alone, where there is no Node: a page, a worker, another runtime. Alice pays Bob with
// one packet, and the books say so. test/examples runs it as it stands.
import { Core, LOCAL_ACCOUNT, LinkKind, Relation, writeFulfill, writePrepare } from "ferrule/core";

/** `wasmUrl`: where gateway.wasm is, e.g. `new URL("gateway.wasm", import.meta.url)`. */
export async function payOnce(wasmUrl, print) {
  const wasm = await WebAssembly.compileStreaming(fetch(wasmUrl));
  const core = new Core(wasm, crypto.getRandomValues(new Uint8Array(8)));
  const nowMs = () => Math.floor(performance.now());
  core.clock(nowMs(), Date.now());
  core.setAsset(0, "XRP", 9);
  core.setRate(0, 0, 1n, 1n, 0);
  core.setAccount(LOCAL_ACCOUNT, { name: "local", relation: Relation.Local, asset: 0 });
  core.setAccount(1, { name: "alice", relation: Relation.Peer, asset: 0, balanceMaximum: 1000n });
  core.setAccount(2, { name: "bob", relation: Relation.Peer, asset: 0, balanceMinimum: -1000n });
  core.setAddress("test.page");
  core.setRoute("test.bob", 2);
  core.linkUp(1, LinkKind.Raw);
  core.linkUp(2, LinkKind.Raw);

  const secret = crypto.getRandomValues(new Uint8Array(32));
  const condition = new Uint8Array(await crypto.subtle.digest("SHA-256", secret));
  const expiresAtMs = Date.now() + 10_000;
  const prepare = writePrepare({ amount: 250n, expiresAtMs, condition, destination: "test.bob" });

  const sent = [];
  const sink = {
    request: (account, source, id) => sent.push({ account, source, id }),
    reply: (account, id, at) => print(`reply ${id} to ${account}: type ${core.bytes[at]}`),
    frame() {}, // none: both links are raw
    settlementDue() {},
    lateFulfill() {},
  };
  core.input.set(prepare); // one mutation, then drain
  core.request(1, 77, prepare.length, nowMs());
  core.drain(sink);
  const fulfill = writeFulfill(secret);
  core.input.set(fulfill);
  core.reply(2, sent[0].id, fulfill.length, nowMs());
  core.drain(sink);
  print(`alice owes ${core.account(1).balance}, bob ${core.account(2).balance}`);
}
