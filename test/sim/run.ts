// One run of one seed, and what it found.
import { makePlan, type Plan, type PlanOptions } from "./plan.js";
import { PLANTS } from "./plants.js";
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

export async function run(options: RunOptions): Promise<Result> {
  const { seed, plant } = options;
  const plan = makePlan(seed, options);
  const world = new World(plan, plant ? PLANTS[plant]!.plant : null);
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
