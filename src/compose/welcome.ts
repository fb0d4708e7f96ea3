// The pages of one-time links plugged into what the server knows.
import { setTimeout as sleep } from 'node:timers/promises'
import type Router from '@koa/router'
import type { Foundation } from '../foundation.ts'
import { createPurgeJobStore } from '../grants/purge-job.store.ts'
import { createCsrf } from '../http/csrf.ts'
import type { BatchedLimit } from '../http/rate-limit.ts'
import type { Views } from '../http/views.ts'
import type { EngineInteractions } from '../oauth/authorize/interactions.ts'
import { SECOND } from '../shared/clock.ts'
import { createWelcomeRouter, type WelcomeDeps } from '../sign-in/welcome.routes.ts'

const PATIENCE_MILLIS = 3 * SECOND
const POLL_MILLIS = 50

/** Creates the router of one-time links. */
export function createWelcome(
  { config, serverKeys, accountLinks, audit, clock, db }: Foundation,
  deps: {
    interactions: EngineInteractions
    views: Views
    perAddress: BatchedLimit
    onward: WelcomeDeps['onward']
  },
): Router {
  const jobs = createPurgeJobStore(db)
  return createWelcomeRouter({
    ...deps,
    clock,
    issuer: config.server.issuer,
    links: accountLinks,
    csrf: createCsrf(serverKeys),
    events: audit.events,
    // The job is carried out by whichever process takes it first; all were told of it.
    async hasEnded(accountId) {
      const deadline = performance.now() + PATIENCE_MILLIS
      while (await jobs.isPending(accountId)) {
        if (performance.now() > deadline) return false
        await sleep(POLL_MILLIS)
      }
      return true
    },
  })
}
