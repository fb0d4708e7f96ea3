// otesse token inspect: what a string that looks like one of our tokens is worth right now. The token comes from standard input or a prompt.
import type { Command } from 'commander'
import type { Foundation } from '../foundation.ts'
import { createTokenInspector, type Inspection } from '../oauth/token-inspector.ts'
import { SECOND } from '../shared/clock.ts'
import { isClientSecret, parseToken, TOKEN_PATTERN } from '../shared/token-format.ts'
import { facts, moment } from './layout.ts'
import type { Does } from './program.ts'
import type { Outcome } from './session.ts'

/** Adds `otesse token …`. */
export function addTokenCommands(program: Command, does: Does): void {
  const token = program.command('token').description('look into tokens')
  const inspect = token
    .command('inspect')
    .description('say what a token, code or client secret is, and whether it works')
    .addHelpText(
      'after',
      `
The token is read from standard input, or asked for on a terminal:
  $ pbpaste | otesse token inspect
  $ otesse token inspect --json < token.txt`,
    )
  does(inspect, async (session) => {
    const { terminal } = session
    const text = terminal.isInteractive
      ? await terminal.askHidden('Token: ')
      : await terminal.readAll()
    return session.withFoundation((foundation) => inspectToken(foundation, text.trim()))
  })
}

const KINDS = { access: 'access token', refresh: 'refresh token', code: 'authorization code' }
const PREFIX_KINDS: Readonly<Record<string, string>> = {
  at: KINDS.access,
  rt: KINDS.refresh,
  ac: KINDS.code,
  cs: 'client secret',
}

const REASONS: Readonly<Record<string, string>> = {
  unknown: 'expired, revoked, replaced, or never issued here',
  app_inactive: 'its app is suspended or deleted',
  account_inactive: 'its account is deactivated',
}

async function inspectToken(foundation: Foundation, text: string): Promise<Outcome> {
  const parsed = parseToken(text)
  const prefix = new RegExp(`^${TOKEN_PATTERN.source}$`).exec(text)?.[1]
  const isOurs = parsed !== undefined || isClientSecret(text)
  const form = isOurs ? 'ours' : prefix === undefined ? 'foreign' : 'damaged'
  const kind =
    parsed !== undefined
      ? KINDS[parsed.kind]
      : prefix === undefined
        ? undefined
        : PREFIX_KINDS[prefix]
  if (parsed === undefined || parsed.kind === 'code')
    return answer({ form, kind, grantId: parsed?.locator }, FORM_WORDS[form], parsed)
  return describe(foundation, kind, parsed.locator, await inspectorOf(foundation)(text))
}

const FORM_WORDS = {
  ours: 'well-formed, checksum right',
  damaged: 'the prefix is ours, the rest is not: mistyped, cut off or invented',
  foreign: 'not a token of this server',
}

const inspectorOf = ({ grants, apps, accounts, scopes }: Foundation) =>
  createTokenInspector({
    grants,
    findApp: (id) => apps.find(id),
    isAccountActive: (id) => accounts.isActive(id),
    scopeExists: (scope) => scopes.current().scopes.has(scope),
  })

interface Facts {
  form: string
  kind?: string | undefined
  grantId?: string | undefined
}

function answer({ form, kind, grantId }: Facts, formWords: string, code?: object): Outcome {
  const words =
    code === undefined ? 'cannot be told from the form' : 'used up within a minute of its birth'
  return {
    json: { ...NOTHING_KNOWN, form, kind: kind ?? null, grantId: grantId ?? null },
    text: facts([
      ['Form', formWords],
      ['Kind', kind],
      ['Authorization', grantId],
      ['Works', form === 'ours' ? words : 'no'],
    ]),
  }
}

const NOTHING_KNOWN = {
  alive: null as boolean | null,
  reason: null as string | null,
  app: null as object | null,
  account: null as object | null,
  scopes: null as readonly string[] | null,
  audience: null as readonly string[] | null,
  issuedAt: null as string | null,
  expiresAt: null as string | null,
}

async function describe(
  { accounts, clock }: Foundation,
  kind: string | undefined,
  grantId: string,
  inspection: Inspection,
): Promise<Outcome> {
  const known = { ...NOTHING_KNOWN, form: 'ours', kind: kind ?? null, grantId }
  const head = [
    ['Form', FORM_WORDS.ours],
    ['Kind', kind],
    ['Authorization', grantId],
  ] as const
  if (!inspection.active) {
    const { reason } = inspection
    return {
      json: { ...known, alive: false, reason },
      text: facts([...head, ['Works', `no: ${REASONS[reason] ?? reason}`]]),
    }
  }
  const { app, accountId, scopes, audience, issuedAt, expiresAt } = inspection
  const account = accountId === undefined ? undefined : await accounts.find(accountId)
  const at = (epoch: number): Date => new Date(epoch * SECOND)
  const minutes = Math.round((expiresAt - clock() / SECOND) / 60)
  return {
    json: {
      ...known,
      alive: true,
      app: { id: app.id, name: app.name },
      account: account === undefined ? null : { id: account.id, email: account.email },
      scopes,
      audience: audience ?? null,
      issuedAt: issuedAt === undefined ? null : at(issuedAt),
      expiresAt: at(expiresAt),
    },
    text: facts([
      ...head,
      ['Works', 'yes'],
      ['App', `${app.name} (${app.id})`],
      [
        'Account',
        account === undefined
          ? 'none: the app acts for itself'
          : `${account.email} (${account.id})`,
      ],
      ['Scopes', scopes.join(' ')],
      ['Audience', audience?.join(' ')],
      ['Issued', issuedAt === undefined ? undefined : moment(at(issuedAt))],
      ['Expires', `${moment(at(expiresAt))} (in ${minutes} min)`],
    ]),
  }
}
