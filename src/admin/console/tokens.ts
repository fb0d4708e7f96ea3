// Looking up tokens, ending what they stand for, and reporting leaked ones. Invariant: what was
// pasted is in no address, log or event, and on no page but the form that came back to its sender.
import type { LeakOutcome, RevokeOutcome, TokenInspection } from '../token-service.ts'
import type { Problem } from '../../model/problem.ts'
import { timeInWords } from '../../http/views.ts'
import { isGrantId, TOKEN_PATTERN } from '../../shared/token-format.ts'
import type { Operator } from '../operator.ts'
import { accountPath } from './account-facts.ts'
import { action, type FormState, type Row } from './action.ts'
import { appPath } from './app-frame.ts'
import type { ConsoleDeps } from './console-deps.ts'
import type { Frame } from './frame.ts'
import type { Fact, TokenResult } from './page-models.ts'

const PATH = '/admin/tokens'
const TITLE = 'Tokens'
const SCOPE = 'admin:tokens:write' as const
/** How many tokens one report takes. */
const MAX_REPORTED = 100
const MAX_CHARACTERS = 20_000

/** What was typed. */
interface Typed {
  text: string
  act: 'inspect' | 'revoke' | 'report'
  /** Whether it was asked before: what ends tokens is asked once more. */
  isConfirmed: boolean
}

const FORMS = {
  ours: 'Complete, checksum correct',
  damaged: 'Damaged: mistyped, cut off or invented',
  foreign: 'Not a token of this server',
} as const

const REASONS = {
  unknown: 'Expired, revoked, replaced, or never issued here',
  app_inactive: 'Its app is suspended or deleted',
  account_inactive: 'Its account is deactivated',
} as const

const frameOf = (title: string, extra: Partial<Frame>): Frame => ({
  title,
  section: 'tokens',
  crumbs: [],
  ...extra,
})

/** Returns the rows. */
export const tokenRows = (deps: ConsoleDeps): Row[] => [lookUp(deps)]

const lookUp = (deps: ConsoleDeps): Row =>
  action({
    name: 'token.look-up',
    path: PATH,
    scope: SCOPE,
    find: () => undefined,
    read: (form): Typed => {
      const act = form?.fields.get('act')
      return {
        text: form?.fields.get('token')?.trim() ?? '',
        act: act === 'revoke' || act === 'report' ? act : 'inspect',
        isConfirmed: form?.fields.get('confirmed') === 'yes',
      }
    },
    recentSignIn: (_, { act }) => act !== 'inspect',
    showsStaleForm: true,
    once: false,
    page: (state) =>
      asksFirst(state.typed) && state.problems.length === 0 && !state.isStale
        ? questionPage(deps, state)
        : tokensPage(state),
    check: ({ text, act }) => problemsOf(text, act),
    async run(_, typed, by) {
      if (asksFirst(typed)) return { kind: 'asked' }
      const { text, act } = typed
      if (act === 'revoke') return shown([await revoked(deps, text, by)])
      if (act === 'report') return shown(await reported(deps, text, by))
      return shown([await inspected(deps, text, by)])
    },
  })

function tokensPage({ typed, problems, isStale, ...form }: FormState<undefined, Typed>) {
  return {
    template: 'tokens',
    frame: frameOf(TITLE, {
      problems: problems.map(({ sentence }) => ({ anchor: 'f-token', label: 'Token', sentence })),
    }),
    action: form.action,
    csrf: form.csrf,
    text: typed.text,
    problems: problems.map(({ sentence }) => sentence),
    isStale,
    signInAgainUrl: form.signInAgainUrl,
  } as const
}

const asksFirst = ({ act, isConfirmed }: Typed): boolean => act !== 'inspect' && !isConfirmed

/** Asks before tokens end: says what was found, and what will happen to it. */
async function questionPage(
  deps: ConsoleDeps,
  { typed: { text, act }, admin, ...form }: FormState<undefined, Typed>,
) {
  const found: TokenResult[] = []
  const tokens = act === 'report' ? tokensIn(text) : [text]
  if (!isGrantId(text))
    for (const token of tokens) found.push(await inspected(deps, token, admin.by))
  const isOne = tokens.length === 1
  const title =
    act === 'revoke'
      ? isGrantId(text)
        ? 'Revoke this authorization?'
        : 'Revoke this token?'
      : isOne
        ? 'Report this token as leaked?'
        : `Report ${tokens.length} tokens as leaked?`
  return {
    template: 'token-question',
    frame: frameOf(title, { crumbs: [{ label: TITLE, href: PATH }] }),
    action: form.action,
    csrf: form.csrf,
    cancelUrl: PATH,
    text,
    act,
    results: found,
    consequences:
      act === 'revoke'
        ? [
            'An access token ends alone. A refresh token, a code or an authorization ID ends the whole authorization.',
            'The app has to refresh, or ask the user again.',
          ]
        : [
            'Each token ends with its whole authorization, even if it had expired.',
            'Each client secret ends with all tokens that the app got with it.',
          ],
    button: act === 'revoke' ? 'Revoke' : isOne ? 'Report and revoke' : 'Report and revoke all',
  } as const
}

const shown = (results: TokenResult[]) =>
  ({
    kind: 'shown',
    page: {
      template: 'token-results',
      frame: frameOf(results.length === 1 ? 'Result' : `${results.length} results`, {
        crumbs: [{ label: TITLE, href: PATH }],
      }),
      results,
      link: PATH,
    },
  }) as const

function problemsOf(text: string, act: Typed['act']): Problem[] {
  const problem = (rule: string, sentence: string): Problem[] => [
    { field: 'token', rule, sentence },
  ]
  if (text === '') return problem('token-missing', 'Paste a token, code or client secret.')
  if (text.length > MAX_CHARACTERS || (act === 'report' && tokensIn(text).length > MAX_REPORTED))
    return problem('token-many', `Report at most ${MAX_REPORTED} tokens at a time.`)
  return []
}

/** Finds the tokens in what was pasted; where none has our form, the words as they are. */
function tokensIn(text: string): string[] {
  const found = text.match(new RegExp(TOKEN_PATTERN.source, 'g'))
  return [...new Set(found ?? text.split(/\s+/))]
}

async function inspected(
  { services, accounts }: ConsoleDeps,
  text: string,
  by: Operator,
): Promise<TokenResult> {
  const found = await services.tokens.inspect(text, by)
  const account = found.accountId === undefined ? undefined : await accounts.find(found.accountId)
  const time = (at: Date | undefined) => (at === undefined ? undefined : timeInWords(at))
  return {
    title: found.what === undefined ? FORMS[found.form] : capital(found.what),
    badge: badgeOf(found),
    facts: [
      fact('Form', FORMS[found.form]),
      fact('Why it does not work', found.reason && REASONS[found.reason]),
      fact('App', found.app?.name, found.app && appPath(found.app.id)),
      fact('Account', account?.email ?? found.accountId, account && accountPath(account)),
      fact('Authorization', found.grantId),
      fact('Secret ID', found.secretId),
      fact('Scopes', found.scopes?.join(' ')),
      fact('Audience', found.audience?.join(' ')),
      fact('Issued', time(found.issuedAt)),
      fact('Expires', time(found.expiresAt)),
    ].filter((each) => each !== undefined),
  }
}

const badgeOf = ({ isAlive }: TokenInspection) =>
  isAlive === undefined
    ? undefined
    : isAlive
      ? ({ label: 'Works', tone: 'good' } as const)
      : ({ label: 'Does not work', tone: 'off' } as const)

const fact = (label: string, value: string | undefined, href?: string): Fact | undefined =>
  value === undefined || value === '' ? undefined : { label, value, href }

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

const plain = (title: string): TokenResult => ({ title, badge: undefined, facts: [] })

async function revoked(
  { services, apps }: ConsoleDeps,
  text: string,
  by: Operator,
): Promise<TokenResult> {
  const outcome: RevokeOutcome = isGrantId(text)
    ? await services.tokens.revokeGrant(text, by)
    : await services.tokens.revoke(text, by)
  switch (outcome.kind) {
    case 'foreign':
      return plain('Nothing was revoked: this is not a token or authorization of this server.')
    case 'client_secret':
      return plain(
        'Nothing was revoked: this is a client secret. Revoke it on the app’s Credentials page, or report it as leaked.',
      )
    case 'nothing_alive':
      return plain('Nothing was revoked: it had expired or was revoked before.')
    case 'revoked': {
      const app = await apps.find(outcome.appId)
      return {
        title: outcome.whole
          ? 'Authorization revoked with all its tokens'
          : 'Access token revoked; its authorization still exists',
        badge: undefined,
        facts: [
          fact('App', app?.name ?? outcome.appId, appPath(outcome.appId)),
          fact('Authorization', outcome.grantId),
        ].filter((each) => each !== undefined),
      }
    }
  }
}

/** Reports each token that was pasted, one after the other. */
async function reported(deps: ConsoleDeps, text: string, by: Operator): Promise<TokenResult[]> {
  const results: TokenResult[] = []
  for (const token of tokensIn(text)) {
    const outcome = await deps.services.tokens.report(token, { revoke: true }, by)
    results.push(await reportResult(deps, outcome))
  }
  return results
}

async function reportResult(
  { apps, accounts }: ConsoleDeps,
  outcome: LeakOutcome,
): Promise<TokenResult> {
  if (outcome.kind === 'foreign') return plain('Not a token of this server')
  if (outcome.kind === 'unknown')
    return plain(`${capital(outcome.what)}: it ended long ago or was never issued here`)
  const app = await apps.find(outcome.appId)
  const accountId = outcome.kind === 'token' ? outcome.accountId : undefined
  const account = accountId === undefined ? undefined : await accounts.find(accountId)
  return {
    title: capital(outcome.what),
    badge: outcome.revoked
      ? { label: 'Revoked', tone: 'care' }
      : { label: 'Had ended', tone: 'off' },
    facts: [
      fact('Until now', outcome.wasLive ? 'It worked' : 'It no longer worked'),
      fact('App', app?.name ?? outcome.appId, appPath(outcome.appId)),
      fact('Account', account?.email ?? accountId, account && accountPath(account)),
      fact('Authorization', outcome.kind === 'token' ? outcome.grantId : undefined),
      fact('Secret ID', outcome.kind === 'secret' ? outcome.secretId : undefined),
    ].filter((each) => each !== undefined),
  }
}
