// `npm run sim -- --seed N --nodes K --hours H`: runs one seed, or random ones for some seconds.
import { parseArgs } from "node:util";
import { PLANTS } from "./plants.js";
import { run, type Result } from "./run.js";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    nodes: { type: "string", default: "0" },
    hours: { type: "string", default: "0" },
    seconds: { type: "string" },
    plant: { type: "string" },
    trace: { type: "boolean", default: false },
  },
});

if (values.plant && !PLANTS[values.plant]) {
  console.error(`There is no planted bug ${values.plant}: ${Object.keys(PLANTS).join(", ")}.`);
  process.exit(2);
}

function show(result: Result): void {
  const { world, seed, plan, virtualSeconds, wallSeconds, violation } = result;
  const { outcomes, net, faults } = world;
  console.log(
    `seed ${seed}: ${plan.nodes.length} nodes, ${plan.apps.length} apps, ${plan.swarm.topology}, ` +
      `${virtualSeconds.toFixed(0)} s in ${wallSeconds.toFixed(2)} s, ${outcomes.sent} payments ` +
      `(${outcomes.fulfilled} fulfilled, ${outcomes.rejected} rejected, ${outcomes.unknown} unknown), ` +
      `${net.messages} messages, hash ${result.hash}`,
  );
  if (values.seed) {
    console.log(JSON.stringify({ net, faults, codes: Object.fromEntries(outcomes.codes) }));
    console.log(JSON.stringify(Object.fromEntries(outcomes.lies)));
  }
  if (!violation) return;
  console.log(result.trace.join("\n"));
  console.log(`FAILED seed ${seed}: ${violation.message}`);
}

const options = { nodes: Number(values.nodes), hours: Number(values.hours), plant: values.plant };
const trace = values.trace ? (line: string): void => console.log(line) : undefined;
if (values.seed !== undefined) {
  const result = await run({ ...options, seed: Number(values.seed), trace });
  show(result);
  process.exitCode = result.violation ? 1 : 0;
} else {
  const until = performance.now() + Number(values.seconds ?? 60) * 1000;
  let failures = 0;
  for (let i = 0; performance.now() < until; i++) {
    const seed = (Math.random() * 2 ** 31) | 0;
    const result = await run({ ...options, seed });
    show(result);
    if (result.violation) failures++;
  }
  process.exitCode = failures ? 1 : 0;
}
