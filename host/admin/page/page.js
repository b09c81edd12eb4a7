// The operator's page: asks the admin API again and again and shows what it says. It changes nothing
// and loads nothing from elsewhere; what comes from peers is put in as text, never as markup.
const PERIOD_MS = 2000;
const SAMPLES = 60;
const EVENTS = 20;
const KEY = "ferrule-token";

/** Packets fulfilled a second, oldest first. */
const rates = [];
let before = null;

const at = (id) => document.getElementById(id);

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function row(...parts) {
  const made = element("div", "", "row");
  made.append(...parts);
  return made;
}

/** Terms and what they are, in place of those before. */
function fill(list, terms) {
  const cells = terms.map(([term, value]) => {
    const cell = element("div");
    cell.append(element("dt", term), element("dd", String(value)));
    return cell;
  });
  list.replaceChildren(...cells);
}

const count = (n) => Number(n).toLocaleString("en");

/** Base units as whole ones, digit by digit: amounts may be more than a number holds. */
function amount(units, { assetCode, assetScale }) {
  const digits = units.replace("-", "").padStart(assetScale + 1, "0");
  const whole = digits.slice(0, digits.length - assetScale);
  const rest = digits.slice(digits.length - assetScale).replace(/0+$/, "");
  return `${units.startsWith("-") ? "-" : ""}${whole}${rest && `.${rest}`} ${assetCode}`;
}

function duration(ms) {
  const minutes = Math.floor(ms / 60000);
  if (minutes < 1) return `${Math.floor(ms / 1000)} s`;
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} days`;
}

function bytes(n) {
  return n < 1e6 ? `${(n / 1e3).toFixed(0)} kB` : `${(n / 1e6).toFixed(1)} MB`;
}

/** Where the balance stands between its limits; nothing when it has none. */
function showLimits(account) {
  const { balanceMinimum: low, balanceMaximum: high, balance } = account;
  if (low === null || high === null) return [];
  const bar = element("meter");
  [bar.min, bar.max, bar.value] = [low, high, balance].map(Number);
  const limits = `between ${amount(low, account)} and ${amount(high, account)}`;
  bar.title = limits;
  return [bar, element("div", limits, "faint")];
}

function showAccount(account) {
  const item = element("li");
  const { link, linkText, packets } = account;
  const isUp = link === "up";
  const name = element("strong", account.id);
  const state = account.frozen ? "frozen" : isUp ? (linkText ?? "up") : link;
  const isMuted = isUp && !account.frozen;
  item.append(
    row(name, element("span", state, isMuted ? "faint" : "bad")),
    row(element("span", account.balanceText, "money"), element("span", account.relation, "faint")),
    ...showLimits(account),
  );
  const said = [`${count(packets.inFulfilled)} in, ${count(packets.outFulfilled)} out`];
  if (account.inFlightIn + account.inFlightOut > 0) {
    said.push(`in flight ${account.inFlightIn} in, ${account.inFlightOut} out`);
  }
  if (account.atRisk !== "0") said.push(`at risk ${account.atRiskText}`);
  item.append(element("div", said.join(" · "), "faint"));
  if (account.claimOwed !== "0" || account.claimOwing !== "0") {
    const [owed, owing] = [account.claimOwed, account.claimOwing].map((v) => amount(v, account));
    const claims = `possible claims: they may owe ${owed}, you may owe ${owing}`;
    item.append(element("div", claims, "bad"));
  }
  return item;
}

function showEvent(event) {
  const item = element("li");
  const time = element("time", new Date(event.time).toLocaleTimeString());
  time.dateTime = event.time;
  const code = element("strong", event.code || event.rule);
  item.append(row(code, time), element("div", event.text));
  return item;
}

function sample(status) {
  const now = { ms: performance.now(), fulfilled: status.packets.fulfilled };
  const isSame = before && now.fulfilled >= before.fulfilled;
  if (isSame) rates.push(((now.fulfilled - before.fulfilled) / (now.ms - before.ms)) * 1000);
  if (rates.length > SAMPLES) rates.shift();
  before = now;
}

function draw() {
  const chart = at("chart");
  const most = Math.max(1, ...rates);
  const x = (i) => 300 - ((rates.length - 1 - i) * 300) / (SAMPLES - 1);
  const points = rates.map(
    (rate, i) => `${x(i).toFixed(1)},${(58 - (rate / most) * 56).toFixed(1)}`,
  );
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", points.join(" "));
  chart.replaceChildren(line);
  const minutes = (SAMPLES * PERIOD_MS) / 60000;
  chart.setAttribute("aria-label", `Packets fulfilled a second, ${minutes} minutes`);
  return most;
}

function showStatus(status, most) {
  document.title = `Ferrule ${status.address ?? ""}`;
  at("address").textContent = status.address ?? "no address yet";
  at("state").textContent = status.line;
  at("state").className = status.state === "ok" ? "good" : "bad";
  const { packets, store } = status;
  fill(at("packets"), [
    ["fulfilled a second now", count((rates.at(-1) ?? 0).toFixed(1))],
    ["most in the chart", count(most.toFixed(1))],
    ["in flight", count(status.inFlight)],
    ["fulfilled", count(packets.fulfilled)],
    ["rejected by peers", count(packets.rejected)],
    ["refused", count(packets.refused)],
    ["expired", count(packets.expired)],
    ["up for", duration(status.uptimeMs)],
  ]);
  const books = store
    ? [
        ["durability", store.durability],
        ["written", bytes(store.bytesWritten)],
        ["a sync takes, p99", `${store.syncP99Ms} ms`],
        ["journal in use", `${Math.round((100 * store.journalUsed) / store.journalSize)} %`],
      ]
    : [["kept", "in memory only"]];
  if (store?.failure) books.push(["the disk", store.failure]);
  fill(at("books"), [...books, ["version", status.version]]);
}

async function get(path) {
  const token = sessionStorage.getItem(KEY);
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { headers, cache: "no-store" });
  if (answer.status === 401) throw Object.assign(new Error(), { needsToken: true });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error);
  return body;
}

function complain(error) {
  at("state").className = "bad";
  const { needsToken } = error;
  if (needsToken) {
    const wasWrong = sessionStorage.getItem(KEY) !== null;
    sessionStorage.removeItem(KEY);
    at("entry").hidden = false;
    at("content").hidden = true;
    at("state").textContent = wasWrong ? "This is not the node's token." : "";
  } else {
    // fetch says no more than that there is no connection.
    const isGone = error instanceof TypeError;
    at("state").textContent = isGone ? "The node does not answer." : error.message;
  }
  return needsToken === true;
}

async function look() {
  let stops = false;
  try {
    const paths = ["status", "accounts", `events?count=${EVENTS}`];
    const [status, accounts, events] = await Promise.all(paths.map(get));
    at("entry").hidden = true;
    at("content").hidden = false;
    sample(status);
    showStatus(status, draw());
    const others = accounts.filter(({ relation }) => relation !== "local");
    const shown = others.length > 0 ? others.map(showAccount) : [element("li", "none yet")];
    at("accounts").replaceChildren(...shown);
    const refused = events.length > 0 ? events.map(showEvent) : [element("li", "none")];
    at("events").replaceChildren(...refused);
  } catch (error) {
    stops = complain(error);
  }
  if (!stops) setTimeout(next, PERIOD_MS);
}

/** Nobody looks at a page in the background: it waits until it is seen again. */
function next() {
  if (document.visibilityState === "visible") void look();
  else document.addEventListener("visibilitychange", next, { once: true });
}

at("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, at("token").value.trim());
  at("token").value = "";
  void look();
});
void look();
