// An application's Service Worker with the published helper, which is in the package but not among its exports. Like the
// helper's own ready-made worker, it is told where the signer is, and its token, in its address.
import { initFileSyncServiceWorker } from '../node_modules/@livestore-filesync/core/dist/worker/index.js'

const told = new URL(self.location).searchParams
const headers = { authorization: `Bearer ${told.get('token')}` }

initFileSyncServiceWorker({
  getRemoteUrl: async (path) => {
    const answer = await fetch(`${told.get('signer')}/download-url?key=${encodeURIComponent(path)}`, { headers })
    return answer.ok ? (await answer.json()).url : null
  },
})
