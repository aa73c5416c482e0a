// The signer, started the way an operator starts it: a file, an environment, a command line.
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { signerBin } from './parts.mjs'
import { cleanEnv, finish, freePort, start, tempDir, until } from './process.mjs'
import { minter } from './tokens.mjs'

// Every value we write is a string, a number, a boolean or a list of those: JSON spells them as TOML does.
export const toToml = (sections) =>
  Object.entries(sections)
    .map(([name, keys]) => `[${name}]\n${Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}`).join('\n')}\n`)
    .join('\n')

export function writeConfig(sections) {
  const file = join(tempDir('config'), 'signer.toml')
  writeFileSync(file, typeof sections === 'string' ? sections : toToml(sections))
  return file
}

export const newSecret = () => randomBytes(32).toString('hex')

// Sections for a signer in front of `s3` (see seaweed.mjs); `change` is merged section by section. Without a `secret` it
// has no key of its own, as beside an identity provider.
export function settings({ listen, s3, secret, change = {} }) {
  const base = {
    server: { listen },
    auth: secret === undefined ? {} : { hs256_secret: secret },
    storage: {
      endpoint: s3.endpoint, region: s3.region, bucket: s3.bucket, addressing: 'path',
      access_key_id: s3.accessKey, secret_access_key: s3.secretKey,
    },
  }
  for (const [section, keys] of Object.entries(change)) base[section] = { ...base[section], ...keys }
  return base
}

export const signer = (args, options = {}) =>
  finish(signerBin(), args, { ...options, env: cleanEnv(options.env), cwd: options.cwd ?? tempDir('cwd') })

// Tests may run as root; an operator has to say so.
const allowRoot = { SIGNER__SERVER__ALLOW_ROOT: 'true' }

// Serves with a file made from `config`, or with the environment alone when `config` is null.
export async function serve({ config, env, base, listen }) {
  const args = config ? ['serve', '--config', writeConfig(config)] : ['serve']
  const run = start(signerBin(), args, { env: cleanEnv({ ...allowRoot, ...env }), cwd: tempDir('cwd') })
  await until('the signer lives', async () => (await fetch(`http://${listen}${base}/livez`)).status === 200, { run })
  return { url: `http://${listen}${base}`, run, configFile: args[2], stop: () => run.stop() }
}

export async function startSigner(s3, change = {}) {
  const listen = `127.0.0.1:${await freePort()}`
  const secret = newSecret()
  const served = await serve({
    config: settings({ listen, s3, secret, change }), listen, base: change.server?.base_path ?? '',
  })
  return { ...served, secret, mint: minter(secret) }
}

// `signer dev`; gives back what it printed, once it has printed all of it.
// `reachable` listens on all of the machine's addresses.
export async function startDev({ args = [], env, reachable = false, listen, s3Listen } = {}) {
  listen ??= `127.0.0.1:${await freePort()}`
  s3Listen ??= `127.0.0.1:${await freePort()}`
  const bound = reachable ? listen.replace('127.0.0.1', '0.0.0.0') : listen
  const run = start(signerBin(), ['dev', '--listen', bound, '--s3-listen', s3Listen, ...args], {
    env: cleanEnv(env), cwd: tempDir('cwd'),
  })
  await until('signer dev prints its commands', () => run.stdout.includes('# --- to here ---'), { run })
  await until('signer dev lives', async () => (await fetch(`http://${listen}/livez`)).status === 200, { run })
  return {
    run, listen, s3Listen,
    url: `http://${listen}`,
    token: run.stdout.match(/^\s*token:\s+(\S+)\s*$/m)?.[1],
    stop: () => run.stop('SIGINT'),
  }
}
