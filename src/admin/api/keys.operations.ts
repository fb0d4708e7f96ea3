// The operations on the keys that sign id_tokens.
import type { KeyRing } from '../../keys/key-ring.ts'
import type { KeyFacts } from '../../keys/signing-key.ts'
import { SIGNING_ALGS } from '../../model/signing-alg.ts'
import type { KeyService } from '../key-service.ts'
import {
  type ApiResource,
  type Call,
  createResource,
  done,
  pageOf,
  type Reply,
} from './operation.ts'
import {
  answer,
  boolean,
  input,
  listOf,
  timestamp,
  choice,
  orNull,
  pageSchema,
  ref,
  text,
  whole,
} from './schema.ts'

const ROTATE = input({
  force: boolean(
    'Rotate although the next key was published less than an hour ago: apps that keep an older key set refuse new id_tokens until they read it again.',
    { default: false },
  ),
})

const showKey = ({ kid, alg, status, createdAt, activatedAt, retiredAt }: KeyFacts) => ({
  kid,
  alg,
  status,
  created_at: createdAt,
  activated_at: activatedAt ?? null,
  retired_at: retiredAt ?? null,
})

interface Deps {
  keyRing: Pick<KeyRing, 'list'>
  service: KeyService
}

async function rotate({ service }: Deps, { by, input }: Call): Promise<Reply> {
  const { rotated, keys } = await service.rotate(by, { isEmergency: input['force'] === true })
  return done({ rotated, keys: keys.map(showKey) })
}

/** Creates the operations. */
export const keyOperations = (deps: Deps): ApiResource =>
  createResource(deps, {
    tag: 'Keys',
    description: 'The keys that sign id_tokens: next, current, retired.',
    schemas: {
      Key: answer({
        kid: text('The key id, as in the JWKS.'),
        alg: choice('The algorithm.', SIGNING_ALGS),
        status: choice('A key is published in all three.', ['next', 'current', 'retired']),
        created_at: timestamp('When it was made.'),
        activated_at: orNull(timestamp('When it became current.')),
        retired_at: orNull(timestamp('When it stopped signing.')),
      }),
    },
    operations: [
      {
        id: 'listKeys',
        method: 'GET',
        path: '/keys',
        summary: 'List the signing keys',
        scope: 'admin:keys:read',
        answers: { 200: { description: 'All keys on one page.', schema: pageSchema(ref('Key')) } },
        handle: ({ keyRing }) => pageOf(keyRing.list().map(showKey), undefined),
      },
      {
        id: 'rotateKeys',
        method: 'POST',
        path: '/keys/rotate',
        summary: 'Make the next keys current; existing signatures remain valid',
        scope: 'admin:keys:write',
        body: { kind: 'json', schema: ROTATE, optional: true, checkedBy: 'schema' },
        answers: {
          200: {
            description: 'The current keys.',
            schema: answer({
              rotated: boolean('False where another request rotated at the same moment.'),
              keys: listOf(ref('Key')),
            }),
          },
        },
        errors: { 409: 'The next key was published less than an hour ago.' },
        handle: rotate,
      },
      {
        id: 'resealKeys',
        method: 'POST',
        path: '/keys/reseal',
        summary: 'Re-encrypt the private keys with the current encryption key',
        scope: 'admin:keys:write',
        answers: {
          200: {
            description: 'The result.',
            schema: answer({ resealed: whole('How many were encrypted with an older one.') }),
          },
        },
        handle: async ({ service }, { by }) => done({ resealed: await service.reseal(by) }),
      },
    ],
  })
