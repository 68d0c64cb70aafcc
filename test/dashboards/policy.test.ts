import test from 'ava'
import { policyWord, policyWords } from '../../dashboards/web/state/policy.ts'

const nobody = { kind: '', namespace: '', name: '' }
const named = { kind: 'AuthorizationPolicy', namespace: 'shop', name: 'deny-all' }

test('a denial that no policy allowed is called a default deny, in the words of Cilium and of Envoy, and of no policy', t => {
  for (const reason of ['policy_denied', 'Policy denied', 'POLICY_DENIED', 'default_deny']) {
    t.is(policyWords(nobody, reason), 'No policy allowed it (default deny)', reason)
    t.is(policyWord(nobody, reason), 'default deny', reason)
    t.is(policyWords(named, reason), 'AuthorizationPolicy / shop / deny-all', reason)
  }
})

test('a denial by a policy that nobody named is no default deny', t => {
  for (const reason of ['policy_deny', '']) {
    t.is(policyWords(nobody, reason), 'No policy is named', reason)
    t.is(policyWord(nobody, reason), 'no policy named', reason)
  }
})
