-- Health of an ApiKeyGrant and of a CredentialSource for Argo CD; both kinds have the same script.
-- Healthy with a living key, also while its renewal fails: the message then says so, before it ends.
local health = { status = "Progressing", message = "Waiting for Keywright" }
if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "Waiting for Keywright to see the latest edit"
  return health
end
local found = {}
for _, condition in ipairs(obj.status.conditions) do
  found[condition.type] = condition
end
local ready, stalled, failing = found.Ready, found.Stalled, found.RenewalFailing
if ready == nil then
  return health
end
health.message = ready.message
if ready.reason == "Suspended" then
  health.status = "Suspended"
elseif stalled ~= nil and stalled.status == "True" then
  health.status = "Degraded"
  health.message = stalled.message
elseif ready.status == "True" then
  health.status = "Healthy"
  if failing ~= nil and failing.status == "True" then
    health.message = "The key is good, but its renewal fails: " .. failing.message
  end
elseif ready.reason == "Expired" then
  health.status = "Degraded"
end
return health
