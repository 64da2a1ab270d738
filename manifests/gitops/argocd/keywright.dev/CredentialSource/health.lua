-- Health of an ApiKeyGrant and of a CredentialSource for Argo CD; both kinds have the same script.
-- Degraded as soon as a renewal fails, also while the present key is still valid.
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
elseif failing ~= nil and failing.status == "True" then
  health.status = "Degraded"
  health.message = "The key is valid, but its renewal fails: " .. failing.message
elseif ready.status == "True" then
  health.status = "Healthy"
elseif ready.reason == "Expired" then
  health.status = "Degraded"
end
return health
