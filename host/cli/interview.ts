// The questions of `ferrule init`, and how their answers are read. Ctrl-C and Ctrl-D give up, and
// then nothing is written.
import { randomBytes } from "node:crypto";
import { createInterface, type Interface } from "node:readline";
import type { InitAccount, InitAnswers, Relation } from "../config/index.js";
import { CliError, Exit } from "./command.js";

const RELATIONS: readonly Relation[] = ["parent", "peer", "child"];
const DEFAULT_ADDRESS = "test.ferrule";
export const DEFAULT_ASSET = "XRP";
export const DEFAULT_SCALE = "9";

/** 192 random bits. */
export function newToken(): string {
  return randomBytes(24).toString("base64url");
}

export function readRelation(text: string): Relation {
  const relation = RELATIONS.find((one) => one === text);
  if (relation) return relation;
  throw new CliError(Exit.Usage, `A relation is one of ${RELATIONS.join(", ")}, not "${text}".`);
}

export function readScale(text: string): number {
  if (/^\d{1,3}$/.test(text) && Number(text) <= 255) return Number(text);
  throw new CliError(Exit.Usage, `An asset scale is a whole number from 0 to 255, not "${text}".`);
}

/** Questions and answers line by line; lines typed ahead are kept. */
class Interview {
  readonly #lines: Interface;
  readonly #typed: string[] = [];
  #wanted: { resolve: (line: string) => void; reject: (error: Error) => void } | null = null;
  #closed = false;

  constructor(input: NodeJS.ReadableStream, output: NodeJS.WritableStream) {
    this.#lines = createInterface({ input, output });
    this.#lines.on("line", (line) => {
      const wanted = this.#wanted;
      this.#wanted = null;
      if (wanted) wanted.resolve(line);
      else this.#typed.push(line);
    });
    this.#lines.on("close", () => {
      this.#closed = true;
      this.#wanted?.reject(new CliError(Exit.Interrupted, "\nNothing is written."));
    });
  }

  /** An empty answer is the proposal. Throws when the terminal is closed (Ctrl-C, Ctrl-D). */
  async ask(question: string, proposal: string): Promise<string> {
    const shown = proposal === "" ? "" : ` [${proposal}]`;
    this.#lines.setPrompt(`${question}${shown}: `);
    this.#lines.prompt();
    const typed = this.#typed.shift();
    const line =
      typed ??
      (await new Promise<string>((resolve, reject) => {
        this.#wanted = { resolve, reject };
        if (this.#closed) reject(new CliError(Exit.Interrupted, "Nothing is written."));
      }));
    return line.trim() || proposal;
  }

  async confirm(question: string, proposal: boolean): Promise<boolean> {
    return /^y/i.test(await this.ask(`${question} (y/n)`, proposal ? "y" : "n"));
  }

  close(): void {
    this.#lines.close();
  }
}

async function askAccount(interview: Interview): Promise<InitAccount> {
  const id = await interview.ask("  Name of the account", "bob");
  const relation = readRelation(await interview.ask("  Relation: parent, peer or child", "peer"));
  const assetCode = await interview.ask("  Asset", DEFAULT_ASSET);
  const assetScale = readScale(await interview.ask("  Scale of the asset", DEFAULT_SCALE));
  const url = await interview.ask("  URL to connect to (empty: they connect to you)", "");
  const token = await interview.ask("  Token (empty: a new random one)", "");
  const maximum = await interview.ask(
    "  Most they may owe you, in base units (empty: no limit)",
    "",
  );
  return {
    id,
    relation,
    assetCode,
    assetScale,
    token: token || newToken(),
    ...(url === "" ? {} : { url }),
    ...(maximum === "" ? {} : { balanceMaximum: maximum }),
  };
}

/** Asks for a first configuration. Throws CliError when the operator gives up or is wrong. */
export async function interviewOperator(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): Promise<InitAnswers> {
  const interview = new Interview(input, output);
  try {
    const question = "ILP address of this node (- to be given one by a parent)";
    const address = await interview.ask(question, DEFAULT_ADDRESS);
    const ilpAddress = address === "-" ? null : address;
    const isPublic = ilpAddress === null || /^g\./.test(ilpAddress);
    const openTokens =
      !isPublic && (await interview.confirm("May any app on this machine connect?", true));
    const accounts: InitAccount[] = [];
    while (await interview.confirm("Add an account?", ilpAddress === null && !accounts.length)) {
      accounts.push(await askAccount(interview));
    }
    return { ilpAddress, openTokens, accounts };
  } finally {
    interview.close();
  }
}
