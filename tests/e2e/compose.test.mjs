// deploy/compose.yaml, as it stands: every service as a process, in Chromium the page that it serves.
import assert from 'node:assert/strict'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { signerBin, weedBin } from './support/parts.mjs'
import { cleanEnv, finish } from './support/process.mjs'

const here = import.meta.dirname
const file = resolve(here, '..', '..', 'deploy', 'compose.yaml')

test('deploy/compose.yaml comes up in its order, and its page uploads, downloads and deletes', { timeout: 240_000 }, async () => {
  assert.equal(process.getuid(), 0, 'this test makes namespaces and users: run it as root')
  const env = cleanEnv({ SIGNER_BIN: signerBin(), VENV: resolve(weedBin(), '..', '..') })
  const namespaces = ['--net', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc']
  const run = await finish('unshare', [...namespaces, process.execPath, join(here, 'support', 'compose-page.mjs'), file], { env, patience: 230_000 })
  assert.equal(run.code, 0, run.all)
  const lines = run.stdout.trim().split('\n')
  const [warnings, rest] = [lines.filter((line) => line.startsWith('warn')), lines.filter((line) => !line.startsWith('warn'))]
  // Between containers of one machine.
  assert.deepEqual(warnings.map((line) => line.split(';')[0]), ['warn connection: without TLS: what this process does can be read on the way'])
  assert.deepEqual(rest, [
    'bucket: service_healthy',
    'bucket-rules: service_completed_successfully',
    'signer: service_healthy',
    'signer and page: no root, no capabilities, nothing to write to',
    'uploaded and downloaded 300000 bytes',
    'deleted',
    'the signer stopped with 0 within its grace period',
  ])
})
