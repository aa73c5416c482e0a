// `signer dev`: one command, and what it prints works when pasted.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { finish, freePort, hold, cleanEnv, tempDir } from './support/process.mjs'
import { signer, startDev } from './support/signer.mjs'

const limit = { timeout: 60_000 }
const block = (printed) => printed.match(/^.*# --- paste from here ---.*\n([\s\S]*?)^.*# --- to here ---/m)?.[1]

// A failure an operator can read: a sentence or two that hold `what`, and no backtrace.
function isSentence(result, what) {
  assert.notEqual(result.code, 0, result.all)
  assert.notEqual(result.code, null, `killed: ${result.all}`)
  assert.doesNotMatch(result.all, /panicked|RUST_BACKTRACE|stack backtrace/i)
  assert.equal(result.stderr.trim().split('\n').length, 1, `one line, not: ${result.stderr}`)
  assert.match(result.stderr, what)
}

describe('signer dev', () => {
  test('prints where everything listens, the token, and commands', limit, async () => {
    const dev = await startDev()
    try {
      assert.ok(dev.run.stdout.includes(dev.listen))
      assert.ok(dev.run.stdout.includes(dev.s3Listen))
      assert.match(dev.token, /^[\w-]+\.[\w-]+\.[\w-]+$/)
      assert.ok(block(dev.run.stdout).includes('curl'))
    } finally {
      await dev.stop()
    }
  })

  test('the printed commands, pasted, move a file up, down, and delete it', limit, async () => {
    const data = tempDir('data')
    const dev = await startDev({ args: ['--data', data] })
    try {
      const folder = tempDir('paste')
      // The block is run as it is. Bash itself tells what lies in the bucket before each of its commands: BASH_ENV is
      // read before the block, and the trap copies whatever file of the store is there at that moment.
      const spy = join(tempDir('spy'), 'spy.sh')
      const seen = tempDir('seen')
      writeFileSync(spy, `trap 'find "${data}" -type f -path "*/demo/*" -exec cp {} "${seen}/" \\; || true' DEBUG\n`)
      const ran = await finish('bash', ['-euo', 'pipefail'], {
        cwd: folder, env: cleanEnv({ BASH_ENV: spy }), input: block(dev.run.stdout),
      })
      assert.equal(ran.code, 0, ran.all)
      const uploaded = readdirSync(seen).map((name) => readFileSync(join(seen, name)))
      assert.ok(uploaded.length > 0, `nothing came to lie in the bucket:\n${ran.all}`)
      // It came down: its bytes were printed, or are a file beside the one that was sent.
      const local = readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath ?? entry.path, entry.name)))
      const cameDown = uploaded.some((bytes) => bytes.length > 0
        && (ran.stdout.includes(bytes.toString('utf8').trim()) || local.filter((other) => other.equals(bytes)).length > 1))
      assert.ok(cameDown, `the bytes did not come back:\n${ran.all}`)
      const left = readdirSync(data, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && join(entry.parentPath ?? entry.path).split('/').includes('demo'))
      assert.deepEqual(left.map((entry) => entry.name), [], 'the file is deleted')
    } finally {
      await dev.stop()
    }
    assert.ok(existsSync(data), 'a folder that was given is left in place')
  })

  test('the printed commands work a second time', limit, async () => {
    const dev = await startDev()
    try {
      for (let round = 0; round < 2; round += 1) {
        const ran = await finish('bash', ['-euo', 'pipefail'], { cwd: tempDir('paste'), input: block(dev.run.stdout) })
        assert.equal(ran.code, 0, ran.all)
      }
    } finally {
      await dev.stop()
    }
  })

  for (const signal of ['SIGINT', 'SIGTERM']) {
    test(`${signal} ends it with exit 0 within 5 s, and its temporary folder is gone (H13)`, limit, async () => {
      const place = tempDir('tmp')
      const dev = await startDev({ env: { TMPDIR: place } })
      assert.notDeepEqual(readdirSync(place), [], 'its data is in a temporary folder')
      // a connection that is kept open must not hold it up
      await (await fetch(`${dev.url}/livez`)).text()
      const { code, signal: killedBy } = await dev.run.stop(signal, 5000)
      assert.deepEqual({ code, killedBy }, { code: 0, killedBy: null }, dev.run.log())
      assert.deepEqual(readdirSync(place), [])
    })
  }

  for (const [flag, other] of [['--listen', '--s3-listen'], ['--s3-listen', '--listen']]) {
    test(`a port in use behind ${flag} is one sentence and not a panic`, limit, async () => {
      const taken = await hold()
      const place = tempDir('tmp')
      try {
        const { port } = taken.address()
        const result = await signer(['dev', flag, `127.0.0.1:${port}`, other, `127.0.0.1:${await freePort()}`], { env: { TMPDIR: place } })
        isSentence(result, new RegExp(String(port)))
        assert.deepEqual(readdirSync(place), [], 'nothing is left behind')
      } finally {
        taken.close()
      }
    })
  }

  test('a missing --data folder, and one that is a file, is one sentence and not a panic', limit, async () => {
    const ports = ['--listen', `127.0.0.1:${await freePort()}`, '--s3-listen', `127.0.0.1:${await freePort()}`]
    const folder = tempDir('data')
    isSentence(await signer(['dev', ...ports, '--data', join(folder, 'not-there')]), /not-there/)
    writeFileSync(join(folder, 'a-file'), '')
    isSentence(await signer(['dev', ...ports, '--data', join(folder, 'a-file')]), /a-file/)
  })

  test('a given --data folder keeps its files for the next start', limit, async () => {
    const data = join(tempDir('data'), 'kept')
    mkdirSync(data)
    const body = 'kept for the next start'
    for (const round of [1, 2]) {
      const dev = await startDev({ args: ['--data', data] })
      try {
        const headers = { authorization: `Bearer ${dev.token}`, 'content-type': 'application/json' }
        if (round === 1) {
          const signed = await (await fetch(`${dev.url}/upload-url`, { method: 'POST', headers, body: '{"key":"demo/kept"}' })).json()
          assert.equal((await fetch(signed.url, { method: 'PUT', body: Buffer.from(body) })).status, 200)
        } else {
          const signed = await (await fetch(`${dev.url}/download-url?key=demo/kept`, { headers })).json()
          assert.equal(await (await fetch(signed.url)).text(), body)
        }
      } finally {
        await dev.stop()
      }
    }
  })
})
