// Looks at a run in the Temporal UI that has a stream under way: node stream.mjs OUT URL STEP
// Fails where its run sheet does not say where to look, or what it names does not show how far the stream is.
import path from "node:path";
import { end, expect, framed, open } from "./ui.mjs";

const [out, url, step] = process.argv.slice(2);
const page = await open(url);
await page.getByText("User Metadata").first().click();
await framed(page, "where the run sheet says that a stream is seen", /tab Pending Activities, or nightshift status/);
await page.screenshot({ path: path.join(out, "temporal-stream-sheet.png") });

await page.getByText("Pending Activities").first().click();
await expect("the step", page.getByText(step));
await expect("how far the stream is", page.getByText(/"text": "[\d.]+ .iB of [\d.]+ .iB, [\d.]+ .iB\/s, about .* left"/));
await page.screenshot({ path: path.join(out, "temporal-stream.png") });
await end("the Temporal UI shows how far the stream is");
