// Runs one case: every contender started fresh, then rounds in turn, so that whatever else the
// machine does meets all of them alike.
import { BtpDriver } from "./btp-driver.js";
import type { Case } from "./cases.js";
import { Running, type Contender, type Pins } from "./contender.js";
import type { Driver } from "./driver.js";
import { HttpDriver, HttpReceiver } from "./http-driver.js";
import { PoolShelf } from "./pool.js";
import { cpuUs, diskBytes, memoryMiB } from "./proc.js";
import { quantile, spread, type Spread } from "./stats.js";

export interface Plan {
  rounds: number;
  /** Length of a round, about. */
  roundMs: number;
  pins: Pins;
}

/** Figures of one contender in one case; times in µs a round trip or in ms. */
export interface Result {
  case: string;
  contender: string;
  packets: number;
  /** Temporary Rejects, not counted in `packets`. */
  refused: number;
  cpuUs: Spread;
  /** Of `cpuUs`, what the contender itself took; absent when it has no helpers. */
  aloneUs?: Spread;
  perSecond: Spread;
  p50Ms: Spread;
  p99Ms: Spread;
  p999Ms: Spread;
  rssIdleMiB: number;
  rssEndMiB: number;
  rssPeakMiB: number;
  startMs: number;
  /** Written to disk per 1,000 packets. */
  diskBytes: number;
}

interface Sample {
  cpuUs: number;
  aloneUs: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  p999Ms: number;
}

/** Time for a process that has just started to come to rest before its memory is read. */
const REST_MS = 300;
const WARM_UP_ROUNDS = 2;
const WARM_UP_PACKETS = 2000;
const ROUND_MIN = 50;
export const BASE_NAME = "ferrule, base";
/** It answers a packet it has seen before from memory. */
const REMEMBERS = "ilp-connector";

function sum(pids: readonly number[], figure: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + figure(pid), 0);
}

class Runner {
  readonly samples: Sample[] = [];
  packets = 0;
  refused = 0;
  diskBytes = 0;
  rssIdle = NaN;
  #next = WARM_UP_PACKETS;

  constructor(
    readonly contender: Contender,
    readonly running: Running,
    readonly driver: Driver,
    readonly one: Case,
  ) {}

  static async start(
    contender: Contender,
    one: Case,
    pins: Pins,
    pools: PoolShelf,
  ): Promise<Runner> {
    const recipe = await contender.prepare(one);
    const receiver =
      recipe.wire === "http" ? await HttpReceiver.listen(recipe.receiverPort!) : null;
    const running = await Running.start(recipe, pins.contender);
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    const rssIdle = sum(running.pids, (pid) => memoryMiB(pid).now);
    const { dataSize, inFlight } = one;
    const options = { wire: recipe.wire, dataSize, inFlight, pairs: recipe.pairs, pools };
    const driver = receiver ? new HttpDriver(options, receiver) : await BtpDriver.connect(options);
    const runner = new Runner(contender, running, driver, one);
    runner.rssIdle = rssIdle;
    return runner;
  }

  /** One round of about `roundMs`, as long as the last one lets expect. */
  async round(roundMs: number, counts: boolean): Promise<void> {
    const { driver, one, running } = this;
    let total = Math.max(ROUND_MIN, 2 * one.inFlight, this.#next);
    if (this.contender.name === REMEMBERS) total = Math.min(total, driver.poolSize);
    const cpuBefore = sum(running.pids, cpuUs);
    const aloneBefore = cpuUs(running.pid);
    const diskBefore = sum(running.pids, diskBytes);
    const { ms, refused, latencies } = await driver.round(total, one.inFlight);
    const cpu = sum(running.pids, cpuUs) - cpuBefore;
    const alone = cpuUs(running.pid) - aloneBefore;
    this.#next = Math.round((total / ms) * roundMs);
    if (!counts) return;
    this.packets += total;
    this.refused += refused;
    this.diskBytes += sum(running.pids, diskBytes) - diskBefore;
    latencies.sort();
    this.samples.push({
      cpuUs: cpu / total,
      aloneUs: alone / total,
      perSecond: (total / ms) * 1000,
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
      p999Ms: quantile(latencies, 0.999),
    });
  }

  result(): Result {
    const { pids, startMs } = this.running;
    const figure = (key: keyof Sample): Spread => spread(this.samples.map((s) => s[key]));
    return {
      case: this.one.name,
      contender: this.contender.name,
      packets: this.packets,
      refused: this.refused,
      cpuUs: figure("cpuUs"),
      ...(pids.length > 1 && { aloneUs: figure("aloneUs") }),
      perSecond: figure("perSecond"),
      p50Ms: figure("p50Ms"),
      p99Ms: figure("p99Ms"),
      p999Ms: figure("p999Ms"),
      rssIdleMiB: this.rssIdle,
      rssEndMiB: sum(pids, (pid) => memoryMiB(pid).now),
      rssPeakMiB: sum(pids, (pid) => memoryMiB(pid).peak),
      startMs,
      diskBytes: (this.diskBytes / this.packets) * 1000,
    };
  }

  async stop(): Promise<void> {
    this.driver.close();
    await this.running.stop();
  }
}

/**
 * Figures of every contender that can take part, in their order; with `base`, the first of them
 * once more with that case's configuration, under the name BASE_NAME. The first must do everything
 * right, or this throws; another that does not leaves the case, and `onLeave` gets a sentence.
 */
export async function runCase(
  one: Case,
  contenders: readonly Contender[],
  plan: Plan,
  base?: Case,
  onLeave: (sentence: string) => void = () => {},
): Promise<Result[]> {
  const runners: Runner[] = [];
  const round = async (runner: Runner, counts: boolean): Promise<void> => {
    try {
      await runner.round(plan.roundMs, counts);
    } catch (error) {
      const { title, name } = runner.contender;
      const sentence = `${title} did not get through ${one.title}: ${(error as Error).message}`;
      if (name === contenders[0]!.name || name === BASE_NAME) throw new Error(sentence);
      onLeave(sentence);
      runners.splice(runners.indexOf(runner), 1);
      await runner.stop();
    }
  };
  const pools = new PoolShelf();
  try {
    for (const contender of contenders) {
      if (!contender.supports(one)) continue;
      runners.push(await Runner.start(contender, one, plan.pins, pools));
    }
    if (base) {
      const contender = { ...contenders[0]!, name: BASE_NAME };
      runners.push(await Runner.start(contender, base, plan.pins, new PoolShelf()));
    }
    for (let i = -WARM_UP_ROUNDS; i < plan.rounds; i++) {
      for (const runner of [...runners]) await round(runner, i >= 0);
    }
    return runners.map((runner) => ({ ...runner.result(), case: one.name }));
  } finally {
    for (const runner of runners) await runner.stop();
  }
}
