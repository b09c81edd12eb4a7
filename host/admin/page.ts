// The operator's page: three files that come with the program. They hold nothing of this node, so
// they are served without a token; what the page shows it asks of the API, with one.
import { packagedFiles } from "../files.js";

export interface PageFile {
  readonly type: string;
  readonly body: Buffer;
}

const FILES: Readonly<Record<string, { name: string; type: string }>> = {
  "/": { name: "index.html", type: "text/html; charset=utf-8" },
  "/page.css": { name: "page.css", type: "text/css; charset=utf-8" },
  "/page.js": { name: "page.js", type: "text/javascript; charset=utf-8" },
};

/** Own scripts and styles only, no frames around it, nothing sent elsewhere. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

const found = new Map<string, PageFile>();

/** The file of the page at a path, read once; null when none is there. */
export function findPageFile(path: string): PageFile | null {
  const file = Object.hasOwn(FILES, path) ? FILES[path] : undefined;
  if (!file) return null;
  const known = found.get(path);
  if (known) return known;
  const [bytes] = packagedFiles(`host/admin/page/${file.name}`);
  if (!bytes) return null;
  const page = { type: file.type, body: Buffer.from(bytes) };
  found.set(path, page);
  return page;
}
