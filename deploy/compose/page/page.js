// Upload, look, delete. What an app would have besides: a login in the place of the pasted token.
import { createFiles } from './web/client.js'

const SIGNER = 'http://localhost:8787'
const [token, file, said, list] = ['token', 'file', 'said', 'files'].map((id) => document.getElementById(id))
const files = createFiles({ signerBaseUrl: SIGNER, token: () => token.value.trim() || null })

// The store is in the token, which says it to whoever bears it; the signer believes only what is signed.
function storeOf(text) {
  try {
    const part = text.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')
    return [JSON.parse(atob(part)).storeId].flat()[0] ?? null
  } catch {
    return null
  }
}

async function tried(what, job) {
  try {
    await job()
  } catch (error) {
    said.textContent = `${what}: ${error.message}`
  }
}

function button(text, act) {
  const made = document.createElement('button')
  made.textContent = text
  made.addEventListener('click', act)
  return made
}

function show(key, { name, type }) {
  const row = document.createElement('li')
  const picture = document.createElement('img')
  picture.alt = ''
  const label = document.createElement('span')
  label.textContent = name
  const look = async () => {
    const blob = await (await files.download(key)).blob()
    if (type.startsWith('image/')) picture.src = URL.createObjectURL(blob)
    return blob
  }
  const save = button('Download', () => tried(name, async () => {
    const link = document.createElement('a')
    link.href = URL.createObjectURL(await look())
    link.download = name
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
  }))
  const remove = button('Delete', () => tried(name, async () => {
    await files.remove(key)
    row.remove()
    said.textContent = `${name} is deleted`
  }))
  row.append(picture, label, save, remove)
  list.append(row)
  return look()
}

token.addEventListener('input', () => {
  const store = storeOf(token.value.trim())
  file.disabled = store === null
  said.textContent = store === null ? 'That is no token with a store.' : `Store ${store}`
})

file.addEventListener('change', async () => {
  const store = storeOf(token.value.trim())
  for (const chosen of file.files) {
    await tried(chosen.name, async () => {
      const onProgress = ({ loaded, total }) => { said.textContent = `${chosen.name}: ${Math.round((100 * loaded) / (total || 1))} %` }
      const { key } = await files.upload(chosen, { store, onProgress })
      said.textContent = `${chosen.name} is uploaded`
      await show(key, chosen)
    })
  }
  file.value = ''
})
