// A node whose clock is not set: it runs, says so, takes no packets, and goes on by itself once a
// time service has made its file.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { parseConfig } from "../../host/config/index.js";
import { createConnector } from "../../host/connector.js";
import { reportStatus } from "../../host/report.js";

it("takes nothing before the clock is set, and everything after", async () => {
  const file = join(mkdtempSync(join(tmpdir(), "ferrule-clock-")), "set");
  const toml = `
    ilpAddress = "test.late"
    clockFile = "${file}"
    [btp]
    enabled = false
    [http]
    enabled = false
    [admin]
    port = 0`;
  const connector = createConnector({ ...parseConfig(toml, "a.toml"), dataDir: "" });
  await connector.start();
  const { url } = connector.listening[0]!;
  const readiness = async (): Promise<number> => (await fetch(`${url}/readyz`)).status;
  try {
    const early = await connector.ping("test.late");
    assert.equal(early.reply, "reject");
    assert.equal(early.code, "T03");
    assert.equal(reportStatus(connector).state, "waiting");
    assert.match(reportStatus(connector).line, /clock not set yet/);
    assert.equal(await readiness(), 503);
    writeFileSync(file, "");
    const end = performance.now() + 10_000;
    while ((await readiness()) !== 200) {
      assert.ok(performance.now() < end, "not ready in 10 s");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    // Whoever is told so may send at once.
    assert.equal((await connector.ping("test.late")).reply, "fulfill");
    assert.equal(reportStatus(connector).state, "ok");
  } finally {
    await connector.stop();
  }
});
