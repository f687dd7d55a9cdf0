// Looks at a run in the Temporal UI of the embedded engine: node temporal.mjs OUT URL RUN TITLE
// Fails where the run's id, its run sheet or its steps are not to be seen, the UI breaks, or it asks another machine for something.
import path from "node:path";
import { end, expect, framed, open } from "./ui.mjs";

const [out, url, run, title] = process.argv.slice(2);
const page = await open(url);
await expect("the run's id", page.getByText(run));
await framed(page, "a step of the run, by what it does", /ShutdownHost . Shut down host/);
await framed(page, "what the run does itself", /release the locks of this run/);
await page.screenshot({ path: path.join(out, "temporal-timeline.png") });

await page.goto(`${new URL(url).origin}/namespaces/default/workflows`, { waitUntil: "load" });
await expect("the run in the list", page.getByText(run));
await expect("what people asked for", page.getByText("PowerDown"));
await page.screenshot({ path: path.join(out, "temporal-list.png") });

await page.goto(url, { waitUntil: "load" });
await page.getByText("User Metadata").first().click();
await framed(page, "the run sheet's title", new RegExp(title.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")));
await framed(page, "the run sheet's numbers", /\d+ of \d+ steps done/);
await page.screenshot({ path: path.join(out, "temporal-sheet.png") });
await end("the Temporal UI shows the run");
