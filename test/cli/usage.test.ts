// What people get wrong: they are told so in one sentence, and not asked for what is not needed.
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { defaultConfig, loadAdmin, parseConfig } from "../../host/config/index.js";
import { readBounded } from "../../host/config/machine.js";
import { createConnector } from "../../host/connector.js";
import { renderMetrics } from "../../host/admin/metrics.js";
import { systemClock } from "../../host/clock.js";
import { ferrule, makeFolder } from "./support.js";

describe("mistakes of people", { concurrency: 2 }, () => {
  const folder = makeFolder();
  after(folder.close);

  it("a value that begins with a dash: one line that says how to write it", async () => {
    const { code, err } = await ferrule(["ping", "test.a", "--amount", "-1"]);
    const said = '--amount needs a value; one that begins with "-" is written --amount=-….\n';
    assert.deepEqual([code, err], [2, said]);
  });

  it("nothing to inspect: says so and ends with 2", async () => {
    const { code, out, err } = await ferrule(["inspect"], { input: "" });
    const said = "There is nothing to inspect: standard input was empty.\n";
    assert.deepEqual([code, out, err], [2, "", said]);
  });

  it("who asks a node needs no secret but the admin token, and not that when it is given", () => {
    const path = join(folder.path, "secrets.toml");
    const text = `ilpAddress = "test.a"
      [accounts.bob]
      relation = "peer"
      assetCode = "USD"
      assetScale = 2
      btp = { listen = true, token = "env:NOT_SET" }
      [admin]
      port = 7001
      token = "env:NOT_SET_EITHER"`;
    writeFileSync(path, text);
    const machine = { env: {}, home: "/", readFile: () => "" };
    assert.throws(() => parseConfig(text, path, machine), /NOT_SET,/);
    assert.throws(() => loadAdmin(path, false, machine), /^(?!.*NOT_SET,).*NOT_SET_EITHER/s);
    assert.deepEqual(
      [loadAdmin(path, true, machine).port, loadAdmin(path, true).token],
      [7001, null],
    );
  });

  it("a secret is read from a file or pipe of at most so many bytes", () => {
    const path = join(folder.path, "token");
    writeFileSync(path, "12345678");
    assert.equal(readBounded(path, 8).toString(), "12345678");
    assert.throws(() => readBounded(path, 7), /has more than 7 bytes/);
    assert.throws(() => readBounded(folder.path, 7), /is neither a file nor a pipe/);
    if (!existsSync("/dev/zero")) return;
    const text = `ilpAddress = "test.a"\n[admin]\ntokenFile = "/dev/zero"`;
    assert.throws(() => parseConfig(text, null), /\/dev\/zero is neither a file nor a pipe/);
  });

  it("a node whose clock is not set is not ready, in its metrics as well", async () => {
    let isSet = false;
    const clock = { ...systemClock(), isSet: () => isSet };
    const { btp, ...config } = defaultConfig();
    const off = { enabled: false };
    const connector = createConnector(
      {
        ...config,
        dataDir: "",
        btp: { ...btp, ...off },
        http: { ...config.http, ...off },
        admin: { ...config.admin, ...off },
      },
      { clock },
    );
    await connector.start();
    assert.match(renderMetrics(connector), /^ferrule_ready 0$/m);
    isSet = true;
    connector.engine.syncClock();
    assert.match(renderMetrics(connector), /^ferrule_ready 1$/m);
    await connector.stop();
  });
});
