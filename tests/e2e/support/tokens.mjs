// Tokens, good and bad, made by `jose` and not by the signer: what others issue is what it must read.
import { load } from './parts.mjs'

const { SignJWT, UnsecuredJWT } = await load('jose')

const now = () => Math.floor(Date.now() / 1000)

export const minter = (secret) => (claims, { ttl = 600 } = {}) =>
  new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setExpirationTime(now() + ttl)
    .sign(new TextEncoder().encode(secret))

export const unsigned = (claims) => new UnsecuredJWT(claims).setExpirationTime(now() + 600).encode()
