// Where the real parts are, and one sentence when one is missing.
// A ring that cannot get its part fails; it never skips.
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const repo = resolve(here, '..', '..', '..')
const venv = process.env.VENV ? resolve(process.env.VENV) : join(repo, 'target', 'venv')

function need(path, what) {
  if (!existsSync(path)) throw new Error(`${what} is missing (${path}): run "make test", which gets it.`)
  return path
}

export const signerBin = () =>
  need(process.env.SIGNER_BIN ? resolve(process.env.SIGNER_BIN) : join(repo, 'target', 'debug', 'signer'), 'the signer binary')
export const weedBin = () => need(join(venv, 'bin', 'weed'), 'SeaweedFS (weed)')
export const python = () => need(join(venv, 'bin', 'python'), 'the Python virtual environment')
export const bucketScript = join(here, 'bucket.py')
export const sessionScript = join(here, 'session.py')

// npm packages are loaded through here and not with `import … from`, because a static import of a missing package
// stops the file before any sentence of ours can be said.
export async function load(name) {
  try {
    return await import(name)
  } catch (cause) {
    if (cause?.code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new Error(`the npm package ${name} cannot be loaded: run "make test", which installs it.`, { cause })
  }
}
