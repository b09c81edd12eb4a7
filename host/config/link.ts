// How an account is reached: resolves its `btp` or `http` table to one link (BTP-01, HTTP-02).
import { isLoopback, resolveSecret, type Context } from "./machine.js";
import type { AccountValues } from "./schema.js";
import { Secret } from "./secret.js";
import type { AccountLink, BtpDialLink, BtpListenLink, HttpLink } from "./types.js";

type BtpValues = NonNullable<AccountValues["btp"]>;
type HttpValues = NonNullable<AccountValues["http"]>;

/** Resolves the one link of account `id`; mistakes go to `context.problems`. */
export function resolveLink(id: string, values: AccountValues, context: Context): AccountLink {
  const { btp, http, serial } = values;
  const path = ["accounts", id];
  const nowhere: HttpLink = {
    kind: "http",
    url: null,
    outgoingToken: null,
    incomingToken: null,
    timeoutMs: 0,
    maxConnections: 0,
  };
  if (btp !== null && http !== null) {
    context.problems.mistake(
      [...path, "http"],
      "cannot stand beside btp; keep one link per account",
    );
  }
  const key = resolveSerialKey(id, values, context);
  if (serial !== null) {
    if (btp !== null || http !== null) {
      context.problems.mistake(
        [...path, "serial"],
        "cannot stand beside btp or http; keep one link per account",
      );
    }
    return { kind: "serial", device: serial, baud: values.serialBaud, key };
  }
  if (btp !== null) return resolveBtpLink(id, btp, context);
  if (http !== null) return resolveHttpLink(id, http, context);
  const fix = `add [accounts.${id}.btp], [accounts.${id}.http] or serial`;
  context.problems.mistake([...path, "btp"], `is missing, so the account has no link; ${fix}`);
  return nowhere;
}

/** The key of a line over TCP, which is to have one unless both ends are this machine. */
function resolveSerialKey(id: string, values: AccountValues, context: Context): Secret | null {
  const { problems } = context;
  const { serial, serialKey, serialKeyFile } = values;
  const path = ["accounts", id];
  const given = { token: serialKey, tokenFile: serialKeyFile };
  const key = resolveSecret(given, path, ["serialKey", "serialKeyFile"], context);
  const isTcp = serial?.startsWith("tcp:") === true;
  if (key !== null) {
    const place = [...path, serialKey === null ? "serialKeyFile" : "serialKey"];
    if (!isTcp) problems.mistake(place, 'goes with serial = "tcp://…" only; remove it');
    else if (!/^[0-9a-f]{64}$/i.test(key.reveal())) {
      problems.mistake(place, "must be 64 hexadecimal digits; make one: openssl rand -hex 32");
    }
  } else if (isTcp && !isLoopback(new URL(serial).hostname)) {
    const fix = "add serialKey, and the same key to the board's settings";
    problems.warn([...path, "serial"], `crosses a network unprotected; ${fix}`);
  }
  return key;
}

function resolveBtpLink(
  id: string,
  values: BtpValues,
  context: Context,
): BtpListenLink | BtpDialLink {
  const { problems } = context;
  const path = ["accounts", id, "btp"];
  const given = resolveSecret(values, path, ["token", "tokenFile"], context);
  const tokenPath = [...path, values.tokenFile === null ? "token" : "tokenFile"];
  if (values.listen && values.url !== null) {
    problems.mistake([...path, "url"], "cannot stand beside listen = true; remove one of them");
  }
  if (values.url !== null) return resolveDial(id, values, values.url, given, context);
  if (!values.listen) {
    problems.mistake(path, 'has neither listen nor url; add listen = true or url = "btp+wss://…"');
  } else if (given === null) {
    problems.mistake(tokenPath, "is missing; add the token that the peer will show");
  } else if (given.isEmpty) {
    problems.mistake(tokenPath, "is empty; an account that the peer dials needs a token");
  }
  const token = given ?? new Secret("");
  return { kind: "btp-listen", token, pingIntervalMs: values.pingInterval };
}

function resolveDial(
  id: string,
  values: BtpValues,
  url: URL,
  given: Secret | null,
  context: Context,
): BtpDialLink {
  const { problems } = context;
  const path = ["accounts", id, "btp"];
  // As ilp-plugin-btp sends them: percent-encoding is not undone.
  const { username, password } = url;
  if (given !== null && password !== "") {
    problems.mistake(
      [...path, "url"],
      "has a token in it beside the token key; remove one of them",
    );
  }
  if (values.username !== "" && username !== "") {
    problems.mistake(
      [...path, "url"],
      "has a user name in it beside the username key; remove one of them",
    );
  }
  if (given === null && password === "") {
    problems.mistake(
      [...path, "token"],
      'is missing; add the token that the server expects, "" if none',
    );
  }
  const { min, max } = values.reconnect;
  if (min > max) {
    problems.mistake(
      [...path, "reconnect", "min"],
      `is above reconnect.max ${max}; lower it to at most that`,
    );
  }
  const bare = withoutCredentials(url);
  if (bare.protocol === "ws:" && !isLoopback(bare.hostname)) {
    const fix = "use btp+wss:// if the server has TLS";
    problems.warn(
      [...path, "url"],
      `is not encrypted, so the token crosses the network in the clear; ${fix}`,
    );
  }
  return {
    kind: "btp-dial",
    url: bare.href,
    username: username === "" ? values.username : username,
    token: given ?? new Secret(password),
    reconnectMinMs: min,
    reconnectMaxMs: max,
    pingIntervalMs: values.pingInterval,
    authTimeoutMs: values.authTimeout,
  };
}

function withoutCredentials(url: URL): URL {
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  bare.hash = "";
  return bare;
}

function resolveHttpLink(id: string, values: HttpValues, context: Context): HttpLink {
  const { problems } = context;
  const path = ["accounts", id, "http"];
  const read = (which: "outgoingToken" | "incomingToken"): Secret | null => {
    const names = [which, `${which}File`] as const;
    const given = { token: values[which], tokenFile: values[`${which}File`] };
    const token = resolveSecret(given, path, names, context);
    if (token !== null && !/^[!-~]+$/.test(token.reveal())) {
      const place = [...path, given.token === null ? names[1] : names[0]];
      const fix = token.isEmpty ? "is empty; write a token or remove the key" : null;
      problems.mistake(
        place,
        fix ?? "has characters that HTTP cannot carry; use visible ASCII only",
      );
    }
    return token;
  };
  const [outgoingToken, incomingToken] = [read("outgoingToken"), read("incomingToken")];
  const { url, timeout, maxConnections } = values;
  if (url === null && incomingToken === null) {
    problems.mistake(path, "has neither url nor incomingToken; add at least one of them");
  }
  if (url !== null && (url.username !== "" || url.password !== "")) {
    problems.mistake(
      [...path, "url"],
      "has a user name or password in it; use outgoingToken instead",
    );
  }
  if (url?.protocol === "http:" && !isLoopback(url.hostname)) {
    problems.warn([...path, "url"], "is not encrypted; use https:// if the peer has TLS");
  }
  return {
    kind: "http",
    url: url === null ? null : withoutCredentials(url).href,
    outgoingToken,
    incomingToken,
    timeoutMs: timeout,
    maxConnections,
  };
}
