// The command line as people expect it: help, version, completions, manual, colours, exit codes, JSON, -v and -q.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { signerBin } from './support/parts.mjs'
import { cleanEnv, finish, freePort, sleep, start, tempDir, until } from './support/process.mjs'
import { newSecret, serve, settings, signer, writeConfig } from './support/signer.mjs'

const limit = { timeout: 60_000 }
const nowhere = { endpoint: 'http://127.0.0.1:9', region: 'eu-west-7', bucket: 'b', accessKey: 'FILEACCESSKEY', secretKey: newSecret() }
const COMMANDS = ['serve', 'dev', 'config', 'token', 'check-token', 'check', 'migrate-keys', 'cors', 'openapi', 'probe', 'completions', 'man']

async function sections(change = {}, secret = newSecret()) {
  return settings({ listen: `127.0.0.1:${await freePort()}`, s3: nowhere, secret, change })
}
const ok = async (args, options) => {
  const result = await signer(args, options)
  assert.equal(result.code, 0, `${args.join(' ')}: ${result.all}`)
  assert.equal(result.stderr, '')
  return result.stdout
}
// With a terminal as standard output and error; `script` is on every Debian.
const onTerminal = (command, env) => finish('script', ['-qec', command, '/dev/null'], { env: cleanEnv({ TERM: 'xterm', ...env }), cwd: tempDir('cwd') })
const shell = (name, text) => finish(name, name === 'bash' ? ['--norc', '-c', text] : ['-c', text], { cwd: tempDir('cwd') })

describe('help and version', () => {
  test('each command has help with examples, and they are commands that there are', limit, async () => {
    const main = await ok(['--help'])
    for (const command of COMMANDS) {
      assert.match(main, new RegExp(`^  ${command} +\\w`, 'm'))
      const help = await ok([command, '--help'])
      assert.match(help, /^Examples:\n {2}\S/m)
      assert.equal(help, (await ok(['help', command])))
      // Options of an example are options of the command.
      const options = help.match(/^Examples:\n([\s\S]*)$/m)[1].matchAll(/signer [^|;&\n]*/g)
      for (const [line] of options) {
        for (const [, option] of line.split('  ')[0].matchAll(/ (--[a-z-]+)/g)) assert.ok(help.includes(` ${option}`), `${line}: ${option}`)
      }
    }
    assert.ok(main.split('\n').every((line) => line.length <= 120), 'a line is too long')
  })

  test('the exit codes are in --help', limit, async () => {
    const codes = [...(await ok(['--help'])).matchAll(/^ {2}(\d+) +\S/gm)].map(([, code]) => code)
    assert.deepEqual(codes, ['0', '1', '64', '130'])
  })

  test('--version names the commit that it was built from, -V in one line', limit, async () => {
    const head = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8', cwd: import.meta.dirname }).trim()
    const long = await ok(['--version'])
    const [, version] = long.match(/^signer (\d+\.\d+\.\d+)\n/)
    const [, commit, dirty] = long.match(/^commit: ([0-9a-f]{40})(-dirty)?$/m)
    assert.equal(commit, head)
    assert.match(long, /^features: .*\bdev\b/m)
    assert.match(long, /^target: \S+-\S+$/m)
    assert.equal(await ok(['-V']), `signer ${version} (${commit.slice(0, 9)}${dirty ?? ''})\n`)
  })
})

describe('completions', () => {
  // What bash offers after these words.
  const inBash = async (words) => {
    const script = join(tempDir('completions'), 'signer.bash')
    writeFileSync(script, await ok(['completions', 'bash']))
    const quoted = words.map((word) => `'${word}'`).join(' ')
    const ran = await shell('bash', `source '${script}' && complete -p signer | sed 's/.*-F //' && COMP_WORDS=(${quoted}) COMP_CWORD=${words.length - 1}
      _signer signer '${words.at(-1)}' '${words.at(-2)}'; printf '%s\\n' "\${COMPREPLY[@]}"`)
    assert.equal(ran.stderr, '')
    const [registered, ...replies] = ran.stdout.trim().split('\n')
    assert.match(registered, /^_signer /)
    return replies
  }

  test('bash completes commands, options and values', limit, async () => {
    assert.deepEqual(await inBash(['signer', 'ch']), ['check-token', 'check'])
    assert.deepEqual(await inBash(['signer', 'check', '--fi']), ['--fix-cors'])
    assert.deepEqual(await inBash(['signer', 'cors', '--format', 'x']), ['xml'])
    assert.deepEqual(await inBash(['signer', 'completions', 'f']), ['fish'])
  })

  test('every shell gets a script that names every command, and those that are here take it', limit, async () => {
    for (const [name, check] of [['bash', ['-n']], ['zsh', ['-n']], ['fish', ['--no-execute']], ['elvish', null], ['powershell', null]]) {
      const script = await ok(['completions', name])
      for (const command of COMMANDS) assert.ok(script.includes(command), `${name}: ${command}`)
      const file = join(tempDir('completions'), name)
      writeFileSync(file, script)
      const ran = check && await finish(name, [...check, file])
      // A shell that is not on this machine cannot say anything; bash is on all.
      if (ran && ran.code !== null) assert.equal(`${ran.code} ${ran.stderr}`, '0 ')
      else assert.notEqual(name, 'bash')
      if (name !== 'fish' || ran.code === null) continue
      const offered = await finish('fish', ['-c', `source '${file}'; complete -C 'signer ch'; complete -C 'signer cors --format x'`])
      assert.deepEqual(offered.stdout.split('\n').map((line) => line.split('\t')[0]), ['check', 'check-token', 'xml', ''])
    }
  })

  test('a shell that there is not is refused with 64', limit, async () => {
    const result = await signer(['completions', 'tcsh'])
    assert.equal(result.code, 64)
    assert.match(result.stderr, /bash.*zsh/)
  })
})

describe('manual', () => {
  test('groff takes the page of each command without a warning', limit, async () => {
    const folder = tempDir('man')
    await ok(['man', '--dir', join(folder, 'man1')])
    const pages = readdirSync(join(folder, 'man1')).sort()
    assert.deepEqual(pages, ['signer.1', ...COMMANDS.map((command) => `signer-${command}.1`)].sort())
    for (const page of pages) {
      const { code, stdout, stderr } = await finish('groff', ['-ww', '-man', '-Tascii', '-P-c', join(folder, 'man1', page)])
      assert.equal(`${code} ${stderr}`, '0 ', page)
      // Bold letters are printed twice, with a backspace in between.
      assert.match(stdout.replace(/.\x08/g, ''), /^EXAMPLES$/m, page)
    }
    assert.match(await ok(['man']), /^\.SH "EXIT CODES"$/m)
    assert.match(await ok(['man', 'check-token']), /^\.TH signer-check-token 1 /m)
    assert.equal((await signer(['man', 'chek'])).code, 64)
  })

  test('who has read enough is no failure; who cannot write is', limit, async () => {
    const bin = signerBin()
    for (const command of ['man', 'completions bash', 'config --json', '--help']) {
      const { stdout, stderr } = await shell('bash', `'${bin}' ${command} | true; echo "\${PIPESTATUS[0]}"`)
      assert.equal(stdout + stderr, '0\n', command)
    }
    const full = await shell('bash', `'${bin}' man > /dev/full`)
    assert.equal(full.code, 1)
    assert.match(full.stderr, /cannot be written/)
  })
})

describe('colours', () => {
  const escape = '\x1b['

  test('lines of checks: on a terminal, unless NO_COLOR; elsewhere only with CLICOLOR_FORCE', limit, async () => {
    const file = writeConfig(await sections())
    const command = `${signerBin()} check-token --config ${file} not-a-token`
    for (const [env, coloured] of [[{}, true], [{ NO_COLOR: '1' }, false], [{ TERM: 'dumb' }, false], [{ CLICOLOR: '0' }, false]]) {
      const { stdout } = await onTerminal(command, env)
      assert.equal(stdout.includes(`${escape}1;31mFAIL${escape}0m form`), coloured, JSON.stringify([env, stdout]))
      assert.equal(stdout.includes(escape), coloured)
    }
    for (const [env, coloured] of [[{}, false], [{ CLICOLOR_FORCE: '1' }, true], [{ CLICOLOR_FORCE: '1', NO_COLOR: '1' }, false]]) {
      const { stdout } = await signer(['check-token', '--config', file, 'not-a-token'], { env })
      assert.equal(stdout.includes(escape), coloured, JSON.stringify(env))
    }
  })

  test('help', limit, async () => {
    for (const [env, coloured] of [[{}, true], [{ NO_COLOR: '1' }, false]]) {
      assert.equal((await onTerminal(`${signerBin()} --help`, env)).stdout.includes(escape), coloured)
    }
    assert.ok(!(await ok(['--help'])).includes(escape))
  })

  test('the log', limit, async () => {
    const file = writeConfig(await sections({ server: { allow_root: true }, storage: { verify: 'off' } }))
    for (const [env, coloured] of [[{}, true], [{ NO_COLOR: '1' }, false]]) {
      const command = `timeout -s INT 2 ${signerBin()} --config ${file}`
      const { stdout } = await onTerminal(command, env)
      assert.match(stdout, /listening/)
      assert.equal(stdout.includes(escape), coloured, stdout)
    }
  })
})

describe('exit codes', () => {
  test('64 for a wrong command line, with what was meant', limit, async () => {
    for (const [args, expected] of [
      [['chek'], /check/], [['check', '--jsn'], /--json/], [['--set', 'nonsense', 'config'], /section\.key=value/],
      [['-v', '-q', 'serve'], /cannot be used with/], [['token'], /--store-id/],
    ]) {
      const result = await signer(args)
      assert.equal(result.code, 64, args.join(' '))
      assert.match(result.stderr, expected)
      assert.equal(result.stdout, '')
    }
  })

  test('1 when the answer is no or it cannot be done, 0 after one signal, 130 after two', limit, async () => {
    const config = await sections({ server: { drain_delay_secs: 20 } })
    const file = writeConfig(config)
    assert.equal((await signer(['probe', '--config', file])).code, 1)
    assert.equal((await signer(['check-token', '--config', file, 'x'])).code, 1)
    const once = await serve({ config: { ...config, server: { ...config.server, drain_delay_secs: 0 } }, base: '', listen: config.server.listen })
    assert.equal((await signer(['serve', '--config', file, '--set', 'server.allow_root=true'])).code, 1, 'the address is in use')
    assert.deepEqual(await once.run.stop('SIGTERM', 15_000), { code: 0, signal: null })
    const twice = await serve({ config, base: '', listen: config.server.listen })
    twice.run.child.kill('SIGTERM')
    await until('it is stopping', () => twice.run.stderr.includes('a second signal'), { run: twice.run })
    twice.run.child.kill('SIGTERM')
    assert.deepEqual(await twice.run.exited, { code: 130, signal: null })
  })
})

describe('data as JSON', () => {
  test('config, token, check-token and probe', limit, async () => {
    const secret = newSecret()
    const config = await sections({}, secret)
    const file = writeConfig(config)
    const json = async (args, options) => JSON.parse(await ok([...args, '--json', '--config', file], options))
    const shown = await json(['config'])
    assert.equal(shown.server.listen, config.server.listen)
    assert.equal(shown.storage.bucket, 'b')
    assert.ok(!JSON.stringify(shown).includes(secret) && !JSON.stringify(shown).includes(nowhere.secretKey))

    const minted = await json(['token', '--store-id', 's1', '--ttl', '60'])
    const { exp } = JSON.parse(Buffer.from(minted.token.split('.')[1], 'base64url'))
    assert.deepEqual(minted, { token: minted.token, expiresAt: new Date(exp * 1000).toISOString().replace('.000', ''), expiresIn: 60 })

    const good = await json(['check-token', '-'], { input: minted.token })
    assert.deepEqual([good.accepted, good.verdict], [true, 'accepted'])
    assert.deepEqual(good.steps.at(-1), { status: 'ok', step: 'operations', evidence: 'read, write, delete' })
    const bad = await signer(['check-token', '--json', '--config', file, 'a.b.c'])
    assert.equal(bad.code, 1)
    assert.deepEqual([JSON.parse(bad.stdout).accepted, JSON.parse(bad.stdout).steps.at(-1).status], [false, 'FAIL'])

    const url = `http://${config.server.listen}`
    const nobody = await signer(['probe', '--json', '--config', file])
    assert.equal(nobody.code, 1)
    assert.equal(nobody.stderr, '')
    assert.deepEqual(JSON.parse(nobody.stdout), { ok: false, url: `${url}/livez`, error: `${url}/livez: Connection refused (os error 111)` })
    const served = await serve({ config, base: '', listen: config.server.listen })
    assert.deepEqual(await json(['probe', '--ready']), { ok: true, url: `${url}/readyz`, status: 200 })
    await served.stop()
  })
})

describe('-v and -q', () => {
  const logged = async (args, change = {}) => {
    const config = await sections({ server: { allow_root: true }, storage: { verify: 'off' }, ...change })
    const run = start(signerBin(), ['--config', writeConfig(config), ...args], { env: cleanEnv(), cwd: tempDir('cwd') })
    await until('it lives', async () => (await fetch(`http://${config.server.listen}/livez`)).ok, { run })
    await fetch(`http://${config.server.listen}/nowhere`)
    await sleep(200)
    await run.stop('SIGTERM', 15_000)
    return run.stderr.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line).level)
  }

  test('change what is logged, over telemetry.log', limit, async () => {
    assert.ok((await logged([])).includes('INFO'))
    assert.deepEqual((await logged(['-q'])).filter((level) => !['WARN', 'ERROR'].includes(level)), [])
    assert.deepEqual(await logged(['-qqq']), [])
    assert.ok((await logged(['-v'], { telemetry: { log: 'error' } })).includes('INFO'))
    const shown = await ok(['config', '-qq', '--config', writeConfig(await sections())])
    assert.match(shown, /^log = "info"$/m, 'and nothing else')
  })

  test('-q says of checks only what is not ok', limit, async () => {
    const config = await sections()
    const file = writeConfig(config)
    assert.equal(await ok(['-q', '--check-config', '--config', file]), '')
    const token = (await ok(['token', '--store-id', 's1', '--config', file])).trim()
    assert.equal(await ok(['check-token', '-q', '-', '--config', file], { input: token }), '')
    const refused = await signer(['check-token', '-q', 'x', '--config', file])
    assert.deepEqual(refused.stdout.split('\n').map((line) => line.split(' ')[0]), ['FAIL', 'refused:', ''])
    const served = await serve({ config, base: '', listen: config.server.listen })
    assert.equal(await ok(['probe', '-q', '--config', file]), '')
    await served.stop()
  })
})
