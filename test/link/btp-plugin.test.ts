// The plugin the Interledger JavaScript world uses, unmodified, at the other end of both links.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Secret } from "../../host/config/secret.js";
import { Status } from "../../host/core.js";
import { BtpDialer } from "../../host/link/btp-client.js";
import type { FakeSwitch } from "./btp-support.js";
import { DIAL, makeDeps, serve, until } from "./btp-support.js";

const require = createRequire(import.meta.url);
const BtpPacket = require("btp-packet");
const Plugin = require("ilp-plugin-btp");

/** Answers every `ilp` Message with its data reversed, through the link, as the core would. */
function answerReversed(fake: FakeSwitch): void {
  fake.onFrame = (account, frame) => {
    const { type, requestId, data } = BtpPacket.deserialize(Buffer.from(frame));
    if (type !== BtpPacket.TYPE_MESSAGE) return Status.Ok;
    data.protocolData[0].data.reverse();
    const answer: Buffer = BtpPacket.serializeResponse(requestId, data.protocolData);
    fake.links.get(account)!.write(answer, 0, answer.length);
    return Status.Ok;
  };
}

async function exchange(plugin: { sendData(data: Buffer): Promise<Buffer> }): Promise<void> {
  const packets = Array.from({ length: 200 }, (_, i) => Buffer.alloc(i * 150, `${i} `));
  const replies = await Promise.all(packets.map((packet) => plugin.sendData(packet)));
  for (const [i, reply] of replies.entries()) assert.ok(reply.equals(packets[i].reverse()), `${i}`);
}

test("ilp-plugin-btp as client", async () => {
  const { server, url, fake } = await serve();
  answerReversed(fake);
  const { host } = new URL(url);
  const plugin = new Plugin({ server: `btp+ws://alice:token-3@${host}`, reconnectInterval: 10 });
  await plugin.connect();
  await exchange(plugin);
  fake.links.get(3)!.close("try again");
  await until("the plugin to come back", () => fake.calls.length >= 2);
  await exchange(plugin);
  await plugin.disconnect();
  await until("its end", () => !fake.links.has(3));
  await server.close();
});

test("ilp-plugin-btp as server", async () => {
  const wsOpts = { host: "127.0.0.1", port: 0 };
  const plugin = new Plugin({ listener: { secret: "sesame", wsOpts } });
  const connected = plugin.connect();
  await until("the plugin to listen", () => plugin._wss?.address());
  const url = `ws://127.0.0.1:${plugin._wss.address().port}`;
  const deps = makeDeps();
  answerReversed(deps.switch);
  const dialer = new BtpDialer(5, "bob", { ...DIAL, url, username: "bob" }, deps);
  dialer.start();
  await connected;
  await exchange(plugin);
  dialer.stop();
  // Last, because the plugin forgets its good connection when a stranger fails.
  const wrong = new BtpDialer(4, "eve", { ...DIAL, url, token: new Secret("guess") }, deps);
  wrong.start();
  await until("the refusal", () => deps.log.lines.some((line) => line.level === "warn"));
  wrong.stop();
  assert.match(
    String(deps.log.lines.at(-1)!.fields.reason),
    /F00 NotAcceptedError invalid auth_token/,
  );
  await plugin.disconnect();
});
