-- Request one renewal: each new value of the annotation is one request.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["keywright.dev/renew-requested-at"] = os.date("!%Y-%m-%dT%XZ")
return obj
