// `make image`: what is in the image, and the service run from its root file system (P08).
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { freePort, sleep, tempDir, until } from '../e2e/support/process.mjs'
import { startSeaweed } from '../e2e/support/seaweed.mjs'
import { startNames } from '../faults/names.mjs'
import { mintShared } from '../faults/world.mjs'
import { authority, config, fileWith, image, inImage, rootOf, startTls, USER } from './world.mjs'

const MOST_BYTES = 12_000_000
const SECRET = 'image-image-image-image-image-image'
const HOST = 'bucket.image.test'
const BUNDLE = 'etc/ssl/certs/ca-certificates.crt'

const root = rootOf()
const trusted = authority('An authority of the image test')
// What the image ships, and this one: as an operator adds a private authority.
const bundle = fileWith('bundle', readFileSync(join(image, 'root', BUNDLE), 'utf8') + readFileSync(trusted.file, 'utf8'))
const closing = []
let bucket, names

before(async () => {
  bucket = await startSeaweed()
  names = await startNames('127.0.53.9')
})
after(() => {
  for (const close of closing) close()
  names?.stop()
  return bucket?.stop()
})

function filesBelow(folder, below = '') {
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name)
    const { mode, uid, size } = statSync(join(folder, path))
    const here = { path, mode: mode & 0o7777, uid, size, folder: entry.isDirectory() }
    return entry.isDirectory() ? [here, ...filesBelow(folder, path)] : [here]
  })
}

// The service from the image, at a bucket that shows this certificate; by default it may use the test's authority.
async function serve(certificate, { trust = bundle, trace, ...more } = {}) {
  const front = await startTls(certificate, bucket.endpoint)
  closing.push(front.stop)
  const port = await freePort()
  const resolver = fileWith('resolv', `nameserver ${names.host}\n`)
  const mounts = { 'etc/resolv.conf': resolver, ...(trust ? { [BUNDLE]: trust } : {}), ...more.mounts }
  const endpoint = `https://${HOST}:${front.port}`
  const env = {
    SIGNER__SERVER__LISTEN: `0.0.0.0:${port}`,
    SIGNER__AUTH__HS256_SECRET: SECRET,
    SIGNER__STORAGE__ENDPOINT: endpoint,
    SIGNER__STORAGE__BUCKET: bucket.bucket,
    SIGNER__STORAGE__ACCESS_KEY_ID: bucket.accessKey,
    SIGNER__STORAGE__SECRET_ACCESS_KEY: bucket.secretKey,
    SIGNER__STORAGE__VERIFY: 'off',
    ...more.env,
  }
  const run = inImage(root, [...config.Entrypoint, 'serve'], { env, mounts, trace })
  const url = `http://127.0.0.1:${port}`
  await until('the image is ready', async () => (await fetch(`${url}/readyz`)).ok, { run, every: 20 })
  const health = () => until('the bucket was asked', async () => {
    const answer = await (await fetch(`${url}/health`)).json()
    return answer.reason !== 'starting' && answer.status !== 'starting' && answer
  }, { run })
  return { run, url, env, mounts, endpoint, port: front.port, health }
}

const token = () => {
  const now = Math.floor(Date.now() / 1000)
  return mintShared(SECRET, { storeId: 's1', iat: now, exp: now + 600 })
}
const ask = (service, method, path, body) => fetch(`${service.url}${path}`, {
  method, body: body && JSON.stringify(body),
  headers: { Authorization: `Bearer ${token()}`, ...(body ? { 'Content-Type': 'application/json' } : {}) },
})

// To the bucket as any client goes there, but for the name server.
function atBucket({ method, url, headers }, body) {
  return new Promise((done, fail) => {
    const lookup = (_, options, found) => (options.all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4))
    const length = body ? { 'Content-Length': body.length } : {}
    const asked = request(url, { method, headers: { ...headers, ...length }, lookup, agent: false, ca: readFileSync(trusted.file) }, (answer) => {
      let text = ''
      answer.on('data', (part) => { text += part })
      answer.on('end', () => done({ status: answer.statusCode, text }))
    })
    asked.on('error', fail)
    asked.end(body)
  })
}

test('holds the signer and the roots of TLS, and nothing else, in at most 12 MB', () => {
  const found = filesBelow(join(image, 'root'))
  const files = found.filter(({ folder }) => !folder)
  assert.deepEqual(files.map(({ path }) => path).sort(), [BUNDLE, 'signer'])
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  assert.ok(bytes <= MOST_BYTES, `${bytes} bytes`)
  console.log(`${bytes} bytes unpacked`)
  // Nothing belongs to the user, nothing is for others to write, nothing gives rights.
  assert.deepEqual(found.filter(({ uid, mode }) => uid !== 0 || (mode & 0o6022) !== 0), [])
})

test('names its user, health check and labels, and no secret', () => {
  assert.equal(config.User, `${USER}:${USER}`)
  assert.deepEqual(config.Entrypoint, ['/signer'])
  assert.deepEqual(config.Healthcheck.Test, ['CMD', '/signer', 'probe'])
  assert.deepEqual(config.Env.filter((entry) => !/^(PATH|SIGNER__SERVER__LISTEN)=/.test(entry)), [])
  for (const label of ['title', 'description', 'licenses', 'version', 'revision']) {
    assert.ok(config.Labels[`org.opencontainers.image.${label}`], label)
  }
})

test('says of which commit it is, as its label does, and nothing of what is not in it', async () => {
  const run = async (...args) => {
    const run = inImage(root, [...config.Entrypoint, ...args])
    const { code } = await run.exited
    return { code, stdout: run.stdout, stderr: run.stderr }
  }
  const { stdout } = await run('--version')
  const label = (name) => config.Labels[`org.opencontainers.image.${name}`]
  assert.equal(stdout.match(/^commit: (.*)$/m)[1], label('revision'))
  assert.equal(stdout.split('\n')[0], `signer ${label('version')}`)
  assert.match(stdout, /^features: none$/m)
  // No shell to complete in, no `man`, no page to show.
  const help = (await run('--help')).stdout
  for (const command of ['dev', 'completions', 'man']) {
    assert.doesNotMatch(help, new RegExp(`^  ${command} `, 'm'))
    assert.equal((await run(command)).code, 64, command)
  }
})

test('starts, resolves names, verifies TLS, signs, deletes, stops on SIGTERM with 0, and opens no file for writing', async () => {
  const trace = join(tempDir('trace'), 'calls')
  const service = await serve(trusted.certificate(HOST), { trace })
  const status = readFileSync(`/proc/${service.run.child.pid}/status`, 'utf8')
  assert.match(status, /^Uid:\t65532\t65532\t65532\t65532$/m)
  assert.match(status, /^Gid:\t65532\t65532\t65532\t65532$/m)
  assert.match(status, /^Groups:\s*$/m)
  assert.match(status, /^CapEff:\t0{16}$/m)
  const environment = readFileSync(`/proc/${service.run.child.pid}/environ`, 'utf8').split('\0').filter(Boolean)
  assert.deepEqual(environment.map((entry) => entry.split('=')[0]).sort(), Object.keys(service.env).sort())

  assert.equal((await service.health()).status, 'ok')
  assert.ok(names.asked > 0, 'the name server was asked')
  const upload = await ask(service, 'POST', '/upload-url', { key: 's1/photo.png', contentLength: 5 })
  assert.equal(upload.status, 200)
  assert.equal((await atBucket(await upload.json(), Buffer.from('bytes'))).status, 200)
  const download = await ask(service, 'GET', '/download-url?key=s1/photo.png')
  assert.deepEqual(await atBucket(await download.json()), { status: 200, text: 'bytes' })
  const removed = await ask(service, 'DELETE', '/object?key=s1/photo.png')
  assert.equal(removed.status, 204)
  assert.equal((await ask(service, 'GET', '/object?key=s1/photo.png')).status, 404)

  const end = await service.run.stop('SIGTERM', 15_000)
  assert.deepEqual(end, { code: 0, signal: null }, service.run.log())
  const calls = await until('the trace is whole', () => {
    const text = readFileSync(trace, 'utf8')
    return text.includes('+++ exited with 0 +++') && text
  })
  // From the signer's own start; before it there are the programs that led there.
  const own = calls.slice(calls.indexOf('execve("/signer"')).split('\n')
  assert.ok(own.some((call) => call.includes(`/${BUNDLE}`) && call.includes('O_RDONLY')), 'the trace sees what is opened')
  const writes = /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|creat\(|rename|mkdir|mknod|link|truncate|chmod|chown|utime|memfd/
  assert.deepEqual(own.filter((call) => writes.test(call) && !/readlink/.test(call)), [])
})

test('runs its own health check', async () => {
  const service = await serve(trusted.certificate(HOST))
  const probe = async (...more) => {
    const run = inImage(root, [...config.Healthcheck.Test.slice(1), ...more], { env: { SIGNER__SERVER__LISTEN: service.env.SIGNER__SERVER__LISTEN } })
    const { code } = await run.exited
    return `${code} ${run.stdout}${run.stderr}`
  }
  assert.equal(await probe(), `0 ${service.url}/livez: 200 OK\n`)
  assert.equal(await probe('--ready'), `0 ${service.url}/readyz: 200 OK\n`)
  await service.run.stop()
  assert.match(await probe(), /^1 .*Connection refused/)
})

test('takes the authorities of SSL_CERT_FILE in place of its own', async () => {
  const more = { env: { SSL_CERT_FILE: '/etc/signer/ca.pem' }, mounts: { 'etc/signer/ca.pem': fileWith('ca', readFileSync(trusted.file)) } }
  const service = await serve(trusted.certificate(HOST), { trust: null, ...more })
  assert.equal((await service.health()).status, 'ok')
  await service.run.stop()
})

const refused = [
  ['whose authority it does not know', () => trusted.certificate(HOST), { trust: null }],
  ['for another name', () => trusted.certificate('other.image.test')],
  ['that has ended', () => trusted.certificate(HOST, 0)],
  ['of an authority that only has the same name', () => authority('An authority of the image test').certificate(HOST)],
]
for (const [which, certificate, options] of refused) {
  test(`sends nothing to a bucket with a certificate ${which}`, async () => {
    const shown = certificate()
    // The one that ends does so within a second.
    await sleep(1500)
    const service = await serve(shown, { trust: bundle, ...options })
    const health = await service.health()
    assert.equal(health.reason, 'unreachable', JSON.stringify(health))
    const removed = await ask(service, 'DELETE', '/object?key=s1/photo.png')
    assert.ok([502, 503].includes(removed.status), String(removed.status))
    assert.match(service.run.stderr, /certificate/i)
    assert.deepEqual(await service.run.stop('SIGTERM', 15_000), { code: 0, signal: null })
  })
}
