// The node's own account: nobody else can have its name, not even in books that were written when
// a configuration could use it; and a parent is asked for an address when it can answer.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock, type Clock } from "../../host/clock.js";
import { parseConfig } from "../../host/config/index.js";
import { createConnector, type Connector } from "../../host/connector.js";
import { LinkKind, LOCAL_ACCOUNT } from "../../host/core.js";
import type { Link } from "../../host/link/link.js";
import { reportAccounts } from "../../host/report.js";
import { keepLog, until } from "../link/http-support.js";

const folder = mkdtempSync(join(tmpdir(), "ferrule-own-"));
after(() => rmSync(folder, { recursive: true }));

function toml(more: string): string {
  return `${more}
    [http]
    enabled = false
    [admin]
    enabled = false
    [btp]
    port = 0`;
}

const PEER = (id: string): string => `
    [accounts.${id}]
    relation = "peer"
    assetCode = "USD"
    assetScale = 2
    btp = { listen = true, token = "t" }`;

test("a configuration cannot give its name to an account", () => {
  assert.throws(
    () => parseConfig(toml(`ilpAddress = "test.a"${PEER("local")}`), "test.toml"),
    /accounts\.local is the node's own account; choose another name\./,
  );
});

test("books in which an account has its name: the books stay, the name is the node's", async () => {
  const base = `ilpAddress = "test.a"\ndataDir = "${folder}"`;
  const run = async (config: ReturnType<typeof parseConfig>): Promise<Connector> => {
    const connector = createConnector(config);
    await connector.start();
    return connector;
  };
  const before = parseConfig(toml(`${base}${PEER("other")}`), "test.toml");
  const accounts = before.accounts.map((account) => ({ ...account, id: "local" }));
  await (await run({ ...before, accounts })).stop();
  for (const round of [1, 2]) {
    const connector = await run(parseConfig(toml(`${base}${PEER("other")}`), "test.toml"));
    const found = reportAccounts(connector).map(({ id }) => id);
    const { index } = connector.registry.byId("local")!;
    const frozen = connector.registry.byId("~local");
    assert.equal((await connector.ping("test.a")).reply, "fulfill");
    await connector.stop();
    assert.deepEqual([found, index], [["local", "~local", "other"], LOCAL_ACCOUNT], `${round}`);
    assert.deepEqual([frozen?.index, frozen?.assetCode], [1, "USD"]);
  }
});

test("a parent without a link is not asked, and that is said once", async (t) => {
  // Time flies: every wait by this clock is over at once.
  const clock: Clock = {
    ...systemClock(),
    after: (_ms, then, background = false) => {
      const timer = setTimeout(then, 0);
      if (background) timer.unref();
      return () => clearTimeout(timer);
    },
  };
  const log = keepLog();
  const parent = PEER("mum").replace('"peer"', '"parent"');
  const connector = createConnector(parseConfig(toml(parent), "test.toml"), { log, clock });
  t.after(() => connector.stop());
  await connector.start();
  let asked = 0;
  const link: Link = {
    describe: () => "a test",
    write: () => {},
    request: () => void asked++,
    close: () => {},
  };
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  const said = log.lines.filter((line) => line.includes("no address yet"));
  assert.deepEqual(said, ['info no address yet {"reason":"mum is not connected"}']);
  const { index } = connector.registry.byId("mum")!;
  connector.engine.attach(index, link, LinkKind.Raw);
  await until("the parent is asked", () => asked === 1);
});
