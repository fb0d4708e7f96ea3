// What admins do to the catalogue of scopes, with audit events. Console, API and command line all
// come through here.
import { SCOPE_SETTING_NAMES } from '../apps/scope-settings.ts'
import type { Scope } from '../model/scope.ts'
import type { ScopeCatalogue, ScopeOutcome, ScopeUpdateOutcome } from '../apps/scope-catalogue.ts'
import type { ScopeInput } from '../apps/scope.ts'
import type { Events } from '../audit/events.ts'
import type { WriteAlong } from '../storage/database.ts'
import { diffOf } from '../model/diff.ts'
import { assertMay, contextOf, type Operator } from './operator.ts'

/** Each throws `power_missing` for an operator who may not. */
export interface ScopeService {
  create(input: ScopeInput, by: Operator, along?: WriteAlong<Scope>): Promise<ScopeOutcome>
  /** Changes what is given and keeps the rest, if `version` is still the scope's. @throws {AppError} `not_found` */
  update(
    name: string,
    version: number,
    change: Partial<Omit<ScopeInput, 'name'>>,
    by: Operator,
  ): Promise<ScopeUpdateOutcome>
  /** @throws {AppError} `not_found`, also for built-in scopes */
  remove(name: string, by: Operator): Promise<void>
}

/** Creates the service. */
export function createScopeService(deps: {
  scopes: Pick<ScopeCatalogue, 'create' | 'update' | 'remove' | 'get'>
  events: Pick<Events, 'scopeCreated' | 'scopeChanged' | 'scopeRemoved'>
}): ScopeService {
  const { scopes, events } = deps
  return {
    async create(input, by, along) {
      assertMay(by, 'admin:scopes:write')
      const outcome = await scopes.create(input, along)
      if (outcome.kind === 'saved')
        events.scopeCreated({ scope: outcome.scope.name }, contextOf(by))
      return outcome
    },
    async update(name, version, change, by) {
      assertMay(by, 'admin:scopes:write')
      const before = await scopes.get(name)
      const outcome = await scopes.update({ ...settingsOf(before), ...change, name }, version)
      if (outcome.kind !== 'saved') return outcome
      const diff = diffOf(before, outcome.scope, SCOPE_SETTING_NAMES)
      if (Object.keys(diff).length > 0) events.scopeChanged({ scope: name, diff }, contextOf(by))
      return outcome
    },
    async remove(name, by) {
      assertMay(by, 'admin:scopes:write')
      await scopes.remove(name)
      events.scopeRemoved({ scope: name }, contextOf(by))
    },
  }
}

const settingsOf = ({ version: _version, ...scope }: Scope): ScopeInput => scope
