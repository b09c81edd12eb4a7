// `ferrule import`: an ilp-connector configuration becomes a ferrule.toml that loads, and a list of
// what could not be carried over. Sources: CONNECTOR_* variables, an env file, a pm2 file, or a
// script that calls createApp.
import { isRecord, wholeNumber, type Draft } from "./draft.js";
import { convertAccounts } from "./import-accounts.js";
import { repair } from "./repair.js";
import { evaluateFile } from "./sandbox.js";
import type { ImportResult } from "./types.js";
import { writeToml } from "./write.js";

/**
 * Variables whose values are text, or objects where the source is JavaScript; or a file by name and
 * content.
 */
export type ImportSource =
  | { readonly kind: "environment"; readonly variables: Readonly<Record<string, unknown>> }
  | { readonly kind: "file"; readonly name: string; readonly text: string };

type Settings = Readonly<Record<string, unknown>>;

const KEYS: Readonly<Record<string, "text" | "json" | "flag" | "number">> = {
  env: "text",
  ilpAddress: "text",
  ilpAddressInheritFrom: "text",
  accounts: "json",
  defaultRoute: "text",
  routes: "json",
  spread: "number",
  minMessageWindow: "number",
  maxHoldTime: "number",
  routeBroadcastEnabled: "flag",
  routeBroadcastInterval: "number",
  routeCleanupInterval: "number",
  routeExpiry: "number",
  routingSecret: "text",
  backend: "text",
  backendConfig: "json",
  store: "text",
  storePath: "text",
  storeConfig: "json",
  middlewares: "json",
  disableMiddleware: "json",
  reflectPayments: "flag",
  initialConnectTimeout: "number",
  adminApi: "flag",
  adminApiPort: "number",
  adminApiHost: "text",
  collectDefaultMetrics: "flag",
};

const PREFIX = "CONNECTOR_";
const constantCase = (key: string): string => key.replace(/[A-Z]/g, "_$&").toUpperCase();

/**
 * Converts an ilp-connector configuration. Throws an Error whose message is a sentence when there
 * is none in the source or it cannot be read; what merely cannot be carried over becomes a note.
 */
export function importIlpConnector(source: ImportSource): ImportResult {
  const notes: string[] = [];
  const settings = readSource(source, notes);
  const draft: Draft = {};
  convertTop(settings, draft, notes);
  convertAccounts(settings["accounts"], draft, notes);
  convertRoutes(settings["routes"], draft, notes);
  convertBackend(settings, draft, notes);
  convertAdmin(settings, draft, notes);
  noteRest(settings, notes);
  renameLocal(draft, notes);
  const document = repair(draft, notes);
  const lines = [...new Set(notes)].map((note) => note.replace(/[\0-\u001f\u007f]+/g, " "));
  const head = ["Converted from an ilp-connector configuration by `ferrule import`.", ...lines];
  return {
    toml: `${head.map((line) => `# ${line}\n`).join("")}\n${writeToml(document)}`,
    notes: lines,
  };
}

// --- sources -------------------------------------------------------------------------------------

function readSource(source: ImportSource, notes: string[]): Settings {
  if (source.kind === "environment")
    return readVariables(source.variables, "The environment", notes);
  const { name, text } = source;
  if (/\.json$/i.test(name)) return readExported(parseJson(text, name), name, notes);
  if (!/\.[cm]?js$/i.test(name)) return readVariables(parseEnvFile(text), name, notes);
  const { exported, created, environment } = evaluateFile(text, name);
  if (environment.length > 0) {
    const names = [...new Set(environment)].join(", ");
    notes.push(
      `${name} reads ${names} from the environment: tokens became "env:NAME", check the rest.`,
    );
  }
  return created === undefined ? readExported(exported, name, notes) : readOptions(created, notes);
}

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${name} is not JSON; correct it or give the variables in an env file.`);
  }
}

/** A pm2 file (`apps[].env`), an object of variables, or the options of createApp. */
function readExported(exported: unknown, name: string, notes: string[]): Settings {
  if (!isRecord(exported))
    throw new Error(`${name} exports no settings; give it a module.exports.`);
  const { apps } = exported;
  const list = Array.isArray(apps) ? (apps as unknown[]).filter(isRecord) : [exported];
  const found = list
    .map((app) => (isRecord(app["env"]) ? app["env"] : app))
    .filter((env) => Object.keys(env).some((key) => key.startsWith(PREFIX)));
  if (found.length > 1) {
    notes.push(`${name} describes ${found.length} connectors; only the first was converted.`);
  }
  const [variables] = found;
  if (variables !== undefined) return readVariables(variables, name, notes);
  if (isRecord(exported["accounts"])) return readOptions(exported, notes);
  throw new Error(
    `${name} has no CONNECTOR_ variables and no accounts; choose the file that starts ` +
      `ilp-connector.`,
  );
}

function readOptions(options: unknown, notes: string[]): Settings {
  if (!isRecord(options)) return {};
  for (const key of Object.keys(options)) {
    if (!Object.hasOwn(KEYS, key))
      notes.push(`${key} is not a key of ilp-connector and was left out.`);
  }
  return options;
}

function readVariables(variables: Settings, name: string, notes: string[]): Settings {
  const settings: Record<string, unknown> = {};
  const known = new Map(Object.keys(KEYS).map((key) => [PREFIX + constantCase(key), key]));
  const given = Object.keys(variables).filter((variable) => variable.startsWith(PREFIX));
  if (given.length === 0) {
    throw new Error(`${name} has no CONNECTOR_ variables; set them, or name the file that does.`);
  }
  for (const variable of given) {
    const key = known.get(variable);
    if (key === undefined) {
      notes.push(`${variable} is not a variable of ilp-connector and was left out.`);
      continue;
    }
    const value = readVariable(variables[variable], KEYS[key] ?? "text");
    if (value === undefined) notes.push(`${variable} cannot be read and was left out.`);
    else settings[key] = value;
  }
  return settings;
}

function readVariable(value: unknown, kind: "text" | "json" | "flag" | "number"): unknown {
  if (typeof value !== "string" || kind === "text") return value ?? undefined;
  if (kind === "flag") return ["1", "true"].includes(value);
  if (kind === "number") return value.trim();
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return undefined;
  }
}

/**
 * Reads `NAME=value` lines: with or without `export`, plain or in quotes, quoted values over
 * several lines.
 */
export function parseEnvFile(text: string): Record<string, string> {
  const variables: Record<string, string> = {};
  const line =
    /^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*('[^']*'|"(?:\\[^]|[^"\\])*"|[^\r\n]*)/gm;
  for (const [, name = "", value = ""] of text.matchAll(line)) {
    if (value.startsWith("'")) variables[name] = value.slice(1, -1);
    else if (value.startsWith('"')) {
      variables[name] = value
        .slice(1, -1)
        .replace(/\\(["\\$`])/g, "$1")
        .replaceAll("\\n", "\n");
    } else variables[name] = (/^[{[]/.test(value) ? value : value.replace(/\s#.*$/, "")).trim();
  }
  return variables;
}

// --- conversion ----------------------------------------------------------------------------------

function convertTop(settings: Settings, draft: Draft, notes: string[]): void {
  const { ilpAddress, ilpAddressInheritFrom } = settings;
  if (ilpAddress !== undefined && ilpAddress !== "unknown") draft["ilpAddress"] = ilpAddress;
  else if (ilpAddressInheritFrom !== "") draft["ilpAddressInheritFrom"] = ilpAddressInheritFrom;
  for (const key of ["env", "defaultRoute", "reflectPayments", "routeBroadcastEnabled"]) {
    draft[key] = settings[key];
  }
  if (settings["spread"] !== undefined) draft["spread"] = String(settings["spread"]);
  for (const key of ["minMessageWindow", "maxHoldTime", "routeBroadcastInterval", "routeExpiry"]) {
    draft[key] = wholeNumber(settings[key]);
  }
  if (settings["reflectPayments"] === undefined) {
    notes.push(
      "reflectPayments was on, ilp-connector's default; here it is off unless you " +
        "write reflectPayments = true.",
    );
  }
}

function convertRoutes(routes: unknown, draft: Draft, notes: string[]): void {
  if (routes === undefined) return;
  if (!Array.isArray(routes)) {
    notes.push("routes is not a list and was left out.");
    return;
  }
  draft["routes"] = (routes as unknown[])
    .filter(isRecord)
    .map(({ targetPrefix, peerId }) => ({ targetPrefix, peerId }));
}

/** `local` is the node's own account here: an account of that name gets another one. */
function renameLocal(draft: Draft, notes: string[]): void {
  const accounts = (draft["accounts"] ?? []) as (readonly [string, Draft])[];
  if (!accounts.some(([id]) => id === "local")) return;
  let name = "local-peer";
  while (accounts.some(([id]) => id === name)) name += "-2";
  const rename = (id: unknown): unknown => (id === "local" ? name : id);
  draft["accounts"] = accounts.map(([id, account]) => [rename(id), account]);
  for (const key of ["defaultRoute", "ilpAddressInheritFrom"]) draft[key] = rename(draft[key]);
  const routes = draft["routes"] as Draft[] | undefined;
  if (routes)
    draft["routes"] = routes.map((route) => ({ ...route, peerId: rename(route["peerId"]) }));
  notes.forEach((note, i) => (notes[i] = note.replace("/accounts/local/", `/accounts/${name}/`)));
  notes.push(
    `accounts.local became accounts.${name}, because local is the node's own account: tell the ` +
      "peer if it uses that name.",
  );
}

function convertBackend(settings: Settings, draft: Draft, notes: string[]): void {
  const { backend = "ecb" } = settings;
  const accounts = (draft["accounts"] ?? []) as (readonly [string, Draft])[];
  const open = (draft["btp"] as Draft | undefined)?.["open"] as Draft | undefined;
  const all = [...accounts.map(([, account]) => account["assetCode"]), open?.["assetCode"]];
  const codes = [...new Set(all.filter((code): code is string => typeof code === "string"))];
  if (backend === "one-to-one") {
    const rates = codes.flatMap((from, index) =>
      codes.slice(index + 1).map((to) => ({ from, to, rate: "1", both: true })),
    );
    if (rates.length > 0) draft["rates"] = rates;
  } else if (codes.length > 1 || settings["backend"] !== undefined) {
    const name = typeof backend === "string" ? backend : "an object";
    notes.push(
      `The rate backend ${name} has no counterpart; add a [[rates]] entry for each ` +
        `pair of ${codes.join(", ")}.`,
    );
  }
}

function convertAdmin(settings: Settings, draft: Draft, notes: string[]): void {
  if (settings["adminApi"] !== true) return;
  draft["admin"] = { port: wholeNumber(settings["adminApiPort"] ?? 7780) };
  const host = settings["adminApiHost"] ?? "127.0.0.1";
  if (host !== "127.0.0.1" && host !== "localhost" && host !== "::1") {
    notes.push(
      "adminApiHost was left out: beyond loopback the admin API needs [admin] host and token.",
    );
  }
}

const LEFT_OUT: Readonly<Record<string, string>> = {
  backendConfig: "backendConfig was left out: there are no rate backends.",
  storePath: "storePath was left out: balances are kept in dataDir.",
  storeConfig: "storeConfig was left out: balances are kept in dataDir.",
  routingSecret: "routingSecret was left out: route authentication values are random here.",
  initialConnectTimeout: "initialConnectTimeout was left out: links connect in the background.",
};

function noteRest(settings: Settings, notes: string[]): void {
  for (const [key, note] of Object.entries(LEFT_OUT)) {
    const value = settings[key];
    const empty = isRecord(value) && Object.keys(value).length === 0;
    if (value !== undefined && value !== "" && !empty) notes.push(note);
  }
  const { store, middlewares, disableMiddleware } = settings;
  if (store !== undefined && store !== "memory") {
    const name = typeof store === "string" ? store : "object";
    notes.push(`The store ${name} was left out: balances start at zero and are kept in dataDir.`);
  }
  for (const name of Object.keys(isRecord(middlewares) ? middlewares : {})) {
    notes.push(`The middleware ${name} was left out: there are no plug-in middlewares.`);
  }
  for (const name of Array.isArray(disableMiddleware) ? (disableMiddleware as unknown[]) : []) {
    notes.push(`disableMiddleware ${String(name)} was left out: checks cannot be switched off.`);
  }
}
