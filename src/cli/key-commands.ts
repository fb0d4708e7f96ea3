// otesse key: the keys that sign id_tokens, and the seal under which they are kept.
import type { Command } from 'commander'
import type { KeyFacts } from '../keys/signing-key.ts'
import { timeText, table } from './layout.ts'
import type { Does } from './command.ts'
import { OPERATOR } from './session.ts'

const keyJson = (key: KeyFacts): object => ({
  id: key.kid,
  alg: key.alg,
  status: key.status,
  createdAt: key.createdAt,
  activatedAt: key.activatedAt ?? null,
  retiredAt: key.retiredAt ?? null,
})

const keyTable = (keys: readonly KeyFacts[]): string =>
  table(
    ['KEY ID', 'ALG', 'STATUS', 'CREATED', 'CURRENT SINCE', 'RETIRED'],
    keys.map((key) => [
      key.kid,
      key.alg,
      key.status,
      timeText(key.createdAt),
      timeText(key.activatedAt),
      timeText(key.retiredAt),
    ]),
  )

/** Adds `otesse key …`. */
export function addKeyCommands(program: Command, does: Does): void {
  const key = program.command('key').description('the keys that sign id_tokens')

  const list = key
    .command('list')
    .description('list the signing keys')
    .addHelpText('after', '\nExample:\n  $ otesse key list --json')
  does(list, (session) =>
    session.withServices(({ keyRing }) => {
      const keys = keyRing.list()
      return Promise.resolve({ json: { keys: keys.map(keyJson) }, text: keyTable(keys) })
    }),
  )

  const rotate = key
    .command('rotate')
    .description('make the next keys current; the previous ones stay published for a week')
    .option(
      '--now',
      'for emergencies: apps that cached the key set before the next keys were published refuse new id_tokens until they fetch it again',
    )
    .addHelpText(
      'after',
      '\nRunning servers follow within a second. Example:\n  $ otesse key rotate',
    )
  does(rotate, (session) =>
    session.withAdminServices(async (services) => {
      const isEmergency = rotate.opts<{ now?: boolean }>().now === true
      const { rotated, keys } = await services.keys.rotate(OPERATOR, { isEmergency })
      return { json: { rotated, keys: keys.map(keyJson) }, text: keyTable(keys) }
    }),
  )

  const reseal = key
    .command('reseal')
    .description(
      're-encrypt the keys with the first OTESSE_ENCRYPTION_KEY, so that an older one can be removed',
    )
    .addHelpText(
      'after',
      `
To rotate OTESSE_ENCRYPTION_KEY: write "new,old" on every server, restart them, reseal, then write "new".
  $ otesse key reseal`,
    )
  does(reseal, (session) =>
    session.withAdminServices(async (services) => {
      const resealed = await services.keys.reseal(OPERATOR)
      return { json: { resealed }, text: `${resealed} re-encrypted.\n` }
    }),
  )
}
