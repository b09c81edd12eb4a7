// interledger-rs's program as a contender, with the Redis it keeps everything in: accounts and
// routes by its API, as its operators set them, and no limits on rate, for which Redis would need a
// module. A Redis of its own, that writes nothing to disk and is reached by the cheapest way there
// is, a Unix socket.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../support/peers.js";
import type { Case } from "../cases.js";
import type { Contender, Program, Recipe } from "../contender.js";
import { prefixOf, route, token } from "../names.js";
import { PROGRAM } from "./changes.js";
import { PROGRAM_PATH } from "./paths.js";

const ADMIN_TOKEN = "admin";
const SECRET_SEED = "0".repeat(63) + "1";
const BTP_PATH = "/ilp/btp";

/** What keeps it from taking part, as a sentence; null when nothing does. */
export function missing(): string | null {
  if (!existsSync(PROGRAM_PATH)) {
    return "interledger-rs did not take part: npm run bench:interledger-rs builds its program.";
  }
  if (spawnSync("redis-server", ["--version"]).error) {
    return "interledger-rs did not take part: it needs Redis (apt-get install redis-server).";
  }
  return null;
}

/** Of what takes part, for the head of the results. */
export function versions(): Record<string, string> {
  if (missing() !== null) return {};
  const { stdout } = spawnSync("redis-server", ["--version"]);
  const redis = /v=([\d.]+)/.exec(stdout.toString())?.[1] ?? "unknown";
  return { [PROGRAM.name]: PROGRAM.version, redis };
}

/** One request to a node's API as its operator, or as the account of a token; what it answers. */
export async function tell(
  port: number,
  method: string,
  path: string,
  body?: object,
  bearer = ADMIN_TOKEN,
): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await response.text();
  if (response.ok) return text;
  throw new Error(`interledger-rs answered ${method} ${path} with ${response.status}: ${text}`);
}

/** A node with a Redis of its own, whose socket is in `folder`. */
export function describeNode(
  address: string,
  ports: { api: number; settlement: number },
  folder: string,
): Program & { helpers: Program[] } {
  const socket = join(folder, "redis.sock");
  const redis = ["--port", "0", "--unixsocket", socket, "--dir", folder];
  return {
    helpers: [
      {
        command: "redis-server",
        args: [...redis, "--save", "", "--appendonly", "no"],
        ports: [socket],
      },
    ],
    command: PROGRAM_PATH,
    args: [
      ...["--ilp_address", address],
      ...["--secret_seed", SECRET_SEED],
      ...["--admin_auth_token", ADMIN_TOKEN],
      ...["--redis_url", `unix:${socket}`],
      ...["--http_bind_address", `127.0.0.1:${ports.api}`],
      ...["--settlement_api_bind_address", `127.0.0.1:${ports.settlement}`],
    ],
    ports: [ports.api],
  };
}

async function setUp(one: Case, port: number, receiverPort: number): Promise<void> {
  for (const id of ["a0", "b0"]) {
    const btp = { ilp_over_btp_incoming_token: token(id) };
    const http = {
      ilp_over_http_incoming_token: token(id),
      ilp_over_http_url: `http://127.0.0.1:${receiverPort}/ilp`,
      ilp_over_http_outgoing_token: "bench:out",
    };
    await tell(port, "POST", "/accounts", {
      username: id,
      ilp_address: `test.bench.${id}`,
      asset_code: "XRP",
      asset_scale: 9,
      max_packet_amount: 1e12,
      min_balance: -1e15,
      routing_relation: "NonRoutingAccount",
      ...(one.link === "btp" ? btp : http),
    });
  }
  const routes = Array.from({ length: one.routes }, (_, i) => [route(i), "b0"]);
  await tell(port, "PUT", "/routes/static", Object.fromEntries(routes));
}

export const interledgerRs: Contender = {
  name: "interledger-rs",
  title: "interledger-rs 0.6",
  supports: ({ accounts, routes }) => accounts === 2 && routes === 10,
  async prepare(one): Promise<Recipe> {
    const [port, settlement, receiverPort] = await freePorts(3);
    const folder = mkdtempSync(join(tmpdir(), "ferrule-bench-"));
    const end = (id: string) => {
      return { port: port!, path: BTP_PATH, username: id, token: token(id) };
    };
    return {
      ...describeNode("test.bench", { api: port!, settlement: settlement! }, folder),
      setUp: () => setUp(one, port!, receiverPort!),
      pairs: [{ a: end("a0"), b: end("b0"), prefixOf: prefixOf(one, 0) }],
      wire: one.link === "btp" ? "ws" : "http",
      receiverPort: receiverPort!,
      cleanUp: () => rmSync(folder, { recursive: true, force: true }),
    };
  },
};
