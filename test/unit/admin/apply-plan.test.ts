// From a file and a state to a plan: what is created, changed, left alone, suspended; all problems
// at once, each with its place and line.
import type { Scope } from '../../../src/model/scope.ts'
import { type App, freezeApp } from '../../../src/model/app.ts'
import { readFileSync } from 'node:fs'
import { readDeclaration } from '../../../src/admin/apply/declaration.ts'
import { toDeclaration } from '../../../src/admin/apply/export.ts'
import {
  type CurrentState,
  hasChanges,
  makePlan,
  type Plan,
  planSummary,
} from '../../../src/admin/apply/plan.ts'
import { DEFAULT_LIFETIME_BOUNDS } from '../../../src/apps/app-rules.ts'
import { BUILT_IN_SCOPES } from '../../../src/apps/scope.ts'
import { readDeclarationText } from '../../../src/admin/apply/declaration-file.ts'
import { planJson, planText } from '../../../src/cli/plan-text.ts'

const ID = 'app_aaaaaaaaaaaaaaaaaaaa'
const OTHER_ID = 'app_bbbbbbbbbbbbbbbbbbbb'
const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><rect width="8" height="8"/></svg>'

const scope = (overrides: Partial<Scope> = {}): Scope => ({
  name: 'rooms:read',
  sentence: 'See rooms',
  group: 'Rooms',
  sensitive: false,
  deprecated: false,
  audience: undefined,
  version: 3,
  ...overrides,
})

const app = (overrides: Partial<App> = {}): App =>
  freezeApp({
    id: ID,
    handle: 'planner',
    name: 'Planner',
    description: undefined,
    type: 'web',
    homepageUrl: undefined,
    privacyUrl: undefined,
    termsUrl: undefined,
    ownerContact: undefined,
    environment: undefined,
    redirectUris: ['https://planner.example/cb'],
    scopes: ['rooms:read', 'openid'],
    allowedOrigins: [],
    audiences: [],
    clientCredentials: false,
    localhostAnyPort: false,
    schemesWithoutDomain: false,
    requirePkce: false,
    rotateRefreshTokens: false,
    slidingRefresh: false,
    accessTtlSeconds: undefined,
    refreshTtlSeconds: undefined,
    idTokenSignedResponseAlg: 'RS256',
    logoId: undefined,
    status: 'active',
    statusReason: undefined,
    version: 7,
    generation: 0,
    grantsFrom: 0,
    ownFrom: 0,
    createdAt: new Date(0),
    updatedAt: new Date(0),
    secrets: [],
    ...overrides,
  })

const stateOf = (state: Partial<Omit<CurrentState, 'scopes'>> & { scopes?: Scope[] } = {}) => ({
  apps: [],
  kept: [],
  ...state,
  scopes: new Map([...BUILT_IN_SCOPES, ...(state.scopes ?? [])].map((one) => [one.name, one])),
})

const options = { bounds: DEFAULT_LIFETIME_BOUNDS, logos: new Map() }

/** Plans from a text; problems as `line field rule`. */
function plan(text: string, state: CurrentState = stateOf(), given = options) {
  const { declaration, problems, withLines } = readDeclarationText(text)
  const outcome = makePlan(declaration, state, given)
  const all = [...problems, ...(outcome.kind === 'refused' ? withLines(outcome.problems) : [])]
  return {
    problems: all.map(({ line, path, rule }) => `${line} ${path.join('.')} ${rule}`),
    plan:
      outcome.kind === 'planned'
        ? outcome.plan
        : ({ scopes: [], apps: [], suspensions: [] } as Plan),
  }
}

const PLANNER = `
scopes:
  - { name: rooms:read, sentence: See rooms, group: Rooms }
apps:
  - handle: planner
    name: Planner
    type: web
    redirectUris: [https://planner.example/cb]
    scopes: [openid, rooms:read]
`

test('what is as the file says is left alone, whatever the order of its lists', () => {
  const state = stateOf({ scopes: [scope()], apps: [app()] })
  const { plan: made, problems } = plan(PLANNER, state)
  expect(problems).toEqual([])
  expect(hasChanges(made)).toBe(false)
  expect(planSummary(made)).toEqual({ create: 0, update: 0, unchanged: 2, suspend: 0 })
})

test('what is not there is made, and apps may have scopes that the same file makes', () => {
  const { plan: made, problems } = plan(PLANNER)
  expect(problems).toEqual([])
  expect(made.scopes).toMatchObject([{ kind: 'create', name: 'rooms:read' }])
  expect(made.apps).toMatchObject([
    { kind: 'create', settings: { scopes: ['openid', 'rooms:read'] } },
  ])
})

test('what differs is told setting by setting; what the file leaves out is emptied', () => {
  const state = stateOf({
    scopes: [scope({ sentence: 'Look at rooms', sensitive: true })],
    apps: [
      app({
        description: 'Plans',
        redirectUris: ['https://old.example/cb'],
        accessTtlSeconds: 900,
        requirePkce: true,
      }),
    ],
  })
  const { plan: made } = plan(PLANNER, state)
  expect(made.scopes).toMatchObject([
    {
      kind: 'update',
      version: 3,
      changes: [
        { field: 'sentence', before: 'Look at rooms', after: 'See rooms' },
        { field: 'sensitive', before: true, after: false },
      ],
    },
  ])
  expect(made.apps).toMatchObject([
    {
      kind: 'update',
      app: { id: ID, version: 7 },
      changes: [
        { field: 'description', before: 'Plans', after: undefined },
        { field: 'redirectUris' },
        { field: 'requirePkce', before: true, after: false },
        { field: 'accessTtlSeconds', before: 900, after: undefined },
      ],
    },
  ])
  const shown = planText(made, (_, text) => text)
  expect(shown).toContain('  ~ planner\n      description       "Plans" → (none)\n')
  expect(shown).toContain('- https://old.example/cb\n')
  expect(shown).toContain('+ https://planner.example/cb\n')
  expect(shown).toContain('0 to create, 2 to change, 0 unchanged.')
  expect(planJson(made)).toMatchObject({ apps: [{ changes: [{ after: null }, {}, {}, {}] }] })
})

test('client_credentials stays as it is where the file does not speak of it', () => {
  const state = stateOf({ scopes: [scope()], apps: [app({ clientCredentials: true })] })
  expect(hasChanges(plan(PLANNER, state).plan)).toBe(false)
  const off = `${PLANNER.trimEnd()}\n    clientCredentials: false\n`
  expect(plan(off, state).plan.apps).toMatchObject([
    { kind: 'update', changes: [{ field: 'clientCredentials', before: true, after: false }] },
  ])
  // A new web app begins without, a new machine with it, and neither is worth a line.
  expect(plan(PLANNER).plan.apps[0]).toMatchObject({ settings: { clientCredentials: false } })
  const machine = '{"version": 1, "apps": [{"handle": "job", "name": "Job", "type": "machine"}]}'
  expect(plan(machine).plan.apps[0]).toMatchObject({
    settings: { clientCredentials: true },
    changes: [{ field: 'handle' }, { field: 'name' }, { field: 'type' }],
  })
})

test('an export speaks of client_credentials where a new app of the type would begin otherwise', () => {
  const machine = { type: 'machine', redirectUris: [] } as const
  const { apps } = toDeclaration(
    [],
    [
      app({ handle: 'a', clientCredentials: true }),
      app({ handle: 'b', clientCredentials: false }),
      app({ handle: 'c', ...machine, clientCredentials: true }),
      app({ handle: 'd', ...machine, clientCredentials: false }),
    ],
  )
  expect(apps.map(({ clientCredentials }) => clientCredentials)).toEqual([
    true,
    undefined,
    undefined,
    false,
  ])
})

test('a text with control characters is shown as what it is', () => {
  const state = stateOf({ scopes: [scope()], apps: [app({ description: 'a\u001B[2Jb' })] })
  expect(planText(plan(PLANNER, state).plan, (_, text) => text)).toContain('"a\\u001b[2Jb"')
})

test('all problems are told at once, with the line of each', () => {
  const text = `scopes:
  - name: "rooms read"
    sentence: See rooms
  - name: openid
    sentence: X
    group: Y
apps:
  - handle: Planner
    type: web
  - handle: b
    name: B
    type: wep
    colour: red
    redirectUris:
      - https://b.example/cb
      - http://b.example/cb
    scopes: [nothing:there]
  - handle: b
    name: 7
  - just text
surplus: 1
`
  expect(plan(text).problems.sort((a, b) => parseInt(a) - parseInt(b))).toEqual([
    '2 scopes.0.name scope-name-form',
    '2 scopes.0.group scope-group-needed',
    '4 scopes.1.name scope-name-reserved',
    '8 apps.0.handle handle-form',
    '12 apps.1.type field-type',
    '13 apps.1.colour field-unknown',
    '17 apps.1.scopes.0 scope-unknown',
    '18 apps.2.handle file-twice',
    '20 apps.3 file-entry',
    '21 surplus file-key',
  ])
  const uris = text.replace('wep', 'web').replace('    colour: red\n', '')
  expect(plan(uris).problems).toContain('15 apps.1.redirectUris.1 uri-http-not-loopback')
})

test.each([
  ['a tag', 'apps: !!js/function x'],
  ['no YAML', 'apps: [\n'],
  ['a key twice', 'apps: []\napps: []'],
  ['two documents', 'apps: []\n---\napps: []'],
  [
    'aliases without end',
    `a: &a [x]\n${'bcdefgh'.replace(/./g, (k, at: number) => `${k}: &${k} [${`*${'abcdefgh'[at]!},`.repeat(9)}]\n`)}apps: []`,
  ],
])('a file that is %s is refused with a sentence', (_, text) => {
  const { problems } = readDeclarationText(text)
  expect(problems.length).toBeGreaterThan(0)
  expect(problems[0]).toMatchObject({ rule: 'file-syntax', line: expect.any(Number) })
})

test.each([
  [[]],
  ['text'],
  [null],
  [{ apps: {} }],
  [{ scopes: 'x' }],
  [JSON.parse('{"__proto__":1}')],
])('whatever was read has a shape or problems: %j', (data) => {
  const { declaration, problems } = readDeclaration(data)
  expect([declaration.apps, declaration.scopes]).toEqual([[], []])
  expect(problems).toHaveLength(1)
})

describe('an app that the file names by its client id', () => {
  const byId = PLANNER.replace('handle: planner', `handle: planner\n    id: ${ID}`)

  test('takes the handle', () => {
    const state = stateOf({ scopes: [scope()], apps: [app({ handle: undefined })] })
    expect(plan(byId, state).plan.apps).toMatchObject([
      { kind: 'update', changes: [{ field: 'handle', before: undefined, after: 'planner' }] },
    ])
  })

  test('must be there, and the handle must be free', () => {
    expect(plan(byId).problems).toEqual(['6 apps.0.id app-unknown'])
    const apps = [app({ handle: undefined }), app({ id: OTHER_ID })]
    expect(plan(byId, stateOf({ apps })).problems).toEqual(['5 apps.0.handle handle-taken'])
  })
})

test('apps that the file does not name are suspended where that was asked for, and named ones never', () => {
  const other = app({ id: OTHER_ID, handle: 'old' })
  const state = stateOf({ scopes: [scope()], apps: [app()], kept: [app(), other] })
  const { plan: made } = plan(PLANNER, state)
  expect(made.suspensions).toEqual([other])
  expect(planText(made, (_, text) => text)).toContain(
    '! old  is suspended: the file does not name it',
  )
})

test('the type of an app never changes, and a suspended one stays suspended and says so', () => {
  const state = stateOf({ scopes: [scope()], apps: [app({ type: 'public', status: 'suspended' })] })
  expect(plan(PLANNER, state).problems).toEqual(['7 apps.0.type type-fixed'])
  const suspended = stateOf({ scopes: [scope()], apps: [app({ status: 'suspended' })] })
  expect(planText(plan(PLANNER, suspended).plan, (_, text) => text)).toContain('stays so')
})

test('a logo is set where it is another, and looked at first', () => {
  const upload = { bytes: Buffer.from(SVG), contentType: 'image/svg+xml' }
  const logos = new Map([['planner', upload]])
  const state = stateOf({ scopes: [scope()], apps: [app()] })
  const { plan: made } = plan(PLANNER, state, { ...options, logos })
  expect(made.apps).toMatchObject([{ kind: 'update', logo: upload, changes: [{ field: 'logo' }] }])
  const [change] = made.apps[0]!.changes
  const same = stateOf({ scopes: [scope()], apps: [app({ logoId: String(change!.after) })] })
  expect(hasChanges(plan(PLANNER, same, { ...options, logos }).plan)).toBe(false)
  const script = { ...upload, bytes: Buffer.from('<svg><script/></svg>') }
  const bad = plan(PLANNER, state, { ...options, logos: new Map([['planner', script]]) })
  expect(bad.problems).toEqual(['5 apps.0.logo logo-svg-not-inert'])
})

test('the annotated example is a file that can be applied, and what it makes exports as itself', () => {
  const text = readFileSync(new URL('../../../examples/apps.yaml', import.meta.url), 'utf8')
  const { plan: made, problems } = plan(text)
  expect(problems).toEqual([])
  expect(planSummary(made)).toEqual({ create: 7, update: 0, unchanged: 0, suspend: 0 })
  const scopes = made.scopes.map((step) => ({ ...step.scope, version: 1 }))
  const apps = made.apps.map(({ settings }, at) =>
    app({ ...settings, id: `app_${'a'.repeat(19)}${at}` }),
  )
  const exported = toDeclaration([...BUILT_IN_SCOPES, ...scopes], apps)
  const again = plan(JSON.stringify(exported), stateOf({ scopes, apps }))
  expect(again.problems).toEqual([])
  expect(planSummary(again.plan)).toMatchObject({ update: 0, create: 0, unchanged: 7 })
})

test('an export gives a handle to each app that has none', () => {
  const nameless = (name: string, at: number) =>
    app({ id: `app_${'a'.repeat(19)}${at}`, handle: undefined, name, createdAt: new Date(at) })
  const apps = [app(), nameless('Planner', 1), nameless('Ärger & Söhne', 2), nameless('計画', 3)]
  const { apps: entries } = toDeclaration([scope()], apps)
  expect(entries.map(({ handle, id }) => [handle, id])).toEqual([
    ['app-aaaaaaaaaaaaaaaaaaa3', 'app_aaaaaaaaaaaaaaaaaaa3'],
    ['arger-sohne', 'app_aaaaaaaaaaaaaaaaaaa2'],
    ['planner', undefined],
    ['planner-2', 'app_aaaaaaaaaaaaaaaaaaa1'],
  ])
})
