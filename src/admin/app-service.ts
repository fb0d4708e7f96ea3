// What admins do to apps: the registry's functions, each with its audit event and the question
// whether the operator may. Console, API and command line all come through here. Invariant: an act
// that changed something is recorded with actor, target and what changed; one that was refused
// changed nothing.
import type { App, AppChange, AppInput } from '../model/app.ts'
import type {
  AppRegistry,
  CreatedSecret,
  CreateSecretOutcome,
  RegisteredApp,
  RegisterOutcome,
  UpdateOutcome,
} from '../apps/app-registry.ts'
import { SETTING_NAMES } from '../apps/app-settings.ts'
import { checkLogo } from '../apps/logo.ts'
import type { Refused } from '../model/problem.ts'
import type { Events } from '../audit/events.ts'
import type { WriteAlong } from '../storage/database.ts'
import { diffOf } from '../model/diff.ts'
import { assertMay, assertMayHandOn, contextOf, type Operator } from './operator.ts'

/** A picture as it was handed in. */
export interface LogoUpload {
  bytes: Uint8Array
  contentType: string
}

/** Each throws `power_missing` for an operator who may not, and `not_found` where there is no such app. */
export interface AppService {
  /**
   * Registers an app, with its logo where one is given; a refused logo refuses all.
   *
   * @param along writes along in the transaction
   */
  register(
    input: AppInput,
    by: Operator,
    logo?: LogoUpload,
    along?: WriteAlong<RegisteredApp>,
  ): Promise<RegisterOutcome>
  update(id: string, version: number, change: AppChange, by: Operator): Promise<UpdateOutcome>
  suspend(id: string, reason: string, by: Operator): Promise<App>
  activate(id: string, by: Operator): Promise<App>
  remove(id: string, reason: string, by: Operator): Promise<App>
  createSecret(
    id: string,
    options: { expiresAt?: Date | undefined; along?: WriteAlong<CreatedSecret> | undefined },
    by: Operator,
  ): Promise<CreateSecretOutcome>
  revokeSecret(id: string, secretId: string, by: Operator): Promise<App>
  setLogo(
    id: string,
    logo: LogoUpload,
    by: Operator,
  ): Promise<{ kind: 'updated'; app: App } | Refused>
  removeLogo(id: string, by: Operator): Promise<App>
}

/** Creates the service. */
export function createAppService(deps: {
  apps: AppRegistry
  events: Pick<
    Events,
    | 'appRegistered'
    | 'appChanged'
    | 'appSuspended'
    | 'appActivated'
    | 'appDeleted'
    | 'secretCreated'
    | 'secretRevoked'
  >
}): AppService {
  const { apps, events } = deps

  /** Reads the app that is to be changed, if the operator may decide over it. */
  async function target(id: string, by: Operator): Promise<App> {
    assertMay(by, 'admin:apps:write')
    const app = await apps.get(id)
    assertMayHandOn(by, app)
    return app
  }

  return {
    async register(input, by, logo, along) {
      assertMay(by, 'admin:apps:write')
      // The input may be of any type; what is no list of scopes is refused by the registry.
      const { scopes } = input as { scopes?: unknown }
      if (Array.isArray(scopes)) assertMayHandOn(by, { scopes: scopes.map(String) })
      // Looked at before anything is written, so that a refused logo does not leave an app without
      // one behind.
      const picture = logo === undefined ? undefined : checkLogo(logo.bytes, logo.contentType)
      if (picture?.kind === 'refused') {
        const verdict = apps.check(input)
        return verdict.kind === 'refused'
          ? { kind: 'refused', problems: [...verdict.problems, ...picture.problems] }
          : picture
      }
      const outcome = await apps.register(input, picture?.logo, along)
      if (outcome.kind === 'refused') return outcome
      const { id, name } = outcome.app
      events.appRegistered({ appId: id, name }, contextOf(by))
      const [secret] = outcome.app.secrets
      if (secret !== undefined)
        events.secretCreated({ appId: id, secretId: secret.id }, contextOf(by))
      return outcome
    },

    async update(id, version, change, by) {
      const before = await target(id, by)
      if (Array.isArray(change.scopes)) assertMayHandOn(by, { scopes: change.scopes.map(String) })
      const outcome = await apps.update(id, version, change)
      if (outcome.kind !== 'updated') return outcome
      const diff = diffOf(before, outcome.app, SETTING_NAMES)
      if (Object.keys(diff).length > 0) events.appChanged({ appId: id, diff }, contextOf(by))
      return outcome
    },

    async suspend(id, reason, by) {
      await target(id, by)
      const app = await apps.suspend(id, reason)
      events.appSuspended({ appId: id, statusReason: app.statusReason }, contextOf(by))
      return app
    },
    async activate(id, by) {
      await target(id, by)
      const app = await apps.activate(id)
      events.appActivated({ appId: id }, contextOf(by))
      return app
    },
    async remove(id, reason, by) {
      await target(id, by)
      const app = await apps.remove(id, reason)
      events.appDeleted({ appId: id, statusReason: app.statusReason }, contextOf(by))
      return app
    },

    async createSecret(id, options, by) {
      await target(id, by)
      const outcome = await apps.createSecret(id, options)
      if (outcome.kind === 'created')
        events.secretCreated({ appId: id, secretId: outcome.secretId }, contextOf(by))
      return outcome
    },
    async revokeSecret(id, secretId, by) {
      await target(id, by)
      const app = await apps.revokeSecret(id, secretId)
      events.secretRevoked({ appId: id, secretId }, contextOf(by))
      return app
    },

    async setLogo(id, { bytes, contentType }, by) {
      const before = await target(id, by)
      const outcome = await apps.setLogo(id, bytes, contentType)
      if (outcome.kind === 'updated') noteLogo(before, outcome.app, by)
      return { ...outcome }
    },
    async removeLogo(id, by) {
      const before = await target(id, by)
      const app = await apps.removeLogo(id)
      noteLogo(before, app, by)
      return app
    },
  }

  function noteLogo(before: App, after: App, by: Operator): void {
    const diff = diffOf(before, after, ['logoId'])
    if (Object.keys(diff).length > 0) events.appChanged({ appId: after.id, diff }, contextOf(by))
  }
}
