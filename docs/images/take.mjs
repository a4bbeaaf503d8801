// Takes the pictures of the README from a running Dagster UI, after its first sync.
//
//   rm -rf .local && .venv/bin/sync-pipeline dev --port 3111      # in one terminal, until "Dagster UI: …"
//   npm install --no-save playwright-core                        # in another; Chromium from your system
//   node docs/images/take.mjs http://127.0.0.1:3111
//
// Look at them before you commit them. Each stays below 400 KB.
import { chromium } from 'playwright-core';

const base = process.argv[2] ?? 'http://127.0.0.1:3000';
const newest = '{ runsOrError(limit: 1) { ... on Runs { results { runId } } } }';
const answer = await fetch(`${base}/graphql`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ query: newest }),
});
const { runId } = (await answer.json()).data.runsOrError.results[0];

const pictures = [
  { name: 'dagster-run', path: `/runs/${runId}`, settled: 'RUN_SUCCESS', height: 1000 },
  {
    name: 'dagster-lineage',
    path: '/locations/sync_pipeline/asset-groups/woocommerce/lineage',
    settled: '2 / 2 Passed',
    height: 560,
  },
];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
for (const { name, path, settled, height } of pictures) {
  const page = await browser.newPage({ viewport: { width: 1600, height } });
  await page.goto(base + path, { waitUntil: 'domcontentloaded' });
  await page.getByText(settled, { exact: true }).first().waitFor({ timeout: 60_000 });
  await page.waitForTimeout(3_000); // fonts, and the graph's own way into place
  await page.screenshot({ path: new URL(`${name}.png`, import.meta.url).pathname });
  await page.close();
}
await browser.close();
