// Accounts for new tokens: all of one, or nothing of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Admission } from "../../host/admission.js";
import { defaultConfig } from "../../host/config/index.js";
import { Core } from "../../host/core.js";
import { silentLog } from "../../host/log.js";
import { Registry } from "../../host/registry.js";
import { readCoreWasm } from "../../host/wasm.js";

test("an account that cannot be routed to is taken back, and comes when it can be", () => {
  const core = new Core(readCoreWasm(), new Uint8Array(8));
  const registry = new Registry(core);
  registry.openLocal({ assetCode: "XRP", assetScale: 9 });
  let isFull = true;
  const opened = (): void => {
    if (isFull) throw new Error("the route table is full");
  };
  const admission = new Admission(defaultConfig(), registry, opened, silentLog);
  for (let round = 0; round < 3; round++) {
    assert.ok("refusal" in admission.btp("token", ""));
    assert.equal(registry.list().length, 1);
  }
  isFull = false;
  const admitted = admission.btp("token", "");
  assert.ok("account" in admitted);
  assert.equal(registry.byIndex(admitted.account)?.relation, registry.list()[1]?.relation);
});
