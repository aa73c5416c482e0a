// The description of the API against the service itself: schemathesis sends what it allows, and what it does not.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { caller, use } from './support/http.mjs'
import { python } from './support/parts.mjs'
import { cleanEnv, finish, tempDir } from './support/process.mjs'
import { startSeaweed } from './support/seaweed.mjs'
import { signer, startSigner } from './support/signer.mjs'

const support = join(dirname(fileURLToPath(import.meta.url)), 'support')
// Cases for each operation in the random part; what is on the borders of a schema is tried besides.
const examples = Number(process.env.SCHEMATHESIS_EXAMPLES ?? 10)
const seed = process.env.SCHEMATHESIS_SEED ?? '20261123'
const patience = 120_000 + examples * 12_000
const limit = { timeout: patience + 10_000 }

const store = 's1'
const object = 's1/photos/cat.png'
const bytes = Buffer.from('hello world')

let s3, service
before(async () => {
  s3 = await startSeaweed()
  service = await startSigner(s3, { server: { base_path: '/api' }, files: { redirect: true } })
}, { timeout: 120_000 })
after(async () => {
  await service?.stop()
  await s3?.stop()
})

const checked = (input) => finish(python(), ['-B', join(support, 'openapi_document.py')], { input, patience: 60_000 })

async function putObject() {
  const call = caller(service.url, await service.mint({ storeId: store }))
  const checksumSha256 = createHash('sha256').update(bytes).digest('base64')
  const signed = await call('POST', '/upload-url', { key: object, contentType: 'image/png', contentLength: bytes.length, checksumSha256 })
  assert.equal((await use(signed.json, bytes)).status, 200)
}

// What must be so whoever asks. All else is about requests that are answered.
const always = [
  'not_a_server_error', 'status_code_conformance', 'content_type_conformance', 'response_headers_conformance',
  'response_schema_conformance', 'unsupported_method', 'allow_header_conformance', 'access',
].join()

// Runs it to its end and gives back how many operations and cases it tried.
async function schemathesis({ kind, token, checks, count }) {
  const { origin } = new URL(service.url)
  const ran = await finish(python(), [
    '-B', '-m', 'schemathesis.cli', 'run', `${service.url}/openapi.json`, '--origin', origin, '--checks', checks,
    '--seed', seed, '--generation-database', 'none', '--max-examples', String(count),
    '--suppress-health-check', 'all', '--max-redirects', '0', '--continue-on-failure', '--no-color', '--warnings', 'off',
    ...(token ? ['--header', `Authorization: Bearer ${token}`] : []),
  ], {
    cwd: tempDir('schemathesis'),
    env: cleanEnv({
      PYTHONPATH: support, PYTHONDONTWRITEBYTECODE: '1', SCHEMATHESIS_HOOKS: 'openapi',
      OPENAPI_TOKEN: kind, OPENAPI_STORE: store, OPENAPI_OBJECT: object,
    }),
    patience,
  })
  assert.equal(ran.code, 0, ran.all)
  const [, tested] = ran.stdout.match(/Tested: (\d+)/) ?? assert.fail(ran.all)
  const [, cases] = ran.stdout.match(/(\d+) generated/) ?? assert.fail(ran.all)
  return { tested: Number(tested), cases: Number(cases) }
}

describe('the OpenAPI document', () => {
  test('is valid, and its examples are what it says, from the service and from the command line', limit, async (t) => {
    const served = await (await fetch(`${service.url}/openapi.json`)).text()
    const printed = await signer(['openapi'])
    assert.equal(printed.code, 0, printed.all)
    for (const document of [served, printed.stdout]) {
      const result = await checked(document)
      assert.equal(result.code, 0, result.all)
      t.diagnostic(result.stdout.trim())
    }
    assert.deepEqual(JSON.parse(served).servers, [{ url: '/api' }])
    assert.deepEqual(JSON.parse(printed.stdout).servers, [{ url: '/' }])
    const configured = await signer(['openapi', '--config', service.configFile])
    assert.deepEqual(JSON.parse(configured.stdout), JSON.parse(served), 'with its configuration it is that of the service')
  })

  // The strangers first: what they must not touch is still there afterwards.
  for (const { kind, who, claims, checks, share } of [
    { kind: 'none', who: 'no token', checks: always, share: 0.3 },
    { kind: 'foreign', who: 'a token of another store', claims: { storeId: 'another' }, checks: always, share: 0.3 },
    { kind: 'good', who: 'a good token', claims: { storeId: store }, checks: 'all', share: 1 },
  ]) {
    test(`holds when anything is asked with ${who}`, limit, async (t) => {
      await putObject()
      const { tested, cases } = await schemathesis({
        kind, checks, count: Math.ceil(examples * share), token: claims && await service.mint(claims, { ttl: 3600 }),
      })
      const { paths } = await (await fetch(`${service.url}/openapi.json`)).json()
      // It leaves out the route that it reads the document from.
      const operations = Object.values(paths).flatMap((item) => Object.keys(item)).length - 1
      assert.equal(tested, operations, 'every operation was tried')
      assert.ok(cases > operations * 10, `${cases} cases are few`)
      t.diagnostic(`${kind}: ${tested} operations, ${cases} cases, 0 failed`)
      // Whose it is may delete it, and does.
      if (kind === 'good') return
      const call = caller(service.url, await service.mint({ storeId: store }))
      const { json } = await call('GET', `/download-url?key=${object}`)
      assert.deepEqual((await use(json)).bytes, bytes, 'nobody touched it')
    })
  }
})
