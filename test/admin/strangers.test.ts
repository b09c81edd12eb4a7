// The admin port against those who have no token: they get one answer a connection, take nobody's
// place, and cannot have the node hold what they do not read.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { parseConfig } from "../../host/config/index.js";
import { createConnector, type Connector } from "../../host/connector.js";
import { findPageFile } from "../../host/admin/page.js";
import { RawClient, until } from "../link/http-support.js";

const TOKEN = "0p3n-sesame";
const TOML = `
  ilpAddress = "test.ferrule"
  [btp]
  enabled = false
  [http]
  enabled = false
  [admin]
  port = 0
  token = "${TOKEN}"
`;

function request(path: string, ...lines: string[]): string {
  return [`GET ${path} HTTP/1.1`, "Host: x", ...lines, "", ""].join("\r\n");
}

describe("strangers at the admin port", () => {
  let node: Connector;
  let url: string;
  const clients: RawClient[] = [];
  const dial = async (): Promise<RawClient> => {
    const client = new RawClient(url);
    clients.push(client);
    await until("a connection", () => !client.socket.connecting);
    return client;
  };
  before(async () => {
    node = createConnector(parseConfig(TOML, "test.toml"));
    await node.start();
    url = node.listening[0]!.url;
  });
  after(async () => {
    for (const { socket } of clients) socket.destroy();
    await node.stop();
  });

  for (const text of [
    request("/page.js"),
    request("/healthz"),
    request("/status"),
    request("/page.css", "Expect: x"),
    "GET /page.js HTTP/1.1\r\n\r\n",
  ]) {
    it(`of many requests in a row one is answered: ${JSON.stringify(text)}`, async () => {
      const client = await dial();
      client.socket.write(text.repeat(1000));
      await client.closed();
      assert.equal(client.heard.split("HTTP/1.1 ").length - 1, 1);
      assert.match(client.heard, /\r\nconnection: close\r\n/i);
    });
  }

  it("the files of the page are read once", () => {
    assert.equal(findPageFile("/page.js"), findPageFile("/page.js"));
  });

  it("silent ones make room for others, and not those with the token", async () => {
    const known = await dial();
    known.socket.write(request("/status", `Authorization: Bearer ${TOKEN}`));
    await known.hears("HTTP/1.1 200");
    const silent: RawClient[] = [];
    while (silent.length < 80) silent.push(await dial());
    const other = await dial();
    other.socket.write(request("/healthz"));
    await other.hears('{"ok":true}');
    await until("places are taken from the silent", () => silent.some(({ isClosed }) => isClosed));
    assert.ok(silent.some(({ isClosed }) => !isClosed));
    assert.equal(known.isClosed, false);
  });

  it("with the token, who asks on and on without an answer is cut off", async () => {
    const client = await dial();
    client.socket.write(request("/metrics", `Authorization: Bearer ${TOKEN}`).repeat(1000));
    await client.closed();
    assert.ok(client.heard.split("HTTP/1.1 200").length - 1 <= 16);
  });
});
