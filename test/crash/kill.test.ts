// A node that is killed a few times in each mode; test/slow kills one some hundred times.
import { test } from "node:test";
import { describeKills, killOften } from "./kill.js";

const seed = Number(process.env["FERRULE_SEED"] ?? Math.floor(Math.random() * 1e6));

for (const mode of ["group", "strict"] as const) {
  test(`${mode}: books survive SIGKILL under load (seed ${seed})`, async (t) => {
    t.diagnostic(describeKills(await killOften(mode, 6, seed)));
  });
}
