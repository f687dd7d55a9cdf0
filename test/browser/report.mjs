// Looks at pages of `nightshift report -o html` in a real browser: node report.mjs OUT PAGE.html...
// Fails where one asks the network for something, says something to the console, is wider than the window or the paper, hides what it
// should show, or lets a name from the lab do something. Screenshots and PDFs go to OUT.
import { chromium } from "playwright-core";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [out, ...pages] = process.argv.slice(2);
const faults = [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });

async function look(file, view) {
  const name = path.basename(file, ".html");
  const fault = (text) => faults.push(`${name} at ${view.width} ${view.scheme}: ${text}`);
  const context = await browser.newContext({ viewport: { width: view.width, height: view.height }, colorScheme: view.scheme, javaScriptEnabled: view.script });
  const page = await context.newPage();
  const own = pathToFileURL(path.resolve(file)).href;
  page.on("request", (r) => { if (r.url().split("#")[0] !== own) fault(`asks for ${r.url()}`); });
  page.on("console", (m) => { if (["error", "warning"].includes(m.type())) fault(`console: ${m.text()}`); });
  page.on("pageerror", (e) => fault(`error: ${e.message}`));
  page.on("dialog", async (d) => { fault(`dialog: ${d.message()}`); await d.dismiss(); });
  const began = Date.now();
  await page.goto(own, { waitUntil: "load" });
  const took = Date.now() - began;

  for (const text of ["Every step", "Versions and origin", "Timeline", "nightshift report"]) {
    if (!(await page.getByText(text, { exact: false }).first().isVisible())) fault(`"${text}" is not to be seen`);
  }
  if (view.script) {
    for (const w of await page.evaluate(tooWide)) fault(w);
    for (const d of await page.evaluate(contrast)) fault(d);
    await search(page, fault);
  }
  const shot = path.join(out, `${name}-${view.width}-${view.scheme}${view.script ? "" : "-noscript"}`);
  await page.screenshot({ path: `${shot}.png`, fullPage: name !== "2000" });
  if (view.script && view.width > 1000) await print(page, shot, fault);
  console.log(`${name} at ${view.width} px, ${view.scheme}${view.script ? "" : ", no script"}: ${took} ms`);
  await context.close();
}

// A4 is the width between the margins that page.css gives a sheet of A4, at 96 dots per inch; mostSheets is how long a folded page may be.
const A4 = Math.floor(((210 - 2 * 12) / 25.4) * 96);
const mostSheets = 40;

// print looks at the page as it comes out of a printer: what is on the screen is on the paper, whole, in black on white.
async function print(page, shot, fault) {
  const text = () => page.evaluate(() => document.querySelector("main").innerText.replace(/\s+/g, " "));
  const paper = (what) => fault(`on paper: ${what}`);
  await page.evaluate(() => document.getElementById("finder")?.remove()); // of no use on paper, and not printed
  const onScreen = await text();
  await page.emulateMedia({ media: "print" });
  await page.setViewportSize({ width: A4, height: 1000 });
  if ((await text()) !== onScreen) paper("it does not say what the screen says");
  for (const what of [...(await page.evaluate(tooWide)), ...(await page.evaluate(cutOff)), ...(await page.evaluate(contrast))]) paper(what);
  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  if (ground !== "rgb(255, 255, 255)") paper(`the ground is ${ground}`);
  await page.screenshot({ path: `${shot}-paper.png`, fullPage: !shot.includes("2000") });
  const pdf = await page.pdf({ path: `${shot}.pdf`, format: "A4", preferCSSPageSize: true });
  const sheets = (pdf.toString("latin1").match(/\/Type\s*\/Page\b/g) ?? []).length;
  if (sheets < 1 || sheets > mostSheets) paper(`${sheets} sheets`);
  console.log(`  on paper: ${sheets} sheets`);
}

// tooWide tells what is wider than the window.
function tooWide() {
  const most = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= most) return [];
  const e = [...document.querySelectorAll("body *")].find((x) => x.getBoundingClientRect().right > most + 1);
  return [`${document.documentElement.scrollWidth} px wide, of ${most}: ${e ? e.outerHTML.slice(0, 200) : "?"}`];
}

// cutOff tells of what a reader would have to scroll to, which paper does not.
function cutOff() {
  const shown = (e) => e.getClientRects().length > 0 && getComputedStyle(e).overflowX !== "visible";
  return [...document.querySelectorAll("body *")].filter((e) => shown(e) && e.scrollWidth > e.clientWidth + 1)
    .slice(0, 3).map((e) => `cut off at ${e.clientWidth} of ${e.scrollWidth} px: ${e.outerHTML.slice(0, 200)}`);
}

// search types into the box and expects the list to follow.
async function search(page, fault) {
  const box = page.locator("#find");
  if ((await box.count()) === 0) return;
  await box.fill("stubborn");
  await page.waitForFunction(() => /^\d+ of \d+$/.test(document.getElementById("found").textContent));
  const seen = await page.locator("li.step:visible").count();
  if (seen < 1 || seen > 20) fault(`the search for stubborn shows ${seen} steps`);
  await box.fill("");
  await page.waitForFunction(() => document.getElementById("found").textContent === "");
}

// contrast lists texts that WCAG AA would refuse: 4.5 to 1, or 3 to 1 where they are large.
function contrast() {
  const rgb = (s) => { const m = s.match(/[\d.]+/g).map(Number); return { c: m.slice(0, 3), a: m.length > 3 ? m[3] : 1 }; };
  const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  for (let n = walker.nextNode(); n && seen < 3000; n = walker.nextNode()) {
    const e = n.parentElement;
    if (!n.textContent.trim() || !e || e.closest("script,style,[hidden]") || e.getClientRects().length === 0) continue;
    seen++;
    const style = getComputedStyle(e);
    const ink = rgb(e instanceof SVGElement ? style.fill : style.color).c;
    let paper = [255, 255, 255];
    for (let p = e; p; p = p.parentElement) { const b = rgb(getComputedStyle(p).backgroundColor); if (b.a > 0.99) { paper = b.c; break; } }
    const [a, b] = [light(ink), light(paper)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) found.add(`contrast ${ratio.toFixed(2)} of "${n.textContent.trim().slice(0, 40)}" (${e.className.baseVal ?? e.className})`);
  }
  return [...found].slice(0, 5);
}

for (const file of pages) {
  for (const view of [
    { width: 1280, height: 900, scheme: "light", script: true },
    { width: 1280, height: 900, scheme: "dark", script: true },
    { width: 390, height: 844, scheme: "light", script: true },
    { width: 390, height: 844, scheme: "dark", script: true },
    { width: 1280, height: 900, scheme: "light", script: false },
  ]) await look(file, view);
}
await browser.close();
for (const f of faults) console.error("FAULT " + f);
if (faults.length > 0) process.exit(1);
