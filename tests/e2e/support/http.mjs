// Calls to the signer and to the bucket, and what every answer of the signer must look like.
import assert from 'node:assert/strict'

// `call(url, token)` makes a caller; its answer is { status, headers, json }.
export const caller = (base, token) => async (method, path, body) => {
  const response = await fetch(base + path, {
    method,
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: text ? JSON.parse(text) : undefined }
}

// encodeURIComponent and not URLSearchParams: a `+` in a query means a space to some and a plus to others.
export const query = (fields) =>
  '?' + Object.entries(fields).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')

// A signed URL used exactly as the answer says: its method, its headers, nothing else.
export async function use(signed, body, change = {}) {
  const response = await fetch(change.url ?? signed.url, {
    method: change.method ?? signed.method ?? 'GET',
    headers: { ...signed.headers, ...change.headers },
    ...(body === undefined ? {} : { body }),
  })
  return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) }
}

// The moment after which the bucket refuses this URL, read from the URL itself.
export function urlEnd(url) {
  const { searchParams } = new URL(url)
  const [, y, mo, d, h, mi, s] = searchParams.get('X-Amz-Date').match(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/)
  return Date.UTC(y, mo - 1, d, h, mi, s) + Number(searchParams.get('X-Amz-Expires')) * 1000
}

export function isSigned(answer, { method, key }) {
  assert.equal(answer.status, 200, answer.text)
  const { json, headers } = answer
  assert.equal(json.method, method)
  assert.equal(json.key, key)
  assert.equal(typeof json.headers, 'object')
  for (const name of Object.keys(json.headers)) assert.doesNotMatch(name, /^(host|content-length)$/i)
  assert.ok(json.boundHeaders.includes('host'))
  assert.match(json.expiresAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  assert.equal(Date.parse(json.expiresAt), urlEnd(json.url), 'expiresAt is X-Amz-Date + X-Amz-Expires')
  const life = Number(new URL(json.url).searchParams.get('X-Amz-Expires'))
  if (json.sameUntil === undefined) assert.equal(life, json.expiresIn)
  // In a window part of that life is over already. Our clock and the signer's are one and the same.
  else assert.ok(json.expiresIn <= life && Math.abs(urlEnd(json.url) - Date.now() - json.expiresIn * 1000) < 5000)
  assert.ok(Date.parse(json.refreshAfter) <= Date.parse(json.expiresAt))
  hasSafeHeaders(headers)
  return json
}

export function isRefused(answer, status) {
  const wanted = [status].flat()
  assert.ok(wanted.includes(answer.status), `wanted ${wanted}, got ${answer.status}: ${answer.text}`)
  assert.equal(typeof answer.json.error, 'string')
  assert.match(answer.json.code, /^[a-z][a-z0-9_]*$/)
  assert.equal(answer.json.requestId, answer.headers.get('x-request-id'))
  assert.doesNotMatch(answer.text, /X-Amz-|https?:/i, 'no URL in a refusal')
  hasSafeHeaders(answer.headers)
}

function hasSafeHeaders(headers) {
  assert.equal(headers.get('cache-control'), 'no-store')
  assert.equal(headers.get('referrer-policy'), 'no-referrer')
  assert.equal(headers.get('x-content-type-options'), 'nosniff')
  assert.ok(headers.get('x-request-id'))
}
