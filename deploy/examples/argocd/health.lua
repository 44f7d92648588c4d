-- Health of an AIProviderSeed for Argo CD. argocd-cm.yaml beside this file carries the same text.
local status = obj.status or {}
local ready, suspended, stalled
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" then ready = condition end
  if condition.type == "Suspended" and condition.status == "True" then suspended = condition end
  if condition.type == "Stalled" and condition.status == "True" then stalled = condition end
end
if status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "the controller has not seen this generation yet"}
end
if suspended ~= nil then
  return {status = "Suspended", message = suspended.message}
end
if ready == nil or ready.status == "Unknown" then
  return {status = "Progressing", message = ready and ready.message or "not checked yet"}
end
if ready.status == "True" then
  return {status = "Healthy", message = ready.message}
end
if stalled ~= nil then
  return {status = "Degraded", message = stalled.message}
end
return {status = "Progressing", message = ready.message}
