// The operations on the secrets of apps.
import type { CreatedSecret } from '../../apps/app-registry.ts'
import type { Problem } from '../../model/problem.ts'
import { AppError } from '../../shared/errors.ts'
import type { AppService } from '../app-service.ts'
import { showApp, showSecret } from './app-schemas.ts'
import {
  type Call,
  created,
  createResource,
  done,
  type Done,
  keeping,
  type ApiResource,
  refused,
  type Reply,
} from './operation.ts'
import { parseMoment } from './query.ts'
import { answer, input, timestamp, orNull, ref, text } from './schema.ts'

const NEW = input({ expires_at: orNull(timestamp('When it ends; without it, never.')) })
const WRITE = 'admin:apps:write'
const OF = { appId: text('The client id.') }

function readExpiry({ expiresAt: text }: Call['input']): Date | undefined | Problem[] {
  if (typeof text !== 'string') return undefined
  try {
    return parseMoment(text, 'expires_at')
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const sentence = 'Write date, time and zone, like 2030-01-31T12:00:00Z.'
    return [{ field: 'expires_at', rule: 'moment-form', sentence }]
  }
}

interface Deps {
  service: AppService
}

async function create({ service }: Deps, call: Call): Promise<Reply> {
  const expiresAt = readExpiry(call.input)
  if (Array.isArray(expiresAt)) return refused(expiresAt)
  const along = keeping(call, shown)
  const outcome = await service.createSecret(call.path('appId'), { expiresAt, along }, call.by)
  return outcome.kind === 'refused' ? outcome : shown(outcome)
}

function shown({ app, secretId, secret }: CreatedSecret): Done {
  const entry = app.secrets.find(({ id }) => id === secretId)
  // Revoked by somebody else in this very moment.
  if (entry === undefined) throw new AppError('conflict')
  return created(
    { secret: showSecret(entry), client_secret: secret.reveal() },
    { location: `/apps/${app.id}` },
  )
}

/** Creates the operations. */
export const secretOperations = (deps: Deps): ApiResource =>
  createResource(deps, {
    tag: 'Secrets',
    description:
      'Client secrets; two are valid at a time, so that apps can switch without downtime.',
    schemas: {},
    operations: [
      {
        id: 'createSecret',
        method: 'POST',
        path: '/apps/{appId}/secrets',
        summary: 'Create another secret for an app',
        scope: WRITE,
        inPath: OF,
        body: { kind: 'json', schema: NEW, optional: true, checkedBy: 'schema' },
        isRepeatable: true,
        isWhole: true,
        answers: {
          201: {
            description: 'The secret. It is shown only this once.',
            schema: answer({
              secret: ref('Secret'),
              client_secret: text('Shown only this once; stored as a hash.'),
            }),
          },
        },
        errors: { 409: 'It was revoked in the same moment, or the Idempotency-Key is busy.' },
        handle: create,
      },
      {
        id: 'revokeSecret',
        method: 'DELETE',
        path: '/apps/{appId}/secrets/{secretId}',
        summary: 'Revoke a secret at once',
        scope: WRITE,
        inPath: { ...OF, secretId: text('The id of the secret.') },
        answers: { 200: { description: 'The app without it.', schema: ref('App') } },
        async handle({ service }, call) {
          const app = await service.revokeSecret(call.path('appId'), call.path('secretId'), call.by)
          return done(showApp(app), { version: app.version })
        },
      },
    ],
  })
