// Run by compose.test.mjs in namespaces of its own: starts all of deploy/compose.yaml, uploads a file through its page in
// Chromium, and stops it all. Prints one line for each thing that was seen.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { complaints, startBrowser } from './browser.mjs'
import { isHealthy, prepare, readCompose, startService } from './compose.mjs'
import { finish, until } from './process.mjs'

const variables = { JWT_SECRET: randomBytes(36).toString('base64'), S3_SECRET: randomBytes(24).toString('hex') }
const services = await readCompose(process.argv[2], variables)
const saw = (line) => process.stdout.write(`${line}\n`)
await prepare(services)

// In the order that depends_on asks for.
const runs = new Map()
const ready = { service_healthy: (service, run) => isHealthy(service, run), service_completed_successfully: async (service, run) => {
  const { code } = await run.exited
  assert.equal(code, 0, `${service.name}: ${run.log()}`)
} }
async function up(service) {
  if (runs.has(service.name)) return runs.get(service.name)
  for (const [name, { condition }] of service.after) {
    const needed = services.find((one) => one.name === name)
    await ready[condition](needed, await up(needed))
    saw(`${name}: ${condition}`)
  }
  runs.set(service.name, startService(service))
  return runs.get(service.name)
}
for (const service of services) await up(service)
assert.equal(runs.size, services.length)
for (const line of runs.get('bucket-rules').stdout.split('\n').filter((one) => /^(warn|FAIL)/.test(one))) saw(line)

await until('the page is there', async () => (await fetch('http://localhost:3000/')).ok, { run: runs.get('page') })

// Nobody in there is root, or could become it, or write where the file does not say so.
for (const name of ['signer', 'page']) {
  const status = readFileSync(`/proc/${runs.get(name).child.pid}/status`, 'utf8')
  assert.match(status, name === 'signer' ? /^Uid:\t65532\t/m : /^Uid:\t101\t/m)
  assert.match(status, /^CapBnd:\t0{16}$/m)
  assert.match(status, /^NoNewPrivs:\t1$/m)
  const written = await finish('nsenter', ['--mount', `--target=${runs.get(name).child.pid}`, 'touch', '/srv/x', '/etc/x'])
  assert.match(written.stderr, /'\/srv\/x': Read-only.*\n.*'\/etc\/x': Read-only/)
}
saw('signer and page: no root, no capabilities, nothing to write to')

const signer = services.find(({ name }) => name === 'signer')
const minted = await finish('nsenter', ['--mount', `--target=${runs.get('signer').child.pid}`, '/srv/parts/signer', 'token', '--store-id', 'demo'], { env: signer.env })
assert.equal(minted.code, 0, minted.all)

const browser = await startBrowser()
const page = await browser.newPage()
const heard = complaints(page)
const asked = []
page.on('request', (request) => asked.push(`${request.method()} ${new URL(request.url()).origin}`))
await page.goto('http://localhost:3000/')
await page.getByLabel('Token').fill(minted.stdout.trim())
await page.getByText('Store demo').waitFor()
const bytes = randomBytes(300_000)
await page.getByLabel('Upload', { exact: true }).setInputFiles({ name: 'a file.bin', mimeType: 'application/octet-stream', buffer: bytes })
await page.getByText('a file.bin is uploaded').waitFor()
const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download' }).click()])
assert.equal(download.suggestedFilename(), 'a file.bin')
const hash = (data) => createHash('sha256').update(data).digest('hex')
assert.equal(hash(readFileSync(await download.path())), hash(bytes))
saw('uploaded and downloaded 300000 bytes')
await page.getByRole('button', { name: 'Delete' }).click()
await page.getByText('a file.bin is deleted').waitFor()
assert.equal(await page.getByRole('listitem').count(), 0)
saw('deleted')
assert.deepEqual(heard, [])
// The bytes went to the bucket, and no other origin was asked for anything.
assert.ok(asked.includes('PUT http://localhost:8333'))
assert.deepEqual([...new Set(asked.map((line) => line.split(' ')[1]))].filter((origin) => origin !== 'null').sort(),
  ['http://localhost:3000', 'http://localhost:8333', 'http://localhost:8787'])
await browser.close()

const started = Date.now()
const { code } = await runs.get('signer').stop('SIGTERM', signer.grace)
assert.equal(code, 0, runs.get('signer').log())
assert.ok(Date.now() - started < signer.grace)
saw('the signer stopped with 0 within its grace period')
process.exit(0)
