// One signer, with the bucket, identity provider and name server of its own that a fault is made with.
import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cleanEnv, freePort, start, tempDir, until } from '../e2e/support/process.mjs'
import { name as bucketName, startBucket } from './bucket.mjs'
import { mint, startProvider } from './provider.mjs'

const signerBin = process.env.SIGNER_BIN
const toml = (sections) => Object.entries(sections)
  .map(([section, keys]) => `[${section}]\n${Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`).join('')}`)
  .join('')

const json = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
export const mintShared = (secret, claims) => {
  const text = `${json({ alg: 'HS256', typ: 'JWT' })}.${json({ jti: randomUUID(), ...claims })}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

// `change` is merged into the configuration, section by section; `wrap` is what the signer is started by; `withProvider`
// takes its keys from a key set, fetched every two seconds; `hosts` says by which names bucket and provider are known.
export async function startWorld({ change = {}, wrap = [], env = {}, withProvider = false, hosts = {}, keepAlive = true } = {}) {
  const secretKey = randomBytes(24).toString('hex')
  const shared = randomBytes(32).toString('hex')
  const bucket = await startBucket({ secretKey, keepAlive })
  const provider = withProvider ? await startProvider() : undefined
  const listen = `127.0.0.1:${await freePort()}`
  const endpoint = `http://${hosts.bucket ?? '127.0.0.1'}:${bucket.port}`
  const jwksUrl = `http://${hosts.provider ?? '127.0.0.1'}:${provider?.port}/jwks`
  const config = {
    server: { listen, allow_root: true },
    auth: provider
      ? { jwks_url: jwksUrl, jwks_allow_http: true, jwks_max_age_secs: 2, jwks_cooldown_secs: 2, jwks_timeout_secs: 2 }
      : { hs256_secret: shared },
    storage: {
      endpoint, region: 'us-east-1', bucket: bucketName, access_key_id: 'AKIDFAULTS', secret_access_key: secretKey,
      probe_interval_secs: 5,
    },
  }
  for (const [section, keys] of Object.entries(change)) config[section] = { ...config[section], ...keys }
  const file = join(tempDir('faults'), 'signer.toml')
  const world = {
    bucket, provider, shared, endpoint, secretKey, listen, runs: [], lives: [900], peakKb: 0,
    port: Number(listen.split(':')[1]),
    // Seconds since the epoch by the clock of the signer.
    signerNow: () => Date.now() / 1000,
    write: (other = {}) => writeFileSync(file, typeof other === 'string' ? other : toml({ ...config, ...other })),
    token: (claims, key = provider?.keys[0]) => {
      const now = Math.floor(Date.now() / 1000)
      const all = { storeId: 's1', iat: now, exp: now + 600, ...claims }
      return key ? mint(key, all) : mintShared(shared, all)
    },
  }
  world.write()
  world.start = async () => {
    const [command, ...args] = [...wrap, signerBin, 'serve', '--config', file]
    world.run = start(command, args, { env: cleanEnv({ ...env }), cwd: tempDir('cwd') })
    world.runs.push(world.run)
    await until('the signer can sign', async () => (await fetch(`http://${listen}/readyz`)).ok, { run: world.run, every: 50 })
  }
  // Memory in use now, in kB; the most so far is kept.
  world.rss = () => {
    const found = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${world.run.child.pid}/status`, 'utf8'))
    const kb = Number(found?.[1] ?? 0)
    world.peakKb = Math.max(world.peakKb, kb)
    return kb
  }
  await world.start()
  await until('the bucket was found good', async () => (await fetch(`http://${listen}/health`)).ok, { run: world.run, every: 50 })
  return world
}
