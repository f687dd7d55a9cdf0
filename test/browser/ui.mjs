// What scripts that look at the Temporal UI share: a page, and what is wrong with it.
import { chromium } from "playwright-core";

const faults = [];
const elsewhere = new Set();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });

function safeOrigin(text) { try { return new URL(text).origin; } catch { return ""; } }

// open answers a page on which the UI may break, or ask another machine for something, and that is noted.
export async function open(url) {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  const own = new URL(url).origin;
  page.on("request", (r) => { const at = new URL(r.url()); if (at.protocol.startsWith("http") && at.origin !== own) elsewhere.add(at.origin); });
  page.on("pageerror", (e) => faults.push(`error: ${e.message}`));
  page.on("console", (m) => { if (m.type() === "error" && !elsewhere.has(safeOrigin(m.location().url))) faults.push(`console: ${m.text()} (${m.location().url})`); });
  page.on("response", (r) => { if (r.url().startsWith(own) && r.status() >= 500) faults.push(`${r.status()} for ${r.url()}`); });
  await page.goto(url, { waitUntil: "load" });
  return page;
}

export async function expect(what, locator) {
  try {
    await locator.first().waitFor({ state: "visible", timeout: 60_000 });
  } catch {
    faults.push(`${what} is not to be seen`);
  }
}

// framed waits for a text in one of the frames in which the UI shows all that is Markdown: labels of steps, the run sheet.
export async function framed(page, what, pattern) {
  for (const end = Date.now() + 60_000; Date.now() < end; await page.waitForTimeout(250)) {
    for (const frame of page.frames().slice(1)) {
      try {
        if (pattern.test(await frame.evaluate(() => document.body.innerText))) return;
      } catch { /* it was replaced by another */ }
    }
  }
  faults.push(`${what} is not to be seen`);
}

// end says what was wrong, and fails if anything was.
export async function end(well) {
  await browser.close();
  for (const origin of elsewhere) console.log(`the Temporal UI asked ${origin}`);
  for (const f of faults) console.error("FAULT " + f);
  if (faults.length > 0) process.exit(1);
  console.log(well);
}
