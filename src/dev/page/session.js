// The token: the printed one, which this address alone is given, or one that was pasted. It stays in this tab's memory.

/** What `signer dev` tells its own page, or null without a network. */
export async function session() {
  try {
    const response = await fetch('/playground/session', { cache: 'no-store' })
    return response.ok ? await response.json() : null
  } catch {
    return null
  }
}

/** The claims that the page shows. Nothing here decides anything: the signer does. */
export function claimsOf(token) {
  const part = token.split('.')
  if (part.length !== 3) throw new Error('This is no JWT: it has three parts with dots between.')
  try {
    const bytes = Uint8Array.from(atob(part[1].replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0))
    const claims = JSON.parse(new TextDecoder().decode(bytes))
    const stores = [claims.storeId ?? []].flat()
    const scopes = [claims.scope ?? claims.scp ?? []].flat().join(' ').split(' ').filter(Boolean)
    return { store: stores[0] ?? null, stores, scopes, subject: claims.sub ?? null, expires: claims.exp ?? null }
  } catch {
    throw new Error('This is no JWT: its middle part is not JSON.')
  }
}

const ALL = ['files:read', 'files:write', 'files:delete']
export const scopesText = (scopes) =>
  (scopes.length > 0 ? scopes : ALL).map((scope) => scope.replace(/^files:/, '')).join(', ')

export function sizeText(bytes) {
  const units = ['B', 'kB', 'MB', 'GB']
  const at = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  const value = bytes / 1000 ** at
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[at]}`
}

export const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value)
    else if (value !== undefined && value !== false) element.setAttribute(key, value === true ? '' : value)
  }
  element.append(...children)
  return element
}

/** Says it to those who do not see it. */
export const say = (text) => { document.getElementById('spoken').textContent = text }

export async function copy(button, text) {
  const label = button.textContent
  try {
    await navigator.clipboard.writeText(text)
    button.textContent = 'Copied'
  } catch {
    button.textContent = 'Not allowed here'
  }
  setTimeout(() => { button.textContent = label }, 1500)
}
