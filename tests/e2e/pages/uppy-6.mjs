// @uppy/aws-s3 6, as published.
import Uppy from '@uppy/core'
import AwsS3 from '@uppy/aws-s3'
import GoldenRetriever from '@uppy/golden-retriever'
import { authorised, offer } from './uppy.mjs'

offer({
  Uppy, AwsS3, GoldenRetriever,
  modes: {
    signRequest: ({ signer, token, more = {} }) => ({
      generateObjectKey: (file) => file.name,
      signRequest: async (request) => {
        const headers = { 'content-type': 'application/json', ...authorised(token) }
        const answer = await fetch(`${signer}/s3/sign`, { method: 'POST', headers, body: JSON.stringify({ ...request, ...more }) })
        if (!answer.ok) throw new Error((await answer.json()).error)
        return answer.json()
      },
    }),
    getCredentials: ({ signer, token, s3Endpoint, region, keyPrefix }) => ({
      s3Endpoint,
      region,
      generateObjectKey: (file) => `${keyPrefix}${crypto.randomUUID()}-${file.name}`,
      getCredentials: async () => {
        const answer = await fetch(`${signer}/s3/sts`, { headers: authorised(token) })
        if (!answer.ok) throw new Error((await answer.json()).error)
        return answer.json()
      },
    }),
    // Uppy sends no header of ours here: the page adds it.
    companionEndpoint({ signer, token, wrapped = true }) {
      const plain = globalThis.fetch
      if (wrapped) {
        globalThis.fetch = (url, options) => String(url).startsWith(`${signer}/s3/`)
          ? plain(url, { ...options, headers: { ...options?.headers, ...authorised(token) } })
          : plain(url, options)
      }
      return { companionEndpoint: signer }
    },
  },
})
