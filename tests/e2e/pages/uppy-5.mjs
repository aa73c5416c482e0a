// @uppy/aws-s3 5, as published, with the core that it asks for.
import Uppy from 'uppy-core-5'
import AwsS3 from 'uppy-aws-s3-5'
import GoldenRetriever from 'uppy-golden-retriever-5'
import { authorised, offer } from './uppy.mjs'

offer({ Uppy, AwsS3, GoldenRetriever, modes: { endpoint: ({ signer, token }) => ({ endpoint: signer, headers: authorised(token) }) } })
