// The published peer as its users run it outside Cloudflare: its handler on @hono/node-server. It leaves the check of
// the token to the caller, so that one is ours and does what the signer does: HS256, `exp`, 30 s of leeway, one store.
import { serve } from '@hono/node-server'
import { createS3SignerHandler } from '@livestore-filesync/s3-signer'
import { jwtVerify } from 'jose'

const { PORT, JWT_SECRET, ...env } = process.env

// Imported once: jose would do it again for each token.
const secret = await crypto.subtle.importKey(
  'raw', new TextEncoder().encode(JWT_SECRET), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'],
)
const rules = { algorithms: ['HS256'], requiredClaims: ['exp'], clockTolerance: 30 }

async function validateAuth(request) {
  const token = request.headers.get('authorization')?.replace(/^Bearer /, '')
  if (!token) return null
  try {
    const { storeId } = (await jwtVerify(token, secret, rules)).payload
    return typeof storeId === 'string' && storeId !== '' ? [`${storeId}/`] : null
  } catch {
    return null
  }
}

const handler = createS3SignerHandler({ basePath: '', validateAuth })

serve({
  hostname: '127.0.0.1',
  port: Number(PORT),
  fetch: async (request) => (await handler(request, env)) ?? new Response(null, { status: 404 }),
})
