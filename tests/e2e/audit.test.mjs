// The audit log as operators have it: a file that logrotate moves away, a pipe, a full disk. Case numbers (H26 …) are those
// of the project's security research.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { caller, isRefused } from './support/http.mjs'
import { load, signerBin } from './support/parts.mjs'
import { cleanEnv, freePort, sleep, tempDir, until } from './support/process.mjs'
import { startSeaweed } from './support/seaweed.mjs'
import { newSecret, serve, settings, writeConfig } from './support/signer.mjs'
import { minter } from './support/tokens.mjs'

const limit = { timeout: 120_000 }
const { default: Ajv2020 } = await load('ajv/dist/2020.js')
const schema = JSON.parse(readFileSync(new URL('../../deploy/audit.schema.json', import.meta.url)))
const isLine = new Ajv2020({ strict: true, allErrors: true, strictRequired: false, allowUnionTypes: true }).compile(schema)

const parse = (text) => {
  assert.ok(text === '' || text.endsWith('\n'), 'the last line is whole')
  return text.split('\n').slice(0, -1).map((line) => {
    const parsed = JSON.parse(line)
    assert.ok(isLine(parsed), `${JSON.stringify(isLine.errors)}: ${line}`)
    return parsed
  })
}
const read = (file) => parse(readFileSync(file, 'utf8'))

async function startAudited(s3, telemetry, change = {}) {
  const listen = `127.0.0.1:${await freePort()}`
  const secret = newSecret()
  const config = settings({ listen, s3, secret, change: { ...change, telemetry: { log: 'trace', log_format: 'json', ...telemetry } } })
  const service = await serve({ config, listen, base: '' })
  const token = await minter(secret)({ storeId: 's1', sub: 'user-1', jti: 'token-1' })
  return { service, secret, token, call: caller(service.url, token), bad: caller(service.url, 'x.y.z') }
}

const nowhere = { endpoint: 'http://127.0.0.1:9', region: 'us-east-1', bucket: 'one', accessKey: 'KEYONE', secretKey: newSecret() }

describe('audit', () => {
  let s3
  before(async () => { s3 = await startSeaweed() }, limit)
  after(() => s3?.stop())

  test('every kind of line fits the schema, and neither log holds a secret at trace level (H24, H26)', limit, async () => {
    const file = join(tempDir('audit'), 'audit.jsonl')
    const one = await startAudited(s3, { audit: 'on', audit_file: file }, { files: { redirect: true } })
    const urls = []
    const ask = async (...request) => {
      const answer = await one.call(...request)
      if (answer.json?.url) urls.push(answer.json.url)
      for (const entry of answer.json?.results ?? []) if (entry.url) urls.push(entry.url)
      return answer.status
    }
    assert.equal(await ask('POST', '/upload-url', { key: 's1/a', contentLength: 3, contentType: 'text/plain' }), 200)
    const put = await fetch(urls[0], { method: 'PUT', body: 'abc', headers: { 'content-type': 'text/plain' } })
    assert.equal(put.status, 200)
    assert.equal(await ask('GET', '/download-url?key=s1/a'), 200)
    assert.equal(await ask('GET', '/download-url?key=s1/a&method=HEAD'), 200)
    assert.equal(await ask('GET', `/download-url?key=${encodeURIComponent(urls[0])}`), 400)
    assert.equal(await ask('GET', `/download-url?key=${one.token}`), 400)
    assert.equal(await ask('POST', '/delete-url', { key: 's2/a' }), 403)
    assert.equal(await ask('POST', '/confirm', { key: 's1/a', contentLength: 3 }), 200)
    assert.equal(await ask('POST', '/batch', { operations: [{ op: 'head', key: 's1/a' }, { op: 'delete', key: 's1/a' }, { op: 'upload', key: 's1/"\u202e' }, {}] }), 200)
    assert.equal((await one.bad('POST', '/upload-url', { key: 's1/a' })).status, 401)
    const redirected = await fetch(`${one.service.url}/livestore-filesync-files/s1/a`, { redirect: 'manual', headers: { authorization: `Bearer ${one.token}` } })
    urls.push(redirected.headers.get('location'))
    await one.service.stop()
    const lines = read(file)
    const told = lines.map(({ operation, decision, code, status }) => [operation, decision, code ?? status].join(' '))
    assert.deepEqual(told, [
      'upload allow 200', 'download allow 200', 'head allow 200', 'download deny invalid_key', 'download deny invalid_key',
      'delete-url deny key_outside_store', 'confirm allow ', 'inspect allow ', 'delete allow ', 'upload allow 200',
      ' deny invalid_request', ' deny unauthorized', 'download allow 307',
    ])
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const written = readFileSync(file, 'utf8') + one.service.run.stderr + one.service.run.stdout
    const signatures = urls.map((url) => new URL(url).searchParams.get('X-Amz-Signature'))
    assert.ok(signatures.length >= 5 && signatures.every((signature) => signature.length === 64))
    for (const secret of [...signatures, ...one.token.split('.'), one.secret, s3.secretKey, 'X-Amz-']) {
      assert.ok(!written.includes(secret), `a secret is written: ${secret.slice(0, 12)}…`)
    }
  })

  test('logrotate moves the file away and sends SIGHUP, and no line is lost or cut', limit, async () => {
    for (const audit of ['on', 'required']) {
      const file = join(tempDir('audit'), 'audit.jsonl')
      const one = await startAudited(nowhere, { audit, audit_file: file })
      let done = false
      let answered = 0
      const client = async () => {
        while (!done) {
          assert.equal((await one.call('GET', '/download-url?key=s1/f')).status, 200)
          answered += 1
        }
      }
      const clients = Array.from({ length: 4 }, client)
      for (let round = 1; round <= 5; round += 1) {
        await sleep(150)
        renameSync(file, `${file}.${round}`)
        // Every other time nobody says so.
        if (round % 2) one.service.run.child.kill('SIGHUP')
        await until('there is a new file', () => statSync(file), { run: one.service.run })
      }
      done = true
      await Promise.all(clients)
      await one.service.stop()
      const counts = ['.1', '.2', '.3', '.4', '.5', ''].map((end) => read(`${file}${end}`).length)
      assert.equal(counts.reduce((sum, count) => sum + count), answered, `${audit}: ${counts}`)
      assert.ok(counts.every((count) => count > 0), `${audit}: ${counts}`)
    }
  })

  test('without room for a line nothing is told', limit, async () => {
    const full = await startAudited(nowhere, { audit: 'required', audit_file: '/dev/full' })
    for (const [method, path, body] of [['GET', '/download-url?key=s1/f'], ['POST', '/upload-url', { key: 's1/f' }], ['DELETE', '/object?key=s1/f']]) {
      const answer = await full.call(method, path, body)
      isRefused(answer, 503)
      assert.equal(answer.json.code, 'audit_unavailable')
      assert.equal(answer.headers.get('retry-after'), '5')
    }
    assert.equal((await full.bad('GET', '/livez')).status, 200)
    assert.match(full.service.run.stderr, /the audit log cannot be written, and nothing is answered without/)
    await full.service.stop()
  })

  test('on standard output, a reader that sleeps or leaves stops what is required, and nothing else', limit, async () => {
    const listen = `127.0.0.1:${await freePort()}`
    const secret = newSecret()
    const config = writeConfig(settings({ listen, s3: nowhere, secret, change: { telemetry: { audit: 'required' }, storage: { verify: 'off' } } }))
    const env = cleanEnv({ SIGNER__SERVER__ALLOW_ROOT: 'true' })
    // Nobody listens to its output yet, so node does not read it.
    const child = spawn(signerBin(), ['serve', '--config', config], { env, cwd: tempDir('cwd'), stdio: ['ignore', 'pipe', 'ignore'] })
    try {
      const url = `http://${listen}`
      const lives = async () => (await fetch(`${url}/livez`).catch(() => ({}))).status === 200
      await until('the signer lives', lives)
      const call = caller(url, await minter(secret)({ storeId: 's1' }))
      const told = async () => (await call('GET', '/download-url?key=s1/f')).status
      let answered = 0
      let status
      while ((status = await told()) === 200) answered += 1
      assert.ok(status === 503 && answered > 10, `${status} after ${answered}`)
      assert.ok(await lives())
      let written = ''
      child.stdout.setEncoding('utf8').on('data', (text) => { written += text })
      await until('it tells again', async () => (await told()) === 200)
      await until('all lines are there', () => parse(written).filter(({ decision }) => decision === 'allow').length === answered + 1)
      child.stdout.destroy()
      await until('it tells no more', async () => (await told()) === 503)
      assert.ok(await lives())
    } finally {
      child.kill('SIGKILL')
    }
  })
})
