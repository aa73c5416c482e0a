// Children, ports and temporary folders: all of them end with this process, however it ends.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const children = new Set()
const folders = new Set()

process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})
// The test runner ends a file that hangs with SIGTERM; without these the 'exit' above would not run. `on` and not `once`:
// Ctrl-C reaches the file both from the terminal and from the runner, and the second must not cut the tidying short.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1))

export function tempDir(name) {
  const folder = mkdtempSync(join(tmpdir(), `signer-e2e-${name}-`))
  folders.add(folder)
  return folder
}

// Only what a program needs to run: a developer's own S3_*, AWS_* or SIGNER__* must not decide a test.
export function cleanEnv(extra = {}) {
  const { PATH, HOME, TMPDIR, LANG } = process.env
  const kept = Object.entries({ PATH, HOME, TMPDIR, LANG, ...extra }).filter(([, value]) => value !== undefined)
  return Object.fromEntries(kept)
}

export function start(command, args, { cwd, env = cleanEnv(), input } = {}) {
  const child = spawn(command, args, { cwd, env, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] })
  children.add(child)
  const run = { child, stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8')
    child[stream].on('data', (text) => { run[stream] += text })
  }
  run.exited = new Promise((done) => {
    child.once('error', (error) => { children.delete(child); run.stderr += String(error); done({ code: null, signal: null }) })
    child.once('close', (code, signal) => { children.delete(child); done({ code, signal }) })
  })
  run.running = () => children.has(child)
  run.log = () => `--- stdout\n${run.stdout}\n--- stderr\n${run.stderr}`
  run.stop = async (signal = 'SIGTERM', patience = 5000) => {
    if (run.running()) child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), patience)
    const end = await run.exited
    clearTimeout(timer)
    return end
  }
  if (input !== undefined) child.stdin.end(input)
  return run
}

// Runs a program to its end; one that does not end in time is killed and says so with code null.
export async function finish(command, args, { patience = 10_000, ...options } = {}) {
  const run = start(command, args, options)
  const timer = setTimeout(() => run.child.kill('SIGKILL'), patience)
  const { code, signal } = await run.exited
  clearTimeout(timer)
  return { code, signal, stdout: run.stdout, stderr: run.stderr, all: run.stdout + run.stderr }
}

export async function until(what, probe, { patience = 20_000, every = 100, run } = {}) {
  const end = Date.now() + patience
  let last
  for (;;) {
    try {
      const value = await probe()
      if (value) return value
      last = value
    } catch (error) {
      last = error
    }
    if (run && !run.running()) throw new Error(`${what}: the program ended first\n${run.log()}`)
    if (Date.now() > end) throw new Error(`${what}: not within ${patience} ms (last: ${last?.message ?? last})${run ? `\n${run.log()}` : ''}`)
    await sleep(every)
  }
}

export function hold(port = 0) {
  return new Promise((done, fail) => {
    const server = createServer()
    server.once('error', fail)
    server.listen({ port, host: '127.0.0.1' }, () => done(server))
  })
}

const release = (server) => new Promise((done) => server.close(done))

export async function freePort() {
  const server = await hold()
  const { port } = server.address()
  await release(server)
  return port
}

// `count` ports in a row, each also free 10,000 higher, because SeaweedFS takes that one too for gRPC. The range
// lies below the one the kernel gives to outgoing connections, so that nobody takes them in between.
export async function freeBlock(count) {
  for (let tries = 0; tries < 200; tries += 1) {
    const base = 20_000 + Math.floor(Math.random() * 270) * 10
    const held = []
    try {
      for (let i = 0; i < count; i += 1) held.push(await hold(base + i), await hold(base + i + 10_000))
      return base
    } catch {
      // someone else has one of them: try another block
    } finally {
      await Promise.all(held.map(release))
    }
  }
  throw new Error(`no ${count} free ports in a row`)
}

export { sleep }
