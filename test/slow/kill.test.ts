// SIGKILL under load, at random moments: 520 times.
import { test } from "node:test";
import { describeKills, killOften } from "../crash/kill.js";

const seed = Number(process.env["FERRULE_SEED"] ?? Math.floor(Math.random() * 1e6));

for (const [mode, kills] of [
  ["group", 200],
  ["trail", 60],
  ["strict", 260],
] as const) {
  test(`${mode}: books survive SIGKILL under load, ${kills} times (seed ${seed})`, async (t) => {
    t.diagnostic(describeKills(await killOften(mode, kills, seed)));
  });
}
