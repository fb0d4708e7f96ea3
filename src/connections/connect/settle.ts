// Keeping what a provider gave: as a new connection, in place of the one that is made again, or not
// before the person has said which. Invariant: a connection that leads to another foreign account
// from now on does so because its owner said so; and a link of an app makes one connection.
import { type Clock, dateAt, dateNow } from '../../shared/clock.ts'
import { AppError } from '../../shared/errors.ts'
import { Secret } from '../../shared/secret.ts'
import type { ConnectionStore } from '../connection.store.ts'
import type { Connection, Credential, NewConnection } from '../connection.ts'
import type { Integration } from '../integration.ts'
import type { ConnectSession, OpenSession, WayBack } from './connect-session.ts'
import type { Keeper } from './keeper.ts'

/** A question that waits for its answer. */
export interface Choice {
  visitor: { accountId: string; sessionId: string }
  integrationId: string
  /** The connection that was to be made again. */
  connectionId: string
  /** What the provider calls its accounts. */
  before: string
  now: string
  made: KeptConnection
  /** To the app that asked for it. */
  back: WayBack | undefined
}

/** A new connection as JSON. */
export interface KeptConnection extends Omit<
  NewConnection,
  'credentials' | 'accessExpiresAt' | 'refreshExpiresAt'
> {
  accessExpiresAt: number | undefined
  refreshExpiresAt: number | undefined
  credentials: readonly (Omit<Credential, 'value' | 'expiresAt'> & {
    value: string
    expiresAt: number | undefined
  })[]
}

/** Says what happened to connections. */
export interface ConnectEvents {
  connectionCreated(facts: ConnectionFacts): void
  connectionRenewed(facts: ConnectionFacts & { reason?: string | undefined }): void
}

export interface ConnectionFacts {
  connection: string
  integration: string
  accountId: string
  /** The app whose link it was. */
  appId?: string | undefined
}

export interface SettleDeps {
  connections: Pick<ConnectionStore, 'find' | 'listOf' | 'establish'>
  choices: Keeper<Choice>
  sessions: Keeper<ConnectSession>
  events: ConnectEvents
  /** Is told why something could not be saved. */
  onNotSaved: (error: unknown) => void
  clock: Clock
}

/** What came of it. */
export type Settled =
  | {
      kind: 'connected'
      connection: Connection
      integration: Integration
      isRenewed: boolean
      back: WayBack | undefined
    }
  | { kind: 'choice'; name: string; integration: Integration }

/** Who connects, and by which link of an app. */
export interface Attempt {
  visitor: Choice['visitor']
  session: OpenSession | undefined
}

/**
 * Keeps a connection, or asks first.
 *
 * @returns `link_used` where the link has made its connection already
 * @throws {AppError} where it cannot be saved
 */
export async function settle(
  deps: SettleDeps,
  integration: Integration,
  { visitor, session }: Attempt,
  made: NewConnection,
): Promise<Settled | 'link_used'> {
  if (session !== undefined && (await deps.sessions.take(session.name)) === undefined)
    return 'link_used'
  const back = session?.back
  const before = made.id === undefined ? undefined : await deps.connections.find(made.id)
  const isOther =
    before?.externalId !== undefined &&
    made.externalId !== undefined &&
    before.externalId !== made.externalId
  if (before !== undefined && isOther) {
    const name = await deps.choices.keep({
      visitor,
      integrationId: integration.id,
      connectionId: before.id,
      before: labelOf(before),
      now: labelOf(made),
      made: asKept(made),
      back,
    })
    return { kind: 'choice', name, integration }
  }
  // What is to be made again may be gone by now: then it is a new one.
  return establish(deps, integration, { visitor, back }, { ...made, id: before?.id }, false)
}

/**
 * Carries out the answer to a question.
 *
 * @returns `taken` where the account belongs to another connection of the same owner
 */
export async function resolveChoice(
  deps: SettleDeps,
  integration: Integration,
  choice: Choice,
  answer: 'replace' | 'add',
): Promise<Settled | 'taken'> {
  const id = answer === 'replace' ? choice.connectionId : undefined
  const made = { ...asMade(choice.made), id }
  try {
    return await establish(deps, integration, choice, made, answer === 'replace')
  } catch (error) {
    if (error instanceof AppError && error.code === 'already_exists') return 'taken'
    throw error
  }
}

async function establish(
  { connections, events, clock }: SettleDeps,
  integration: Integration,
  { visitor: { accountId }, back }: Pick<Choice, 'visitor' | 'back'>,
  made: NewConnection,
  isOtherAccount: boolean,
): Promise<Settled> {
  const connection = await connections.establish(made, dateNow(clock))
  const facts = {
    connection: connection.id,
    integration: integration.handle,
    accountId,
    appId: back?.appId,
  }
  const isRenewed = connection.generation > 1
  if (isRenewed)
    events.connectionRenewed({ ...facts, reason: isOtherAccount ? 'other_account' : undefined })
  else events.connectionCreated(facts)
  return { kind: 'connected', connection, integration, isRenewed, back }
}

/** What people recognise a foreign account by. */
export const labelOf = ({
  externalLabel,
  externalId,
}: Pick<NewConnection, 'externalLabel' | 'externalId'>): string => externalLabel ?? externalId ?? ''

const millisOf = (date: Date | undefined): number | undefined => date?.getTime()
const dateOf = (millis: number | undefined): Date | undefined =>
  millis === undefined ? undefined : dateAt(millis)

const asKept = (made: NewConnection): KeptConnection => ({
  ...made,
  accessExpiresAt: millisOf(made.accessExpiresAt),
  refreshExpiresAt: millisOf(made.refreshExpiresAt),
  credentials: made.credentials.map((credential) => ({
    ...credential,
    value: credential.value.reveal(),
    expiresAt: millisOf(credential.expiresAt),
  })),
})

// JSON has no `undefined`: what was left out reads as absent.
const asMade = (kept: KeptConnection): NewConnection => ({
  ...kept,
  externalLabel: kept.externalLabel,
  accessExpiresAt: dateOf(kept.accessExpiresAt),
  refreshExpiresAt: dateOf(kept.refreshExpiresAt),
  credentials: kept.credentials.map((credential) => ({
    ...credential,
    value: new Secret(credential.value),
    expiresAt: dateOf(credential.expiresAt),
  })),
})
