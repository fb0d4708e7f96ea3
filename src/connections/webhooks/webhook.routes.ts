// POST /connect/v1/webhooks/{integration}/verify: whether a call that a service received was signed
// by the provider. Services then need not keep the secret, nor know how each provider signs.
import Router from '@koa/router'
import type { Context } from 'koa'
import { decodeUtf8, mediaTypeOf, readBytes } from '../../http/body.ts'
import type { ProviderWebhook } from '../../providers/provider.ts'
import type { Clock } from '../../shared/clock.ts'
import { AppError } from '../../shared/errors.ts'
import type { Secret } from '../../shared/secret.ts'
import { type AdmissionDeps, admitCaller, assertHasScope, CONNECT_PATH } from '../caller.ts'
import type { Integration } from '../integration.ts'
import { type ReceivedWebhook, webhookFault } from './webhook-signature.ts'

const MIB = 1024 * 1024
/** A body of 4 MiB in base64, and its headers. */
const MOST_BYTES = 6 * MIB

export interface WebhookDeps extends AdmissionDeps {
  findIntegration: (handle: string) => Promise<Integration | undefined>
  /** How the provider of an integration signs; nothing where that is not known. */
  findScheme: (integration: Integration) => Promise<ProviderWebhook | undefined>
  revealSecrets: (integrationId: string) => Promise<Secret<string>[]>
  clock: Clock
  /** Counts a check for the app. */
  onChecked: (appId: string, outcome: string) => void
}

/** Creates the route. */
export function createWebhookRouter(deps: WebhookDeps): Router {
  const router = new Router({ strict: true, sensitive: true })
  router.post(
    `${CONNECT_PATH}/webhooks/:integration/verify`,
    async function verifyWebhook(ctx: Context & { params: Record<string, string> }) {
      const caller = await admitCaller(deps, ctx)
      const handle = ctx.params['integration'] ?? ''
      const { app } = caller
      // Before it is looked up: whoever may not use it does not learn that there is one.
      assertHasScope(ctx, caller, { handle })
      const integration = await deps.findIntegration(handle)
      if (integration === undefined || integration.status === 'disabled')
        throw new AppError('not_found', { detail: 'integration', appId: app.id })
      const scheme = await deps.findScheme(integration)
      const secrets = await deps.revealSecrets(integration.id)
      if (scheme === undefined || secrets.length === 0)
        throw new AppError('webhook_not_set_up', { appId: app.id })
      const fault = webhookFault(scheme, secrets, await readReceived(ctx), deps.clock())
      deps.onChecked(app.id, fault ?? 'valid')
      ctx.set('Cache-Control', 'no-store')
      ctx.body = fault === undefined ? { valid: true } : { valid: false, reason: fault }
    },
  )
  return router
}

/** @throws {AppError} `body_…`, `parameter_…` */
async function readReceived({ req }: Context): Promise<ReceivedWebhook> {
  if (mediaTypeOf(req) !== 'application/json') throw new AppError('body_not_json')
  const members = membersOf(decodeUtf8(await readBytes(req, MOST_BYTES, 'webhook_too_large')))
  const { headers, body_base64: body } = members
  if (typeof headers !== 'object' || headers === null)
    throw new AppError('parameter_missing', { about: 'headers' })
  if (typeof body !== 'string') throw new AppError('parameter_missing', { about: 'body_base64' })
  const bytes = Buffer.from(body, 'base64')
  if (bytes.toString('base64').replace(/=+$/, '') !== body.replace(/=+$/, ''))
    throw new AppError('parameter_invalid', { about: 'body_base64' })
  const found = Object.entries(headers).map(([name, value]: [string, unknown]) => [
    name.toLowerCase(),
    Array.isArray(value) ? value.join(', ') : String(value),
  ])
  return { headers: new Map(found as [string, string][]), body: bytes }
}

function membersOf(text: string): Readonly<Record<string, unknown>> {
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch {
    throw new AppError('body_not_json')
  }
  if (typeof read !== 'object' || read === null || Array.isArray(read))
    throw new AppError('body_not_json')
  return read as Record<string, unknown>
}
