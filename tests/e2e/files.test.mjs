// The old gateway's paths and URLs, in front of a real bucket, and the migration of rows that hold them. Case numbers
// (K03 …) are those of the project's security research.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { caller, isRefused, isSigned, query, urlEnd, use } from './support/http.mjs'
import { python, signerBin } from './support/parts.mjs'
import { cleanEnv, finish, sleep, tempDir } from './support/process.mjs'
import { pageOrigin, startSeaweed } from './support/seaweed.mjs'
import { signer, startSigner, writeConfig } from './support/signer.mjs'

const limit = { timeout: 60_000 }
const root = '/livestore-filesync-files'
const old = `https://files.example.com${root}/`

describe('stored paths', () => {
  let s3, service, call, token
  before(async () => {
    s3 = await startSeaweed()
    service = await startSigner(s3, {
      server: { cors_origins: [pageOrigin] },
      auth: { cookie: 'session' },
      files: { redirect: true },
      migration: { legacy_urls: [old] },
    })
    token = await service.mint({ storeId: 'store1' })
    call = caller(service.url, token)
  }, { timeout: 120_000 })
  after(async () => { await service?.stop(); await s3?.stop() })

  const bytes = randomBytes(5000)
  const put = async (key, body = bytes) => {
    const signed = isSigned(await call('POST', '/upload-url', { key, contentType: 'image/png' }), { method: 'PUT', key })
    assert.equal((await use(signed, body)).status, 200)
  }
  const bearer = () => ({ authorization: `Bearer ${token}` })
  const cookie = () => ({ cookie: `session=${token}` })
  const ask = (path, { method = 'GET', headers = bearer(), redirect } = {}) =>
    fetch(service.url + root + path, { method, headers, redirect })
  const body = async (response) => Buffer.from(await response.arrayBuffer())
  // As written: fetch would resolve dot segments.
  const raw = (method, path) => new Promise((done, fail) => {
    const { hostname, port } = new URL(service.url)
    request({ hostname, port, method, path, headers: bearer() }, (response) => {
      response.resume()
      response.once('end', () => done(response.statusCode))
    }).once('error', fail).end()
  })

  test('GET and HEAD go on to the bucket, with any name', limit, async () => {
    for (const name of ['plain.png', 'a b+c/é 100%.png', '😀']) {
      await put(`store1/${name}`)
      const path = `/store1/${name.split('/').map(encodeURIComponent).join('/')}`
      for (const headers of [bearer(), cookie()]) {
        const got = await ask(path, { headers })
        assert.deepEqual([got.status, got.redirected, new URL(got.url).origin], [200, true, s3.endpoint])
        assert.deepEqual(await body(got), bytes)
        const head = await ask(path, { method: 'HEAD', headers })
        assert.deepEqual([head.status, head.headers.get('content-length')], [200, '5000'])
        assert.equal((await body(head)).length, 0)
      }
    }
  })

  test('a range passes', limit, async () => {
    await put('store1/range')
    const got = await ask('/store1/range', { headers: { ...bearer(), range: 'bytes=1000-1009' } })
    assert.deepEqual([got.status, got.headers.get('content-range')], [206, 'bytes 1000-1009/5000'])
    assert.deepEqual(await body(got), bytes.subarray(1000, 1010))
  })

  test('the query asks for what /download-url gives', limit, async () => {
    await put('store1/named')
    const got = await ask('/store1/named?filename=a%20b.png&expiresIn=60')
    assert.deepEqual([got.status, got.headers.get('content-disposition')], [200, 'attachment; filename="a b.png"'])
    assert.equal(new URL(got.url).searchParams.get('X-Amz-Expires'), '60')
  })

  test('a redirect that is used again at its last second still serves', limit, async () => {
    await put('store1/kept')
    const first = await ask('/store1/kept?expiresIn=33', { redirect: 'manual' })
    assert.equal(first.status, 307)
    assert.equal(first.headers.get('cache-control'), 'private, max-age=3')
    assert.equal(first.headers.get('referrer-policy'), 'no-referrer')
    assert.equal(first.headers.get('vary'), 'Authorization, Cookie, Origin')
    const location = first.headers.get('location')
    await sleep(3000)
    // As long as was promised for the transfer to begin.
    assert.ok(urlEnd(location) - Date.now() > 20_000)
    assert.deepEqual(await body(await fetch(location)), bytes)
  })

  test('no one else gets in', limit, async () => {
    await put('store1/mine')
    const other = await service.mint({ storeId: 'store2' })
    for (const headers of [{ authorization: `Bearer ${other}` }, { cookie: `session=${other}` }]) {
      for (const method of ['GET', 'DELETE']) {
        const answer = await ask('/store1/mine', { method, headers: { ...headers, origin: pageOrigin }, redirect: 'manual' })
        assert.equal(answer.status, 403)
        assert.equal((await answer.json()).code, 'key_outside_store')
      }
    }
    for (const headers of [{}, { authorization: 'Bearer x' }, { cookie: 'session=x' }]) {
      assert.equal((await ask('/store1/mine', { headers, redirect: 'manual' })).status, 401)
    }
    // K03, K04, K05, K07
    for (const path of ['/store2/../store1/mine', '/store1/../store2/f', '/store1/%2e%2e/store2/f', '/store1/..%2fstore2/f',
      '/store1/%252e%252e/store2/f', '/store1/..%5cstore2', '//store1/mine', '/store1//mine', '/store1/%c0%af', '/store1/%']) {
      for (const method of ['GET', 'HEAD', 'DELETE']) assert.equal(await raw(method, root + path), 400, `${method} ${path}`)
    }
    assert.equal(await raw('GET', `${root}${root}/store1/mine`), 403)
    assert.equal(await raw('GET', `/${root}/store1/mine`), 404)
    assert.equal((await ask('/store1/mine')).status, 200, 'and it is still there')
  })

  test('DELETE deletes, with a cookie only for a page on the list', limit, async () => {
    await put('store1/gone')
    await put('store1/gone too')
    assert.equal((await ask('/store1/gone', { method: 'DELETE', headers: cookie() })).status, 403)
    assert.equal((await ask('/store1/gone', { method: 'DELETE', headers: { ...cookie(), origin: 'https://evil.example' } })).status, 403)
    assert.equal((await ask('/store1/gone')).status, 200)
    assert.equal((await ask('/store1/gone', { method: 'DELETE', headers: { ...cookie(), origin: pageOrigin } })).status, 204)
    assert.equal((await ask('/store1/gone%20too', { method: 'DELETE' })).status, 204)
    for (const path of ['/store1/gone', '/store1/gone%20too']) {
      assert.equal((await ask(path)).status, 404)
      assert.equal((await ask(path, { method: 'DELETE' })).status, 204, 'once more is no harm')
    }
  })

  test('the old upload is told where bytes go', limit, async () => {
    for (const headers of [bearer(), {}]) {
      const form = new FormData()
      form.set('file', new Blob([bytes]))
      const answer = await fetch(`${service.url}/upload`, { method: 'POST', body: form, headers })
      const told = await answer.json()
      assert.deepEqual([answer.status, told.code], [410, 'gone'])
      assert.match(told.error, /POST \/upload-url/)
    }
  })

  test('an old URL serves wherever a key does', limit, async () => {
    const [key, url] = ['store1/old name', `${old}store1/old%20name`]
    const upload = isSigned(await call('POST', '/upload-url', { url, contentType: 'image/png' }), { method: 'PUT', key })
    assert.equal((await use(upload, bytes)).status, 200)
    const download = isSigned(await call('GET', `/download-url${query({ url: `${url}?X-Amz-Expires=1` })}`), { method: 'GET', key })
    assert.deepEqual((await use(download)).bytes, bytes)
    assert.equal((await call('GET', `/object${query({ url })}`)).json.size, 5000)
    assert.equal((await call('POST', '/confirm', { url, contentLength: 5000 })).status, 200)
    isRefused(await call('GET', `/download-url${query({ url: `https://evil.example${root}/store1/old%20name` })}`), 400)
    isRefused(await call('GET', `/download-url${query({ url: `${old}store2/f` })}`), 403)
    assert.equal((await call('POST', '/v1/delete', { url })).status, 204)
    isRefused(await call('GET', `/object${query({ key })}`), 404)
  })

  test('no log line shows where a redirect led', () => {
    assert.match(service.run.log(), /livestore-filesync-files\/store1\/plain\.png/)
    assert.doesNotMatch(service.run.log(), /X-Amz-|Signature/i)
  })
})

describe('signer migrate-keys', () => {
  // No bucket, no secret: rows are migrated anywhere.
  const config = () => writeConfig({ migration: { legacy_urls: [old] } })
  const file = (rows) => {
    const name = join(tempDir('rows'), 'rows.jsonl')
    writeFileSync(name, rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row)) + '\n').join(''))
    return name
  }
  const sh = (script, args) => finish('sh', ['-c', script, 'sh', ...args], { env: cleanEnv(), cwd: tempDir('cwd'), patience: 120_000 })
  const migrate = async (rows, args = []) => {
    const [input, output] = [file(rows), join(tempDir('rows'), 'out.jsonl')]
    const run = await sh('in=$1 out=$2; shift 2; exec "$@" < "$in" > "$out"', [input, output, signerBin(), 'migrate-keys', ...args])
    const text = readFileSync(output, 'utf8')
    return { ...run, text, rows: text.split('\n').slice(0, -1) }
  }

  test('100,000 rows get their keys, and those that cannot are told', { timeout: 300_000 }, async () => {
    const rows = Array.from({ length: 100_000 }, (_, i) => ({
      id: `file-${i}`, size: i / 3, remoteUrl: `${old}store-${i % 7}/${'ab'.repeat(28)}${String(i).padStart(8, '0')}?token=secret`, meta: { i },
    }))
    for (let i = 0; i < 30; i += 1) rows[i * 3000 + 5].remoteUrl = `https://evil.example${root}/s/${i}`
    rows[10].remoteUrl = ''
    rows[20].remoteKey = 'kept/as-it-is'
    rows[30] = '{"id":"file-30","remoteUrl":'
    const { code, stderr, rows: out } = await migrate(rows, ['--config', config()])
    assert.equal(code, 1)
    const told = stderr.trimEnd().split('\n')
    assert.equal(told.at(-1), '100000 rows: 99967 got a key, 1 had one, 1 have no URL, 31 could not be mapped')
    assert.equal(told.at(-2), 'and 11 more')
    assert.equal(told.length, 22)
    assert.equal(told[0], 'line 6: the URL is under none of migration.legacy_urls')
    assert.equal(told[1], 'line 31: is not a JSON object in UTF-8')
    assert.doesNotMatch(stderr, /secret|evil/)
    assert.equal(out.length, rows.length)
    for (const [i, row] of rows.entries()) {
      if (typeof row === 'string' || !row.remoteUrl.startsWith(old) || row.remoteKey) {
        assert.equal(out[i], typeof row === 'string' ? row : JSON.stringify(row))
      } else {
        const remoteKey = `store-${i % 7}/${'ab'.repeat(28)}${String(i).padStart(8, '0')}`
        assert.equal(out[i], JSON.stringify({ ...row, remoteKey }))
      }
    }
    // What came out goes in again, and stays as it is.
    const again = await migrate(out, ['--config', config()])
    assert.equal(again.text, out.join('\n') + '\n')
    assert.match(again.stderr, /0 got a key, 99968 had one/)
  })

  test('flags name the prefixes and the members, and no file is needed', limit, async () => {
    const args = ['--legacy-url', 'http://10.0.0.1:3000/f/', '--legacy-url', 'https://b.example/', '--url-member', 'href', '--key-member', 'k']
    const { code, text, stderr } = await migrate([
      { href: 'http://10.0.0.1:3000/f/s1/a%20b' }, { href: 'https://b.example/livestore-filesync-files/s1/c', k: null }, { remoteUrl: 'x' },
    ], args)
    assert.deepEqual([code, stderr], [0, '3 rows: 2 got a key, 0 had one, 1 have no URL, 0 could not be mapped\n'])
    assert.equal(text, [
      '{"href":"http://10.0.0.1:3000/f/s1/a%20b","k":"s1/a b"}',
      '{"href":"https://b.example/livestore-filesync-files/s1/c","k":"s1/c"}',
      '{"remoteUrl":"x"}', '',
    ].join('\n'))
  })

  test('a mistake in what it needs is told, and in what it does not need is not', limit, async () => {
    for (const [args, sentence] of [
      [[], /migration\.legacy_urls is empty/],
      [['--legacy-url', 'files.example.com'], /migration\.legacy_urls: holds `files\.example\.com`; write a URL/],
      [['--legacy-url', 'https://Files.example.com'], /write it as `https:\/\/files\.example\.com\/`/],
      [['--legacy-url', 'https://a.example/', '--set', 'keys.format=hashes'], /keys\.format/],
      [['--legacy-url', 'https://a.example/', '--key-member', 'remoteUrl'], /both `remoteUrl`/],
    ]) {
      const run = await signer(['migrate-keys', ...args])
      assert.deepEqual([run.code, run.stdout], [64, ''], run.all)
      assert.match(run.stderr, sentence)
    }
    const half = writeConfig({ server: { listen: 'nowhere' }, migration: { legacy_urls: [old] } })
    assert.equal((await signer(['migrate-keys', '--config', half], { input: `{"remoteUrl":"${old}s1/f"}\n` })).code, 0)
  })

  test('it ends when nobody takes the rows', limit, async () => {
    const rows = Array.from({ length: 50_000 }, (_, i) => ({ remoteUrl: `${old}s1/${i}` }))
    const run = await sh('"$1" migrate-keys --config "$2" < "$3" | head -n 1', [signerBin(), config(), file(rows)])
    assert.equal(run.stdout, `{"remoteUrl":"${old}s1/0","remoteKey":"s1/0"}\n`)
    assert.match(run.stderr, /^the output is closed: /)
    assert.doesNotMatch(run.stderr, /panicked/)
  })

  test('progress is shown on a terminal and nowhere else', limit, async () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => ({ remoteUrl: `${old}s1/${i}` }))
    const args = [signerBin(), 'migrate-keys', '--config', config()]
    const input = file(rows)
    // A terminal for standard error alone; what was drawn on it comes out.
    const script = 'import os,pty,sys,subprocess\n' +
      'ours,theirs=pty.openpty()\n' +
      'run=subprocess.Popen(sys.argv[2:],stdin=open(sys.argv[1]),stdout=subprocess.DEVNULL,stderr=theirs,env={**os.environ,"TERM":"xterm"})\n' +
      'os.close(theirs)\n' +
      'drawn=b""\n' +
      'try:\n while part:=os.read(ours,65536): drawn+=part\n' +
      'except OSError: pass\n' +
      'run.wait(); sys.stdout.buffer.write(drawn)\n'
    const onTerminal = await finish(python(), ['-c', script, input, ...args], { env: cleanEnv(), cwd: tempDir('cwd'), patience: 60_000 })
    assert.match(onTerminal.stdout, /\d+ %, \d+ rows, /)
    assert.match(onTerminal.stdout, /20000 rows: 20000 got a key/)
    const piped = await migrate(rows, ['--config', config()])
    assert.equal(piped.stderr, '20000 rows: 20000 got a key, 0 had one, 0 have no URL, 0 could not be mapped\n')
  })
})
