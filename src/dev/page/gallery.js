// The files of a store. The signer lists nothing, by design, so the page remembers what it has sent.
import { pathOfKey } from './web/client.js'
import { make, say, sizeText } from './session.js'

const list = document.getElementById('gallery')
const place = (store) => `playground:${store}`

export function remembered(store) {
  try {
    return JSON.parse(localStorage.getItem(place(store)) ?? '[]')
  } catch {
    return []
  }
}

export const remember = (store, items) => localStorage.setItem(place(store), JSON.stringify(items))

/** At another start of `signer dev` the files of the last one are gone. */
export function forgetAll() {
  for (const name of Object.keys(localStorage)) if (name.startsWith('playground:')) localStorage.removeItem(name)
}

export function show(items, { onDelete }) {
  list.replaceChildren(...items.map((item) => tile(item, onDelete)))
  document.getElementById('gallery-empty').hidden = items.length > 0
  const total = items.reduce((sum, item) => sum + item.size, 0)
  document.getElementById('gallery-count').textContent =
    items.length > 0 ? `${items.length} ${items.length === 1 ? 'file' : 'files'}, ${sizeText(total)}` : ''
}

function tile(item, onDelete) {
  const href = pathOfKey(item.key)
  const view = make('a', { class: 'view', href, target: '_blank', rel: 'noopener', 'aria-label': `Open ${item.name}` }, picture(item, href))
  const remove = make('button', { type: 'button', class: 'quiet small danger', 'aria-label': `Delete ${item.name}` }, 'Delete')
  remove.addEventListener('click', async () => {
    remove.disabled = true
    const next = remove.closest('li').nextElementSibling ?? remove.closest('li').previousElementSibling
    const nextKey = next?.dataset.key
    if (await onDelete(item)) {
      say(`${item.name} is deleted.`)
      const there = nextKey && list.querySelector(`li[data-key="${CSS.escape(nextKey)}"] button`)
      ;(there || document.getElementById('pick')).focus()
    } else {
      remove.disabled = false
    }
  })
  return make('li', { 'data-key': item.key }, view, make('div', { class: 'about' },
    make('span', { class: 'name', title: item.name }, item.name),
    make('span', { class: 'size', title: item.key }, `${sizeText(item.size)} · ${item.key.split('/').pop().slice(0, 8)}…`), remove))
}

function picture(item, src) {
  const failed = (event) => explain(event.target, src)
  if (item.type.startsWith('image/')) return make('img', { src, alt: item.name, loading: 'lazy', onerror: failed })
  if (item.type.startsWith('video/')) return make('video', { src, muted: true, preload: 'metadata', onerror: failed })
  return make('span', { class: 'kind' }, item.name.includes('.') ? `.${item.name.split('.').pop().slice(0, 12)}` : 'file')
}

/** The sentence of the failure, where there was but a broken picture. */
async function explain(broken, src) {
  let text = 'This is no picture that the browser can show.'
  try {
    const response = await fetch(src)
    if (!response.ok) text = (await response.json()).error
  } catch {
    text = 'It cannot be loaded now.'
  }
  broken.replaceWith(make('span', { class: 'why' }, text))
}
