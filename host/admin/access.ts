// Who may use the admin API. With a token: whoever shows it. Without one: programs on this machine
// and the node's own page, which only reads; but no other web page, neither by a request to
// 127.0.0.1 (it has an Origin, or comes from another site) nor by a name that was made to point
// here (DNS rebinding: the Host is not loopback).
import type { IncomingHttpHeaders } from "node:http";
import { isLoopback, type Secret } from "../config/index.js";

export interface Refusal {
  readonly status: 401 | 403;
  readonly error: string;
}

const BEARER = /^Bearer +([^\s]+) *$/i;

/** The host of a Host header without its port; null when it is none. */
function hostName(header: string | undefined): string | null {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]/\s]+)(?::\d{1,5})?$/i.exec(header ?? "");
  return match?.[1]?.toLowerCase() ?? null;
}

function checkToken(token: Secret, headers: IncomingHttpHeaders): Refusal | null {
  const shown = BEARER.exec(headers.authorization ?? "")?.[1];
  // An absent token is compared as well, so that the time says nothing.
  const matches = token.matches(shown ?? "");
  if (shown !== undefined && matches) return null;
  const error =
    shown === undefined
      ? "This node's admin API needs its token: send it as `Authorization: Bearer <token>`."
      : "This is not the token of this node's admin API.";
  return { status: 401, error };
}

/** Null when the request may go on. `token` null: the listener is on loopback. */
export function checkAccess(token: Secret | null, headers: IncomingHttpHeaders): Refusal | null {
  if (token !== null) return checkToken(token, headers);
  const site = headers["sec-fetch-site"];
  const isOther = site !== undefined && site !== "none" && site !== "same-origin";
  if (headers.origin !== undefined || isOther) {
    const error = "Web pages may not use the admin API; set admin.token to allow other programs.";
    return { status: 403, error };
  }
  const host = hostName(headers.host);
  if (host === null || !isLoopback(host)) {
    const error = "Without admin.token the admin API is only for 127.0.0.1, ::1 and localhost.";
    return { status: 403, error };
  }
  return null;
}
