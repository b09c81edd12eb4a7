// The questions of `ferrule init`: however the answers arrive, and when they do not.
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, it } from "node:test";
import { interviewOperator } from "../../host/cli/interview.js";
import { CliError, Exit } from "../../host/cli/command.js";
import { parseConfig, renderInit, type InitAnswers } from "../../host/config/index.js";

/** Gives `answers` one at a time, each after its question, or all at once. */
async function interview(answers: string[], ahead: boolean): Promise<InitAnswers> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const rest = answers.map((answer) => `${answer}\n`);
  if (ahead) input.end(rest.join(""));
  else {
    output.on("data", () => {
      const next = rest.shift();
      if (next === undefined) input.end();
      else input.write(next);
    });
  }
  if (ahead) output.resume();
  return await interviewOperator(input, output);
}

for (const ahead of [false, true]) {
  describe(`answers ${ahead ? "typed ahead" : "one by one"}`, () => {
    it("make a configuration that loads", async () => {
      const account = ["bob", "peer", "USD", "2", "", "", "1000"];
      const answers = await interview(["test.me", "n", "y", ...account, "n"], ahead);
      const config = parseConfig(renderInit(answers), "ferrule.toml");
      assert.equal(config.ilpAddress, "test.me");
      assert.equal(config.btp.openTokens, false);
      const [bob] = config.accounts;
      assert.deepEqual([bob!.id, bob!.assetCode, bob!.assetScale], ["bob", "USD", 2]);
      assert.equal(bob!.balance.maximum, 1000n);
      assert.ok(bob!.link.kind === "btp-listen" && bob!.link.token.reveal().length >= 32);
    });
    it("may all be empty", async () => {
      const answers = await interview(["", "", ""], ahead);
      assert.equal(answers.ilpAddress, "test.ferrule");
      assert.equal(answers.openTokens, true);
      assert.deepEqual(answers.accounts, []);
      parseConfig(renderInit(answers), "ferrule.toml");
    });
    it("may ask a parent for the address", async () => {
      const parent = ["up", "parent", "", "", "btp+wss://example.com", "t0ken", ""];
      const answers = await interview(["-", "y", ...parent, "n"], ahead);
      assert.equal(parseConfig(renderInit(answers), "f.toml").ilpAddressInheritFrom, "up");
    });
    it("that end early, or are wrong, give nothing", async () => {
      const isExit = (exit: Exit) => (error: unknown) =>
        error instanceof CliError && error.exit === exit;
      await assert.rejects(interview(["test.me"], ahead), isExit(Exit.Interrupted));
      await assert.rejects(interview([], ahead), isExit(Exit.Interrupted));
      const wrong = interview(["test.me", "n", "y", "bob", "friend"], ahead);
      await assert.rejects(wrong, isExit(Exit.Usage));
    });
  });
}
