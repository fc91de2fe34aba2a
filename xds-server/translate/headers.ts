import type { HeaderMutation } from '../../protos/gen/envoy/config/common/mutation_rules/v3/HeaderMutation.ts'
import type { HeaderValueOption } from '../../protos/gen/envoy/config/core/v3/HeaderValueOption.ts'

/** Sets a header to this value alone. The value may hold Envoy's `%…%` operators. */
export function setHeader(key: string, value: string): HeaderValueOption {
  return { header: { key, value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }
}

/** Sets a header that is not there yet; an empty value adds nothing. */
export function setIfAbsent(key: string, value: string): HeaderValueOption {
  return { header: { key, value }, append_action: 'ADD_IF_ABSENT' }
}

/** Adds one more value to a header. */
export function appendHeader(key: string, value: string): HeaderValueOption {
  return { header: { key, value }, append_action: 'APPEND_IF_EXISTS_OR_ADD' }
}

/** {@link HeaderValueOption} as a step of a header mutation. */
export function append(option: HeaderValueOption): HeaderMutation {
  return { append: option }
}

/** Removes a header by name. */
export function remove(name: string): HeaderMutation {
  return { remove: name }
}

/** Removes every header whose name begins like this, in any letter case. */
export function removePrefix(prefix: string): HeaderMutation {
  return { remove_on_match: { key_matcher: { prefix, ignore_case: true } } }
}

/** Removes every header whose name, in lower case, is wholly matched by this RE2 pattern. */
export function removeMatching(pattern: string): HeaderMutation {
  return { remove_on_match: { key_matcher: { safe_regex: { regex: pattern } } } }
}
