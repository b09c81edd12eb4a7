// What the node tells a service manager, with a systemd-notify of the test's own on the path, and
// how often it does. A real systemd is asked in boards/pi/test.
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { silentLog } from "../../host/log.js";
import { Notifier, watchdogPeriodMs } from "../../host/notify.js";
import { systemClock } from "../../host/clock.js";

const until = async (ready: () => boolean): Promise<void> => {
  const end = performance.now() + 20_000;
  while (!ready()) {
    assert.ok(performance.now() < end, "it did not happen in 20 s");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

/** A folder with a systemd-notify that writes down what it is told. */
function makeProgram(): { env: Record<string, string>; said: () => string[] } {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-notify-"));
  const file = join(folder, "said");
  const program = join(folder, "systemd-notify");
  writeFileSync(program, `#!/bin/sh\nfor line; do echo "$line" >>"${file}"; done\n`);
  chmodSync(program, 0o755);
  const said = (): string[] =>
    existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
  return { env: { PATH: `${folder}:${process.env["PATH"] ?? ""}` }, said };
}

it("pings three times in a watchdog's time, and only when it is meant", () => {
  assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: "60000000" }, 7), 20_000);
  assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "7" }, 7), 20_000);
  assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "8" }, 7), 0);
  for (const text of ["", "0", "-1", "x", undefined]) {
    assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: text }, 7), 0);
  }
  assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: "100" }, 7), 1);
});

it("says nothing to nobody", async () => {
  const { env, said } = makeProgram();
  const before = process.env["PATH"];
  process.env["PATH"] = env["PATH"];
  try {
    new Notifier(silentLog, {}).ready("test.a");
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual(said(), []);
  } finally {
    process.env["PATH"] = before;
  }
});

it("says when it is ready, that it lives, and when it ends", async () => {
  const { env, said } = makeProgram();
  const before = process.env["PATH"];
  process.env["PATH"] = env["PATH"];
  try {
    const notifier = new Notifier(silentLog, { NOTIFY_SOCKET: "/x", WATCHDOG_USEC: "90000" });
    notifier.ready("test.a");
    await until(() => said().filter((line) => line === "WATCHDOG=1").length >= 2);
    assert.deepEqual(said().slice(0, 2), ["READY=1", "STATUS=test.a"]);
    notifier.stopping();
    await until(() => said().includes("STOPPING=1"));
  } finally {
    process.env["PATH"] = before;
  }
});

it("takes the clock for set once the time service's file is there, for good", () => {
  const file = join(mkdtempSync(join(tmpdir(), "ferrule-clock-")), "set");
  assert.equal(systemClock().isSet?.(), true);
  const clock = systemClock(file);
  assert.equal(clock.isSet?.(), false);
  writeFileSync(file, "");
  assert.equal(clock.isSet?.(), true);
});
