// Signed URLs as a browser uses them by itself: a cacheable one, and the stable path in an <img>, where there is no script to
// ask for a URL and only a cookie says who is asking.
import './support/quiet.mjs'
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startFront } from './support/front.mjs'
import { caller, query } from './support/http.mjs'
import { cookieOf, put, startOrigins, takeWorker } from './support/origins.mjs'
import { picture, shown } from './support/picture.mjs'
import { sleep } from './support/process.mjs'
import { silence } from './support/sound.mjs'

const limit = { timeout: 60_000 }

let origins, front
before(async () => {
  origins = await startOrigins()
  front = origins.front
}, { timeout: 120_000 })
after(async () => { await origins?.stop() })

describe('<img> on the stable path', () => {
  let service, token
  const cat = picture('cat by its path')
  const key = `alice/${cat.hash}`
  const at = (key, address = service.address) => `${address}/livestore-filesync-files/${key}`
  const since = (key) => {
    const before = front.about(key).length
    return () => front.about(key).slice(before)
  }
  // What a page's own script gets of it, or the sentence of its failure.
  const fetched = (page, url, options = {}) => page.evaluate(async ([url, options]) => {
    try {
      const answer = await fetch(url, options)
      return [answer.status, answer.headers.get('content-range'), (await answer.arrayBuffer()).byteLength]
    } catch (error) {
      return String(error)
    }
  }, [url, options])

  before(async () => {
    service = await origins.start({
      server: { base_path: '/signer', cors_credentials: true }, auth: { cookie: 'files' }, files: { redirect: true },
    })
    origins.pages.signer = service.url
    token = await service.mint({ storeId: 'alice' })
    await put(service, token, key, cat.png)
  }, { timeout: 60_000 })

  test('with the cookie it is on the screen, and the bucket is told neither the cookie nor the page', limit, async () => {
    const page = await origins.openPage({ cookie: cookieOf(token) })
    const asked = since(key)
    assert.deepEqual(await shown(page, at(key)), cat.pixels)
    const [{ method, headers, status }, ...more] = asked()
    assert.deepEqual([method, status, headers.cookie, headers.referer, more], ['GET', 200, undefined, undefined, []])
  })

  test('without a cookie, or in another store, it is a broken picture, and the bucket hears nothing', limit, async () => {
    const theirs = `bob/${cat.hash}`
    await put(service, await service.mint({ storeId: 'bob' }), theirs, cat.png)
    const asked = [since(key), since(theirs)]
    assert.equal(await shown(await origins.openPage(), at(key)), null)
    const page = await origins.openPage({ cookie: cookieOf(token) })
    assert.equal(await shown(page, at(theirs)), null)
    assert.deepEqual(asked.map((list) => list()), [[], []])
  })

  test('a redirect that the browser kept shows nothing to whoever comes after a logout', limit, async () => {
    const page = await origins.openPage({ cookie: cookieOf(token) })
    const later = async (cookies) => {
      await page.context().clearCookies()
      await page.context().addCookies(cookies)
      const next = await page.context().newPage()
      await next.goto(origins.pages.origin)
      return shown(next, at(key))
    }
    assert.deepEqual(await shown(page, at(key)), cat.pixels)
    assert.equal(await later([]), null)
    assert.equal(await later([cookieOf(await service.mint({ storeId: 'bob' }))]), null)
    assert.deepEqual(await later([cookieOf(token)]), cat.pixels)
  })

  test('sound begins to play and seeks to its end by Range through the redirect', limit, async () => {
    const sound = 'alice/long.wav'
    await put(service, token, sound, silence(600), 'audio/wav')
    const page = await origins.openPage({ cookie: cookieOf(token) })
    const asked = since(sound)
    const reached = await page.evaluate(async (src) => {
      const heard = (what) => new Promise((done, fail) => {
        audio.addEventListener(what, done, { once: true })
        audio.addEventListener('error', () => fail(new Error(audio.error.message)), { once: true })
      })
      const audio = Object.assign(new Audio(), { preload: 'metadata', src })
      await heard('loadedmetadata')
      audio.currentTime = audio.duration - 1
      await heard('seeked')
      return [audio.duration, audio.currentTime]
    }, at(sound))
    assert.deepEqual(reached, [600, 599])
    const ranges = asked().map(({ headers }) => headers.range)
    assert.equal(ranges[0], 'bytes=0-')
    assert.ok(Number(/^bytes=(\d+)-/.exec(ranges.at(-1))[1]) > 1_000_000, `the end is asked for by itself: ${ranges}`)
  })

  // A browser calls a request that two other origins have led on `Origin: null`, which a rule names only with `*`.
  test('fetch gets a range where the signer is on the page\'s origin, or the bucket open to every origin', limit, async () => {
    const page = await origins.openPage()
    const headers = { authorization: `Bearer ${token}`, range: 'bytes=0-9' }
    const got = [206, `bytes 0-9/${cat.png.length}`, 10]
    assert.deepEqual(await fetched(page, at(key, '/signer'), { headers }), got)
    const asked = since(key)
    assert.match(String(await fetched(page, at(key), { headers })), /Failed to fetch/)
    assert.deepEqual(asked().map(({ headers }) => headers.origin), ['null'])
    await origins.s3.allow(['*'])
    try {
      assert.deepEqual(await fetched(page, at(key), { headers }), got)
    } finally {
      await origins.s3.allow([origins.pages.origin])
    }
  })

  test('the published ready-made worker shows it where the signer is on the page\'s origin', limit, async () => {
    const page = await origins.openPage()
    await takeWorker(page, `/file-sync-sw.js${query({ filesBaseUrl: `${origins.pages.origin}/signer`, token })}`)
    const asked = since(key)
    assert.deepEqual(await shown(page, `/livestore-filesync-files/${key}`), cat.pixels)
    const [{ headers }] = asked()
    assert.deepEqual([headers.authorization, headers.origin], [undefined, origins.pages.origin])
  })

  test('a page that is not on the list deletes nothing with the cookie; one that is, does', limit, async () => {
    const mouse = `alice/${picture('mouse').hash}`
    await put(service, token, mouse, picture('mouse').png)
    const there = async () => (await caller(service.url, token)('GET', `/object${query({ key: mouse })}`)).status
    const remove = { method: 'DELETE', credentials: 'include' }
    // another host of the same site, to whose requests the cookie is added
    const evil = await origins.openPage({ cookie: cookieOf(token), at: origins.pages.origin.replace('app.', 'evil.app.') })
    assert.match(await fetched(evil, at(mouse), remove), /Failed to fetch/)
    assert.equal(await there(), 200)
    const page = await origins.openPage({ cookie: cookieOf(token) })
    assert.deepEqual(await fetched(page, at(mouse), remove), [204, null, 0])
    assert.equal(await there(), 404)
  })
})

describe('a URL that stays the same for a window', () => {
  const key = (name) => `alice/${picture(name).hash}`
  const ask = async (service, token, name) => {
    const answer = await caller(service.url, token)('GET', `/download-url${query({ key: key(name) })}`)
    assert.equal(answer.status, 200, answer.text)
    return answer.json.url
  }
  // Two asks that no second and no window of an hour may join or divide by chance.
  const askTwice = async (service, token, name) => {
    const left = 3600 - (Date.now() / 1000) % 3600
    if (left < 30) await sleep((left + 1) * 1000)
    const first = await ask(service, token, name)
    await sleep(1100)
    return [first, await ask(service, token, name)]
  }
  // Shows the first URL on one page and the second on another one of the same browser.
  const showBoth = async (name, [first, second]) => {
    const page = await origins.openPage()
    assert.deepEqual(await shown(page, first), picture(name).pixels)
    const next = await page.context().newPage()
    await next.goto(origins.pages.origin)
    const devtools = await next.context().newCDPSession(next)
    await devtools.send('Network.enable')
    const cached = []
    devtools.on('Network.responseReceived', ({ response }) => { if (response.url === second) cached.push(response.fromDiskCache) })
    assert.deepEqual(await shown(next, second), picture(name).pixels)
    return { cached }
  }
  const serve = async (name, change) => {
    const service = await origins.start(change)
    const token = await service.mint({ storeId: 'alice' })
    await put(service, token, key(name), picture(name).png)
    return [service, token]
  }
  const gets = (name) => front.about(key(name)).filter(({ method }) => method === 'GET').length

  test('asked twice within it: one URL, and the second picture comes from the browser\'s cache', limit, async () => {
    const [service, token] = await serve('owl', { download: { cache_window: '1h' } })
    const urls = await askTwice(service, token, 'owl')
    assert.equal(urls[0], urls[1])
    const { cached } = await showBoth('owl', urls)
    assert.deepEqual(cached, [true])
    assert.equal(gets('owl'), 1)
  })

  // A script may not read an answer that was kept from a request without an Origin; a bucket says that it is another one by
  // `Vary: Origin`, or, as some do, says nothing. With the attribute the picture's request has an Origin, too.
  test('an <img crossorigin> and a script share the cached answer, also where the bucket says nothing of Vary', limit, async () => {
    const [service, token] = await serve('emu', { download: { cache_window: '1h' } })
    const url = await ask(service, token, 'emu')
    front.leaveOut = ['vary']
    const read = (page) => page.evaluate(async (url) => {
      try {
        return (await (await fetch(url)).arrayBuffer()).byteLength
      } catch (error) {
        return String(error)
      }
    }, url)
    try {
      const plain = await origins.openPage()
      assert.deepEqual(await shown(plain, url), picture('emu').pixels)
      assert.match(String(await read(plain)), /Failed to fetch/)
      const before = gets('emu')
      const page = await origins.openPage()
      assert.deepEqual(await shown(page, url, { crossOrigin: 'anonymous' }), picture('emu').pixels)
      assert.equal(await read(page), picture('emu').png.length)
      assert.equal(gets('emu'), before + 1)
    } finally {
      front.leaveOut = []
    }
  })

  test('without one: two URLs, and the bucket is asked twice', limit, async () => {
    const [service, token] = await serve('jay', {})
    const urls = await askTwice(service, token, 'jay')
    assert.notEqual(urls[0], urls[1])
    const { cached } = await showBoth('jay', urls)
    assert.deepEqual(cached, [false])
    assert.equal(gets('jay'), 2)
  })

  test('by the stable path, the second page asks neither the signer nor the bucket', limit, async (t) => {
    const [service, token] = await serve('elk', { auth: { cookie: 'files' }, files: { redirect: true }, download: { cache_window: '1h' } })
    const door = await startFront(service.url)
    t.after(() => door.stop())
    const page = await origins.openPage({ cookie: cookieOf(token) })
    const url = `${door.url.replace('127.0.0.1', new URL(service.address).hostname)}/livestore-filesync-files/${key('elk')}`
    for (const view of [page, await page.context().newPage()]) {
      await view.goto(origins.pages.origin)
      assert.deepEqual(await shown(view, url), picture('elk').pixels)
    }
    assert.deepEqual([door.about(key('elk')).length, gets('elk')], [1, 1])
  })
})

describe('a file that may run in a page', () => {
  const green = '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24"><rect width="24" height="24" fill="#00ff00"/></svg>'
  const script = '<!doctype html><script>document.title = "it ran"</script>'
  // The title of the page that opens, or the name that the file is saved under.
  const opened = async (page, url) => {
    const saved = page.waitForEvent('download').then((download) => download.suggestedFilename(), () => null)
    return page.goto(url).then(() => page.title(), () => saved)
  }

  test('it is saved when it is opened, and an <img> shows it all the same', limit, async () => {
    const service = await origins.start()
    const token = await service.mint({ storeId: 'alice' })
    await put(service, token, 'alice/green.svg', Buffer.from(green), 'image/svg+xml')
    await put(service, token, 'alice/page.html', Buffer.from(script), 'text/html')
    const ask = async (key) => (await caller(service.url, token)('GET', `/download-url${query({ key })}`)).json.url
    const page = await origins.openPage()
    const pixels = await shown(page, await ask('alice/green.svg'))
    assert.equal(pixels.toString('hex'), '00ff00'.repeat(24 * 24))
    assert.equal(await opened(page, await ask('alice/green.svg')), 'green.svg')
    assert.equal(await opened(page, await ask('alice/page.html')), 'page.html')
  })

  test('with download.force_attachment off it runs', limit, async () => {
    const service = await origins.start({ download: { force_attachment: false } })
    const token = await service.mint({ storeId: 'alice' })
    await put(service, token, 'alice/run.html', Buffer.from(script), 'text/html')
    const { url } = (await caller(service.url, token)('GET', `/download-url${query({ key: 'alice/run.html' })}`)).json
    assert.equal(await opened(await origins.openPage(), url), 'it ran')
  })
})
