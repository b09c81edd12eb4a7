// HTTP links against ilp-plugin-http as it comes from npm, in both directions.
import assert from "node:assert/strict";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, test } from "node:test";
import { PluginHttp, type Plugin } from "../support/peers.js";
import { dial, fulfillOf, prepare, serve, TOKEN } from "./http-support.js";

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A connected plugin on any free port. */
async function startPlugin(incoming: object, outgoing: object): Promise<Plugin & { port: number }> {
  const plugin = new PluginHttp({ incoming: { port: 0, ...incoming }, outgoing });
  await plugin.connect();
  closers.push(() => plugin.disconnect());
  const { _httpServer: server } = plugin as unknown as { _httpServer: Server };
  if (!server.listening) await new Promise((resolve) => server.once("listening", resolve));
  // Its errors belong to the cases below.
  (plugin as unknown as { _app: { silent: boolean } })._app.silent = true;
  return Object.assign(plugin, { port: (server.address() as AddressInfo).port });
}

// `secretToken` is the older name, and goes without "Bearer".
for (const option of ["staticToken", "secretToken"]) {
  test(`the plugin sends, with ${option}`, async () => {
    const { server, url, fake } = await serve();
    closers.push(() => server.close());
    const incoming = { staticToken: "unused" };
    const here = { url: `${url}/accounts/bob/ilp` };
    const plugin = await startPlugin(incoming, { ...here, [option]: TOKEN });
    fake.onRequest = (account, packet, done) => {
      assert.equal(account, 3);
      queueMicrotask(() => done(fulfillOf(packet)));
    };
    const packets = Array.from({ length: 20 }, (_, number) => Buffer.from(prepare(number)));
    const replies = await Promise.all(packets.map((packet) => plugin.sendData(packet)));
    assert.deepEqual(
      replies,
      packets.map((packet) => Buffer.from(fulfillOf(packet))),
    );
    const stranger = await startPlugin(incoming, { ...here, [option]: `${TOKEN}x` });
    await assert.rejects(stranger.sendData(Buffer.from(prepare(1))), /code=401/);
  });
}

test("the plugin receives", async () => {
  const outgoing = { url: "http://127.0.0.1:1/", staticToken: "unused" };
  const plugin = await startPlugin({ staticToken: TOKEN }, outgoing);
  plugin.registerDataHandler((packet) => Promise.resolve(Buffer.from(fulfillOf(packet))));
  const { client, send } = dial(`http://127.0.0.1:${plugin.port}/`);
  closers.push(() => client.close("the test is over"));
  const endings = await Promise.all(Array.from({ length: 20 }, (_, id) => send(id)));
  assert.deepEqual(
    endings,
    Array.from({ length: 20 }, (_, id) => ({ packet: fulfillOf(prepare(id)) })),
  );
  // Longer than its own limit, which is lower than that of RFC 27.
  assert.deepEqual(await send(20, prepare(20, 33_000)), { code: "F00" });
  plugin.deregisterDataHandler();
  assert.deepEqual(await send(21), { code: "T00" });
  const { client: other, send: sendWrongly } = dial(`http://127.0.0.1:${plugin.port}/`, {
    outgoingToken: null,
  });
  closers.push(() => other.close("the test is over"));
  assert.deepEqual(await sendWrongly(1), { code: "T01" });
});
