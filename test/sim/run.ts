// One run of one seed, and what it found.
import { makePlan, type Plan, type PlanOptions } from "./plan.js";
import { PLANTS, type PlantedBug } from "./plants.js";
import { SECOND } from "./scheduler.js";
import { Violation } from "./violation.js";
import { World } from "./world.js";

export interface RunOptions extends PlanOptions {
  seed: number;
  plant?: string;
  trace?: (line: string) => void;
}

export interface Result {
  seed: number;
  plan: Plan;
  world: World;
  /** Null when everything held. */
  violation: Violation | null;
  trace: string[];
  hash: string;
  virtualSeconds: number;
  wallSeconds: number;
}

const TAIL = 60;

/** Three nodes on framed wires, busy for a few seconds: what every planted bug is seen in. */
function plantOptions(options: RunOptions, bug: PlantedBug): PlanOptions {
  const calm = {
    rawPercent: 0,
    streamPercent: 0,
    losePpm: 0,
    slow: false,
    crashes: 0,
    breaks: 0,
    partitions: 0,
  };
  const swarm = { load: 50, amount: 1000n, ...calm, ...bug.options?.swarm };
  return { ...options, nodes: options.nodes || 3, hours: 30 / 3600, ...bug.options, swarm };
}

export async function run(options: RunOptions): Promise<Result> {
  const { seed, plant } = options;
  const bug = plant ? PLANTS[plant]! : null;
  const plan = makePlan(seed, bug ? plantOptions(options, bug) : options);
  const world = new World(plan, bug?.plant ?? null, bug?.mute ?? []);
  if (options.trace) world.tracer.print = options.trace;
  const started = performance.now();
  let violation: Violation | null = null;
  try {
    await world.run();
  } catch (error) {
    violation =
      error instanceof Violation
        ? error
        : new Violation("crash", (error as Error).stack ?? String(error), []);
  }
  for (const node of world.nodes) node.mixState();
  return {
    ...{ seed, plan, world, violation },
    trace: violation ? world.tracer.tail(violation.nodes, violation.payment, TAIL) : [],
    hash: world.tracer.hash,
    virtualSeconds: world.scheduler.now / SECOND,
    wallSeconds: (performance.now() - started) / 1000,
  };
}
