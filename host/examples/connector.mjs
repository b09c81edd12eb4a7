// A whole connector inside a Node program: it listens for apps, pings itself, says what would
// happen to a packet and who owes what, and ends. test/examples runs it as it stands.
import { createConnector, createLog, parseConfig } from "ferrule";

const config = parseConfig(
  `ilpAddress = "test.shop"
   [btp]
   port = 0                 # any free port
   openTokens = true        # every token is an account, as with moneyd
   [admin]
   enabled = false
   [http]
   enabled = false`,
  "shop.toml",
);
// An empty dataDir keeps no books on disk: name a folder in earnest.
const connector = createConnector({ ...config, dataDir: "" }, { log: createLog("warn", false) });
await connector.start();
for (const { kind, url } of connector.listening) console.log(`${kind} ${url}`);

const { reply } = await connector.ping("test.shop");
console.log(`ping test.shop: ${reply}`);
const prepare = { destination: "test.nobody", amount: 5n, expiresAtMs: Date.now() + 10_000 };
const verdict = connector.explain(0, prepare);
console.log(`pay test.nobody: ${verdict.code} ${verdict.message} (${verdict.rule})`);
for (const { id, index } of connector.registry.list()) {
  console.log(`${id} owes ${connector.core.account(index).balance}`);
}

await connector.drain();
await connector.stop();
