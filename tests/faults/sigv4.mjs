// The signature of a presigned request (AWS Signature Version 4, "Authenticating Requests: Using Query Parameters"),
// calculated from what was received and by nothing of the signer's. Used by the fake bucket, and to judge signed URLs.
import { createHash, createHmac } from 'node:crypto'

const hmac = (key, text) => createHmac('sha256', key).update(text).digest()

export function param(target, name) {
  const found = target.slice(target.indexOf('?') + 1).split('&').find((pair) => pair.startsWith(`${name}=`))
  return found === undefined ? undefined : decodeURIComponent(found.slice(name.length + 1))
}

// The moment of the signature, in milliseconds, or NaN.
export function dated(target) {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(param(target, 'X-Amz-Date') ?? '')
  return parts ? Date.UTC(parts[1], parts[2] - 1, ...parts.slice(3)) : NaN
}

// `target` is path and query as they stand in the request line; `headers` has lower-case names.
export function isSignedWith(secret, method, target, headers) {
  const [path, query = ''] = target.split('?')
  const pairs = query.split('&')
  const signature = param(target, 'X-Amz-Signature')
  const scope = (param(target, 'X-Amz-Credential') ?? '').split('/').slice(1)
  const names = (param(target, 'X-Amz-SignedHeaders') ?? '').split(';')
  const canonical = [
    method,
    path,
    pairs.filter((pair) => !pair.startsWith('X-Amz-Signature=')).sort().join('&'),
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    headers['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD',
  ].join('\n')
  const text = ['AWS4-HMAC-SHA256', param(target, 'X-Amz-Date'), scope.join('/'), createHash('sha256').update(canonical).digest('hex')].join('\n')
  const key = scope.reduce(hmac, `AWS4${secret}`)
  return names.includes('host') && hmac(key, text).toString('hex') === signature
}
