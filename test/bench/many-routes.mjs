// Ferrule with more routes than a configuration file holds, put in through the embedding API as a
// routing protocol would: `many-routes.mjs <file.toml> <routes> <digits> <pairs>`.
import { createConnector, loadConfig } from "ferrule";

const [, , file, routes, digits, pairs] = process.argv;
const connector = createConnector(loadConfig(file));
await connector.start();
for (let i = 0; i < Number(routes); i++) {
  const { index } = connector.registry.byId(`b${i % Number(pairs)}`);
  connector.core.setRoute(`test.route${String(i).padStart(Number(digits), "0")}`, index);
}
