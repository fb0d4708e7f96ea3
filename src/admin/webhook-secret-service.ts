// What admins do to the secrets by which providers sign their calls to us, with audit events.
import type { Events } from '../audit/events.ts'
import type { Integration } from '../connections/integration.ts'
import type {
  WebhookSecretFacts,
  WebhookSecretStore,
} from '../connections/webhooks/webhook-secret.store.ts'
import type { Refused } from '../model/problem.ts'
import { type Clock, dateNow } from '../shared/clock.ts'
import { AppError } from '../shared/errors.ts'
import type { Secret } from '../shared/secret.ts'
import { assertMay, contextOf, type Operator } from './operator.ts'

/** Two are enough to change one; a third is for whoever forgot to remove the first. */
const MOST_SECRETS = 3

/** Each throws `power_missing` for an operator who may not, and `not_found`. */
export interface WebhookSecretService {
  list(handle: string, by: Operator): Promise<WebhookSecretFacts[]>
  add(
    handle: string,
    value: Secret<string>,
    by: Operator,
  ): Promise<{ readonly kind: 'added'; readonly secret: WebhookSecretFacts } | Refused>
  remove(handle: string, id: string, by: Operator): Promise<void>
}

/** Creates the service. */
export function createWebhookSecretService(deps: {
  secrets: WebhookSecretStore
  findIntegration: (handle: string) => Promise<Integration | undefined>
  events: Pick<Events, 'webhookChanged'>
  clock: Clock
}): WebhookSecretService {
  const { secrets, events, clock } = deps
  async function idOf(handle: string): Promise<string> {
    const integration = await deps.findIntegration(handle)
    if (integration === undefined) throw new AppError('not_found', { detail: 'integration' })
    return integration.id
  }
  return {
    async list(handle, by) {
      assertMay(by, 'admin:connections:read')
      return secrets.list(await idOf(handle))
    },
    async add(handle, value, by) {
      assertMay(by, 'admin:connections:write')
      const id = await idOf(handle)
      if ((await secrets.list(id)).length >= MOST_SECRETS) return TOO_MANY
      const secret = await secrets.add(id, value, dateNow(clock))
      events.webhookChanged(
        { integration: handle, secretId: secret.id, change: 'added' },
        contextOf(by),
      )
      return { kind: 'added', secret }
    },
    async remove(handle, id, by) {
      assertMay(by, 'admin:connections:write')
      if (!(await secrets.remove(await idOf(handle), id)))
        throw new AppError('not_found', { detail: 'webhook secret' })
      events.webhookChanged({ integration: handle, secretId: id, change: 'removed' }, contextOf(by))
    },
  }
}

const TOO_MANY: Refused = {
  kind: 'refused',
  problems: [
    {
      field: 'secret',
      rule: 'webhook-secrets',
      sentence: `An integration has at most ${MOST_SECRETS} webhook secrets: remove one that is no longer used.`,
    },
  ],
}
