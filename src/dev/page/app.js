// The playground: `deploy/web`'s module, and a page around it.
import { createFiles, FilesError } from './web/client.js'
import { connectServiceWorker } from './web/page.js'
import { forgetAll, remember, remembered, show } from './gallery.js'
import { log } from './log.js'
import { claimsOf, copy, make, say, scopesText, session, sizeText } from './session.js'

const at = (id) => document.getElementById(id)
const AT_ONCE = 3
/** Here less than the module's usual, so that it can be seen. */
const MULTIPART_ABOVE = 16 * 1024 * 1024

let printed = null
let token = null
let claims = { store: null }
let items = []
let worker = null

const files = createFiles({ signerBaseUrl: location.origin, token: current, onCall: log, multipartAbove: MULTIPART_ABOVE })

await start()

async function start() {
  wire()
  const told = await session()
  network()
  if (told) {
    const known = localStorage.getItem('data')
    if (known !== null && told.data !== null && known !== told.data) {
      forgetAll()
      await files.clear()
    }
    if (told.data !== null) localStorage.setItem('data', told.data)
    localStorage.setItem('store', told.store)
    printed = told.token
  }
  if (printed) {
    use(printed)
  } else {
    claims = { store: localStorage.getItem('store') }
    if (told) ask('The terminal shows a token. Others can reach this signer, so the page is not told: paste it here.')
  }
  try {
    worker = await connectServiceWorker({ scriptUrl: '/sw.js', token: current, onCall: log })
  } catch (error) {
    problem(at('notice'), `Pictures cannot be shown: ${error.message}`)
  }
  // What this page has loaded before a worker was there to keep it.
  const loaded = ['/', ...performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)]
  const shell = loaded.filter((path) => path === '/' || (path.startsWith('/playground/') && path !== '/playground/session'))
  navigator.serviceWorker?.controller?.postMessage({ type: 'shell', paths: [...new Set(shell)] })
  refresh()
  void goOnWithUnfinished()
  document.body.dataset.ready = 'true'
}

function refresh() {
  items = claims.store ? remembered(claims.store) : []
  show(items, { onDelete: remove })
}

function keep(changed) {
  items = changed
  remember(claims.store, items)
  show(items, { onDelete: remove })
}

/* --- the token --- */

/** The one in use. The printed one is fetched again when it is refused: the next start of `signer dev` has another. */
async function current({ refresh }) {
  if (token && (!refresh || token !== printed)) return token
  const told = await session()
  if (!told) throw new FilesError('signer_unreachable')
  if (told.token) {
    printed = told.token
    use(printed)
  }
  return token
}

function use(text) {
  claims = claimsOf(text)
  token = text
  at('token-store').textContent = claims.stores.join(', ') || 'none'
  at('token-scopes').textContent = scopesText(claims.scopes)
  at('token-subject').textContent = claims.subject ?? '–'
  at('token-expiry').textContent = claims.expires ? new Date(claims.expires * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }) : '–'
}

function ask(sentence) {
  at('token-other').open = true
  problem(at('token-notice'), sentence)
}

async function change(text) {
  problem(at('token-notice'), null)
  try {
    use(text)
    await worker?.clear()
    refresh()
    // Costs nothing and touches nothing: a URL that nobody uses.
    await files.clear()
    await files.url(`${claims.store}/is-the-token-good`)
    await worker?.sendToken(text)
    say('The token is accepted.')
    at('token-other').open = false
  } catch (error) {
    ask(error.message)
  }
}

/* --- up and away --- */

const waiting = []
let running = 0

function add(list) {
  for (const file of list) waiting.push(rowOf(file))
  pump()
}

/** One upload on the page. Large files go up in parts, and can pause; `upload` is then what is known of them. */
function rowOf(file, upload = null) {
  const bar = make('progress', { max: '100', value: '0', 'aria-label': `Upload of ${file.name}` })
  const state = make('span', { class: 'state' }, 'waits')
  const hold = make('button', { type: 'button', class: 'quiet small', 'aria-label': `Pause ${file.name}`, hidden: true }, 'Pause')
  const stop = make('button', { type: 'button', class: 'quiet small', 'aria-label': `Cancel ${file.name}` }, 'Cancel')
  const element = make('li', {}, make('span', { class: 'name' }, file.name), state, hold, stop, bar)
  const row = { file, element, bar, state, hold, stop, upload, controller: new AbortController(), paused: false }
  stop.addEventListener('click', () => cancel(row))
  hold.addEventListener('click', () => (row.paused ? goOn(row) : pause(row)))
  at('uploads').append(element)
  return row
}

function pause(row) {
  row.paused = true
  row.hold.textContent = 'Go on'
  row.hold.setAttribute('aria-label', `Go on with ${row.file.name}`)
  row.controller.abort()
}

function goOn(row) {
  row.paused = false
  row.hold.textContent = 'Pause'
  row.hold.setAttribute('aria-label', `Pause ${row.file.name}`)
  row.controller = new AbortController()
  waiting.push(row)
  pump()
}

async function cancel(row) {
  row.controller.abort()
  row.element.remove()
  const at = waiting.indexOf(row)
  if (at >= 0) waiting.splice(at, 1)
  if (row.upload) await files.discard(row.upload)
}

/** What a reload broke off goes on by itself, where the browser kept the file. */
async function goOnWithUnfinished() {
  for (const upload of await files.unfinished()) {
    if (!claims.stores?.some((store) => upload.key.startsWith(`${store}/`))) continue
    if (!upload.file) await files.discard(upload)
    else waiting.push(rowOf(upload.file, upload))
  }
  pump()
}

function pump() {
  while (running < AT_ONCE && waiting.length > 0) {
    running += 1
    void send(waiting.shift()).finally(() => { running -= 1; pump() })
  }
}

async function send(row) {
  const { file, element, bar, state, hold, stop, controller, upload } = row
  const { store } = claims
  try {
    state.textContent = file.size > MULTIPART_ABOVE ? 'begins' : 'hashes'
    const sent = await files.upload(file, {
      ...(upload ? { key: upload.key } : { store }), signal: controller.signal, keepFile: true,
      onBegun: (begun) => { row.upload = begun; hold.hidden = false },
      onProgress: ({ loaded, total, attempt, parts, resumed }) => {
        bar.value = total > 0 ? (loaded / total) * 100 : 100
        const more = [parts && `${parts} parts`, resumed > 0 && `${sizeText(resumed)} were there`, attempt > 1 && `attempt ${attempt}`]
        state.textContent = [`${sizeText(loaded)} of ${sizeText(total)}`, ...more.filter(Boolean)].join(', ')
      },
    })
    element.remove()
    say(`${file.name} is uploaded.`)
    if (store !== claims.store) return
    const item = { key: sent.key, name: file.name, type: sent.contentType, size: sent.size, at: Date.now() }
    keep([item, ...items.filter(({ key }) => key !== item.key)])
  } catch (error) {
    if (row.paused) {
      state.textContent = `paused at ${state.textContent}`
      return
    }
    if (controller.signal.aborted) return
    bar.remove()
    hold.remove()
    state.textContent = 'failed'
    stop.textContent = 'Dismiss'
    element.append(make('span', { class: 'failed', role: 'alert' }, error.message))
  }
}

async function remove(item) {
  problem(at('notice'), null)
  try {
    await files.remove(item.key)
    await worker?.forget(item.key)
    keep(items.filter(({ key }) => key !== item.key))
    return true
  } catch (error) {
    problem(at('notice'), `${item.name} was not deleted. ${error.message}`)
    return false
  }
}

/** A picture that nobody else has. */
function paint() {
  const canvas = make('canvas', { width: '960', height: '720' })
  const pen = canvas.getContext('2d')
  const hue = Math.floor(Math.random() * 360)
  const sky = pen.createLinearGradient(0, 0, 0, 720)
  sky.addColorStop(0, `hsl(${hue} 70% 28%)`)
  sky.addColorStop(1, `hsl(${(hue + 50) % 360} 80% 72%)`)
  pen.fillStyle = sky
  pen.fillRect(0, 0, 960, 720)
  pen.fillStyle = `hsl(${(hue + 60) % 360} 95% 88%)`
  pen.beginPath()
  pen.arc(200 + Math.random() * 560, 200 + Math.random() * 140, 70, 0, 7)
  pen.fill()
  for (let ridge = 0; ridge < 4; ridge += 1) {
    pen.fillStyle = `hsl(${(hue + 20 + ridge * 8) % 360} 45% ${46 - ridge * 11}%)`
    pen.beginPath()
    pen.moveTo(0, 720)
    const [a, b] = [Math.random() * 9, Math.random() * 9]
    for (let x = 0; x <= 960; x += 8) pen.lineTo(x, 380 + ridge * 85 - 45 * Math.sin(a + x / 170) - 24 * Math.sin(b + x / 61))
    pen.lineTo(960, 720)
    pen.fill()
  }
  canvas.toBlob((blob) => add([new File([blob], `hills-${hue}.png`, { type: 'image/png' })]), 'image/png')
}

/* --- the page --- */

function problem(place, sentence) {
  place.hidden = !sentence
  place.textContent = sentence ?? ''
}

function network() {
  const pill = at('network')
  pill.textContent = navigator.onLine ? '' : 'offline: pictures come from the cache'
  pill.className = navigator.onLine ? 'pill' : 'pill warn'
}

function wire() {
  const drop = at('drop')
  at('pick').addEventListener('change', ({ target }) => { add(target.files); target.value = '' })
  at('sample').addEventListener('click', paint)
  drop.addEventListener('submit', (event) => event.preventDefault())
  // Anywhere on the page: a file that misses the zone would otherwise replace the page.
  document.addEventListener('dragover', (event) => { event.preventDefault(); drop.classList.add('over') })
  document.addEventListener('dragleave', (event) => { if (!event.relatedTarget) drop.classList.remove('over') })
  document.addEventListener('drop', (event) => {
    event.preventDefault()
    drop.classList.remove('over')
    add(event.dataTransfer.files)
  })
  document.addEventListener('paste', ({ clipboardData }) => { if (clipboardData.files.length > 0) add(clipboardData.files) })
  at('copy-token').addEventListener('click', ({ target }) => copy(target, `TOKEN='${token ?? ''}'`))
  at('token-form').addEventListener('submit', (event) => { event.preventDefault(); void change(at('token-input').value.trim()) })
  at('token-reset').addEventListener('click', () => { if (printed) { at('token-input').value = ''; void change(printed) } })
  addEventListener('online', network)
  addEventListener('offline', network)
}
