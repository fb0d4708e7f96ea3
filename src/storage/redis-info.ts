// Reads what INFO of Redis tells. Called by the verdict and by whoever watches Redis.

/** The fields that we look at; undefined where this Redis does not tell. */
export interface RedisInfo {
  version: string | undefined
  /** `standalone`, `cluster` or `sentinel`. */
  mode: string | undefined
  role: string | undefined
  maxmemoryPolicy: string | undefined
  isAppendOnly: boolean | undefined
  /** Replicas that this master feeds and that are in step. */
  onlineReplicas: number
  usedMemory: number
  /** 0 where there is no bound. */
  maxMemory: number
}

/** Reads an answer of INFO, or of one of its sections. */
export function fieldsOf(info: string): RedisInfo {
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
  const appendOnly = field('aof_enabled')
  return {
    version: field('redis_version'),
    mode: field('redis_mode'),
    role: field('role'),
    maxmemoryPolicy: field('maxmemory_policy'),
    isAppendOnly: appendOnly === undefined ? undefined : appendOnly === '1',
    onlineReplicas: info.match(/^slave\d+:.*\bstate=online\b/gm)?.length ?? 0,
    usedMemory: Number(field('used_memory') ?? 0),
    maxMemory: Number(field('maxmemory') ?? 0),
  }
}
