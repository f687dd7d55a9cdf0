// Looks at a run in the Temporal UI of the embedded engine: node temporal.mjs OUT URL RUN TITLE
// Fails where the run's id, its run sheet or its steps are not to be seen, the UI breaks, or it asks another machine for something.
import { chromium } from "playwright-core";
import path from "node:path";

const [out, url, run, title] = process.argv.slice(2);
const faults = [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const page = await context.newPage();
const own = new URL(url).origin;
const elsewhere = new Set();
page.on("request", (r) => { const at = new URL(r.url()); if (at.protocol.startsWith("http") && at.origin !== own) elsewhere.add(at.origin); });
page.on("pageerror", (e) => faults.push(`error: ${e.message}`));
page.on("console", (m) => { if (m.type() === "error" && !elsewhere.has(safeOrigin(m.location().url))) faults.push(`console: ${m.text()} (${m.location().url})`); });
page.on("response", (r) => { if (r.url().startsWith(own) && r.status() >= 500) faults.push(`${r.status()} for ${r.url()}`); });

function safeOrigin(text) { try { return new URL(text).origin; } catch { return ""; } }

async function expect(what, locator) {
  try {
    await locator.first().waitFor({ state: "visible", timeout: 60_000 });
  } catch {
    faults.push(`${what} is not to be seen`);
  }
}

// framed waits for a text in one of the frames in which the UI shows all that is Markdown: labels of steps, the run sheet.
async function framed(what, pattern) {
  for (const end = Date.now() + 60_000; Date.now() < end; await page.waitForTimeout(250)) {
    for (const frame of page.frames().slice(1)) {
      try {
        if (pattern.test(await frame.evaluate(() => document.body.innerText))) return;
      } catch { /* it was replaced by another */ }
    }
  }
  faults.push(`${what} is not to be seen`);
}

await page.goto(url, { waitUntil: "load" });
await expect("the run's id", page.getByText(run));
await framed("a step of the run, by what it does", /ShutdownHost . Shut down host/);
await framed("what the run does itself", /release the locks of this run/);
await page.screenshot({ path: path.join(out, "temporal-timeline.png") });

await page.goto(`${own}/namespaces/default/workflows`, { waitUntil: "load" });
await expect("the run in the list", page.getByText(run));
await expect("what people asked for", page.getByText("PowerDown"));
await page.screenshot({ path: path.join(out, "temporal-list.png") });

await page.goto(url, { waitUntil: "load" });
await page.getByText("User Metadata").first().click();
await framed("the run sheet's title", new RegExp(title.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")));
await framed("the run sheet's numbers", /\d+ of \d+ steps done/);
await page.screenshot({ path: path.join(out, "temporal-sheet.png") });

await browser.close();
for (const origin of elsewhere) console.log(`the Temporal UI asked ${origin}`);
for (const f of faults) console.error("FAULT " + f);
if (faults.length > 0) process.exit(1);
console.log("the Temporal UI shows the run");
