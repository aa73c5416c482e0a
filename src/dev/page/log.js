// What was asked and answered, newest first, each with the same call for a shell.
import { copy, make, sizeText } from './session.js'

const MAX_ENTRIES = 200
const list = document.getElementById('log')
const figures = { asks: 0, moved: 0, cached: 0 }

export function log(call) {
  document.getElementById('log-empty').hidden = true
  if (call.to === 'signer') figures.asks += 1
  if (call.to === 'bucket') figures.moved += call.bytes
  if (call.to === 'cache') figures.cached += 1
  document.getElementById('asks').textContent = figures.asks
  document.getElementById('moved').textContent = sizeText(figures.moved)
  document.getElementById('cached').textContent = figures.cached
  list.prepend(entry(call))
  while (list.children.length > MAX_ENTRIES) list.lastElementChild.remove()
}

document.getElementById('clear-log').addEventListener('click', () => {
  list.replaceChildren()
  document.getElementById('log-empty').hidden = false
})

function entry(call) {
  const { to, method, status, ms } = call
  const url = new URL(call.url, location.href)
  const path = decodeURIComponent(to === 'signer' ? url.pathname + url.search : `/${call.key}`)
  const failed = !(status >= 200 && status < 400)
  const command = curl(call, url)
  const line = make('summary', {},
    make('span', { class: `who ${to}` }, to), make('span', { class: 'method' }, method),
    make('span', { class: 'path', title: url.href }, path.replace(/([0-9a-f]{8})[0-9a-f]{56}/g, '$1…')),
    make('span', { class: failed ? 'status failed' : 'status' }, `${status || 'no answer'} · ${Math.round(ms)} ms`))
  const more = make('div', { class: 'more' })
  const show = (text) => more.append(make('pre', {}, text))
  show(command)
  const button = make('button', { type: 'button', class: 'quiet small copy' }, 'Copy curl')
  button.addEventListener('click', () => copy(button, command))
  more.append(make('div', {}, button))
  if (call.answer) show(JSON.stringify(call.answer, null, 1))
  return make('li', {}, make('details', {}, line, more))
}

const quoted = (text) => `'${text.replace(/'/g, `'\\''`)}'`
const AUTH = `-H "Authorization: Bearer $TOKEN"`
const URL_OF = `sed 's/.*"url":"\\([^"]*\\)".*/\\1/'`

/** The same call for a shell that has TOKEN. A signed URL is a secret, so a call to the bucket asks for its own. */
function curl({ to, method, key, body, contentType }, url) {
  const signer = location.origin
  if (to === 'signer') {
    const data = body === null ? '' : ` -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(body))}`
    return `curl -sS${method === 'GET' ? '' : ` -X ${method}`} ${quoted(url.href)} ${AUTH}${data}`
  }
  if (method === 'PUT') {
    const type = contentType ?? 'application/octet-stream'
    const ask = quoted(JSON.stringify({ key, contentType: type }))
    // The key ends in the hash of the bytes, which the signer binds.
    const sum = `-H "x-amz-checksum-sha256: $(openssl dgst -sha256 -binary FILE | base64)"`
    return `curl -sS -X PUT --data-binary @FILE -H ${quoted(`Content-Type: ${type}`)} ${sum} "$(curl -sS ${quoted(`${signer}/upload-url`)} ${AUTH} -H 'Content-Type: application/json' -d ${ask} | ${URL_OF})"`
  }
  const ask = quoted(`${signer}/download-url?key=${encodeURIComponent(key)}`)
  return `curl -sS -o FILE "$(curl -sS ${ask} ${AUTH} | ${URL_OF})"`
}
