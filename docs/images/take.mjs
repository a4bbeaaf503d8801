// Takes the pictures of the Dagster UI, after a first sync of customers.
//
//   rm -rf .local && .venv/bin/sync-pipeline dev --port 3111      # in one terminal, until "Dagster UI: …"
//   npm install --no-save playwright-core                        # in another; Chromium from your system
//   .venv/bin/sync-pipeline sync demo --entity customers
//   node docs/images/take.mjs http://127.0.0.1:3111 [NAME …]
//
// dagster-preview wants a run of the job `preview` besides. Look at them before you commit them. Each stays below
// 200 KB. Pictures of terminals: terminal.py.
import { chromium } from 'playwright-core';

const [base = 'http://127.0.0.1:3000', ...wanted] = process.argv.slice(2);

async function newestRun(job) {
  const query = `{ runsOrError(filter: {pipelineName: "${job}"}, limit: 1) { ... on Runs { results { runId } } } }`;
  const answer = await fetch(`${base}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  return (await answer.json()).data.runsOrError.results[0]?.runId;
}

const decision = `ops:
  decide_about_conflicts:
    config:
      connection: shop
      conflict_type: DataMismatch
      field: phone
      decision: source
      by: ann
      reason: the shop knows better
`;

async function openChanges(page) {
  await page.getByText('View full message').first().click({ force: true });
  await page.waitForTimeout(3_000);
  await page.getByText('Show Markdown').last().click();
}

const pictures = [
  {
    name: 'dagster-run',
    path: `/runs/${await newestRun('sync_customers')}?logs=type%3AASSET_CHECK_EVALUATION`,
    height: 1000,
  },
  {
    name: 'dagster-lineage',
    path: '/locations/sync_pipeline/asset-groups/woocommerce_customers/lineage',
    height: 560,
  },
  {
    name: 'dagster-resolve-conflicts',
    path: `/locations/sync_pipeline/jobs/resolve_conflicts/playground/setup?config=${encodeURIComponent(decision)}`,
    height: 760,
  },
  { name: 'dagster-preview', path: `/runs/${await newestRun('preview')}`, height: 1000, before: openChanges },
];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
for (const { name, path, height, before } of pictures) {
  if (wanted.length && !wanted.includes(name)) continue;
  const page = await browser.newPage({ viewport: { width: 1500, height } });
  await page.goto(base + path, { waitUntil: 'domcontentloaded' });
  await page.waitForTimeout(15_000); // what it loads bit by bit, fonts, and the graph's own way into place
  if (before) {
    await before(page);
    await page.waitForTimeout(3_000);
  }
  await page.screenshot({ path: new URL(`${name}.png`, import.meta.url).pathname });
  await page.close();
}
await browser.close();
