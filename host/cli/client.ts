// The client of the admin API. Which node: `--admin`, else the configuration's own admin listener,
// else the default port. The configuration's token is only sent where the configuration points,
// unless both were named on the command line.
import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import { loadAdmin } from "../config/index.js";
import { CliError, Exit, textOption, type Input, type Option } from "./command.js";
import { CONFIG_OPTION, findConfigFile } from "./settings.js";

const DEFAULT_URL = "http://127.0.0.1:7769";
const TOKEN_VARIABLE = "FERRULE_ADMIN_TOKEN";
/** A ping may be held for as long as a node is configured to hold packets. */
const TIMEOUT_MS = 120_000;

export const CLIENT_OPTIONS: Readonly<Record<string, Option>> = {
  admin: { type: "string", value: "url", help: `Admin API of the node; ${DEFAULT_URL} if absent.` },
  token: { type: "string", value: "token", help: `Its token; better set ${TOKEN_VARIABLE}.` },
  config: CONFIG_OPTION,
};

interface Target {
  readonly url: URL;
  readonly token: string | null;
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url && (url.protocol === "http:" || url.protocol === "https:")) return url;
  throw new CliError(Exit.Usage, `--admin takes a URL such as ${DEFAULT_URL}.`);
}

/** Where to connect to reach a listener: a wildcard address is reached over loopback. */
function reachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::" || host === "[::]") return "[::1]";
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

function chooseTarget(input: Input): Target {
  const given = textOption(input, "admin");
  const shown = textOption(input, "token") ?? process.env[TOKEN_VARIABLE] ?? null;
  const file = given === undefined ? findConfigFile(input) : (textOption(input, "config") ?? null);
  if (file === null) return { url: parseUrl(given ?? DEFAULT_URL), token: shown };
  const admin = loadAdmin(file, shown !== null);
  if (given === undefined && !admin.enabled) {
    throw new CliError(
      Exit.Unavailable,
      `${file} has no admin API: set admin.enabled = true and start Ferrule again.`,
    );
  }
  const url = given ?? `http://${reachable(admin.host)}:${admin.port}`;
  return { url: parseUrl(url), token: shown ?? admin.token?.reveal() ?? null };
}

function send(target: Target, method: string, path: string, body: string): Promise<Response> {
  const { url, token } = target;
  const secure = url.protocol === "https:";
  const headers: Record<string, string> = { accept: "application/json" };
  if (token !== null) headers["authorization"] = `Bearer ${token}`;
  if (method === "POST") headers["content-type"] = "application/json";
  return new Promise((resolve, reject) => {
    const where = new URL(`.${path}`, url.href.endsWith("/") ? url : `${url.href}/`);
    const open = secure ? requestHttps : requestHttp;
    const request = open(where, { method, headers });
    request.on("response", (response) => {
      readResponse(response).then(resolve, reject);
    });
    request.setTimeout(TIMEOUT_MS, () => request.destroy(new Error("no answer in two minutes")));
    request.on("error", reject);
    request.end(body);
  });
}

interface Response {
  readonly status: number;
  readonly text: string;
}

async function readResponse(response: IncomingMessage): Promise<Response> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") };
}

/** Errors of the system that mean: nobody is listening there. */
const NOBODY = new Set(["ECONNREFUSED", "ENOENT", "EHOSTUNREACH", "ENOTFOUND", "EAI_AGAIN"]);

function explainFailure(error: unknown, { origin }: URL): CliError {
  const { code, message } = error as NodeJS.ErrnoException;
  const sentence = NOBODY.has(code ?? "")
    ? `Ferrule is not running at ${origin}: start it with \`ferrule start\`.`
    : `Ferrule at ${origin} cannot be asked (${code ?? message}): check --admin and its log.`;
  return new CliError(Exit.Unavailable, sentence);
}

function explainStatus({ status, text }: Response, { origin }: URL): CliError {
  let sentence = `What answers at ${origin} is not Ferrule's admin API: check --admin.`;
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === "string") sentence = error;
  } catch {
    return new CliError(Exit.Unavailable, sentence);
  }
  if (status === 401) sentence += ` Set ${TOKEN_VARIABLE} or use --token.`;
  if (status === 400 || status === 404 || status === 409) {
    return new CliError(Exit.Usage, sentence);
  }
  return new CliError(status === 500 ? Exit.Internal : Exit.Unavailable, sentence);
}

/** Asks the running node. Throws CliError with a sentence when it cannot or will not answer. */
export async function ask<T>(input: Input, path: string, body?: object): Promise<T> {
  const target = chooseTarget(input);
  const method = body === undefined ? "GET" : "POST";
  let response: Response;
  try {
    response = await send(target, method, path, body === undefined ? "" : JSON.stringify(body));
  } catch (error) {
    throw explainFailure(error, target.url);
  }
  if (response.status !== 200) throw explainStatus(response, target.url);
  try {
    return JSON.parse(response.text) as T;
  } catch {
    throw explainStatus({ ...response, text: "" }, target.url);
  }
}
